//! The page tables of a process, from `smaps` and `pagemap`.
//!
//! `smaps` is read once, for the flags and the huge pages that nothing else
//! tells of; it takes some 10 microseconds a VMA. All counts of entries come
//! from `pagemap`. Nothing here stops or changes the process.
//!
//! `VmPTE` is more than the tables found: by tables that have become empty, and
//! by one for each transparent huge page of anonymous memory, which the kernel
//! keeps in reserve for its splitting (mm/huge_memory.c, pgtable_trans_huge_deposit).
//!
//! Whether a VMA has an anon_vma is not shown by the kernel. It is taken to
//! have one if it holds an anonymous page, in memory or swapped out. One that
//! held such a page once and holds it no more, or that was split from one that
//! does, has an anon_vma too; a fork then copies what file entries it has.

use std::collections::BTreeMap;
use std::io;

use super::files::{Pagemap, ProcessFiles};
use super::levels::{Entries, Geometry};
use super::mappings::{Mapping, mappings};
use super::pages::{ENTRY_BYTES, EntrySource, Found, Page, Walk, visit_pages};
use super::{CensusError, apart, counts, own_tables, tree, vmas};
use crate::analysis::mappings::Fate;
use crate::model::{Counts, MappingContent, MappingKind, PageTables, SkipReason};
use crate::sys::memory::{WIDE_ADDRESS, has_wide_addresses};
use crate::sys::pagemap::huge_pages;

/// The page tables of a process, without the VMAs that begin in one of the
/// `instrument`'s address ranges, and if asked for with the tree below its
/// largest mapping or run of equal mappings.
pub fn page_tables(
    pid: i32,
    instrument: &[[usize; 2]],
    tree: bool,
) -> Result<PageTables, CensusError> {
    // Tables of all levels are gone through for low addresses too.
    let reach = if has_wide_addresses() {
        WIDE_ADDRESS as u64
    } else {
        0
    };
    page_tables_from(&ProcessFiles::of(pid), instrument, tree, reach)
}

fn page_tables_from(
    files: &ProcessFiles,
    instrument: &[[usize; 2]],
    with_tree: bool,
    least_end: u64,
) -> Result<PageTables, CensusError> {
    let vm_pte_bytes = files.standing()?.page_table_bytes;
    let smaps = files.listed("smaps")?;
    let page_size = procfs::page_size();
    let all = mappings(&smaps, None, page_size);
    let end = all.last().map_or(0, |last| last.vma.end_page) * page_size;
    let geometry = Geometry::of(page_size, end.max(least_end));
    let (left_out, mappings) = apart(all, instrument);

    let pagemap = files.pagemap()?;
    let walk = |mappings: &[Mapping<'_>]| {
        let zeros = |mapping: &Mapping<'_>| huge_zeros(&pagemap, mapping);
        walk(mappings, geometry, &pagemap, zeros).map_err(|error| pagemap.refuse(error))
    };
    let (entries, found) = walk(&mappings)?;
    let tree = match tree::subject(&mappings, &found, geometry).filter(|_| with_tree) {
        Some(run) => Some(tree::below(
            &mappings[run.clone()],
            &walk(&mappings[run])?.0,
        )),
        None => None,
    };
    Ok(PageTables {
        kinds: kinds(&mappings, &found),
        levels: entries.summary(),
        huge_entries: found.iter().map(|found| found.huge).sum(),
        vm_pte_bytes: vm_pte_bytes.saturating_sub(own_tables(&left_out) * page_size),
        tree,
    })
}

/// Whether the mapping has an anon_vma, as far as that is to be seen. Where
/// `smaps` tells, it knows better than `pagemap`, to which the zero page
/// looks like an anonymous one.
fn has_anon_vma(mapping: &Mapping<'_>, found: &Found) -> bool {
    let reach = procfs::page_size() / ENTRY_BYTES * procfs::page_size();
    // More than `smaps` counts are huge pages of zeros.
    let has_zeros = found.huge * reach > mapping.huge_bytes();
    let anon = match mapping.anonymous() {
        Some(anonymous) => anonymous || found.swapped > 0 || has_zeros,
        None => found.anon,
    };
    anon && mapping.vma.holds_anon || found.guards > 0
}

/// How often the huge page of zeros is mapped in a mapping.
fn huge_zeros(pagemap: &Pagemap, mapping: &Mapping<'_>) -> io::Result<u64> {
    let listed = mapping.listed;
    let size = procfs::page_size();
    let fan_out = size / ENTRY_BYTES;
    let may_have = mapping.vma.holds_anon && !listed.hugetlb && !listed.has_file();
    if !may_have || listed.end - listed.start < fan_out * size {
        return Ok(0);
    }
    let pages = huge_pages(pagemap.file(), listed.start, listed.end)?;
    Ok(pages.saturating_sub(mapping.huge_bytes() / size) / fan_out)
}

/// Pages of one huge page's reach that were found one after the other.
#[derive(Default)]
struct Stretch {
    mapping: usize,
    table: u64,
    pages: u64,
}

