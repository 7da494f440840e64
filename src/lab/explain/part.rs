//! The parts of an explanation: what each visit is for, when it has its turn, and what
//! all of them brought home.

use super::breakpoint;
use super::mechanisms::Chained;
use crate::lab::outcome::Ended;
use crate::lab::runner::Rhythm;
use crate::lab::session::Recording;
use crate::model::{Availability, ExitProbe, PageTables, SpawnMethod, keep_quiet};

/// What a visit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Times all methods from one of the plan's address spaces.
    Timing(usize),
    /// Looks at the page tables, before the inflation and after.
    Tables,
    /// Finds out when the kernel writes its EXIT record.
    ExitOrder,
    /// Stamps all methods.
    Stamping,
    /// Measures what a watched instruction costs.
    Breakpoint,
    /// Samples the kernel's call chains of one method.
    Chains(SpawnMethod),
    /// Records the page faults of one method from one of the address spaces.
    Faults(usize, SpawnMethod),
    /// Writes to the parent's pages again.
    Rewriting,
    /// Has another thread of the parent be busy meanwhile.
    Waiting,
}

impl Part {
    /// When it has its turn. A run that is broken off shall have a time at the least, and
    /// one that is too short a ledger; and how long a slice of call chains lasts is known
    /// only from the times. Faults and rewriting vary little.
    pub(super) fn rhythm(self, methods: usize, is_explained: bool) -> Rhythm {
        let (first, weight) = match self {
            Self::Timing(_) => (if is_explained { 0 } else { 2 }, 1.0),
            Self::Tables | Self::ExitOrder => (1, 0.0),
            Self::Stamping => (3, 2.5),
            Self::Breakpoint => (4, 0.0),
            Self::Chains(_) => (5, 7.0 / methods as f64),
            Self::Faults(..) => (5, 1.0 / methods as f64),
            Self::Rewriting | Self::Waiting => (5, 1.0),
        };
        let every = match self {
            Self::Tables | Self::ExitOrder => Rhythm::ONCE,
            Self::Faults(..) | Self::Rewriting | Self::Waiting => 2,
            _ => 1,
        };
        Rhythm {
            weight,
            every,
            from: 0,
            first,
            owed: first < 5,
            rests: false,
        }
    }

    /// What it is called in the progress.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Timing(_) => "timing",
            Self::Tables => "looking at page tables",
            Self::ExitOrder => "finding the order of EXIT",
            Self::Stamping => "stamping",
            Self::Breakpoint => "measuring a breakpoint",
            Self::Chains(_) => "sampling call chains",
            Self::Faults(..) => "recording page faults",
            Self::Rewriting => "rewriting pages",
            Self::Waiting => "timing another thread",
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
    pub(super) waiting: Vec<Recording>,
    pub(super) tables: Option<[PageTables; 2]>,
    pub(super) exit: Option<Availability<ExitProbe>>,
    pub(super) hits: Vec<breakpoint::Pair>,
}

impl Evidence {
    /// Hears what state the host was in. Of what is stored as figures alone, the quiet
    /// workers are kept, where they are enough; shares and counts are of all of them.
    pub(super) fn tell(&mut self, ended: &Ended) {
        ended.tell(&mut self.timing);
        ended.tell(self.chains.iter_mut().map(|chained| &mut chained.recording));
        for recordings in [&mut self.stamping, &mut self.rewriting, &mut self.waiting] {
            ended.tell(&mut *recordings);
            keep_quiet(recordings, |recording| recording.counts());
        }
    }
}
