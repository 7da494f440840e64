//! PAGEMAP_SCAN (since Linux 6.7): what the pages of a process are, as runs and not
//! entry by entry.
//!
//! Facts are those of the kernel's admin-guide/mm/pagemap.rst, of
//! include/uapi/linux/fs.h and of `do_pagemap_scan` (fs/proc/task_mmu.c). The scan is
//! asked for categories alone: it write-protects nothing and changes nothing.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::check;
use super::memory::page_size;

/// The page belongs to a file or to shared memory.
pub const FILE: u64 = 1 << 2;
/// The page is in memory.
pub const PRESENT: u64 = 1 << 3;
/// The entry is that of a page that is not in memory: one that is swapped out or being
/// moved, or a marker.
pub const SWAPPED: u64 = 1 << 4;
/// The page is the kernel's page of zeros.
pub const ZERO: u64 = 1 << 5;
/// One entry of a higher table maps it together with others: a huge page, of
/// hugetlbfs or not.
pub const HUGE: u64 = 1 << 6;
/// There is no page but a marker that forbids one (MADV_GUARD_INSTALL). Known since
/// Linux 6.15, while the markers are there since 6.13.
pub const GUARD: u64 = 1 << 8;

/// `_IOWR('f', 16, struct pm_scan_arg)` of the 96 bytes below, with the numbers of
/// include/uapi/asm-generic/ioctl.h, which x86, arm64 and riscv use.
const PAGEMAP_SCAN: libc::Ioctl = (0b11 << 30 | 96 << 16 | (b'f' as u32) << 8 | 16) as libc::Ioctl;

/// Runs in one call: 96 KiB.
const REGIONS: usize = 4096;

/// Pages in one call. The kernel holds the process's mmap_lock for reading while it
/// walks, and lets go after each call: less than a millisecond, unless it has to wait for
/// a CPU meanwhile.
const PAGES: u64 = 16 << 10;

/// `struct pm_scan_arg`.
#[repr(C)]
#[derive(Debug, Default)]
struct Argument {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `struct page_region`: pages that follow each other and are of one kind.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PageRegion {
    /// The address of the first.
    pub start: u64,
    /// The address after the last.
    pub end: u64,
    /// What they are, by the constants of this module.
    pub categories: u64,
}

/// Scans the pages of processes.
#[derive(Debug)]
pub struct Scanner {
    regions: Vec<PageRegion>,
    /// The categories that the kernel is asked for.
    asked: u64,
}

impl Scanner {
    /// A scanner for pagemaps of this kernel; none where it has no such scan.
    ///
    /// # Errors
    /// Those of the ioctl but the ones that say so.
    pub fn probe(pagemap: &File) -> io::Result<Option<Self>> {
        let mut scanner = Self {
            regions: vec![PageRegion::default(); REGIONS],
            asked: FILE | PRESENT | SWAPPED | ZERO | HUGE | GUARD,
        };
        // Before anything is walked, the kernel refuses categories that it does not know.
        let mut tried = scanner.call(pagemap, 0, 0);
        if tried.as_ref().is_err_and(is_invalid) {
            scanner.asked &= !GUARD;
            tried = scanner.call(pagemap, 0, 0);
        }
        match tried {
            Ok(_) => Ok(Some(scanner)),
            Err(error) if is_unsupported(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether markers of [`GUARD`] are told from pages that are swapped out.
    pub fn knows_guards(&self) -> bool {
        self.asked & GUARD != 0
    }

    /// Shows all runs of pages between two addresses that are in memory or swapped out,
    /// in ascending order. Neighbours may be of one kind, where two calls met.
    /// Mappings by page frame number (VM_PFNMAP) are passed over by the kernel.
    ///
    /// # Errors
    /// Those of the ioctl.
    pub fn scan(
        &mut self,
        pagemap: &File,
        start: u64,
        end: u64,
        mut each: impl FnMut(PageRegion),
    ) -> io::Result<()> {
        let page_size = page_size() as u64;
        let mut from = start;
        while from < end {
            let (found, stopped) = self.call(pagemap, from, end)?;
            let found = self.regions.get(..found).unwrap_or(&self.regions);
            found.iter().copied().for_each(&mut each);
            let next = next(found, stopped, page_size).unwrap_or(end);
            from = next.max(from + page_size);
        }
        Ok(())
    }

    /// One call: how many runs it found, and where it says that it stopped.
    fn call(&mut self, pagemap: &File, start: u64, end: u64) -> io::Result<(usize, u64)> {
        let mut argument = Argument {
            size: size_of::<Argument>() as u64,
            start,
            end,
            vec: self.regions.as_mut_ptr() as u64,
            vec_len: self.regions.len() as u64,
            max_pages: PAGES,
            category_anyof_mask: PRESENT | SWAPPED,
            return_mask: self.asked,
            ..Argument::default()
        };
        // SAFETY: the descriptor is open for as long as the file is borrowed. The kernel
        // reads and writes a pm_scan_arg, which `Argument` has the layout of, at a
        // pointer that is valid for both; and it writes at most `vec_len` regions at
        // `vec`, where the vector, borrowed exclusively, has as many. Every bit pattern
        // is a valid region. A file that is no pagemap may take the number for another
        // request, but none of the kernel's others of type 'f' with number 16 and this
        // size exists, and a file system that has one gets the same valid memory.
        let found =
            check(unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, &mut argument) })?;
        Ok((usize::try_from(found).unwrap_or(0), argument.walk_end))
    }
}

/// The first page between two addresses that is in memory or swapped out, in a call that
/// passes over what no page table maps.
///
/// # Errors
/// Those of the ioctl; see [`is_unsupported`] for a kernel without it.
pub fn first_used(pagemap: &File, start: u64, end: u64) -> io::Result<Option<u64>> {
    let mut first = PageRegion::default();
    let mut argument = Argument {
        size: size_of::<Argument>() as u64,
        start,
        end,
        vec: (&raw mut first) as u64,
        vec_len: 1,
        max_pages: 1,
        category_anyof_mask: PRESENT | SWAPPED,
        return_mask: PRESENT,
        ..Argument::default()
    };
    // SAFETY: as in `Scanner::call`, with one region that is live and writable.
    let found = check(unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, &mut argument) })?;
    Ok((found > 0).then_some(first.start))
}

