//! Why a process cannot be traced, and what to do about it.

use std::{fs, io};

/// Why a process cannot be traced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// The process has another tracer already, whose number this is.
    #[error("the process is traced already, by {0}")]
    Traced(u32),
    /// Yama restricts ptrace(2) to this degree.
    #[error("kernel.yama.ptrace_scope is {0} and forbids ptrace")]
    Yama(u32),
    /// A seccomp filter is in force, which probably refuses ptrace(2).
    #[error("a seccomp filter blocks ptrace")]
    Filtered,
    /// A filter ends whoever calls ptrace(2).
    #[error("a seccomp filter kills whoever calls ptrace")]
    Deadly,
    /// The user may not trace the process.
    #[error("this user may not trace the process")]
    NotPermitted,
    /// The kernel cannot tell of system calls in the way that is needed.
    #[error("this kernel has no PTRACE_GET_SYSCALL_INFO")]
    Kernel,
    /// There is no such process any more.
    #[error("the process to be traced has ended")]
    Gone,
    /// The process did not stop for its tracer.
    #[error("the process to be traced did not stop in time")]
    Busy,
    /// Any other errno.
    #[error("the process cannot be traced: {}", io::Error::from_raw_os_error(*.0))]
    Other(i32),
}

/// What tells the causes of a refusal apart.
#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    tracer: u32,
    ended: bool,
    yama: u32,
    filtered: bool,
}

impl TraceError {
    /// The cause behind a failure with this process.
    pub(super) fn of(failure: &io::Error, pid: u32) -> Self {
        classify(failure.raw_os_error().unwrap_or(0), &Facts::read(pid))
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Traced(_) => "run without strace, gdb and their like",
            Self::Yama(3..) => {
                "boot with kernel.yama.ptrace_scope below 3; it cannot be lowered before"
            }
            Self::Yama(_) => {
                "run `sysctl kernel.yama.ptrace_scope=1` as root, or grant CAP_SYS_PTRACE"
            }
            Self::Filtered | Self::Deadly => "allow ptrace in the container's seccomp profile",
            Self::NotPermitted => {
                "run as the owner of the process, and look for a denial in the security module's log"
            }
            Self::Kernel => "use Linux 5.3 or newer",
            Self::Gone => "name a process that is running",
            Self::Busy => "try again once its children execute and it gets a CPU",
            Self::Other(_) => {
                "look the error up in ptrace(2) and pthread_create(3), section ERRORS"
            }
        }
    }
}

impl Facts {
    fn read(pid: u32) -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let theirs = status(pid);
        let own = text("/proc/self/status");
        let yama = text("/proc/sys/kernel/yama/ptrace_scope");
        Self {
            tracer: tracer_in(&theirs),
            ended: field(&theirs, "State:").is_none_or(|state| state.starts_with(['Z', 'X'])),
            yama: number(Some(yama.trim())),
            filtered: field(&own, "Seccomp:") == Some("2"),
        }
    }
}

/// The thread that traces this process, 0 if none does.
pub(super) fn tracer_of(pid: u32) -> u32 {
    tracer_in(&status(pid))
}

fn tracer_in(status: &str) -> u32 {
    number(field(status, "TracerPid:"))
}

fn status(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default()
}

/// A field of a status file.
pub(super) fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = status.lines();
    lines.find_map(|line| line.strip_prefix(name).map(str::trim))
}

fn number(text: Option<&str>) -> u32 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn classify(errno: i32, facts: &Facts) -> TraceError {
    match errno {
        libc::ESRCH => TraceError::Gone,
        // ptrace_attach (kernel/ptrace.c) answers EPERM to all of these; the
        // ancestor of a process is let through by Yama's degrees 0 and 1.
        libc::EPERM | libc::EACCES => match *facts {
            Facts { ended: true, .. } => TraceError::Gone,
            Facts { tracer: 1.., .. } => TraceError::Traced(facts.tracer),
            Facts { yama: 2.., .. } => TraceError::Yama(facts.yama),
            Facts { filtered: true, .. } => TraceError::Filtered,
            _ => TraceError::NotPermitted,
        },
        libc::ENOSYS if facts.filtered => TraceError::Filtered,
        libc::EIO | libc::ENOSYS => TraceError::Kernel,
        errno => TraceError::Other(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_apart_by_what_else_is_known() {
        let plain = Facts::default();
        let filtered = Facts {
            filtered: true,
            ..plain
        };
        let yama = Facts {
            yama: 2,
            ..filtered
        };
        let traced = Facts { tracer: 7, ..yama };
        let ended = Facts {
            ended: true,
            ..traced
        };
        let cause = |facts| classify(libc::EPERM, facts);
        assert_eq!(cause(&plain), TraceError::NotPermitted);
        assert_eq!(cause(&filtered), TraceError::Filtered);
        assert_eq!(cause(&yama), TraceError::Yama(2));
        assert_eq!(cause(&traced), TraceError::Traced(7));
        assert_eq!(cause(&ended), TraceError::Gone);
        assert_eq!(cause(&Facts { yama: 1, ..plain }), TraceError::NotPermitted);
    }

    #[test]
    fn other_errors_have_causes_of_their_own() {
        let plain = Facts::default();
        let filtered = Facts {
            filtered: true,
            ..plain
        };
        assert_eq!(classify(libc::ESRCH, &plain), TraceError::Gone);
        assert_eq!(classify(libc::EIO, &filtered), TraceError::Kernel);
        assert_eq!(classify(libc::ENOSYS, &plain), TraceError::Kernel);
        assert_eq!(classify(libc::ENOSYS, &filtered), TraceError::Filtered);
        assert_eq!(
            classify(libc::EAGAIN, &plain),
            TraceError::Other(libc::EAGAIN)
        );
    }

    #[test]
    fn every_cause_is_a_fragment_and_has_a_remedy() {
        for error in [
            TraceError::Traced(3),
            TraceError::Yama(2),
            TraceError::Yama(3),
            TraceError::Filtered,
            TraceError::Deadly,
            TraceError::NotPermitted,
            TraceError::Kernel,
            TraceError::Gone,
            TraceError::Busy,
            TraceError::Other(libc::EAGAIN),
        ] {
            for text in [error.to_string(), error.remedy().to_owned()] {
                assert!(text.starts_with(|c: char| c.is_lowercase()), "{text}");
                assert!(!text.ends_with('.'), "{text}");
            }
        }
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let status = "Name:\tsh\nState:\tS (sleeping)\nTracerPid:\t41\nSeccomp:\t2\n";
        assert_eq!(field(status, "TracerPid:"), Some("41"));
        assert_eq!(field(status, "State:"), Some("S (sleeping)"));
        assert_eq!(field(status, "Threads:"), None);
    }
}
