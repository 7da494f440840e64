//! The explanation in a few sentences, and none that the intervals do not
//! support.

use crate::analysis::sweep::{Axis, by_turn};
use crate::model::{Ledger, Mechanism, MechanismShare, Mechanisms, Phase, Rewriting, SpawnMethod};
use crate::stats::{Estimate, Replicates, median_replicates};

use super::super::number::{Unit, counted, significant};
use super::{Explained, ledger, names, rewriting};

/// Resamples behind each interval that is computed here.
const DRAWS: usize = 500;

/// The work on page tables, in the call and when the copy is freed.
const PAGE_TABLES: [Mechanism; 4] = [
    Mechanism::PageTableCopy,
    Mechanism::PageTableAllocation,
    Mechanism::PteTeardown,
    Mechanism::PageTableFreeing,
];

/// What every way to spawn has to do, once the child has a program of its own.
const AFTER_EXEC: [Phase; 7] = [
    Phase::ExecStart,
    Phase::Loader,
    Phase::Libc,
    Phase::Run,
    Phase::Exit,
    Phase::Teardown,
    Phase::Reap,
];

/// The sentences, the most useful first.
pub(super) fn sentences(explained: &Explained<'_>) -> Vec<String> {
    let mut sentences = Vec::new();
    if let Some(method) = first_to_look_at(explained) {
        sentences.extend(largest_phase(explained, method));
        sentences.extend(largest_mechanism(explained, method));
    }
    sentences.extend(scatter(explained));
    sentences.extend(alternative(explained).map(|other| switch(explained, other)));
    sentences.extend(start_of_program(explained));
    sentences.extend(hidden_tax(explained));
    sentences
}

/// Fork, or what comes first where fork was left out.
fn first_to_look_at(explained: &Explained<'_>) -> Option<SpawnMethod> {
    let mut methods = explained.explanation.methods.iter().map(|m| m.method);
    let first = methods.clone().next();
    methods.find(|m| *m == SpawnMethod::Fork).or(first)
}

/// What fork is compared with: posix_spawn, or else the baseline.
fn alternative(explained: &Explained<'_>) -> Option<SpawnMethod> {
    explained.cell(SpawnMethod::Fork)?;
    let baseline = explained.document.plan.baseline;
    [SpawnMethod::PosixSpawn, baseline]
        .into_iter()
        .find(|m| *m != SpawnMethod::Fork && explained.cell(*m).is_some())
}

/// Fewer spawns than this support no sentence.
const LEAST_SPAWNS: u64 = 5;

fn ledger_of<'a>(explained: &Explained<'a>, method: SpawnMethod) -> Option<&'a Ledger> {
    let mut methods = explained.explanation.methods.iter();
    let ledger = methods.find(|m| m.method == method)?.ledger.measured()?;
    (ledger.spawns >= LEAST_SPAWNS).then_some(ledger)
}

fn mechanisms_of<'a>(explained: &Explained<'a>, method: SpawnMethod) -> Option<&'a Mechanisms> {
    let mut methods = explained.explanation.methods.iter();
    methods.find(|m| m.method == method)?.mechanisms.measured()
}

/// A phase's time with its interval.
fn phase_time(ledger: &Ledger, phase: Phase) -> Option<Estimate> {
    let time = ledger::time(ledger, phase)?;
    sound(*time.ns.measured()?, time.ci95?)
}

/// An estimate of finite figures.
fn sound(value: f64, ci95: [f64; 2]) -> Option<Estimate> {
    let finite = [value, ci95[0], ci95[1]].iter().all(|v| v.is_finite());
    finite.then_some(Estimate { value, ci95 })
}

/// The interval in percent: "50.1 to 50.9 %".
fn percents(ci95: [f64; 2]) -> String {
    let [low, high] = ci95.map(|share| significant(share * 100.0));
    format!("{low} to {high} %")
}

