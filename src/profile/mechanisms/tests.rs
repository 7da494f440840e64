//! The rules on their own terms, on chains as the sources have them, and on
//! captures.

use std::collections::{BTreeMap, HashSet};

use super::super::symbols::plain;
use super::*;
use crate::model::Mechanism::*;

/// What a chain counts as, given outermost first as flame graphs have it.
fn judged(chain: &str) -> Mechanism {
    let frames: Vec<&str> = chain.split(';').map(plain).collect();
    judge(frames.iter().rev().map(|frame| rule_of(frame)))
}

#[test]
fn no_name_is_in_two_rules_and_each_has_its_source() {
    let mut seen = HashSet::new();
    for rule in rules() {
        assert!(!rule.symbols.is_empty());
        assert!(rule.source.contains('/'), "{rule:?}");
        for version in [rule.since, rule.until] {
            let parts: Vec<&str> = version.split('.').collect();
            let number = |part: &&str| part.parse::<u8>().is_ok();
            assert!(
                version.is_empty() || parts.len() == 2 && parts.iter().all(number),
                "{rule:?}"
            );
        }
        for symbol in rule.symbols {
            assert!(seen.insert(*symbol), "{symbol} is in two rules");
            assert_eq!(plain(symbol), *symbol, "{symbol} has a suffix");
        }
    }
}

#[test]
fn each_table_is_sorted_by_mechanism() {
    for table in [
        spawn::RULES,
        teardown::RULES,
        faults::RULES,
        exec::RULES,
        machinery::RULES,
    ] {
        let mut order: Vec<Mechanism> = table.iter().map(|rule| rule.mechanism).collect();
        order.dedup();
        let distinct: HashSet<Mechanism> = order.iter().copied().collect();
        assert_eq!(order.len(), distinct.len(), "{order:?}");
    }
}

#[test]
fn every_mechanism_but_the_two_without_functions_has_a_rule() {
    let ruled: HashSet<Mechanism> = rules().map(|rule| rule.mechanism).collect();
    for mechanism in Mechanism::ALL {
        let without = matches!(mechanism, UserMode | Other);
        assert_eq!(ruled.contains(&mechanism), !without, "{mechanism:?}");
    }
}

#[test]
fn the_longest_beginning_counts_and_a_whole_name_before_any() {
    let mechanism = |name| rule_of(name).map(|rule| rule.mechanism);
    assert_eq!(mechanism("__x64_sys_munmap"), Some(SystemCall));
    assert_eq!(mechanism("__x64_sys_execve"), Some(ExecSetup));
    assert_eq!(mechanism("native_flush_tlb_one_user"), Some(TlbFlush));
    assert_eq!(mechanism("clear_page_erms"), None);
}

#[test]
fn chains_of_other_versions_and_arm64_are_known() {
    let sys = "entry_SYSCALL_64_after_hwframe;do_syscall_64";
    for (chain, mechanism) in [
        // 5.4, where dup_mmap is inlined.
        (
            "_do_fork;copy_process;dup_mm;copy_page_range;copy_one_pte",
            PageTableCopy,
        ),
        (
            "_do_fork;copy_process.part.0;dup_mm;anon_vma_fork;kmem_cache_alloc",
            AnonVma,
        ),
        (
            "__do_execve_file.isra.0;search_binary_handler;load_elf_binary;flush_old_exec",
            ExecSetup,
        ),
        (
            "apic_timer_interrupt;smp_apic_timer_interrupt;irq_exit;__do_softirq",
            Interrupt,
        ),
        (
            "page_fault;do_page_fault;__handle_mm_fault;do_wp_page;wp_page_copy",
            CowFault,
        ),
        // 5.10 to 6.8.
        (
            "kernel_clone;copy_process;dup_mm;copy_page_range;copy_present_pte",
            PageTableCopy,
        ),
        (
            "exit_mmap;unmap_vmas;unmap_page_range;zap_pte_range.isra.0",
            PteTeardown,
        ),
        (
            "exit_mmap;tlb_finish_mmu;tlb_batch_pages_flush;release_pages",
            PteTeardown,
        ),
        (
            "exit_mmap;free_pgtables;free_pgd_range;free_p4d_range",
            PageTableFreeing,
        ),
        (
            "dup_mmap;copy_page_range;copy_p4d_range;__pte_alloc;pte_alloc_one;clear_page_rep",
            PageTableAllocation,
        ),
        // arm64.
        (
            "el0t_64_sync;el0t_64_sync_handler;el0_svc;do_el0_svc;invoke_syscall;__arm64_sys_clone;kernel_clone",
            TaskSetup,
        ),
        (
            "el0t_64_sync;el0t_64_sync_handler;el0_da;do_mem_abort;do_page_fault;handle_mm_fault;do_anonymous_page",
            AnonFault,
        ),
        ("el0_svc;invoke_syscall;__arm64_sys_getpid", SystemCall),
        (
            "copy_process;el1h_64_irq;el1h_64_irq_handler;el1_interrupt;gic_handle_irq",
            Interrupt,
        ),
    ] {
        assert_eq!(judged(&format!("{sys};{chain}")), mechanism, "{chain}");
    }
}

