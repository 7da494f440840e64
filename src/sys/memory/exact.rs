//! A mapping with just these pages: each is written to or read, no other is
//! there, whatever the kernel would like to add.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Arena, Pages, advise, map, page_size};
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
    /// Runs of pages to write to: the first, from the mapping's start, and how many.
    pub written: &'a [[u64; 2]],
    /// Runs of pages to read.
    pub read: &'a [[u64; 2]],
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

impl Arena {
    /// Places a mapping and fills it in. Pages that can be written to again are
    /// noted in `pages`.
    ///
    /// The file must be one in memory whose part behind the mapping is still
    /// empty and long enough: a fault maps the pages around it that the file
    /// already has (mm/memory.c, do_fault_around). So all are read first, while
    /// it has no others, and then written to.
    ///
    /// # Errors
    /// EINVAL for a page outside of the mapping or a mapping outside of the
    /// arena, with nothing mapped; those of mmap(2), madvise(2) and mprotect(2).
    pub fn place_exact(&self, mapping: &Exact<'_>, pages: &mut Pages) -> io::Result<()> {
        let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
        let end = mapping.offset.checked_add(mapping.len);
        if end.is_none_or(|end| end > self.len) {
            return Err(invalid());
        }
        let all = || mapping.read.iter().chain(mapping.written);
        if !all().all(|run| is_inside(*run, mapping.len / page_size())) {
            return Err(invalid());
        }
        let start = self.start + mapping.offset;
        // Inaccessible at first: a mapping that the kernel has merged with the
        // one before would take over its anon_vma when it is split off again.
        reserve(start, mapping)?;
        if mapping.marked {
            advise(start, mapping.len, libc::MADV_DONTDUMP)?;
        }
        let last = protection(mapping.readable, mapping.writable);
        let first = protection(all().count() > 0, !mapping.written.is_empty());
        if first != libc::PROT_NONE {
            protect(start, mapping.len, first)?;
        }
        for page in pages_of(mapping.read) {
            let page = (start + page * page_size()) as *const u8;
            // SAFETY: `is_inside` bounds the page to the mapping made above,
            // which is readable by now and no Rust object's; the caller's file
            // reaches to its end; a volatile read cannot be left out.
            unsafe { page.read_volatile() };
        }
        for page in pages_of(mapping.written) {
            let page = (start + page * page_size()) as *mut u8;
            // SAFETY: as above, and the mapping is writable by now.
            unsafe { page.write_volatile(1) };
            if mapping.writable {
                pages.note(page);
            }
        }
        if first == last {
            return Ok(());
        }
        protect(start, mapping.len, last)
    }
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
    let flags = kind | libc::MAP_FIXED_NOREPLACE;
    map(start, mapping.len, libc::PROT_NONE, flags, fd, offset).map(drop)
}

fn protection(readable: bool, writable: bool) -> libc::c_int {
    let read = if readable { libc::PROT_READ } else { 0 };
    let write = if writable { libc::PROT_WRITE } else { 0 };
    read | write
}

fn protect(start: usize, len: usize, protection: libc::c_int) -> io::Result<()> {
    // SAFETY: the range is the mapping that `place_exact` has just made, which
    // no Rust object lives in; nothing is made executable.
    check(unsafe { libc::mprotect(start as *mut _, len, protection) }).map(drop)
}

fn is_inside([first, count]: [u64; 2], pages: usize) -> bool {
    let end = first.checked_add(count);
    end.is_some_and(|end| end <= pages as u64)
}

