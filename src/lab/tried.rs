//! A trial as far as it came, and its figures.

use super::samples::{samples, summaries, unavailable};
use super::session::Recording;
use crate::model::{Availability, Missing, Parent, SpawnMethod, TrialCell};

/// A trial as far as it came.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) workers: Vec<Recording>,
    /// Why it is not tried any more.
    pub(super) failed: Option<Missing>,
}

impl Tried {
    /// What the parent had, each figure by its median over the workers.
    pub(super) fn parent(&self) -> Availability<Parent> {
        let workers: Vec<Parent> = self.workers.iter().map(|worker| worker.inflated).collect();
        Availability::of(Parent::typical(&workers), || self.why_none())
    }

    /// What its spawns took, method by method.
    pub(super) fn cells(&self, methods: &[SpawnMethod], cost: f64, seed: u64) -> Vec<TrialCell> {
        let cell = |method: &SpawnMethod| {
            let samples = samples(&self.workers, *method, cost);
            let why_not = || unavailable(&self.workers, *method).unwrap_or_else(|| self.why_none());
            let [call_ns, total_ns] =
                summaries(&samples, seed).map(|times| Availability::of(times, why_not));
            TrialCell {
                method: *method,
                call_ns,
                total_ns,
                samples,
            }
        };
        methods.iter().map(cell).collect()
    }

    /// Why it has no figure.
    pub(super) fn why_none(&self) -> Missing {
        self.failed.clone().unwrap_or_else(Missing::not_reached)
    }
}
