//! The mappings of a process laid out anew, in an arena of their own.
//!
//! What a fork pays for is kept: the order of the mappings, which of them touch,
//! and which share a page table. Every mapping keeps its place within the reach
//! of the higher page table (1 GiB with pages of 4 KiB), and with it its place
//! within the lower ones; only wide gaps shrink. So what was a whole huge page is
//! one again, as the reach of the lowest page table.

mod check;

use crate::model::{LikeRegion, Likeness, RegionKind, Watched};
pub use check::RegionFault;
use check::{all_runs, check, in_order};

/// The most ancestors that a worker is given: of each there is a process.
pub const MOST_GENERATIONS: u64 = 64;

/// One past the last address that any process has: an x86-64 CPU with five levels of page
/// tables gives 56 bits, arm64 48 or 52.
pub const USER_END: u64 = 1 << 56;
/// Page-table entries are 8 bytes on every 64-bit architecture.
const ENTRY_BYTES: u64 = 8;
/// The widest reach that is kept; an arena's alignment takes as much.
const WIDEST: u64 = 1 << 30;

/// The pins of one io_uring at the most: UIO_MAXIOV up to Linux 5.13, later more
/// (IORING_MAX_REG_BUFFERS, io_uring/rsrc.h).
pub const MOST_PINS: u64 = 1 << 10;
/// Bytes of one pin at the most (io_uring/rsrc.c, `io_buffer_validate`).
const LONGEST_PIN: u64 = 1 << 30;

/// The io_urings that it takes to pin these runs of pages, each an open file.
pub fn rings_for<'a>(runs: impl Iterator<Item = &'a [u64; 2]>, page_size: u64) -> u64 {
    let pieces = |[_, count]: &[u64; 2]| count.saturating_mul(page_size).div_ceil(LONGEST_PIN);
    let pins = runs.map(pieces).fold(0_u64, u64::saturating_add);
    pins.div_ceil(MOST_PINS)
}

/// The mappings of a process, as they are to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedLikeness {
    /// In ascending order.
    pub mappings: Vec<PlacedMapping>,
    /// Bytes from the arena's start to the last mapping's end.
    pub span: u64,
    /// What the arena's start is a multiple of.
    pub align: u64,
    /// Bytes of the file that stands behind all mappings with a file.
    pub file_len: u64,
    /// Page tables of the two lowest levels that the pages take. A huge page takes an
    /// entry of the higher one; the table that the kernel keeps in reserve for it
    /// (mm/huge_memory.c, pgtable_trans_huge_deposit) is not counted.
    pub tables: u64,
    /// Pages of a huge one.
    pub huge_page: u64,
    /// Bytes of a page.
    pub page_size: u64,
    /// Ancestors that live beside the process.
    pub generations: u64,
}

/// One mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedMapping {
    /// Bytes from the arena's start.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// What it is made of.
    pub backing: RegionKind,
    /// Where it begins in the file, if it has one. A private one with pages of its own
    /// continues that of one before it which it touches and differs from in protection, as
    /// a library's variables do: they share an `anon_vma` (mm/vma.c,
    /// `find_mergeable_anon_vma`). All others continue no other's part, so that the kernel
    /// cannot merge them (can_vma_merge_*).
    pub file_offset: u64,
    /// Whether it needs a mark that keeps the kernel from merging it with the one
    /// before.
    pub marked: bool,
    /// Whether it can be read.
    pub readable: bool,
    /// Whether it can be written to.
    pub writable: bool,
    /// Whether a fork leaves it out.
    pub dontfork: bool,
    /// Whether it is not charged as committed memory.
    pub noreserve: bool,
    /// How many of the pages that are written to shall follow each other in physical
    /// memory; 0 where that is all one.
    pub stretch: u64,
    /// How many of them shall be parts of one large folio; 0 for none.
    pub batch: u64,
    /// Runs of pages to write to, ascending: the first, from the mapping's start, and
    /// how many.
    pub written: Vec<[u64; 2]>,
    /// Runs of pages to read: of a file, or of zeros.
    pub read: Vec<[u64; 2]>,
    /// Runs of whole huge pages to write to, in pages like the others.
    pub huge: Vec<[u64; 2]>,
    /// Runs of whole huge pages to read: of zeros.
    pub huge_zero: Vec<[u64; 2]>,
    /// Runs of entries that become guards.
    pub guards: Vec<[u64; 2]>,
    /// Runs of its own pages to pin.
    pub pinned: Vec<[u64; 2]>,
    /// How many of the ancestors, from the last one on, have it as well: none where they have
    /// no `anon_vma` of it, or no child.
    pub generations: u64,
    /// What of it a userfaultfd is told, and of forks besides.
    pub watched: Option<Watched>,
}

