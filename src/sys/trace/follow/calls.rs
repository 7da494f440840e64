//! What the stops of a thread tell of the calls that it makes.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::frame::{Frame, Outcome};
use super::{Begun, Follower, Thread};
use crate::sys::trace::call::{self, Creation, Flags};
use crate::sys::trace::event::{CallName, Registers, What};
use crate::sys::trace::tracee::Tracee;

impl Follower {
    /// What a thread has created. None if it was killed in that moment: then the child is
    /// found by its own first stop.
    pub(super) fn created(&mut self, tracee: Tracee, group: u32, kind: CallName) -> Option<What> {
        let child = tracee.message().ok().filter(|child| *child > 0)?;
        let frame = Frame::of(tracee).ok();
        let creation = frame.and_then(|frame| frame.creation());
        let flags = creation.and_then(|creation| flags(tracee, creation));
        let is_thread = match flags {
            Some(flags) => !call::creates_process(flags),
            // What the registers do not tell, `/proc` does.
            None => std::fs::exists(format!("/proc/{group}/task/{child}")).unwrap_or(false),
        };
        let child = child.cast_unsigned();
        if is_thread {
            return Some(What::Thread { tid: child });
        }
        let thread = self.threads.get_mut(&tracee.0);
        if let Some(Begun::Creation(made)) = thread.and_then(|thread| thread.call.as_mut()) {
            *made = Some(child);
        }
        Some(What::Created {
            call: creation.map_or(kind, |creation| creation.name),
            flags: flags.unwrap_or(0),
            child,
            registers: frame.map_or(Registers::default(), |frame| frame.registers),
        })
    }

    /// A thread that executes takes its process's number, and all others have ended; of the
    /// number that it had nothing more is heard (de_thread, fs/exec.c).
    pub(super) fn takes_number(&mut self, tid: libc::pid_t) {
        // It fails if the process was killed meanwhile.
        if let Ok(former) = Tracee(tid).message() {
            self.threads.remove(&former);
        }
        self.threads.insert(tid, Thread::of(tid.cast_unsigned()));
    }

    /// A thread is about to make a call that the filter tells of.
    pub(super) fn calls(&mut self, tracee: Tracee) -> Option<What> {
        let frame = Frame::of(tracee).ok()?;
        let thread = self.threads.get_mut(&tracee.0)?;
        if let Some(path) = frame.executes() {
            thread.call = Some(Begun::Execution(path));
            return None;
        }
        let creation = frame.creation()?;
        // What cannot be read here, the call cannot read either.
        let flags = flags(tracee, creation).unwrap_or(0);
        if !call::creates_process(flags) {
            return None;
        }
        thread.call = Some(Begun::Creation(None));
        let call = creation.name;
        Some(What::Calling { call, flags })
    }

    /// A call that was awaited has returned.
    pub(super) fn returned(&mut self, tracee: Tracee) -> Option<What> {
        let begun = self.threads.get_mut(&tracee.0)?.call.take()?;
        let outcome = Frame::of(tracee).ok()?.outcome();
        match (begun, outcome) {
            (_, Outcome::Anew) => None,
            (Begun::Creation(_), Outcome::Failed(errno)) => {
                let child = Err(errno);
                Some(What::Returned { child })
            }
            // The caller's own number of the child may be another, in a namespace.
            (Begun::Creation(child), Outcome::Returned(number)) => {
                let child = child.or(u32::try_from(number).ok());
                let child = child.ok_or(libc::EINVAL);
                Some(What::Returned { child })
            }
            (Begun::Execution(path), Outcome::Failed(errno)) => {
                let path = tracee.text(path).map(OsString::from_vec);
                Some(What::NotExecuted { path, errno })
            }
            (Begun::Execution(_), Outcome::Returned(_)) => None,
        }
    }
}

/// The flags of a call, if they can be read.
fn flags(tracee: Tracee, creation: Creation) -> Option<u64> {
    match creation.flags {
        Flags::Given(flags) => Some(flags),
        Flags::At(address) => tracee.word(address).ok(),
    }
}
