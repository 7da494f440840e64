//! The answer in a few sentences, and none that the intervals do not support.

use crate::analysis::sweep::{
    Axis, Crowded, Extra, Fastest, Sizes, Twice, added_by_one, crowded, fastest, fork_ratios, twice,
};
use crate::model::{Document, SpawnMethod};
use crate::stats::Estimate;

use crate::report::view::number::{Unit, integer, prose, significant};
use crate::report::view::prose::{interval, listed};

/// The sentences, the most useful first, or none.
pub(super) fn sentences(
    document: &Document,
    sizes: &Sizes<'_>,
    extra: Option<&Extra>,
) -> Vec<String> {
    let mut sentences = crowd(&crowded(document, sizes));
    let Some(extra) = extra else {
        let best = fastest(document, sizes).map(|found| lead(&found, sizes.axis));
        sentences.extend(best.into_iter().chain(each(document, sizes)));
        return sentences;
    };
    let baseline = extra.baseline.name();
    let ratios = fork_ratios(sizes);
    sentences.extend(how_much(&ratios, baseline, sizes));
    sentences.extend(each(document, sizes));
    sentences.extend(twice(&ratios).map(|found| from_where(found, baseline, sizes.axis)));
    sentences.extend(paid_where(extra));
    sentences
}

/// What several parents at once cost each other, and what they come to together.
fn crowd(found: &[Crowded]) -> Vec<String> {
    let Some(first) = found.first() else {
        return Vec::new();
    };
    let jobs = integer(first.jobs);
    let longer = found.iter().map(|it| (it.method, it.times_as_long));
    let longer = each_crowded(longer.collect(), "takes", " as long as alone");
    let mut sentences = vec![format!("With {jobs} parents that spawn at once {longer}.")];
    let more = found.iter();
    let more: Vec<(SpawnMethod, Estimate)> = more
        .filter_map(|it| Some((it.method, it.times_as_many?)))
        .collect();
    if !more.is_empty() {
        let more = each_crowded(more, "makes", " as many spawns a second as alone");
        sentences.push(format!(
            "In all {jobs} together {more}; {jobs} times would mean that none is in another's way."
        ));
    }
    sentences
}

/// "fork takes 1.9 times as long as alone (1.8 to 2), vfork 1.2 times (1.1 to 1.3)".
fn each_crowded(found: Vec<(SpawnMethod, Estimate)>, verb: &str, than: &str) -> String {
    let (differ, alike): (Vec<_>, Vec<_>) =
        (found.into_iter()).partition(|(_, times)| times.differs_from(1.0));
    let clause = |(place, (method, times)): (usize, &(SpawnMethod, Estimate))| match place {
        0 => format!("{} {verb} {}", method.name(), multiple(than, *times)),
        _ => format!("{} {}", method.name(), multiple("", *times)),
    };
    let mut clauses: Vec<String> = differ.iter().enumerate().map(clause).collect();
    let alike: Vec<&str> = alike.iter().map(|(method, _)| method.name()).collect();
    if !alike.is_empty() {
        clauses.push(format!(
            "no difference is seen for {}",
            listed(&alike, "or")
        ));
    }
    clauses.join(", ")
}

/// How many times as long fork takes, at the smallest and the largest size.
fn how_much(
    ratios: &[(u64, Option<Estimate>)],
    baseline: &str,
    sizes: &Sizes<'_>,
) -> Option<String> {
    let known: Vec<(u64, Estimate)> = ratios
        .iter()
        .filter_map(|(size, ratio)| ratio.map(|ratio| (*size, ratio)))
        .collect();
    let (first, last) = (known.first()?, known.last()?);
    let clause = |(size, ratio): &(u64, Estimate)| {
        let size = sizes.axis.prose(*size);
        format!("{size} {}", compared("fork", baseline, *ratio))
    };
    if first.0 == last.0 {
        return Some(format!("With {}.", clause(first)));
    }
    let second = if first.1.differs_from(1.0) && last.1.differs_from(1.0) {
        format!("{}, {}", sizes.axis.prose(last.0), multiple("", last.1))
    } else {
        clause(last)
    };
    Some(format!("With {}; with {second}.", clause(first)))
}

