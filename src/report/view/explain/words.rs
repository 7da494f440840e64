//! The explanation in a few sentences, and none that the intervals do not
//! support.

use super::super::number::{Unit, counted, prose, significant};
use super::super::prose::interval;
use super::names;
use crate::analysis::explain::{
    Explained, HeldUp, Span, alternative, first_to_look_at, grown, held_up, hidden_tax, kept,
    largest_mechanism, saved, spans, starts,
};
use crate::model::{SpawnMethod, ThreadWaits};
use crate::stats::Estimate;

/// The sentences, the most useful first.
pub(super) fn sentences(explained: &Explained<'_>) -> Vec<String> {
    let mut sentences = Vec::new();
    sentences.extend(alternative(explained).map(|other| switch(explained, other)));
    let first = first_to_look_at(explained);
    sentences.extend(first.and_then(|method| largest_phase(explained, method)));
    sentences.extend(scatter(explained));
    sentences.extend(first.and_then(|method| largest_part_of_cpu(explained, method)));
    sentences.extend(start_of_program(explained));
    sentences.extend(tax(explained));
    sentences.extend(held_up(explained).map(|found| wait(&found)));
    sentences
}

/// What another thread waits for beside forks, and beside what does better.
fn wait(found: &HeldUp<'_>) -> String {
    let waits = |waits: &ThreadWaits| {
        let [fault, mapping] = [waits.fault_ns, waits.mapping_ns].map(|it| prose(it.value));
        format!("the longest page fault took {fault}, the longest mapping {mapping}")
    };
    let others = found.less.iter();
    let others: Vec<String> = others
        .map(|(method, it)| format!("beside {} {}", method.name(), waits(it)))
        .collect();
    format!(
        "Another thread of the parent waits meanwhile: beside a fork, whose call took {}, {}; {} \
         (medians over spawns).",
        prose(found.fork.call_ns.value),
        waits(found.fork),
        others.join("; ")
    )
}

/// The interval in percent: "50.1 to 50.9 %".
fn percents(share: Estimate) -> String {
    interval(share.map(|share| share * 100.0)) + " %"
}

/// The interval of a time: "50.1 us to 50.9 us".
fn range(time: Estimate, unit: Unit) -> String {
    let [low, high] = time.ci95.map(|bound| unit.prose(bound));
    format!("{low} to {high}")
}

/// A span by its last phase, with those that lie within it for want of a stamp.
fn name(span: &Span) -> String {
    let phases: Vec<&str> = span
        .phases
        .iter()
        .map(|phase| names::phase(*phase)[0])
        .collect();
    phases.join(", with ")
}

/// The phase to look at first, or the two that cannot be told apart.
fn largest_phase(explained: &Explained<'_>, method: SpawnMethod) -> Option<String> {
    let (total, spans) = spans(explained.ledger(method)?)?;
    let [first, second, ..] = spans.as_slice() else {
        return None;
    };
    let unit = Unit::of_one(total.value);
    let share = |span: &Span| significant(span.share * 100.0);
    let lead = format!(
        "Of the {} of a {} spawn",
        unit.prose(total.value),
        method.name()
    );
    let [largest, next] = [first, second].map(|span| format!("\"{}\"", name(span)));
    let [most, less] = [first, second].map(share);
    Some(match first.time.exceeds(&second.time) {
        true => format!(
            "{lead}, the largest part is {largest}: {} ({most} %); next is {next} ({less} %).",
            unit.prose(first.time.value),
        ),
        false => format!(
            "{lead}, {largest} ({most} %) and {next} ({less} %) take most; no difference is seen \
             between the two."
        ),
    })
}

/// The mechanism with the largest share, if it is seen to be the largest.
fn largest_part_of_cpu(explained: &Explained<'_>, method: SpawnMethod) -> Option<String> {
    let [first, second] = largest_mechanism(explained, method)?;
    let hottest = first.hottest.first().map_or(String::new(), |hot| {
        format!(", most often in {}", hot.function)
    });
    Some(format!(
        "The largest part of the CPU time of a {} spawn is \"{}\", {} % ({}){hottest}; next is \
         \"{}\", {} %.",
        method.name(),
        names::mechanism(first.mechanism),
        significant(first.share.value * 100.0),
        percents(first.share),
        names::mechanism(second.mechanism),
        significant(second.share.value * 100.0),
    ))
}