/// The phases that were measured, each with those that lie within it for want
/// of a stamp.
fn spans(ledger: &Ledger) -> Vec<(String, Estimate)> {
    let mut spans = Vec::new();
    let mut within = Vec::new();
    for phase in Phase::ALL {
        match phase_time(ledger, phase) {
            Some(time) => {
                within.push(names::phase(phase));
                spans.push((within.join(", with "), time));
                within.clear();
            }
            None if ledger::exists_in(phase, ledger) => {
                within.push(names::phase(phase));
            }
            None => {}
        }
    }
    spans
}

/// The phase to look at first, or the two that cannot be told apart.
fn largest_phase(explained: &Explained<'_>, method: SpawnMethod) -> Option<String> {
    let ledger = ledger_of(explained, method)?;
    let total = sound(ledger.total_ns, ledger.total_ci95).filter(|total| total.value > 0.0)?;
    let mut phases = spans(ledger);
    phases.sort_by(|a, b| b.1.value.total_cmp(&a.1.value));
    let (name, first) = phases.first()?;
    let (second_name, second) = phases.get(1)?;
    let unit = Unit::of_time(std::iter::once(total.value));
    let share = |time: Estimate| format!("{} %", significant(time.value / total.value * 100.0));
    let lead = format!(
        "Of the {} of a {} spawn",
        unit.prose(total.value),
        method.name()
    );
    if first.ci95[0] > second.ci95[1] {
        return Some(format!(
            "{lead}, the largest part is \"{name}\": {} ({}); next is \"{second_name}\" ({}).",
            unit.prose(first.value),
            share(*first),
            share(*second),
        ));
    }
    Some(format!(
        "{lead}, \"{name}\" ({}) and \"{second_name}\" ({}) take most; no difference is seen \
         between the two.",
        share(*first),
        share(*second),
    ))
}

/// The mechanism with the largest share, if it is seen to be the largest.
fn largest_mechanism(explained: &Explained<'_>, method: SpawnMethod) -> Option<String> {
    let found = mechanisms_of(explained, method)?;
    let mut shares: Vec<&MechanismShare> = found
        .shares
        .iter()
        .filter(|share| sound(share.share, share.share_ci95).is_some())
        .collect();
    shares.sort_by(|a, b| b.share.total_cmp(&a.share));
    let [first, second, ..] = shares.as_slice() else {
        return None;
    };
    if first.share_ci95[0] <= second.share_ci95[1] {
        return None;
    }
    let hottest = first.hottest.first().map_or(String::new(), |hot| {
        format!(", most often in {}", hot.function)
    });
    Some(format!(
        "The largest part of its CPU time is \"{}\", {} % ({}){hottest}; next is \"{}\", {} %.",
        names::mechanism(first.mechanism),
        significant(first.share * 100.0),
        percents(first.share_ci95),
        names::mechanism(second.mechanism),
        significant(second.share * 100.0),
    ))
}

/// Where the mappings stayed the same and the page-table entries did not, fork's
/// extra is not the mappings'.
fn scatter(explained: &Explained<'_>) -> Option<String> {
    let (space, empty) = (explained.space?, explained.empty?);
    let vmas = space.space.vmas.checked_sub(empty.space.vmas)?;
    let ptes = space
        .space
        .present_ptes
        .checked_sub(empty.space.present_ptes)?;
    if !Axis::is_of_ptes(vmas, ptes) {
        return None;
    }
    let page_size = explained.document.host.page_size.max(1);
    let bytes = (space.space.page_table_bytes).checked_sub(empty.space.page_table_bytes)?;
    let mappings = match vmas {
        0 => "no mapping more".to_owned(),
        more => counted(more, "mapping") + " more",
    };
    let tables = bytes / page_size;
    let grew = if is_scattered(ptes, tables, page_size) {
        "the page tables and their scatter"
    } else {
        "the entries of the page tables"
    };
    let mut sentence = format!(
        "Against the empty worker the space has {mappings}, but {} more in {} more: what grew is \
         {grew}, not the number of mappings.",
        counted(ptes, "present PTE"),
        counted(tables, "page table"),
    );
    if let Some(extra) = grown(explained) {
        let unit = Unit::of_time(std::iter::once(extra.value));
        let [low, high] = extra.ci95.map(|bound| unit.prose(bound));
        sentence += &format!(
            " A fork from it takes {} longer ({low} to {high})",
            unit.prose(extra.value)
        );
        let work = page_table_work(explained).map_or(String::new(), |work| {
            format!(
                "; work on page tables (copied, allocated, unmapped, freed) is {} % of its CPU \
                 time ({})",
                significant(work.value * 100.0),
                percents(work.ci95)
            )
        });
        sentence += &(work + ".");
    }
    Some(sentence)
}

