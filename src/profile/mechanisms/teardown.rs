//! Rules for the end of an address space: entries, tables, VMAs, the TLB.
//! Sorted by mechanism.

use super::{Force, Rule};
use crate::model::Mechanism::{PageTableFreeing, PteTeardown, TlbFlush, VmaFreeing};

pub(super) const RULES: &[Rule] = &[
    Rule::of(
        PteTeardown,
        "mm/memory.c",
        &[
            "unmap_vmas",
            "unmap_single_vma",
            "unmap_page_range",
            "zap_p4d_range",
            "zap_pud_range",
            "zap_pmd_range",
            "zap_pte_range",
            "zap_page_range_single",
        ],
    ),
    Rule::of(
        PteTeardown,
        "mm/memory.c",
        &["zap_present_ptes", "zap_present_folio_ptes"],
    )
    .since("6.9"),
    Rule::of(
        PteTeardown,
        "mm/memory.c",
        &["zap_nonpresent_ptes", "do_zap_pte_range"],
    )
    .since("6.14"),
    Rule::of(
        PteTeardown,
        "mm/huge_memory.c",
        &["zap_huge_pmd", "zap_huge_pud"],
    ),
    Rule::of(
        PteTeardown,
        "mm/hugetlb.c",
        &[
            "__unmap_hugepage_range",
            "unmap_hugepage_range",
            "__unmap_hugepage_range_final",
        ],
    ),
    // The pages of the entries are released when a batch is full or the unmapping
    // is over; the page tables, in the same place, by tlb_remove_table's kin.
    Rule::of(
        PteTeardown,
        "mm/mmu_gather.c",
        &[
            "tlb_finish_mmu",
            "tlb_flush_mmu",
            "tlb_gather_mmu",
            "tlb_batch_pages_flush",
            "__tlb_remove_page_size",
        ],
    ),
    Rule::of(PteTeardown, "mm/mmu_gather.c", &["arch_tlb_finish_mmu"]).until("5.4"),
    Rule::of(PteTeardown, "mm/mmu_gather.c", &["tlb_gather_mmu_fullmm"]).since("5.12"),
    Rule::of(
        PteTeardown,
        "mm/mmu_gather.c",
        &["__tlb_batch_free_encoded_pages", "__tlb_remove_folio_pages"],
    )
    .since("6.9"),
    Rule::of(
        PteTeardown,
        "mm/swap_state.c",
        &["free_pages_and_swap_cache", "free_page_and_swap_cache"],
    ),
    // exit_mmap and unmap_region put pages that still wait on this CPU on their
    // lists, so that unmapping them finds them there.
    Rule::of(PteTeardown, "mm/swap.c", &["lru_add_drain"]),
    Rule::of(
        PageTableFreeing,
        "mm/memory.c",
        &[
            "free_pgd_range",
            "free_p4d_range",
            "free_pud_range",
            "free_pmd_range",
            "free_pte_range",
        ],
    ),
    Rule::of(PageTableFreeing, "mm/memory.c", &["ptlock_free"]),
    Rule::of(
        PageTableFreeing,
        "mm/pt_reclaim.c",
        &["free_pte", "try_to_free_pte", "try_get_and_clear_pmd"],
    )
    .since("6.14"),
    Rule::of(
        PageTableFreeing,
        "mm/mmu_gather.c",
        &[
            "tlb_remove_table",
            "tlb_table_flush",
            "tlb_remove_table_one",
            "tlb_remove_table_free",
            "__tlb_remove_table",
            "__tlb_remove_table_free",
        ],
    ),
    // What a spawn leaves to RCU is freed in the midst of a later one, where
    // bottom halves are enabled again. In a loop each spawn frees as much as it
    // leaves, so the work counts as what it is and not as an interrupt's.
    Rule::of(
        PageTableFreeing,
        "mm/mmu_gather.c",
        &["tlb_remove_table_rcu"],
    )
    .with(Force::TakesAll),
    Rule::of(
        PageTableFreeing,
        "arch/x86/mm/pgtable.c",
        &[
            "___pte_free_tlb",
            "___pmd_free_tlb",
            "___pud_free_tlb",
            "___p4d_free_tlb",
        ],
    ),
    Rule::of(
        PageTableFreeing,
        "arch/x86/mm/pgtable.c, arch/arm64/mm/pgd.c",
        &["pgd_free"],
    ),
    Rule::of(
        PageTableFreeing,
        "arch/x86/kernel/ldt.c",
        &["free_ldt_pgtables", "ldt_arch_exit_mmap"],
    ),
    // What exit_mmap does itself, and free_pgtables, is to walk the VMAs: tables
    // are freed in free_pgd_range, which is global and has a frame of its own.
    Rule::of(VmaFreeing, "mm/mmap.c", &["exit_mmap"]),
    Rule::of(VmaFreeing, "mm/memory.c", &["free_pgtables"]),
    Rule::of(
        VmaFreeing,
        "mm/mmap.c, since 6.12 mm/vma.c",
        &["remove_vma", "unlink_file_vma"],
    ),
    Rule::of(
        VmaFreeing,
        "mm/mmap.c, since 6.12 mm/vma.c",
        &[
            "unlink_file_vma_batch_init",
            "unlink_file_vma_batch_add",
            "unlink_file_vma_batch_process",
            "unlink_file_vma_batch_final",
        ],
    )
    .since("6.10"),
    Rule::of(
        VmaFreeing,
        "mm/rmap.c",
        &["unlink_anon_vmas", "__put_anon_vma"],
    ),
    Rule::of(
        VmaFreeing,
        "kernel/fork.c, since 6.16 mm/vma_init.c",
        &["vm_area_free"],
    ),
    Rule::of(VmaFreeing, "kernel/fork.c", &["__vm_area_free"])
        .since("6.4")
        .until("6.15"),
    Rule::of(
        VmaFreeing,
        "lib/maple_tree.c",
        &["__mt_destroy", "mt_destroy_walk"],
    )
    .since("6.1"),
    Rule::of(VmaFreeing, "kernel/fork.c", &["vm_area_free_rcu_cb"])
        .since("6.4")
        .with(Force::TakesAll),
    Rule::of(
        VmaFreeing,
        "lib/maple_tree.c",
        &["mt_free_rcu", "mt_free_walk"],
    )
    .since("6.1")
    .with(Force::TakesAll),
    Rule::of(
        TlbFlush,
        "arch/x86/mm/tlb.c",
        &[
            "flush_tlb_mm_range",
            "flush_tlb_func*",
            "flush_tlb_one_user",
            "do_flush_tlb_all",
            "native_flush_tlb*",
            "switch_mm",
            "switch_mm_irqs_off",
            "load_new_mm_cr3",
            "choose_new_asid",
            "enter_lazy_tlb",
            "leave_mm",
        ],
    ),
    Rule::of(
        TlbFlush,
        "arch/x86/kernel/kvm.c, arch/x86/hyperv/mmu.c, arch/x86/xen/mmu_pv.c",
        &["kvm_flush_tlb*", "hyperv_flush_tlb*", "xen_flush_tlb*"],
    ),
    Rule::of(
        TlbFlush,
        "include/asm-generic/tlb.h",
        &["tlb_flush_mmu_tlbonly"],
    ),
    Rule::of(TlbFlush, "mm/mmu_gather.c", &["tlb_remove_table_sync_one"]),
    Rule::of(
        TlbFlush,
        "arch/arm64/include/asm/tlbflush.h, arch/arm64/mm/context.c",
        &[
            "flush_tlb_mm",
            "flush_tlb_range",
            "__flush_tlb_range",
            "__flush_tlb_range_nosync",
            "check_and_switch_context",
            "cpu_do_switch_mm",
            "post_ttbr_update_workaround",
        ],
    ),
];