#[test]
fn context_decides_where_a_name_does_not() {
    for (chain, mechanism) in [
        ("copy_process;prepare_creds", TaskSetup),
        (
            "do_execveat_common;bprm_execve;prepare_exec_creds;prepare_creds",
            ExecSetup,
        ),
        (
            "do_execveat_common;alloc_bprm;mm_alloc;mm_init;pgd_alloc",
            PageTableAllocation,
        ),
        (
            "do_execveat_common;copy_strings;get_arg_page;__get_user_pages;handle_mm_fault;do_anonymous_page",
            ExecSetup,
        ),
        (
            "do_execveat_common;copy_strings;get_arg_page;__get_user_pages;handle_mm_fault",
            ExecSetup,
        ),
        (
            "load_elf_binary;clear_user;asm_exc_page_fault;handle_mm_fault;do_anonymous_page",
            AnonFault,
        ),
        (
            "asm_exc_page_fault;exc_page_fault;handle_mm_fault",
            SystemCall,
        ),
        (
            "setup_arg_pages;relocate_vma_down;tlb_finish_mmu",
            ExecSetup,
        ),
        (
            "exit_mmap;tlb_finish_mmu;tlb_remove_table_rcu",
            PageTableFreeing,
        ),
        ("asm_exc_page_fault;do_wp_page;lru_add_drain", CowFault),
        (
            "dup_mmap;vm_area_dup;kmem_cache_alloc_noprof;__memcg_slab_post_alloc_hook",
            MemoryCgroup,
        ),
        (
            "copy_process;perf_event_init_task;inherit_event;kmem_cache_alloc_noprof;__memcg_slab_post_alloc_hook",
            Perf,
        ),
        (
            "copy_process;fpu_clone;do_softirq;rcu_core;rcu_do_batch;delayed_put_task_struct;perf_event_free_task",
            Perf,
        ),
        (
            "copy_process;fpu_clone;do_softirq;rcu_core;rcu_do_batch;tlb_remove_table_rcu",
            PageTableFreeing,
        ),
        (
            "copy_process;fpu_clone;do_softirq;rcu_core;rcu_do_batch;put_cred_rcu",
            ExitAndReap,
        ),
        (
            "copy_process;fpu_clone;do_softirq;rcu_core;rcu_do_batch;rcu_cblist_dequeue",
            Interrupt,
        ),
        (
            "kernel_wait4;do_wait;schedule;__schedule;finish_task_switch;_raw_spin_unlock_irq",
            Scheduling,
        ),
        (
            "kernel_wait4;do_wait;schedule;__schedule;finish_task_switch;__mmdrop;pgd_free",
            PageTableFreeing,
        ),
        (
            "do_execveat_common;sysvec_reschedule_ipi;preempt_schedule_irq;__schedule",
            Scheduling,
        ),
        ("do_execveat_common;do_exit;release_task", ExitAndReap),
        (
            "sysvec_apic_timer_interrupt;irqentry_exit_to_user_mode;do_exit;exit_mmap;unmap_vmas",
            PteTeardown,
        ),
        ("nobody_knows;me", Other),
    ] {
        assert_eq!(judged(chain), mechanism, "{chain}");
    }
}

/// A capture's shares by mechanism. The captures are from a loop of spawns in a
/// KVM guest with Linux 6.18 (`perf record -a -g -e cpu-clock`): every n-th
/// sample of the parent, in which so many mappings of one dirty page lay, and of
/// its children.
fn shares(capture: &str) -> BTreeMap<Mechanism, f64> {
    let mut shares: BTreeMap<Mechanism, f64> = BTreeMap::new();
    let mut total = 0.0;
    for line in capture.lines() {
        let (stack, samples) = line.rsplit_once(' ').unwrap();
        let samples: f64 = samples.parse().unwrap();
        let mechanism = match stack.split_once(';') {
            Some((_, chain)) => judged(chain),
            None => UserMode,
        };
        *shares.entry(mechanism).or_default() += samples;
        total += samples;
    }
    for share in shares.values_mut() {
        *share /= total;
    }
    println!("{shares:.3?}");
    shares
}

