//! A process in a group of its own, ended with all that it left behind.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use super::orphans::{end_orphans, forget_leader, know_leader};
use crate::sys::process;
use crate::sys::usage::{self, Usage};
use crate::units::signal_name;

/// Some processes cannot be ended, in whose sleep the kernel waits for a device.
const PATIENCE: Duration = Duration::from_millis(100);

/// A process that leads a process group, or the last generation of one. Dropping it ends
/// them all.
#[derive(Debug)]
pub(in crate::lab) struct Family {
    pid: u32,
    /// The earlier generations, the leader first: children of this process as well.
    earlier: Vec<u32>,
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
            earlier: Vec::new(),
            helpers: Vec::new(),
            ended: None,
            orphans: 0,
        }
    }

    /// The leader, or what it has become.
    pub(in crate::lab) fn pid(&self) -> u32 {
        self.pid
    }

    /// Takes over what the leader has become, one after the other: the last of these stands
    /// for it from now on.
    pub(super) fn go_on(&mut self, generations: &[u32]) {
        for pid in generations {
            know_leader(pid.cast_signed());
            self.earlier.push(std::mem::replace(&mut self.pid, *pid));
        }
    }

    /// Whether none of its generations has ended.
    pub(super) fn still_runs(&self) -> bool {
        let mut all = self.earlier.iter().chain([&self.pid]);
        all.all(|pid| process::still_runs(pid.cast_signed()).unwrap_or(true))
    }

    /// Names processes of the group that the leader keeps for itself: they are ended
    /// with it, and nobody has left them behind.
    pub(super) fn know_helpers(&mut self, helpers: &[i32]) {
        self.helpers.extend_from_slice(helpers);
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
        let leader = self.earlier.first().copied();
        if self.ended.is_none() || leader.is_some() {
            let group = leader.unwrap_or(self.pid).cast_signed();
            let _ = process::kill(-group, libc::SIGKILL);
        }
        let status = self.reap().unwrap_or_default().0;
        for pid in std::mem::take(&mut self.earlier) {
            forget_leader(pid.cast_signed());
            let _ = usage::reap(pid.cast_signed());
        }
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
