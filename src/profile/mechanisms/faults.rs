//! Rules for page faults. Sorted by mechanism.
//!
//! A fault that the CPU takes is a fault wherever it is taken, within execve
//! too: it is what the count of faults counts. Pages that exec takes for its
//! arguments by get_user_pages are none (mm/memory.c, mm_account_fault counts
//! those with registers only), and `exec` claims them.
//!
//! What a fault does before its cause is known (the exception, finding the VMA,
//! the walk of the tables) is the same for every cause and counts as entry to
//! the kernel; its rules stand in `machinery`.

use super::{Force, Rule};
use crate::model::Mechanism::{AnonFault, CowFault, FileFault, PteTeardown};

pub(super) const RULES: &[Rule] = &[
    // It tries to become the only user of the page, and drains this CPU's list of
    // pages to that end, which teardown does as well.
    Rule::of(
        CowFault,
        "mm/memory.c",
        &["do_wp_page", "wp_page_copy", "wp_page_reuse"],
    )
    .with(Force::TakesOver(&[PteTeardown])),
    Rule::of(
        CowFault,
        "mm/memory.c",
        &["wp_page_shared", "wp_pfn_shared", "__wp_page_copy_user"],
    ),
    Rule::of(CowFault, "mm/memory.c", &["wp_can_reuse_anon_folio"]).since("6.7"),
    Rule::of(CowFault, "mm/huge_memory.c", &["do_huge_pmd_wp_page"]),
    Rule::of(CowFault, "mm/hugetlb.c", &["hugetlb_cow"]).until("6.0"),
    Rule::of(CowFault, "mm/hugetlb.c", &["hugetlb_wp"]).since("6.1"),
    // A page that was swapped out is anonymous, and costs a page to come back.
    Rule::of(
        AnonFault,
        "mm/memory.c",
        &["do_anonymous_page", "do_swap_page"],
    ),
    Rule::of(AnonFault, "mm/memory.c", &["alloc_anon_folio"]).since("6.8"),
    Rule::of(
        AnonFault,
        "mm/huge_memory.c",
        &["do_huge_pmd_anonymous_page"],
    ),
    Rule::of(
        AnonFault,
        "mm/huge_memory.c",
        &["__do_huge_pmd_anonymous_page"],
    ),
    Rule::of(AnonFault, "mm/hugetlb.c", &["hugetlb_no_page"]),
    // A write to a private page of a file that is not mapped yet copies the page
    // (do_cow_fault), yet no fork has write-protected it: it is a file's fault.
    Rule::of(
        FileFault,
        "mm/memory.c",
        &[
            "do_fault",
            "do_read_fault",
            "do_cow_fault",
            "do_shared_fault",
            "do_fault_around",
            "__do_fault",
            "finish_fault",
        ],
    ),
    Rule::of(FileFault, "mm/memory.c", &["alloc_set_pte"]).until("5.11"),
    Rule::of(FileFault, "mm/memory.c", &["do_set_pte"])
        .since("5.12")
        .until("6.5"),
    Rule::of(FileFault, "mm/memory.c", &["set_pte_range"]).since("6.6"),
    Rule::of(
        FileFault,
        "mm/filemap.c",
        &["filemap_map_pages", "filemap_fault"],
    ),
    Rule::of(FileFault, "mm/filemap.c", &["next_uptodate_page"])
        .since("5.12")
        .until("6.2"),
    Rule::of(FileFault, "mm/filemap.c", &["next_uptodate_folio"]).since("6.3"),
    Rule::of(
        FileFault,
        "mm/filemap.c",
        &["filemap_map_folio_range", "filemap_map_order0_folio"],
    )
    .since("6.6"),
    Rule::of(FileFault, "mm/shmem.c", &["shmem_fault"]),
];
