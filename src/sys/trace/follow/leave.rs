//! Letting go of everybody who is followed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::wait::{self, News};
use super::{Follower, Thread};
use crate::sys::trace::tracee::{Stop, Tracee};

/// How long they may take to stop, all together. One that waits for a vfork's child does not
/// stop before that executes or ends.
const PATIENCE: Duration = Duration::from_millis(400);

impl Follower {
    /// Sets everybody free who stops in time.
    pub(super) fn release(&mut self) {
        for (tracee, stop, _) in std::mem::take(&mut self.standing) {
            self.set_free(tracee, stop);
        }
        for tid in self.early.standing() {
            self.set_free(Tracee(tid), Stop::Interrupt);
        }
        for tid in self.threads.keys() {
            // It fails for one that is gone, of which the next news tell.
            let _ = Tracee(*tid).interrupt();
        }
        let mut strangers = HashSet::new();
        let begin = Instant::now();
        while !self.threads.is_empty() && begin.elapsed() < PATIENCE {
            match wait::any() {
                Ok(Some((tid, News::Stopped(stop)))) => {
                    if !self.threads.contains_key(&tid) {
                        strangers.insert(tid);
                    }
                    self.expect_others(Tracee(tid), stop, &strangers);
                    self.set_free(Tracee(tid), stop);
                }
                Ok(Some((tid, News::Ended(_)))) => drop(self.threads.remove(&tid)),
                Ok(None) => {}
                Err(_) => return,
            }
        }
    }

    /// Whoever was just created comes to a stop too; who executed has another number now.
    fn expect_others(&mut self, tracee: Tracee, stop: Stop, strangers: &HashSet<libc::pid_t>) {
        let message = match stop {
            Stop::Creation(_) | Stop::Execution => tracee.message(),
            _ => return,
        };
        match (stop, message) {
            (Stop::Creation(_), Ok(child)) if !strangers.contains(&child) => {
                self.threads.insert(child, Thread::of(0));
            }
            (Stop::Execution, Ok(former)) => drop(self.threads.remove(&former)),
            _ => {}
        }
    }

    fn set_free(&mut self, tracee: Tracee, stop: Stop) {
        self.threads.remove(&tracee.0);
        // It fails for one that was killed meanwhile.
        let _ = tracee.release(stop);
    }
}
