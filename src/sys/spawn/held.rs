//! A child that lives on beside its parent. No other thread of the process may run
//! code, as for all spawns.

use std::io;
use std::os::fd::AsRawFd;
use std::process::ExitStatus;
use std::time::Duration;

use super::wait;
use crate::sys::check;

/// A forked child that does nothing and keeps its copy of the address space.
#[derive(Debug)]
pub struct Held {
    pid: i32,
    leash: io::PipeWriter,
}

impl Held {
    /// Two system calls and a few page faults take much less.
    const TO_SLEEP: Duration = Duration::from_millis(1);

    /// Forks it, and gives it the time to fall asleep, so that it does not run
    /// beside what its parent does next. It sleeps until it is released or its
    /// parent dies.
    ///
    /// # Errors
    /// Those of pipe(2) and fork(2).
    pub fn fork() -> io::Result<Self> {
        let (end, leash) = io::pipe()?;
        let (fd, other) = (end.as_raw_fd(), leash.as_raw_fd());
        // SAFETY: by this module's contract no other thread runs code or holds a
        // lock that the child, which has only this thread, would wait for; and the
        // child only closes, reads and exits.
        match check(unsafe { libc::fork() })? {
            0 => sleep_until_closed(fd, other),
            pid => {
                std::thread::sleep(Self::TO_SLEEP);
                Ok(Self { pid, leash })
            }
        }
    }

    /// Lets it go and waits for it.
    ///
    /// # Errors
    /// Those of waitpid(2).
    pub fn release(self) -> io::Result<ExitStatus> {
        drop(self.leash);
        wait(self.pid)
    }
}

/// What a held child does; it never comes back.
fn sleep_until_closed(end: i32, leash: i32) -> ! {
    let mut byte = 0_u8;
    // SAFETY: the child's copy of the writer, which would keep the pipe open, is
    // used by nobody else in this process.
    unsafe { libc::close(leash) };
    // SAFETY: `byte` is a live, writable byte.
    unsafe { libc::read(end, (&raw mut byte).cast(), 1) };
    // SAFETY: _exit(2) runs no handler of the parent's and does not return.
    unsafe { libc::_exit(0) }
}
