//! Which pages each mapping has: by PAGEMAP_SCAN, or entry by entry where the kernel
//! has no such scan.
//!
//! What is seen, and how it is taken:
//!
//! - The scan passes over mappings by page frame number; their entries are read.
//! - The one entry of a huge page of zeros is copied like that of others, and its mapping
//!   has an `anon_vma` (mm/huge_memory.c, `do_huge_pmd_anonymous_page`). Kernels before
//!   6.16 do not tell it from others (fs/proc/task_mmu.c, `pagemap_thp_category`): huge
//!   pages beyond those that `smaps` counts, which passes over zeros, are taken for it.
//! - A page that is being moved looks like one that is swapped out. It is taken for
//!   what it is where `smaps` knows of no swap in the mapping. So do markers that stand
//!   in the place of pages (include/linux/swapops.h, `pte_marker`): guards are listed as
//!   what they are where the kernel tells them apart, and others are nothing.

use std::io;

use super::runs::{Runs, joined, pages, push, split_at, split_whole};
use crate::lab::census::mappings::Mapping;
use crate::lab::census::pages::{ENTRY_BYTES, Entry, Page, Vma, visit_pages};
use crate::model::{MappingContent, MappingFlag};
use crate::sys::pagemap::{self, PageRegion};

/// The pages of a mapping, counted from its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) own: Runs,
    pub(super) file: Runs,
    pub(super) zero: Runs,
    pub(super) swapped: Runs,
    pub(super) huge: Runs,
    pub(super) huge_zero: Runs,
    pub(super) guards: Runs,
    /// Whether one of the huge pages belongs to no file.
    pub(super) huge_anonymous: bool,
}

/// What an entry says of its page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    present: bool,
    swapped: bool,
    of_file: bool,
    zero: bool,
    huge: bool,
    guard: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Own,
    File,
    Zero,
    Swapped,
    Huge,
    HugeZero,
    Guard,
}

/// Whether a page of no file is the process's own in it.
fn holds_own(mapping: &Mapping<'_>) -> bool {
    mapping.vma.holds_anon && !mapping.has(MappingFlag::PageFrames)
}

/// What a page is; nothing if there is none.
fn kind(mapping: &Mapping<'_>, seen: Seen, knows_guards: bool) -> Option<Kind> {
    let in_memory = if seen.of_file || !holds_own(mapping) {
        Kind::File
    } else {
        Kind::Own
    };
    if seen.present {
        return Some(match in_memory {
            Kind::Own if seen.huge && seen.zero => Kind::HugeZero,
            _ if seen.huge => Kind::Huge,
            Kind::Own if seen.zero => Kind::Zero,
            other => other,
        });
    }
    if seen.guard {
        Some(Kind::Guard)
    } else if !seen.swapped {
        None
    } else if mapping.listed.swapped > 0 || !mapping.listed.has_figures {
        Some(Kind::Swapped)
    } else {
        // On its way, unless it is a marker that cannot be told from that.
        (knows_guards && !mapping.has(MappingFlag::Userfault)).then_some(in_memory)
    }
}

impl Found {
    fn add(&mut self, kind: Kind, first: u64, count: u64, anonymous: bool) {
        let runs = match kind {
            Kind::Own => &mut self.own,
            Kind::File => &mut self.file,
            Kind::Zero => &mut self.zero,
            Kind::Swapped => &mut self.swapped,
            Kind::Huge => &mut self.huge,
            Kind::HugeZero => &mut self.huge_zero,
            Kind::Guard => &mut self.guards,
        };
        push(runs, first, count);
        self.huge_anonymous |= kind == Kind::Huge && anonymous;
    }

    /// Leaves of the huge pages only those that are whole in the next table. Those of
    /// hugetlbfs may be smaller (arm64, several entries for one), and one that was
    /// split between two calls is in parts.
    fn keep_whole(&mut self, first_page: u64, per_huge: u64) {
        let (rest, whole) = split_whole(&self.huge, first_page, per_huge, u64::MAX);
        self.huge = whole;
        let list = if self.huge_anonymous {
            &mut self.own
        } else {
            &mut self.file
        };
        *list = joined(std::mem::take(list), rest);
        let (rest, whole) = split_whole(&self.huge_zero, first_page, per_huge, u64::MAX);
        self.huge_zero = whole;
        self.zero = joined(std::mem::take(&mut self.zero), rest);
    }

