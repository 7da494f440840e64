//! The operations of ptrace(2) on one process, for the thread that seized it:
//! the kernel refuses them to every other (ESRCH).

use std::io;

use super::call::Words;

/// The stop of a seized process that is no signal's
/// (include/uapi/linux/ptrace.h).
const EVENT_STOP: i32 = 128;
/// What PTRACE_O_TRACESYSGOOD adds to SIGTRAP at the stops of system calls.
const SYSTEM_CALL: i32 = 0x80;
const SEIZE: libc::c_long = 0x4206;
const INTERRUPT: libc::c_long = 0x4207;
const LISTEN: libc::c_long = 0x4208;
const GET_SYSCALL_INFO: libc::c_long = 0x420e;
const PEEKDATA: libc::c_long = 2;
const DETACH: libc::c_long = 17;
const SYSCALL: libc::c_long = 24;

/// A process that the calling thread has seized, or is about to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tracee(pub(super) libc::pid_t);

/// What a process is doing, as its tracer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It runs, or waits for something else than its tracer.
    Running,
    /// It waits for its tracer.
    Stopped(Stop),
    /// It has ended; or it is not, or no longer, this thread's.
    Gone,
}

/// Why a process waits for its tracer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is before or after a system call.
    SystemCall,
    /// It is about to get this signal.
    Signal(i32),
    /// It was stopped like anybody's, by SIGSTOP or its kin.
    Group,
    /// It was interrupted, or goes on after a group's stop.
    Interrupt,
}

impl Tracee {
    /// Becomes its tracer, without stopping it. Should the tracer die, it runs
    /// on, as PTRACE_O_EXITKILL is not asked for.
    pub(super) fn seize(self) -> io::Result<()> {
        let options = usize::try_from(libc::PTRACE_O_TRACESYSGOOD).unwrap_or(0);
        self.ask(SEIZE, options)
    }

    /// Has it stop as soon as it can: no signal is involved.
    pub(super) fn interrupt(self) -> io::Result<()> {
        self.ask(INTERRUPT, 0)
    }

    /// Lets it run to the next system call's beginning or end, with the signal
    /// that it was about to get; leaves it stopped where others stopped it.
    pub(super) fn resume(self, stop: Stop) -> io::Result<()> {
        match stop {
            // To resume it would undo what a SIGSTOP asked for.
            Stop::Group => self.ask(LISTEN, 0),
            other => self.ask(SYSCALL, other.signal()),
        }
    }

    /// Sets it free. One that was stopped by others remains so
    /// (__ptrace_unlink, kernel/ptrace.c).
    pub(super) fn release(self, stop: Stop) -> io::Result<()> {
        self.ask(DETACH, stop.signal())
    }

    /// Looks at it without waiting, and takes nothing away: neither the stop,
    /// which its resumption ends, nor its exit status, which is its owner's.
    pub(super) fn look(self) -> State {
        // With __WNOTHREAD only what this very thread traces is looked at, which
        // a later process with the same number is not.
        let flags =
            libc::WEXITED | libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT | libc::__WNOTHREAD;
        // SAFETY: a siginfo_t is plain numbers, for which all zeros is a value.
        let mut found: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let pid = self.0.cast_unsigned();
        // SAFETY: `found` is live and writable for the length of the call, and
        // nothing is reaped, by WNOWAIT.
        let answer = unsafe { libc::waitid(libc::P_PID, pid, &raw mut found, flags) };
        if answer == -1 {
            return State::Gone;
        }
        if found.si_signo == 0 {
            return State::Running;
        }
        if found.si_code != libc::CLD_TRAPPED {
            return State::Gone;
        }
        // SAFETY: the kernel filled in what waitid(2) says, the status included.
        State::Stopped(Stop::of(unsafe { found.si_status() }))
    }

    /// What the kernel tells of the system call in which it stopped.
    pub(super) fn system_call(self) -> io::Result<Words> {
        let mut words = Words::default();
        // SAFETY: the address is a size, as this request takes it, and `words` is
        // live and as many writable bytes.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_ptrace,
                GET_SYSCALL_INFO,
                self.0,
                size_of::<Words>(),
                &raw mut words,
            )
        };
        check_long(answer).map(|()| words)
    }

    /// The word at an address of its memory.
    pub(super) fn word(self, address: u64) -> io::Result<u64> {
        let mut word = 0_u64;
        // SAFETY: the kernel's own PEEKDATA, other than libc's, writes the word
        // to its last argument, which is live; an address that the process has
        // not mapped is an error.
        let answer =
            unsafe { libc::syscall(libc::SYS_ptrace, PEEKDATA, self.0, address, &raw mut word) };
        check_long(answer).map(|()| word)
    }

    fn ask(self, request: libc::c_long, number: usize) -> io::Result<()> {
        let nowhere = 0_usize;
        // SAFETY: the requests of this file that come here take numbers and no
        // pointer, and change how the other process runs, not what it holds.
        check_long(unsafe { libc::syscall(libc::SYS_ptrace, request, self.0, nowhere, number) })
    }
}

impl Stop {
    /// Makes out the status of a stop: the signal, and above it the event.
    fn of(status: i32) -> Self {
        match (status >> 8, status & 0xff) {
            (EVENT_STOP, libc::SIGTRAP) => Self::Interrupt,
            (EVENT_STOP, _) => Self::Group,
            (_, signal) if signal == libc::SIGTRAP | SYSTEM_CALL => Self::SystemCall,
            (_, signal) => Self::Signal(signal),
        }
    }

    /// The signal with which the process goes on, 0 for none.
    fn signal(self) -> usize {
        match self {
            Self::Signal(signal) => usize::try_from(signal).unwrap_or(0),
            Self::SystemCall | Self::Group | Self::Interrupt => 0,
        }
    }
}

fn check_long(result: libc::c_long) -> io::Result<()> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_why_a_process_stopped() {
        assert_eq!(Stop::of(0x85), Stop::SystemCall);
        assert_eq!(Stop::of(libc::SIGTRAP), Stop::Signal(libc::SIGTRAP));
        assert_eq!(Stop::of(libc::SIGUSR1), Stop::Signal(libc::SIGUSR1));
        assert_eq!(Stop::of(0x8000 | libc::SIGTRAP), Stop::Interrupt);
        assert_eq!(Stop::of(0x8000 | libc::SIGSTOP), Stop::Group);
    }

    #[test]
    fn only_a_signal_is_passed_on() {
        assert_eq!(Stop::Signal(10).signal(), 10);
        for stop in [Stop::SystemCall, Stop::Group, Stop::Interrupt] {
            assert_eq!(stop.signal(), 0);
        }
    }

    #[test]
    fn who_is_not_traced_is_gone_and_cannot_be_asked() {
        let own = Tracee(std::process::id().cast_signed());
        assert_eq!(own.look(), State::Gone);
        let refused = own.interrupt().unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ESRCH));
    }
}
