//! What spawns of a trial took.

use crate::model::{
    ProcessRole, ProcessTrial, SpawnMethod, WorkerSamples, quiet_workers, times_of,
};
use crate::stats::{DRAWS, Replicates, cost_replicates, seed_of};

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
        let since = cell.samples.iter().filter(|worker| worker.round >= round);
        let workers = quiet_workers(since);
        let of = |pick: fn(&WorkerSamples) -> &[u64]| {
            cost_replicates(&times_of(&workers, pick), seed, DRAWS)
        };
        Some(Self {
            call: of(WorkerSamples::calls)?,
            total: of(WorkerSamples::totals)?,
            workers: workers.len(),
        })
    }
}
