//! What other files than the pagemap tell of the pages and mappings that were read.

use super::{Reading, runs};
use crate::analysis::replica::common;
use crate::lab::census::pages::ENTRY_BYTES;
use crate::model::{MappingContent, MappingFlag, ShapeMapping};

/// The pages of a mapping, counted from its start, that lie in `all`, and are its own. Of a
/// huge page all are copied if one is pinned (mm/huge_memory.c, `copy_huge_pmd`).
fn pinned(mapping: &ShapeMapping, all: &[[u64; 2]], per_huge: u64) -> Vec<[u64; 2]> {
    let base = mapping.first_page;
    let begin = all.partition_point(|[first, count]| first + count <= base);
    let here = all[begin..]
        .iter()
        .take_while(|[first, _]| *first < mapping.end_page());
    let here: Vec<[u64; 2]> = here
        .map(|[first, count]| {
            let from = (*first).max(base);
            [from - base, (first + count).min(mapping.end_page()) - from]
        })
        .collect();
    let small = common(&here, &mapping.own);
    let huge = common(&here, &mapping.huge)
        .into_iter()
        .map(|[first, count]| {
            let from = (base + first) / per_huge * per_huge;
            let to = (base + first + count).next_multiple_of(per_huge);
            [from - base, to - from]
        });
    joined_over(small.into_iter().chain(huge).collect())
}

/// Runs in order, those that overlap or touch as one.
fn joined_over(mut runs: Vec<[u64; 2]>) -> Vec<[u64; 2]> {
    runs.sort_unstable();
    let mut joined: Vec<[u64; 2]> = Vec::new();
    for [first, count] in runs {
        match joined.last_mut() {
            Some([from, many]) if first <= *from + *many => {
                *many = (*many).max(first + count - *from);
            }
            _ => joined.push([first, count]),
        }
    }
    joined
}

impl Reading {
    /// Whether userfaultfd watches some mapping; those are marked if it is told of forks.
    pub(super) fn mark_watched(&mut self, forks: bool) -> bool {
        let mappings = self.mappings.iter_mut();
        let mut any = false;
        for mapping in mappings.filter(|mapping| mapping.has(MappingFlag::Userfault)) {
            any = true;
            if forks {
                mapping.flags.push(MappingFlag::UserfaultForks);
                mapping.flags.sort_unstable();
            }
        }
        any
    }

    /// Marks the pages that buffers lie on as pinned, and says whether these are all that the
    /// kernel counts. A ring that was inherited lists those of the process that made it,
    /// which are more than this one's are.
    pub(super) fn mark_pins(&mut self, buffers: &[[u64; 2]], pinned_bytes: u64) -> bool {
        let page_size = procfs::page_size();
        let pages = |[start, len]: &[u64; 2]| {
            let first = start / page_size;
            [
                first,
                start.saturating_add(*len).div_ceil(page_size) - first,
            ]
        };
        let all = joined_over(buffers.iter().map(pages).collect());
        let mut marked = 0;
        for mapping in &mut self.mappings {
            mapping.pinned = pinned(mapping, &all, page_size / ENTRY_BYTES);
            marked += runs::pages(&mapping.pinned);
        }
        let counted = pinned_bytes / page_size;
        if marked > counted {
            self.mappings
                .iter_mut()
                .for_each(|mapping| mapping.pinned.clear());
            marked = 0;
        }
        // What came or went meanwhile is no pin of another kind.
        counted - marked <= counted / 20
    }

    /// Anonymous memory that a thread's stack pointer leads into is its stack. Of some
    /// languages' threads it is the heap, too; a fork in such a thread needs it.
    pub(super) fn mark_stacks(&mut self, pointers: &[u64]) {
        let page_size = procfs::page_size();
        for pointer in pointers {
            let page = pointer / page_size;
            let after = self
                .mappings
                .partition_point(|mapping| mapping.first_page <= page);
            let below = after.checked_sub(1).map(|index| &mut self.mappings[index]);
            if let Some(mapping) = below
                && page < mapping.end_page()
                && mapping.content == MappingContent::Anonymous
            {
                mapping.content = MappingContent::ThreadStack;
            }
        }
    }
}
