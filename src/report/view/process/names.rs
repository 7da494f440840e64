//! Names of what a fork pays for.

use crate::model::{FreeReason, LeftOutReason, MappingContent, Rung};

/// No name of mappings is longer than this in a table.
const LONGEST: usize = 30;

/// What stands for the part of a name that is left out.
const CUT: &str = "...";

/// A rung, as the row of a table.
pub(super) fn rung(rung: Rung) -> &'static str {
    match rung {
        Rung::Empty => "the fork itself",
        Rung::Beside => "open files, threads, handlers",
        Rung::Mappings => "mappings, nothing in them",
        Rung::AnonVmas => "anon_vmas: a page in each",
        Rung::Tables => "page tables: a page in each",
        Rung::HugePages => "huge pages",
        Rung::Pages => "PTEs: all other pages",
        Rung::Pinned => "pinned pages: copied at once",
    }
}

/// What the units of a rung are, where there is one kind.
pub(super) fn units(rung: Rung) -> Option<&'static str> {
    match rung {
        Rung::Empty | Rung::Beside => None,
        Rung::Mappings => Some("mapping"),
        Rung::AnonVmas => Some("anon_vma"),
        Rung::Tables => Some("page table"),
        Rung::HugePages => Some("huge page"),
        Rung::Pages => Some("PTE"),
        Rung::Pinned => Some("pinned page"),
    }
}

/// What is mapped: in a word of one name's mappings, and of all of a process.
pub(in crate::report::view) fn content(content: MappingContent) -> [&'static str; 2] {
    match content {
        MappingContent::Program => ["program", "program"],
        MappingContent::Library => ["library", "libraries"],
        MappingContent::Heap => ["heap", "heap"],
        MappingContent::Stack => ["stack", "stack"],
        MappingContent::ThreadStack => ["stacks", "thread stacks"],
        MappingContent::Anonymous => ["anonymous", "anonymous"],
        MappingContent::File => ["file", "files"],
        MappingContent::SharedMemory => ["shared", "shared memory"],
        MappingContent::Hugetlb => ["hugetlbfs", "hugetlbfs"],
        MappingContent::Kernel => ["kernel", "kernel's own"],
    }
}

/// Memory that costs next to nothing: as the row of a table, in a sentence, and why it
/// does.
pub(super) fn free(why: FreeReason) -> [&'static str; 3] {
    match why {
        FreeReason::Untouched => [
            "never touched",
            "of address space that was never touched",
            "page tables are there for pages that were touched, and a fork walks no others \
             (mm/memory.c, copy_page_range)",
        ],
        FreeReason::Shared => [
            "shared memory",
            "of shared memory",
            "a fork leaves its page tables out, as the child's faults find the pages again \
             (mm/memory.c, vma_needs_copy)",
        ],
        FreeReason::FilePages => [
            "pages of files",
            "of files' pages",
            "in a mapping without a page of its own there is no anon_vma, so that a fork leaves \
             its page tables out too (mm/memory.c, vma_needs_copy)",
        ],
        FreeReason::ZeroPages => [
            "the kernel's page of zeros",
            "of zeros",
            "it was read and never written to: without a page of its own a mapping has no \
             anon_vma (mm/memory.c, vma_needs_copy)",
        ],
        FreeReason::DontFork => [
            "left out of forks",
            "that forks leave out",
            "MADV_DONTFORK keeps the mapping out of every child (madvise(2); dup_mmap)",
        ],
    }
}

/// Why mappings are not rebuilt.
pub(super) fn left_out(why: LeftOutReason) -> &'static str {
    match why {
        LeftOutReason::Hugetlb => {
            "pages of hugetlbfs are set aside for their owner; what a fork of these costs is \
             missing here"
        }
        LeftOutReason::PageFrames => {
            "they map page frames of a device, which no worker can have; what a fork of these costs \
             is missing here"
        }
        LeftOutReason::Kernel => "made by the kernel, and a worker has its own",
    }
}

/// A name that fits its column: a path is shortened from the left, at a `/` where one
/// is near.
pub(super) fn short(name: &str) -> String {
    shortened(name, LONGEST)
}

/// The same for another length.
pub(super) fn shortened(name: &str, longest: usize) -> String {
    let length = name.chars().count();
    if length <= longest {
        return name.to_owned();
    }
    let keep = longest.saturating_sub(CUT.len());
    let end: String = name.chars().skip(length - keep).collect();
    // A whole part of the path reads better than a part of it, if enough is left.
    let at_slash = end.find('/').map(|at| &end[at..]);
    let at_slash = at_slash.filter(|end| end.chars().count() * 2 > keep);
    format!("{CUT}{}", at_slash.unwrap_or(&end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shortened_from_the_left() {
        assert_eq!(short("[heap]"), "[heap]");
        let path = "/usr/lib/x86_64-linux-gnu/libcrypto.so.3";
        assert_eq!(short(path), ".../libcrypto.so.3");
        let long = "/opt/a/a-library-with-a-very-long-name-of-its-own.so";
        let cut = short(long);
        assert!(cut.starts_with("...") && long.ends_with(&cut[3..]), "{cut}");
        assert_eq!(cut.len(), LONGEST);
        assert_eq!(shortened(&"\u{e9}".repeat(6), 5).chars().count(), 5);
    }
}