    /// Leaves of what looks swapped out no more than `smaps` counts: others are markers.
    fn keep_swapped(&mut self, counted: u64) {
        if pages(&self.swapped) > counted {
            (self.swapped, _) = split_at(&self.swapped, counted);
        }
    }

    /// Takes the last huge pages for those of zeros, beyond as many as `smaps` counts.
    fn tell_zeros(&mut self, counted: u64, per_huge: u64) {
        let surplus = (pages(&self.huge) / per_huge).saturating_sub(counted);
        if surplus > 0 && self.huge_zero.is_empty() {
            let kept = counted * per_huge;
            (self.huge, self.huge_zero) = split_at(&self.huge, kept);
        }
    }
}

/// Where pages are looked up.
pub(super) trait Source {
    /// Whether there is a scan; if so, whether it tells guards from swap.
    fn scans(&self) -> Option<bool>;
    /// Whether mappings that do not ask for huge pages may have some.
    fn huge_everywhere(&self) -> bool;
    /// Shows all runs of pages between two addresses.
    fn scan(&mut self, start: u64, end: u64, each: &mut dyn FnMut(PageRegion)) -> io::Result<()>;
    /// Fills the bytes with the entries of the pagemap from a page onwards.
    fn entries(&self, first_page: u64, bytes: &mut [u8]) -> io::Result<()>;
}

