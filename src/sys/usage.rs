//! What the kernel booked on this process and on its reaped children.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::check;

/// One reading of getrusage(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// User and system time together: the exact run time of the scheduler.
    /// Only its split is guesswork (kernel/sched/cputime.c, cputime_adjust).
    pub cpu_us: u64,
    /// Of it, user time: a guess where processes live shorter than a tick.
    pub user_us: u64,
    /// Minor faults, those on behalf of the kernel included.
    pub minor_faults: u64,
    /// Major faults.
    pub major_faults: u64,
    /// Voluntary and involuntary switches.
    pub context_switches: u64,
}

/// Whose usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// This process's.
    Own,
    /// That of its children which were waited for, and of theirs.
    Children,
}

/// Reads the usage so far.
pub fn read(whose: Whose) -> Usage {
    let who = match whose {
        Whose::Own => libc::RUSAGE_SELF,
        Whose::Children => libc::RUSAGE_CHILDREN,
    };
    // SAFETY: rusage is plain numbers, for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is live and writable, and `who` is one of the two values
    // that cannot fail.
    unsafe { libc::getrusage(who, &raw mut usage) };
    of(&usage)
}

/// Waits for a child and reaps it; its status, and the usage of it and of the
/// children that it had waited for.
///
/// # Errors
/// ECHILD if it is none of ours.
pub fn reap(pid: i32) -> io::Result<(ExitStatus, Usage)> {
    let mut status = 0;
    // SAFETY: rusage is plain numbers, for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: `status` and `usage` are live and writable, and the kernel
        // keeps neither address.
        match check(unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) }) {
            Ok(_) => return Ok((ExitStatus::from_raw(status), of(&usage))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn of(usage: &libc::rusage) -> Usage {
    Usage {
        cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime),
        user_us: micros(usage.ru_utime),
        minor_faults: count(usage.ru_minflt),
        major_faults: count(usage.ru_majflt),
        context_switches: count(usage.ru_nvcsw) + count(usage.ru_nivcsw),
    }
}

fn micros(time: libc::timeval) -> u64 {
    count(time.tv_sec) * 1_000_000 + count(time.tv_usec)
}

fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_is_reaped_once_and_its_work_is_known() {
        let work = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3";
        let mut command = Command::new("sh");
        let child = command.args(["-c", work]).spawn();
        let pid = child.map(|child| child.id().cast_signed()).unwrap();
        let (status, usage) = reap(pid).unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(usage.cpu_us > 0 && usage.user_us <= usage.cpu_us);
        assert!(usage.minor_faults > 0);
        let again = reap(pid).unwrap_err();
        assert_eq!(again.raw_os_error(), Some(libc::ECHILD));
    }
}
