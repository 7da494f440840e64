//! What no stored run came to: every remedy, caveat, flag and reason has its words.

use forktax::model::{
    Availability, Caveat, Counted, CpuQuota, Document, Findings, FreeMemory, FreeReason,
    LeftOutMapping, LeftOutReason, MappingContent, MappingFlag, Obstacle, Order, ProcessShape,
    Remedy, RemedyKind, RemedyVerdict, Rung, ShapeMapping, ShapeReservation, SpawnLimit,
    SpawnLimitKind, SpawnMethod, Surroundings,
};
use forktax::report::{Format, Shown, render_shape};

use crate::every::{fits, snapshot};
use crate::stored::{cells, noise, shapes, table, with};

pub(crate) const RESERVATIONS: [ShapeReservation; 16] = [
    ShapeReservation::ChangedWhileRead,
    ShapeReservation::Seccomp,
    ShapeReservation::Traced,
    ShapeReservation::OtherLabel,
    ShapeReservation::OtherControlGroup,
    ShapeReservation::UnseenControlGroups,
    ShapeReservation::OtherNamespaces,
    ShapeReservation::ThirtyTwoBits,
    ShapeReservation::NoPhysicalAddresses,
    ShapeReservation::NoZeroPages,
    ShapeReservation::NoThreadStacks,
    ShapeReservation::NoFlags,
    ShapeReservation::PinnedElsewhere,
    ShapeReservation::UserfaultForks,
    ShapeReservation::UserfaultUnknown,
    ShapeReservation::NeverExecuted,
];

/// Those that refuse every spawn.
fn surroundings() -> Surroundings {
    let limits = [
        (SpawnLimitKind::LargestMapping, 16 << 30, 0, 20 << 30),
        (SpawnLimitKind::Commit, 16 << 30, 12 << 30, 5 << 30),
        (SpawnLimitKind::Memory, 1 << 30, 1_020 << 20, 5 << 20),
        (SpawnLimitKind::GroupTasks, 100, 100, 1),
        (SpawnLimitKind::UserTasks, 4_096, 4_100, 1),
        (SpawnLimitKind::HostTasks, 192_730, 192_730, 1),
        (SpawnLimitKind::MemoryHigh, 1 << 30, 1_022 << 20, 5 << 20),
        (SpawnLimitKind::ProcessNumbers, 32_468, 32_500, 1),
    ];
    let limits = limits.map(|(kind, limit, used, asked)| SpawnLimit {
        kind,
        limit,
        used,
        asked,
        uncertain: u64::from(kind == SpawnLimitKind::Commit),
        file: match kind {
            SpawnLimitKind::Memory => Some("/sys/fs/cgroup/job/memory.max".to_owned()),
            SpawnLimitKind::GroupTasks => Some("/sys/fs/cgroup/job/pids.max".to_owned()),
            _ => None,
        },
    });
    Surroundings {
        limits: limits.to_vec(),
        open_files: Some(1_024),
        seccomp_filters: Some(2),
        cpu_quota: Some(CpuQuota {
            quota_us: 25_000,
            period_us: 100_000,
            file: Some("/sys/fs/cgroup/job/cpu.max".to_owned()),
            periods: 2_000,
            throttled_periods: 1_240,
        }),
        throttled_by: Some(CpuQuota {
            quota_us: 400_000,
            period_us: 100_000,
            file: Some("/sys/fs/cgroup/cpu.max".to_owned()),
            periods: 2_000,
            throttled_periods: 1_900,
        }),
    }
}

fn looks_like_this(name: &str, report: String) {
    fits(name, &report);
    snapshot(name, "txt", report.into_bytes());
}

/// Every caveat, a host that was watched, and a PMU that counts.
#[test]
fn a_sweep_with_every_caveat() {
    let method = SpawnMethod::Fork;
    let reason = "the kernel does not know it".to_owned();
    let caveats = vec![
        Caveat::Unavailable {
            figures: "system, user".to_owned(),
            reason: reason.clone(),
            remedy: Some("use a newer one".to_owned()),
        },
        Caveat::MethodUnavailable { method, reason },
        Caveat::HugePages {
            mappings: 1_025,
            huge_bytes: 30 << 20,
            asked: false,
        },
        Caveat::HugePages {
            mappings: 1_025,
            huge_bytes: 30 << 20,
            asked: true,
        },
        Caveat::SpaceDrifted {
            mappings: 25,
            change: "present PTEs 1277 -> 1342".to_owned(),
        },
        Caveat::FewWorkers {
            mappings: 25,
            workers: 1,
        },
        Caveat::PrecisionMissed {
            asked: 0.01,
            widest: 0.024,
            cells: 3,
            needed_s: Some(41.0),
            obstacle: Some(Obstacle::Host),
        },
        Caveat::WorkersDisagree {
            cells: 1,
            spread: 0.12,
            mappings: 25,
            method,
        },
        Caveat::Multiplexed { share: 0.5 },
        Caveat::SamplesLost {
            lost: 120,
            kept: 4_880,
        },
        Caveat::TimeExceeded {
            asked_s: 1.0,
            used_s: 36.2,
        },
        Caveat::Daemons { count: 3 },
        Caveat::CpuShared {
            cpu: 1,
            share: 0.314,
        },
        Caveat::CpusShared {
            cpus: vec![1, 0],
            share: 0.314,
        },
        Caveat::Stolen { share: 0.04 },
        Caveat::Throttled {
            cpus: 0.1,
            share: 0.925,
            file: "/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us".to_owned(),
        },
        Caveat::FewRounds { rounds: 1 },
        Caveat::Interrupted,
    ];
    let report = table(&with("sweep", |document| {
        document.host.pmu = true;
        document.noise = Some(noise());
        document.caveats = caveats;
        for cell in cells(&mut document.findings) {
            let counted: Counted = cell.task_clock_ns.clone();
            (cell.cycles, cell.instructions) = (counted.clone(), counted.clone());
            cell.dtlb_misses = counted;
        }
    }));
    looks_like_this("unusual-sweep", report);
}