/// Finds the pages of mappings that are in ascending order.
pub(super) fn find(
    mappings: &[Mapping<'_>],
    source: &mut impl Source,
    page_size: u64,
) -> io::Result<Vec<Found>> {
    let mut of = vec![Found::default(); mappings.len()];
    let Some(knows_guards) = source.scans() else {
        from_entries(mappings, &mut of, may_have_pages, source, page_size)?;
        return Ok(of);
    };
    if let (Some(first), Some(last)) = (mappings.first(), mappings.last()) {
        let mut head = 0;
        source.scan(first.listed.start, last.listed.end, &mut |region| {
            head = add_region(mappings, &mut of, head, region, knows_guards, page_size);
        })?;
    }
    let per_huge = page_size / ENTRY_BYTES;
    for (found, mapping) in of.iter_mut().zip(mappings) {
        found.keep_whole(mapping.vma.first_page, per_huge);
        let listed = mapping.listed;
        if listed.has_figures && !listed.hugetlb && found.huge_anonymous {
            let counted = listed.huge_anonymous + listed.huge_file;
            found.tell_zeros(counted / (per_huge * page_size), per_huge);
        }
        if listed.has_figures && !listed.hugetlb {
            found.keep_swapped(listed.swapped / page_size);
        }
    }
    let frames = |mapping: &Mapping<'_>| mapping.has(MappingFlag::PageFrames);
    from_entries(mappings, &mut of, frames, source, page_size)?;
    Ok(of)
}

/// Address spaces hold reservations of terabytes, which nobody wants to read entry by
/// entry. That a page of zeros may lie in one is not to be seen then.
fn may_have_pages(mapping: &Mapping<'_>) -> bool {
    let listed = mapping.listed;
    if !listed.has_figures {
        return !listed.permissions.starts_with("---");
    }
    listed.resident > 0
        || listed.swapped > 0
        || listed.hugetlb
        || mapping.has(MappingFlag::PageFrames)
        || mapping.content == MappingContent::Kernel
}

/// Adds a region to the mappings that it lies in, of which `head` is the first that may
/// be one; gives that of the next region. One may reach over several mappings.
fn add_region(
    mappings: &[Mapping<'_>],
    of: &mut [Found],
    mut head: usize,
    region: PageRegion,
    knows_guards: bool,
    page_size: u64,
) -> usize {
    let has = |bit| region.categories & bit != 0;
    let seen = Seen {
        present: has(pagemap::PRESENT),
        swapped: has(pagemap::SWAPPED),
        of_file: has(pagemap::FILE),
        zero: has(pagemap::ZERO),
        huge: has(pagemap::HUGE),
        guard: has(pagemap::GUARD),
    };
    let (first, end) = (region.start / page_size, region.end / page_size);
    while let Some(mapping) = mappings.get(head) {
        let vma = mapping.vma;
        let from = first.max(vma.first_page);
        let to = end.min(vma.end_page);
        if from < to
            && let Some(kind) = kind(mapping, seen, knows_guards)
        {
            of[head].add(kind, from - vma.first_page, to - from, !seen.of_file);
        }
        if vma.end_page > end {
            break;
        }
        head += 1;
    }
    head
}

/// Reads the entries of those mappings that are `wanted`, in the place of what was found
/// in them before.
fn from_entries(
    mappings: &[Mapping<'_>],
    of: &mut [Found],
    wanted: impl Fn(&Mapping<'_>) -> bool,
    source: &impl Source,
    page_size: u64,
) -> io::Result<()> {
    let places: Vec<usize> = (0..mappings.len())
        .filter(|index| wanted(&mappings[*index]))
        .collect();
    let vmas: Vec<Vma> = places.iter().map(|index| mappings[*index].vma).collect();
    for index in &places {
        of[*index] = Found::default();
    }
    let capacity = page_size / ENTRY_BYTES;
    let read = |first, bytes: &mut [u8]| source.entries(first, bytes);
    visit_pages(&vmas, read, capacity, |which, first_page, entries| {
        let mapping = &mappings[places[which]];
        let found = &mut of[places[which]];
        let first = first_page - mapping.vma.first_page;
        for (page, entry) in (first..).zip(entries) {
            let seen = seen(entry);
            if let Some(kind) = kind(mapping, seen, true) {
                found.add(kind, page, 1, !seen.of_file);
            }
        }
    })?;
    let everywhere = source.huge_everywhere();
    for index in places {
        guess(&mappings[index], &mut of[index], everywhere, page_size);
    }
    Ok(())
}

fn seen(entry: &Entry) -> Seen {
    let page = Page::of(entry);
    Seen {
        present: page.present,
        swapped: page.swapped,
        of_file: page.is_used() && !page.is_anon(),
        zero: false,
        huge: false,
        guard: page.guard,
    }
}

/// What entries do not tell, from the figures of `smaps`: huge pages, whose one entry
/// the pagemap repeats for each base page, are taken to be the first aligned runs that
/// are complete; further such runs, where there are more pages than are anonymous and huge
/// ones may be, to be the huge page of zeros; and all further pages of no file the page of
/// zeros.
fn guess(mapping: &Mapping<'_>, found: &mut Found, everywhere: bool, page_size: u64) {
    let listed = mapping.listed;
    let (first_page, per_huge) = (mapping.vma.first_page, page_size / ENTRY_BYTES);
    let groups = |bytes: u64| bytes / (per_huge * page_size);
    let (anonymous, of_files) = if listed.hugetlb {
        (u64::MAX, u64::MAX)
    } else {
        (groups(listed.huge_anonymous), groups(listed.huge_file))
    };
    let take = |list: &mut Runs, most| {
        let (rest, whole) = split_whole(list, first_page, per_huge, most);
        *list = rest;
        whole
    };
    let own = take(&mut found.own, anonymous);
    found.huge_anonymous = !own.is_empty();
    let file = take(&mut found.file, of_files);
    found.huge = joined(own, file);
    if !listed.has_figures || listed.hugetlb {
        return;
    }
    let small = listed.anonymous.saturating_sub(listed.huge_anonymous) / page_size;
    let asked = mapping.has(MappingFlag::HugeAdvised);
    let may_be_huge = asked || everywhere && !mapping.has(MappingFlag::HugeForbidden);
    if may_be_huge && listed.anonymous > 0 {
        let surplus = pages(&found.own).saturating_sub(small);
        found.huge_zero = take(&mut found.own, surplus / per_huge);
    }
    found.keep_swapped(listed.swapped / page_size);
    if pages(&found.swapped) == 0 && pages(&found.own) > small {
        (found.own, found.zero) = split_at(&found.own, small);
    }
}

#[cfg(test)]
mod tests;
