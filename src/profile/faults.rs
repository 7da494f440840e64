//! Page faults of each spawn by phase and cause.
//!
//! The phase comes from the order of the records: the spawns' own stamps, FORK,
//! EXEC, and the mode of the faults after it. The cause comes from the address:
//! the worker's mappings decide until the exec, the mappings that the process
//! itself made since, as their records tell, from then on.
//! Whether a fault wrote is not in its record, so the cause is what the address
//! was before it. Pure: no clock, no kernel, no file.

use std::collections::{HashMap, HashSet};

use self::space::Space;
use crate::model::{FaultCause, FaultPhase};
use crate::sys::events::{Mode, SampleEvent};

mod space;

const PHASES: usize = FaultPhase::ALL.len();
const CAUSES: usize = FaultCause::ALL.len();

/// One spawn, on CLOCK_MONOTONIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpawnStamps {
    /// Before the call.
    pub begin: u64,
    /// After the wait.
    pub end: u64,
    /// The method's index.
    pub method: usize,
    /// The next spawn's begin, or `u64::MAX`: what the parent does until then
    /// belongs to this spawn.
    pub until: u64,
    /// The program's first instruction, if it is known. If not, the program
    /// begins with the first fault in user mode after the exec: with the
    /// dynamic loader's, where there is one.
    pub program: Option<u64>,
}

impl SpawnStamps {
    /// Spawns that follow each other: begin, end and the method's index.
    pub fn in_order(windows: &[(u64, u64, usize)]) -> Vec<Self> {
        let nexts = windows.iter().skip(1).map(|&(begin, ..)| begin);
        let nexts = nexts.chain([u64::MAX]);
        let stamps = |(&(begin, end, method), until): (&(u64, u64, usize), u64)| Self {
            begin,
            end,
            method,
            until,
            program: None,
        };
        windows.iter().zip(nexts).map(stamps).collect()
    }
}

/// What stands behind a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Private memory without a file.
    Anonymous,
    /// A private mapping of a file, or pages of the kernel's own.
    File,
    /// Shared memory, with or without a file.
    Shared,
}

/// A mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapRange {
    /// Its first address.
    pub start: u64,
    /// The address after its last.
    pub end: u64,
    /// What stands behind it.
    pub source: Source,
    /// Whether it may be written to.
    pub writable: bool,
    /// Stretches of addresses, in ascending order, of which the process had
    /// pages of its own when the mappings were read.
    pub own: Vec<[u64; 2]>,
}

/// What the events are judged by.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// The worker.
    pub worker: u32,
    /// Its spawns, in order of time.
    pub spawns: &'a [SpawnStamps],
    /// The worker's mappings before its first spawn, in ascending order.
    pub map: &'a [MapRange],
    /// Bytes of a page.
    pub page_size: u64,
}

/// The faults of one spawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpawnFaults {
    /// The method's index.
    pub method: usize,
    counts: [[u32; CAUSES]; PHASES],
}

impl SpawnFaults {
    /// How many faults fell in a phase for a cause.
    pub fn count(&self, phase: FaultPhase, cause: FaultCause) -> u32 {
        self.counts[phase as usize][cause as usize]
    }
}

/// The faults of one worker's spawns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultTally {
    /// Every spawn, in order of time, those without faults too.
    pub spawns: Vec<SpawnFaults>,
    /// Records that are missing: nobody can tell whose they were.
    pub lost: u64,
}

impl FaultTally {
    /// Leaves the last spawn out, if it is not the only one: what follows it is
    /// the worker's farewell as well.
    pub fn without_the_last(mut self) -> Self {
        if self.spawns.len() > 1 {
            self.spawns.pop();
        }
        self
    }

    /// The counts of a method, one a spawn, ready to be resampled.
    pub fn per_spawn(&self, method: usize, phase: FaultPhase, cause: FaultCause) -> Vec<f64> {
        let spawns = self.spawns.iter().filter(|spawn| spawn.method == method);
        spawns
            .map(|spawn| f64::from(spawn.count(phase, cause)))
            .collect()
    }
}

