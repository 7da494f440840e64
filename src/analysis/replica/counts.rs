//! What of a mapping a fork pays for.

use crate::analysis::mappings::{Fate, entries_per_table, fate, is_of_file};
use crate::model::{Counts, MappingContent, ShapeMapping, SkipReason};

/// Pages that a page table reaches, which is also how many a huge page has.
pub(in crate::analysis) fn fan_out(page_size: u64) -> u64 {
    entries_per_table(page_size).max(1)
}

/// Whether a fork gives the child this mapping.
pub(in crate::analysis) fn is_copied(mapping: &ShapeMapping) -> bool {
    fate(mapping) != Fate::Skipped(SkipReason::DontFork)
        && mapping.content != MappingContent::Kernel
}

/// Whether a fork copies the page-table entries of what is rebuilt of a mapping: only a
/// page of its own has it do so there.
pub(in crate::analysis) fn copies_entries(mapping: &ShapeMapping) -> bool {
    is_copied(mapping) && mapping.anon_vma && fate(mapping) == Fate::Copied
}

/// The pages in runs.
pub(in crate::analysis) fn pages(runs: &[[u64; 2]]) -> u64 {
    runs.iter().map(|[_, count]| count).sum()
}

/// The pinned pages whose contents a fork copies at once.
pub fn copied_at_once(mappings: &[ShapeMapping]) -> u64 {
    let copied = mappings
        .iter()
        .filter(|m| copies_entries(m) && !m.is_shared());
    let runs = copied.flat_map(|mapping| &mapping.pinned);
    // A stored shape may have been forged.
    runs.fold(0, |sum, [_, count]| sum.saturating_add(*count))
}

/// All base-page entries of a mapping, in ascending order, runs of several kinds
/// joined.
pub(in crate::analysis) fn entries(mapping: &ShapeMapping) -> Vec<[u64; 2]> {
    joined(&mapping.entries())
}

/// The runs that one entry of the next table maps for each huge page, of zeros or not.
pub(in crate::analysis) fn huge_runs(mapping: &ShapeMapping) -> Vec<[u64; 2]> {
    joined(&[&mapping.huge, &mapping.huge_zero])
}

/// The pages of ascending runs that are in others too.
pub fn common(runs: &[[u64; 2]], others: &[[u64; 2]]) -> Vec<[u64; 2]> {
    let mut common = Vec::new();
    let mut next = 0;
    for [first, count] in runs {
        let end = first + count;
        while others
            .get(next)
            .is_some_and(|[from, many]| from + many <= *first)
        {
            next += 1;
        }
        for [from, many] in others[next..].iter().take_while(|[from, _]| *from < end) {
            let (start, stop) = (*first.max(from), end.min(from + many));
            common.push([start, stop - start]);
        }
    }
    common
}

/// Runs of several kinds as one list.
pub(in crate::analysis) fn joined(lists: &[&[[u64; 2]]]) -> Vec<[u64; 2]> {
    let mut runs: Vec<[u64; 2]> = lists.concat();
    runs.sort_unstable();
    let mut joined: Vec<[u64; 2]> = Vec::with_capacity(runs.len());
    for [first, count] in runs {
        match joined.last_mut() {
            Some(last) if last[0] + last[1] == first => last[1] += count,
            _ => joined.push([first, count]),
        }
    }
    joined
}

/// Counts units over mappings in ascending order of address: a page table that two
/// mappings share is the first one's.
#[derive(Debug)]
pub(in crate::analysis) struct Counter {
    page_size: u64,
    fan_out: u64,
    /// The first page table that is not yet counted.
    next_table: u64,
}

impl Counter {
    pub(in crate::analysis) fn new(page_size: u64) -> Self {
        Self {
            page_size,
            fan_out: fan_out(page_size),
            next_table: 0,
        }
    }

    /// The units of the next mapping.
    pub(in crate::analysis) fn count(&mut self, mapping: &ShapeMapping) -> Counts {
        if mapping.content == MappingContent::Kernel {
            return Counts::default();
        }
        let shared = mapping.is_shared();
        let in_memory = joined(&[&mapping.own, &mapping.file, &mapping.zero]);
        let has = Counts {
            vmas: 1,
            mapped_bytes: mapping.pages.saturating_mul(self.page_size),
            present_ptes: pages(&in_memory),
            swapped_ptes: pages(&mapping.swapped),
            ..Counts::default()
        };
        if !is_copied(mapping) {
            // A fork has to take it out of its copy of the tree of mappings, which costs
            // as much as to copy one with nothing in it.
            return has;
        }
        let has = Counts {
            file_vmas: u64::from(is_of_file(mapping.content, shared)),
            shared_vmas: u64::from(shared),
            ..has
        };
        if !copies_entries(mapping) {
            return has;
        }
        let entries = entries(mapping);
        Counts {
            anon_vmas: 1,
            ptes: pages(&entries),
            empty_entries: self.empty_entries(mapping, &entries),
            tables: self.tables(mapping.first_page, &entries),
            huge_entries: pages(&huge_runs(mapping)) / self.fan_out,
            pinned_ptes: pages(&mapping.pinned),
            ..has
        }
    }

    /// The entries of a mapping that are empty, in the page tables where it has others.
    fn empty_entries(&self, mapping: &ShapeMapping, entries: &[[u64; 2]]) -> u64 {
        let mut reached = 0;
        let mut next = 0;
        for [first, count] in entries {
            let from = ((mapping.first_page + first) / self.fan_out).max(next);
            next = (mapping.first_page + first + count - 1) / self.fan_out + 1;
            if from < next {
                let start = mapping.first_page.max(from * self.fan_out);
                reached += mapping.end_page().min(next * self.fan_out) - start;
            }
        }
        reached - pages(entries)
    }

    /// The page tables that the entries lie in and that were not counted yet.
    fn tables(&mut self, first_page: u64, entries: &[[u64; 2]]) -> u64 {
        let mut tables = 0;
        for [first, count] in entries {
            let from = (first_page + first) / self.fan_out;
            let to = (first_page + first + count - 1) / self.fan_out;
            if to >= self.next_table {
                tables += to - from.max(self.next_table) + 1;
                self.next_table = to + 1;
            }
        }
        tables
    }
}

/// The page tables of the two lowest levels that all entries take, copied or not, where
/// the kernel has not said how many there are.
pub(in crate::analysis) fn tables(mappings: &[ShapeMapping], page_size: u64) -> u64 {
    let fan_out = fan_out(page_size);
    let mut lowest = Counter::new(page_size);
    let mut upper = Counter {
        page_size,
        fan_out: fan_out.saturating_mul(fan_out),
        next_table: 0,
    };
    let each = mappings.iter().map(|mapping| {
        let entries = entries(mapping);
        let all = joined(&[&entries, &huge_runs(mapping)]);
        let (first, next) = (mapping.first_page, &mut upper);
        lowest.tables(first, &entries) + next.tables(first, &all)
    });
    each.sum()
}

/// The units of all mappings together.
pub(in crate::analysis) fn total(mappings: &[ShapeMapping], page_size: u64) -> Counts {
    let mut counter = Counter::new(page_size);
    mappings.iter().map(|mapping| counter.count(mapping)).sum()
}
