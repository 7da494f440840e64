//! The workers of an explanation: what each is for, and what they brought home.

use super::breakpoint;
use super::mechanisms::Chained;
use crate::lab::session::Recording;
use crate::model::{Availability, ExitProbe, PageTables, SpawnMethod};

/// A worker of a round, and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visit {
    /// Times all methods from one of the plan's address spaces.
    Timing(usize),
    /// Stamps all methods.
    Stamping,
    /// Samples the kernel's call chains of one method.
    Chains(SpawnMethod),
    /// Records the page faults of one method from one of the address spaces.
    Faults(usize, SpawnMethod),
    /// Writes to the parent's pages again.
    Rewriting,
}

impl Visit {
    pub(super) fn weight(self, methods: usize) -> f64 {
        match self {
            Self::Timing(_) | Self::Rewriting => 1.0,
            Self::Faults(..) => 1.0 / methods as f64,
            Self::Stamping => 2.5,
            Self::Chains(_) => 7.0 / methods as f64,
        }
    }

    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Timing(_) => "timing",
            Self::Stamping => "stamping",
            Self::Chains(_) => "sampling call chains",
            Self::Faults(..) => "recording page faults",
            Self::Rewriting => "rewriting pages",
        }
    }
}

/// What was brought home, by purpose.
#[derive(Default)]
pub(super) struct Evidence {
    pub(super) timing: Vec<Recording>,
    pub(super) stamping: Vec<Recording>,
    pub(super) chains: Vec<Chained>,
    pub(super) faults: Vec<Recording>,
    pub(super) rewriting: Vec<Recording>,
    pub(super) tables: Option<[PageTables; 2]>,
    pub(super) exit: Option<Availability<ExitProbe>>,
    pub(super) hits: Vec<breakpoint::Pair>,
}

impl Evidence {
    /// Processes that the children of all but the timing workers left behind.
    pub(super) fn left_behind(&self) -> u64 {
        let passes = [&self.stamping, &self.faults, &self.rewriting];
        let chains = self.chains.iter().map(|chained| &chained.recording);
        let recordings = passes.into_iter().flatten().chain(chains);
        recordings.map(|recording| recording.left_behind).sum()
    }
}
