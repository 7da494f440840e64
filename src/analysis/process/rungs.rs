//! The rungs: the mappings of a shape with fewer pages in them.

use crate::analysis::replica::counts::{copies_entries, entries, fan_out};
use crate::model::{Rung, ShapeMapping};

/// A mapping as a rung has it.
pub(super) fn on_rung(mapping: &ShapeMapping, rung: Rung, page_size: u64) -> ShapeMapping {
    let bare = || mapping.without_pages();
    let own_pages = || !mapping.own.is_empty() || !mapping.swapped.is_empty();
    match rung {
        Rung::Empty | Rung::Beside | Rung::Mappings => bare(),
        Rung::Pages => mapping.clone(),
        _ if !copies_entries(mapping) => bare(),
        Rung::AnonVmas if own_pages() => with_pages(bare(), &first_own(mapping)),
        Rung::AnonVmas => bare(),
        // A mapping of huge pages alone comes with them.
        Rung::Tables if own_pages() => with_pages(bare(), &first_of_tables(mapping, page_size)),
        Rung::Tables => bare(),
        Rung::HugePages => {
            let base = if own_pages() {
                with_pages(bare(), &first_of_tables(mapping, page_size))
            } else {
                bare()
            };
            ShapeMapping {
                huge: mapping.huge.clone(),
                anon_vma: own_pages() || !mapping.huge.is_empty(),
                ..base
            }
        }
    }
}

/// A page and whether it is one of the mapping's own.
type Chosen = Vec<(u64, bool)>;

fn with_pages(mut bare: ShapeMapping, chosen: &Chosen) -> ShapeMapping {
    bare.anon_vma = true;
    for (page, is_own) in chosen {
        if *is_own {
            bare.own.push([*page, 1]);
        } else {
            bare.file.push([*page, 1]);
        }
    }
    bare
}

/// The first page of its own.
fn first_own(mapping: &ShapeMapping) -> Chosen {
    let lists = [&mapping.own, &mapping.swapped];
    let first = lists.into_iter().filter_map(|runs| runs.first()).min();
    first.map(|[page, _]| (*page, true)).into_iter().collect()
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
            chosen.push((page, !is_of_file(mapping, page)));
            next = table + 1;
        }
    }
    chosen.sort_unstable();
    chosen.dedup_by_key(|(page, _)| *page);
    chosen
}

/// Whether a page is a file's. One of zeros is taken for the mapping's own: there is
/// no file behind it.
fn is_of_file(mapping: &ShapeMapping, page: u64) -> bool {
    let after = mapping.file.partition_point(|[first, _]| *first <= page);
    let before = after.checked_sub(1).map(|at| mapping.file[at]);
    before.is_some_and(|[first, count]| page - first < count)
}
