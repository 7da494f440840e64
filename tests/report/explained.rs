//! Builds the explained documents: figures as a small virtual machine gave
//! them, with intervals that a few hundred spawns would have.

use forktax::model::{
    Availability, BreakpointCost, Caveat, ChildAction, Document, ExitOrder, ExitProbe, Explain,
    Explanation, FaultCause, FaultCount, FaultPhase, Faults, HotFunction, Ledger, Level,
    MappingKind, Mechanism, MechanismShare, Mechanisms, MethodExplained, PageTables, Phase,
    PhaseTime, Profile, Program, Reach, Rewriting, Side, SkipReason, Space, SpaceRequest,
    SpawnMethod, Stack, TableLevel, Tree, TreeNode,
};

use forktax::stats::Estimate;

use crate::build::{self, estimate, measured, rounded};

/// What the samples of one mechanism are: how many, how many of them in the
/// parent, and where the CPU was found.
type Sampled = (Mechanism, u64, u64, &'static [(&'static str, u64)]);

const HZ: u64 = 1_999;

/// Fork and posix_spawn from 1,000 mappings.
pub(crate) fn explain() -> Document {
    document(
        &build::mappings_space(1_000),
        (850.0, 1_690.0),
        &[FORK, POSIX_SPAWN],
    )
}

/// The same without the right to use perf events.
pub(crate) fn unprivileged() -> Document {
    let mut document = explain();
    document.host.privileged = false;
    document.host.perf_event_paranoid = Availability::Measured(3);
    let reason = "perf_event_paranoid is 3, which forbids perf events to this user";
    let remedy = "run as root, with CAP_PERFMON, or set kernel.perf_event_paranoid to -1";
    let explanation = document.explanation.as_mut().expect("it was just built");
    explanation.exit_probe = Availability::unavailable(reason, Some(remedy));
    explanation.breakpoint = Availability::unavailable(reason, Some(remedy));
    for method in &mut explanation.methods {
        method.mechanisms = Availability::unavailable(reason, Some(remedy));
        method.faults = Availability::unavailable(reason, Some(remedy));
        let Availability::Measured(ledger) = &mut method.ledger else {
            continue;
        };
        within_the_next(ledger, Phase::Copy, reason);
        within_the_next(ledger, Phase::Exit, reason);
    }
    document.caveats = vec![Caveat::Unavailable {
        figures: "mechanisms, faults".to_owned(),
        reason: reason.to_owned(),
        remedy: Some(remedy.to_owned()),
    }];
    document
}

/// Takes a phase's end away, so that it lies within the next one.
fn within_the_next(ledger: &mut Ledger, phase: Phase, reason: &str) {
    let mut phases = ledger.phases.iter_mut();
    let first = phases.find(|time| time.phase == phase);
    let (first, next) = first.zip(phases.next()).expect("neither is the last");
    let both = [&*first, &*next]
        .iter()
        .filter_map(|time| Some(time.ns.measured()?.value))
        .sum();
    next.ns = measured(both);
    let reason = format!("its record is missing, as {reason}; it lies within the next phase");
    first.ns = Availability::unavailable(reason, None);
}

/// Blocks from malloc, and a dynamic program: page-table entries grow,
/// mappings do not.
pub(crate) fn malloc() -> Document {
    let mut space = build::mappings_space(0);
    space.request = SpaceRequest::Malloc {
        count: 1_000,
        bytes: 100_000,
        pages: 0,
        spacing: 1,
    };
    space.present_ptes += 1_000;
    space.page_table_bytes += 47 * 4_096;
    space.resident_bytes += 1_000 * 4_096;
    let mut document = document(&space, (225.0, 995.0), &[MALLOC_FORK, MALLOC_POSIX_SPAWN]);
    document.plan.program = Program::Path {
        path: "/usr/bin/true".to_owned(),
        argv: vec!["true".to_owned()],
    };
    for cell in &mut document.cells {
        cell.program = document.plan.program.clone();
    }
    document
}

