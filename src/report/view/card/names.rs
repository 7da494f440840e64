//! What is charged for, in the words of a systems programmer.

use crate::model::{PriceKind, Term};

/// A term of a fork's price: in a table of its own, anywhere else, and the kernel's work
/// for it, in the call; and after it.
fn names(term: Term) -> [&'static str; 3] {
    match term {
        Term::Fixed => [
            "fixed",
            "the fork itself",
            "once a fork: a new task with an address space (copy_process), its exec, its end, \
             and the wait for it",
        ],
        Term::Vma => [
            "mapping",
            "mappings",
            "a VMA: copy it and put it into the tree (dup_mmap, vm_area_dup); take it out and \
             free it (exit_mmap, remove_vma)",
        ],
        Term::AnonVma => [
            "+ pages of its own",
            "mappings: pages of their own",
            "more for a mapping with pages that were written to: make an anon_vma and link it \
             with its parents (anon_vma_fork); unlink and free it (unlink_anon_vmas)",
        ],
        Term::FileVma => [
            "+ of a file",
            "mappings: of a file",
            "more for a private mapping of a file: hold the file and enter the VMA among \
             those that map it (dup_mmap); undo both (unlink_file_vma)",
        ],
        Term::SharedVma => [
            "+ shared",
            "mappings: shared",
            "the same for a shared mapping, whose page tables a fork does not copy \
             (vma_needs_copy)",
        ],
        Term::Pte => [
            "PTE",
            "PTEs",
            "a page-table entry: copy it, write-protect it, count its page \
             (copy_present_ptes); unmap the page again (zap_pte_range)",
        ],
        Term::EmptyEntry => [
            "empty entry",
            "empty entries",
            "an entry without a page beside them: look at it and pass it over, twice \
             (copy_pte_range, zap_pte_range)",
        ],
        Term::Table => [
            "page table",
            "page tables",
            "a page of page table: allocate, clear, link (pte_alloc_one); unlink and free it \
             (free_pgtables)",
        ],
        Term::HugeEntry => [
            "huge page",
            "huge pages",
            "an entry that maps a huge page: copy it, with a page table in reserve \
             (copy_huge_pmd); unmap it again (zap_huge_pmd)",
        ],
    }
}

/// A term of a fork's price.
pub(super) fn term(term: Term) -> &'static str {
    names(term)[0]
}

/// The same where no table stands around it.
pub(super) fn whole_term(term: Term) -> &'static str {
    names(term)[1]
}

/// The kernel's work for it, in the call; and after it.
pub(super) fn work(term: Term) -> &'static str {
    names(term)[2]
}

/// What else is charged for.
pub(super) fn kind(kind: PriceKind) -> &'static str {
    match kind {
        PriceKind::Spawn => "a spawn from an empty parent",
        PriceKind::Mapping => "mapping with a page",
        PriceKind::Descriptor => "descriptor",
        PriceKind::CloexecDescriptor => "descriptor, cloexec",
        PriceKind::Thread => "thread",
        PriceKind::Handler => "signal handler",
        PriceKind::RawExec => "exec and end of three instructions",
        PriceKind::StaticStart => "start of a static program, beyond that",
        PriceKind::Loader => "start of a dynamic one, beyond that",
        PriceKind::Variable => "environment variable",
        PriceKind::VariableByte => "byte of a variable",
        PriceKind::MinorFault => "first write to a page (minor fault)",
        PriceKind::ParentCopy => "parent's write while the child has the page (copy)",
        PriceKind::ParentReuse => "parent's write once the child is gone (reuse)",
        PriceKind::ChildCopy => "child's write to a page of its parent (copy)",
        PriceKind::Syscall => "system call",
        PriceKind::Cpuid => "cpuid",
    }
}
