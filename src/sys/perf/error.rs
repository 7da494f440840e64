//! Why a perf event could not be opened, and what to do about it.
//!
//! `perf_event_open(2)` answers with a bare errno that several causes share.
//! What tells them apart (the paranoia level, a seccomp filter, the kind of
//! event) is read here, once an opening has failed and never before.

use std::{fs, io};

use crate::sys::filter::is_filtered;

/// Why a perf event could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PerfError {
    /// No hardware PMU answers.
    #[error("no hardware PMU answers")]
    NoPmu,
    /// The kernel or the PMU does not know this event.
    #[error("this host does not know the perf event")]
    Unsupported,
    /// This process may not see the kernel side, or not other processes.
    #[error("{}", refusal(*paranoid, *needed))]
    NotPermitted {
        /// `kernel.perf_event_paranoid`, where it can be read.
        paranoid: Option<i64>,
        /// The highest value that would have allowed it.
        needed: i64,
    },
    /// The system call itself is missing or filtered out.
    #[error("{}", match filtered {
        true => "a seccomp filter blocks perf_event_open",
        false => "this kernel has no perf_event_open",
    })]
    NoSyscall {
        /// Whether a seccomp filter is in force.
        filtered: bool,
    },
    /// A filter ends whoever makes the system call.
    #[error("a seccomp filter kills whoever calls perf_event_open")]
    Deadly,
    /// The limit of open files is reached.
    #[error("too many open files for another perf event")]
    TooManyFiles,
    /// The kernel lets this user lock no memory for the rings.
    #[error("no memory may be locked for the rings of perf events")]
    NoRingMemory,
    /// The CPU is not online.
    #[error("CPU {0} is not online")]
    NoCpu(u32),
    /// There is no such process.
    #[error("process {0} does not exist")]
    NoProcess(u32),
    /// The kernel or the CPU cannot watch an instruction.
    #[error("this host has no hardware breakpoints")]
    NoLandmarks,
    /// The CPU watches as many instructions as it can.
    #[error("no hardware breakpoint is left for another instruction")]
    NoLandmarkLeft,
    /// No program's instruction can be at this address.
    #[error("no program has an instruction at {0:#x}")]
    LandmarkAddress(u64),
    /// Any other errno.
    #[error("perf_event_open failed: {}", io::Error::from_raw_os_error(*.0))]
    Other(i32),
}

/// What was being opened; the same errno means different things.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    /// Whether the event needs a PMU.
    pub(super) hardware: bool,
    /// The highest paranoia level at which it is allowed to everyone.
    pub(super) needed: i64,
}

impl PerfError {
    /// The cause behind a failed opening.
    pub(super) fn of_opening(failure: &io::Error, attempt: Attempt) -> Self {
        classify(failure.raw_os_error(), attempt, paranoid, is_filtered)
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        let remedy = match self {
            Self::NoPmu => "run on bare metal, or let the hypervisor give the guest a virtual PMU",
            Self::Unsupported => "see `perf list` for the events that this host knows",
            Self::NotPermitted {
                paranoid: Some(level),
                needed,
            } if level <= needed => {
                "grant CAP_PERFMON, and look for a denial in the security module's log"
            }
            Self::NotPermitted { needed, .. } => {
                return format!(
                    "run `sysctl kernel.perf_event_paranoid={needed}` as root, or grant CAP_PERFMON (CAP_SYS_ADMIN before Linux 5.8)"
                );
            }
            Self::NoSyscall { filtered: true } | Self::Deadly => {
                "allow perf_event_open in the container's seccomp profile"
            }
            Self::NoSyscall { filtered: false } => {
                "use a kernel that was built with CONFIG_PERF_EVENTS"
            }
            Self::TooManyFiles => "raise the limit of open files, `ulimit -n`",
            Self::NoRingMemory => {
                "raise `sysctl kernel.perf_event_mlock_kb` or the limit `ulimit -l`"
            }
            Self::NoCpu(_) => "name CPUs of /sys/devices/system/cpu/online",
            Self::NoProcess(_) => "name a process that is running",
            Self::NoLandmarks => {
                "use a kernel with CONFIG_HAVE_HW_BREAKPOINT on a CPU with debug registers"
            }
            Self::NoLandmarkLeft => {
                "watch fewer instructions, at most 4, and end debuggers that set hardware breakpoints"
            }
            Self::LandmarkAddress(_) => {
                "name the address of an instruction as it is mapped in the program"
            }
            Self::Other(_) => "look the error up in perf_event_open(2), section ERRORS",
        };
        remedy.to_owned()
    }
}

/// What the kernel's paranoia keeps from this user.
fn refusal(paranoid: Option<i64>, needed: i64) -> String {
    let Some(level) = paranoid else {
        return "this user may not open perf events".to_owned();
    };
    if level <= needed {
        return format!(
            "a security policy refuses perf events, although kernel.perf_event_paranoid is {level}"
        );
    }
    let hidden = match needed {
        ..1 => "other processes",
        1 => "the kernel side",
        2.. => "all perf events",
    };
    format!("kernel.perf_event_paranoid is {level} and hides {hidden} from this user")
}

