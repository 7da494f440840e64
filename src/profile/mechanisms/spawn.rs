//! Rules for the making of a task: its structures and the copy of the address
//! space. Sorted by mechanism.

use super::Rule;
use crate::model::Mechanism::{
    AnonVma, PageTableAllocation, PageTableCopy, TaskSetup, VmaDuplication,
};

pub(super) const RULES: &[Rule] = &[
    Rule::of(
        TaskSetup,
        "kernel/fork.c",
        &[
            "copy_process",
            "dup_task_struct",
            "copy_files",
            "copy_fs",
            "copy_sighand",
            "copy_signal",
            "copy_mm",
            "mm_init",
        ],
    ),
    Rule::of(TaskSetup, "kernel/fork.c", &["_do_fork"]).until("5.9"),
    Rule::of(TaskSetup, "kernel/fork.c", &["kernel_clone"]).since("5.10"),
    Rule::of(
        TaskSetup,
        "kernel/fork.c",
        &[
            "__x64_sys_clone",
            "__x64_sys_clone3",
            "__x64_sys_fork",
            "__x64_sys_vfork",
            "__do_sys_clone",
            "__do_sys_clone3",
            "__do_sys_fork",
            "__do_sys_vfork",
            "__se_sys_clone",
            "__se_sys_clone3",
            "__arm64_sys_clone",
            "__arm64_sys_clone3",
        ],
    ),
    Rule::of(TaskSetup, "kernel/cred.c", &["copy_creds", "prepare_creds"]),
    Rule::of(TaskSetup, "fs/file.c", &["dup_fd"]),
    Rule::of(TaskSetup, "fs/fs_struct.c", &["copy_fs_struct"]),
    Rule::of(TaskSetup, "kernel/pid.c", &["alloc_pid"]),
    Rule::of(TaskSetup, "kernel/nsproxy.c", &["copy_namespaces"]),
    Rule::of(
        TaskSetup,
        "kernel/cgroup/cgroup.c",
        &["cgroup_can_fork", "cgroup_post_fork"],
    ),
    Rule::of(
        TaskSetup,
        "arch/*/kernel/process.c",
        &["arch_dup_task_struct", "copy_thread"],
    ),
    Rule::of(TaskSetup, "arch/x86/kernel/process.c", &["copy_thread_tls"]).until("5.10"),
    Rule::of(TaskSetup, "arch/x86/kernel/fpu/core.c", &["fpu__copy"]).until("5.14"),
    Rule::of(TaskSetup, "arch/x86/kernel/fpu/core.c", &["fpu_clone"]).since("5.15"),
    Rule::of(TaskSetup, "security/security.c", &["security_task_alloc"]),
    // Where dup_mmap is inlined, as it mostly was in kernel/fork.c, its loop
    // over the VMAs is in dup_mm, beside which the rest of dup_mm is nothing.
    Rule::of(
        VmaDuplication,
        "kernel/fork.c, since 6.16 mm/mmap.c",
        &["dup_mm", "dup_mmap"],
    ),
    Rule::of(
        VmaDuplication,
        "kernel/fork.c, since 6.16 mm/vma_init.c",
        &["vm_area_dup"],
    ),
    Rule::of(
        VmaDuplication,
        "fs/userfaultfd.c",
        &["dup_userfaultfd", "dup_userfaultfd_complete"],
    ),
    Rule::of(VmaDuplication, "mm/mempolicy.c", &["vma_dup_policy"]),
    Rule::of(VmaDuplication, "mm/internal.h", &["vma_iter_bulk_store"])
        .since("6.4")
        .until("6.7"),
    Rule::of(
        VmaDuplication,
        "lib/maple_tree.c",
        &["__mt_dup", "mtree_dup", "mas_dup_alloc", "mas_dup_build"],
    )
    .since("6.8"),
    Rule::of(
        AnonVma,
        "mm/rmap.c",
        &["anon_vma_fork", "anon_vma_clone", "__anon_vma_prepare"],
    ),
    Rule::of(
        AnonVma,
        "mm/mmap.c, since 6.12 mm/vma.c",
        &["find_mergeable_anon_vma"],
    ),
    Rule::of(
        AnonVma,
        "mm/memory.c",
        &["vmf_anon_prepare", "__vmf_anon_prepare"],
    )
    .since("6.7"),
    Rule::of(
        PageTableCopy,
        "mm/memory.c",
        &[
            "copy_page_range",
            "copy_p4d_range",
            "copy_pud_range",
            "copy_pmd_range",
            "copy_pte_range",
        ],
    ),
    Rule::of(PageTableCopy, "mm/memory.c", &["copy_one_pte"]).until("5.9"),
    Rule::of(
        PageTableCopy,
        "mm/memory.c",
        &["copy_nonpresent_pte", "copy_present_page"],
    )
    .since("5.9"),
    Rule::of(PageTableCopy, "mm/memory.c", &["copy_present_pte"])
        .since("5.9")
        .until("6.8"),
    Rule::of(
        PageTableCopy,
        "mm/memory.c",
        &["copy_present_ptes", "__copy_present_ptes"],
    )
    .since("6.9"),
    Rule::of(
        PageTableCopy,
        "mm/huge_memory.c",
        &["copy_huge_pmd", "copy_huge_pud"],
    ),
    Rule::of(PageTableCopy, "mm/hugetlb.c", &["copy_hugetlb_page_range"]),
    Rule::of(
        PageTableAllocation,
        "mm/memory.c",
        &["__pte_alloc", "__pmd_alloc", "__pud_alloc", "__p4d_alloc"],
    ),
    Rule::of(PageTableAllocation, "mm/memory.c", &["pmd_install"]).since("5.16"),
    Rule::of(PageTableAllocation, "mm/memory.c", &["ptlock_alloc"]),
    Rule::of(
        PageTableAllocation,
        "mm/mremap.c",
        &["alloc_new_pud", "alloc_new_pmd"],
    ),
    Rule::of(
        PageTableAllocation,
        "arch/x86/mm/pgtable.c, include/asm-generic/pgalloc.h",
        &[
            "pte_alloc_one",
            "pmd_alloc_one",
            "pud_alloc_one",
            "pgd_alloc",
            "preallocate_pmds",
        ],
    ),
];
