//! Names of what a fork pays for, and of what was tried against it.

use crate::model::{
    FreeReason, LeftOutReason, MappingContent, RemedyBaseline, RemedyKind, RemedyVerdict, Rung,
    ShapeUnit,
};

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
    }
}

/// What is mapped, in a word.
pub(super) fn content(content: MappingContent) -> &'static str {
    match content {
        MappingContent::Program => "program",
        MappingContent::Library => "library",
        MappingContent::Heap => "heap",
        MappingContent::Stack => "stack",
        MappingContent::ThreadStack => "stacks",
        MappingContent::Anonymous => "anonymous",
        MappingContent::File => "file",
        MappingContent::SharedMemory => "shared",
        MappingContent::Hugetlb => "hugetlbfs",
        MappingContent::Kernel => "kernel",
    }
}

/// A unit of a fork, as the row of a table.
pub(super) fn unit(unit: ShapeUnit) -> &'static str {
    match unit {
        ShapeUnit::Vmas => "mappings",
        ShapeUnit::AnonVmas => "with own pages",
        ShapeUnit::Ptes => "PTEs",
        ShapeUnit::Tables => "page tables",
        ShapeUnit::HugeEntries => "huge pages",
        ShapeUnit::Descriptors => "open files",
        ShapeUnit::Threads => "threads",
    }
}

/// Memory that costs next to nothing, as the row of a table; and why it does.
pub(super) fn free(why: FreeReason) -> [&'static str; 2] {
    match why {
        FreeReason::Untouched => [
            "never touched",
            "page tables are there for pages that were touched, and a fork walks no others \
             (mm/memory.c, copy_page_range)",
        ],
        FreeReason::Shared => [
            "shared memory",
            "a fork leaves its page tables out, as the child's faults find the pages again \
             (mm/memory.c, vma_needs_copy)",
        ],
        FreeReason::FilePages => [
            "pages of files",
            "in a mapping without a page of its own there is no anon_vma, so that a fork leaves \
             its page tables out too (mm/memory.c, vma_needs_copy)",
        ],
        FreeReason::ZeroPages => [
            "the kernel's page of zeros",
            "it was read and never written to: without a page of its own a mapping has no \
             anon_vma (mm/memory.c, vma_needs_copy)",
        ],
        FreeReason::DontFork => [
            "left out of forks",
            "MADV_DONTFORK keeps the mapping out of every child (madvise(2); dup_mmap)",
        ],
        FreeReason::HugePages => [
            "in huge pages",
            "one entry of the next table maps hundreds of pages, and is copied as one \
             (mm/huge_memory.c, copy_huge_pmd)",
        ],
    }
}

/// Memory that costs next to nothing, in a sentence.
pub(super) fn free_of(why: FreeReason) -> &'static str {
    match why {
        FreeReason::Untouched => "of address space that was never touched",
        FreeReason::Shared => "of shared memory",
        FreeReason::FilePages => "of files' pages",
        FreeReason::ZeroPages => "of zeros",
        FreeReason::DontFork => "that forks leave out",
        FreeReason::HugePages => "in huge pages",
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

/// A remedy, as the row of a table.
pub(super) fn remedy(kind: RemedyKind) -> &'static str {
    match kind {
        RemedyKind::PosixSpawn => "posix_spawn",
        RemedyKind::Vfork => "vfork",
        RemedyKind::ForkServer => "a fork server",
        RemedyKind::DontFork => "MADV_DONTFORK",
        RemedyKind::HugePages => "huge pages",
        RemedyKind::HugeHeap => "huge pages of malloc",
        RemedyKind::NoHugePages => "no huge pages",
        RemedyKind::FewerDescriptors => "fewer open files",
        RemedyKind::Cloexec => "O_CLOEXEC",
        RemedyKind::CloseRange => "close_range in the child",
        RemedyKind::FewerThreads => "no other threads",
        RemedyKind::NoFilePages => "no pages of files",
        RemedyKind::StaticTarget => "a static program",
        RemedyKind::Prelink => "prelink",
        RemedyKind::Usevfork => "POSIX_SPAWN_USEVFORK",
        RemedyKind::ChildRunsFirst => "sched_child_runs_first",
        RemedyKind::BestForks => "together, with fork",
        RemedyKind::Best => "together, best of all",
    }
}

/// A remedy in full, for a sentence or a heading.
pub(super) fn remedy_in_full(kind: RemedyKind) -> &'static str {
    match kind {
        RemedyKind::PosixSpawn => "posix_spawn instead of fork",
        RemedyKind::Vfork => "vfork instead of fork",
        RemedyKind::ForkServer => "a fork server: a small process that spawns instead",
        RemedyKind::DontFork => "MADV_DONTFORK on the dearest mappings",
        RemedyKind::HugePages => "huge pages for heap and anonymous memory",
        RemedyKind::HugeHeap => "huge pages for what malloc manages",
        RemedyKind::NoHugePages => "no huge pages at all",
        RemedyKind::FewerDescriptors => "fewer open files",
        RemedyKind::Cloexec => "all open files closed by the exec (O_CLOEXEC)",
        RemedyKind::CloseRange => "close_range(2) in the child, before its exec",
        RemedyKind::FewerThreads => "no other threads, and no stacks of theirs",
        RemedyKind::NoFilePages => "pages of files no longer mapped",
        RemedyKind::StaticTarget => "a statically linked program to spawn",
        RemedyKind::Prelink => "a prelinked program to spawn",
        RemedyKind::Usevfork => "the flag POSIX_SPAWN_USEVFORK",
        RemedyKind::ChildRunsFirst => "kernel.sched_child_runs_first",
        RemedyKind::BestForks => "what helps a fork, together",
        RemedyKind::Best => "the best way to spawn, with what else helps it",
    }
}

/// What may be said of a remedy.
pub(super) fn verdict(verdict: RemedyVerdict) -> &'static str {
    match verdict {
        RemedyVerdict::Helps => "helps",
        RemedyVerdict::NoDifference => "none seen",
        RemedyVerdict::Harms => "harms",
    }
}

/// What a remedy is set against.
pub(super) fn baseline(against: RemedyBaseline) -> &'static str {
    match against {
        RemedyBaseline::Fork => "the fork",
        RemedyBaseline::PosixSpawn => "posix_spawn",
        RemedyBaseline::DynamicTarget => "the fork of a dynamic program",
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
