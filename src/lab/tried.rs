//! A trial as far as it came, and its figures.

use super::assemble::{as_floats, samples};
use super::session::Recording;
use crate::model::{Availability, Missing, Parent, SpawnMethod, TrialCell, WorkerSamples};
use crate::stats::summarise;

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
        match Parent::typical(&workers) {
            Some(parent) => Availability::Measured(parent),
            None => Availability::Missing(self.why_none()),
        }
    }

    /// What its spawns took, method by method.
    pub(super) fn cells(&self, methods: &[SpawnMethod], cost: f64, seed: u64) -> Vec<TrialCell> {
        let workers: Vec<&Recording> = self.workers.iter().collect();
        let cell = |method: &SpawnMethod| {
            let samples = samples(&workers, *method, cost);
            let summary = |pick: fn(&WorkerSamples) -> &Vec<u64>| {
                summarise(&as_floats(&samples, pick), seed).map_or_else(
                    || Availability::Missing(self.why_not(*method)),
                    Availability::Measured,
                )
            };
            TrialCell {
                method: *method,
                call_ns: summary(|s| &s.call_ns),
                total_ns: summary(|s| &s.total_ns),
                samples,
            }
        };
        methods.iter().map(cell).collect()
    }

    fn why_not(&self, method: SpawnMethod) -> Missing {
        let mut gone = self.workers.iter().flat_map(|r| &r.prepared.unavailable);
        match gone.find(|(gone, _)| *gone == method) {
            Some((_, reason)) => Missing::unavailable(reason.clone(), None),
            None => self.why_none(),
        }
    }

    fn why_none(&self) -> Missing {
        self.failed.clone().unwrap_or_else(Missing::not_reached)
    }
}
