//! What a fork does with a mapping, by what its shape says.

use crate::model::{MappingFlag, ShapeMapping};

/// Bytes of a page-table entry on every 64-bit architecture.
const ENTRY_BYTES: u64 = 8;

/// What a fork does with a mapping and with the entries of its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The child has the mapping, and its entries are copied.
    Copied,
    /// The child has the mapping, and faults find its pages again.
    NotCopied,
    /// The child has the mapping without its pages (MADV_WIPEONFORK).
    Wiped,
    /// The child has no such mapping (MADV_DONTFORK).
    LeftOut,
}

/// What a fork does with a mapping (mm/mmap.c or kernel/fork.c, `dup_mmap`; mm/memory.c,
/// `vma_needs_copy`).
///
/// Of a mapping that userfaultfd watches the entries are taken to be copied. They are
/// where it is told of writes, and not where it is told of missing pages alone; the
/// shape does not tell these apart.
pub fn fate(mapping: &ShapeMapping) -> Fate {
    if mapping.has(MappingFlag::DontFork) {
        Fate::LeftOut
    } else if mapping.has(MappingFlag::WipeOnFork) {
        Fate::Wiped
    } else if mapping.anon_vma
        || mapping.has(MappingFlag::PageFrames)
        || mapping.has(MappingFlag::Userfault)
    {
        Fate::Copied
    } else {
        Fate::NotCopied
    }
}

/// Entries of a page table of the lowest level.
pub fn entries_per_table(page_size: u64) -> u64 {
    page_size / ENTRY_BYTES
}

/// How many page tables of the lowest level hold entries of these mappings that a fork
/// copies. Neighbours may share a table, which counts once.
pub fn copied_tables<'a>(mappings: impl Iterator<Item = &'a ShapeMapping>, page_size: u64) -> u64 {
    let reach = entries_per_table(page_size).max(1);
    let copied = mappings.filter(|mapping| fate(mapping) == Fate::Copied);
    let mut tables: Vec<[u64; 2]> = Vec::new();
    for mapping in copied {
        let lists = [&mapping.own, &mapping.file, &mapping.zero, &mapping.swapped];
        for [first, count] in lists.into_iter().flatten() {
            let first = mapping.first_page.saturating_add(*first);
            let last = first.saturating_add(count.saturating_sub(1));
            push(&mut tables, [first / reach, last / reach]);
        }
    }
    count_union(tables)
}

/// Adds a range, or widens the one before if they touch: lists of many short runs stay
/// short.
fn push(ranges: &mut Vec<[u64; 2]>, next: [u64; 2]) {
    match ranges.last_mut() {
        Some(last) if last[0] <= next[0] && next[0] <= last[1] + 1 => {
            last[1] = last[1].max(next[1]);
        }
        _ => ranges.push(next),
    }
}

/// How many numbers lie in at least one of the ranges.
fn count_union(mut ranges: Vec<[u64; 2]>) -> u64 {
    ranges.sort_unstable();
    let mut counted_to = 0;
    let mut count = 0;
    for [first, last] in ranges {
        let from = first.max(counted_to);
        let to = last + 1;
        count += to.saturating_sub(from);
        counted_to = counted_to.max(to);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::super::tests::mapping;
    use super::*;

    #[test]
    fn flags_decide_before_pages_do() {
        let with = |flags: &[MappingFlag], anon_vma| ShapeMapping {
            flags: flags.to_vec(),
            anon_vma,
            ..mapping(10, 4)
        };
        use MappingFlag::{DontFork, PageFrames, Userfault, WipeOnFork};
        assert_eq!(fate(&with(&[DontFork], true)), Fate::LeftOut);
        assert_eq!(fate(&with(&[WipeOnFork], true)), Fate::Wiped);
        assert_eq!(fate(&with(&[], true)), Fate::Copied);
        assert_eq!(fate(&with(&[], false)), Fate::NotCopied);
        assert_eq!(fate(&with(&[PageFrames], false)), Fate::Copied);
        assert_eq!(fate(&with(&[Userfault], false)), Fate::Copied);
    }

    #[test]
    fn tables_that_mappings_share_count_once() {
        let first = ShapeMapping {
            anon_vma: true,
            own: vec![[0, 1], [600, 500]],
            file: vec![[2, 1]],
            ..mapping(0, 2_000)
        };
        let second = ShapeMapping {
            anon_vma: true,
            own: vec![[0, 1]],
            ..mapping(2_000, 100)
        };
        let not_copied = ShapeMapping {
            file: vec![[0, 100]],
            ..mapping(10_000, 100)
        };
        // Tables 0, 1 and 2 of the first; 3 of the second.
        let all = [first, second, not_copied];
        assert_eq!(copied_tables(all.iter(), 4096), 4);
        assert_eq!(copied_tables(all[..1].iter(), 4096), 3);
        assert_eq!(copied_tables(all[2..].iter(), 4096), 0);
    }
}
