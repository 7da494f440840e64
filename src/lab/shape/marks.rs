//! What other files than the pagemap tell of the pages and mappings that were read.

use super::{Reading, runs};
use crate::analysis::replica::common;
use crate::lab::census::pages::ENTRY_BYTES;
use crate::model::{MappingContent, MappingFlag, ShapeMapping};

/// The pages of a mapping, counted from its start, that lie in `all`, and are its own or, of
/// a shared one, there. Of a huge page all are copied if one is pinned (mm/huge_memory.c,
/// `copy_huge_pmd`).
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
    let there = match mapping.is_shared() {
        true => &mapping.file,
        false => &mapping.own,
    };
    let small = common(&here, there);
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
            let found = pinned(mapping, &all, page_size / ENTRY_BYTES);
            marked += runs::pages(&found);
            // A fork copies none of what is shared.
            if !mapping.is_shared() {
                mapping.pinned = found;
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::replica::copied_at_once;

    #[test]
    fn shared_pages_are_seen_to_be_pinned_and_no_fork_copies_them() {
        let page_size = procfs::page_size();
        let mapping = |first_page, permissions: &str| ShapeMapping {
            permissions: permissions.to_owned(),
            anon_vma: permissions.ends_with('p'),
            ..ShapeMapping::untouched(first_page, 100, MappingContent::Anonymous)
        };
        let mut reading = Reading {
            mappings: vec![
                ShapeMapping {
                    own: vec![[0, 100]],
                    ..mapping(1_000, "rw-p")
                },
                ShapeMapping {
                    file: vec![[0, 100]],
                    ..mapping(2_000, "rw-s")
                },
            ],
            resident_bytes: None,
            accounted: None,
            zeros_seen: true,
            frames_hidden: false,
        };
        let buffers = [1_000, 2_000].map(|page| [page * page_size, 40 * page_size]);
        assert!(reading.mark_pins(&buffers, 80 * page_size));
        assert_eq!(reading.mappings[0].pinned, [[0, 40]]);
        assert!(reading.mappings[1].pinned.is_empty());
        assert_eq!(copied_at_once(&reading.mappings), 40);
        reading.mappings[0].flags.push(MappingFlag::DontFork);
        assert_eq!(copied_at_once(&reading.mappings), 0);
        // Half of them are of another kind.
        assert!(!reading.mark_pins(&buffers, 160 * page_size));
    }
}
