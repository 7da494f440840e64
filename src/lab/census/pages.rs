//! Counting the entries of `/proc/PID/pagemap`, VMA by VMA.
//!
//! Pure but for the reader it is given. Format: the kernel's
//! admin-guide/mm/pagemap.rst; entries come from `pte_to_pagemap_entry`
//! (fs/proc/task_mmu.c).

use std::io;

/// Bytes of one entry.
pub(in crate::lab) const ENTRY_BYTES: u64 = 8;

/// Entries in one read: half a mebibyte.
const CHUNK: u64 = 64 << 10;

/// VMAs closer than this are read in one go, with the gap between them: a read
/// costs as much as a page table's worth of entries.
const NEAR: u64 = 512;

const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const FILE_OR_SHARED: u64 = 1 << 61;

/// An entry as the kernel writes it.
pub(in crate::lab) type Entry = [u8; 8];

/// What an entry says of its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) struct Page {
    /// In memory.
    pub(in crate::lab) present: bool,
    /// Swapped out, or being migrated.
    pub(in crate::lab) swapped: bool,
    /// Of a file, or of shared memory.
    file_or_shared: bool,
}

impl Page {
    /// Reads an entry.
    pub(in crate::lab) fn of(entry: &Entry) -> Self {
        let bits = u64::from_ne_bytes(*entry);
        Self {
            present: bits & PRESENT != 0,
            swapped: bits & SWAPPED != 0,
            file_or_shared: bits & FILE_OR_SHARED != 0,
        }
    }

    /// Whether a page-table entry is in use.
    pub(in crate::lab) fn is_used(self) -> bool {
        self.present || self.swapped
    }

    /// Whether there is a page and it belongs to no file.
    pub(in crate::lab) fn is_anon(self) -> bool {
        self.is_used() && !self.file_or_shared
    }
}

/// A VMA, in page numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) struct Vma {
    /// The first page.
    pub(in crate::lab) first_page: u64,
    /// The page after the last.
    pub(in crate::lab) end_page: u64,
    /// Whether its pages without a file are anonymous: whether it is private.
    pub(in crate::lab) holds_anon: bool,
}

/// What the entries of all VMAs add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::lab) struct PageCounts {
    /// Pages that are present.
    pub(in crate::lab) present: u64,
    /// Pages that are swapped out or being migrated.
    pub(in crate::lab) swapped: u64,
    /// VMAs with an anonymous page, present or swapped.
    pub(in crate::lab) anon_vmas: u64,
    /// Of the pages that are present, those in such VMAs.
    pub(in crate::lab) in_anon_vmas: u64,
    /// Entries of such VMAs without a page, in page tables that they have pages in.
    pub(in crate::lab) empty: u64,
    /// Of the pages that are present, those in private VMAs without an anonymous page:
    /// of files, as the files have them.
    pub(in crate::lab) of_files: u64,
}