/// One method's figures, in microseconds.
struct Figures {
    method: SpawnMethod,
    /// In the order of [`Phase::ALL`]; 0 for one that does not exist.
    phases: [f64; 12],
    unexplained: f64,
    sampled: &'static [Sampled],
    /// Tax of a page, and the tax while a child holds it, in nanoseconds.
    tax: (f64, f64),
}

const FORK: Figures = Figures {
    method: SpawnMethod::Fork,
    phases: [
        831.0, 12.4, 21.7, 9.6, 588.0, 41.3, 0.0, 0.0, 2.3, 14.8, 88.6, 21.5,
    ],
    unexplained: 58.8,
    sampled: &[
        (
            Mechanism::AnonVma,
            842,
            838,
            &[
                ("anon_vma_clone", 301),
                ("anon_vma_fork", 222),
                ("kmem_cache_alloc_noprof", 190),
            ],
        ),
        (
            Mechanism::PageTableCopy,
            551,
            551,
            &[
                ("copy_present_ptes", 298),
                ("copy_page_range", 133),
                ("folio_try_dup_anon_rmap_ptes", 84),
            ],
        ),
        (
            Mechanism::VmaFreeing,
            498,
            11,
            &[
                ("unlink_anon_vmas", 287),
                ("kmem_cache_free", 141),
                ("vm_area_free", 33),
            ],
        ),
        (
            Mechanism::PteTeardown,
            371,
            2,
            &[
                ("zap_present_ptes", 160),
                ("folio_remove_rmap_ptes", 99),
                ("free_pages_and_swap_cache", 61),
            ],
        ),
        (
            Mechanism::VmaDuplication,
            302,
            302,
            &[("vm_area_dup", 140), ("mas_store", 77), ("dup_mmap", 51)],
        ),
        (
            Mechanism::PageTableAllocation,
            88,
            84,
            &[
                ("clear_page_erms", 60),
                ("get_page_from_freelist", 14),
                ("pte_alloc_one", 6),
            ],
        ),
        (
            Mechanism::CowFault,
            61,
            22,
            &[("copy_mc_to_kernel", 31), ("do_wp_page", 18)],
        ),
        (
            Mechanism::ExecSetup,
            55,
            0,
            &[("copy_string_kernel", 12), ("setup_arg_pages", 9)],
        ),
        (Mechanism::TaskSetup, 49, 49, &[("copy_process", 22)]),
        (Mechanism::UserMode, 20, 12, &[]),
        (
            Mechanism::Other,
            12,
            5,
            &[
                ("ktime_get_update_offsets_now", 5),
                ("__x86_indirect_thunk_array", 4),
                ("srso_return_thunk", 2),
                ("native_sched_clock", 1),
            ],
        ),
    ],
    tax: (780.0, 1_630.0),
};

const POSIX_SPAWN: Figures = Figures {
    method: SpawnMethod::PosixSpawn,
    phases: [
        23.9, 2.2, 7.7, 17.6, 1.9, 36.1, 0.0, 0.0, 2.2, 6.9, 4.1, 8.8,
    ],
    unexplained: 3.7,
    sampled: &[
        (
            Mechanism::SystemCall,
            61,
            2,
            &[("do_sigaction", 22), ("syscall_return_via_sysret", 14)],
        ),
        (
            Mechanism::ExecSetup,
            55,
            0,
            &[("copy_string_kernel", 12), ("setup_arg_pages", 9)],
        ),
        (Mechanism::TaskSetup, 49, 49, &[("copy_process", 22)]),
        (
            Mechanism::Scheduling,
            22,
            14,
            &[("finish_task_switch.isra.0", 12)],
        ),
        (Mechanism::UserMode, 14, 8, &[]),
    ],
    tax: (1.2, 1.4),
};

