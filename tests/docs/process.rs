//! The document of a process that was rebuilt, with all that such a document can hold,
//! and the words of its enums.

use forktax::model::{
    Advice, AdviseOrder, Availability, Blame, CardPrices, CardTerm, ChildAction, Cost, Counts,
    Document, Errors, ExplainOrder, Explanation, Findings, FreeMemory, FreeReason, Grade,
    GroupCost, LeftOutMapping, LeftOutReason, MappingContent, MappingFlag, Order, Parent, Process,
    ProcessFacts, ProcessForecast, ProcessOrder, ProcessRole, ProcessShape, ProcessTrial, Program,
    Remedy, RemedyBaseline, RemedyHost, RemedyKind, RemedyOutcome, RemedyVerdict, Replica,
    ReplicaOrder, Rung, RungCost, ShapeLikeness, ShapeMapping, ShapeReservation, ShapeScale,
    ShapeUnit, SpawnMethod, Targets, Term, Tool, TrialCell, UnitLikeness, WorkerSamples,
};
use forktax::stats::{Estimate, Summary};
use serde_json::Value;

use super::{json, sweep};

const ONE: Estimate = Estimate {
    value: 1.0,
    ci95: [0.5, 2.0],
};

pub(crate) fn document() -> Document {
    let mut document = sweep();
    document.plan.order = Order::Process(ProcessOrder {
        replica: order(),
        ledger: Some(ExplainOrder {
            sampling_hz: 1,
            rewrite_pages: 1,
            tree: true,
        }),
    });
    document.findings = Findings::Process(Box::new(Process {
        replica: replica(),
        blame: Availability::Measured(blame()),
        ledger: Some(explanation()),
    }));
    document
}

fn explanation() -> Explanation {
    let text = include_str!("../data/explain.json");
    let document: Document = serde_json::from_str(text).unwrap();
    document.findings.explanation().unwrap().clone()
}

pub(crate) fn advice() -> Document {
    let mut document = sweep();
    let program = || Program::Path {
        path: "/bin/true".to_owned(),
        argv: vec!["true".to_owned()],
    };
    document.plan.order = Order::Advise(AdviseOrder {
        replica: order(),
        host: RemedyHost {
            no_huge_pages: Some("none".to_owned()),
            child_runs_first: Some(0),
        },
        targets: Targets {
            fixed: Some(program()),
            dynamic: Some(program()),
        },
    });
    document.findings = Findings::Advice(Advice {
        replica: replica(),
        remedies: tried(),
    });
    document
}

fn order() -> ReplicaOrder {
    ReplicaOrder {
        shape: shape(),
        scale: ShapeScale {
            mappings_divisor: 2,
            pages_divisor: 2,
            without_file_pages: true,
            because: Some("no room".to_owned()),
        },
        cpus: vec![0],
        prices: Availability::Measured(prices()),
    }
}

fn shape() -> ProcessShape {
    ProcessShape {
        shape_version: 1,
        tool: Tool::this(),
        process: ProcessFacts {
            name: "true".to_owned(),
            pid: Some(1),
            taken_unix_s: 1,
            took_s: 0.1,
            kernel: "6.18".to_owned(),
            page_size: 4_096,
            threads: 1,
            descriptors: 1,
            cloexec_descriptors: 1,
            handlers: 1,
            allowed_cpus: vec![0],
            page_table_bytes: 1,
            resident_bytes: 1,
            reservations: vec![ShapeReservation::Seccomp],
        },
        mappings: vec![ShapeMapping {
            first_page: 1,
            pages: 1,
            content: MappingContent::Heap,
            name: Some("[heap]".to_owned()),
            permissions: "rw-p".to_owned(),
            anon_vma: true,
            own: vec![[0, 1]],
            file: vec![[0, 1]],
            zero: vec![[0, 1]],
            swapped: vec![[0, 1]],
            huge: vec![[0, 1]],
            stretch: Some(1.0),
            flags: vec![MappingFlag::Locked],
        }],
    }
}

