//! A mapping with just these pages: each is written to or read, no other is
//! there, whatever the kernel would like to add.

mod scatter;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{
    Arena, Pages, SMALLEST_FOLIO, advise, disable_huge_pages, gives_folios, map, page_size,
};
use crate::sys::check;

/// A mapping to place.
#[derive(Debug, Clone, Copy)]
pub struct Exact<'a> {
    /// Bytes from the arena's start.
    pub offset: usize,
    /// Bytes.
    pub len: usize,
    /// What it is made of.
    pub stuff: Stuff<'a>,
    /// Whether it can be read in the end.
    pub readable: bool,
    /// Whether it can be written to in the end.
    pub writable: bool,
    /// Whether it is marked (MADV_DONTDUMP), so that the kernel cannot merge it
    /// with a neighbour that is not.
    pub marked: bool,
    /// Whether a fork leaves it out (MADV_DONTFORK).
    pub dontfork: bool,
    /// Whether it is not charged as committed memory (MAP_NORESERVE). What is charged is
    /// charged again for each child of fork (kernel/fork.c, `dup_mmap`).
    pub noreserve: bool,
    /// Runs of pages to write to, ascending: the first, from the mapping's start, and
    /// how many.
    pub written: &'a [[u64; 2]],
    /// How many of them shall follow each other in physical memory; 0 where that is
    /// all one.
    pub stretch: u64,
    /// How many of them shall be parts of one large folio, where the kernel gives such; 0
    /// for none.
    pub batch: u64,
    /// Runs of pages to read.
    pub read: &'a [[u64; 2]],
    /// Runs of pages, whole huge ones, to write to.
    pub huge: &'a [[u64; 2]],
    /// Runs of pages, whole huge ones, to read.
    pub huge_zero: &'a [[u64; 2]],
    /// Runs of pages that are forbidden.
    pub guards: &'a [[u64; 2]],
}

impl Exact<'_> {
    /// All runs of pages to touch.
    fn runs(&self) -> impl Iterator<Item = &[u64; 2]> {
        let small = self.read.iter().chain(self.written);
        small.chain(self.huge).chain(self.huge_zero)
    }

    /// Whether it will have pages of its own.
    fn has_own(&self) -> bool {
        !self.written.is_empty() || !self.huge.is_empty()
    }

    /// The access that it takes to fill it in.
    fn first_access(&self) -> libc::c_int {
        protection(self.runs().next().is_some(), self.has_own())
    }

    /// The access that it has in the end.
    fn last_access(&self) -> libc::c_int {
        protection(self.readable, self.writable)
    }

    /// Whether its pages can be written to again, by a child of fork as well.
    fn is_rewritten(&self) -> bool {
        self.writable && !self.dontfork
    }
}

