//! Counters of the calling thread, read in the measured loop.
//!
//! Each counter opens on its own, so that a host without a PMU still gives the
//! software ones. The software counters share one group, so that one `read(2)`
//! takes them all at one instant; a hardware counter is alone, because a group
//! of them would stop altogether where the PMU has too few registers.
//! Counts are never scaled here. An event that shares the PMU counts some of
//! the time only, and the difference of two scaled readings could be anything;
//! the caller scales once, over the whole loop, by [`Counters::shares`].
//! Opening may allocate, enabling and reading do not.

use std::io::{self, ErrorKind, Read};

use perf_event_open::config::{Cpu, Inherit, Opts, Proc, StatFormat, sibling};
use perf_event_open::count::Counter as Leader;
use perf_event_open::count::group::CounterGroup;
use perf_event_open::event::Event;
use perf_event_open::event::hw::{Hardware, Op, OpResult, Type};
use perf_event_open::event::sw::Software;

use super::PerfError;
use super::error::Attempt;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Page faults without I/O.
    MinorFaults,
    /// Page faults with I/O.
    MajorFaults,
    /// CPU time, in nanoseconds.
    TaskClock,
    /// Switches away from the task.
    ContextSwitches,
    /// Moves to another CPU.
    CpuMigrations,
    /// CPU cycles.
    Cycles,
    /// Instructions retired.
    Instructions,
    /// Loads that missed the data TLB.
    DtlbMisses,
}

impl Counter {
    /// Every counter, the software ones first.
    pub const ALL: [Self; 8] = [
        Self::MinorFaults,
        Self::MajorFaults,
        Self::TaskClock,
        Self::ContextSwitches,
        Self::CpuMigrations,
        Self::Cycles,
        Self::Instructions,
        Self::DtlbMisses,
    ];

    /// The name that perf(1) gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::MinorFaults => "minor-faults",
            Self::MajorFaults => "major-faults",
            Self::TaskClock => "task-clock",
            Self::ContextSwitches => "context-switches",
            Self::CpuMigrations => "cpu-migrations",
            Self::Cycles => "cycles",
            Self::Instructions => "instructions",
            Self::DtlbMisses => "dTLB-load-misses",
        }
    }

    /// Whether it needs a PMU.
    pub fn is_hardware(self) -> bool {
        matches!(self, Self::Cycles | Self::Instructions | Self::DtlbMisses)
    }
}

/// The crate's event of a counter, behind a private type so that the crate
/// does not show in the interface.
struct Request(Counter);

impl TryFrom<Request> for Event {
    type Error = io::Error;

    fn try_from(Request(counter): Request) -> io::Result<Self> {
        match counter {
            Counter::MinorFaults => Software::MinorPageFault.try_into(),
            Counter::MajorFaults => Software::MajorPageFault.try_into(),
            Counter::TaskClock => Software::TaskClock.try_into(),
            Counter::ContextSwitches => Software::CtxSwitch.try_into(),
            Counter::CpuMigrations => Software::CpuMigration.try_into(),
            Counter::Cycles => Hardware::CpuCycle.try_into(),
            Counter::Instructions => Hardware::Instr.try_into(),
            Counter::DtlbMisses => Hardware::Cache(Type::Dtlb, Op::Read, OpResult::Miss).try_into(),
        }
    }
}

/// Whose events are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The calling thread's alone.
    Own,
    /// The calling thread's and those of every process and thread that it
    /// creates after the opening. A child's counts are complete once it was
    /// waited for.
    Family,
}

/// What became of an opening.
#[derive(Debug)]
pub struct OpenedCounters {
    /// The counters that opened; there may be none.
    pub counters: Counters,
    /// Those that did not, and why.
    pub failures: Vec<(Counter, PerfError)>,
}

/// A set of open counters, closed on drop.
#[derive(Debug)]
pub struct Counters {
    opened: Vec<Counter>,
    groups: Vec<Group>,
}

impl Counters {
    /// Opens the counters on the calling thread, stopped at zero.
    ///
    /// A process that has one thread is counted whole. The kernel side is part
    /// of every count; where it may not be seen the counter fails.
    pub fn open(scope: Scope, wanted: &[Counter]) -> OpenedCounters {
        let mut counters = Self {
            opened: Vec::with_capacity(wanted.len()),
            groups: Vec::new(),
        };
        let mut failures = Vec::new();
        for &counter in wanted {
            if super::CALL.is_deadly() {
                failures.push((counter, PerfError::Deadly));
                continue;
            }
            match counters.add(scope, counter) {
                Ok(()) => counters.opened.push(counter),
                Err(failure) => failures.push((counter, explain(&failure, counter))),
            }
        }
        OpenedCounters { counters, failures }
    }

    fn add(&mut self, scope: Scope, counter: Counter) -> io::Result<()> {
        let slot = self.opened.len();
        let shared = self
            .groups
            .iter_mut()
            .find(|group| group.shared && !counter.is_hardware());
        match shared {
            Some(group) => group.join(scope, counter, slot),
            None => {
                self.groups.push(Group::lead(scope, counter, slot)?);
                Ok(())
            }
        }
    }

    /// The open counters, in the order in which [`Self::read`] gives them.
    pub fn opened(&self) -> &[Counter] {
        &self.opened
    }

