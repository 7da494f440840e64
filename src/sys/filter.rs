//! System calls that a seccomp filter ends the caller for: nobody survives to say so, and
//! so a child tries them first.

use std::os::unix::process::ExitStatusExt;
use std::sync::OnceLock;

use super::check;

/// A system call that is optional, and how it went with the child that tried it.
#[derive(Debug)]
pub(super) struct Tried {
    number: libc::c_long,
    is_deadly: OnceLock<bool>,
}

impl Tried {
    pub(super) const fn new(number: libc::c_long) -> Self {
        let is_deadly = OnceLock::new();
        Self { number, is_deadly }
    }

    /// Whether a filter ends whoever makes the call. A child is had once, and only where
    /// there is a filter.
    pub(super) fn is_deadly(&self) -> bool {
        let ask = || is_filtered() && ends_a_caller(self.number).unwrap_or(false);
        *self.is_deadly.get_or_init(ask)
    }
}

/// Of the system calls that nothing goes without, the first that a filter ends its caller
/// for.
pub fn deadly_call() -> Option<&'static str> {
    let needed = [
        ("clone3", libc::SYS_clone3),
        ("memfd_create", libc::SYS_memfd_create),
        ("prctl", libc::SYS_prctl),
    ];
    let deadly = needed
        .iter()
        .find(|(_, number)| Tried::new(*number).is_deadly());
    deadly.map(|(name, _)| *name)
}

/// Whether a seccomp filter is in force.
pub(super) fn is_filtered() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| has_filter(&status))
}

/// Whether a status file tells of seccomp mode 2, a filter.
fn has_filter(status: &str) -> bool {
    let mut modes = status.lines();
    let mode = modes.find_map(|line| line.strip_prefix("Seccomp:"));
    mode.is_some_and(|mode| mode.trim() == "2")
}

/// Whether a child that makes this system call, with zeros for arguments, is killed by a
/// signal.
fn ends_a_caller(number: libc::c_long) -> std::io::Result<bool> {
    // SAFETY: the child makes two system calls and leaves; it runs no other code of this
    // process, takes no lock and does not allocate, so that other threads do not matter.
    let child = check(unsafe { libc::fork() })?;
    if child == 0 {
        // SAFETY: whatever the call is, with null pointers and the number 0 it is an error,
        // or changes the child alone.
        unsafe { libc::syscall(number, 0, 0, 0, 0, 0, 0) };
        // SAFETY: _exit(2) takes a number and runs no code of this process.
        unsafe { libc::_exit(0) };
    }
    let status = super::spawn::wait(child)?;
    Ok(status.signal().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mode_2_is_a_filter() {
        assert!(has_filter("NoNewPrivs:\t0\nSeccomp:\t2\nCpus:\t1\n"));
        assert!(!has_filter("Seccomp:\t0\nSeccomp_filters:\t2\n"));
    }

    #[test]
    fn a_call_that_is_no_more_than_an_error_is_survived() {
        assert!(!ends_a_caller(libc::SYS_memfd_create).unwrap());
        assert!(!ends_a_caller(-1).unwrap(), "there is no such call");
    }
}
