//! The answer in a few sentences, and none that the intervals do not support.

use crate::model::{Cell, Document, SpawnMethod, WorkerSamples};
use crate::stats::{DRAWS, Estimate, Replicates, median_replicates, theil_sen};

use super::extra::Extra;
use super::number::{Unit, significant};
use super::pairs::by_turn;
use super::spaces::{Axis, Group, Sizes};

/// From this ratio on, the choice of the method matters.
const MATTERS: f64 = 2.0;

/// Two or three sentences, or none.
pub(super) fn sentences(
    document: &Document,
    sizes: &Sizes<'_>,
    extra: Option<&Extra>,
) -> Vec<String> {
    let Some(extra) = extra else {
        let found = [fastest(document, sizes), each(document, sizes)];
        return found.into_iter().flatten().collect();
    };
    let baseline = extra.baseline.name();
    let ratios: Vec<(u64, Option<Estimate>)> = sizes
        .ascending()
        .into_iter()
        .filter_map(|group| {
            let cell = group.cell(SpawnMethod::Fork)?;
            Some((sizes.axis.size(group.space), stored_ratio(cell)))
        })
        .collect();
    let mut sentences = Vec::new();
    sentences.extend(how_much(&ratios, baseline, sizes));
    sentences.extend(from_where(&ratios, baseline, sizes));
    sentences.extend(paid_where(extra));
    sentences.extend(each(document, sizes));
    sentences
}

fn stored_ratio(cell: &Cell) -> Option<Estimate> {
    cell.ratio.measured()?.sound()
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
        format!(
            "{} {}",
            sizes.axis.prose(*size),
            compared("fork", baseline, *ratio)
        )
    };
    if first.0 == last.0 {
        return Some(format!("With {}.", clause(first)));
    }
    let second = if differs(first.1) && differs(last.1) {
        format!("{}, {}", sizes.axis.prose(last.0), multiple("", last.1))
    } else {
        clause(last)
    };
    Some(format!("With {}; with {second}.", clause(first)))
}

/// Whether the interval of a ratio leaves out 1.
fn differs(ratio: Estimate) -> bool {
    ratio.ci95[0] > 1.0 || ratio.ci95[1] < 1.0
}

/// Two methods compared, as far as the interval lets them be.
fn compared(method: &str, with: &str, ratio: Estimate) -> String {
    if differs(ratio) {
        let than = format!(" as long as {with}");
        format!("{method} takes {}", multiple(&than, ratio))
    } else {
        format!("no difference is seen between {method} and {with}")
    }
}

/// "1.43 times as long as vfork (1.42 to 1.44)".
fn multiple(than: &str, ratio: Estimate) -> String {
    let [low, high] = ratio.ci95.map(significant);
    format!("{} times{than} ({low} to {high})", significant(ratio.value))
}

/// The first size from which on fork costs at least twice the baseline.
fn from_where(
    ratios: &[(u64, Option<Estimate>)],
    baseline: &str,
    sizes: &Sizes<'_>,
) -> Option<String> {
    if ratios.len() < 2 {
        return None;
    }
    let at_least_twice =
        |ratio: &Option<Estimate>| ratio.is_some_and(|ratio| ratio.ci95[0] >= MATTERS);
    let below = ratios.iter().rposition(|(_, ratio)| !at_least_twice(ratio));
    let Some(below) = below else {
        return Some(format!(
            "At every size measured, fork costs at least twice as much as {baseline}."
        ));
    };
    if let Some((size, _)) = ratios.get(below + 1) {
        if below + 2 == ratios.len() {
            return Some(format!(
                "Only with {}, the largest size, is fork seen to cost at least twice as much as {baseline}.",
                sizes.axis.prose(*size)
            ));
        }
        return Some(format!(
            "From {} on, fork costs at least twice as much as {baseline}.",
            sizes.axis.prose(*size)
        ));
    }
    let all_known = ratios.iter().all(|(_, ratio)| ratio.is_some());
    let never = !ratios.iter().any(|(_, ratio)| at_least_twice(ratio));
    (all_known && never)
        .then(|| format!("At no size measured is fork seen to cost twice as much as {baseline}."))
}

/// Which share of the growth is paid in the call, and what a mapping costs.
fn paid_where(extra: &Extra) -> Option<String> {
    if extra.unsplit.is_some() {
        return None;
    }
    let share = extra.growth(extra.points.last()?)?.share?;
    let percent = |share: f64| significant(share * 100.0);
    let noun = extra.axis.noun();
    let (copied, freed) = match extra.axis {
        Axis::Mappings | Axis::Ptes => ("the address space", "the copy is freed"),
        Axis::Descriptors => ("their table", "the copy is freed"),
        Axis::Threads => (
            "their stacks",
            "libc gives them up in the child and the copy is freed",
        ),
    };
    let mut sentence = format!(
        "Of what more {noun}s add to fork, {} % ({} to {} %) is paid in the call, which copies \
         {copied}, and the rest after it, when {freed}",
        percent(share.value),
        percent(share.ci95[0]),
        percent(share.ci95[1]),
    );
    if let Some([call, after]) = extra
        .slopes()
        .filter(|slopes| slopes.iter().all(|s| s.ci95[0] > 0.0))
    {
        let unit = Unit::of_time([call.value, after.value].into_iter());
        sentence += &format!(
            ": one {noun} adds {} to the call and {} after it",
            unit.prose(call.value),
            unit.prose(after.value)
        );
    }
    Some(sentence + ".")
}

