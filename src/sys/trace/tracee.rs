//! The operations of ptrace(2) on one process, for the thread that seized it:
//! the kernel refuses them to every other (ESRCH).

use std::io;

use super::call::Words;
use super::event::CallName;

/// The stop of a seized process that is no signal's
/// (include/uapi/linux/ptrace.h).
const EVENT_STOP: i32 = 128;
/// What PTRACE_O_TRACESYSGOOD adds to SIGTRAP at the stops of system calls.
const SYSTEM_CALL: i32 = 0x80;
const SEIZE: libc::c_long = 0x4206;
const INTERRUPT: libc::c_long = 0x4207;
const LISTEN: libc::c_long = 0x4208;
const GET_EVENT_MESSAGE: libc::c_long = 0x4201;
const GET_REGISTERS: libc::c_long = 0x4204;
const GET_SYSCALL_INFO: libc::c_long = 0x420e;
const PEEKDATA: libc::c_long = 2;
const CONTINUE: libc::c_long = 7;
const DETACH: libc::c_long = 17;
const SYSCALL: libc::c_long = 24;
/// The general registers among a thread's sets (include/uapi/linux/elf.h).
const NT_PRSTATUS: libc::c_long = 1;

/// The longest set of general registers of the machines that this program runs on, in words:
/// that of arm64.
const LONGEST: usize = 34;

/// The general registers of a thread in the kernel's layout, and how many bytes there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct RegisterSet {
    /// In the layout of the machine that the thread is made for.
    pub(super) words: [u64; LONGEST],
    /// How long that is.
    pub(super) bytes: usize,
}

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
    /// It was interrupted, or goes on after a group's stop, or is new.
    Interrupt,
    /// It has created a process or thread and is still in the call, which has made this kind
    /// of child: it waits for it, or is told of its end by SIGCHLD, or neither.
    Creation(CallName),
    /// It has executed a program and is still in the call.
    Execution,
    /// A filter has told of the call that it is about to make.
    Filter,
}

/// How far a process goes that is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// To the next stop that was asked for when it was seized.
    Free,
    /// At the most to the end of the system call that it is in.
    ToReturn,
}

impl Tracee {
    /// Becomes its tracer, without stopping it. Should the tracer die, it runs
    /// on, as PTRACE_O_EXITKILL is not asked for.
    pub(super) fn seize(self) -> io::Result<()> {
        self.seize_with(0)
    }

    /// The same, and stops at more than is asked for one by one.
    pub(super) fn seize_with(self, options: i32) -> io::Result<()> {
        let options = options | libc::PTRACE_O_TRACESYSGOOD;
        self.ask(SEIZE, usize::try_from(options).unwrap_or(0))
    }

    /// Has it stop as soon as it can: no signal is involved.
    pub(super) fn interrupt(self) -> io::Result<()> {
        self.ask(INTERRUPT, 0)
    }

    /// Lets it run to the next system call's beginning or end, with the signal
    /// that it was about to get; leaves it stopped where others stopped it.
    pub(super) fn resume(self, stop: Stop) -> io::Result<()> {
        self.go_on(stop, Pace::ToReturn)
    }

    /// The same, as far as is said.
    pub(super) fn go_on(self, stop: Stop, pace: Pace) -> io::Result<()> {
        match (stop, pace) {
            // To resume it would undo what a SIGSTOP asked for.
            (Stop::Group, _) => self.ask(LISTEN, 0),
            (other, Pace::ToReturn) => self.ask(SYSCALL, other.signal()),
            (other, Pace::Free) => self.ask(CONTINUE, other.signal()),
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

    /// The number that goes with its stop: the child that it created, or the number that it
    /// had as a thread before it executed.
    pub(super) fn message(self) -> io::Result<libc::pid_t> {
        let nowhere = 0_usize;
        let mut message: libc::c_ulong = 0;
        // SAFETY: the request writes one unsigned long to its last argument, which is live.
        check_long(unsafe {
            libc::syscall(
                libc::SYS_ptrace,
                GET_EVENT_MESSAGE,
                self.0,
                nowhere,
                &raw mut message,
            )
        })?;
        libc::pid_t::try_from(message).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Its general registers.
    pub(super) fn registers(self) -> io::Result<RegisterSet> {
        let mut words = [0_u64; LONGEST];
        let mut place = libc::iovec {
            iov_base: words.as_mut_ptr().cast(),
            iov_len: size_of_val(&words),
        };
        // SAFETY: the request writes as many bytes as the structure says to where it says,
        // which is live and writable, and then their number into the structure.
        check_long(unsafe {
            libc::syscall(
                libc::SYS_ptrace,
                GET_REGISTERS,
                self.0,
                NT_PRSTATUS,
                &raw mut place,
            )
        })?;
        let bytes = place.iov_len;
        Ok(RegisterSet { words, bytes })
    }

    /// The text at an address of its memory, up to the byte 0 at its end; none if it cannot be
    /// read, or is longer than any path (PATH_MAX).
    pub(super) fn text(self, address: u64) -> Option<Vec<u8>> {
        const LONGEST: usize = 4096;
        const WORD: u64 = size_of::<u64>() as u64;
        let mut text = Vec::new();
        // Whole words, none of which lies in two pages.
        let mut from = address - address % WORD;
        let mut skipped = usize::try_from(address % WORD).ok()?;
        while text.len() < LONGEST {
            let word = self.word(from).ok()?.to_ne_bytes();
            let word = &word[skipped..];
            let end = word.iter().position(|byte| *byte == 0);
            text.extend_from_slice(&word[..end.unwrap_or(word.len())]);
            if end.is_some() {
                return Some(text);
            }
            skipped = 0;
            from = from.checked_add(WORD)?;
        }
        None
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
    pub(super) fn of(status: i32) -> Self {
        match (status >> 8, status & 0xff) {
            (EVENT_STOP, libc::SIGTRAP) => Self::Interrupt,
            (EVENT_STOP, _) => Self::Group,
            (libc::PTRACE_EVENT_FORK, _) => Self::Creation(CallName::Fork),
            (libc::PTRACE_EVENT_VFORK, _) => Self::Creation(CallName::Vfork),
            (libc::PTRACE_EVENT_CLONE, _) => Self::Creation(CallName::Clone),
            (libc::PTRACE_EVENT_EXEC, _) => Self::Execution,
            (libc::PTRACE_EVENT_SECCOMP, _) => Self::Filter,
            (_, signal) if signal == libc::SIGTRAP | SYSTEM_CALL => Self::SystemCall,
            (_, signal) => Self::Signal(signal),
        }
    }

    /// The signal with which the process goes on, 0 for none.
    fn signal(self) -> usize {
        match self {
            Self::Signal(signal) => usize::try_from(signal).unwrap_or(0),
            _ => 0,
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
        let event = |number: i32| Stop::of(number << 8 | libc::SIGTRAP);
        assert_eq!(event(1), Stop::Creation(CallName::Fork));
        assert_eq!(event(2), Stop::Creation(CallName::Vfork));
        assert_eq!(event(3), Stop::Creation(CallName::Clone));
        assert_eq!(event(4), Stop::Execution);
        assert_eq!(event(7), Stop::Filter);
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
