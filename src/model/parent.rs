//! What a process has that its spawns pay for: the one type that the census fills from
//! `/proc`, that documents store, and that fits, ladders and tables read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a set of mappings has of what a fork goes over: those of a process, of a kind,
/// of a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Counts {
    /// VMAs: lines of `/proc/PID/maps` without `[vsyscall]`.
    pub vmas: u64,
    /// Of them, private ones that hold at least one anonymous page, in memory or
    /// swapped out: the ones for which a fork sets up an `anon_vma`. In
    /// `/proc/PID/pagemap` such a page has bit 61 clear, and bit 63 (present) or 62
    /// (swapped) set (fs/proc/task_mmu.c, `pte_to_pagemap_entry`).
    ///
    /// The zero page, which a read of untouched memory maps, looks the same from
    /// outside and counts as an anonymous page where nothing tells it apart.
    pub anon_vmas: u64,
    /// Of the VMAs, private ones of a file.
    pub file_vmas: u64,
    /// Of the VMAs, shared ones.
    pub shared_vmas: u64,
    /// Bytes of address space that they take.
    pub mapped_bytes: u64,
    /// Present page-table entries of base pages: pages with bit 63 in
    /// `/proc/PID/pagemap`, without those that a huge page's one PMD entry stands for.
    pub present_ptes: u64,
    /// Page-table entries of pages that are swapped out or being migrated.
    pub swapped_ptes: u64,
    /// Of both, those that a fork copies. It leaves out the others, which a fault finds
    /// again (mm/memory.c, `vma_needs_copy`).
    pub ptes: u64,
    /// Empty entries of the VMAs that hold an anonymous page, in page tables where they
    /// have others that are not: a fork looks at them (mm/memory.c, `copy_pte_range`).
    pub empty_entries: u64,
    /// Page tables. Of a whole process all that the kernel counts below the top level
    /// but those that it keeps in reserve, one for each huge page; of a part of its
    /// mappings those of the lowest level that hold entries of theirs, of which a fork
    /// of a shape's mappings needs copies. What two mappings share is the first one's.
    pub tables: u64,
    /// Entries that map a huge page.
    pub huge_entries: u64,
    /// Pages that are pinned, whose contents a fork copies: of a process `VmPin`, of a
    /// part of its mappings those that are seen to be; absent without any.
    #[serde(default, skip_serializing_if = "crate::model::is_zero")]
    pub pinned_ptes: u64,
}

/// What a process has, a worker's own included. Of several workers each figure is the
/// median.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Parent {
    /// Its mappings.
    pub mappings: Counts,
    /// Of the present entries, those of private mappings without a page of their own:
    /// the code of programs and libraries, which the kernel maps by the dozen when one
    /// of them is needed (mm/memory.c, `do_fault_around`).
    pub file_ptes: u64,
    /// `VmPTE` of `/proc/PID/status`: the bytes of all page-table pages below the top
    /// level (PTE, PMD and PUD tables; `mm_pgtables_bytes`, include/linux/mm.h).
    pub page_table_bytes: u64,
    /// Resident memory: `Rss` of `/proc/PID/smaps_rollup`.
    pub resident_bytes: u64,
    /// Of it, mapped by huge pages: `AnonHugePages`, `ShmemPmdMapped` and
    /// `FilePmdMapped`.
    pub huge_bytes: u64,
    /// Open file descriptors: entries of `/proc/PID/fd`.
    pub descriptors: u64,
    /// Threads, the first included: `Threads` of `/proc/PID/status`.
    pub threads: u64,
}

impl Counts {
    /// Counts of which each is made by the same rule from a choice of field.
    pub fn by_field(rule: impl Fn(fn(&Self) -> u64) -> u64) -> Self {
        Self {
            vmas: rule(|c| c.vmas),
            anon_vmas: rule(|c| c.anon_vmas),
            file_vmas: rule(|c| c.file_vmas),
            shared_vmas: rule(|c| c.shared_vmas),
            mapped_bytes: rule(|c| c.mapped_bytes),
            present_ptes: rule(|c| c.present_ptes),
            swapped_ptes: rule(|c| c.swapped_ptes),
            ptes: rule(|c| c.ptes),
            empty_entries: rule(|c| c.empty_entries),
            tables: rule(|c| c.tables),
            huge_entries: rule(|c| c.huge_entries),
            pinned_ptes: rule(|c| c.pinned_ptes),
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::by_field(|of| of(&self).saturating_add(of(&other)))
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Self::and)
    }
}

impl Parent {
    /// The typical one of several that were built alike: each figure by its median.
    /// `None` of none.
    pub fn typical(parents: &[Self]) -> Option<Self> {
        let over = |pick: &dyn Fn(&Self) -> u64| middle(parents.iter().map(pick).collect());
        let other = |pick: fn(&Self) -> u64| over(&pick);
        (!parents.is_empty()).then(|| Self {
            mappings: Counts::by_field(|of| over(&|parent| of(&parent.mappings))),
            file_ptes: other(|p| p.file_ptes),
            page_table_bytes: other(|p| p.page_table_bytes),
            resident_bytes: other(|p| p.resident_bytes),
            huge_bytes: other(|p| p.huge_bytes),
            descriptors: other(|p| p.descriptors),
            threads: other(|p| p.threads),
        })
    }
}

/// The median of counts; of an even number of them the upper one. 0 of none.
pub fn middle(mut counts: Vec<u64>) -> u64 {
    counts.sort_unstable();
    counts.get(counts.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_has_a_median_of_its_own() {
        let parent = |vmas, threads| Parent {
            mappings: Counts {
                vmas,
                ..Counts::default()
            },
            threads,
            ..Parent::default()
        };
        let typical = Parent::typical(&[parent(3, 10), parent(1, 30), parent(2, 20)]);
        assert_eq!(typical, Some(parent(2, 20)));
        assert_eq!(Parent::typical(&[]), None);
        assert_eq!([middle(vec![5, 1, 3, 9]), middle(Vec::new())], [5, 0]);
    }

    #[test]
    fn counts_add_up_and_do_not_overflow() {
        let each = Counts::by_field(|_| 3);
        assert_eq!(
            [each, each].into_iter().sum::<Counts>(),
            Counts::by_field(|_| 6)
        );
        let most = Counts::by_field(|_| u64::MAX);
        assert_eq!(most.and(each), most);
    }
}
