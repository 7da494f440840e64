//! What an address space's page tables hold, and what a fork makes of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Counts;

/// Page tables as `/proc/PID/maps`, `smaps`, `pagemap` and `status` show them, without
/// what belongs to the instrument.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct PageTables {
    /// Mappings by kind.
    pub kinds: Vec<MappingKind>,
    /// Tables by level, the one of the PTEs first.
    pub levels: Vec<TableLevel>,
    /// Entries that map a huge page.
    pub huge_entries: u64,
    /// `VmPTE` of `/proc/PID/status`: the kernel's own count of all tables below the
    /// top, in bytes; with those that have become empty, and one in reserve for each
    /// huge page of anonymous memory (mm/huge_memory.c, `pgtable_trans_huge_deposit`).
    pub vm_pte_bytes: u64,
    /// The tree below one mapping, if it was asked for.
    pub tree: Option<Tree>,
}

/// The mappings of one kind.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct MappingKind {
    /// What they are, for people: "heap", "stack", "anonymous", "program and libraries,
    /// written to", ...
    pub kind: String,
    /// What they have; of hugetlbfs only huge entries.
    pub mappings: Counts,
    /// Entries that a fork copies: present, swapped and huge ones.
    pub copied: u64,
    /// Entries that it leaves out.
    pub skipped: u64,
    /// Why, where it leaves some out.
    pub skip_reasons: Vec<SkipReason>,
}

/// Why a fork leaves the entries of a mapping out (mm/memory.c, vma_needs_copy).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// A private mapping that never held an anonymous page, or a huge page of a file
    /// (mm/huge_memory.c, `copy_huge_pmd`): a fault finds its pages again.
    NoAnonVma,
    /// A shared mapping: a fault finds its pages again.
    Shared,
    /// MADV_DONTFORK: the child does not get the mapping (`dup_mmap`, in kernel/fork.c,
    /// since Linux 6.16 mm/mmap.c).
    DontFork,
    /// MADV_WIPEONFORK: the child gets the mapping empty (`dup_mmap` too).
    WipeOnFork,
}

/// A level of the page-table tree.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Page table: its entries map pages.
    Pte,
    /// Page middle directory.
    Pmd,
    /// Page upper directory.
    Pud,
    /// Fourth-level directory, where there are five levels.
    P4d,
    /// Page global directory: the root.
    Pgd,
}

/// The tables of one level.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct TableLevel {
    /// Which.
    pub level: Level,
    /// Tables that hold at least one entry in use.
    pub tables: u64,
    /// Entries in use in all of them.
    pub used: u64,
    /// Entries of one table.
    pub capacity: u64,
}

/// The page-table tree below one mapping.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Tree {
    /// The mapping, as `/proc/PID/maps` has it: "7f00-7f10 rw-p `[heap]`"; or the
    /// run of equal mappings: "1,000 mappings of 4 KiB between 7f00 and 7f10,
    /// rw-p".
    pub mapping: String,
    /// The root.
    pub root: TreeNode,
}

/// A table and those below it.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct TreeNode {
    /// The table's level.
    pub level: Level,
    /// The first address that it translates.
    pub start: u64,
    /// Entries in use for this mapping.
    pub used: u64,
    /// The first tables below; at most eight.
    pub below: Vec<TreeNode>,
    /// Tables below that are not listed.
    pub more: u64,
}
