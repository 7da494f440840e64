//! What is told of a program that is followed, in plain types: the seam between the
//! backends that watch it and the rules that make spawns of what they saw.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

pub use crate::model::CallName;
use crate::model::Ending;

/// Something that a followed process did. Times are those of CLOCK_MONOTONIC, when the
/// watcher heard of it, or when it was recorded: then nobody stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// When.
    pub time_ns: u64,
    /// The process (thread group) that did it.
    pub pid: u32,
    /// Its thread that did.
    pub tid: u32,
    /// What it did.
    pub what: What,
}

/// What a followed process did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It was there already when the following began, or is the command itself, about to
    /// execute its program.
    Present,
    /// A call that is to create a process or thread begins. Only where calls are timed.
    Calling {
        /// Which.
        call: CallName,
        /// Its flags, without the signal at the child's end; 0 of those that take none, and of
        /// clone3 where they are not known before its end.
        flags: u64,
    },
    /// The call has created a process, and has not returned yet: the caller stands still
    /// in it until the next event is asked for.
    Created {
        /// Which call.
        call: CallName,
        /// Its flags, as above.
        flags: u64,
        /// The new process.
        child: u32,
        /// Where the caller called from.
        registers: Registers,
    },
    /// The same of a thread of the caller's own (CLONE_THREAD).
    Thread {
        /// Its number.
        tid: u32,
    },
    /// The call returned. Only where calls are timed.
    Returned {
        /// The child, or the errno.
        child: Result<u32, i32>,
    },
    /// It executed a program: `/proc/PID/exe` is the new one. It stands still until the
    /// next event is asked for.
    Executed,
    /// It failed to execute one. Only where calls are timed.
    NotExecuted {
        /// The path that was given; absent if it could not be read.
        path: Option<OsString>,
        /// Why.
        errno: i32,
    },
    /// It ended, all its threads.
    Ended(End),
    /// It is there, and who created it was killed before that could be told.
    Adopted,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, with this status.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// By a way that was not seen.
    Unseen,
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match (status.signal(), status.code()) {
            (Some(signal), _) => Self::Signal(signal),
            (None, Some(code)) => Self::Exit(code),
            (None, None) => Self::Unseen,
        }
    }
}

impl From<End> for Ending {
    fn from(end: End) -> Self {
        match end {
            End::Exit(status) => Self::Exit(status),
            End::Signal(signal) => Self::Signal(signal),
            End::Unseen => Self::Unseen,
        }
    }
}

/// The registers of a thread in user mode that unwinding its stack begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Registers {
    /// The next instruction.
    pub ip: u64,
    /// The stack's top.
    pub sp: u64,
    /// The frame's base (rbp, x29).
    pub fp: u64,
    /// The return address, where a register holds it (x30); 0 on others.
    pub lr: u64,
    /// What libc's vfork keeps its return address in over the call (rdi on x86-64, x30
    /// elsewhere); 0 where there is none.
    pub vfork: u64,
    /// In what others keep it: musl in rdx, Go in r12, both of x86-64; zeros elsewhere, and
    /// where they are not known.
    pub others: [u64; 2],
}