/// Counts the pages of VMAs that are in ascending order.
///
/// `read` fills the bytes with the entries from a page onwards.
pub(in crate::lab) fn count_pages(
    vmas: &[Vma],
    read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<PageCounts> {
    let mut counts = PageCounts::default();
    let mut walk = Walk::default();
    visit_pages(vmas, read, |index, page, entries| {
        if walk.vma != Some(index) {
            walk.end_vma(&mut counts);
            walk.vma = Some(index);
            walk.holds_anon = vmas[index].holds_anon;
        }
        walk.pass(page, entries, &mut counts);
    })?;
    walk.end_vma(&mut counts);
    Ok(counts)
}

/// Entries of one page table of 4 KiB, and of those of 16 and 64 KiB a part.
const TABLE: u64 = 512;

/// What a walk over the entries knows of the VMA that it is in.
#[derive(Default)]
struct Walk {
    vma: Option<usize>,
    holds_anon: bool,
    /// Whether an entry of it belongs to no file.
    anon: bool,
    present: u64,
    /// Entries that are used, and entries in tables that have used ones.
    used: u64,
    reached: u64,
    /// The page table that it is in: its number, the VMA's entries in it, and
    /// whether one of them is used.
    table: Option<u64>,
    entries: u64,
    in_use: bool,
}

impl Walk {
    /// Goes over entries that follow each other, table by table.
    fn pass(&mut self, first_page: u64, mut entries: &[Entry], counts: &mut PageCounts) {
        let mut page = first_page;
        while !entries.is_empty() {
            let table = page / TABLE;
            if self.table != Some(table) {
                self.end_table();
                self.table = Some(table);
            }
            let rest = index((table + 1) * TABLE - page).min(entries.len());
            let (within, beyond) = entries.split_at(rest);
            let before = counts.present;
            let (used, anon) = count_entries(within, counts);
            self.present += counts.present - before;
            self.used += used;
            self.anon |= anon;
            self.in_use |= used > 0;
            self.entries += rest as u64;
            page += rest as u64;
            entries = beyond;
        }
    }

    fn end_table(&mut self) {
        if self.in_use {
            self.reached += self.entries;
        }
        self.entries = 0;
        self.in_use = false;
        self.table = None;
    }

    fn end_vma(&mut self, counts: &mut PageCounts) {
        self.end_table();
        if self.anon && self.holds_anon {
            counts.anon_vmas += 1;
            counts.in_anon_vmas += self.present;
            counts.empty += self.reached - self.used;
        } else if self.holds_anon {
            counts.of_files += self.present;
        }
        *self = Self::default();
    }
}

/// Shows `each` all entries of VMAs that are in ascending order: the VMA's
/// index, a page, and the entries from that page onwards. A VMA that is longer
/// than a buffer comes in several pieces, one after the other.
pub(in crate::lab) fn visit_pages(
    vmas: &[Vma],
    mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    mut each: impl FnMut(usize, u64, &[Entry]),
) -> io::Result<()> {
    let mut buffer = Vec::new();
    let mut first = 0;
    for run in vmas.chunk_by(|a, b| b.first_page.saturating_sub(a.end_page) < NEAR) {
        visit_run(run, &mut buffer, &mut read, |index, page, entries| {
            each(first + index, page, entries);
        })?;
        first += run.len();
    }
    Ok(())
}

/// Visits VMAs that lie close to each other, a buffer's fill after the other.
fn visit_run(
    run: &[Vma],
    buffer: &mut Vec<u8>,
    read: &mut impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    mut each: impl FnMut(usize, u64, &[Entry]),
) -> io::Result<()> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return Ok(());
    };
    let (mut start, end) = (first.first_page, last.end_page);
    // The first VMA that is not yet done with.
    let mut head = 0;
    while start < end {
        let stop = end.min(start + CHUNK);
        buffer.resize(index((stop - start) * ENTRY_BYTES), 0);
        read(start, buffer)?;
        let (entries, _) = buffer.as_chunks::<8>();
        while let Some(vma) = run.get(head) {
            let from = vma.first_page.clamp(start, stop);
            let to = vma.end_page.clamp(start, stop);
            if from < to {
                each(head, from, &entries[index(from - start)..index(to - start)]);
            }
            if vma.end_page > stop {
                break;
            }
            head += 1;
        }
        start = stop;
    }
    Ok(())
}

/// Adds up entries: how many are used, and whether one of them belongs to no file.
fn count_entries(entries: &[Entry], counts: &mut PageCounts) -> (u64, bool) {
    let mut used = 0;
    let mut anon = false;
    for entry in entries {
        let page = Page::of(entry);
        counts.present += u64::from(page.present);
        counts.swapped += u64::from(page.swapped);
        used += u64::from(page.is_used());
        anon |= page.is_anon();
    }
    (used, anon)
}

