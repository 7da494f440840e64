//! What a process sets for itself: its CPU, its limits, its descriptors.

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::check;
use super::supervision::{hear_of_parent, set_of};

/// The CPUs that this process may run on, ascending.
///
/// # Errors
/// EINVAL on hosts with more CPUs than a `cpu_set_t` holds (1,024).
pub fn allowed_cpus() -> io::Result<Vec<usize>> {
    let mut set = empty_set();
    // SAFETY: `set` is live, writable and as large as said.
    check(unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) })?;
    let capacity = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    // SAFETY: the index stays below CPU_SETSIZE, which is the set's capacity.
    Ok((0..capacity)
        .filter(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) })
        .collect())
}

/// Confines this process, and the children it will have, to `cpus`.
///
/// # Errors
/// EINVAL if none of them is there and allowed.
pub fn run_on(cpus: &[usize]) -> io::Result<()> {
    let mut set = empty_set();
    let capacity = usize::try_from(libc::CPU_SETSIZE).unwrap_or(0);
    for cpu in cpus.iter().filter(|cpu| **cpu < capacity) {
        // SAFETY: the index is below CPU_SETSIZE, which is the set's capacity.
        unsafe { libc::CPU_SET(*cpu, &mut set) };
    }
    // SAFETY: `set` is live and as large as said; the kernel only reads it.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) })
        .map(drop)
}

/// Whether two CPUs are threads of one core; no where the kernel does not tell
/// (Documentation/admin-guide/cputopology.rst).
pub fn share_a_core(a: usize, b: usize) -> bool {
    let path = format!("/sys/devices/system/cpu/cpu{a}/topology/thread_siblings_list");
    let list = std::fs::read_to_string(path).unwrap_or_default();
    u32::try_from(b).is_ok_and(|b| lists(&list, b))
}

/// Whether a CPU is in a list of the kernel's such as "0-3,8".
pub(super) fn lists(list: &str, cpu: u32) -> bool {
    list.trim().split(',').any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        matches!((first.parse(), last.parse()), (Ok(first), Ok(last)) if (first..=last).contains(&cpu))
    })
}

fn empty_set() -> libc::cpu_set_t {
    // SAFETY: a cpu_set_t is an array of bits, for which all zeros is a value.
    unsafe { std::mem::zeroed() }
}

/// Has the kernel kill this process when its parent dies.
///
/// # Errors
/// None on Linux, but prctl(2) reserves the right.
pub fn die_with_parent() -> io::Result<()> {
    hear_of_parent(libc::SIGKILL)
}

/// The same of what is executed.
pub fn kill_with_parent(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec the child makes one system call, and allocates
    // nothing and takes no lock.
    unsafe { command.pre_exec(die_with_parent) }
}

/// Makes orphans among this process's descendants its own children, so that it
/// can find and end them.
///
/// # Errors
/// None on Linux since 3.4.
pub fn adopt_orphans() -> io::Result<()> {
    let yes: libc::c_ulong = 1;
    // SAFETY: this prctl takes a flag and no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, yes) }).map(drop)
}

/// Gives SIGPIPE its default action back, which Rust's start changed and which
/// every program that is spawned would inherit.
pub fn restore_sigpipe() {
    // SAFETY: the default action runs no code of this process.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Lets a signal through that the parent may have blocked, with its default
/// action.
///
/// # Errors
/// EINVAL for what is no signal.
pub(super) fn unblock(signal: i32) -> io::Result<()> {
    let set = set_of(&[signal])?;
    // SAFETY: the default action runs no code of this process.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    // SAFETY: `set` is initialised and only read, and no old mask is wanted.
    check(unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) })
        .map(drop)
}

/// Forbids core files for this process and its descendants.
///
/// # Errors
/// None: lowering a limit is always permitted.
pub fn forbid_core_files() -> io::Result<()> {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the limit is a live structure that the kernel only reads.
    check(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) }).map(drop)
}

