//! An arena of the address space in which mappings are placed and touched.
//!
//! There is no list of the mappings: one of 60,000 would itself dirty a megabyte
//! of heap in the process that is measured. What is placed stays until the
//! process ends, which is all that a worker needs.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

pub use self::exact::{Claimed, Exact, Stuff};
pub use self::folios::{SMALLEST_FOLIO, gives_folios};
pub use self::libraries::leave_libraries_out_of_forks;
pub use self::pages::{Page, Pages};
use super::{check, pins};

mod exact;
mod folios;
mod libraries;
mod pages;

/// What to place: how the kernel shall back it.
#[derive(Debug, Clone, Copy)]
pub enum Source<'fd> {
    /// Private anonymous memory.
    Anonymous,
    /// Private anonymous memory, with huge pages asked for.
    AnonymousHuge,
    /// A private mapping of this file from its start.
    File(BorrowedFd<'fd>),
    /// Shared anonymous memory, each mapping an object of its own.
    Shared,
    /// Shared anonymous memory, with huge pages asked for.
    SharedHuge,
}

/// Pages to write to: `count` of them, `distance` bytes apart, from the start.
#[derive(Debug, Clone, Copy)]
pub struct Touches {
    /// How many.
    pub count: usize,
    /// Bytes from one to the next.
    pub distance: usize,
}

/// A range of addresses that was free when it was found.
#[derive(Debug)]
pub struct Arena {
    start: usize,
    len: usize,
}

impl Arena {
    /// Finds `len` free bytes, aligned to `align`, a power of two.
    ///
    /// Nothing stays mapped: a reservation would be a VMA, and splitting it
    /// would make more. Whoever maps there in between makes `place` fail.
    pub fn find(len: usize, align: usize) -> io::Result<Self> {
        let padded = len
            .checked_add(align)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let found = map(0, padded, libc::PROT_NONE, flags, -1, 0)?;
        // SAFETY: the range was mapped just above, nobody knows of it, and it
        // was never accessible.
        unsafe { libc::munmap(found as *mut _, padded) };
        Ok(Self {
            start: found.next_multiple_of(align),
            len,
        })
    }

    /// An arena of a test's own, below all that the kernel gives by itself: tests are
    /// threads of one process, whose stacks and heaps take what was free just before.
    #[cfg(test)]
    pub(crate) fn apart(len: usize, align: usize) -> Self {
        use std::sync::atomic::{AtomicUsize, Ordering};
        const FIRST: usize = 1 << 36;
        static NEXT: AtomicUsize = AtomicUsize::new(FIRST);
        let padded = len + align;
        let start = NEXT.fetch_add(padded, Ordering::Relaxed);
        Self {
            start: start.next_multiple_of(align),
            len,
        }
    }

    /// The arena's first address.
    pub fn start(&self) -> usize {
        self.start
    }

    /// Maps `len` bytes at `offset`, writes one byte to each touched page, and
    /// notes it in `pages`.
    ///
    /// # Errors
    /// EEXIST if something is mapped there, ENOMEM at `vm.max_map_count` or
    /// without memory, EINVAL outside of the arena.
    pub fn place(
        &self,
        offset: usize,
        len: usize,
        source: Source<'_>,
        touches: Touches,
        pages: &mut Pages,
    ) -> io::Result<()> {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.len);
        let reach = touches
            .count
            .saturating_sub(1)
            .checked_mul(touches.distance);
        let touchable = touches.count == 0 || reach.is_some_and(|last| last < len);
        if !inside || !touchable {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let (flags, fd, huge) = match source {
            Source::Anonymous => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, false),
            Source::AnonymousHuge => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, true),
            Source::Shared => (libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, false),
            Source::SharedHuge => (libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, true),
            Source::File(fd) => (libc::MAP_PRIVATE, fd.as_raw_fd(), false),
        };
        let start = self.start + offset;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        map(
            start,
            len,
            protection,
            flags | libc::MAP_FIXED_NOREPLACE,
            fd,
            0,
        )?;
        if huge {
            advise(start, len, libc::MADV_HUGEPAGE)?;
        }
        for index in 0..touches.count {
            let page = (start + index * touches.distance) as *mut u8;
            // SAFETY: `page` lies in the range that was mapped readable and
            // writable just above (`touchable` bounds it), no Rust object
            // lives there, and a volatile write cannot be left out.
            unsafe { page.write_volatile(1) };
            pages.note(page);
        }
        Ok(())
    }

    /// Pins ranges of what was placed, each a first byte, from the arena's start, and how
    /// many, for the rest of the process's life.
    ///
    /// # Errors
    /// EINVAL for a range outside of the arena; those of [`pins::pin`].
    pub fn pin(&self, ranges: &[[u64; 2]]) -> io::Result<()> {
        let inside = |[offset, len]: &[u64; 2]| {
            let end = offset.checked_add(*len);
            end.is_some_and(|end| end <= self.len as u64)
        };
        if !ranges.iter().all(inside) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let range = |[offset, len]: &[u64; 2]| {
            let of = |bytes: u64| usize::try_from(bytes).expect("it lies in the arena");
            [self.start + of(*offset), of(*len)]
        };
        // SAFETY: the ranges lie in the arena, where no Rust object lives; what is not
        // mapped there, or not writable, the kernel refuses.
        unsafe { pins::pin(ranges.iter().map(range)) }
    }

    /// Takes away the right to write to a part of what was placed, which becomes a mapping
    /// of its own.
    ///
    /// # Errors
    /// EINVAL outside of the arena; those of mprotect(2), as ENOMEM at `vm.max_map_count`.
    pub fn make_read_only(&self, offset: usize, len: usize) -> io::Result<()> {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.len);
        if !inside {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        exact::protect(self.start + offset, len, libc::PROT_READ)
    }

    /// Keeps khugepaged from making huge pages of what was placed.
    ///
    /// # Errors
    /// Those of madvise(2), but for the holes between the mappings.
    pub fn forbid_huge_pages(&self) -> io::Result<()> {
        match advise(self.start, self.len, libc::MADV_NOHUGEPAGE) {
            // The advice holds for all that is mapped; ENOMEM tells of holes,
            // EINVAL of a kernel that has no huge pages at all.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::EINVAL)) => {
                Ok(())
            }
            other => other,
        }
    }
}

