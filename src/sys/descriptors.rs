//! Open files that nobody uses: they are there to be copied and closed.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use super::check;

/// Opens /dev/null `count` times for reading, for the rest of the process's life.
///
/// Each has a `struct file` of its own, as the files of a program have. Duplicates
/// would share one, and with it one reference count, which a copy of the table
/// (fs/file.c, dup_fd) would find in the cache each time after the first.
///
/// # Errors
/// EMFILE at the soft limit (see [`make_room`]), ENFILE at the host's; and how
/// many were opened by then, which stay.
pub fn open_many(count: u64, cloexec: bool) -> Result<(), (u64, io::Error)> {
    let flags = match cloexec {
        true => libc::O_RDONLY | libc::O_CLOEXEC,
        false => libc::O_RDONLY,
    };
    for opened in 0..count {
        // SAFETY: the path is a C string that lives as long as the program, and
        // without O_CREAT there is no third argument.
        let fd = unsafe { libc::open(c"/dev/null".as_ptr(), flags) };
        check(fd).map_err(|error| (opened, error))?;
    }
    Ok(())
}

/// Opens /dev/null once at `number`, or at the next one that is free, for the rest of the
/// process's life.
///
/// # Errors
/// EINVAL at the limit (see [`make_room`]), and those of open(2).
pub fn open_at(number: u64, cloexec: bool) -> io::Result<()> {
    // Until its process ends.
    let _ = opened_at(number, cloexec)?.into_raw_fd();
    Ok(())
}

/// Has the table of open files grow to at least so much room: with a file at the last
/// number, which is closed again, while the table never shrinks (fs/file.c). The soft limit
/// is raised for that moment alone, since children inherit it.
///
/// # Errors
/// Those of [`open_at`], getrlimit(2) and setrlimit(2).
pub fn stretch_table(slots: u64) -> io::Result<()> {
    let Some(last) = slots.checked_sub(1) else {
        return Ok(());
    };
    let before = limit()?;
    if before.rlim_cur >= slots {
        return opened_at(last, true).map(drop);
    }
    make_room(slots)?;
    let stretched = opened_at(last, true).map(drop);
    set_limit(before).and(stretched)
}

fn opened_at(number: u64, cloexec: bool) -> io::Result<OwnedFd> {
    let number = libc::c_int::try_from(number);
    let number = number.map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let file = std::fs::File::open("/dev/null")?;
    let command = match cloexec {
        true => libc::F_DUPFD_CLOEXEC,
        false => libc::F_DUPFD,
    };
    // SAFETY: the file is open for as long as it is borrowed, and both commands take a
    // number and no pointer.
    let copy = check(unsafe { libc::fcntl(file.as_raw_fd(), command, number) })?;
    // SAFETY: the kernel has just made the descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Raises the soft limit of descriptors (RLIMIT_NOFILE) to `wanted`, or to the
/// hard one if that is less; a soft limit that suffices stays as it is, since
/// children inherit it, and some close all numbers below it.
///
/// # Errors
/// Those of getrlimit(2) and setrlimit(2), which allows as much to everybody.
pub fn make_room(wanted: u64) -> io::Result<()> {
    let mut limit = limit()?;
    if limit.rlim_cur >= wanted.min(limit.rlim_max) {
        return Ok(());
    }
    limit.rlim_cur = wanted.min(limit.rlim_max);
    set_limit(limit)
}

/// A soft limit of descriptors, to be set again.
#[derive(Debug, Clone, Copy)]
pub struct SoftLimit(libc::rlimit);

impl SoftLimit {
    /// That of this process.
    ///
    /// # Errors
    /// Those of getrlimit(2).
    pub fn current() -> io::Result<Self> {
        Ok(Self(limit()?))
    }

    /// Sets it: one system call, which a forked child may make too.
    ///
    /// # Errors
    /// Those of setrlimit(2).
    pub fn restore(self) -> io::Result<()> {
        set_limit(self.0)
    }
}

fn limit() -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is live and writable.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    Ok(limit)
}

fn set_limit(limit: libc::rlimit) -> io::Result<()> {
    // SAFETY: the limit is a live structure that the kernel only reads.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).map(drop)
}

/// How many descriptors this process has open.
///
/// # Errors
/// Those of reading /proc/self/fd.
pub fn open_now() -> io::Result<u64> {
    // The directory itself is one of its entries.
    let entries = std::fs::read_dir("/proc/self/fd")?.count() as u64;
    Ok(entries.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The numbers under which /dev/null is open, and whether an exec closes each.
    fn nulls() -> BTreeSet<(i32, bool)> {
        let of = |entry: io::Result<fs::DirEntry>| {
            let entry = entry.ok()?;
            let target = fs::read_link(entry.path()).ok()?;
            let fd: i32 = entry.file_name().to_str()?.parse().ok()?;
            let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?;
            let flags = i32::from_str_radix(flags.trim(), 8).ok()?;
            let is_null = target == Path::new("/dev/null");
            is_null.then_some((fd, flags & libc::O_CLOEXEC != 0))
        };
        fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(of)
            .collect()
    }

    #[test]
    fn files_stay_open_and_are_closed_on_exec_as_asked() {
        let before = nulls();
        open_many(0, false).unwrap();
        open_many(3, false).unwrap();
        open_many(4, true).unwrap();
        let gained: Vec<bool> = nulls()
            .difference(&before)
            .map(|(_, cloexec)| *cloexec)
            .collect();
        // Other tests may open it for a moment, to start programs.
        let count = |wanted: bool| gained.iter().filter(|cloexec| **cloexec == wanted).count();
        assert!(count(false) >= 3 && count(true) >= 4, "{gained:?}");
        assert!(open_now().unwrap() >= 7);
    }

    #[test]
    fn a_file_at_a_high_number_makes_a_long_table() {
        let slots = || {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("FDSize:"));
            line.unwrap().trim().parse::<u64>().unwrap()
        };
        make_room(1_000).unwrap();
        let before = nulls();
        open_at(700, true).unwrap();
        let gained: Vec<(i32, bool)> = nulls().difference(&before).copied().collect();
        // Other tests may open it for a moment, to start programs.
        assert!(gained.iter().any(|(fd, cloexec)| *fd >= 700 && *cloexec));
        assert!(slots() > 700);
        stretch_table(900).unwrap();
        assert!(slots() >= 900);
        stretch_table(0).unwrap();
        assert!(open_at(1 << 40, false).is_err());
    }

    #[test]
    fn a_soft_limit_is_never_lowered_nor_raised_beyond_the_hard_one() {
        let soft_and_hard = || {
            let limits = fs::read_to_string("/proc/self/limits").unwrap();
            let line = limits
                .lines()
                .find(|line| line.starts_with("Max open files"));
            let numbers = line.unwrap().split_whitespace().skip(3).take(2);
            numbers.map(|n| n.parse().unwrap()).collect::<Vec<u64>>()
        };
        let before = soft_and_hard();
        make_room(1).unwrap();
        assert_eq!(soft_and_hard(), before);
        // Where there is room, the table grows; the limit stays in any case.
        let _ = stretch_table(before[0] + 1);
        assert_eq!(soft_and_hard(), before);
        make_room(before[0] + 1).unwrap();
        assert_eq!(soft_and_hard(), [(before[0] + 1).min(before[1]), before[1]]);
        make_room(u64::MAX).unwrap();
        assert_eq!(soft_and_hard(), [before[1], before[1]]);
    }
}
