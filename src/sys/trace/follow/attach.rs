//! Seizing what runs already: processes with all their threads and descendants.

use std::collections::HashMap;
use std::fs;

use super::{Follower, Thread, options};
use crate::sys::clock;
use crate::sys::trace::error::{TraceError, tracer_of};
use crate::sys::trace::event::{Followed, What};
use crate::sys::trace::tracee::Tracee;

impl Follower {
    /// Seizes this process and everybody below it. Children that are created meanwhile are
    /// followed by the kernel's doing, if their creator was seized before, and else found
    /// when the descendants are looked through again.
    pub(super) fn seize_tree(&mut self, pid: u32) -> Result<(), TraceError> {
        self.seize_process(pid)?;
        let own = std::process::id();
        let mut tried = vec![own, pid];
        loop {
            let below = descendants(pid, &parents());
            let new: Vec<u32> = below.into_iter().filter(|it| !tried.contains(it)).collect();
            if new.is_empty() {
                return Ok(());
            }
            for pid in new {
                tried.push(pid);
                match self.seize_process(pid) {
                    Ok(()) | Err(TraceError::Gone) => {}
                    Err(why) => self.refused.push((pid, why)),
                }
            }
        }
    }

    /// Seizes all threads of a process, again and again until there is none that was not
    /// there before. Who is followed since its creation stays with that: it is told then.
    fn seize_process(&mut self, pid: u32) -> Result<(), TraceError> {
        let now_ns = clock::now_ns();
        let mut is_new = false;
        while self.seize_threads(pid)? {
            is_new = true;
        }
        if is_new {
            self.tell(now_ns, pid, pid, What::Present);
            return Ok(());
        }
        match self.threads.contains_key(&pid.cast_signed()) || is_ours(pid) {
            true => Ok(()),
            false => Err(TraceError::Gone),
        }
    }

    /// Seizes the threads that are there and not followed yet; whether there was one.
    fn seize_threads(&mut self, pid: u32) -> Result<bool, TraceError> {
        let mut is_new = false;
        for tid in threads(pid) {
            if self.threads.contains_key(&tid) {
                continue;
            }
            let number = tid.cast_unsigned();
            match Tracee(tid).seize_with(options(false)) {
                Ok(()) => {
                    self.threads.insert(tid, Thread::of(pid));
                    is_new = true;
                }
                Err(error) => match TraceError::of(&error, number) {
                    // Of a process whose first thread has ended, no end is told.
                    TraceError::Gone if number != pid => {}
                    TraceError::Traced(_) if is_ours(number) => {}
                    why => return Err(why),
                },
            }
        }
        Ok(is_new)
    }

    pub(super) fn tell(&mut self, time_ns: u64, pid: u32, tid: u32, what: What) {
        self.told.push_back(Followed {
            time_ns,
            pid,
            tid,
            what,
        });
    }
}

/// Whether this thread traces that one.
fn is_ours(tid: u32) -> bool {
    // SAFETY: gettid(2) takes nothing and cannot fail.
    let own = unsafe { libc::gettid() };
    tracer_of(tid) == own.cast_unsigned()
}

/// The threads of a process; none if it is gone.
fn threads(pid: u32) -> Vec<libc::pid_t> {
    numbers(&format!("/proc/{pid}/task"))
}

fn numbers<T: std::str::FromStr>(folder: &str) -> Vec<T> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.filter_map(number).collect()
}

/// The parent of every process. The lists of children that `/proc` has may leave some out
/// while others end (proc(5)).
fn parents() -> HashMap<u32, u32> {
    let of = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, parent(&stat)?))
    };
    numbers("/proc").into_iter().filter_map(of).collect()
}

/// The parent in a stat file: the second field after the name, which may hold anything.
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// Everybody below a process.
fn descendants(root: u32, parents: &HashMap<u32, u32>) -> Vec<u32> {
    let is_below = |mut pid: u32| {
        // A circle can only be a number that was given anew meanwhile.
        for _ in 0..parents.len() {
            match parents.get(&pid) {
                Some(parent) if *parent == root => return true,
                Some(parent) => pid = *parent,
                None => return false,
            }
        }
        false
    };
    let pids = parents.keys().copied();
    let mut below: Vec<u32> = pids.filter(|pid| is_below(*pid)).collect();
    below.sort_unstable();
    below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_found_behind_any_name() {
        assert_eq!(parent("41 (sh) S 7 41 41 0"), Some(7));
        assert_eq!(parent("41 (a) S 9 (b) R 7 41"), Some(7));
        assert_eq!(parent("41 (sh"), None);
    }

    #[test]
    fn descendants_are_at_any_depth_and_circles_end() {
        let parents = HashMap::from([(2, 1), (3, 2), (4, 3), (5, 1), (6, 5), (8, 9), (9, 8)]);
        assert_eq!(descendants(2, &parents), [3, 4]);
        assert_eq!(descendants(1, &parents), [2, 3, 4, 5, 6]);
        assert!(descendants(4, &parents).is_empty());
    }

    #[test]
    fn this_process_has_threads_and_a_parent() {
        let own = std::process::id();
        assert!(threads(own).len() > 1, "the test harness is one");
        let parent = std::os::unix::process::parent_id();
        assert_eq!(parents().get(&own), Some(&parent));
        assert!(!is_ours(own));
    }
}