const MALLOC_FORK: Figures = Figures {
    method: SpawnMethod::Fork,
    phases: [
        208.0, 12.1, 21.0, 9.2, 118.0, 131.0, 245.0, 121.0, 20.3, 14.8, 61.0, 21.5,
    ],
    unexplained: 12.1,
    sampled: &[
        (
            Mechanism::PageTableAllocation,
            420,
            418,
            &[
                ("clear_page_erms", 310),
                ("get_page_from_freelist", 44),
                ("pte_alloc_one", 26),
            ],
        ),
        (
            Mechanism::PageTableCopy,
            251,
            251,
            &[("copy_present_ptes", 198), ("copy_page_range", 33)],
        ),
        (
            Mechanism::PageTableFreeing,
            172,
            1,
            &[("free_pgd_range", 80), ("tlb_remove_table", 41)],
        ),
        (Mechanism::PteTeardown, 121, 0, &[("zap_present_ptes", 90)]),
        (Mechanism::FileFault, 118, 2, &[("filemap_map_pages", 60)]),
        (Mechanism::UserMode, 90, 12, &[]),
    ],
    tax: (770.0, 1_600.0),
};

const MALLOC_POSIX_SPAWN: Figures = Figures {
    method: SpawnMethod::PosixSpawn,
    phases: [
        24.1, 2.2, 7.5, 17.2, 1.9, 128.0, 243.0, 120.0, 20.0, 7.9, 60.0, 8.8,
    ],
    unexplained: 4.1,
    sampled: &[
        (Mechanism::FileFault, 116, 1, &[("filemap_map_pages", 61)]),
        (Mechanism::UserMode, 88, 9, &[]),
        (Mechanism::SystemCall, 61, 2, &[("do_sigaction", 22)]),
    ],
    tax: (-0.4, 0.9),
};

fn document(space: &Space, fork: (f64, f64), figures: &[Figures]) -> Document {
    let methods: Vec<SpawnMethod> = figures.iter().map(|figures| figures.method).collect();
    let mut document = build::empty(&methods, SpawnMethod::PosixSpawn, ChildAction::Exec);
    let empty = build::mappings_space(0);
    let dynamic = matches!(space.request, SpaceRequest::Malloc { .. });
    let more = if dynamic { 525.0 } else { 0.0 };
    let posix_spawn = (73.0, 114.0 + more);
    build::add(
        &mut document,
        &empty,
        &methods,
        &[(40.0, 163.0 + more), posix_spawn],
    );
    build::add(&mut document, space, &methods, &[fork, posix_spawn]);
    document.cells.iter_mut().for_each(build::only_timed);
    document.plan.spaces = vec![empty.request.clone(), space.request.clone()];
    document.plan.explain = Some(Explain {
        sampling_hz: HZ,
        rewrite_pages: 1_024,
        tree: true,
    });
    document.explanation = Some(Explanation {
        space: space.request.clone(),
        page_tables_before: Availability::Measured(page_tables(&empty, false)),
        page_tables: Availability::Measured(page_tables(space, true)),
        exit_probe: Availability::Measured(ExitProbe {
            order: ExitOrder::BeforeTeardown,
            before_record_ns: 1_210.0,
            after_record_ns: 642_000.0,
            mappings: 1_000,
        }),
        fixed_addresses: dynamic,
        breakpoint: Availability::Measured(BreakpointCost {
            cost_ns: between(9_100.0, [8_900.0, 9_400.0]),
            lag_ns: 5_200.0,
        }),
        methods: figures.iter().map(method).collect(),
    });
    document
}

fn between(value: f64, ci95: [f64; 2]) -> Estimate {
    Estimate { value, ci95 }
}

fn method(figures: &Figures) -> MethodExplained {
    MethodExplained {
        method: figures.method,
        ledger: Availability::Measured(ledger(figures)),
        mechanisms: Availability::Measured(mechanisms(figures)),
        faults: Availability::Measured(faults(figures.method)),
        rewriting: Availability::Measured(rewriting(figures)),
    }
}