/// Counts the faults of the worker and of its descendants.
///
/// The events are those of every CPU in one order of time and begin no later
/// than the first spawn. A descendant is known from its FORK record on; what a
/// program spawns counts as the program. Ends of processes need not be known:
/// a number that is used again is used by a new FORK record.
pub fn tally(events: &[SampleEvent], observed: &Observed<'_>) -> FaultTally {
    let mut walk = Walk::new(observed);
    for event in events {
        walk.event(event);
    }
    walk.tally
}

/// How far a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    BeforeExec,
    Exec,
    Program,
}

struct Child {
    spawn: usize,
    stage: Stage,
    /// Its own from its exec on.
    space: Space,
    /// The phase and the address of its last fault, if no mapping was known.
    stray: Option<(FaultPhase, u64)>,
}

impl Child {
    fn new(spawn: usize, stage: Stage, space: Space) -> Self {
        Self {
            spawn,
            stage,
            space,
            stray: None,
        }
    }
}

struct Walk<'a> {
    observed: &'a Observed<'a>,
    tally: FaultTally,
    /// Spawns that have begun.
    begun: usize,
    /// The last spawn whose child is known.
    forked: Option<usize>,
    children: HashMap<u32, Child>,
    /// Pages that the worker has touched since its mappings were read.
    touched: HashSet<u64>,
}

impl<'a> Walk<'a> {
    fn new(observed: &'a Observed<'a>) -> Self {
        let spawns = observed.spawns.iter().map(|spawn| SpawnFaults {
            method: spawn.method,
            counts: [[0; CAUSES]; PHASES],
        });
        Self {
            observed,
            tally: FaultTally {
                spawns: spawns.collect(),
                lost: 0,
            },
            begun: 0,
            forked: None,
            children: HashMap::new(),
            touched: HashSet::new(),
        }
    }

    fn event(&mut self, event: &SampleEvent) {
        match *event {
            SampleEvent::Fork { time_ns, pid, ppid } => self.fork(time_ns, pid, ppid),
            SampleEvent::Exec { pid, .. } => self.exec(pid),
            SampleEvent::Map {
                pid,
                start,
                end,
                file,
                shared,
                writable,
                ..
            } => {
                let source = match (shared, file) {
                    (true, _) => Source::Shared,
                    (false, true) => Source::File,
                    (false, false) => Source::Anonymous,
                };
                let range = MapRange {
                    start,
                    end,
                    source,
                    writable,
                    own: Vec::new(),
                };
                self.map(pid, range);
            }
            SampleEvent::Fault {
                time_ns,
                pid,
                address,
                mode,
            } => {
                if pid == self.observed.worker {
                    self.parent_fault(time_ns, address);
                } else {
                    self.child_fault(time_ns, pid, address, mode);
                }
            }
            SampleEvent::Lost { count } => {
                self.tally.lost = self.tally.lost.saturating_add(count);
            }
            _ => {}
        }
    }

    /// The spawn whose part of the time this is.
    fn spawn_at(&mut self, time_ns: u64) -> Option<usize> {
        let spawns = self.observed.spawns;
        while spawns
            .get(self.begun)
            .is_some_and(|spawn| spawn.begin <= time_ns)
        {
            self.begun += 1;
        }
        let last = self.begun.checked_sub(1)?;
        (time_ns < spawns[last].until).then_some(last)
    }

    fn fork(&mut self, time_ns: u64, pid: u32, ppid: u32) {
        let child = if ppid == self.observed.worker {
            self.forked = self.spawn_at(time_ns).or(self.forked);
            let spawn = self.spawn_at(time_ns);
            spawn.map(|spawn| Child::new(spawn, Stage::BeforeExec, Space::default()))
        } else {
            let parent = self.children.get(&ppid);
            parent.map(|parent| Child::new(parent.spawn, Stage::Program, parent.space.clone()))
        };
        match child {
            Some(child) => self.children.insert(pid, child),
            // A stranger got a dead child's number.
            None => self.children.remove(&pid),
        };
    }

    fn exec(&mut self, pid: u32) {
        if let Some(child) = self.children.get_mut(&pid) {
            // A second exec is the program's own doing.
            child.stage = match child.stage {
                Stage::BeforeExec => Stage::Exec,
                Stage::Exec | Stage::Program => Stage::Program,
            };
            child.space = Space::default();
            child.stray = None;
        }
    }