/// Takes blocks from malloc(3) and keeps them until the process ends: they are
/// what the process is inflated with. The touched pages are noted in `pages`,
/// or where none are touched each block's first.
///
/// # Errors
/// ENOMEM when malloc gives no memory, EINVAL when a touch lies outside.
pub fn grow_heap(
    count: usize,
    bytes: usize,
    touches: Touches,
    pages: &mut Pages,
) -> io::Result<()> {
    let reach = touches
        .count
        .saturating_sub(1)
        .checked_mul(touches.distance);
    if touches.count > 0 && reach.is_none_or(|last| last >= bytes) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    for _ in 0..count {
        // SAFETY: malloc may be called with any size; the block is never freed
        // and never used but for the touches below.
        let block = unsafe { libc::malloc(bytes) };
        if block.is_null() {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        for index in 0..touches.count {
            let page = block.cast::<u8>().wrapping_add(index * touches.distance);
            // SAFETY: `reach` bounds the index to the block that malloc gave.
            unsafe { page.write_volatile(1) };
            pages.note(page);
        }
        if touches.count == 0 && bytes > 0 {
            pages.note(block.cast());
        }
        std::hint::black_box(block);
    }
    Ok(())
}

/// Gives freed memory of malloc's back to the kernel, as far as this libc can.
pub fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) touches only what malloc holds free.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Switches transparent huge pages off or on for all memory that this process
/// maps from now on (prctl(2), PR_SET_THP_DISABLE).
///
/// # Errors
/// EINVAL before Linux 3.15 and on kernels without huge pages.
pub fn disable_huge_pages(disable: bool) -> io::Result<()> {
    let unused: libc::c_ulong = 0;
    // SAFETY: this prctl takes a flag and three zeros and no pointer.
    let result = unsafe {
        libc::prctl(
            libc::PR_SET_THP_DISABLE,
            libc::c_ulong::from(disable),
            unused,
            unused,
            unused,
        )
    };
    check(result).map(drop)
}

/// Bytes in a page.
pub fn page_size() -> usize {
    // SAFETY: sysconf(3) takes a number and reads no memory of ours.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).expect("the page size is a small positive number")
}

/// An address of more than 48 bits.
pub const WIDE_ADDRESS: usize = 1 << 49;

/// The bytes of all memory and of all swap, as the kernel knows them.
///
/// # Errors
/// Those of sysinfo(2), where a filter forbids it.
pub fn totals() -> io::Result<[u64; 2]> {
    // SAFETY: the type is plain numbers, for which all zeros is a value.
    let mut found: libc::sysinfo = unsafe { std::mem::zeroed() };
    // SAFETY: `found` is live and writable.
    check(unsafe { libc::sysinfo(&raw mut found) })?;
    let unit = u64::from(found.mem_unit);
    Ok([found.totalram, found.totalswap].map(|units| units.saturating_mul(unit)))
}

/// Whether the kernel gives such addresses to those that ask for them: on x86-64 with five
/// levels of page tables, on arm64 with 52 bits.
pub fn has_wide_addresses() -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let len = page_size();
    let Ok(found) = map(WIDE_ADDRESS, len, libc::PROT_NONE, flags, -1, 0) else {
        return false;
    };
    // SAFETY: the page was mapped just above, nobody knows of it, and it was never
    // accessible.
    unsafe { libc::munmap(found as *mut _, len) };
    found >= WIDE_ADDRESS
}