/// How many pages between two addresses are mapped by an entry of a higher table, those of
/// zeros among them; none on a kernel without the scan.
///
/// # Errors
/// Those of the ioctl.
pub fn huge_pages(pagemap: &File, start: u64, end: u64) -> io::Result<u64> {
    let mut regions = [PageRegion::default(); 64];
    let (mut pages, mut from) = (0, start);
    while from < end {
        let mut argument = Argument {
            size: size_of::<Argument>() as u64,
            start: from,
            end,
            vec: regions.as_mut_ptr() as u64,
            vec_len: regions.len() as u64,
            category_mask: HUGE,
            return_mask: HUGE,
            ..Argument::default()
        };
        // SAFETY: as in `Scanner::call`, with an array that is live and writable and has as
        // many regions as are said.
        let found = check(unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, &mut argument) });
        let found = match found {
            Ok(found) => usize::try_from(found).unwrap_or(0).min(regions.len()),
            Err(error) if is_unsupported(&error) => return Ok(0),
            Err(error) => return Err(error),
        };
        let bytes = regions[..found]
            .iter()
            .map(|region| region.end - region.start);
        pages += bytes.sum::<u64>() / page_size() as u64;
        from = match found == regions.len() {
            true => regions[found - 1].end.max(from + 1),
            false => end,
        };
    }
    Ok(pages)
}

/// Where a scan has to go on; nowhere if it was not stopped for want of room.
///
/// The kernel's own word, `walk_end`, is that of its last stop, also where it went on
/// from there and came to the end: a walk takes several turns within one call.
fn next(found: &[PageRegion], stopped: u64, page_size: u64) -> Option<u64> {
    let pages: u64 = found
        .iter()
        .map(|region| region.end.saturating_sub(region.start) / page_size)
        .sum();
    let is_full = found.len() == REGIONS || pages >= PAGES;
    let last = found.last().filter(|_| is_full)?;
    Some(last.end.max(stopped))
}

/// Whether an error says that this kernel has no such scan.
pub fn is_unsupported(error: &io::Error) -> bool {
    is_invalid(error) || matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::ENOSYS))
}

fn is_invalid(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::{Arena, Pages, Source, Touches};

    #[test]
    fn the_argument_has_the_layout_that_the_number_says() {
        assert_eq!(size_of::<Argument>(), 96);
        assert_eq!(size_of::<PageRegion>(), 24);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(PAGEMAP_SCAN, 0xc060_6610);
    }

    #[test]
    fn touched_pages_are_found_as_runs_across_calls() {
        let page = page_size();
        // More runs than one call has room for.
        let pages = 3 * REGIONS;
        let arena = Arena::apart(pages * page, page);
        let touches = Touches {
            count: pages / 2,
            distance: 2 * page,
        };
        let (len, source) = (pages * page, Source::Anonymous);
        arena
            .place(0, len, source, touches, &mut Pages::none())
            .unwrap();
        arena.forbid_huge_pages().unwrap();
        let pagemap = File::open("/proc/self/pagemap").unwrap();
        let start = arena.start() as u64;
        let mut found = Vec::new();
        let Some(mut scanner) = Scanner::probe(&pagemap).unwrap() else {
            println!("skipped: no PAGEMAP_SCAN before Linux 6.7");
            return;
        };
        scanner
            .scan(&pagemap, start, start + len as u64, |region| {
                found.push(region);
            })
            .unwrap();
        let expected = (0..pages as u64 / 2).map(|pair| {
            let at = start + pair * 2 * page as u64;
            (at, at + page as u64)
        });
        let places = found.iter().map(|region| (region.start, region.end));
        assert!(places.eq(expected), "{} runs", found.len());
        assert!(found.iter().all(|region| region.categories == PRESENT));
    }

    #[test]
    fn a_file_without_the_ioctl_has_no_scanner() {
        let file = File::open("/proc/self/maps").unwrap();
        assert!(Scanner::probe(&file).unwrap().is_none());
    }
}