fn ledger(figures: &Figures) -> Ledger {
    let phases = Phase::ALL.into_iter().zip(figures.phases);
    let total = figures.phases.iter().sum::<f64>() + figures.unexplained;
    Ledger {
        spawns: 396,
        lost: 0,
        incomplete: if figures.method == SpawnMethod::Fork {
            4
        } else {
            0
        },
        phases: phases
            .map(|(phase, us)| PhaseTime {
                phase,
                ns: if us > 0.0 {
                    measured(us * 1e3)
                } else {
                    Availability::not_asked("the embedded program has neither loader nor libc")
                },
            })
            .collect(),
        total_ns: estimate(total * 1e3),
        unexplained_ns: estimate(figures.unexplained * 1e3),
        stamping_ns: Availability::Measured(between(4_150.0, [2_950.0, 5_400.0])),
    }
}

fn mechanisms(figures: &Figures) -> Mechanisms {
    let samples: u64 = figures.sampled.iter().map(|sampled| sampled.1).sum();
    let spawns = 900;
    Mechanisms {
        samples,
        hz: HZ,
        covered: 0.98,
        lost: 0,
        reach: if figures.method == SpawnMethod::Fork {
            Reach::SystemWide
        } else {
            Reach::Inherited
        },
        spawns,
        slowdown: Availability::Measured(between(1.08, [1.06, 1.09])),
        shares: figures
            .sampled
            .iter()
            .map(|sampled| share(sampled, samples, spawns))
            .collect(),
        profile: profile(figures.sampled),
    }
}

fn share((mechanism, count, parent, hottest): &Sampled, all: u64, spawns: u64) -> MechanismShare {
    let share = *count as f64 / all as f64;
    let half = 1.96 * (share * (1.0 - share) / all as f64).sqrt();
    let ns = |share: f64| rounded(share * all as f64 * 1e9 / HZ as f64 / spawns as f64);
    let found = between(share, [share - half, share + half]);
    MechanismShare {
        mechanism: *mechanism,
        samples: *count,
        parent_samples: *parent,
        share: found.map(rounded),
        ns: found.map(ns),
        hottest: hottest
            .iter()
            .map(|(function, samples)| HotFunction {
                function: (*function).to_owned(),
                samples: *samples,
            })
            .collect(),
    }
}

/// A chain a function, as if nothing lay between it and the system call.
fn profile(sampled: &[Sampled]) -> Profile {
    let mut profile = Profile::default();
    profile.functions.push("do_syscall_64".to_owned());
    for (mechanism, samples, parent, hottest) in sampled {
        let side = if 2 * parent > *samples {
            Side::Parent
        } else {
            Side::Child
        };
        if hottest.is_empty() {
            profile.stacks.push(Stack {
                side,
                mechanism: *mechanism,
                samples: *samples,
                frames: Vec::new(),
            });
        }
        for (function, samples) in *hottest {
            let leaf = u32::try_from(profile.functions.len()).expect("there are few");
            profile.functions.push((*function).to_owned());
            profile.stacks.push(Stack {
                side,
                mechanism: *mechanism,
                samples: *samples,
                frames: vec![0, leaf],
            });
        }
    }
    profile
}

fn faults(method: SpawnMethod) -> Faults {
    use FaultCause::{Anonymous, CopyOnWrite, File};
    use FaultPhase::{ChildBeforeExec, Exec, ParentAfter, Program};
    let count = |phase, cause, counted: f64, expected: Option<f64>, rule: &str| FaultCount {
        phase,
        cause,
        counted: estimate(counted),
        expected: expected.map_or_else(
            || {
                Availability::unavailable(
                    "the kernel decides how much of its stack exec fills",
                    None,
                )
            },
            Availability::Measured,
        ),
        rule: rule.to_owned(),
    };
    let mut counts = Vec::new();
    if method == SpawnMethod::Fork {
        let rule = "the pages that its own code writes to between the call and the wait";
        counts.push(count(ParentAfter, CopyOnWrite, 6.02, Some(6.0), rule));
        let rule = "the pages of stack and data that the child touches";
        counts.push(count(ChildBeforeExec, CopyOnWrite, 3.0, Some(3.0), rule));
        let rule = "code that the child runs: a fork copies no entry of it";
        counts.push(count(ChildBeforeExec, File, 4.0, Some(4.0), rule));
    }
    counts.push(count(Exec, Anonymous, 5.0, None, ""));
    let rule = "one page of code, one of stack";
    counts.push(count(Program, File, 1.0, Some(1.0), rule));
    counts.push(count(Program, Anonymous, 1.0, Some(1.0), rule));
    Faults {
        spawns: 900,
        lost: 0,
        counts,
    }
}