/// Marks every descriptor above stderr to be closed on exec, so that a worker
/// starts without those that came in from outside: each would be copied by
/// every fork.
///
/// # Errors
/// Those of reading /proc/self/fd.
pub fn seal_descriptors() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(fd) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        if fd > 2 {
            // SAFETY: F_SETFD takes a number and changes nothing but what an
            // exec keeps; a descriptor that is closed by now is an error.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// The flag of an execution domain under which the kernel places nothing at
/// random (include/uapi/linux/personality.h).
pub(super) const ADDR_NO_RANDOMIZE: u32 = libc::ADDR_NO_RANDOMIZE.unsigned_abs();

/// Sets this thread's execution domain, if one is given, and returns the one
/// that it had.
///
/// # Errors
/// EPERM under a seccomp filter that allows only some domains.
pub(super) fn personality(new: Option<u32>) -> io::Result<u32> {
    /// The number that asks and sets nothing.
    const ASK: u32 = 0xffff_ffff;
    // SAFETY: personality(2) takes a number, and changes nothing but how later
    // system calls of this thread behave.
    let old = check(unsafe { libc::personality(new.unwrap_or(ASK).into()) })?;
    Ok(old.cast_unsigned())
}

/// Puts /dev/null in the place of stdin, stdout and stderr.
///
/// # Errors
/// Those of opening /dev/null and of dup2(2).
pub fn silence_stdio() -> io::Result<()> {
    let null = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    for standard in 0..=2 {
        // SAFETY: the three standard descriptors are owned by nobody, so the
        // file behind their number may change; `null` is open.
        check(unsafe { libc::dup2(null.as_raw_fd(), standard) })?;
    }
    Ok(())
}

/// Sends `signal` to a process, or to a process group if `pid` is negative.
///
/// # Errors
/// ESRCH if there is none, EPERM without permission.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill(2) takes two numbers.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// Reaps a child if it has ended, without waiting for it, and tells whether it
/// had.
///
/// # Errors
/// ECHILD if it is none of ours.
pub fn reap(pid: i32) -> io::Result<bool> {
    // SAFETY: a null status pointer is permitted and means that none is wanted.
    check(unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) }).map(|pid| pid > 0)
}

/// Whether a child still runs; one that has ended stays to be reaped.
///
/// # Errors
/// ECHILD if it is none of ours.
pub fn still_runs(pid: i32) -> io::Result<bool> {
    // SAFETY: siginfo_t is numbers, for which all zeros is a value; the kernel
    // leaves them as they are while the child runs.
    let mut ended: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `ended` is live and writable.
    check(unsafe { libc::waitid(libc::P_PID, pid.cast_unsigned(), &raw mut ended, flags) })?;
    Ok(ended.si_signo == 0)
}

/// Puts the calling thread before most others where CPUs are short (setpriority(2)).
///
/// # Errors
/// EACCES without CAP_SYS_NICE, or a limit (RLIMIT_NICE) that allows it.
pub fn hurry() -> io::Result<()> {
    /// A nice value: lower ones are for who cannot wait at all.
    const NICE: libc::c_int = -10;
    let calling_thread = 0;
    // SAFETY: setpriority(2) takes three numbers.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, calling_thread, NICE) }).map(drop)
}

/// Whether this process was started with `signal` ignored.
pub fn ignores(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// The effective user.
pub fn user() -> u32 {
    // SAFETY: geteuid(2) takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Whether this process has the effective user 0.
pub fn is_root() -> bool {
    user() == 0
}

/// Whether the program was executed with rights that its caller lacks: by its mode, its
/// file's capabilities, or a security module (`AT_SECURE`, see getauxval(3)).
pub fn has_gained_rights() -> bool {
    // SAFETY: getauxval(3) takes a number, and answers 0 to one that it does not know.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Raises the soft limit of this thread's stack to `least` bytes, as far as the hard one
/// allows, and gives what it is then. The kernel asks for it whenever the stack grows.
///
/// # Errors
/// None on Linux, but getrlimit(2) reserves the right.
pub fn raise_stack(least: u64) -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the limit is a live structure that the kernel writes to.
    check(unsafe { libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) })?;
    if limit.rlim_cur < least {
        limit.rlim_cur = least.min(limit.rlim_max);
        // SAFETY: the limit is a live structure that the kernel only reads.
        check(unsafe { libc::setrlimit(libc::RLIMIT_STACK, &raw const limit) })?;
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_run_on_at_least_one_cpu() {
        assert!(!allowed_cpus().unwrap().is_empty());
    }

    #[test]
    fn a_list_of_cpus_is_ranges_and_numbers() {
        assert!(lists("0-3,8\n", 0) && lists("0-3,8\n", 3) && lists("0-3,8\n", 8));
        assert!(!lists("0-3,8\n", 4) && !lists("0-3,8\n", 9) && !lists("", 0));
    }

    #[test]
    fn a_cpu_that_is_not_there_is_refused() {
        assert_eq!(
            run_on(&[1023]).unwrap_err().raw_os_error(),
            Some(libc::EINVAL)
        );
    }
}
