//! A child that lives on beside its parent.

use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::process::ExitStatus;
use std::time::Duration;

use super::wait;
use crate::sys::check;
use crate::sys::clock::now_ns;
use crate::sys::memory::{Page, Pages};
use crate::sys::threads::Alone;

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
    pub fn fork(_: Alone) -> io::Result<Self> {
        let (end, leash) = io::pipe()?;
        let (fd, other) = (end.as_raw_fd(), leash.as_raw_fd());
        // SAFETY: the caller is alone: no other thread holds a lock that the child, which
        // has only this thread, would wait for; and the child only closes, reads and exits.
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

/// Pages that a child writes to at the most: their list lies on its stack.
const CHILD_PAGES: usize = 256;

/// Forks a child that writes to pages of its parent's and leaves: nanoseconds of
/// the writing, and how many pages.
///
/// # Errors
/// Those of pipe(2), fork(2), and of the child that did not answer.
pub fn child_writes(pages: &Pages, _: Alone) -> io::Result<(u64, usize)> {
    let mut list = [Page::NONE; CHILD_PAGES];
    let count = pages.copy_to(&mut list);
    let (mut end, answer) = io::pipe()?;
    let fd = answer.as_raw_fd();
    // SAFETY: the caller is alone: no other thread holds a lock that the child could miss;
    // it only writes to memory and to the pipe, and exits.
    let pid = match check(unsafe { libc::fork() })? {
        0 => write_and_answer(&list[..count], fd),
        pid => pid,
    };
    drop(answer);
    let mut took = [0; size_of::<u64>()];
    let read = end.read_exact(&mut took);
    wait(pid)?;
    read?;
    Ok((u64::from_ne_bytes(took), count))
}

/// What a child does that writes; it never comes back.
fn write_and_answer(pages: &[Page], fd: i32) -> ! {
    // The first reading also makes the child's stack its own.
    now_ns();
    let begin = now_ns();
    for page in pages {
        page.write();
    }
    let took = (now_ns() - begin).to_ne_bytes();
    // SAFETY: `took` is a live array of so many bytes.
    unsafe { libc::write(fd, took.as_ptr().cast(), took.len()) };
    // SAFETY: _exit(2) runs no handler of the parent's and does not return.
    unsafe { libc::_exit(0) }
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
