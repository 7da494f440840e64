//! The extra: what fork costs beyond the baseline, and how it grows.
//!
//! The two methods' calls cover different work: fork's returns when the copy
//! is made, while the others' return when the child has left the parent's
//! memory, by exec or exit. The raw split of the extra therefore moves the
//! child's start from one side to the other. That shift does not depend on the
//! size of the address space, so it cancels out of the *growth* of the split,
//! which is what a share or a cost of one mapping may be computed from.

use super::sizes::{Axis, Group, Sizes};
use super::turns::{Turn, by_turn, by_worker};
use crate::analysis::seed_at;
use crate::model::{Document, Missing, SpawnMethod, WorkerSamples};
use crate::stats::{DRAWS, Estimate, Replicates, level_replicates, theil_sen};

/// The extra at every size, from the smallest to the largest.
pub struct Extra {
    /// What fork is compared with.
    pub baseline: SpawnMethod,
    /// Along what the sizes differ.
    pub axis: Axis,
    /// At least one.
    pub points: Vec<Point>,
    /// Why the extra cannot be split, if it cannot.
    pub unsplit: Option<Missing>,
}

/// The extra at one size.
pub struct Point {
    /// The size along the axis.
    pub size: u64,
    extra: Replicates,
    call: Option<Replicates>,
}

/// How the extra grew between two sizes.
pub struct Growth {
    /// The call's share of it, if it grew at all.
    pub share: Option<Estimate>,
    /// What one more mapping adds to the call.
    pub call: Estimate,
    /// What it adds after the call.
    pub after: Estimate,
}

impl Extra {
    /// `None` unless some workers spawned both by fork and by another baseline.
    pub fn of(document: &Document, sizes: &Sizes<'_>) -> Option<Self> {
        let baseline = document.plan.baseline;
        if baseline == SpawnMethod::Fork {
            return None;
        }
        let mut points = Vec::new();
        let mut unsplit = None;
        for (index, group) in sizes.ascending().into_iter().enumerate() {
            // Sizes have workers of their own, so their resamples must not be
            // the same draw of ranks: each size has its own seed.
            let seed = seed_at(document.plan.seed, index);
            let takes_turns = !document.plan.has_jobs();
            points.extend(Point::of(group, baseline, sizes.axis, takes_turns, seed));
            unsplit = unsplit.or_else(|| why_unsplit(group, baseline));
        }
        (!points.is_empty()).then_some(Self {
            baseline,
            axis: sizes.axis,
            points,
            unsplit,
        })
    }

    /// Whether there are sizes that it may grow between.
    pub fn has_growth(&self) -> bool {
        let mut sizes = self.points.iter().map(|point| point.size);
        let base = sizes.next();
        sizes.any(|size| Some(size) > base)
    }

    /// The growth from the smallest size to that of a point.
    pub fn growth(&self, point: &Point) -> Option<Growth> {
        let base = self.points.first()?;
        let (call_0, call_j) = (base.call.as_ref()?, point.call.as_ref()?);
        let parts = [&base.extra, call_0, &point.extra, call_j];
        let steps = point
            .size
            .checked_sub(base.size)
            .filter(|steps| *steps > 0)? as f64;
        let of = |compute: fn(Split) -> f64| {
            let combined = Replicates::combine(&parts, |v| Some(compute(Split::between(v))));
            combined.map(|replicates| replicates.estimate())
        };
        let grew = of(|split| split.total())?.is_above(0.0);
        let share = if grew {
            of(|split| split.call / split.total())
        } else {
            None
        };
        Some(Growth {
            share: share.filter(|share| share.value.is_finite()),
            call: of(|split| split.call)?.map(|ns| ns / steps),
            after: of(|split| split.after)?.map(|ns| ns / steps),
        })
    }

    /// The slopes over all sizes, in the call and after it.
    pub fn slopes(&self) -> Option<[Estimate; 2]> {
        if self.points.len() < 2 {
            return None;
        }
        let calls: Option<Vec<&Replicates>> = self.points.iter().map(|p| p.call.as_ref()).collect();
        let afters: Option<Vec<Replicates>> = self.points.iter().map(Point::after).collect();
        let afters = afters?;
        Some([
            self.slope(&calls?)?,
            self.slope(&afters.iter().collect::<Vec<_>>())?,
        ])
    }

    fn slope(&self, parts: &[&Replicates]) -> Option<Estimate> {
        let sizes = || self.points.iter().map(|point| point.size as f64);
        Replicates::combine(parts, |values| {
            theil_sen(&sizes().zip(values.iter().copied()).collect::<Vec<_>>())
        })
        .map(|replicates| replicates.estimate())
    }
}

impl Point {
    fn of(
        group: &Group<'_>,
        baseline: SpawnMethod,
        axis: Axis,
        takes_turns: bool,
        seed: u64,
    ) -> Option<Self> {
        let fork = group.cell(SpawnMethod::Fork)?;
        let base = group.cell(baseline)?;
        let both = [fork.samples.as_slice(), &base.samples];
        let difference = |of: fn(&WorkerSamples) -> &[u64], in_turn: fn(Turn) -> f64| {
            if !takes_turns {
                return by_worker(both, of, seed, |fork, base| fork - base);
            }
            let each = by_turn(both[0], both[1], |fork, base| in_turn(fork) - in_turn(base));
            level_replicates(&each, seed, DRAWS)
        };
        let apart = fork.call_ns.measured().is_some() && base.call_ns.measured().is_some();
        Some(Self {
            size: axis.size(group.space),
            // The same seed draws the same workers for both, so that a worker's
            // luck stays in the difference and the share of the two.
            extra: difference(WorkerSamples::totals, |turn| turn.total)?,
            call: match apart {
                true => difference(WorkerSamples::calls, |turn| turn.call),
                false => None,
            },
        })
    }

    /// The whole of the extra.
    pub fn extra(&self) -> Estimate {
        self.extra.estimate()
    }

    /// What of it lies in the call.
    pub fn in_call(&self) -> Option<Estimate> {
        self.call.as_ref().map(Replicates::estimate)
    }

    /// The rest of it, so that the two add up.
    pub fn after_call(&self) -> Option<Estimate> {
        self.after().map(|after| after.estimate())
    }

    fn after(&self) -> Option<Replicates> {
        let parts = [&self.extra, self.call.as_ref()?];
        Replicates::combine(&parts, |values| Some(values[0] - values[1]))
    }
}

/// A growth of the extra, split.
struct Split {
    call: f64,
    after: f64,
}

impl Split {
    /// From extra and call at the smaller size, then at the larger.
    fn between(values: &[f64]) -> Self {
        let call = values[3] - values[1];
        Self {
            call,
            after: (values[2] - values[0]) - call,
        }
    }

    fn total(&self) -> f64 {
        self.call + self.after
    }
}

/// Why a method of the group has no call time of its own.
fn why_unsplit(group: &Group<'_>, baseline: SpawnMethod) -> Option<Missing> {
    [SpawnMethod::Fork, baseline]
        .into_iter()
        .filter_map(|method| group.cell(method))
        .filter(|cell| cell.total_ns.measured().is_some())
        .find_map(|cell| cell.call_ns.missing().cloned())
}