/// What a mapping is made of.
#[derive(Debug, Clone, Copy)]
pub enum Stuff<'fd> {
    /// Private anonymous memory.
    Anonymous,
    /// A private mapping of this file from this byte on.
    File(BorrowedFd<'fd>, u64),
    /// A shared one.
    Shared(BorrowedFd<'fd>, u64),
}

/// A mapping that was placed and is still to be filled in, in this process or a generation
/// after it.
#[derive(Debug)]
pub struct Claimed {
    start: usize,
    len: usize,
}

impl Arena {
    /// Places a mapping and fills it in. Pages that can be written to again are
    /// noted in `pages`. Huge pages must be disabled ([`disable_huge_pages`]), and are
    /// so again when it returns.
    ///
    /// The file must be one in memory whose part behind the mapping is still
    /// empty and long enough: a fault maps the pages around it that the file
    /// already has (mm/memory.c, do_fault_around). So all are read first, while
    /// it has no others, and then written to. Where the kernel has no huge page left,
    /// small ones stand in its place.
    ///
    /// # Errors
    /// EINVAL for a page outside of the mapping or a mapping outside of the
    /// arena, with nothing mapped; those of mmap(2), madvise(2) and mprotect(2).
    pub fn place_exact(&self, mapping: &Exact<'_>, pages: &mut Pages) -> io::Result<()> {
        let start = self.made(mapping)?;
        // SAFETY: the mapping was placed at `start` just now, where nothing was, with
        // as much access as its runs ask for, and these were found to lie inside.
        unsafe { complete(start, mapping, pages) }
    }

    /// Places a mapping that is to have pages of its own or guards, and has the kernel set up
    /// its `anon_vma`: one page was there for a moment, or one guard is. What else it is to
    /// have is for [`Arena::fill_exact`], which a later generation of this process may call.
    /// For huge pages the same holds as for [`Arena::place_exact`].
    ///
    /// # Errors
    /// As for [`Arena::place_exact`]; EINVAL for one that forks leave out, which no other
    /// generation has.
    pub fn claim_exact(&self, mapping: &Exact<'_>) -> io::Result<Claimed> {
        if mapping.dontfork {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let start = self.made(mapping)?;
        // SAFETY: the mapping was placed at `start` just now, where nothing was, with
        // as much access as its runs ask for, and these were found to lie inside.
        unsafe { claim(start, mapping) }?;
        // As the next one is made it shall find this one as it is in the end.
        if mapping.first_access() != mapping.last_access() {
            protect(start, mapping.len, mapping.last_access())?;
        }
        Ok(Claimed {
            start,
            len: mapping.len,
        })
    }

    /// Fills in the mapping that was claimed.
    ///
    /// # Errors
    /// As for [`Arena::place_exact`]; EINVAL for another mapping than the one that was
    /// claimed.
    pub fn fill_exact(
        &self,
        claimed: Claimed,
        mapping: &Exact<'_>,
        pages: &mut Pages,
    ) -> io::Result<()> {
        let Claimed { start, len } = claimed;
        let is_it = self.start.checked_add(mapping.offset) == Some(start) && mapping.len == len;
        if !is_it || !self.holds(mapping) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        protect(start, len, mapping.first_access())?;
        // SAFETY: a mapping of this length is at `start`, in every generation since it was
        // claimed there, which nobody else knows of. It has as much access as its runs ask
        // for now, and these lie inside.
        unsafe { complete(start, mapping, pages) }
    }

    /// Whether a mapping lies in the arena, and all its runs in it.
    fn holds(&self, mapping: &Exact<'_>) -> bool {
        let end = mapping.offset.checked_add(mapping.len);
        let mut runs = mapping.runs().chain(mapping.guards);
        end.is_some_and(|end| end <= self.len)
            && runs.all(|run| is_inside(*run, mapping.len / page_size()))
    }

    /// Maps, with no page yet and as much access as is needed to fill it in; where it begins.
    fn made(&self, mapping: &Exact<'_>) -> io::Result<usize> {
        if !self.holds(mapping) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        let start = self.start + mapping.offset;
        let access = mapping.first_access();
        if let Err(error) = make(start, mapping, access) {
            if error.kind() != io::ErrorKind::OutOfMemory || mapping.noreserve {
                return Err(error);
            }
            // One that has grown bit by bit may be larger than what can be had at once.
            let uncharged = Exact {
                noreserve: true,
                ..*mapping
            };
            make(start, &uncharged, access)?;
        }
        Ok(start)
    }
}

/// Gives a mapping its guards and pages, and the access that it has in the end.
///
/// # Safety
/// As for [`fill`].
unsafe fn complete(start: usize, mapping: &Exact<'_>, pages: &mut Pages) -> io::Result<()> {
    for [offset, count] in mapping.guards {
        forbid(start, *offset, *count)?;
    }
    // SAFETY: the caller vouches for what this asks for, and the guards lie in no run of
    // pages to touch.
    unsafe { fill(start, mapping, pages) }?;
    if mapping.first_access() == mapping.last_access() {
        return Ok(());
    }
    protect(start, mapping.len, mapping.last_access())
}

/// Has the kernel set up the `anon_vma` of a mapping by a page that is gone at once, or by a
/// guard. Where a huge page is to lie there must be no table of small ones, not even an empty
/// one, so that it is a huge page there, too; a read of one suffices (mm/huge_memory.c,
/// `do_huge_pmd_anonymous_page`).
///
/// # Safety
/// As for [`fill`].
unsafe fn claim(start: usize, mapping: &Exact<'_>) -> io::Result<()> {
    let per_huge = page_size() / size_of::<u64>();
    let in_huge_folios = folio_pages(mapping.batch) == per_huge as u64;
    let first = |runs: &[[u64; 2]]| runs.first().map(|[page, _]| *page);
    let (page, is_huge, writes) = match (first(mapping.written), first(mapping.huge)) {
        (Some(page), _) => (page, in_huge_folios, true),
        (None, Some(page)) => (page, true, true),
        (None, None) => match (first(mapping.huge_zero), first(mapping.guards)) {
            (Some(page), _) => (page, true, false),
            (None, Some(guard)) => return forbid(start, guard, 1),
            (None, None) => return Ok(()),
        },
    };
    let page = usize::try_from(page).expect("the page lies in the address space");
    let at = start + page * page_size();
    let touch = || {
        let byte = at as *mut u8;
        match writes {
            // SAFETY: the caller vouches that the page lies in the mapping, that this is
            // writable and that no Rust object lives there; a volatile write cannot be
            // left out.
            true => unsafe { byte.write_volatile(1) },
            // SAFETY: as above, of a mapping that is readable.
            false => drop(unsafe { byte.read_volatile() }),
        }
    };
    if !is_huge {
        touch();
        return forget(at, page_size());
    }
    with_huge_pages(start, mapping.len, touch)?;
    let huge = per_huge * page_size();
    let from = (at - at % huge).max(start);
    let to = (at - at % huge + huge).min(start + mapping.len);
    forget(from, to - from)
}

/// Takes pages away that nobody has use for.
fn forget(start: usize, len: usize) -> io::Result<()> {
    // SAFETY: the range lies in a mapping that was just made, which nobody knows of and no
    // Rust object lives in; its contents are of no use.
    check(unsafe { libc::madvise(start as *mut _, len, libc::MADV_DONTNEED) }).map(drop)
}

/// Touches all pages of a mapping.
///
/// # Safety
/// The mapping must be at `start`, with no Rust object in it; readable if it has runs,
/// and writable if some of them are to be written to; and all runs must lie inside.
unsafe fn fill(start: usize, mapping: &Exact<'_>, pages: &mut Pages) -> io::Result<()> {
    let at = |page: u64| {
        let page = usize::try_from(page).expect("the page lies in the address space");
        (start + page * page_size()) as *mut u8
    };
    let touch = |page: u64| {
        let page = at(page);
        // SAFETY: the caller vouches that the page lies in the mapping, that this is
        // writable and that no Rust object lives there; a volatile write cannot be
        // left out.
        unsafe { page.write_volatile(1) };
        mapping.is_rewritten().then_some(page)
    };
    // Huge pages first: there is nothing yet that the kernel could join to more of them.
    if !mapping.huge.is_empty() {
        with_huge_pages(start, mapping.len, || {
            let touched = pages_of(mapping.huge).filter_map(touch);
            touched.for_each(|page| pages.note_huge(page));
        })?;
    }
    let write = |page: u64| {
        if let Some(page) = touch(page) {
            pages.note(page);
        }
    };
    let read = |page: u64| {
        let page = at(page);
        // SAFETY: the caller vouches that the page lies in the mapping, that this is
        // readable and that no Rust object lives there. The file of a mapping is long
        // enough, or the process would be killed by SIGBUS, which breaks no memory. A
        // volatile read cannot be left out.
        unsafe { page.read_volatile() };
    };
    if !mapping.huge_zero.is_empty() {
        read_huge_zeros(start, mapping, read)?;
    }
    pages_of(mapping.read).for_each(read);
    let size = folio_pages(mapping.batch);
    if size > 0 {
        return in_folios(start, mapping, size, write);
    }
    scatter::visit(
        mapping.written,
        mapping.stretch,
        mapping.offset as u64,
        write,
    )
}

/// The pages of the folios that are wanted, if such are to be had; else 0.
fn folio_pages(wanted: u64) -> u64 {
    let may_be = wanted >= SMALLEST_FOLIO && wanted.is_power_of_two();
    if may_be && gives_folios(wanted) {
        wanted
    } else {
        0
    }
}

/// Writes to all written pages, those in whole folios of so many pages so that faults bring
/// such: of an entire huge page at once, which is mapped page by page in the end; of others
/// after a small page was there in each page table, or the kernel would give huge ones.
fn in_folios(
    start: usize,
    mapping: &Exact<'_>,
    size: u64,
    mut write: impl FnMut(u64),
) -> io::Result<()> {
    let base = (start / page_size()) as u64;
    let huge = (page_size() / size_of::<u64>()) as u64;
    let whole = |[first, count]: &[u64; 2]| {
        let begin = (base + first).next_multiple_of(size) - base;
        let end = (base + first + count) / size * size;
        let end = end.saturating_sub(base).max(*first);
        let begin = begin.min(end);
        [begin, end]
    };
    let mut table = None;
    for run in mapping.written {
        let [begin, end] = whole(run);
        (run[0]..begin)
            .chain(end.max(begin)..run[0] + run[1])
            .for_each(&mut write);
        for group in (begin..end).step_by(usize::try_from(size).unwrap_or(1)) {
            let reach = (base + group) / huge;
            if size < huge && table.replace(reach) != Some(reach) {
                write(group);
            }
        }
    }
    with_huge_pages(start, mapping.len, || {
        for run in mapping.written {
            let [begin, end] = whole(run);
            (begin..end).for_each(&mut write);
        }
    })?;
    let all = libc::PROT_READ | libc::PROT_WRITE;
    for run in mapping.written.iter().filter(|_| size == huge) {
        let [begin, end] = whole(run);
        for group in (begin..end).step_by(page_size() / size_of::<u64>()) {
            let group = usize::try_from(group).expect("the page lies in the address space");
            let page = start + group * page_size();
            protect(page, page_size(), libc::PROT_READ)?;
            protect(page, page_size(), all)?;
        }
    }
    Ok(())
}

/// Reads a page of each huge one, so that the kernel maps its huge page of zeros there
/// (mm/huge_memory.c, `do_huge_pmd_anonymous_page`). Where it has none it would give a
/// huge page of memory for a read as for a write, and small pages of zeros are asked for.
fn read_huge_zeros(start: usize, mapping: &Exact<'_>, read: impl Fn(u64)) -> io::Result<()> {
    let per_huge = page_size() / size_of::<u64>();
    let firsts = mapping
        .huge_zero
        .iter()
        .flat_map(|[first, count]| (*first..first + count).step_by(per_huge));
    let used = std::fs::read("/sys/kernel/mm/transparent_hugepage/use_zero_page");
    if used.is_ok_and(|used| used.starts_with(b"1")) {
        with_huge_pages(start, mapping.len, || firsts.for_each(read))
    } else {
        firsts.for_each(read);
        Ok(())
    }
}

/// Has the kernel answer faults in a range with huge pages, while `touch` makes them,
/// and never after.
fn with_huge_pages(start: usize, len: usize, touch: impl FnOnce()) -> io::Result<()> {
    // Kernels without huge pages refuse, and small pages stand in their place.
    let advised = advise(start, len, libc::MADV_HUGEPAGE);
    let _ = disable_huge_pages(false);
    touch();
    let _ = disable_huge_pages(true);
    match advised {
        Ok(()) => advise(start, len, libc::MADV_NOHUGEPAGE),
        Err(_) => Ok(()),
    }
}

/// Puts guards in the place of pages (since Linux 6.13).
fn forbid(start: usize, first: u64, count: u64) -> io::Result<()> {
    /// include/uapi/asm-generic/mman-common.h.
    const MADV_GUARD_INSTALL: libc::c_int = 102;
    let bytes = |pages: u64| usize::try_from(pages).map(|pages| pages * page_size());
    let (Ok(offset), Ok(len)) = (bytes(first), bytes(count)) else {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    };
    // SAFETY: `place_exact` has found the pages to lie inside of the mapping that it has
    // just made, which nobody knows of; the advice takes away what is in them, and any
    // access to them from now on is a fault. A kernel that lacks it refuses.
    let forbidden =
        check(unsafe { libc::madvise((start + offset) as *mut _, len, MADV_GUARD_INSTALL) });
    forbidden
        .map(drop)
        .map_err(|error| match error.raw_os_error() {
            Some(libc::EINVAL) => io::Error::new(
                io::ErrorKind::Unsupported,
                "the process has guards in the place of pages (MADV_GUARD_INSTALL), which need \
             Linux 6.13, in mappings of files 6.15; explain it on its own host",
            ),
            _ => error,
        })
}

fn leave_out_of_forks(start: usize, len: usize) -> io::Result<()> {
    // SAFETY: the advice changes nothing in this process; a forked child lacks the
    // range, which is a mapping that `place_exact` has just made and that nobody uses.
    check(unsafe { libc::madvise(start as *mut _, len, libc::MADV_DONTFORK) }).map(drop)
}

/// Maps, with so much access and no page yet; nothing is left of what fails.
fn make(start: usize, mapping: &Exact<'_>, access: libc::c_int) -> io::Result<()> {
    // Inaccessible at first: a mapping that the kernel has merged with the
    // one before would take over its anon_vma when it is split off again.
    reserve(start, mapping)?;
    let furnish = || {
        if mapping.marked {
            advise(start, mapping.len, libc::MADV_DONTDUMP)?;
        }
        if mapping.dontfork {
            leave_out_of_forks(start, mapping.len)?;
        }
        match access {
            libc::PROT_NONE => Ok(()),
            access => protect(start, mapping.len, access),
        }
    };
    furnish().inspect_err(|_| {
        // SAFETY: the range is the mapping that was made just above, with nothing in it.
        unsafe { libc::munmap(start as *mut _, mapping.len) };
    })
}

/// Maps without access.
fn reserve(start: usize, mapping: &Exact<'_>) -> io::Result<()> {
    let (kind, fd, offset) = match mapping.stuff {
        Stuff::Anonymous => (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0),
        Stuff::File(fd, offset) => (libc::MAP_PRIVATE, fd.as_raw_fd(), offset),
        Stuff::Shared(fd, offset) => (libc::MAP_SHARED, fd.as_raw_fd(), offset),
    };
    let offset = libc::off_t::try_from(offset);
    let offset = offset.map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
    let noreserve = if mapping.noreserve {
        libc::MAP_NORESERVE
    } else {
        0
    };
    let flags = kind | libc::MAP_FIXED_NOREPLACE | noreserve;
    map(start, mapping.len, libc::PROT_NONE, flags, fd, offset).map(drop)
}

fn protection(readable: bool, writable: bool) -> libc::c_int {
    let read = if readable { libc::PROT_READ } else { 0 };
    let write = if writable { libc::PROT_WRITE } else { 0 };
    read | write
}

pub(super) fn protect(start: usize, len: usize, protection: libc::c_int) -> io::Result<()> {
    // SAFETY: the range lies in an arena, in a mapping that was just made, which
    // no Rust object lives in; nothing is made executable.
    check(unsafe { libc::mprotect(start as *mut _, len, protection) }).map(drop)
}

fn is_inside([first, count]: [u64; 2], pages: usize) -> bool {
    let end = first.checked_add(count);
    end.is_some_and(|end| end <= pages as u64)
}

/// The numbers of the pages in runs.
fn pages_of(runs: &[[u64; 2]]) -> impl Iterator<Item = u64> {
    runs.iter().flat_map(|[first, count]| *first..first + count)
}

#[cfg(test)]
mod tests;
