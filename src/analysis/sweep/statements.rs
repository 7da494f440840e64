//! What may be said of a sweep: each finding only where the intervals support it.

use super::extra::Extra;
use super::sizes::{Axis, Group, Sizes};
use super::turns::times_as_long;
use crate::analysis::seed_at;
use crate::model::{Cell, Document, SpawnMethod, WorkerSamples, times};
use crate::stats::{DRAWS, Estimate, Replicates, cost_replicates, theil_sen};

/// From this ratio on, the choice of the method matters.
const MATTERS: f64 = 2.0;

/// How many times the baseline's total fork's is, size by size in ascending order;
/// `None` where it is not known with its interval.
pub fn fork_ratios(sizes: &Sizes<'_>) -> Vec<(u64, Option<Estimate>)> {
    let groups = sizes.ascending().into_iter();
    groups
        .filter_map(|group| {
            let cell = group.cell(SpawnMethod::Fork)?;
            Some((sizes.axis.size(group.space), stored_ratio(cell)))
        })
        .collect()
}

fn stored_ratio(cell: &Cell) -> Option<Estimate> {
    cell.ratio.measured()?.sound()
}

/// At which sizes fork is seen to cost at least twice the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twice {
    /// At every size.
    Everywhere,
    /// From this size on, which is not the largest.
    From(u64),
    /// At the largest only.
    OnlyAt(u64),
    /// At none, and the ratio of each is known.
    Nowhere,
}

/// Where fork costs at least twice; `None` with one size, or where it cannot be told.
pub fn twice(ratios: &[(u64, Option<Estimate>)]) -> Option<Twice> {
    if ratios.len() < 2 {
        return None;
    }
    let at_least_twice =
        |ratio: &Option<Estimate>| ratio.is_some_and(|ratio| ratio.ci95[0] >= MATTERS);
    let below = ratios.iter().rposition(|(_, ratio)| !at_least_twice(ratio));
    let Some(below) = below else {
        return Some(Twice::Everywhere);
    };
    if let Some((size, _)) = ratios.get(below + 1) {
        return Some(if below + 2 == ratios.len() {
            Twice::OnlyAt(*size)
        } else {
            Twice::From(*size)
        });
    }
    let all_known = ratios.iter().all(|(_, ratio)| ratio.is_some());
    let never = !ratios.iter().any(|(_, ratio)| at_least_twice(ratio));
    (all_known && never).then_some(Twice::Nowhere)
}

impl Extra {
    /// The slopes in the call and after it, where both are seen to be above 0.
    pub fn rising(&self) -> Option<[Estimate; 2]> {
        self.slopes()
            .filter(|slopes| slopes.iter().all(|slope| slope.is_above(0.0)))
    }
}

/// What one more descriptor or thread adds to a spawn, by each method; nothing along
/// the other axes. Fork's extra does not say it: every method pays for descriptors.
pub fn added_by_one(document: &Document, sizes: &Sizes<'_>) -> Vec<(SpawnMethod, Estimate)> {
    if !matches!(sizes.axis, Axis::Descriptors | Axis::Threads) {
        return Vec::new();
    }
    let methods = document.plan.methods.iter();
    methods
        .filter_map(|method| Some((*method, slope(document, sizes, *method)?)))
        .collect()
}

/// What one more adds to a method's total: the Theil-Sen fit over all sizes.
fn slope(document: &Document, sizes: &Sizes<'_>, method: SpawnMethod) -> Option<Estimate> {
    let mut medians = Vec::new();
    for (index, group) in sizes.ascending().into_iter().enumerate() {
        let samples = &group.cell(method)?.samples;
        let totals = times(samples, WorkerSamples::totals);
        // Each size has workers of its own, and so draws of its own.
        let seed = seed_at(document.plan.seed, index);
        medians.push(cost_replicates(&totals, seed, DRAWS)?);
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

/// The method with the lowest median at the largest size.
#[derive(Debug)]
pub struct Fastest {
    /// The size.
    pub size: u64,
    /// The method.
    pub method: SpawnMethod,
    /// Its median total in nanoseconds.
    pub median_ns: f64,
    /// How many times as long each other method takes, from the lowest median to the
    /// highest.
    pub others: Vec<(SpawnMethod, Estimate)>,
    /// Whether every other method is seen to take longer.
    pub is_told_apart: bool,
}

/// The fastest at the largest size; `None` without another to compare it with.
pub fn fastest(document: &Document, sizes: &Sizes<'_>) -> Option<Fastest> {
    let group = *sizes.ascending().last()?;
    let mut cells: Vec<(&Cell, f64)> = group
        .cells
        .iter()
        .filter_map(|cell| Some((*cell, cell.total_ns.measured()?.median.value)))
        .collect();
    cells.sort_by(|a, b| a.1.total_cmp(&b.1));
    let ((best, median_ns), slower) = cells.split_first()?;
    let others: Vec<(SpawnMethod, Estimate)> = slower
        .iter()
        .filter_map(|(cell, _)| {
            let ratio = times_as_long(&document.plan, &cell.samples, &best.samples)?;
            Some((cell.method, ratio))
        })
        .collect();
    (!others.is_empty()).then(|| Fastest {
        size: sizes.axis.size(group.space),
        method: best.method,
        median_ns: *median_ns,
        is_told_apart: others.len() == slower.len()
            && others.iter().all(|(_, ratio)| ratio.is_above(1.0)),
        others,
    })
}
