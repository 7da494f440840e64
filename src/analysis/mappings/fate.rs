//! What a fork does with a mapping.

use crate::model::{MappingFlag, ShapeMapping, SkipReason};

/// Bytes of a page-table entry on every 64-bit architecture.
const ENTRY_BYTES: u64 = 8;

/// What a fork does with the entries of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The child has the mapping, and its entries are copied.
    Copied,
    /// They are left out, for this reason; with MADV_DONTFORK so is the mapping.
    Skipped(SkipReason),
}

/// What a fork does with a mapping of these flags (mm/mmap.c or kernel/fork.c,
/// `dup_mmap`; mm/memory.c, `vma_needs_copy` and `copy_page_range`).
///
/// Of a mapping whose writes userfaultfd is told of the entries are copied if it is told of
/// forks too; else the child is not watched, and has no need of them (fs/userfaultfd.c,
/// `dup_userfaultfd`). Kernels before 6.0 copy the entries of shared hugetlbfs mappings as
/// well.
pub fn fate_of(flags: &[MappingFlag], shared: bool, anon_vma: bool) -> Fate {
    let has = |flag| flags.contains(&flag);
    // A fault could not find these again, or would not know their protection.
    let watched = || has(MappingFlag::UserfaultWrites) && has(MappingFlag::UserfaultForks);
    let always = || has(MappingFlag::PageFrames) || watched();
    if has(MappingFlag::DontFork) {
        Fate::Skipped(SkipReason::DontFork)
    } else if has(MappingFlag::WipeOnFork) {
        Fate::Skipped(SkipReason::WipeOnFork)
    } else if anon_vma || always() {
        Fate::Copied
    } else if shared {
        Fate::Skipped(SkipReason::Shared)
    } else {
        Fate::Skipped(SkipReason::NoAnonVma)
    }
}

/// The same of a mapping of a shape.
pub fn fate(mapping: &ShapeMapping) -> Fate {
    fate_of(&mapping.flags, mapping.is_shared(), mapping.anon_vma)
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
        for [first, count] in mapping.entries().into_iter().flatten() {
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
    use super::*;
    use crate::analysis::shape::tests::mapping;

    #[test]
    fn flags_decide_before_pages_do() {
        let with = |flags: &[MappingFlag], anon_vma| ShapeMapping {
            flags: flags.to_vec(),
            anon_vma,
            ..mapping(10, 4)
        };
        use MappingFlag::{
            DontFork, PageFrames, Userfault, UserfaultForks, UserfaultWrites, WipeOnFork,
        };
        let skipped = Fate::Skipped;
        assert_eq!(
            fate(&with(&[DontFork], true)),
            skipped(SkipReason::DontFork)
        );
        assert_eq!(
            fate(&with(&[PageFrames, DontFork], true)),
            skipped(SkipReason::DontFork)
        );
        assert_eq!(
            fate(&with(&[WipeOnFork], true)),
            skipped(SkipReason::WipeOnFork)
        );
        assert_eq!(fate(&with(&[], true)), Fate::Copied);
        assert_eq!(fate(&with(&[], false)), skipped(SkipReason::NoAnonVma));
        assert_eq!(fate(&with(&[PageFrames], false)), Fate::Copied);
        let told = [Userfault, UserfaultWrites, UserfaultForks];
        assert_eq!(fate(&with(&told, false)), Fate::Copied);
        assert_eq!(
            fate(&with(&told[..2], false)),
            skipped(SkipReason::NoAnonVma)
        );
        assert_eq!(
            fate(&with(&[Userfault], false)),
            skipped(SkipReason::NoAnonVma)
        );
        assert_eq!(fate_of(&[], true, false), skipped(SkipReason::Shared));
        assert_eq!(fate_of(&[PageFrames], true, false), Fate::Copied);
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
