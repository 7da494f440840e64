//! What a process needs to watch over another: a fork of itself, signals that are
//! waited for instead of suffered, and an end like the other's.

use std::ffi::CStr;
use std::io;

use super::check;
use super::process::unblock;
use super::threads::Alone;

/// Goes on as two processes: the child's number in the parent, nothing in the child.
///
/// # Errors
/// EAGAIN at a limit of processes, ENOMEM.
pub fn fork(_: Alone) -> io::Result<Option<i32>> {
    // SAFETY: no other thread runs code: so the child has memory in which nobody was at
    // work, and locks that are free. It may do whatever the parent may.
    let child = check(unsafe { libc::fork() })?;
    Ok((child > 0).then_some(child))
}

/// The parent of this process, and so another number once it has died.
pub fn parent() -> i32 {
    // SAFETY: getppid(2) takes nothing and cannot fail.
    unsafe { libc::getppid() }
}

/// Makes this process the first of a session of its own, without a terminal.
///
/// # Errors
/// EPERM for the leader of a process group.
pub fn leave_session() -> io::Result<()> {
    // SAFETY: setsid(2) takes nothing.
    check(unsafe { libc::setsid() }).map(drop)
}

/// Makes this process the first of a group of its own, in the session of the user: what
/// the terminal sends to the user's group does not reach it.
///
/// # Errors
/// EPERM for the leader of a session.
pub fn leave_group() -> io::Result<()> {
    // SAFETY: setpgid(2) takes two numbers, and 0 is this process.
    check(unsafe { libc::setpgid(0, 0) }).map(drop)
}

/// Has the kernel send `signal` to this process when its parent dies.
///
/// # Errors
/// EINVAL for what is no signal.
pub fn hear_of_parent(signal: i32) -> io::Result<()> {
    let signal = libc::c_ulong::from(signal.unsigned_abs());
    // SAFETY: this prctl takes a signal number and no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal) }).map(drop)
}

/// Gives this process another name (`comm`), of up to 15 bytes.
///
/// # Errors
/// None on Linux, but prctl(2) reserves the right.
pub fn rename(name: &CStr) -> io::Result<()> {
    // SAFETY: the kernel reads the name up to its end, or 16 bytes of it.
    check(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) }).map(drop)
}

/// Has ended children wait to be waited for, whatever this process was started with: where
/// SIGCHLD is ignored, the kernel reaps them by itself.
pub fn keep_children() {
    // SAFETY: the default action runs no code of this process.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
}

/// Signals that are held back, so that they wait to be fetched.
pub struct Held {
    signals: libc::sigset_t,
    before: libc::sigset_t,
}

impl Held {
    /// Holds these back, and SIGCHLD, which comes whenever a child ends.
    ///
    /// # Errors
    /// EINVAL for what is no signal.
    pub fn back(signals: &[i32]) -> io::Result<Self> {
        let mut held = Self {
            signals: set_of(signals)?,
            before: set_of(&[])?,
        };
        // SAFETY: `signals` is live and writable.
        check(unsafe { libc::sigaddset(&raw mut held.signals, libc::SIGCHLD) })?;
        let (signals, before) = (&raw const held.signals, &raw mut held.before);
        // SAFETY: both sets are live and initialised; the second is written to.
        check(unsafe { libc::sigprocmask(libc::SIG_BLOCK, signals, before) })?;
        Ok(held)
    }

    /// Waits for the next.
    ///
    /// # Errors
    /// None that sigwaitinfo(2) knows for such a set.
    pub fn wait(&self) -> io::Result<i32> {
        loop {
            let signals = &raw const self.signals;
            // SAFETY: the set is live and initialised, and no details are wanted.
            match check(unsafe { libc::sigwaitinfo(signals, std::ptr::null_mut()) }) {
                // A signal of another kind was handled, or the process was stopped.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                found => return found,
            }
        }
    }

    /// Lets through what was let through before.
    ///
    /// # Errors
    /// None that sigprocmask(2) knows for a set that it has given.
    pub fn release(&self) -> io::Result<()> {
        let before = &raw const self.before;
        // SAFETY: the set is live and initialised, and no old mask is wanted.
        check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) })
            .map(drop)
    }
}

pub(super) fn set_of(signals: &[i32]) -> io::Result<libc::sigset_t> {
    // SAFETY: a sigset_t is numbers, for which all zeros is a value; the next call
    // makes it an empty set.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is live and writable.
    check(unsafe { libc::sigemptyset(&raw mut set) })?;
    for signal in signals {
        // SAFETY: `set` is live and initialised; a bad number is an error.
        check(unsafe { libc::sigaddset(&raw mut set, *signal) })?;
    }
    Ok(set)
}

/// Ends this process by a signal, where its default action ends one.
///
/// # Errors
/// EINVAL for what is no signal.
pub fn die_by(signal: i32) -> io::Result<()> {
    // SIGKILL cannot be set to what it is.
    let _ = unblock(signal);
    // SAFETY: raise(3) takes a number.
    check(unsafe { libc::raise(signal) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_signal_is_refused() {
        for bad in [-1, 0, 1_000] {
            assert!(set_of(&[bad]).is_err(), "{bad}");
        }
        assert!(hear_of_parent(1_000).is_err());
        assert!(parent() > 0);
    }
}