impl Stretch {
    /// Adds a page; true if the reach is complete.
    fn add(&mut self, mapping: usize, page: u64, capacity: u64) -> bool {
        let table = page / capacity;
        if (self.mapping, self.table) != (mapping, table) {
            *self = Self {
                mapping,
                table,
                pages: 0,
            };
        }
        self.pages += 1;
        self.pages == capacity
    }
}

/// Finds the entries of all mappings.
///
/// `pagemap` repeats the entry of a huge page for every base page of it, and
/// `smaps` says how many of them a mapping has, and the kernel's scan how many are of
/// zeros, but neither where. They are taken
/// for the first reaches that are wholly present; their number, and with it
/// that of the tables, is right wherever they are.
fn walk(
    mappings: &[Mapping<'_>],
    geometry: Geometry,
    source: impl EntrySource,
    zeros: impl Fn(&Mapping<'_>) -> io::Result<u64>,
) -> io::Result<(Entries, Vec<Found>)> {
    let vmas = vmas(mappings);
    let capacity = geometry.capacity();
    let leaf_levels: Vec<usize> = mappings
        .iter()
        .map(|mapping| match mapping.listed.hugetlb {
            true => geometry.leaf_level(mapping.listed.page_bytes),
            false => 0,
        })
        .collect();
    let reach = geometry.entry_reach(1);
    let each = mappings.iter();
    let transparent: Vec<u64> = each
        .map(|mapping| Ok(mapping.huge_bytes() / reach + zeros(mapping)?))
        .collect::<io::Result<_>>()?;
    let mut entries = Entries::new(geometry);
    let mut huge = vec![0; mappings.len()];
    let mut walk = Walk::over(mappings.len(), capacity);
    let mut stretch = Stretch::default();
    visit_pages(&vmas, source, capacity, |index, first_page, raw| {
        walk.pass(index, first_page, raw);
        let huge = &mut huge[index];
        let huge_pages = transparent[index];
        for (page, raw) in (first_page..).zip(raw) {
            let entry = Page::of(raw);
            if !entry.is_used() {
                continue;
            }
            if leaf_levels[index] > 0 {
                *huge += u64::from(entries.add_leaf(leaf_levels[index], page));
                continue;
            }
            entries.add_page(page);
            if *huge < huge_pages && entry.present && stretch.add(index, page, capacity) {
                entries.fold_last_table();
                *huge += 1;
            }
        }
    })?;
    let mut found = walk.end();
    for ((found, huge), leaf_level) in found.iter_mut().zip(huge).zip(leaf_levels) {
        fold(found, huge, leaf_level > 0, capacity);
    }
    Ok((entries, found))
}

/// Takes huge entries for what they are: not for so many present pages in page tables.
/// Of hugetlbfs there is nothing else.
fn fold(found: &mut Found, huge: u64, is_hugetlb: bool, capacity: u64) {
    found.huge = huge;
    if is_hugetlb {
        (found.present, found.swapped) = (0, 0);
        (found.tables, found.empty) = (0, 0);
    } else {
        found.present -= huge * capacity;
        found.tables = found.tables.saturating_sub(huge);
    }
}

/// Adds the mappings up by kind.
fn kinds(mappings: &[Mapping<'_>], found: &[Found]) -> Vec<MappingKind> {
    let mut kinds: BTreeMap<(MappingContent, &str), MappingKind> = BTreeMap::new();
    for (mapping, found) in mappings.iter().zip(found) {
        let has_anon_vma = has_anon_vma(mapping, found);
        let name = mapping.kind(has_anon_vma);
        let content = match mapping.content {
            MappingContent::Library => MappingContent::Program,
            MappingContent::ThreadStack => MappingContent::Stack,
            content => content,
        };
        let kind = kinds.entry((content, name)).or_insert_with(|| empty(name));
        let counts = counts(mapping, found, has_anon_vma);
        kind.mappings = kind.mappings.and(counts);
        fork(kind, mapping, &counts, found.guards, has_anon_vma);
    }
    kinds.into_values().collect()
}

fn empty(kind: &str) -> MappingKind {
    MappingKind {
        kind: kind.to_owned(),
        mappings: Counts::default(),
        copied: 0,
        skipped: 0,
        skip_reasons: Vec::new(),
    }
}

/// Adds what a fork makes of a mapping's entries.
fn fork(
    kind: &mut MappingKind,
    mapping: &Mapping<'_>,
    counts: &Counts,
    guards: u64,
    has_anon_vma: bool,
) {
    let base = counts.present_ptes + counts.swapped_ptes + guards;
    let huge = counts.huge_entries;
    let mut skip = |entries: u64, reason: SkipReason| {
        kind.skipped += entries;
        if entries > 0 && !kind.skip_reasons.contains(&reason) {
            kind.skip_reasons.push(reason);
            kind.skip_reasons.sort_unstable();
        }
    };
    match mapping.fate(has_anon_vma) {
        Fate::Skipped(reason) => skip(base + huge, reason),
        // A huge page of a file is never copied, since a fault finds it again
        // (mm/huge_memory.c, copy_huge_pmd).
        Fate::Copied if mapping.listed.huge_file > 0 => {
            skip(huge, SkipReason::NoAnonVma);
            kind.copied += base;
        }
        Fate::Copied => kind.copied += base + huge,
    }
}

#[cfg(test)]
pub(super) mod tests;