fn map(
    start: usize,
    len: usize,
    protection: libc::c_int,
    flags: libc::c_int,
    fd: libc::c_int,
    offset: libc::off_t,
) -> io::Result<usize> {
    // SAFETY: without MAP_FIXED the kernel never replaces a mapping, so no
    // memory that Rust knows of changes; a bad length, descriptor or offset is an
    // error.
    let address = unsafe { libc::mmap(start as *mut _, len, protection, flags, fd, offset) };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(address as usize)
}

fn advise(start: usize, len: usize, advice: libc::c_int) -> io::Result<()> {
    // SAFETY: the advice is one of MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP and
    // MADV_DONTFORK, which change no contents of this process; a forked child, which
    // lacks what the last one is given for, uses nothing of what was placed.
    check(unsafe { libc::madvise(start as *mut _, len, advice) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_TOUCH: Touches = Touches {
        count: 0,
        distance: 0,
    };

    #[test]
    fn a_place_outside_of_the_arena_is_refused() {
        let arena = Arena::apart(8 * page_size(), page_size());
        for (offset, len) in [(8, 1), (0, 9), (usize::MAX / page_size(), 1)] {
            let refused = arena.place(
                offset * page_size(),
                len * page_size(),
                Source::Anonymous,
                NO_TOUCH,
                &mut Pages::none(),
            );
            assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EINVAL));
        }
    }

    #[test]
    fn a_touch_outside_of_the_mapping_is_refused() {
        let arena = Arena::apart(8 * page_size(), page_size());
        let touches = Touches {
            count: 3,
            distance: page_size(),
        };
        let refused = arena.place(
            0,
            2 * page_size(),
            Source::Anonymous,
            touches,
            &mut Pages::none(),
        );
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EINVAL));
    }

    #[test]
    fn a_sample_of_the_pages_is_spread_evenly() {
        for (wanted, of) in [(1, 9), (3, 9), (4, 9), (9, 9), (20, 9)] {
            let arena = Arena::apart(of * page_size(), page_size());
            let touches = Touches {
                count: of,
                distance: page_size(),
            };
            let mut pages = Pages::sample(wanted, of).unwrap();
            let len = of * page_size();
            arena
                .place(0, len, Source::Anonymous, touches, &mut pages)
                .unwrap();
            assert_eq!(pages.len(), wanted.min(of));
            let page =
                |address: u64| (usize::try_from(address).unwrap() - arena.start()) / page_size();
            let places: Vec<usize> = pages.addresses().map(page).collect();
            let gaps: Vec<usize> = places.windows(2).map(|w| w[1] - w[0]).collect();
            let widest = gaps.iter().max().copied().unwrap_or(1);
            assert_eq!(places.first(), Some(&0));
            assert!(widest <= of.div_ceil(wanted.min(of)), "{places:?}");
            pages.write();
        }
        assert!(Pages::sample(0, 9).unwrap().is_empty());
        assert_eq!(Pages::none().range(), None);
    }

    #[test]
    fn small_blocks_that_share_a_page_are_one_page() {
        let mut pages = Pages::sample(1_000, 1_000).unwrap();
        let none = Touches {
            count: 0,
            distance: 0,
        };
        grow_heap(2_000, 100, none, &mut pages).unwrap();
        let numbers: Vec<u64> = pages.addresses().map(|a| a / page_size() as u64).collect();
        // Other tests' threads leave gaps in the heap, which malloc fills first,
        // in any order: but blocks that follow each other are one page.
        assert!(numbers.windows(2).all(|two| two[0] != two[1]));
        assert!(numbers.len() >= 2_000 * 100 / page_size(), "{numbers:?}");
    }

    #[test]
    fn blocks_without_touches_are_sampled_by_their_first_page() {
        let mut pages = Pages::sample(5, 5).unwrap();
        let none = Touches {
            count: 0,
            distance: 0,
        };
        grow_heap(5, 100_000, none, &mut pages).unwrap();
        assert_eq!(pages.len(), 5);
        pages.write();
    }

    #[test]
    fn nothing_is_replaced() {
        let arena = Arena::apart(4 * page_size(), page_size());
        arena
            .place(
                0,
                page_size(),
                Source::Anonymous,
                NO_TOUCH,
                &mut Pages::none(),
            )
            .unwrap();
        let again = arena.place(0, page_size(), Source::Shared, NO_TOUCH, &mut Pages::none());
        assert_eq!(again.unwrap_err().raw_os_error(), Some(libc::EEXIST));
    }
}