/// The numbers of the pages in runs that are known to lie inside.
fn pages_of(runs: &[[u64; 2]]) -> impl Iterator<Item = usize> {
    let numbers = runs.iter().flat_map(|[first, count]| *first..first + count);
    numbers.map(|page| usize::try_from(page).expect("the page lies in the address space"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;

    use super::*;
    use crate::sys::shared::memory_file;

    fn anonymous(offset: usize, pages: usize) -> Exact<'static> {
        Exact {
            offset: offset * page_size(),
            len: pages * page_size(),
            stuff: Stuff::Anonymous,
            readable: true,
            writable: true,
            marked: false,
            written: &[],
            read: &[],
        }
    }

    /// The lines of maps from this arena: start and permissions.
    fn lines(arena: &Arena) -> Vec<(usize, String)> {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let parse = |line: &str| {
            let (start, rest) = line.split_once('-').unwrap();
            let start = usize::from_str_radix(start, 16).unwrap();
            (start, rest.split(' ').nth(1).unwrap().to_owned())
        };
        let inside = |(start, _): &(usize, String)| {
            (arena.start()..arena.start() + arena.len).contains(start)
        };
        maps.lines().map(parse).filter(inside).collect()
    }

    /// A free arena whose first and last page stay empty.
    fn arena(pages: usize) -> Arena {
        Arena::find(pages * page_size(), page_size()).unwrap()
    }

    /// Which pages of the arena are present: 'w' the process's own, 'r' others.
    fn present(arena: &Arena) -> String {
        use std::os::unix::fs::FileExt;
        let mut bytes = vec![0; arena.len / page_size() * 8];
        let pagemap = fs::File::open("/proc/self/pagemap").unwrap();
        let first = arena.start() / page_size() * 8;
        pagemap.read_exact_at(&mut bytes, first as u64).unwrap();
        let (entries, _) = bytes.as_chunks::<8>();
        let letter = |entry: &[u8; 8]| match u64::from_ne_bytes(*entry) >> 61 {
            0 | 1 => '-',
            entry if entry & 1 == 0 => 'w',
            _ => 'r',
        };
        entries.iter().map(letter).collect()
    }

    #[test]
    fn just_these_pages_are_there() {
        let arena = arena(40);
        let file = memory_file(c"forktax-test", false).unwrap();
        file.set_len(24 * page_size() as u64).unwrap();
        let own = Exact {
            stuff: Stuff::File(file.as_fd(), 0),
            readable: false,
            writable: false,
            written: &[[3, 2]],
            read: &[[0, 1], [5, 1], [12, 2]],
            ..anonymous(1, 16)
        };
        arena.place_exact(&own, &mut Pages::none()).unwrap();
        let shared = Exact {
            stuff: Stuff::Shared(file.as_fd(), 17 * page_size() as u64),
            read: &[[4, 1]],
            ..anonymous(17, 6)
        };
        arena.place_exact(&shared, &mut Pages::none()).unwrap();
        let heap = Exact {
            written: &[[0, 3]],
            ..anonymous(30, 9)
        };
        arena.place_exact(&heap, &mut Pages::none()).unwrap();
        assert_eq!(present(&arena), "-r--wwr------rr------r--------www-------");
        let permissions: Vec<String> = lines(&arena).into_iter().map(|line| line.1).collect();
        assert_eq!(permissions, ["---p", "rw-s", "rw-p"]);
    }

    #[test]
    fn a_mark_keeps_neighbours_apart() {
        let arena = arena(12);
        let mut starts = Vec::new();
        for (index, page) in (1..9).step_by(2).enumerate() {
            let mapping = Exact {
                marked: index % 2 == 1,
                written: &[[0, 1]],
                ..anonymous(page, 2)
            };
            arena.place_exact(&mapping, &mut Pages::none()).unwrap();
            starts.push(arena.start() + page * page_size());
        }
        let found: Vec<usize> = lines(&arena).into_iter().map(|line| line.0).collect();
        assert_eq!(found, starts);
    }

    #[test]
    fn only_pages_that_stay_writable_are_noted() {
        let arena = arena(12);
        let mut pages = Pages::sample(10, 10).unwrap();
        for (offset, writable) in [(1, false), (5, true)] {
            let mapping = Exact {
                writable,
                written: &[[0, 2]],
                ..anonymous(offset, 3)
            };
            arena.place_exact(&mapping, &mut pages).unwrap();
        }
        assert_eq!(pages.len(), 2);
        pages.write();
    }

    #[test]
    fn a_page_outside_is_refused_with_nothing_mapped() {
        let arena = arena(8);
        let refused = |mapping: &Exact<'_>| {
            let error = arena.place_exact(mapping, &mut Pages::none()).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{mapping:?}");
        };
        refused(&anonymous(7, 2));
        refused(&anonymous(usize::MAX / page_size(), 1));
        for run in [[2, 1], [0, 3], [1, u64::MAX]] {
            refused(&Exact {
                written: &[run],
                ..anonymous(1, 2)
            });
        }
        assert_eq!(lines(&arena), []);
    }
}