#[test]
fn a_process_with_every_reservation_and_all_that_costs_nothing() {
    let reasons = [
        FreeReason::Untouched,
        FreeReason::Shared,
        FreeReason::FilePages,
        FreeReason::ZeroPages,
        FreeReason::DontFork,
    ];
    let left_out = [
        LeftOutReason::Hugetlb,
        LeftOutReason::PageFrames,
        LeftOutReason::Kernel,
    ];
    let report = table(&with("process-ledger", |document| {
        let (Order::Process(order), Findings::Process(process)) =
            (&mut document.plan.order, &mut document.findings)
        else {
            panic!("it explains no process");
        };
        let shape = &mut order.replica.shape;
        shape.process.reservations = RESERVATIONS.to_vec();
        shape.process.surroundings = Some(surroundings());
        shape.mappings[0].swapped = vec![[0, 2]];
        process.replica.likeness.left_out = left_out
            .map(|why| LeftOutMapping {
                count: 2,
                bytes: 4 << 20,
                why,
            })
            .to_vec();
        let Availability::Measured(blame) = &mut process.blame else {
            panic!("the cost was shared out");
        };
        let free = |why| FreeMemory {
            why,
            mappings: 2,
            bytes: 4 << 20,
        };
        blame.free = reasons.map(free).to_vec();
        let last = blame.rungs.len() - 1;
        let mut huge = blame.rungs[last];
        huge.rung = Rung::HugePages;
        blame.rungs.insert(last, huge);
        let mut pinned = blame.rungs[last + 1];
        pinned.rung = Rung::Pinned;
        blame.rungs.push(pinned);
        assert_eq!(blame.rungs.len(), Rung::ALL.len());
        let contents = [
            MappingContent::Heap,
            MappingContent::ThreadStack,
            MappingContent::Stack,
        ];
        for (group, content) in blame.groups.iter_mut().zip(contents) {
            group.content = content;
        }
    }));
    looks_like_this("unusual-process", report);
}

/// Every remedy, all with one outcome.
fn remedied(verdict: RemedyVerdict) -> Document {
    with("advise-parent", |document| {
        let Findings::Advice(advice) = &mut document.findings else {
            panic!("it is no advice");
        };
        let tried = advice
            .remedies
            .iter()
            .find_map(|remedy| remedy.outcome.measured().copied());
        let mut outcome = tried.expect("one was tried");
        outcome.verdict = verdict;
        let remedy = |kind| Remedy {
            kind,
            applied_to: "all of it".to_owned(),
            outcome: Availability::Measured(outcome),
        };
        advice.remedies = RemedyKind::ALL.map(remedy).to_vec();
    })
}

#[test]
fn an_advice_in_which_everything_helps_or_harms() {
    looks_like_this("unusual-helps", table(&remedied(RemedyVerdict::Helps)));
    looks_like_this("unusual-harms", table(&remedied(RemedyVerdict::Harms)));
}

#[test]
fn a_shape_with_a_mapping_of_each_kind() {
    use MappingContent::{
        Anonymous, File, Heap, Hugetlb, Kernel, Library, Program, SharedMemory, Stack, ThreadStack,
    };
    use MappingFlag::{
        DontFork, HugeAdvised, HugeForbidden, Locked, Mergeable, PageFrames, Userfault,
        UserfaultForks, UserfaultWrites, WipeOnFork,
    };
    let contents = [
        Program,
        Library,
        Heap,
        Stack,
        ThreadStack,
        Anonymous,
        File,
        SharedMemory,
        Hugetlb,
        Kernel,
    ];
    let flags = [
        DontFork,
        WipeOnFork,
        Locked,
        Mergeable,
        Userfault,
        UserfaultWrites,
        UserfaultForks,
        HugeAdvised,
        HugeForbidden,
        PageFrames,
    ];
    let mut shape: ProcessShape = shapes().pop().expect("there are some").1;
    shape.process.reservations = RESERVATIONS.to_vec();
    shape.process.surroundings = Some(surroundings());
    let mappings = (0..).zip(contents).map(|(number, content)| ShapeMapping {
        anon_vma: true,
        own: vec![[0, 400]],
        file: vec![[400, 30]],
        zero: vec![[500, 7]],
        swapped: vec![[600, 9]],
        huge: vec![[1_024, 1_024]],
        huge_zero: vec![[2_048, 512]],
        guards: vec![[700, 3]],
        pinned: vec![[0, 8]],
        flags: flags.get(number).copied().into_iter().collect(),
        ..ShapeMapping::untouched(0x10_000 * (number as u64 + 1), 4_096, content)
    });
    shape.mappings = mappings.collect();
    let report = render_shape(&shape, Format::Table, &Shown::default());
    let report = report.expect("every shape can be shown");
    looks_like_this(
        "unusual-shape",
        String::from_utf8(report).expect("it is UTF-8"),
    );
}
