//! Pinned memory: buffers of an io_uring, as programs have them for their I/O. The kernel
//! holds their pages where they are (io_uring/rsrc.c, `io_sqe_buffer_register`), and a fork
//! has to copy their contents at once.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::check;
use super::memory::page_size;
use super::shared::SharedWords;

/// `struct io_uring_params` has 120 bytes (include/uapi/linux/io_uring.h).
const PARAMETER_WORDS: usize = 120 / size_of::<u64>();
/// IORING_REGISTER_BUFFERS.
const REGISTER_BUFFERS: libc::c_uint = 0;

/// Pins ranges of this process's memory, at most 1,024 of at most a gibibyte each, for the
/// rest of its life. A ring that another process had may give its memory back a little
/// later than that ends, and is waited for.
///
/// # Safety
/// Nobody may take the ranges' pages for anything that must not be written to: the kernel
/// pins them for writing, though nothing ever asks the ring to.
///
/// # Errors
/// ENOSYS and EPERM where there is no io_uring to be had; ENOMEM beyond RLIMIT_MEMLOCK;
/// EFAULT for what is not mapped or not writable.
pub unsafe fn pin(ranges: impl ExactSizeIterator<Item = [usize; 2]>) -> io::Result<()> {
    const TURNS: u32 = 20;
    let list = SharedWords::anonymous(2 * ranges.len().max(1))?;
    let count = ranges.len();
    for ([start, len], pair) in ranges.zip(list.words().chunks_exact(2)) {
        pair[0].store(start as u64, Ordering::Relaxed);
        pair[1].store(len as u64, Ordering::Relaxed);
    }
    let ring = ring()?;
    for turn in 1.. {
        // SAFETY: the caller vouches for the ranges, which are those of the list.
        match unsafe { register(&ring, &list, count) } {
            Err(error) if is_short(&error) && turn < TURNS => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    // It pins for as long as it is open.
    let _ = ring.into_raw_fd();
    Ok(())
}

/// How many bytes of `wanted` can be pinned now: all of them, or what a limit leaves, of
/// which a half is for what was pinned before and is not given back yet.
///
/// # Errors
/// Why none can.
pub fn room(wanted: usize) -> io::Result<usize> {
    try_out(page_size())?;
    let Some(limit) = limit()? else {
        return Ok(wanted);
    };
    let mut tried = wanted.min(limit);
    while tried > page_size() {
        match try_out(tried) {
            Ok(()) if tried == wanted => return Ok(wanted),
            Ok(()) => return Ok(tried / 2),
            Err(error) if is_short(&error) => tried /= 2,
            Err(error) => return Err(error),
        }
    }
    Ok(page_size())
}

/// The bytes that may be locked, of whom the kernel asks after (`__io_account_mem`); `None`
/// for whoever it does not ask.
fn limit() -> io::Result<Option<usize>> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is live and writable.
    check(unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) })?;
    let bytes = usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX);
    let unlimited = limit.rlim_cur == libc::RLIM_INFINITY || may_lock_all();
    Ok((!unlimited).then_some(bytes))
}

/// Whether this process has CAP_IPC_LOCK over the whole host.
fn may_lock_all() -> bool {
    const CAP_IPC_LOCK: u32 = 14;
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}"));
    let status = read("status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    let has = bits.is_some_and(|bits| bits >> CAP_IPC_LOCK & 1 == 1);
    // In a user namespace of its own it has it over that alone.
    let map = read("uid_map").unwrap_or_default();
    let whole: Vec<&str> = map.split_whitespace().collect();
    has && whole == ["0", "0", "4294967295"]
}

/// Pins so many bytes of fresh memory for a moment.
fn try_out(bytes: usize) -> io::Result<()> {
    /// Of one buffer (io_uring/rsrc.c, `io_buffer_validate`).
    const LONGEST: usize = 1 << 30;
    let pieces = bytes.div_ceil(LONGEST);
    let list = SharedWords::anonymous(2 * pieces.max(1))?;
    let memory = SharedWords::anonymous(bytes.div_ceil(size_of::<u64>()))?;
    let [start, _] = memory.range();
    for (piece, pair) in list.words().chunks_exact(2).take(pieces).enumerate() {
        let at = piece * LONGEST;
        pair[0].store((start + at) as u64, Ordering::Relaxed);
        pair[1].store(LONGEST.min(bytes - at) as u64, Ordering::Relaxed);
    }
    let ring = ring()?;
    // SAFETY: the ranges are parts of the memory just mapped, which nobody else knows of.
    unsafe { register(&ring, &list, pieces) }
}

/// A ring of the smallest size; closed on exec.
fn ring() -> io::Result<OwnedFd> {
    let mut parameters = [0_u64; PARAMETER_WORDS];
    // SAFETY: the kernel reads and writes as many bytes as the array has.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) };
    let fd = check(libc::c_int::try_from(fd).unwrap_or(-1))?;
    // SAFETY: the kernel has just made the descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Registers the first ranges of a list as the ring's buffers.
///
/// # Safety
/// That of [`pin`], of the ranges in the list: pairs of an address and a length.
unsafe fn register(ring: &OwnedFd, list: &SharedWords, count: usize) -> io::Result<()> {
    // SAFETY: the words are pairs as `struct iovec` has them on 64-bit machines, more than
    // `count` of them are live, and the kernel only reads them; for the ranges themselves
    // the caller vouches.
    let registered = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            ring.as_raw_fd(),
            REGISTER_BUFFERS,
            list.words().as_ptr(),
            count,
        )
    };
    check(libc::c_int::try_from(registered).unwrap_or(-1)).map(drop)
}

fn is_short(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOMEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned_bytes() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmPin:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap() << 10
    }

    #[test]
    fn what_is_pinned_shows_in_the_status() {
        match room(4 * page_size()) {
            Err(error) => println!("skipped: no io_uring here: {error}"),
            Ok(room) => {
                assert!(room >= page_size());
                let memory = SharedWords::anonymous(2 * page_size() / 8).unwrap();
                let [start, end] = memory.range();
                std::mem::forget(memory);
                // SAFETY: the memory is nobody's from now on.
                unsafe { pin([[start, end - start]].into_iter()) }.unwrap();
                assert!(pinned_bytes() >= 2 * page_size() as u64);
            }
        }
        // SAFETY: the kernel refuses what is not mapped.
        let refused = unsafe { pin([[page_size(), page_size()]].into_iter()) };
        assert!(refused.is_err());
    }
}
