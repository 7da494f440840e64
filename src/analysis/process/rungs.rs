//! The rungs: the mappings of a shape with fewer pages in them.

use crate::analysis::replica::counts::{copies_entries, entries, fan_out, huge_runs};
use crate::model::{Rung, ShapeMapping};

/// A mapping as a rung has it.
pub(super) fn on_rung(mapping: &ShapeMapping, rung: Rung, page_size: u64) -> ShapeMapping {
    let bare = || mapping.without_pages();
    let own_entries = || {
        let lists = [&mapping.own, &mapping.swapped, &mapping.guards];
        lists.iter().any(|runs| !runs.is_empty())
    };
    match rung {
        Rung::Empty | Rung::Beside | Rung::Mappings => bare(),
        Rung::Pages => ShapeMapping {
            pinned: Vec::new(),
            ..mapping.clone()
        },
        Rung::Pinned => mapping.clone(),
        _ if !copies_entries(mapping) => bare(),
        Rung::AnonVmas if own_entries() => with_pages(bare(), &first_own(mapping)),
        Rung::AnonVmas => bare(),
        // A mapping of huge pages alone comes with them.
        Rung::Tables if own_entries() => with_pages(bare(), &first_of_tables(mapping, page_size)),
        Rung::Tables => bare(),
        Rung::HugePages => {
            let base = if own_entries() {
                with_pages(bare(), &first_of_tables(mapping, page_size))
            } else {
                bare()
            };
            ShapeMapping {
                huge: mapping.huge.clone(),
                huge_zero: mapping.huge_zero.clone(),
                anon_vma: own_entries() || !huge_runs(mapping).is_empty(),
                ..base
            }
        }
    }
}

/// What stands in an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Own,
    File,
    Guard,
}

/// Pages and what their entries are.
type Chosen = Vec<(u64, Entry)>;

fn with_pages(mut bare: ShapeMapping, chosen: &Chosen) -> ShapeMapping {
    bare.anon_vma = true;
    for (page, entry) in chosen {
        let runs = match entry {
            Entry::Own => &mut bare.own,
            Entry::File => &mut bare.file,
            Entry::Guard => &mut bare.guards,
        };
        runs.push([*page, 1]);
    }
    bare
}

/// The first page of its own, or without any the first guard: either has the kernel set
/// up an `anon_vma`.
fn first_own(mapping: &ShapeMapping) -> Chosen {
    let first = |lists: &[&Vec<[u64; 2]>]| {
        let firsts = lists.iter().filter_map(|runs| runs.first());
        firsts.map(|[page, _]| *page).min()
    };
    let own = first(&[&mapping.own, &mapping.swapped]).map(|page| (page, Entry::Own));
    let guard = || first(&[&mapping.guards]).map(|page| (page, Entry::Guard));
    own.or_else(guard).into_iter().collect()
}

/// The first page in each page table. Where that is a file's, the mapping's first own
/// page is there besides, for without it nothing would be copied.
fn first_of_tables(mapping: &ShapeMapping, page_size: u64) -> Chosen {
    let fan_out = fan_out(page_size);
    let mut chosen = first_own(mapping);
    let mut next = 0;
    for [first, count] in entries(mapping) {
        let start = mapping.first_page + first;
        let from = (start / fan_out).max(next);
        let to = (start + count - 1) / fan_out;
        for table in from..=to {
            let page = (table * fan_out).max(start) - mapping.first_page;
            chosen.push((page, entry(mapping, page)));
            next = table + 1;
        }
    }
    chosen.sort_unstable();
    chosen.dedup_by_key(|(page, _)| *page);
    chosen
}

/// What a page is. One of zeros is taken for the mapping's own: there is no file behind
/// it.
fn entry(mapping: &ShapeMapping, page: u64) -> Entry {
    let is_in = |runs: &[[u64; 2]]| {
        let after = runs.partition_point(|[first, _]| *first <= page);
        let before = after.checked_sub(1).map(|at| runs[at]);
        before.is_some_and(|[first, count]| page - first < count)
    };
    if is_in(&mapping.file) {
        Entry::File
    } else if is_in(&mapping.guards) {
        Entry::Guard
    } else {
        Entry::Own
    }
}
