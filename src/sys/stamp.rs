//! Clock stamps in a child between fork and exec.
//!
//! A stamp must not change what it measures, so it promises to touch nothing
//! but registers and the caller's own stack frame: no libc (a page of code that
//! a forked child would fault in, and errno, which it would copy), and no vDSO
//! (a page whose entry a fork does not copy either). It is always inlined, so
//! that it lies on the page that the child runs on anyway. It must not
//! allocate, panic or report an error.

use std::arch::asm;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

/// CLOCK_MONOTONIC in nanoseconds, by a system call.
///
/// Not by the vDSO: its page would fault in a forked child, since dup_mm copies
/// no entries of mappings without an anon_vma (mm/memory.c, vma_needs_copy).
#[inline(always)]
pub(super) fn raw_now_ns() -> u64 {
    // `struct timespec` of a 64-bit kernel: seconds and nanoseconds.
    let mut time = [0_u64; 2];
    raw_clock_gettime(&mut time);
    // Wrapping, so that no build has a branch to a panic here.
    time[0].wrapping_mul(1_000_000_000).wrapping_add(time[1])
}

/// Where a child writes its stamps: a descriptor and an offset. A write needs no
/// mapping, which would be one more to copy and to fault in.
#[derive(Debug, Clone)]
pub struct StampTo {
    /// Beside its owner, which lies elsewhere.
    fd: i32,
    offset: u64,
    _file: Rc<OwnedFd>,
}

impl StampTo {
    /// Into this file, from this byte on.
    pub fn new(file: Rc<OwnedFd>, offset: u64) -> Self {
        let fd = file.as_raw_fd();
        Self {
            fd,
            offset,
            _file: file,
        }
    }

    /// Writes two words by pwrite64(2), and does not tell whether it worked: whoever
    /// reads the file sees that.
    #[inline(always)]
    pub(super) fn write(&self, words: [u64; 2]) {
        raw_pwrite64(self.fd, &words, self.offset);
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn raw_clock_gettime(time: &mut [u64; 2]) {
    // SAFETY: the kernel writes 16 bytes to `time`, which is as large, live and
    // exclusively borrowed; it clobbers rax, rcx and r11, and no stack. Memory
    // is not declared as unclobbered, so `time` is read back afterwards.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") libc::SYS_clock_gettime => _,
            in("rdi") i64::from(libc::CLOCK_MONOTONIC),
            in("rsi") std::ptr::from_mut(time),
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn raw_pwrite64(fd: i32, words: &[u64; 2], offset: u64) {
    // SAFETY: the kernel reads 16 bytes from `words`, which is as large and
    // live; it clobbers rax, rcx and r11, and no stack. Memory is not declared
    // as unclobbered, so `words` is written out before. What the descriptor
    // names is a file's contents, not memory that Rust relies on: callers hand
    // in files whose mappings are atomics.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") libc::SYS_pwrite64 => _,
            in("rdi") i64::from(fd),
            in("rsi") std::ptr::from_ref(words),
            in("rdx") size_of::<[u64; 2]>(),
            in("r10") offset,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn raw_clock_gettime(time: &mut [u64; 2]) {
    // SAFETY: the kernel writes 16 bytes to `time`, which is as large, live and
    // exclusively borrowed; it sets x0 and keeps all other registers. Memory is
    // not declared as unclobbered, so `time` is read back afterwards.
    unsafe {
        asm!(
            "svc #0",
            inlateout("x0") i64::from(libc::CLOCK_MONOTONIC) => _,
            in("x1") std::ptr::from_mut(time),
            in("x8") libc::SYS_clock_gettime,
            options(nostack),
        );
    }
}

#[cfg(target_arch = "aarch64")]
#[inline(always)]
fn raw_pwrite64(fd: i32, words: &[u64; 2], offset: u64) {
    // SAFETY: the kernel reads 16 bytes from `words`, which is as large and
    // live; it sets x0 and keeps all other registers. Memory is not declared as
    // unclobbered, so `words` is written out before. What the descriptor names
    // is a file's contents, not memory that Rust relies on: callers hand in
    // files whose mappings are atomics.
    unsafe {
        asm!(
            "svc #0",
            inlateout("x0") i64::from(fd) => _,
            in("x1") std::ptr::from_ref(words),
            in("x2") size_of::<[u64; 2]>(),
            in("x3") offset,
            in("x8") libc::SYS_pwrite64,
            options(nostack),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::super::clock::now_ns;
    use super::super::shared::memory_file;
    use super::*;

    #[test]
    fn a_raw_reading_lies_between_two_of_libc() {
        for _ in 0..100 {
            let readings = [now_ns(), raw_now_ns(), raw_now_ns(), now_ns()];
            assert!(readings.is_sorted(), "{readings:?}");
        }
    }

    #[test]
    fn words_are_written_where_they_were_told_to() {
        let file = memory_file(c"forktax-test", false).unwrap();
        let stamps = Rc::new(OwnedFd::from(file.try_clone().unwrap()));
        let write = |words, offset| StampTo::new(Rc::clone(&stamps), offset).write(words);
        let far = 0x1_0000_0018;
        write([1, 2], 8);
        write([u64::MAX, 0x0102_0304_0506_0708], far);
        let words = |offset| {
            let mut bytes = [0; 16];
            file.read_exact_at(&mut bytes, offset).unwrap();
            bytes
                .as_chunks::<8>()
                .0
                .iter()
                .map(|word| u64::from_ne_bytes(*word))
                .collect::<Vec<_>>()
        };
        assert_eq!(words(0), [0, 1]);
        assert_eq!(words(8), [1, 2]);
        assert_eq!(words(far), [u64::MAX, 0x0102_0304_0506_0708]);
        assert_eq!(file.metadata().unwrap().len(), far + 16);
    }

    #[test]
    fn a_file_that_cannot_be_written_to_is_no_failure() {
        let null = File::open("/dev/null").unwrap();
        StampTo::new(Rc::new(null.into()), 0).write([0, 0]);
    }
}
