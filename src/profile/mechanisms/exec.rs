//! Rules for execve, and for the end of a task. Sorted by mechanism.

use super::{Force, Rule};
use crate::model::Mechanism::{
    self, AnonFault, CowFault, ElfLoading, ExecSetup, ExitAndReap, FileFault, PteTeardown,
    SystemCall, TaskSetup,
};

/// Exec makes credentials, copies a file table and ends threads with functions
/// that are known from fork and exit.
const LENT: Force = Force::TakesOver(&[TaskSetup, ExitAndReap]);

/// A page for the arguments is taken as if it had faulted.
const TAKEN_PAGES: &[Mechanism] = &[AnonFault, CowFault, FileFault, SystemCall];

pub(super) const RULES: &[Rule] = &[
    Rule::of(
        ExecSetup,
        "fs/exec.c",
        &[
            "__x64_sys_execve",
            "__x64_sys_execveat",
            "__do_sys_execve",
            "__do_sys_execveat",
            "__se_sys_execve",
            "__arm64_sys_execve",
            "__arm64_sys_execveat",
            "do_execve",
            "do_execveat_common",
            "kernel_execve",
        ],
    )
    .with(LENT),
    Rule::of(
        ExecSetup,
        "fs/exec.c",
        &["__do_execve_file", "search_binary_handler"],
    )
    .until("5.7")
    .with(LENT),
    Rule::of(ExecSetup, "fs/exec.c", &["exec_binprm"]).with(LENT),
    Rule::of(ExecSetup, "fs/exec.c", &["alloc_bprm", "bprm_execve"])
        .since("5.9")
        .with(LENT),
    Rule::of(ExecSetup, "fs/exec.c", &["free_bprm"]).with(LENT),
    Rule::of(ExecSetup, "fs/exec.c", &["get_arg_page", "copy_strings"])
        .with(Force::TakesOver(TAKEN_PAGES)),
    Rule::of(ExecSetup, "fs/exec.c", &["copy_strings_kernel"])
        .until("5.8")
        .with(Force::TakesOver(TAKEN_PAGES)),
    Rule::of(ExecSetup, "fs/exec.c", &["copy_string_kernel"])
        .since("5.8")
        .with(Force::TakesOver(TAKEN_PAGES)),
    // Moving the stack to its place frees tables but no page.
    Rule::of(ExecSetup, "fs/exec.c", &["shift_arg_pages"])
        .until("6.10")
        .with(Force::TakesOver(&[PteTeardown])),
    Rule::of(
        ExecSetup,
        "mm/mmap.c, since 6.16 mm/vma_exec.c",
        &["relocate_vma_down"],
    )
    .since("6.11")
    .with(Force::TakesOver(&[PteTeardown])),
    Rule::of(
        ExecSetup,
        "fs/exec.c",
        &["flush_old_exec", "install_exec_creds"],
    )
    .until("5.7"),
    Rule::of(ExecSetup, "fs/exec.c", &["begin_new_exec"])
        .since("5.8")
        .with(LENT),
    Rule::of(
        ExecSetup,
        "fs/exec.c",
        &[
            "exec_mmap",
            "de_thread",
            "setup_new_exec",
            "setup_arg_pages",
            "finalize_exec",
            "would_dump",
            "bprm_mm_init",
            "prepare_bprm_creds",
            "bprm_creds_from_file",
        ],
    ),
    Rule::of(ExecSetup, "kernel/cred.c", &["prepare_exec_creds"]).with(LENT),
    Rule::of(ExecSetup, "kernel/fork.c", &["mm_alloc"]).with(LENT),
    Rule::of(ExecSetup, "fs/file.c", &["do_close_on_exec"]),
    Rule::of(ExecSetup, "security/security.c", &["security_bprm_*"]),
    Rule::of(ExecSetup, "fs/binfmt_elf.c", &["create_elf_tables"]),
    Rule::of(
        ExecSetup,
        "arch/x86/entry/vdso/vma.c, arch/arm64/kernel/vdso.c",
        &[
            "arch_setup_additional_pages",
            "__setup_additional_pages",
            "map_vdso",
            "map_vdso_randomized",
        ],
    ),
    Rule::of(
        ExecSetup,
        "arch/*/kernel/process.c",
        &[
            "flush_thread",
            "start_thread",
            "start_thread_common",
            "arch_setup_new_exec",
        ],
    ),
    Rule::of(
        ElfLoading,
        "fs/binfmt_elf.c",
        &[
            "load_elf_binary",
            "load_elf_phdrs",
            "elf_map",
            "set_brk",
            "load_elf_interp",
        ],
    ),
    Rule::of(ElfLoading, "fs/binfmt_elf.c", &["elf_read"]).since("5.2"),
    Rule::of(ElfLoading, "fs/binfmt_elf.c", &["elf_load"]).since("6.7"),
    // They look at the file and leave it to the next format.
    Rule::of(
        ElfLoading,
        "fs/binfmt_misc.c, fs/binfmt_script.c",
        &["load_misc_binary", "load_script"],
    ),
    Rule::of(
        ElfLoading,
        "fs/exec.c",
        &["do_open_execat", "open_exec", "prepare_binprm"],
    ),
    Rule::of(
        ElfLoading,
        "fs/read_write.c",
        &["kernel_read", "__kernel_read"],
    ),
    Rule::of(ExitAndReap, "kernel/exit.c", &["do_exit"]).with(Force::Settles),
    Rule::of(
        ExitAndReap,
        "kernel/exit.c",
        &[
            "do_group_exit",
            "exit_notify",
            "release_task",
            "wait_task_zombie",
            "wait_consider_task",
            "do_wait",
            "__do_wait",
            "kernel_wait4",
            "kernel_waitid",
            "put_task_struct_rcu_user",
        ],
    ),
    // What RCU frees later, in the midst of another spawn.
    Rule::of(
        ExitAndReap,
        "kernel/exit.c, kernel/cred.c, kernel/fork.c, kernel/pid.c",
        &[
            "delayed_put_task_struct",
            "put_cred_rcu",
            "__put_task_struct",
            "delayed_put_pid",
            "put_pid",
        ],
    )
    .with(Force::TakesAll),
    Rule::of(ExitAndReap, "kernel/fork.c", &["__put_task_struct_rcu_cb"])
        .since("6.5")
        .with(Force::TakesAll),
    Rule::of(
        ExitAndReap,
        "kernel/exit.c",
        &[
            "__x64_sys_exit",
            "__x64_sys_exit_group",
            "__x64_sys_wait4",
            "__x64_sys_waitid",
            "__do_sys_wait4",
            "__do_sys_waitid",
            "__arm64_sys_exit",
            "__arm64_sys_exit_group",
            "__arm64_sys_wait4",
            "__arm64_sys_waitid",
        ],
    ),
    Rule::of(ExitAndReap, "kernel/signal.c", &["do_notify_parent"]),
    Rule::of(
        ExitAndReap,
        "kernel/fork.c",
        &["free_task", "__mmdrop", "put_task_stack"],
    ),
];
