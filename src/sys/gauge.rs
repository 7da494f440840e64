//! What the kernel and the machine charge for small things, in loops of many: a
//! system call, a first write to a page, a `cpuid` instruction.

use std::io;
use std::ptr::NonNull;

use super::check;
use super::clock::now_ns;
use super::memory::page_size;

/// Nanoseconds of so many system calls that do next to nothing.
///
/// getppid(2) takes no argument, no lock and no path by which libc could answer
/// itself.
pub fn syscalls(count: usize) -> u64 {
    let begin = now_ns();
    for _ in 0..count {
        // SAFETY: getppid(2) takes no argument and cannot fail.
        unsafe { libc::syscall(libc::SYS_getppid) };
    }
    now_ns() - begin
}

/// Nanoseconds of so many `cpuid` instructions, which a hypervisor answers in the
/// place of the CPU; `None` on a machine that has none.
#[cfg(target_arch = "x86_64")]
pub fn cpuids(count: usize) -> Option<u64> {
    let begin = now_ns();
    for _ in 0..count {
        std::hint::black_box(std::arch::x86_64::__cpuid(0));
    }
    Some(now_ns() - begin)
}

/// Nanoseconds of so many `cpuid` instructions; this machine has none.
#[cfg(not(target_arch = "x86_64"))]
pub fn cpuids(_count: usize) -> Option<u64> {
    None
}

/// Anonymous memory that has no pages until it is written to. It is left out of
/// forks, and has no huge pages.
#[derive(Debug)]
pub struct Untouched {
    start: NonNull<u8>,
    pages: usize,
}

impl Untouched {
    /// Maps so many pages.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn map(pages: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let len = pages * page_size();
        // SAFETY: the kernel chooses a free address, so nothing is replaced.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).expect("the kernel never maps address 0 by itself");
        let untouched = Self { start, pages };
        // Kernels without huge pages refuse, rightly.
        let _ = untouched.advise(libc::MADV_NOHUGEPAGE);
        untouched.advise(libc::MADV_DONTFORK)?;
        Ok(untouched)
    }

    /// Nanoseconds of writing to each page for the first time. They are given back
    /// afterwards, so that the next time is a first one too.
    ///
    /// # Errors
    /// Those of madvise(2).
    pub fn touch(&self) -> io::Result<u64> {
        let begin = now_ns();
        for page in 0..self.pages {
            self.touch_one(page);
        }
        let took = now_ns() - begin;
        self.let_go()?;
        Ok(took)
    }

    /// Writes to one of the pages; to one that is not there to none.
    pub fn touch_one(&self, page: usize) {
        if page < self.pages {
            let address = self.start.as_ptr().wrapping_add(page * page_size());
            // SAFETY: the address lies in the mapping that `map` made writable and
            // that only this value knows.
            unsafe { address.write_volatile(1) };
        }
    }

    /// Gives all pages back, so that each will be written to for the first time again.
    ///
    /// # Errors
    /// Those of madvise(2).
    pub fn let_go(&self) -> io::Result<()> {
        self.advise(libc::MADV_DONTNEED)
    }

    /// Where it lies.
    pub fn range(&self) -> [usize; 2] {
        let start = self.start.as_ptr() as usize;
        [start, start + self.len()]
    }

    fn len(&self) -> usize {
        self.pages * page_size()
    }

    fn advise(&self, advice: libc::c_int) -> io::Result<()> {
        // SAFETY: the range is the mapping of this value, and what its pages hold
        // matters to nobody, so they may go.
        check(unsafe { libc::madvise(self.start.as_ptr().cast(), self.len(), advice) })?;
        Ok(())
    }
}

impl Drop for Untouched {
    fn drop(&mut self) {
        // SAFETY: `map` made the mapping, and no reference into it was given away.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::usage::{self, Whose};

    #[test]
    fn each_page_that_is_touched_is_a_fault_every_time() {
        const PAGES: usize = 4_000;
        let memory = Untouched::map(PAGES).unwrap();
        for _ in 0..2 {
            let before = usage::read(Whose::Own).minor_faults;
            assert!(memory.touch().unwrap() > 0);
            let faults = usage::read(Whose::Own).minor_faults - before;
            assert!(faults >= PAGES as u64, "{faults}");
        }
    }

    #[test]
    fn more_of_a_thing_takes_longer() {
        assert!(syscalls(100_000) > syscalls(100));
        if let Some((many, few)) = cpuids(10_000).zip(cpuids(10)) {
            assert!(many > few);
        }
    }
}