/// An offset into the buffer.
fn index(bytes: u64) -> usize {
    usize::try_from(bytes).expect("the buffer holds no more than a chunk")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A pagemap of these entries, all others being zero; and its reads.
    struct Fake {
        entries: BTreeMap<u64, u64>,
        reads: Vec<(u64, u64)>,
    }

    impl Fake {
        fn new(entries: impl IntoIterator<Item = (u64, u64)>) -> Self {
            Self {
                entries: entries.into_iter().collect(),
                reads: Vec::new(),
            }
        }

        fn count(&mut self, vmas: &[Vma]) -> PageCounts {
            count_pages(vmas, |first, bytes| {
                let pages = bytes.len() as u64 / ENTRY_BYTES;
                self.reads.push((first, pages));
                bytes.fill(0);
                for (page, entry) in self.entries.range(first..first + pages) {
                    let at = index((page - first) * ENTRY_BYTES);
                    bytes[at..at + 8].copy_from_slice(&entry.to_ne_bytes());
                }
                Ok(())
            })
            .unwrap()
        }
    }

    fn vma(first_page: u64, pages: u64) -> Vma {
        Vma {
            first_page,
            end_page: first_page + pages,
            holds_anon: true,
        }
    }

    #[test]
    fn present_swapped_and_file_pages_are_told_apart() {
        let mut fake = Fake::new([
            (10, PRESENT),
            (11, PRESENT | FILE_OR_SHARED),
            (12, SWAPPED),
            (20, PRESENT | FILE_OR_SHARED),
            (30, SWAPPED | 0x1234),
            (40, PRESENT),
            (45, PRESENT),
        ]);
        let shared = Vma {
            holds_anon: false,
            ..vma(40, 1)
        };
        let counts = fake.count(&[vma(10, 4), vma(20, 2), vma(30, 1), shared]);
        assert_eq!(
            counts,
            PageCounts {
                present: 4,
                swapped: 2,
                anon_vmas: 2,
                in_anon_vmas: 2,
                empty: 1,
                of_files: 1
            },
            "page 45 is in no VMA"
        );
    }

    #[test]
    fn near_vmas_are_read_at_once_and_far_ones_apart() {
        let mut fake = Fake::new([]);
        fake.count(&[vma(1_000, 1), vma(1_002, 1), vma(1_500, 4), vma(1 << 30, 2)]);
        assert_eq!(fake.reads, [(1_000, 504), (1 << 30, 2)]);
    }

    #[test]
    fn a_vma_longer_than_the_buffer_is_one_vma() {
        let end = 100 + 2 * CHUNK;
        let mut fake = Fake::new([(100, PRESENT), (end, PRESENT), (end + 60, PRESENT)]);
        let counts = fake.count(&[vma(100, 2 * CHUNK + 50), vma(end + 55, 10)]);
        assert_eq!((counts.present, counts.anon_vmas), (3, 2));
        assert_eq!(counts.in_anon_vmas, 3);
        assert_eq!(fake.reads.len(), 3);
        assert!(fake.reads.iter().all(|(_, pages)| *pages <= CHUNK));
    }

    #[test]
    fn pages_before_the_first_anonymous_one_of_a_vma_count_with_it() {
        let file = PRESENT | FILE_OR_SHARED;
        let far = 100 + CHUNK + 7;
        let mut fake = Fake::new([
            (100, file),
            (far, PRESENT),
            (far + 1, file),
            (far + 90, file),
        ]);
        let counts = fake.count(&[vma(100, CHUNK + 50), vma(far + 80, 20)]);
        assert_eq!((counts.present, counts.in_anon_vmas), (4, 3));
    }

    #[test]
    fn an_error_of_the_reader_is_passed_on() {
        let failed = count_pages(
            &[vma(1, 1)],
            |_, _| Err(io::ErrorKind::UnexpectedEof.into()),
        );
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn counts_are_those_of_a_walk_page_by_page(
            shape in prop::collection::vec((0_u64..2_000, 1_u64..90_000, any::<bool>()), 1..5),
            touched in prop::collection::vec((0_u64..300_000, 0_u64..8), 0..40),
        ) {
            let mut end = 0;
            let vmas: Vec<Vma> = shape.iter().map(|(gap, pages, holds_anon)| {
                let first_page = end + gap;
                end = first_page + pages;
                Vma { first_page, end_page: end, holds_anon: *holds_anon }
            }).collect();
            let mut fake = Fake::new(touched.iter().map(|(page, bits)| (*page, bits << 61)));
            let mut expected = PageCounts::default();
            for vma in &vmas {
                let (mut anon, mut present) = (false, 0);
                let mut tables = std::collections::BTreeSet::new();
                let mut used = 0;
                for (page, entry) in fake.entries.range(vma.first_page..vma.end_page) {
                    present += u64::from(entry & PRESENT != 0);
                    expected.swapped += u64::from(entry & SWAPPED != 0);
                    let there = entry & PRESENT != 0 || entry & SWAPPED != 0;
                    anon |= there && entry & FILE_OR_SHARED == 0;
                    if there {
                        tables.insert(page / TABLE);
                        used += 1;
                    }
                }
                if !anon && vma.holds_anon {
                    expected.of_files += present;
                }
                if anon && vma.holds_anon {
                    let within = |page: &u64| tables.contains(&(page / TABLE));
                    let entries = (vma.first_page..vma.end_page).filter(within).count();
                    expected.empty += entries as u64 - used;
                }
                expected.present += present;
                expected.anon_vmas += u64::from(anon && vma.holds_anon);
                expected.in_anon_vmas += if anon && vma.holds_anon { present } else { 0 };
            }
            prop_assert_eq!(fake.count(&vmas), expected);
        }
    }
}
