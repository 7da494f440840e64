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

/// The same after a stretch without any: another may follow soon.
const SPARSE_CHUNK: u64 = 4 << 10;

/// VMAs closer than this are read in one go, with the gap between them: a read
/// costs as much as a page table's worth of entries.
const NEAR: u64 = 512;

const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const FILE_OR_SHARED: u64 = 1 << 61;
/// Since Linux 6.15 (`PM_GUARD_REGION`), together with SWAPPED.
const GUARD: u64 = 1 << 58;

/// An entry as the kernel writes it.
pub(in crate::lab) type Entry = [u8; 8];

/// What an entry says of its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) struct Page {
    /// In memory.
    pub(in crate::lab) present: bool,
    /// Swapped out, or being migrated.
    pub(in crate::lab) swapped: bool,
    /// A marker that forbids a page (MADV_GUARD_INSTALL).
    pub(in crate::lab) guard: bool,
    /// Of a file, or of shared memory.
    file_or_shared: bool,
}

impl Page {
    /// Reads an entry.
    pub(in crate::lab) fn of(entry: &Entry) -> Self {
        let bits = u64::from_ne_bytes(*entry);
        Self {
            present: bits & PRESENT != 0,
            swapped: bits & SWAPPED != 0 && bits & GUARD == 0,
            guard: bits & GUARD != 0,
            file_or_shared: bits & FILE_OR_SHARED != 0,
        }
    }

    /// Whether a page-table entry is in use.
    pub(in crate::lab) fn is_used(self) -> bool {
        self.present || self.swapped || self.guard
    }

    /// Whether the entry is used and by no file's page.
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

/// What the entries of one VMA add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::lab) struct Found {
    /// Pages that are present.
    pub(in crate::lab) present: u64,
    /// Pages that are swapped out or being migrated.
    pub(in crate::lab) swapped: u64,
    /// Guards in the place of pages.
    pub(in crate::lab) guards: u64,
    /// Entries of huge pages, where they are told apart.
    pub(in crate::lab) huge: u64,
    /// Entries without a page, in page tables that it has pages in.
    pub(in crate::lab) empty: u64,
    /// Page tables that it has pages in. One that VMAs share is the first one's.
    pub(in crate::lab) tables: u64,
    /// Whether a page is there that belongs to no file, or a guard.
    pub(in crate::lab) anon: bool,
}

/// Counts the pages of VMAs that are in ascending order, with page tables of so many
/// entries.
pub(in crate::lab) fn count_pages(
    vmas: &[Vma],
    source: impl EntrySource,
    capacity: u64,
) -> io::Result<Vec<Found>> {
    let mut walk = Walk::over(vmas.len(), capacity);
    visit_pages(vmas, source, capacity, |index, page, entries| {
        walk.pass(index, page, entries);
    })?;
    Ok(walk.end())
}

/// A walk over the entries of VMAs, and what it has found.
pub(in crate::lab) struct Walk {
    found: Vec<Found>,
    /// Entries of a page table.
    capacity: u64,
    vma: usize,
    /// The page table that it is in: its number, the VMA's entries in it, and
    /// how many of them are used.
    table: u64,
    entries: u64,
    used: u64,
    /// The last table with used entries that was counted.
    counted: Option<u64>,
}

impl Walk {
    /// A walk over so many VMAs, with page tables of so many entries.
    pub(in crate::lab) fn over(vmas: usize, capacity: u64) -> Self {
        Self {
            found: vec![Found::default(); vmas],
            capacity,
            vma: 0,
            table: 0,
            entries: 0,
            used: 0,
            counted: None,
        }
    }

    /// Goes over entries that follow each other, table by table.
    pub(in crate::lab) fn pass(&mut self, vma: usize, first_page: u64, mut entries: &[Entry]) {
        let mut page = first_page;
        while !entries.is_empty() {
            let table = page / self.capacity;
            if (self.vma, self.table) != (vma, table) {
                self.end_table();
                (self.vma, self.table) = (vma, table);
            }
            let rest = index((table + 1) * self.capacity - page).min(entries.len());
            let (within, beyond) = entries.split_at(rest);
            self.used += count_entries(within, &mut self.found[vma]);
            self.entries += rest as u64;
            page += rest as u64;
            entries = beyond;
        }
    }