/// A likeness that is none of any process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mapping {number} of {of} {fault}")]
pub struct LikenessError {
    /// Whose likeness.
    pub of: String,
    /// Which mapping, counted from 1.
    pub number: usize,
    /// What is wrong with it.
    pub fault: RegionFault,
}

impl PlacedLikeness {
    /// Lays out a likeness.
    ///
    /// # Errors
    /// [`LikenessError`] when no process can have these mappings.
    pub fn of(likeness: &Likeness, page_size: u64) -> Result<Self, LikenessError> {
        let fan_out = page_size / ENTRY_BYTES;
        let reach = [fan_out.saturating_mul(fan_out), fan_out]
            .into_iter()
            .find(|reach| reach.saturating_mul(page_size) <= WIDEST)
            .unwrap_or(fan_out);
        let mut course = Course {
            reach,
            huge_page: fan_out,
            origin: likeness.regions.first().map_or(0, |first| first.first_page),
            moved: 0,
            end: 0,
            file_pages: 0,
            generations: likeness.generations.min(MOST_GENERATIONS),
            tables: [
                Tables::of(fan_out),
                Tables::of(fan_out.saturating_mul(fan_out)),
            ],
        };
        course.origin -= course.origin % reach;
        let mut mappings: Vec<PlacedMapping> = Vec::with_capacity(likeness.regions.len());
        for (index, region) in likeness.regions.iter().enumerate() {
            let placed = course.place(region, mappings.last(), page_size);
            mappings.push(placed.map_err(|fault| LikenessError {
                of: likeness.of.clone(),
                number: index + 1,
                fault,
            })?);
        }
        Ok(Self {
            span: mappings.last().map_or(0, |last| last.offset + last.len),
            mappings,
            align: reach * page_size,
            file_len: course.file_pages.saturating_mul(page_size),
            tables: course.tables.iter().map(|tables| tables.count).sum(),
            huge_page: fan_out,
            page_size,
            generations: course.generations,
        })
    }

    /// Pages that will be present.
    pub fn present_pages(&self) -> u64 {
        let mappings = self.mappings.iter();
        mappings
            .map(|mapping| mapping.own_pages() + pages_of(&mapping.read))
            .sum()
    }

    /// Mappings that a fork sets up an `anon_vma` for.
    pub fn anon_mappings(&self) -> u64 {
        let mappings = self.mappings.iter();
        mappings.filter(|mapping| mapping.has_anon_vma()).count() as u64
    }

    /// Anonymous mappings that have pages of zeros and none of their own: from outside
    /// they look as if they had.
    pub fn zero_mappings(&self) -> u64 {
        let of_zeros = |mapping: &&PlacedMapping| {
            mapping.backing == RegionKind::Anon
                && !mapping.has_anon_vma()
                && !mapping.read.is_empty()
        };
        self.mappings.iter().filter(of_zeros).count() as u64
    }

    /// Huge pages, those of zeros left out.
    pub fn huge_pages(&self) -> u64 {
        let runs = self.mappings.iter().map(|mapping| pages_of(&mapping.huge));
        runs.sum::<u64>() / self.huge_page.max(1)
    }

    /// Entries of the huge page of zeros.
    pub fn huge_zeros(&self) -> u64 {
        let mappings = self.mappings.iter();
        let runs = mappings.map(|mapping| pages_of(&mapping.huge_zero));
        runs.sum::<u64>() / self.huge_page.max(1)
    }

