//! A process in a group of its own, ended with all that it left behind.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use super::orphans::{end_orphans, forget_leader, know_leader};
use crate::lab::error::signal_name;
use crate::sys::process;
use crate::sys::usage::{self, Usage};

/// Some processes cannot be ended, in whose sleep the kernel waits for a device.
const PATIENCE: Duration = Duration::from_millis(100);

/// A process that leads a process group. Dropping it ends them all.
#[derive(Debug)]
pub(in crate::lab) struct Family {
    pid: u32,
    helpers: Vec<i32>,
    ended: Option<(ExitStatus, Usage)>,
    orphans: u64,
}

impl Family {
    /// Takes a leader over: it is waited for here, by its number, and nowhere
    /// else.
    pub(in crate::lab) fn of(leader: &Child) -> Self {
        know_leader(leader.id().cast_signed());
        Self {
            pid: leader.id(),
            helpers: Vec::new(),
            ended: None,
            orphans: 0,
        }
    }

    /// The leader.
    pub(in crate::lab) fn pid(&self) -> u32 {
        self.pid
    }

    /// Names processes of the group that the leader keeps for itself: they are ended
    /// with it, and nobody has left them behind.
    pub(super) fn know_helpers(&mut self, helpers: &[i32]) {
        self.helpers = helpers.to_vec();
    }

    /// Processes that had left the group and were ended all the same.
    pub(super) fn orphans(&self) -> u64 {
        self.orphans
    }

    /// Waits for the leader, which is about to end by itself.
    pub(super) fn reap(&mut self) -> io::Result<(ExitStatus, Usage)> {
        if let Some(ended) = self.ended {
            return Ok(ended);
        }
        forget_leader(self.pid.cast_signed());
        let ended = usage::reap(self.pid.cast_signed())?;
        self.ended = Some(ended);
        Ok(ended)
    }

    /// Ends the leader, its process group, and what escaped from that.
    pub(in crate::lab) fn end(&mut self) -> ExitStatus {
        // The group goes first: its number is the leader's, which cannot be
        // given to anybody else before the leader was waited for.
        if self.ended.is_none() {
            let _ = process::kill(-self.pid.cast_signed(), libc::SIGKILL);
        }
        let status = self.reap().unwrap_or_default().0;
        self.orphans += end_orphans(&self.helpers, PATIENCE);
        status
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whether a program has written more to a file in memory than anybody means to
/// read: it is to be ended before it fills the memory.
pub(super) fn floods(file: &File) -> bool {
    const MOST: u64 = 1 << 20;
    file.metadata().is_ok_and(|known| known.len() > MOST)
}

/// "exited with status 1", "was killed by SIGKILL (9)".
pub(super) fn fate(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, signal) => format!("was killed by {}", signal_name(signal.unwrap_or(0))),
    }
}
