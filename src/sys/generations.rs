//! A process that becomes its own child, again and again: each generation lives on, so that
//! the last one's mappings are linked to an `anon_vma` of every one before it (mm/rmap.c,
//! `anon_vma_fork`).
//!
//! All generations are children of the parent of the first one (CLONE_PARENT), which waits
//! for each, and hears of the last one's end from nobody in between. Those before the last
//! do nothing but wait for its end.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use super::check;
use super::process::die_with_parent;
use super::threads::Alone;

mod left_out;

use left_out::LeftOut;

/// A process whose generations are being made.
#[derive(Debug)]
pub struct Generations {
    left_out: LeftOut,
    end: io::PipeReader,
    leash: io::PipeWriter,
    later: Vec<u32>,
}

/// What the generations before the last live by: they end once it is closed, be it by the
/// end of the process.
#[derive(Debug)]
pub struct Leash(#[expect(dead_code, reason = "it is kept open")] io::PipeWriter);

impl Generations {
    /// Gets ready. What forks leave out of this process's children until now (MADV_DONTFORK)
    /// its next generations have.
    ///
    /// # Errors
    /// Those of pipe(2), of reading `/proc/self/smaps`, and of madvise(2).
    pub fn begin() -> io::Result<Self> {
        let (end, leash) = io::pipe()?;
        let left_out = LeftOut::find()?;
        left_out.take_in()?;
        Ok(Self {
            left_out,
            end,
            leash,
            later: Vec::new(),
        })
    }

    /// Goes on as the next generation. This one stays behind, with its memory as it is now.
    ///
    /// # Errors
    /// EAGAIN at a limit of processes, ENOMEM: this generation is the last then.
    pub fn go_on(&mut self, alone: Alone) -> io::Result<()> {
        if fork_beside(alone)?.is_some() {
            stay(self.end.as_raw_fd(), self.leash.as_raw_fd());
        }
        // The kernel keeps that of nobody's parent but one's own (kernel/fork.c,
        // `copy_process`). Should the parent be gone already, whoever adopts it ends it.
        die_with_parent()?;
        self.later.push(std::process::id());
        Ok(())
    }

    /// Leaves out of forks again what was left out before; what the others live by, and the
    /// generations after the first, this process the last.
    ///
    /// # Errors
    /// Those of madvise(2).
    pub fn end(self) -> io::Result<(Leash, Vec<u32>)> {
        self.left_out.leave_out()?;
        Ok((Leash(self.leash), self.later))
    }
}

/// Goes on as two processes, the second a child of this one's parent: its number in the
/// first, nothing in the second.
///
/// libc knows nothing of it. What libc's fork does beside the call is to free locks that
/// other threads held, to run handlers (pthread_atfork(3)), of which whoever is alone has
/// none, and to note the new number of the thread, by which libc only tells mutexes'
/// owners apart.
///
/// # Errors
/// EAGAIN at a limit of processes, ENOMEM.
fn fork_beside(_: Alone) -> io::Result<Option<i32>> {
    let flags = libc::CLONE_PARENT | libc::SIGCHLD;
    let none: libc::c_long = 0;
    let flags = libc::c_long::from(flags);
    // SAFETY: without CLONE_VM the child has a copy of all memory but of what forks leave
    // out, which its caller has taken in; without a stack of its own it goes on with the copy
    // of this one, and without CLONE_SETTLS with its thread pointer. No other thread runs
    // code, so that nobody was at work in that memory, and all locks are free. The other
    // arguments, of which there are five, are pointers that no flag asks for.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
    let child = check(i32::try_from(child).unwrap_or(-1))?;
    Ok((child > 0).then_some(child))
}

/// What a generation does that is not the last: it waits for the end of the pipe, and leaves.
/// What else it has open stays so, as the way of children to their program leads through the
/// first one's files. It never comes back.
fn stay(end: RawFd, leash: RawFd) -> ! {
    // SAFETY: the number is that of this process's copy of the leash, which would keep the
    // pipe open; its owner is never dropped here, and nobody uses it again.
    unsafe { libc::close(leash) };
    let mut byte = 0_u8;
    loop {
        // SAFETY: `byte` is a live, writable byte, and a bad descriptor is an error.
        let read = unsafe { libc::read(end, (&raw mut byte).cast(), 1) };
        if read >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
    // SAFETY: _exit(2) runs no handler of the others' and does not return.
    unsafe { libc::_exit(0) }
}