/// Whether the tables that came hold few entries each: less than half of what
/// they could.
fn is_scattered(ptes: u64, tables: u64, page_size: u64) -> bool {
    const ENTRY_BYTES: u64 = 8;
    let capacity = tables.saturating_mul(page_size / ENTRY_BYTES);
    ptes < capacity / 2
}

/// By how much a fork from the space takes longer than from the empty worker,
/// if it does. Their workers differ, so they are resampled with two seeds.
fn grown(explained: &Explained<'_>) -> Option<Estimate> {
    let seed = explained.document.plan.seed;
    let totals = |group: &super::Group<'_>, seed| {
        let cell = group.cell(SpawnMethod::Fork)?;
        median_replicates(
            &by_turn(&cell.samples, &cell.samples, |turn, _| turn.total),
            seed,
            DRAWS,
        )
    };
    let after = totals(explained.space?, seed)?;
    let before = totals(explained.empty?, seed.wrapping_add(1))?;
    let grown = Replicates::combine(&[&after, &before], |v| Some(v[0] - v[1]))?.estimate();
    (grown.ci95[0] > 0.0).then_some(grown)
}

/// The share of all work on page tables in fork's samples. The intervals' ends
/// are added, which can only make the sum's wider than it is.
fn page_table_work(explained: &Explained<'_>) -> Option<Estimate> {
    let found = mechanisms_of(explained, SpawnMethod::Fork)?;
    let parts = || {
        let shares = found.shares.iter();
        shares.filter(|share| PAGE_TABLES.contains(&share.mechanism))
    };
    let end = |index: usize| parts().map(|share| share.share_ci95[index]).sum();
    let whole: f64 = parts().map(|share| share.share).sum();
    let whole = sound(whole, [end(0), end(1)].map(|end: f64| end.clamp(0.0, 1.0)))?;
    (whole.ci95[0] > 0.0).then_some(whole)
}

/// What another method saves, and what it cannot.
fn switch(explained: &Explained<'_>, other: SpawnMethod) -> String {
    let name = other.name();
    let unknown = || format!("How fork and {name} differ is not known: too few turns have both.");
    let Some(saved) = saved(explained, other) else {
        return unknown();
    };
    let percent = |share: f64| significant(share.abs() * 100.0);
    let mut sentence = if saved.ci95[0] > 0.0 {
        format!(
            "{name} instead of fork saves {} % of the total ({})",
            percent(saved.value),
            percents(saved.ci95)
        )
    } else if saved.ci95[1] < 0.0 {
        let [low, high] = saved.ci95.map(|share| -share);
        format!(
            "{name} instead of fork takes {} % more ({})",
            percent(saved.value),
            percents([high, low])
        )
    } else {
        format!("No difference is seen between the totals of fork and {name}")
    };
    if let Some(kept) = kept(explained, other).filter(|kept| kept.ci95[0] > 0.0) {
        let unit = Unit::of_time(std::iter::once(kept.value));
        let [low, high] = kept.ci95.map(|bound| unit.prose(bound));
        sentence += &format!(
            "; what both must do from the new program's exec on stays: {} of {name}'s total \
             ({low} to {high})",
            unit.prose(kept.value)
        );
    }
    sentence + "."
}

/// The share of fork's total that another method saves, turn by turn.
fn saved(explained: &Explained<'_>, other: SpawnMethod) -> Option<Estimate> {
    let fork = explained.cell(SpawnMethod::Fork)?;
    let other = explained.cell(other)?;
    let shares = by_turn(&other.samples, &fork.samples, |other, fork| {
        1.0 - other.total / fork.total
    });
    let seed = explained.document.plan.seed;
    let saved = median_replicates(&shares, seed, DRAWS)?.estimate();
    sound(saved.value, saved.ci95)
}