fn prices() -> CardPrices {
    let errors = || Errors {
        r_squared: 1.0,
        loo_median: 0.1,
        loo_p90: 0.2,
        validation_median: Availability::Measured(0.1),
        validation_worst: Availability::Measured(0.2),
    };
    CardPrices {
        terms: vec![CardTerm {
            term: Term::Fixed,
            call_ns: [1.0; 2],
            after_ns: [1.0; 2],
        }],
        knee_bytes: Some(1),
        grade: Grade {
            parents: 1,
            call: errors(),
            total: errors(),
        },
        measured_unix_s: 1,
    }
}

fn replica() -> Replica {
    let roles = [
        ProcessRole::Whole,
        ProcessRole::Rung(Rung::Empty),
        ProcessRole::Without(0),
        ProcessRole::Remedied(RemedyKind::Best),
        ProcessRole::Against(RemedyKind::StaticTarget),
    ];
    Replica {
        trials: roles.map(trial).into(),
        likeness: ShapeLikeness {
            units: vec![UnitLikeness {
                unit: ShapeUnit::Vmas,
                process: 1,
                wanted: 1,
                built: 1,
            }],
            left_out: vec![LeftOutMapping {
                count: 1,
                bytes: 1,
                why: LeftOutReason::Hugetlb,
            }],
            stand_ins: 1,
        },
        forecast: Availability::Measured(ProcessForecast {
            call_ns: 1.0,
            total_ns: 1.0,
            error: 0.1,
        }),
    }
}

fn tried() -> Vec<Remedy> {
    vec![Remedy {
        kind: RemedyKind::Best,
        applied_to: "all".to_owned(),
        outcome: Availability::Measured(RemedyOutcome {
            call_ns: ONE,
            total_ns: ONE,
            against: RemedyBaseline::Fork,
            ratio: ONE,
            verdict: RemedyVerdict::Helps,
            memory_bytes: -1,
        }),
    }]
}

fn trial(role: ProcessRole) -> ProcessTrial {
    let summary = Summary {
        median: Estimate::exact(1.0),
        min: 1.0,
        p10: 1.0,
        p90: 1.0,
        mean: 1.0,
        stddev: 1.0,
    };
    ProcessTrial {
        role,
        child: ChildAction::Exec,
        parent: Availability::Measured(Parent::default()),
        cells: vec![TrialCell {
            method: SpawnMethod::Fork,
            call_ns: Availability::Measured(summary),
            total_ns: Availability::Measured(summary),
            samples: vec![WorkerSamples {
                round: 0,
                call_ns: vec![1],
                total_ns: vec![2],
            }],
        }],
    }
}

fn blame() -> Blame {
    let cost = Cost {
        call_ns: ONE,
        after_ns: ONE,
        total_ns: ONE,
    };
    Blame {
        fork: cost,
        rungs: vec![RungCost {
            rung: Rung::Empty,
            units: 1,
            factor: 1.0,
            cost,
        }],
        groups: vec![GroupCost {
            name: "[heap]".to_owned(),
            content: MappingContent::Heap,
            rest: false,
            mappings: Counts::default(),
            cost,
            without: Some(cost),
        }],
        free: vec![FreeMemory {
            why: FreeReason::Shared,
            mappings: 1,
            bytes: 1,
        }],
    }
}

/// The words of its enums; a match does not compile when a variant is added.
pub(crate) fn words() -> Vec<Value> {
    let mut words: Vec<Value> = Rung::ALL.map(json).into();
    words.extend(ShapeUnit::ALL.map(json));
    words.extend(remedies());
    words.extend(contents());
    words.extend(flags());
    words.extend(reservations());
    words.extend(smaller());
    words
}

fn remedies() -> impl Iterator<Item = Value> {
    let named = |kind| match kind {
        RemedyKind::PosixSpawn
        | RemedyKind::Vfork
        | RemedyKind::ForkServer
        | RemedyKind::DontFork
        | RemedyKind::HugePages
        | RemedyKind::HugeHeap
        | RemedyKind::NoHugePages
        | RemedyKind::FewerDescriptors
        | RemedyKind::Cloexec
        | RemedyKind::CloseRange
        | RemedyKind::FewerThreads
        | RemedyKind::NoFilePages
        | RemedyKind::StaticTarget
        | RemedyKind::Prelink
        | RemedyKind::Usevfork
        | RemedyKind::ChildRunsFirst
        | RemedyKind::BestForks
        | RemedyKind::Best => json(kind),
    };
    RemedyKind::ALL.into_iter().map(named)
}