/// Turns an errno into a cause. The probes are asked only where they decide.
fn classify(
    errno: Option<i32>,
    attempt: Attempt,
    paranoid: impl FnOnce() -> Option<i64>,
    filtered: impl Fn() -> bool,
) -> PerfError {
    let not_permitted = |paranoid| PerfError::NotPermitted {
        paranoid,
        needed: attempt.needed,
    };
    match errno {
        // The kernel's own paranoia check answers EACCES (perf_allow_kernel and
        // perf_allow_cpu, kernel/events/core.c); a container's filter, EPERM.
        Some(libc::EACCES) => not_permitted(paranoid()),
        Some(libc::EPERM) if filtered() => PerfError::NoSyscall { filtered: true },
        Some(libc::EPERM) => not_permitted(paranoid()),
        Some(libc::ENOSYS) => PerfError::NoSyscall {
            filtered: filtered(),
        },
        Some(libc::ENOENT) if attempt.hardware => PerfError::NoPmu,
        // The crate refuses what its feature level lacks without an errno.
        Some(libc::ENOENT | libc::EINVAL | libc::EOPNOTSUPP | libc::E2BIG) | None => {
            PerfError::Unsupported
        }
        Some(libc::EMFILE | libc::ENFILE) => PerfError::TooManyFiles,
        Some(errno) => PerfError::Other(errno),
    }
}

fn paranoid() -> Option<i64> {
    let text = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOFTWARE: Attempt = Attempt {
        hardware: false,
        needed: 1,
    };
    const HARDWARE: Attempt = Attempt {
        hardware: true,
        needed: 1,
    };

    fn cause(errno: i32, attempt: Attempt, filtered: bool) -> PerfError {
        classify(Some(errno), attempt, || Some(2), || filtered)
    }

    #[test]
    fn eacces_is_a_matter_of_permission_even_under_a_filter() {
        let expected = PerfError::NotPermitted {
            paranoid: Some(2),
            needed: 1,
        };
        assert_eq!(cause(libc::EACCES, SOFTWARE, true), expected);
        assert_eq!(cause(libc::EACCES, HARDWARE, false), expected);
        assert_eq!(cause(libc::EPERM, SOFTWARE, false), expected);
    }

    #[test]
    fn eperm_under_a_filter_is_a_blocked_call() {
        assert_eq!(
            cause(libc::EPERM, SOFTWARE, true),
            PerfError::NoSyscall { filtered: true }
        );
        assert_eq!(
            cause(libc::ENOSYS, SOFTWARE, false),
            PerfError::NoSyscall { filtered: false }
        );
    }

    #[test]
    fn enoent_is_a_missing_pmu_only_where_one_is_needed() {
        assert_eq!(cause(libc::ENOENT, HARDWARE, false), PerfError::NoPmu);
        assert_eq!(cause(libc::ENOENT, SOFTWARE, false), PerfError::Unsupported);
        assert_eq!(
            classify(None, HARDWARE, || None, || false),
            PerfError::Unsupported
        );
    }

    #[test]
    fn the_rest_keeps_its_errno() {
        assert_eq!(
            cause(libc::EMFILE, SOFTWARE, false),
            PerfError::TooManyFiles
        );
        assert_eq!(
            cause(libc::ENODEV, SOFTWARE, false),
            PerfError::Other(libc::ENODEV)
        );
    }

    #[test]
    fn every_cause_is_a_fragment_and_has_a_remedy() {
        let paranoid = |paranoid| PerfError::NotPermitted {
            paranoid,
            needed: 1,
        };
        for error in [
            PerfError::NoPmu,
            PerfError::Unsupported,
            paranoid(None),
            paranoid(Some(1)),
            paranoid(Some(3)),
            PerfError::NoSyscall { filtered: true },
            PerfError::NoSyscall { filtered: false },
            PerfError::Deadly,
            PerfError::TooManyFiles,
            PerfError::NoRingMemory,
            PerfError::NoCpu(7),
            PerfError::NoProcess(7),
            PerfError::NoLandmarks,
            PerfError::NoLandmarkLeft,
            PerfError::LandmarkAddress(u64::MAX),
            PerfError::Other(libc::EIO),
        ] {
            let message = error.to_string();
            let fragment = message.starts_with(char::is_lowercase) || message.starts_with("CPU ");
            assert!(fragment, "{message}");
            assert!(!message.ends_with('.'), "{message}");
            assert!(!error.remedy().is_empty(), "{message}");
        }
    }

    #[test]
    fn the_remedy_names_the_level_that_is_needed() {
        let error = PerfError::NotPermitted {
            paranoid: Some(2),
            needed: 0,
        };
        assert!(error.to_string().contains("perf_event_paranoid is 2"));
        assert!(error.remedy().contains("perf_event_paranoid=0"));
        // Some distributions know a level that refuses everything.
        let everything = PerfError::NotPermitted {
            paranoid: Some(3),
            needed: 2,
        };
        assert!(
            everything
                .to_string()
                .ends_with("hides all perf events from this user")
        );
        let allowed = PerfError::NotPermitted {
            paranoid: Some(0),
            needed: 0,
        };
        assert!(!allowed.remedy().contains("sysctl"));
    }
}
