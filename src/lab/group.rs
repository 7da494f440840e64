//! All that was recorded of one of the plan's address spaces.

use super::samples::unavailable;
use super::session::Recording;
use crate::model::{Missing, Parent, Plan, Space, SpaceRequest, SpawnMethod, keep_quiet, middle};
use crate::worker::protocol::Pass;

/// All recordings of one address space.
pub(super) struct Group<'a> {
    pub(super) plan: &'a Plan,
    pub(super) request: &'a SpaceRequest,
    pub(super) timing: Vec<&'a Recording>,
    pub(super) accounting: Vec<&'a Recording>,
    pub(super) sampling: Vec<&'a Recording>,
    pub(super) counting: Vec<&'a Recording>,
}

impl<'a> Group<'a> {
    pub(super) fn new(space: usize, recordings: &'a [Recording], plan: &'a Plan) -> Self {
        let of = |pass: Pass| {
            let mine = |r: &&Recording| r.occasion.of == space && r.pass == pass;
            recordings.iter().filter(mine).collect()
        };
        let quiet = |pass: Pass| {
            let mut recordings: Vec<&Recording> = of(pass);
            keep_quiet(&mut recordings, |recording| recording.counts());
            recordings
        };
        Self {
            plan,
            request: &plan.spaces[space],
            timing: of(Pass::Timing),
            accounting: quiet(Pass::Accounting),
            sampling: of(Pass::Sampling),
            counting: quiet(Pass::Counting),
        }
    }

    /// The workers that timed.
    pub(super) fn timings(&self) -> impl Iterator<Item = &'a Recording> {
        self.timing.iter().copied()
    }

    /// The census, by medians over them.
    pub(super) fn space(&self) -> Space {
        let typical = |pick: fn(&Recording) -> Parent| {
            let workers: Vec<Parent> = self.timings().map(pick).collect();
            Parent::typical(&workers).unwrap_or_default()
        };
        Space {
            request: self.request.clone(),
            mappings_requested: self.request.mappings(),
            inflation_ns: middle(self.timings().map(|r| r.inflation_ns).collect()),
            before: typical(|r| r.before),
            parent: typical(|r| r.inflated),
            jobs: self.plan.has_jobs().then(|| self.request.jobs()),
        }
    }

    /// Why a method has no samples here.
    pub(super) fn why_not(&self, method: SpawnMethod) -> Missing {
        unavailable(self.timings(), method).unwrap_or_else(Missing::not_reached)
    }
}