/// What one more descriptor or thread adds to a spawn, by each method. Fork's extra
/// does not say it: every method pays for descriptors.
fn each(document: &Document, sizes: &Sizes<'_>) -> Option<String> {
    if !matches!(sizes.axis, Axis::Descriptors | Axis::Threads) {
        return None;
    }
    let methods = document.plan.methods.iter();
    let slopes: Vec<(&str, Estimate)> = methods
        .filter_map(|method| Some((method.name(), slope(document, sizes, *method)?)))
        .collect();
    let (dearer, alike): (Vec<_>, Vec<_>) =
        (slopes.iter()).partition(|(_, slope)| slope.ci95[0] > 0.0);
    let unit = Unit::of_time(dearer.iter().map(|(_, slope)| slope.value));
    let adds: Vec<String> = dearer
        .iter()
        .map(|(name, slope)| {
            let [low, high] = slope.ci95.map(|bound| significant(bound / unit.size));
            format!("{} ({low} to {high}) to {name}", unit.prose(slope.value))
        })
        .collect();
    let noun = sizes.axis.noun();
    let alike: Vec<&str> = alike.iter().map(|(name, _)| *name).collect();
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

/// What one more adds to a method's total: the Theil-Sen fit over all sizes.
fn slope(document: &Document, sizes: &Sizes<'_>, method: SpawnMethod) -> Option<Estimate> {
    let mut medians = Vec::new();
    for (index, group) in (0_u64..).zip(sizes.ascending()) {
        let samples = &group.cell(method)?.samples;
        let totals = |worker: &WorkerSamples| worker.total_ns.iter().map(|ns| *ns as f64).collect();
        let totals: Vec<Vec<f64>> = samples.iter().map(totals).collect();
        // Each size has workers of its own, and so draws of its own.
        let seed = (document.plan.seed).wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        medians.push(median_replicates(&totals, seed, DRAWS)?);
    }
    let at = |group: &&Group<'_>| sizes.axis.size(group.space) as f64;
    let at: Vec<f64> = sizes.ascending().iter().map(at).collect();
    let parts: Vec<&Replicates> = medians.iter().collect();
    let fit = Replicates::combine(&parts, |values| {
        let points = at.iter().copied().zip(values.iter().copied());
        theil_sen(&points.collect::<Vec<_>>())
    });
    fit.map(|fit| fit.estimate())
}

/// "a", "a and b", "a, b and c".
fn listed<S: AsRef<str>>(words: &[S], last: &str) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// The fastest method at the largest size, where fork is not the question.
fn fastest(document: &Document, sizes: &Sizes<'_>) -> Option<String> {
    let group = *sizes.ascending().last()?;
    let mut cells: Vec<(&Cell, f64)> = group
        .cells
        .iter()
        .filter_map(|cell| Some((*cell, cell.total_ns.measured()?.median.value)))
        .collect();
    cells.sort_by(|a, b| a.1.total_cmp(&b.1));
    let ((best, median), others) = cells.split_first()?;
    let seed = document.plan.seed;
    let clauses: Vec<(bool, String)> = others
        .iter()
        .filter_map(|(cell, _)| {
            let ratios = by_turn(&cell.samples, &best.samples, |cell, best| {
                cell.total / best.total
            });
            let ratio = median_replicates(&ratios, seed, DRAWS)?.estimate();
            let (name, with) = (cell.method.name(), best.method.name());
            Some((ratio.ci95[0] > 1.0, compared(name, with, ratio)))
        })
        .collect();
    if clauses.is_empty() {
        return None;
    }
    let unit = Unit::of_time(std::iter::once(*median));
    let lead = if clauses.len() == others.len() && clauses.iter().all(|(slower, _)| *slower) {
        "is the fastest"
    } else {
        "has the lowest median"
    };
    Some(format!(
        "With {} {} {lead} ({}): {}.",
        place(group, sizes),
        best.method.name(),
        unit.prose(*median),
        clauses
            .into_iter()
            .map(|(_, clause)| clause)
            .collect::<Vec<_>>()
            .join("; ")
    ))
}

fn place(group: &Group<'_>, sizes: &Sizes<'_>) -> String {
    sizes.axis.prose(sizes.axis.size(group.space))
}
