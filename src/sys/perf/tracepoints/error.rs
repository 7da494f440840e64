//! Why tracepoints cannot be had, and what to do about it.

use std::io;

use crate::sys::perf::PerfError;

/// Why tracepoints cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TracepointError {
    /// Nobody has mounted the file system that lists them.
    #[error("tracefs, which lists the kernel's tracepoints, is not mounted")]
    NoTracefs,
    /// The file system is not for this user.
    #[error("{path} cannot be read: {}", io::Error::from_raw_os_error(*errno))]
    Unreadable {
        /// What of it.
        path: String,
        /// Why.
        errno: i32,
    },
    /// This kernel has no such tracepoint, or another than is known here.
    #[error("this kernel has no tracepoint {0} that can be read")]
    Unknown(String),
    /// They cannot be opened.
    #[error(transparent)]
    Perf(#[from] PerfError),
}

impl TracepointError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::NoTracefs => {
                "run `mount -t tracefs tracefs /sys/kernel/tracing` as root".to_owned()
            }
            Self::Unreadable { .. } => {
                "run as root, or have root permit this user to read tracefs \
                 (its mount options uid=, gid= and mode=) and grant CAP_PERFMON"
                    .to_owned()
            }
            Self::Unknown(_) => {
                "use Linux 5.8 or newer, built with CONFIG_FTRACE_SYSCALLS".to_owned()
            }
            Self::Perf(error) => error.remedy(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_a_fragment_and_has_a_remedy() {
        for error in [
            TracepointError::NoTracefs,
            TracepointError::Unreadable {
                path: "/sys/kernel/tracing/events".to_owned(),
                errno: libc::EACCES,
            },
            TracepointError::Unknown("task/task_newtask".to_owned()),
            TracepointError::Perf(PerfError::NoRingMemory),
        ] {
            let message = error.to_string();
            assert!(!message.ends_with('.'), "{message}");
            let remedy = error.remedy();
            assert!(remedy.starts_with(char::is_lowercase), "{remedy}");
            assert!(!remedy.ends_with('.'), "{remedy}");
        }
    }
}
