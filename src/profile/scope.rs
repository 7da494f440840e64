//! Whose a record is, and which method's: the worker's descendants, and the
//! stretches of time in which it spawned by a method.
//!
//! Descendants are followed by the FORK records alone, so that a child that
//! lives for 50 microseconds is not missed, and a process number that is used
//! again by a stranger is not mistaken for the child that had it before.

use std::collections::HashSet;
use std::iter::{Enumerate, Peekable};
use std::slice::Iter;

/// A stretch of time that belongs to a method: start and end on
/// CLOCK_MONOTONIC (the end is not part of it), and the method's index.
pub type Window = (u64, u64, usize);

/// How many methods the windows speak of.
pub(super) fn methods(windows: &[Window]) -> usize {
    let methods = windows.iter().map(|&(_, _, method)| method + 1);
    methods.max().unwrap_or(0)
}

/// Says of one record after the other, in order of time, whether it counts.
pub(super) struct Scope<'a> {
    family: Family,
    windows: Peekable<Enumerate<Iter<'a, Window>>>,
}

impl<'a> Scope<'a> {
    /// The windows are in order of time and do not overlap.
    pub(super) fn new(worker: u32, windows: &'a [Window]) -> Self {
        Self {
            family: Family::of(worker),
            windows: windows.iter().enumerate().peekable(),
        }
    }

    /// Takes note of a FORK record.
    pub(super) fn fork(&mut self, pid: u32, ppid: u32) {
        self.family.fork(pid, ppid);
    }

    /// The index of the window in which the record counts; `None` if it is a
    /// stranger's, or lies in none.
    pub(super) fn place(&mut self, time_ns: u64, pid: u32) -> Option<usize> {
        while self
            .windows
            .next_if(|&(_, &(_, end, _))| end <= time_ns)
            .is_some()
        {}
        let &(index, &(start, ..)) = self.windows.peek()?;
        (start <= time_ns && self.family.holds(pid)).then_some(index)
    }
}

/// The worker and its descendants, living or dead.
struct Family {
    worker: u32,
    members: HashSet<u32>,
}

impl Family {
    fn of(worker: u32) -> Self {
        Self {
            worker,
            members: HashSet::from([worker]),
        }
    }

    /// Takes the child of a member in, and strikes out a dead member whose
    /// number a stranger's child got. That is why no EXIT record is needed.
    fn fork(&mut self, pid: u32, ppid: u32) {
        if self.members.contains(&ppid) {
            self.members.insert(pid);
        } else if pid != self.worker {
            self.members.remove(&pid);
        }
    }

    fn holds(&self, pid: u32) -> bool {
        self.members.contains(&pid)
    }
}