    /// The worker's own are not looked at: what it had before its first spawn
    /// is known better, and what it maps since is [`Self::cause`]'s to say.
    fn map(&mut self, pid: u32, range: MapRange) {
        let Some(child) = self.children.get_mut(&pid) else {
            return;
        };
        child.space.map(range, self.observed.page_size);
        // A stack grows for an address below it, after the fault's record
        // (mm/vma.c, expand_downwards).
        let Some((phase, address)) = child.stray.take() else {
            return;
        };
        if child.space.holds(address) {
            let spawn = child.spawn;
            self.tally.spawns[spawn].counts[phase as usize][FaultCause::Unknown as usize] -= 1;
            self.count(spawn, phase, FaultCause::Anonymous);
        }
    }

    fn parent_fault(&mut self, time_ns: u64, address: u64) {
        let cause = self.cause(address);
        // From now on the page has contents, which the next fork protects.
        self.touched.insert(address / self.observed.page_size);
        let Some(spawn) = self.spawn_at(time_ns) else {
            return;
        };
        let after = self.forked == Some(spawn) || time_ns >= self.observed.spawns[spawn].end;
        let phase = if after {
            FaultPhase::ParentAfter
        } else {
            FaultPhase::ParentBefore
        };
        self.count(spawn, phase, cause);
    }

    fn child_fault(&mut self, time_ns: u64, pid: u32, address: u64, mode: Mode) {
        let Some(child) = self.children.get_mut(&pid) else {
            return;
        };
        let spawn = child.spawn;
        if child.stage == Stage::Exec {
            let runs = match self.observed.spawns[spawn].program {
                Some(first) => time_ns >= first,
                None => mode == Mode::User,
            };
            if runs {
                child.stage = Stage::Program;
            }
        }
        let phase = match child.stage {
            Stage::BeforeExec => FaultPhase::ChildBeforeExec,
            Stage::Exec => FaultPhase::Exec,
            Stage::Program => FaultPhase::Program,
        };
        let cause = if phase == FaultPhase::ChildBeforeExec {
            self.cause(address)
        } else {
            let cause = child.space.fault(address, self.observed.page_size);
            child.stray = (cause == FaultCause::Unknown).then_some((phase, address));
            cause
        };
        self.count(spawn, phase, cause);
    }

    /// The cause in the worker's memory, or in a child's copy of it.
    ///
    /// A page that the worker touched after its mappings were read is its own
    /// by now: a second fault on it is one of a write to a protected page. What
    /// was not mapped then has been mapped since: glibc's posix_spawn maps a
    /// stack for its child and unmaps it (sysdeps/unix/sysv/linux/spawni.c).
    fn cause(&self, address: u64) -> FaultCause {
        let map = self.observed.map;
        let touched = self.touched.contains(&(address / self.observed.page_size));
        match range_of(map, address) {
            Some(range) if range.source != Source::Shared && range.writable && touched => {
                FaultCause::CopyOnWrite
            }
            Some(range) => first_cause(range, address),
            None => FaultCause::Anonymous,
        }
    }

    fn count(&mut self, spawn: usize, phase: FaultPhase, cause: FaultCause) {
        self.tally.spawns[spawn].counts[phase as usize][cause as usize] += 1;
    }
}

/// The cause as far as the mapping tells.
fn first_cause(range: &MapRange, address: u64) -> FaultCause {
    let stretch = range.own.partition_point(|own| own[1] <= address);
    let is_own = range.own.get(stretch).is_some_and(|own| own[0] <= address);
    match range.source {
        Source::Shared => FaultCause::Shared,
        _ if is_own => FaultCause::CopyOnWrite,
        Source::Anonymous => FaultCause::Anonymous,
        Source::File => FaultCause::File,
    }
}

fn range_of(map: &[MapRange], address: u64) -> Option<&MapRange> {
    let place = map.partition_point(|range| range.end <= address);
    map.get(place).filter(|range| range.start <= address)
}

#[cfg(test)]
mod tests;
