//! What parents that spawn at once cost each other.

use super::sizes::{Axis, Group, Sizes};
use crate::analysis::seed_at;
use crate::model::{Document, SpawnMethod, WorkerSamples, rates, times};
use crate::stats::{DRAWS, Estimate, Replicates, cost_replicates};

/// A method by the most parents that spawned at once, as a multiple of one alone.
#[derive(Debug, Clone, Copy)]
pub struct Crowded {
    /// The method.
    pub method: SpawnMethod,
    /// How many parents spawned at once.
    pub jobs: u64,
    /// How many times as long the spawn of one took.
    pub times_as_long: Estimate,
    /// How many times as many spawns a second all made together, where that is known.
    pub times_as_many: Option<Estimate>,
}

/// Each method, where one alone was measured, and several at once.
pub fn crowded(document: &Document, sizes: &Sizes<'_>) -> Vec<Crowded> {
    let groups = sizes.ascending();
    let (Some(alone), Some(most)) = (groups.first(), groups.last()) else {
        return Vec::new();
    };
    let [few, many] = [alone, most].map(|group| Axis::Jobs.size(group.space));
    if sizes.axis != Axis::Jobs || few != 1 || many == 1 {
        return Vec::new();
    }
    let of = |method: &SpawnMethod| {
        let compared = |of: &dyn Fn(&[WorkerSamples]) -> Vec<Vec<f64>>| {
            let level = |group: &Group<'_>, place: usize| {
                // Each has workers of its own, and so draws of its own.
                let seed = seed_at(document.plan.seed, place);
                cost_replicates(&of(&group.cell(*method)?.samples), seed, DRAWS)
            };
            let (alone, crowd) = (level(alone, 0)?, level(most, 1)?);
            let ratio = Replicates::combine(&[&crowd, &alone], |v| Some(v[0] / v[1]));
            ratio?.estimate().sound()
        };
        Some(Crowded {
            method: *method,
            jobs: many,
            times_as_long: compared(&|samples| times(samples, WorkerSamples::totals))?,
            times_as_many: compared(&rates),
        })
    };
    document.plan.methods.iter().filter_map(of).collect()
}