/// The time of the phases after the exec that both methods have.
fn kept(explained: &Explained<'_>, other: SpawnMethod) -> Option<Estimate> {
    let fork = ledger_of(explained, SpawnMethod::Fork)?;
    let other = ledger_of(explained, other)?;
    let parts: Vec<Estimate> = AFTER_EXEC
        .into_iter()
        .filter(|phase| phase_time(fork, *phase).is_some())
        .filter_map(|phase| phase_time(other, phase))
        .collect();
    sum(&parts)
}

/// A sum whose interval is the sum of the intervals: no narrower than it is.
fn sum(parts: &[Estimate]) -> Option<Estimate> {
    let end = |index: usize| parts.iter().map(|part| part.ci95[index]).sum();
    let value = parts.iter().map(|part| part.value).sum();
    sound(value, [end(0), end(1)]).filter(|_| !parts.is_empty())
}

/// Which share of a total is the dynamic loader's, and libc's as far as it is
/// known apart.
fn start_of_program(explained: &Explained<'_>) -> Option<String> {
    let mut knows_libc = true;
    let methods = explained.explanation.methods.iter();
    let ledgers = methods.filter_map(|m| Some((m.method, m.ledger.measured()?)));
    let clauses: Vec<String> = ledgers
        .filter_map(|(method, ledger)| {
            let loader = phase_time(ledger, Phase::Loader)?;
            let libc = phase_time(ledger, Phase::Libc);
            knows_libc &= libc.is_some();
            let parts: Vec<Estimate> = [loader].into_iter().chain(libc).collect();
            clause(method, ledger, &parts)
        })
        .collect();
    let what = if knows_libc {
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

/// "54.2 % of fork's total (53.0 to 55.1 %)".
fn clause(method: SpawnMethod, ledger: &Ledger, parts: &[Estimate]) -> Option<String> {
    let start = sum(parts).filter(|start| start.ci95[0] > 0.0)?;
    let total = sound(ledger.total_ns, ledger.total_ci95)?;
    if total.ci95[0] <= 0.0 {
        return None;
    }
    let ends = [
        start.ci95[0] / total.ci95[1],
        (start.ci95[1] / total.ci95[0]).min(1.0),
    ];
    Some(format!(
        "{} % of {}'s total ({})",
        significant(start.value / total.value * 100.0),
        method.name(),
        percents(ends)
    ))
}

/// What writing to a page again costs after each method.
fn hidden_tax(explained: &Explained<'_>) -> Option<String> {
    let found: Vec<(SpawnMethod, &Rewriting)> = explained
        .explanation
        .methods
        .iter()
        .filter_map(|method| Some((method.method, method.rewriting.measured()?)))
        .filter(|(_, tax)| sound(tax.tax_ns, tax.tax_ci95).is_some())
        .collect();
    let (method, taxed) = found.iter().find(|(_, tax)| tax.tax_ci95[0] > 0.0)?;
    let whole = rewriting::whole(taxed);
    let unit = Unit::of_time(std::iter::once(whole.value));
    let mut sentence = format!(
        "After a {}, each page that the parent writes to again costs {} ns more ({} to {} ns), \
         {} for {}",
        method.name(),
        significant(taxed.tax_ns),
        significant(taxed.tax_ci95[0]),
        significant(taxed.tax_ci95[1]),
        unit.prose(whole.value),
        counted(taxed.pages, "page"),
    );
    let call = explained
        .cell(*method)
        .and_then(|cell| cell.call_ns.measured());
    if let Some(call) = call.filter(|call| call.median > 0.0) {
        let times = whole.value / call.median;
        sentence += &format!(", {} times the call", significant(times));
    }
    let free: Vec<&str> = found
        .iter()
        .filter(|(_, tax)| tax.tax_ci95[0] <= 0.0)
        .map(|(method, _)| method.name())
        .collect();
    if !free.is_empty() {
        sentence += &format!("; after {} no such tax is seen", free.join(", "));
    }
    Some(sentence + ".")
}