/// Two methods compared, as far as the interval lets them be.
fn compared(method: &str, with: &str, ratio: Estimate) -> String {
    if ratio.differs_from(1.0) {
        let than = format!(" as long as {with}");
        format!("{method} takes {}", multiple(&than, ratio))
    } else {
        format!("no difference is seen between {method} and {with}")
    }
}

/// "1.43 times as long as vfork (1.42 to 1.44)".
fn multiple(than: &str, ratio: Estimate) -> String {
    let times = significant(ratio.value);
    format!("{times} times{than} ({})", interval(ratio))
}

/// From which size on fork costs at least twice the baseline.
fn from_where(found: Twice, baseline: &str, axis: Axis) -> String {
    match found {
        Twice::Everywhere => {
            format!("At every size measured, fork costs at least twice as much as {baseline}.")
        }
        Twice::OnlyAt(size) => format!(
            "Only with {}, the largest size, is fork seen to cost at least twice as much as {baseline}.",
            axis.prose(size)
        ),
        Twice::From(size) => format!(
            "From {} on, fork costs at least twice as much as {baseline}.",
            axis.prose(size)
        ),
        Twice::Nowhere => {
            format!("At no size measured is fork seen to cost twice as much as {baseline}.")
        }
    }
}

/// Which share of the growth is paid in the call, and what a mapping costs.
fn paid_where(extra: &Extra) -> Option<String> {
    if extra.unsplit.is_some() {
        return None;
    }
    let share = extra.growth(extra.points.last()?)?.share?;
    let percent = share.map(|share| share * 100.0);
    let noun = extra.axis.noun();
    let (copied, freed) = match extra.axis {
        Axis::Mappings | Axis::Ptes => ("the address space", "the copy is freed"),
        Axis::Descriptors => ("their table", "the copy is freed"),
        Axis::Threads => (
            "their stacks",
            "libc gives them up in the child and the copy is freed",
        ),
        Axis::Jobs => return None,
    };
    let mut sentence = format!(
        "Of what more {noun}s add to fork, {} % ({} %) is paid in the call, which copies \
         {copied}, and the rest after it, when {freed}",
        significant(percent.value),
        interval(percent),
    );
    if let Some([call, after]) = extra.rising() {
        let unit = Unit::of_time([call.value, after.value].into_iter());
        sentence += &format!(
            ": one {noun} adds {} to the call and {} after it",
            unit.prose(call.value),
            unit.prose(after.value)
        );
    }
    Some(sentence + ".")
}

/// What one more descriptor or thread adds to a spawn, by each method.
fn each(document: &Document, sizes: &Sizes<'_>) -> Option<String> {
    let slopes = added_by_one(document, sizes);
    let (dearer, alike): (Vec<_>, Vec<_>) =
        (slopes.iter()).partition(|(_, slope)| slope.is_above(0.0));
    let unit = Unit::of_time(dearer.iter().map(|(_, slope)| slope.value));
    let adds: Vec<String> = dearer
        .iter()
        .map(|(name, slope)| {
            let span = interval(slope.map(|bound| bound / unit.size));
            format!("{} ({span}) to {}", unit.prose(slope.value), name.name())
        })
        .collect();
    let noun = sizes.axis.noun();
    let alike: Vec<&str> = alike.iter().map(|(name, _)| name.name()).collect();
    let seen = format!("is seen to be added to {}", listed(&alike, "or"));
    match (adds.is_empty(), alike.is_empty()) {
        (true, true) => None,
        (true, false) => Some(format!("No cost of one {noun} {seen}.")),
        (false, true) => Some(format!("In all, one {noun} adds {}.", listed(&adds, "and"))),
        (false, false) => Some(format!(
            "In all, one {noun} adds {}; none {seen}.",
            listed(&adds, "and")
        )),
    }
}

/// The fastest method at the largest size, where fork is not the question.
fn lead(found: &Fastest, axis: Axis) -> String {
    let name = found.method.name();
    let others = found.others.iter();
    let clauses: Vec<String> = others
        .map(|(method, ratio)| compared(method.name(), name, *ratio))
        .collect();
    let lead = if found.is_told_apart {
        "is the fastest"
    } else {
        "has the lowest total"
    };
    format!(
        "With {} {name} {lead} ({}): {}.",
        axis.prose(found.size),
        prose(found.median_ns),
        clauses.join("; ")
    )
}