pub(super) fn contents() -> impl Iterator<Item = Value> {
    let named = |content| match content {
        MappingContent::Program
        | MappingContent::Library
        | MappingContent::Heap
        | MappingContent::Stack
        | MappingContent::ThreadStack
        | MappingContent::Anonymous
        | MappingContent::File
        | MappingContent::SharedMemory
        | MappingContent::Hugetlb
        | MappingContent::Kernel => json(content),
    };
    [
        MappingContent::Program,
        MappingContent::Library,
        MappingContent::Heap,
        MappingContent::Stack,
        MappingContent::ThreadStack,
        MappingContent::Anonymous,
        MappingContent::File,
        MappingContent::SharedMemory,
        MappingContent::Hugetlb,
        MappingContent::Kernel,
    ]
    .into_iter()
    .map(named)
}

pub(super) fn flags() -> impl Iterator<Item = Value> {
    let named = |flag| match flag {
        MappingFlag::DontFork
        | MappingFlag::WipeOnFork
        | MappingFlag::Locked
        | MappingFlag::Mergeable
        | MappingFlag::Userfault
        | MappingFlag::UserfaultWrites
        | MappingFlag::HugeAdvised
        | MappingFlag::HugeForbidden
        | MappingFlag::PageFrames => json(flag),
    };
    [
        MappingFlag::DontFork,
        MappingFlag::WipeOnFork,
        MappingFlag::Locked,
        MappingFlag::Mergeable,
        MappingFlag::Userfault,
        MappingFlag::UserfaultWrites,
        MappingFlag::HugeAdvised,
        MappingFlag::HugeForbidden,
        MappingFlag::PageFrames,
    ]
    .into_iter()
    .map(named)
}

pub(super) fn reservations() -> impl Iterator<Item = Value> {
    let named = |reservation| match reservation {
        ShapeReservation::ChangedWhileRead
        | ShapeReservation::Seccomp
        | ShapeReservation::Traced
        | ShapeReservation::OtherControlGroup
        | ShapeReservation::NoPhysicalAddresses
        | ShapeReservation::NoZeroPages
        | ShapeReservation::NoThreadStacks
        | ShapeReservation::NoFlags => json(reservation),
    };
    [
        ShapeReservation::ChangedWhileRead,
        ShapeReservation::Seccomp,
        ShapeReservation::Traced,
        ShapeReservation::OtherControlGroup,
        ShapeReservation::NoPhysicalAddresses,
        ShapeReservation::NoZeroPages,
        ShapeReservation::NoThreadStacks,
        ShapeReservation::NoFlags,
    ]
    .into_iter()
    .map(named)
}

fn smaller() -> Vec<Value> {
    let left_out = |why| match why {
        LeftOutReason::Hugetlb | LeftOutReason::PageFrames | LeftOutReason::Kernel => json(why),
    };
    let free = |why| match why {
        FreeReason::Untouched
        | FreeReason::Shared
        | FreeReason::FilePages
        | FreeReason::ZeroPages
        | FreeReason::DontFork
        | FreeReason::HugePages => json(why),
    };
    let mut words = vec![
        json(RemedyBaseline::Fork),
        json(RemedyBaseline::PosixSpawn),
        json(RemedyBaseline::DynamicTarget),
        json(RemedyVerdict::Helps),
        json(RemedyVerdict::NoDifference),
        json(RemedyVerdict::Harms),
    ];
    words.extend(
        [
            LeftOutReason::Hugetlb,
            LeftOutReason::PageFrames,
            LeftOutReason::Kernel,
        ]
        .map(left_out),
    );
    words.extend(
        [
            FreeReason::Untouched,
            FreeReason::Shared,
            FreeReason::FilePages,
            FreeReason::ZeroPages,
            FreeReason::DontFork,
            FreeReason::HugePages,
        ]
        .map(free),
    );
    words
}
