//! A mapping with just these pages: each is written to or read, no other is
//! there, whatever the kernel would like to add.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Arena, Pages, advise, disable_huge_pages, map, page_size};
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
    /// Runs of pages to read; of anonymous memory they become the kernel's page of zeros.
    pub read: &'a [[u64; 2]],
    /// Runs of pages, whole huge ones, to write to, with huge pages asked for. Where the
    /// kernel has none to give they are small ones.
    pub huge: &'a [[u64; 2]],
    /// Whether forks leave it out (MADV_DONTFORK).
    pub dontfork: bool,
    /// How many written pages shall follow each other in physical memory, on average; 0
    /// for as many as it happens.
    pub stretch: u64,
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
        let all = || {
            mapping
                .read
                .iter()
                .chain(mapping.written)
                .chain(mapping.huge)
        };
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
        if mapping.dontfork {
            advise(start, mapping.len, libc::MADV_DONTFORK)?;
        }
        let last = protection(mapping.readable, mapping.writable);
        let writes = !mapping.written.is_empty() || !mapping.huge.is_empty();
        let first = protection(all().count() > 0, writes);
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
        for page in in_order(mapping.written, mapping.stretch) {
            let page = (start + page * page_size()) as *mut u8;
            // SAFETY: as above, and the mapping is writable by now.
            unsafe { page.write_volatile(1) };
            if mapping.writable {
                pages.note(page);
            }
        }
        make_huge(start, mapping)?;
        if first == last {
            return Ok(());
        }
        protect(start, mapping.len, last)
    }
}

/// Writes to all that shall be huge pages, with those allowed meanwhile that the builder
/// has forbidden for everything else. Every page is written to: where the kernel has no
/// huge one to give, as much memory is there all the same.
fn make_huge(start: usize, mapping: &Exact<'_>) -> io::Result<()> {
    if mapping.huge.is_empty() {
        return Ok(());
    }
    // A kernel without huge pages refuses both, and then they are small ones.
    let _ = advise(start, mapping.len, libc::MADV_HUGEPAGE);
    let _ = disable_huge_pages(false);
    for page in pages_of(mapping.huge) {
        let page = (start + page * page_size()) as *mut u8;
        // SAFETY: `is_inside` has bounded the page to the mapping at `start`, which the
        // caller has made writable and no Rust object lives in.
        unsafe { page.write_volatile(1) };
    }
    let _ = disable_huge_pages(true);
    Ok(())
}

/// Pages that follow each other more often than this are as good as all in a row: a
/// prefetcher has caught up long before.
const LONG_STRETCH: u64 = 64;

/// The pages in runs that are known to lie inside, in an order that lets only so many
/// follow each other. Physical pages are given out in the order of the first writes, so
/// that neighbours lie apart in memory as they do in a process that has lived for long.
fn in_order(runs: &[[u64; 2]], stretch: u64) -> impl Iterator<Item = usize> {
    let scatters = (1..LONG_STRETCH).contains(&stretch);
    let stretch = if scatters { stretch } else { u64::MAX };
    let many = runs.len() as u64;
    let order = Leaps::over(if scatters { many } else { 0 });
    let sorted = if scatters { 0 } else { many };
    let chosen = order.chain(0..sorted).filter_map(|index| {
        let index = usize::try_from(index).ok()?;
        runs.get(index).copied()
    });
    let numbers = chosen.flat_map(move |[first, count]| {
        Leaps::over(count.div_ceil(stretch)).flat_map(move |part| {
            let from = part.saturating_mul(stretch);
            let to = from.saturating_add(stretch).min(count);
            first + from..first + to
        })
    });
    numbers.map(|page| usize::try_from(page).expect("the page lies in the address space"))
}

/// All numbers below a count, each once, none of them near the one before: multiples of
/// about its golden section, modulo the count. It needs no memory, which would stay
/// behind in the process that is measured.
struct Leaps {
    count: u64,
    step: u64,
    next: u64,
    left: u64,
}

impl Leaps {
    fn over(count: u64) -> Self {
        let mut step = (count / 8 * 5 + count % 8 * 5 / 8).max(1);
        while gcd(step, count) > 1 {
            step += 1;
        }
        Self {
            count,
            step,
            next: 0,
            left: count,
        }
    }
}

impl Iterator for Leaps {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.left = self.left.checked_sub(1)?;
        let number = self.next;
        self.next = (self.next + self.step) % self.count;
        Some(number)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
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
    // What a process has reserved and never used is larger than any host's memory.
    let flags = kind | libc::MAP_FIXED_NOREPLACE | libc::MAP_NORESERVE;
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
            huge: &[],
            dontfork: false,
            stretch: 0,
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
    fn pages_of_zeros_are_no_memory_of_its_own() {
        let arena = arena(12);
        let mapping = Exact {
            read: &[[1, 3]],
            written: &[[6, 1]],
            ..anonymous(1, 9)
        };
        arena.place_exact(&mapping, &mut Pages::none()).unwrap();
        // The page of zeros looks like one of the process's own from outside.
        assert_eq!(present(&arena), "--www--w----");
        let rss = |name: &str| {
            let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
            let start = format!("{:x}-", arena.start() + page_size());
            let mapping = smaps.split(&start).nth(1).unwrap();
            let line = mapping.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<usize>()
                .unwrap()
        };
        assert_eq!(rss("Rss:"), page_size() >> 10);
    }

    #[test]
    fn leaps_reach_every_number_once_and_no_neighbour() {
        for count in 0..200 {
            let numbers: Vec<u64> = Leaps::over(count).collect();
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..count).collect::<Vec<u64>>());
            let next = numbers
                .windows(2)
                .filter(|two| two[1] == two[0] + 1)
                .count();
            assert!(
                count < 8 || next * 4 < numbers.len(),
                "{count}: {numbers:?}"
            );
        }
    }

    #[test]
    fn pages_come_in_stretches_of_the_length_that_is_asked_for() {
        let runs = [[3, 100], [200, 1], [500, 60]];
        let mut all: Vec<usize> = in_order(&runs, 0).collect();
        assert!(all.is_sorted());
        for stretch in [1, 4, 10] {
            let pages: Vec<usize> = in_order(&runs, stretch).collect();
            let breaks = pages.windows(2).filter(|two| two[1] != two[0] + 1).count() as u64;
            assert!(breaks + 1 >= 161 / stretch / 2, "{stretch}: {breaks}");
            let mut sorted = pages.clone();
            sorted.sort_unstable();
            all.sort_unstable();
            assert_eq!(sorted, all, "{stretch}");
        }
        let endless: Vec<usize> = in_order(&runs, LONG_STRETCH).collect();
        assert_eq!(endless, all);
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
