//! Waiting for what this thread follows, and for nothing longer than a tick.
//!
//! A wait is one system call, without a look before it. So that it ends now and then, a timer
//! interrupts it: the signal goes to this thread alone, and nothing of the process's other
//! signals changes, of which one that is sent to the process could be taken by another
//! thread.

use std::io;
use std::ptr;
use std::time::Duration;

use crate::sys::check;
use crate::sys::check_errno;
use crate::sys::handlers;
use crate::sys::supervision::set_of;
use crate::sys::trace::event::End;
use crate::sys::trace::tracee::Stop;

/// How often a wait is interrupted.
const EVERY: Duration = Duration::from_millis(25);

/// What the kernel tells of somebody that this thread follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// It stands still.
    Stopped(Stop),
    /// It has ended.
    Ended(End),
}

/// Waits for whom this thread follows, or for a child of its own; none if the wait was
/// interrupted. The parents of others hear of an end after this
/// (wait_task_zombie, kernel/exit.c).
///
/// # Errors
/// ECHILD if there is nobody.
pub(super) fn any() -> io::Result<Option<(libc::pid_t, News)>> {
    waited(-1)
}

/// The same of one.
///
/// # Errors
/// ECHILD if this thread does not follow it.
pub(super) fn one(pid: libc::pid_t) -> io::Result<Option<News>> {
    Ok(waited(pid)?.map(|(_, news)| news))
}

fn waited(whom: libc::pid_t) -> io::Result<Option<(libc::pid_t, News)>> {
    let mut status = 0;
    let flags = libc::__WALL | libc::__WNOTHREAD;
    // SAFETY: `status` is a live, writable number.
    match check(unsafe { libc::waitpid(whom, &raw mut status, flags) }) {
        Ok(pid) => Ok(Some((pid, News::of(status)))),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(error),
    }
}

impl News {
    fn of(status: i32) -> Self {
        if libc::WIFSTOPPED(status) {
            Self::Stopped(Stop::of(status >> 8))
        } else if libc::WIFSIGNALED(status) {
            Self::Ended(End::Signal(libc::WTERMSIG(status)))
        } else {
            Self::Ended(End::Exit(libc::WEXITSTATUS(status)))
        }
    }
}

/// Interrupts this thread's system calls every now and then, as long as it lives.
#[derive(Debug)]
pub(super) struct Tick {
    timer: libc::timer_t,
    /// What the thread blocked before.
    blocked: libc::sigset_t,
}

impl Tick {
    /// Starts it for the calling thread.
    ///
    /// # Errors
    /// EAGAIN at the limit of pending signals, ENOSYS under some filters.
    pub(super) fn start() -> io::Result<Self> {
        let signal = libc::SIGRTMAX();
        handlers::interrupt_by(signal)?;
        let mut tick = Self {
            timer: timer(signal)?,
            blocked: set_of(&[])?,
        };
        let let_through = set_of(&[signal])?;
        let blocked = &raw mut tick.blocked;
        // SAFETY: the first set is initialised and only read, the second live and writable.
        check_errno(unsafe {
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const let_through, blocked)
        })?;
        tick.arm()?;
        Ok(tick)
    }

    fn arm(&self) -> io::Result<()> {
        let every = libc::timespec {
            tv_sec: 0,
            tv_nsec: EVERY.subsec_nanos().into(),
        };
        let times = libc::itimerspec {
            it_interval: every,
            it_value: every,
        };
        // SAFETY: the timer was created and is deleted by `drop` alone, `times` is live and
        // only read, and no old times are wanted.
        check(unsafe { libc::timer_settime(self.timer, 0, &raw const times, ptr::null_mut()) })
            .map(drop)
    }
}

impl Drop for Tick {
    fn drop(&mut self) {
        // SAFETY: the timer was created, and nobody uses it from here on.
        unsafe { libc::timer_delete(self.timer) };
        let blocked = &raw const self.blocked;
        // SAFETY: the set was filled by the kernel and is only read, and no old one is wanted.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, blocked, ptr::null_mut()) };
    }
}

/// A timer whose signal goes to the calling thread.
fn timer(signal: libc::c_int) -> io::Result<libc::timer_t> {
    // SAFETY: a sigevent is numbers and pointers that may be null, for which all zeros is a
    // value.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_THREAD_ID;
    event.sigev_signo = signal;
    // SAFETY: gettid(2) takes nothing and cannot fail.
    event.sigev_notify_thread_id = unsafe { libc::gettid() };
    let mut timer: libc::timer_t = ptr::null_mut();
    let clock = libc::CLOCK_MONOTONIC;
    // SAFETY: `event` is live and initialised, and `timer` is live and writable. The signal
    // has a handler that does nothing, wherever it comes.
    check(unsafe { libc::timer_create(clock, &raw mut event, &raw mut timer) })?;
    Ok(timer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_stop_or_an_end() {
        assert_eq!(News::of(7 << 8), News::Ended(End::Exit(7)));
        assert_eq!(News::of(9), News::Ended(End::Signal(9)));
        assert_eq!(News::of(0x80 | 6), News::Ended(End::Signal(6)), "a core");
        let stopped = News::Stopped(Stop::Signal(libc::SIGUSR1));
        assert_eq!(News::of(libc::SIGUSR1 << 8 | 0x7f), stopped);
        let executed = News::Stopped(Stop::Execution);
        assert_eq!(News::of(4 << 16 | libc::SIGTRAP << 8 | 0x7f), executed);
    }

    #[test]
    fn a_wait_ends_by_itself_and_nobody_to_wait_for_is_an_error() {
        let none = any().unwrap_err();
        assert_eq!(none.raw_os_error(), Some(libc::ECHILD));
        let mut cat = std::process::Command::new("cat");
        let mut cat = cat.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let tick = Tick::start().unwrap();
        assert_eq!(any().unwrap(), None);
        assert_eq!(any().unwrap(), None, "again and again");
        drop(tick);
        drop(cat.stdin.take());
        assert!(cat.wait().unwrap().success());
    }
}
