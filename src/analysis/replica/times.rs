//! What spawns of a trial took.

use crate::model::{ProcessRole, ProcessTrial, SpawnMethod, TrialCell, WorkerSamples};
use crate::stats::{DRAWS, Replicates, median_replicates, seed_of};

/// Call and total of a spawn.
#[derive(Debug, Clone)]
pub(in crate::analysis) struct Times {
    pub(in crate::analysis) call: Replicates,
    pub(in crate::analysis) total: Replicates,
    pub(in crate::analysis) workers: usize,
}

impl Times {
    /// Of one method of a trial.
    pub(in crate::analysis) fn of(
        trials: &[ProcessTrial],
        role: ProcessRole,
        method: SpawnMethod,
        seed: u64,
    ) -> Option<Self> {
        Self::since(trials, role, method, seed, 0)
    }

    /// The same, of the workers from a round on.
    pub(in crate::analysis) fn since(
        trials: &[ProcessTrial],
        role: ProcessRole,
        method: SpawnMethod,
        seed: u64,
        round: u32,
    ) -> Option<Self> {
        let place = trials.iter().position(|trial| trial.role == role)?;
        let mut cells = trials[place].cells.iter();
        let cell = cells.find(|cell| cell.method == method)?;
        // All methods of a trial share its workers, and with them its seed.
        let seed = seed_of(seed, place);
        let of = |pick: fn(&WorkerSamples) -> &Vec<u64>| {
            median_replicates(&floats(cell, pick, round), seed, DRAWS)
        };
        Some(Self {
            call: of(|samples| &samples.call_ns)?,
            total: of(|samples| &samples.total_ns)?,
            workers: cell.samples.iter().filter(|s| s.round >= round).count(),
        })
    }
}

fn floats(cell: &TrialCell, pick: fn(&WorkerSamples) -> &Vec<u64>, round: u32) -> Vec<Vec<f64>> {
    let workers = cell.samples.iter().filter(|s| s.round >= round);
    workers
        .map(|samples| pick(samples).iter().map(|ns| *ns as f64).collect())
        .collect()
}