    fn end_table(&mut self) {
        if self.used > 0 {
            let found = &mut self.found[self.vma];
            found.empty += self.entries - self.used;
            found.tables += u64::from(self.counted.replace(self.table) != Some(self.table));
        }
        (self.entries, self.used) = (0, 0);
    }

    /// What was found, VMA by VMA.
    pub(in crate::lab) fn end(mut self) -> Vec<Found> {
        self.end_table();
        self.found
    }
}

/// Where entries are read from.
pub(in crate::lab) trait EntrySource {
    /// Fills the bytes with the entries from a page onwards.
    fn read(&mut self, first_page: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// The first page at or after one, before another, whose entry may be in use.
    fn next_used(&mut self, from: u64, _end: u64) -> io::Result<Option<u64>> {
        Ok(Some(from))
    }
}

impl<F: FnMut(u64, &mut [u8]) -> io::Result<()>> EntrySource for F {
    fn read(&mut self, first_page: u64, bytes: &mut [u8]) -> io::Result<()> {
        self(first_page, bytes)
    }
}

/// Shows `each` the entries of VMAs that are in ascending order: the VMA's
/// index, a page, and the entries from that page onwards. A VMA that is longer
/// than a buffer comes in several pieces, one after the other, without page tables (of
/// so many entries) that have none in use, as far as the source knows them.
pub(in crate::lab) fn visit_pages(
    vmas: &[Vma],
    mut source: impl EntrySource,
    capacity: u64,
    mut each: impl FnMut(usize, u64, &[Entry]),
) -> io::Result<()> {
    let mut buffer = Vec::new();
    let mut first = 0;
    for run in vmas.chunk_by(|a, b| b.first_page.saturating_sub(a.end_page) < NEAR) {
        visit_run(
            run,
            &mut buffer,
            &mut source,
            capacity,
            |index, page, entries| {
                each(first + index, page, entries);
            },
        )?;
        first += run.len();
    }
    Ok(())
}

/// Visits VMAs that lie close to each other, a buffer's fill after the other.
fn visit_run(
    run: &[Vma],
    buffer: &mut Vec<u8>,
    source: &mut impl EntrySource,
    capacity: u64,
    mut each: impl FnMut(usize, u64, &[Entry]),
) -> io::Result<()> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return Ok(());
    };
    let (mut start, end) = (first.first_page, last.end_page);
    // The first VMA that is not yet done with.
    let mut head = 0;
    while start < end {
        // No table is broken off, or what is passed over might be the rest of it.
        let mut stop = end.min((start + CHUNK) / capacity * capacity);
        // A reservation of terabytes would take gigabytes of entries that say nothing.
        if end - start > CHUNK {
            let Some(next) = source.next_used(start, end)? else {
                return Ok(());
            };
            if next / capacity > start / capacity {
                start = next - next % capacity;
                stop = end.min(start + SPARSE_CHUNK.max(capacity));
            }
        }
        buffer.resize(index((stop - start) * ENTRY_BYTES), 0);
        source.read(start, buffer)?;
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

/// Adds up entries, and says how many are used.
fn count_entries(entries: &[Entry], found: &mut Found) -> u64 {
    let mut used = 0;
    for entry in entries {
        let page = Page::of(entry);
        found.present += u64::from(page.present);
        found.swapped += u64::from(page.swapped);
        found.guards += u64::from(page.guard);
        used += u64::from(page.is_used());
        found.anon |= page.is_anon();
    }
    used
}

/// An offset into the buffer.
fn index(bytes: u64) -> usize {
    usize::try_from(bytes).expect("the buffer holds no more than a chunk")
}

#[cfg(test)]
mod tests;