    /// Its pins: the first byte of each, from the arena's start, and how many, in pieces that
    /// the kernel takes (io_uring/rsrc.c, `io_sqe_buffer_register`).
    pub fn pins(&self) -> impl Iterator<Item = [u64; 2]> {
        let size = self.page_size;
        let runs = self.mappings.iter().flat_map(move |mapping| {
            let start =
                move |[first, count]: &[u64; 2]| [mapping.offset + first * size, count * size];
            mapping.pinned.iter().map(start)
        });
        runs.flat_map(|[start, len]| {
            let pieces = (0..len).step_by(usize::try_from(LONGEST_PIN).unwrap_or(usize::MAX));
            pieces.map(move |at| [start + at, LONGEST_PIN.min(len - at)])
        })
    }

    /// Pages that will be pinned.
    pub fn pinned_pages(&self) -> u64 {
        let mappings = self.mappings.iter();
        mappings.map(|mapping| pages_of(&mapping.pinned)).sum()
    }

    /// The open files that come with it: the io_urings that it takes to pin them, and what
    /// ancestors live by, and the userfaultfd.
    pub fn files(&self) -> u64 {
        let mappings = self.mappings.iter();
        let rings = rings_for(mappings.flat_map(|mapping| &mapping.pinned), self.page_size);
        rings + u64::from(self.generations > 0) + u64::from(self.is_watched())
    }

    /// Whether a userfaultfd is told of its forks.
    pub fn is_watched(&self) -> bool {
        self.mappings
            .iter()
            .any(|mapping| mapping.watched.is_some())
    }

    /// The pages that the parent can write to again, and a child of fork as well; those of
    /// huge pages are apart.
    pub fn rewritable_pages(&self) -> u64 {
        let of_both = self.mappings.iter().filter(|mapping| mapping.is_both());
        of_both.map(|mapping| pages_of(&mapping.written)).sum()
    }

    /// The huge ones of them.
    pub fn rewritable_huge_pages(&self) -> u64 {
        let of_both = self.mappings.iter().filter(|mapping| mapping.is_both());
        let pages: u64 = of_both.map(|mapping| pages_of(&mapping.huge)).sum();
        pages / self.huge_page.max(1)
    }
}

impl PlacedMapping {
    /// Pages that become the process's own, those of huge pages included.
    pub fn own_pages(&self) -> u64 {
        pages_of(&self.written) + pages_of(&self.huge)
    }

    /// Whether some do.
    pub fn has_own(&self) -> bool {
        !self.written.is_empty() || !self.huge.is_empty()
    }

    /// Whether parent and child of a fork may both write to it.
    fn is_both(&self) -> bool {
        self.writable && !self.dontfork
    }

    /// Whether the kernel sets up an `anon_vma` for it.
    fn has_anon_vma(&self) -> bool {
        self.has_own() || !self.huge_zero.is_empty() || !self.guards.is_empty()
    }

    /// Whether the two are parts of one file that share an `anon_vma`, as far as is seen. One
    /// that cannot be read at all would merge with what is mapped behind it at first.
    fn shares_with(&self, region: &LikeRegion) -> bool {
        let is_file = self.backing == RegionKind::File && region.backing == RegionKind::File;
        let both_own = self.has_own() && !region.written.is_empty();
        let differ = (self.readable, self.writable) != (region.readable, region.writable);
        let alike = (self.dontfork, self.noreserve) == (region.dontfork, region.noreserve);
        is_file && both_own && differ && alike && self.readable
    }

    /// Whether the kernel would merge the two, if they touch, by all that is seen.
    fn is_like(&self, region: &LikeRegion) -> bool {
        self.backing == RegionKind::Anon
            && region.backing == RegionKind::Anon
            && (self.readable, self.writable) == (region.readable, region.writable)
            && (self.dontfork, self.noreserve) == (region.dontfork, region.noreserve)
    }
}

