//! Signal handlers that do nothing: they are there to be reset.

use std::ffi::c_int;
use std::io;

use super::check;

/// Signals that get no handler: two cannot be caught, a parent waits for the end of
/// its children itself, libc keeps two for its threads, and the others tell of a
/// fault of the instruction under way, after which a handler that returns would
/// have it executed again and again.
const LEFT_OUT: [c_int; 12] = [
    libc::SIGKILL,
    libc::SIGSTOP,
    libc::SIGCHLD,
    32,
    33,
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGABRT,
    libc::SIGSYS,
];

/// The last signal of x86-64 and arm64 (`_NSIG`, include/uapi/asm-generic/signal.h).
const LAST: c_int = 64;

/// How many signals can have a handler.
pub const MOST_HANDLERS: u64 = (LAST as usize - LEFT_OUT.len()) as u64;

/// Installs a handler that does nothing for the first `count` signals that can have
/// one, for the rest of the process's life. System calls that one interrupts go on
/// (SA_RESTART).
///
/// # Errors
/// EINVAL for more than [`MOST_HANDLERS`], before any is installed.
pub fn install(count: u64) -> io::Result<()> {
    let count = usize::try_from(count.min(MOST_HANDLERS + 1)).unwrap_or(usize::MAX);
    let signals: Vec<c_int> = signals().take(count).collect();
    if signals.len() < count {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut signals = signals.into_iter();
    signals.try_for_each(|signal| catch(signal, libc::SA_RESTART))
}

/// Has this signal do nothing but to interrupt the system call that the thread which gets it
/// waits in (EINTR), for the rest of the process's life.
///
/// # Errors
/// EINVAL for what is no signal.
pub(super) fn interrupt_by(signal: c_int) -> io::Result<()> {
    catch(signal, 0)
}

fn signals() -> impl Iterator<Item = c_int> {
    (1..=LAST).filter(|signal| !LEFT_OUT.contains(signal))
}

extern "C" fn nothing(_: c_int) {}

fn catch(signal: c_int, flags: c_int) -> io::Result<()> {
    // SAFETY: a sigaction is numbers and a pointer that may be null, for which all
    // zeros is a value: an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as extern "C" fn(c_int) as libc::sighandler_t;
    action.sa_flags = flags;
    // SAFETY: `action` is live and only read, and its handler takes a number, as
    // one without SA_SIGINFO does, calls nothing and returns, which is permitted
    // wherever a signal comes. No old action is wanted.
    check(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signals that this process catches.
    fn caught() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        u64::from_str_radix(mask.unwrap().trim(), 16).unwrap()
    }

    #[test]
    fn a_signal_with_a_handler_does_not_end_the_process() {
        // The first of them is SIGHUP; the others would keep a user from ending
        // the tests.
        install(1).unwrap();
        assert_eq!(caught() & 1, 1);
        super::super::process::kill(std::process::id().cast_signed(), libc::SIGHUP).unwrap();
    }

    #[test]
    fn more_than_there_are_are_refused() {
        assert_eq!(MOST_HANDLERS, signals().count() as u64);
        assert!(!signals().any(|signal| signal == libc::SIGKILL));
        let before = caught();
        for count in [MOST_HANDLERS + 1, u64::MAX] {
            let refused = install(count).unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
        }
        install(0).unwrap();
        assert_eq!(caught() | 1, before | 1);
    }
}
