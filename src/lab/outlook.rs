//! What is recorded from outside while a process spawns: which sampler, from
//! when to when, and what it brought.

use super::kernel::{Kernel, Sampler, Watching};
use crate::model::{Missing, Placement, Reach};
use crate::profile::ledger::Landmark;
use crate::sys::events::SampleEvent;

/// What was recorded from outside while a worker spawned.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    /// The worker's process.
    pub(super) worker: u32,
    /// The records, in order of time.
    pub(super) events: Vec<SampleEvent>,
    /// Ticks in each second of CPU time.
    pub(super) hz: u64,
    /// How far it reached.
    pub(super) reach: Reach,
    /// The instructions that were watched, by their index in the records.
    pub(super) landmarks: Vec<Landmark>,
    /// Why none were, if they should have been.
    pub(super) unmarked: Option<Missing>,
    /// Of a recording of moments: records that are missing, at the least.
    pub(super) lost: u64,
}

/// What is recorded from outside, and how an instruction is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Watch {
    /// Nothing.
    Nothing,
    /// Kernel mode or user mode.
    Modes,
    /// The kernel's call chains.
    Chains(u64),
    /// The moments of a spawn.
    Moments,
    /// The moments of a spawn, with libc's execve and these instructions of the
    /// program.
    Stamps(Vec<(Landmark, u64)>),
    /// Page faults.
    Faults,
    /// The system calls that create processes.
    Calls,
}

/// Instructions to watch, and a sampler that does.
type Marks = [(Landmark, u64)];
type Opened = Result<Box<dyn Sampler>, Missing>;

/// Opens the first of these choices that this host grants: a CPU has few
/// breakpoints and others may hold some, and without any all other moments are
/// still there. Also tells why the first one was refused, if it was.
fn open_marked<'a>(
    open: &dyn Fn(&Watching) -> Opened,
    choices: [&'a Marks; 3],
) -> (&'a Marks, Option<Missing>, Opened) {
    let mut refused = None;
    for marks in choices {
        let addresses = marks.iter().map(|(_, address)| *address).collect();
        match open(&Watching::Stamps(addresses)) {
            Err(missing) if !marks.is_empty() => refused = refused.or(Some(missing)),
            opened => return (marks, refused, opened),
        }
    }
    unreachable!("the last choice has no marks")
}

/// The sampler of a pass that has one.
pub(super) enum Outlook {
    NotAsked,
    Refused(Missing),
    Open {
        sampler: Box<dyn Sampler>,
        watched: Watched,
    },
}

impl Outlook {
    /// Opens what is asked for and begins. `execve` is where libc's function of
    /// this name begins in the worker.
    pub(super) fn open(
        kernel: &dyn Kernel,
        watch: &Watch,
        placement: Placement,
        execve: u64,
        worker: u32,
    ) -> Self {
        let open = |watching: &Watching| {
            let mut sampler = kernel.watch(watching, placement, worker)?;
            sampler.start()?;
            Ok(sampler)
        };
        let (mut landmarks, mut unmarked) = (Vec::new(), None);
        let opened = match watch {
            Watch::Nothing => return Self::NotAsked,
            Watch::Modes => open(&Watching::Modes),
            Watch::Chains(hz) => open(&Watching::Chains(*hz)),
            Watch::Faults => open(&Watching::Faults),
            Watch::Calls => open(&Watching::Calls),
            Watch::Moments => open(&Watching::Stamps(Vec::new())),
            Watch::Stamps(of_program) => {
                let execve = (Landmark::Execve, execve);
                let all: Vec<_> = [execve].into_iter().chain(of_program.clone()).collect();
                let (marks, refused, opened) = open_marked(&open, [&all, of_program, &[]]);
                landmarks = marks.iter().map(|(landmark, _)| *landmark).collect();
                unmarked = refused;
                opened
            }
        };
        match opened {
            Err(missing) => Self::Refused(missing),
            Ok(sampler) => Self::Open {
                watched: Watched {
                    worker,
                    events: Vec::new(),
                    hz: sampler.hz(),
                    reach: sampler.reach(),
                    landmarks,
                    unmarked,
                    lost: 0,
                },
                sampler,
            },
        }
    }

    /// Empties the rings before they run over.
    pub(super) fn collect(&mut self) {
        if let Self::Open { sampler, watched } = self {
            watched.events.extend(sampler.drain());
        }
    }

    /// Ends, and gives what was recorded.
    pub(super) fn close(mut self) -> Option<Result<Watched, Missing>> {
        if let Self::Open { sampler, .. } = &mut self {
            sampler.stop();
        }
        self.collect();
        match self {
            Self::NotAsked => None,
            Self::Refused(missing) => Some(Err(missing)),
            Self::Open { watched, .. } => Some(Ok(watched)),
        }
    }
}