fn rewriting(figures: &Figures) -> Rewriting {
    let (tax, held) = figures.tax;
    let around = |value: f64| between(value, [value - 6.0, value + 5.0]).map(rounded);
    Rewriting {
        pages: 1_024,
        rounds: 48,
        after_ns: around(tax + 4.1),
        again_ns: between(4.1, [4.0, 4.2]),
        tax_ns: around(tax),
        held_ns: Availability::Measured(around(held)),
    }
}

/// Tables that fit the space; the figures of the empty worker are its own.
fn page_tables(space: &Space, inflated: bool) -> PageTables {
    let heap = matches!(space.request, SpaceRequest::Malloc { .. });
    let added = space.present_ptes - space.present_ptes_before;
    let (in_heap, mapped) = if heap { (added, 0) } else { (0, added) };
    let ptes = space.page_table_bytes / 4_096 - 4;
    let kind = |kind: &str, vmas: u64, anon_vmas: u64, present_ptes: u64| MappingKind {
        kind: kind.to_owned(),
        vmas,
        anon_vmas,
        bytes: present_ptes.max(vmas) * 4_096,
        present_ptes,
        swapped_ptes: 0,
        huge_entries: 0,
        copied: if anon_vmas > 0 { present_ptes } else { 0 },
        skipped: if anon_vmas > 0 { 0 } else { present_ptes },
        skip_reasons: if anon_vmas > 0 {
            Vec::new()
        } else {
            vec![SkipReason::NoAnonVma]
        },
    };
    let level = |level, tables, used| TableLevel {
        level,
        tables,
        used,
        capacity: 512,
    };
    let mut kinds = vec![
        kind("heap", 1, 1, 12 + in_heap),
        kind("stack", 1, 1, 6),
        kind("anonymous", 8 + mapped, 8 + mapped, 60 + mapped),
        kind("file, private", 18, 2, 40),
        kind("file, read-only", 2, 0, 158),
    ];
    kinds[3].copied = 22;
    kinds[3].skipped = 18;
    kinds[3].skip_reasons = vec![SkipReason::NoAnonVma, SkipReason::Shared];
    PageTables {
        kinds,
        levels: vec![
            level(Level::Pte, ptes, space.present_ptes),
            level(Level::Pmd, 3, ptes),
            level(Level::Pud, 2, 3),
            level(Level::Pgd, 1, 2),
        ],
        huge_entries: 0,
        vm_pte_bytes: space.page_table_bytes,
        tree: inflated.then(|| tree(heap)),
    }
}

fn tree(heap: bool) -> Tree {
    let node = |level, start, used, below, more| TreeNode {
        level,
        start,
        used,
        below,
        more,
    };
    let base = 0x5555_5560_0000;
    let pte = |index: u64| node(Level::Pte, base + (index << 21), 21, Vec::new(), 0);
    let (count, more) = if heap { (8, 40) } else { (1, 0) };
    let ptes: Vec<TreeNode> = (0..count).map(pte).collect();
    let pmd = node(Level::Pmd, base & !0x3fff_ffff, count + more, ptes, more);
    let pud = node(Level::Pud, base & !0x7f_ffff_ffff, 1, vec![pmd], 0);
    Tree {
        mapping: "555555600000-55555b560000 rw-p 00000000 00:00 0 [heap]".to_owned(),
        root: node(Level::Pgd, 0, 1, vec![pud], 0),
    }
}
