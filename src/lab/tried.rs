//! A trial as far as it came, and its figures.

use super::assemble::{as_floats, middle, samples};
use super::session::Recording;
use crate::model::{Availability, Features, Missing, SpawnMethod, TrialCell, WorkerSamples};
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
    pub(super) fn features(&self) -> Availability<Features> {
        if self.workers.is_empty() {
            return Availability::Missing(self.why_none());
        }
        let over = |pick: fn(&Features) -> u64| self.over(|r| pick(&r.inflated.features()));
        Availability::Measured(Features {
            vmas: over(|f| f.vmas),
            anon_vmas: over(|f| f.anon_vmas),
            file_vmas: over(|f| f.file_vmas),
            shared_vmas: over(|f| f.shared_vmas),
            ptes: over(|f| f.ptes),
            empty_entries: over(|f| f.empty_entries),
            tables: over(|f| f.tables),
            huge_entries: over(|f| f.huge_entries),
        })
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

    /// A figure by its median over the workers, 0 without any.
    pub(super) fn over(&self, pick: impl Fn(&Recording) -> u64) -> u64 {
        middle(self.workers.iter().map(pick).collect())
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