fn pages_of(runs: &[[u64; 2]]) -> u64 {
    runs.iter().map(|[_, count]| count).sum()
}

/// The place that has been reached. All numbers are pages.
struct Course {
    /// What positions are kept within.
    reach: u64,
    /// Pages of a huge one.
    huge_page: u64,
    /// The page that the arena's start stands for.
    origin: u64,
    /// How much lower everything lies now, for the gaps left out.
    moved: u64,
    /// The end of the last region, in the process.
    end: u64,
    /// What is used of the file.
    file_pages: u64,
    /// Ancestors that the process has.
    generations: u64,
    tables: [Tables; 2],
}

impl Course {
    fn place(
        &mut self,
        region: &LikeRegion,
        before: Option<&PlacedMapping>,
        page_size: u64,
    ) -> Result<PlacedMapping, RegionFault> {
        let end = check(region, page_size, self.huge_page)?;
        if region.first_page < self.end {
            return Err(RegionFault::Overlap);
        }
        if before.is_some() {
            self.shrink(region.first_page);
        }
        let first = region.first_page - self.origin - self.moved;
        let touches = region.first_page == self.end;
        let joins = before.filter(|before| touches && before.is_like(region));
        self.end = end;
        let [lower, upper] = &mut self.tables;
        lower.add(
            region,
            &in_order(&[&region.written, &region.read, &region.guards]),
        );
        upper.add(region, &all_runs(region));
        let file_offset = match region.backing {
            RegionKind::Anon => 0,
            RegionKind::File | RegionKind::Shared => {
                let shares = before.is_some_and(|before| touches && before.shares_with(region));
                let offset = self.file_pages - u64::from(shares);
                // One page more: other parts never touch.
                self.file_pages = offset + region.pages + 1;
                offset
            }
        };
        let mut placed = PlacedMapping {
            offset: first * page_size,
            len: region.pages * page_size,
            backing: region.backing,
            file_offset: file_offset * page_size,
            marked: joins.is_some_and(|before| !before.marked),
            readable: region.readable,
            writable: region.writable,
            dontfork: region.dontfork,
            noreserve: region.noreserve,
            stretch: region.stretch,
            batch: region.batch,
            written: in_order(&[&region.written]),
            read: in_order(&[&region.read]),
            huge: in_order(&[&region.huge]),
            huge_zero: in_order(&[&region.huge_zero]),
            guards: in_order(&[&region.guards]),
            pinned: in_order(&[&region.pinned]),
            generations: 0,
            // No fork is told of what it leaves out.
            watched: region.watched.filter(|_| !region.dontfork),
        };
        if placed.has_anon_vma() && !placed.dontfork {
            placed.generations = region.generations.min(self.generations);
        }
        Ok(placed)
    }

    /// Leaves out of the gap before a page all whole reaches but those that keep
    /// the two sides apart.
    fn shrink(&mut self, next: u64) {
        let last = (self.end - 1) / self.reach;
        let distance = next / self.reach - last;
        // Where one ends and the other begins a reach, they would touch.
        let flush = self.end.is_multiple_of(self.reach) && next.is_multiple_of(self.reach);
        let kept = if flush { 2 } else { 1 };
        self.moved += distance.saturating_sub(kept) * self.reach;
    }
}

/// Counts the page tables of one level, those that are shared once.
struct Tables {
    /// Pages that a table reaches.
    reach: u64,
    /// The first table that is not yet counted.
    next: u64,
    count: u64,
}

impl Tables {
    fn of(reach: u64) -> Self {
        Self {
            reach,
            next: 0,
            count: 0,
        }
    }

    /// Adds the tables of runs, ascending, of a region that was checked and lies above
    /// all before.
    fn add(&mut self, region: &LikeRegion, runs: &[[u64; 2]]) {
        for [first, count] in runs {
            let from = (region.first_page + first) / self.reach;
            let to = (region.first_page + first + count - 1) / self.reach;
            if to >= self.next {
                self.count += to - from.max(self.next) + 1;
                self.next = to + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
