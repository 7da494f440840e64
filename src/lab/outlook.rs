//! What is recorded from outside while a process spawns: which sampler, from
//! when to when, and what it brought.

mod pair;

pub(super) use pair::Pair;

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

/// A worker that is watched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight<'a> {
    pub(super) watch: &'a Watch,
    pub(super) placement: Placement,
    /// Where libc's function of this name begins in it.
    pub(super) execve: u64,
    /// Its process.
    pub(super) worker: u32,
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
    /// Opens what is asked for and begins.
    pub(super) fn open(kernel: &dyn Kernel, sight: Sight<'_>) -> Self {
        let execve = [(Landmark::Execve, sight.execve)];
        match sight.watch {
            Watch::Nothing => Self::NotAsked,
            Watch::Modes => Self::of(kernel, sight, &Watching::Modes),
            Watch::Chains(hz) => Self::of(kernel, sight, &Watching::Chains(*hz)),
            Watch::Faults => Self::of(kernel, sight, &Watching::Faults),
            Watch::Calls => Self::of(kernel, sight, &Watching::Calls),
            Watch::Moments => Self::of(kernel, sight, &Watching::Stamps(Vec::new())),
            Watch::Stamps(of_program) => Self::marked(kernel, sight, &execve, of_program),
        }
    }

    fn of(kernel: &dyn Kernel, sight: Sight<'_>, watching: &Watching) -> Self {
        Self::opened(begun(kernel, sight, watching), sight.worker, &[], None)
    }

    /// The moments of a spawn with as many of these instructions as the host grants.
    fn marked(kernel: &dyn Kernel, sight: Sight<'_>, execve: &Marks, of_program: &Marks) -> Self {
        let open = |watching: &Watching| begun(kernel, sight, watching);
        let all = [execve, of_program].concat();
        let (marks, refused, opened) = open_marked(&open, [&all, of_program, &[]]);
        Self::opened(opened, sight.worker, marks, refused)
    }

    fn opened(opened: Opened, worker: u32, marks: &Marks, unmarked: Option<Missing>) -> Self {
        match opened {
            Err(missing) => Self::Refused(missing),
            Ok(sampler) => Self::Open {
                watched: Watched {
                    worker,
                    events: Vec::new(),
                    hz: sampler.hz(),
                    reach: sampler.reach(),
                    landmarks: marks.iter().map(|(landmark, _)| *landmark).collect(),
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

/// A sampler that has begun.
fn begun(kernel: &dyn Kernel, sight: Sight<'_>, watching: &Watching) -> Opened {
    let mut sampler = kernel.watch(watching, sight.placement, sight.worker)?;
    sampler.start()?;
    Ok(sampler)
}
