//! The kernel's door, and the only place with `unsafe` code.
//!
//! One function is one kernel operation. What comes back is an `io::Result`, an
//! owned descriptor or mapping, or a plain number; whoever calls from outside
//! cannot break memory safety. Nothing here decides what to measure.

pub mod cgroup;
pub mod clock;
pub mod descriptors;
pub mod events;
pub mod files;
pub mod filter;
pub mod gauge;
pub mod generations;
pub mod handlers;
pub mod image;
pub mod landmarks;
pub mod memory;
pub mod pagemap;
pub mod perf;
pub mod pins;
pub mod process;
pub mod program;
pub mod seccomp;
pub mod shared;
pub mod spawn;
pub mod stdout;
pub mod supervision;
pub mod threads;
pub mod trace;
pub mod usage;
pub mod userfault;

mod clone3;
mod stamp;
mod vfork;

use std::io;

/// Turns the -1 of a libc call into the error that errno names.
#[inline]
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Turns the error number that some calls return into an error.
fn check_errno(errno: libc::c_int) -> io::Result<()> {
    if errno == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(errno))
    }
}

/// An error of the system, and what to do about one that has one cause as a rule.
pub fn in_words(error: &io::Error) -> String {
    let remedy = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES | libc::ENOSYS) => {
            ": look for what forbids it in the container's seccomp profile and the security \
             module's log"
        }
        Some(libc::EMFILE) => ": raise the limit of open files, \"ulimit -n\"",
        Some(libc::EAGAIN) => {
            ": raise the limit of processes, \"ulimit -u\" or the control group's pids.max"
        }
        Some(libc::ENOMEM) => {
            ": look at \"ulimit -v\" and -d, vm.max_map_count and vm.overcommit_memory"
        }
        _ => "",
    };
    format!("{error}{remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_comes_with_its_remedy_if_there_is_one() {
        let words = |errno| in_words(&io::Error::from_raw_os_error(errno));
        assert!(words(libc::EAGAIN).ends_with(
            "(os error 11): raise the limit of processes, \
             \"ulimit -u\" or the control group's pids.max"
        ));
        assert!(words(libc::EPERM).contains("seccomp profile"));
        assert!(words(libc::EIO).ends_with("(os error 5)"));
    }
}