    /// Starts counting.
    pub fn enable(&self) -> io::Result<()> {
        self.groups.iter().try_for_each(|group| group.perf.enable())
    }

    /// Reads the counts since the opening, in the order of [`Self::opened`].
    ///
    /// They are what was counted, so they never fall, and where an event had
    /// to share the PMU they are too small, see [`Self::shares`]. `out` is as
    /// long as [`Self::opened`].
    pub fn read(&mut self, out: &mut [u64]) -> io::Result<()> {
        if out.len() != self.opened.len() {
            return Err(ErrorKind::InvalidInput.into());
        }
        self.groups.iter_mut().try_for_each(|group| group.read(out))
    }

    /// The share of the time since [`Self::enable`] in which each counter was
    /// counting, as of the last read, in the order of [`Self::opened`].
    ///
    /// It is 1 unless the PMU was shared. At 0 the event never had its turn,
    /// and its count says nothing.
    pub fn shares(&self) -> Vec<f64> {
        let mut shares = vec![1.0; self.opened.len()];
        for group in &self.groups {
            for &slot in &group.slots {
                shares[slot] = group.share;
            }
        }
        shares
    }
}

/// Counters that one `read(2)` takes together.
struct Group {
    perf: CounterGroup,
    /// Where each count goes, in the kernel's order: leader, then siblings.
    slots: Vec<usize>,
    /// What the kernel writes: nr, time enabled, time running, nr counts.
    words: Vec<[u8; 8]>,
    /// Whether further software counters may join.
    shared: bool,
    /// Time running over time enabled at the last read.
    share: f64,
}

/// The words before the counts: nr, time enabled and time running.
const HEAD: usize = 3;

impl Group {
    fn lead(scope: Scope, counter: Counter, slot: usize) -> io::Result<Self> {
        let leader = Leader::new(
            Request(counter),
            (Proc::CURRENT, Cpu::ALL),
            Opts {
                inherit: inherit(scope),
                stat_format: StatFormat {
                    time_enabled: true,
                    time_running: true,
                    // A group's read format is allowed together with inherit
                    // since Linux 4.13.
                    siblings: true,
                    ..StatFormat::default()
                },
                ..Opts::default()
            },
        )?;
        Ok(Self {
            perf: CounterGroup::from(leader),
            slots: vec![slot],
            words: vec![[0; 8]; HEAD + 1],
            shared: !counter.is_hardware(),
            share: 1.0,
        })
    }

    fn join(&mut self, scope: Scope, counter: Counter, slot: usize) -> io::Result<()> {
        // The kernel refuses a sibling that inherits unlike its leader.
        let opts = sibling::Opts {
            inherit: inherit(scope),
            ..sibling::Opts::default()
        };
        self.perf.add(Request(counter), opts)?;
        self.slots.push(slot);
        self.words.push([0; 8]);
        Ok(())
    }

    /// Reads past the crate, whose own reading allocates for each group.
    fn read(&mut self, out: &mut [u64]) -> io::Result<()> {
        let buffer = self.words.as_flattened_mut();
        let mut file = self.perf.leader().file();
        if file.read(buffer)? != buffer.len() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let word = |index: usize| u64::from_ne_bytes(self.words[index]);
        for (index, &slot) in self.slots.iter().enumerate() {
            out[slot] = word(HEAD + index);
        }
        self.share = share(word(1), word(2));
        Ok(())
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Group")
            .field("slots", &self.slots)
            .field("share", &self.share)
            .finish_non_exhaustive()
    }
}

fn inherit(scope: Scope) -> Option<Inherit> {
    match scope {
        Scope::Own => None,
        Scope::Family => Some(Inherit::NewChild),
    }
}

fn explain(failure: &io::Error, counter: Counter) -> PerfError {
    let attempt = Attempt {
        hardware: counter.is_hardware(),
        needed: 1,
    };
    match PerfError::of_opening(failure, attempt) {
        // The kernel says the same of a PMU that lacks this one event.
        PerfError::NoPmu if Group::lead(Scope::Own, Counter::Cycles, 0).is_ok() => {
            PerfError::Unsupported
        }
        error => error,
    }
}

fn share(enabled: u64, running: u64) -> f64 {
    if enabled == 0 {
        1.0
    } else {
        (running as f64 / enabled as f64).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (index, counter) in Counter::ALL.into_iter().enumerate() {
            let first = Counter::ALL
                .into_iter()
                .position(|other| other.name() == counter.name());
            assert_eq!(first, Some(index));
        }
    }

    #[test]
    fn the_share_is_of_the_enabled_time() {
        assert!((share(0, 0) - 1.0).abs() < f64::EPSILON);
        assert!((share(4, 1) - 0.25).abs() < f64::EPSILON);
        assert!(share(4, 0) < f64::EPSILON);
    }

    #[test]
    fn an_empty_set_reads_nothing() {
        let mut opened = Counters::open(Scope::Own, &[]);
        assert!(opened.failures.is_empty());
        opened.counters.enable().unwrap();
        opened.counters.read(&mut []).unwrap();
        assert!(opened.counters.shares().is_empty());
        let wrong_length = opened.counters.read(&mut [0]).unwrap_err();
        assert_eq!(wrong_length.kind(), ErrorKind::InvalidInput);
    }
}
