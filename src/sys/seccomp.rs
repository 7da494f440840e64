//! Seccomp filters that allow every system call, and take their time with it.

use std::fs;
use std::io;

use super::check;
use crate::model::Filters;

/// Loads a word of what is known of the call: `BPF_LD | BPF_W | BPF_ABS`.
const LOAD: u16 = 0x20;
/// Compares that with a number: `BPF_JMP | BPF_JEQ | BPF_K`.
const COMPARE: u16 = 0x15;
/// Answers: `BPF_RET | BPF_K`.
const ANSWER: u16 = 0x06;
/// Where the first argument of a call is told: `offsetof(struct seccomp_data, args)`.
const FIRST_ARGUMENT: u32 = 16;
/// Why the kernel has no memory for filters (kernel/seccomp.c, `seccomp_attach_filter`).
const TOO_LONG: &str = "with those that forktax has itself they are longer than the 32,768 \
                        instructions that Linux allows together; run it where it has none";
/// The fewest instructions.
const FEWEST: u16 = 2;

/// Has all system calls of this process, which has one thread, and of its children pass
/// these filters from now on.
///
/// # Errors
/// `InvalidInput` for filters of fewer than two instructions; `OutOfMemory` if they are too
/// long together with those that this process has; those of a kernel or a sandbox that forbids
/// them.
pub fn pass(filters: Filters) -> io::Result<()> {
    if filters.count == 0 {
        return Ok(());
    }
    // Before these are counted with them.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let own = count(&status);
    pass_all(filters).map_err(|error| explained(error, own))
}

/// The filters that a status file tells of, since Linux 5.9.
pub fn count(status: &str) -> Option<u64> {
    let mut lines = status.lines();
    let count = lines.find_map(|line| line.strip_prefix("Seccomp_filters:"))?;
    count.trim().parse().ok()
}

/// An error where this process has so many filters: without any it is memory that lacks.
fn explained(error: io::Error, own: Option<u64>) -> io::Error {
    match (error.kind(), own) {
        (io::ErrorKind::OutOfMemory, Some(1..)) => io::Error::new(error.kind(), TOO_LONG),
        _ => error,
    }
}

fn pass_all(filters: Filters) -> io::Result<()> {
    let mut program = program(filters.instructions)?;
    let program = libc::sock_fprog {
        len: filters.instructions,
        filter: program.as_mut_ptr(),
    };
    impose(&program, 0)?;
    (1..filters.count).try_for_each(|_| add(&program, 0))
}

/// Has all system calls of this process pass a filter from now on. Who is not privileged gives
/// up to become so by an exec. Between a fork and an exec it may be called: it takes no memory.
///
/// # Errors
/// Those of seccomp(2).
pub(super) fn impose(program: &libc::sock_fprog, flags: libc::c_ulong) -> io::Result<()> {
    match add(program, flags) {
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
            // SAFETY: the call takes numbers and changes nothing in our memory.
            check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
            add(program, flags)
        }
        added => added,
    }
}

/// Every instruction runs, whatever the call: a comparison goes on to the next one either
/// way. An argument comes first, for a kernel does not ask a filter again whose answer
/// depends on the call's number alone (kernel/seccomp.c, `seccomp_is_const_allow`).
fn program(instructions: u16) -> io::Result<Vec<libc::sock_filter>> {
    let step = |code, k| libc::sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    };
    let compared = instructions
        .checked_sub(FEWEST)
        .ok_or(io::ErrorKind::InvalidInput)?;
    let mut program = vec![step(LOAD, FIRST_ARGUMENT)];
    program.extend((0..compared).map(|number| step(COMPARE, number.into())));
    program.push(step(ANSWER, libc::SECCOMP_RET_ALLOW));
    Ok(program)
}

fn add(program: &libc::sock_fprog, flags: libc::c_ulong) -> io::Result<()> {
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    let program = std::ptr::from_ref(program);
    // SAFETY: the kernel reads `len` instructions behind `filter`, which the caller's vector
    // has and nobody changes meanwhile; what it copies allows every call, or hands it to a
    // tracer, who allows it.
    match unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, program) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_begins_with_an_argument_and_allows_all() {
        let steps = program(5).unwrap();
        let codes: Vec<u16> = steps.iter().map(|step| step.code).collect();
        assert_eq!(codes, [LOAD, COMPARE, COMPARE, COMPARE, ANSWER]);
        assert!(steps.iter().all(|step| (step.jt, step.jf) == (0, 0)));
        assert_eq!((steps[0].k, steps[4].k), (16, libc::SECCOMP_RET_ALLOW));
        assert!(program(1).is_err());
    }

    #[test]
    fn only_beside_filters_of_its_own_are_they_said_to_be_too_long() {
        let of = |own| {
            let error = io::Error::from_raw_os_error(libc::ENOMEM);
            explained(error, own).to_string()
        };
        assert_eq!(of(Some(1)), TOO_LONG);
        assert_ne!(of(Some(0)), TOO_LONG);
        assert_ne!(of(None), TOO_LONG);
        let other = explained(io::Error::from_raw_os_error(libc::EINVAL), Some(1));
        assert_eq!(other.raw_os_error(), Some(libc::EINVAL));
    }

    #[test]
    fn filters_are_counted_where_the_kernel_tells_them() {
        let status = include_str!("../../tests/data/proc/status-user.txt");
        assert_eq!(count(status), Some(0));
        assert_eq!(count("Seccomp:\t2\nSeccomp_filters:\t8\n"), Some(8));
        assert_eq!(count("Seccomp:\t2\n"), None, "before Linux 5.9");
    }

    #[test]
    fn no_filter_is_none() {
        let none = Filters {
            count: 0,
            instructions: 0,
        };
        assert!(pass(none).is_ok());
    }
}