/// What a fork copies and its child tears down.
const OF_THE_COPY: [Mechanism; 6] = [
    VmaDuplication,
    AnonVma,
    PageTableCopy,
    PteTeardown,
    VmaFreeing,
    MemoryCgroup,
];

fn sum(shares: &BTreeMap<Mechanism, f64>, these: &[Mechanism]) -> f64 {
    these.iter().filter_map(|m| shares.get(m)).sum()
}

#[test]
fn a_fork_of_many_mappings_copies_them_and_tears_them_down() {
    for (capture, least) in [
        (
            include_str!("../../../tests/data/profile/fork-1000.folded"),
            0.85,
        ),
        (
            include_str!("../../../tests/data/profile/fork-10000.folded"),
            0.92,
        ),
    ] {
        let shares = shares(capture);
        assert!(sum(&shares, &OF_THE_COPY) > least, "{shares:?}");
        for mechanism in OF_THE_COPY {
            assert!(shares[&mechanism] > 0.05, "{mechanism:?} of {shares:?}");
        }
        assert!(sum(&shares, &[Other]) < 0.05, "{shares:?}");
        assert!(sum(&shares, &[UserMode]) < 0.02, "{shares:?}");
    }
}

/// 711 samples, of an emulated guest.
#[test]
fn the_chains_of_arm64_are_known() {
    let capture = include_str!("../../../tests/data/profile/fork-1000-aarch64-6.12.folded");
    let shares = shares(capture);
    assert!(sum(&shares, &OF_THE_COPY) > 0.5, "{shares:?}");
    for mechanism in &OF_THE_COPY[..5] {
        assert!(shares[mechanism] > 0.02, "{mechanism:?} of {shares:?}");
    }
    for mechanism in [ExecSetup, Interrupt, SystemCall, TlbFlush] {
        assert!(shares[&mechanism] > 0.0, "{mechanism:?} of {shares:?}");
    }
    assert!(sum(&shares, &[Other]) < 0.02, "{shares:?}");
}

#[test]
fn a_posix_spawn_copies_nothing_whatever_the_parent_maps() {
    for capture in [
        include_str!("../../../tests/data/profile/posix_spawn-0.folded"),
        include_str!("../../../tests/data/profile/posix_spawn-1000.folded"),
        include_str!("../../../tests/data/profile/posix_spawn-10000.folded"),
    ] {
        let shares = shares(capture);
        let copied = [VmaDuplication, PageTableCopy, CowFault];
        assert_eq!(sum(&shares, &copied), 0.0, "{shares:?}");
        // The program's own few mappings.
        assert!(
            sum(&shares, &[PteTeardown, VmaFreeing]) < 0.08,
            "{shares:?}"
        );
        let of_exec = [ExecSetup, ElfLoading, ExitAndReap, SystemCall];
        assert!(sum(&shares, &of_exec) > 0.35, "{shares:?}");
        assert!(sum(&shares, &[Other]) < 0.05, "{shares:?}");
        assert!((0.02..0.15).contains(&shares[&UserMode]), "{shares:?}");
    }
}

#[test]
fn a_fork_from_a_small_parent_is_mostly_something_else() {
    let shares = shares(include_str!("../../../tests/data/profile/fork-0.folded"));
    assert!(sum(&shares, &[Other]) < 0.05, "{shares:?}");
    assert!(sum(&shares, &OF_THE_COPY) < 0.5, "{shares:?}");
    for mechanism in [TaskSetup, ExecSetup, ExitAndReap, CowFault, Scheduling] {
        assert!(shares[&mechanism] > 0.02, "{mechanism:?} of {shares:?}");
    }
}

#[test]
fn nothing_within_a_system_call_is_left_over() {
    let capture = include_str!("../../../tests/data/profile/fork-0.folded");
    let unknown = capture.lines().filter_map(|line| line.split_once(';'));
    let unknown: Vec<&str> = unknown
        .map(|(_, chain)| chain.rsplit_once(' ').unwrap().0)
        .filter(|chain| judged(chain) == Other)
        .collect();
    assert!(
        unknown.iter().all(|chain| !chain.contains("do_syscall_64")),
        "{unknown:?}"
    );
}