/// Where the mappings stayed the same and the page-table entries did not, fork's
/// extra is not the mappings'.
fn scatter(explained: &Explained<'_>) -> Option<String> {
    let found = grown(explained)?;
    let mappings = match found.vmas {
        0 => "no mapping more".to_owned(),
        more => counted(more, "mapping") + " more",
    };
    let grew = if found.is_scattered {
        "the page tables and their scatter"
    } else {
        "the entries of the page tables"
    };
    let mut sentence = format!(
        "Against the empty worker the space has {mappings}, but {} more in {} more: what grew is \
         {grew}, not the number of mappings.",
        counted(found.ptes, "present PTE"),
        counted(found.tables, "page table"),
    );
    if let Some(extra) = found.longer {
        let unit = Unit::of_one(extra.value);
        let work = found.table_work.map_or(String::new(), |work| {
            format!(
                "; work on page tables (copied, allocated, unmapped, freed) is {} % of its CPU \
                 time ({})",
                significant(work.value * 100.0),
                percents(work)
            )
        });
        sentence += &format!(
            " A fork from it takes {} longer ({}){work}.",
            unit.prose(extra.value),
            range(extra, unit)
        );
    }
    Some(sentence)
}

/// What another method saves, and what it cannot.
fn switch(explained: &Explained<'_>, other: SpawnMethod) -> String {
    let name = other.name();
    let Some(saved) = saved(explained, other) else {
        return format!("How fork and {name} differ is not known: too few turns have both.");
    };
    let percent = significant(saved.value.abs() * 100.0);
    let compared = if saved.is_above(0.0) {
        let range = percents(saved);
        format!("{name} instead of fork saves {percent} % of the total ({range})")
    } else if saved.is_below(0.0) {
        let range = percents(saved.turned(|share| -share));
        format!("{name} instead of fork takes {percent} % more ({range})")
    } else {
        format!("No difference is seen between the totals of fork and {name}")
    };
    let stays = kept(explained, other).map_or(String::new(), |kept| {
        let unit = Unit::of_one(kept.value);
        format!(
            "; what both must do from the new program's exec on stays: {} of {name}'s total ({})",
            unit.prose(kept.value),
            range(kept, unit)
        )
    });
    format!("{compared}{stays}.")
}

/// Which share of a total is the dynamic loader's, and libc's as far as it is
/// known apart.
fn start_of_program(explained: &Explained<'_>) -> Option<String> {
    let found = starts(explained);
    let clauses: Vec<String> = found
        .methods
        .iter()
        .map(|start| {
            let share = significant(start.share.value * 100.0);
            let (name, ends) = (start.method.name(), percents(start.share));
            format!("{share} % of {name}'s total ({ends})")
        })
        .collect();
    let what = if found.with_libc {
        "The dynamic loader and libc's start are"
    } else {
        "The dynamic loader is"
    };
    (!clauses.is_empty()).then(|| {
        format!(
            "{what} {}: a static program has no loader.",
            clauses.join(" and ")
        )
    })
}

/// What writing to a page again costs after each method.
fn tax(explained: &Explained<'_>) -> Option<String> {
    let found = hidden_tax(explained)?;
    let taxed = found.rewriting;
    let mut sentence = format!(
        "After a {}, each page that the parent writes to again costs {} ns more ({} ns), {} for {}",
        found.method.name(),
        significant(taxed.tax_ns.value),
        interval(taxed.tax_ns),
        prose(found.all.value),
        counted(taxed.pages, "page"),
    );
    if let Some(calls) = found.calls {
        sentence += &format!(", {} times the call", significant(calls));
    }
    let free: Vec<&str> = found.free.iter().map(|method| method.name()).collect();
    if !free.is_empty() {
        sentence += &format!("; after {} no such tax is seen", free.join(", "));
    }
    Some(sentence + ".")
}
