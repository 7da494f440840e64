//! Rules for what serves every mechanism: the scheduler, control groups, the
//! way into and out of the kernel, interrupts, perf. Sorted by mechanism.

use super::{Force, Rule};
use crate::model::Mechanism::{Interrupt, MemoryCgroup, Perf, Scheduling, SystemCall};

pub(super) const RULES: &[Rule] = &[
    // Whatever the task that got the CPU finds to do here (freeing the one before
    // it, above all) was decided within; what led to the switch is no matter.
    Rule::of(
        Scheduling,
        "kernel/sched/core.c",
        &[
            "__schedule",
            "schedule",
            "preempt_schedule*",
            "schedule_tail",
        ],
    )
    .with(Force::Settles),
    // It runs with interrupts off until finish_task_switch enables them, so that
    // samples of the switch itself are found there.
    Rule::of(
        Scheduling,
        "kernel/sched/core.c",
        &[
            "finish_task_switch",
            "context_switch",
            "try_to_wake_up",
            "wake_up_new_task",
            "wake_up_process",
            "wake_up_state",
            "wake_up_q",
            "ttwu_*",
            "sched_fork",
            "__sched_fork",
            "sched_exec",
            "default_wake_function",
            "select_task_rq",
            "activate_task",
            "enqueue_task",
            "dequeue_task",
            "pick_next_task",
            "set_task_cpu",
            "raw_spin_rq_lock_nested",
        ],
    ),
    Rule::of(Scheduling, "kernel/sched/core.c", &["sched_post_fork"]).since("5.6"),
    Rule::of(Scheduling, "kernel/sched/core.c", &["sched_cgroup_fork"]).since("5.17"),
    Rule::of(
        Scheduling,
        "kernel/sched/fair.c",
        &[
            "select_task_rq_fair",
            "enqueue_task_fair",
            "dequeue_task_fair",
            "pick_next_task_fair",
            "task_fork_fair",
            "task_dead_fair",
            "update_load_avg",
            "newidle_balance",
            "sched_balance_newidle",
        ],
    ),
    Rule::of(
        Scheduling,
        "kernel/sched/wait.c, kernel/sched/completion.c",
        &[
            "__wake_up*",
            "complete",
            "complete_all",
            "wait_for_completion*",
            "__wait_for_common",
        ],
    ),
    Rule::of(Scheduling, "kernel/time/timer.c", &["schedule_timeout*"]),
    Rule::of(
        Scheduling,
        "arch/*/kernel/process*.c, arch/x86/entry/entry_64.S",
        &["__switch_to", "__switch_to_asm", "cpu_switch_to"],
    ),
    // The page counters, the stocks of each CPU, and the accounts of slab
    // objects and of pages, charged and given back.
    Rule::of(
        MemoryCgroup,
        "mm/memcontrol.c",
        &[
            "mem_cgroup_*",
            "__mem_cgroup_*",
            "memcg_*",
            "__memcg_*",
            "obj_cgroup_*",
            "try_charge",
            "get_mem_cgroup_from_mm",
            "consume_stock",
            "refill_stock",
            "drain_stock",
            "uncharge_batch",
            "uncharge_page",
            "cancel_charge",
            "commit_charge",
        ],
    ),
    Rule::of(
        MemoryCgroup,
        "mm/memcontrol.c",
        &[
            "consume_obj_stock",
            "refill_obj_stock",
            "drain_obj_stock",
            "get_obj_cgroup_from_current",
        ],
    )
    .since("5.9"),
    Rule::of(
        MemoryCgroup,
        "mm/memcontrol.c",
        &[
            "try_charge_memcg",
            "charge_memcg",
            "mod_memcg_*",
            "__mod_memcg_*",
            "uncharge_folio",
            "__count_memcg_events",
            "count_memcg_events",
        ],
    )
    .since("5.14"),
    Rule::of(
        MemoryCgroup,
        "mm/memcontrol.c",
        &[
            "current_obj_cgroup",
            "current_objcg_update",
            "__account_obj_stock",
        ],
    )
    .since("6.7"),
    Rule::of(MemoryCgroup, "mm/memcontrol-v1.c", &["memcg1_*"]).since("6.11"),
    Rule::of(MemoryCgroup, "mm/slub.c", &["alloc_slab_obj_exts"]).since("6.10"),
    Rule::of(MemoryCgroup, "mm/page_counter.c", &["page_counter_*"]),
    // Any system call that no rule of another mechanism names.
    Rule::of(
        SystemCall,
        "arch/x86/entry",
        &[
            "entry_SYSCALL_64",
            "entry_SYSCALL_64_after_hwframe",
            "entry_SYSRETQ_unsafe_stack",
            "do_syscall_64",
            "x64_sys_call",
            "syscall_return_via_sysret",
            "swapgs_restore_regs_and_return_to_usermode",
            "common_interrupt_return",
            "ret_from_fork",
            "ret_from_fork_asm",
            "entry_INT80_compat",
            "do_int80_emulation",
            "__x64_sys_*",
            "__ia32_sys_*",
            "__se_sys_*",
            "__do_sys_*",
            "ksys_*",
        ],
    ),
    Rule::of(
        SystemCall,
        "arch/x86/entry/common.c",
        &["syscall_return_slowpath", "syscall_slow_exit_work"],
    )
    .until("5.7"),
    Rule::of(
        SystemCall,
        "arch/arm64/kernel/syscall.c, arch/arm64/kernel/entry-common.c",
        &[
            "el0_svc",
            "el0_svc_common",
            "do_el0_svc",
            "invoke_syscall",
            "el0t_64_sync",
            "el0t_64_sync_handler",
            "el0_sync",
            "el0_sync_handler",
            "ret_to_user",
            "__arm64_sys_*",
        ],
    ),
    Rule::of(
        SystemCall,
        "arch/arm64/kernel/syscall.c",
        &["el0_svc_handler"],
    )
    .until("5.4"),
    Rule::of(
        SystemCall,
        "kernel/entry/common.c",
        &[
            "syscall_enter_from_user_mode*",
            "syscall_exit_to_user_mode*",
            "syscall_trace_enter",
        ],
    )
    .since("5.9"),
    // On the way back to user mode, be it from a system call or an interrupt,
    // the kernel sees to signals and to files that wait to be closed.
    Rule::of(
        SystemCall,
        "kernel/entry/common.c",
        &[
            "exit_to_user_mode_loop",
            "exit_to_user_mode_prepare",
            "irqentry_exit_to_user_mode",
        ],
    )
    .since("5.9")
    .with(Force::Settles),
    Rule::of(
        SystemCall,
        "arch/x86/entry/common.c",
        &["prepare_exit_to_usermode", "exit_to_usermode_loop"],
    )
    .until("5.8")
    .with(Force::Settles),
    Rule::of(
        SystemCall,
        "arch/arm64/kernel/signal.c",
        &["do_notify_resume"],
    )
    .with(Force::Settles),
    // A page fault, before or after its cause is known.
    Rule::of(SystemCall, "arch/x86/mm/fault.c", &["do_user_addr_fault"]),
    Rule::of(
        SystemCall,
        "arch/*/mm/fault.c",
        &["do_page_fault", "__do_page_fault"],
    ),
    Rule::of(SystemCall, "arch/x86/entry/entry_64.S", &["page_fault"]).until("5.7"),
    Rule::of(
        SystemCall,
        "arch/x86/mm/fault.c",
        &["asm_exc_page_fault", "exc_page_fault"],
    )
    .since("5.8"),
    Rule::of(
        SystemCall,
        "arch/x86/entry/entry_64.S",
        &["error_entry", "error_return", "paranoid_entry"],
    ),
    Rule::of(
        SystemCall,
        "arch/arm64/mm/fault.c, arch/arm64/kernel/entry-common.c",
        &[
            "do_mem_abort",
            "do_translation_fault",
            "el0_da",
            "el0_ia",
            "el1_abort",
            "el1h_64_sync",
            "el1h_64_sync_handler",
            "el1_sync",
            "el1_sync_handler",
        ],
    ),
    Rule::of(
        SystemCall,
        "mm/memory.c",
        &["handle_mm_fault", "__handle_mm_fault", "handle_pte_fault"],
    ),
    Rule::of(
        SystemCall,
        "mm/memory.c, since 6.17 mm/mmap_lock.c",
        &["lock_vma_under_rcu", "lock_mm_and_find_vma"],
    )
    .since("6.4"),
    Rule::of(
        Interrupt,
        "arch/x86/kernel/irq.c, arch/x86/include/asm/idtentry.h",
        &[
            "asm_sysvec_*",
            "sysvec_*",
            "__sysvec_*",
            "asm_common_interrupt",
            "common_interrupt",
            "__common_interrupt",
            "asm_exc_nmi",
            "exc_nmi",
            "default_do_nmi",
        ],
    )
    .since("5.8")
    .with(Force::TakesAll),
    Rule::of(
        Interrupt,
        "arch/x86/entry/entry_64.S, arch/x86/kernel/apic/apic.c",
        &[
            "apic_timer_interrupt",
            "reschedule_interrupt",
            "call_function_interrupt",
            "call_function_single_interrupt",
            "irq_work_interrupt",
            "ret_from_intr",
            "do_IRQ",
            "do_nmi",
            "smp_apic_timer_interrupt",
            "smp_call_function_single_interrupt",
            "smp_irq_work_interrupt",
        ],
    )
    .until("5.7")
    .with(Force::TakesAll),
    Rule::of(
        Interrupt,
        "arch/arm64/kernel/entry.S, arch/arm64/kernel/entry-common.c",
        &[
            "el1_irq",
            "el0_irq",
            "el1h_64_irq",
            "el1h_64_irq_handler",
            "el0t_64_irq",
            "el0t_64_irq_handler",
            "el1_interrupt",
            "el0_interrupt",
            "do_interrupt_handler",
            "gic_handle_irq",
        ],
    )
    .with(Force::TakesAll),
    Rule::of(
        Interrupt,
        "kernel/irq/irqdesc.c",
        &[
            "handle_domain_irq",
            "generic_handle_domain_irq",
            "__handle_domain_irq",
        ],
    )
    .with(Force::TakesAll),
    // Softirqs run where bottom halves are enabled again, too, in the midst of a
    // spawn. What they do then, freeing what earlier spawns left to RCU above
    // all, is the work of no frame around them.
    Rule::of(
        Interrupt,
        "kernel/softirq.c",
        &[
            "irq_exit",
            "do_softirq",
            "__do_softirq",
            "do_softirq_own_stack",
        ],
    )
    .with(Force::TakesAll),
    Rule::of(
        Interrupt,
        "kernel/softirq.c",
        &["irq_exit_rcu", "__irq_exit_rcu"],
    )
    .since("5.8")
    .with(Force::TakesAll),
    Rule::of(Interrupt, "kernel/softirq.c", &["handle_softirqs"])
        .since("6.10")
        .with(Force::TakesAll),
    Rule::of(
        Interrupt,
        "kernel/rcu/tree.c",
        &["rcu_core", "rcu_core_si", "rcu_do_batch"],
    )
    .with(Force::TakesAll),
    Rule::of(
        Interrupt,
        "kernel/smp.c, kernel/irq_work.c",
        &[
            "flush_smp_call_function_queue",
            "__flush_smp_call_function_queue",
            "generic_smp_call_function_single_interrupt",
            "irq_work_run",
            "irq_work_run_list",
        ],
    )
    .with(Force::TakesAll),
    Rule::of(
        Perf,
        "kernel/events/core.c",
        &[
            "perf_*",
            "__perf_*",
            "inherit_event",
            "inherit_group",
            "inherit_task_group",
            "ctx_sched_in",
            "ctx_sched_out",
            "event_sched_in",
            "event_sched_out",
            "task_clock_event_*",
            "cpu_clock_event_*",
        ],
    )
    .with(Force::TakesAll),
];
