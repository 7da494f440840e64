//! A made-up process, much like a Redis server, rebuilt: its shape, the trials of it,
//! and what follows from them.

use fastrand::Rng;
use forktax::model::{
    Availability, Blame, CardPrices, CardTerm, Caveat, ChildAction, Cost, Counts, Document, Errors,
    FreeMemory, FreeReason, Grade, GroupCost, LeftOutMapping, LeftOutReason, MappingContent,
    MappingFlag, Missing, Parent, Process, ProcessFacts, ProcessForecast, ProcessOrder,
    ProcessPurpose, ProcessRole, ProcessShape, ProcessTrial, RemedyHost, Rung, RungCost,
    SHAPE_VERSION, ShapeLikeness, ShapeMapping, ShapeReservation, ShapeScale, ShapeUnit,
    SpawnMethod, Stopped, Targets, Term, Tool, TrialCell, UnitLikeness, WorkerSamples,
};
use forktax::stats::Estimate;

use crate::card::{summary, whole};
use crate::{build, remedied};

const SEED: u64 = 11;
const WORKERS: u32 = 4;
const TURNS: usize = 5;

/// Every such document with the name of its snapshots.
pub(crate) fn documents() -> Vec<(&'static str, Document)> {
    vec![
        ("process", explained()),
        ("process-scaled", scaled()),
        ("process-partial", partial()),
        ("advice", remedied::advice()),
    ]
}

/// The whole of it, explained.
pub(crate) fn explained() -> Document {
    document(ProcessPurpose::Explain, live())
}

pub(crate) fn document(purpose: ProcessPurpose, live: Process) -> Document {
    use SpawnMethod::{Fork, PosixSpawn, Vfork};
    let mut document = build::empty(&[Fork, Vfork, PosixSpawn], PosixSpawn, ChildAction::Exec);
    document.plan.live = Some(ProcessOrder {
        shape: shape(),
        purpose,
        scale: ShapeScale::WHOLE,
        cpus: Vec::new(),
        prices: Availability::Measured(prices()),
        host: RemedyHost::default(),
        targets: Targets::default(),
    });
    document.run.rounds = WORKERS;
    document.run.stopped = Stopped::Time;
    document.live = Some(live);
    document
}

/// Of the page tables of each mapping one in eight is rebuilt.
pub(crate) fn scaled() -> Document {
    let mut document = explained();
    let order = document.plan.live.as_mut().expect("it is ordered");
    order.scale = ShapeScale {
        mappings_divisor: 1,
        pages_divisor: 8,
        without_file_pages: true,
        because: Some("only 120 MiB of memory are free".to_owned()),
    };
    order.cpus = vec![0];
    order.shape.process.kernel = "6.1.0-23-amd64".to_owned();
    order.shape.process.reservations = vec![
        ShapeReservation::ChangedWhileRead,
        ShapeReservation::Seccomp,
        ShapeReservation::NoPhysicalAddresses,
    ];
    let live = document.live.as_mut().expect("it was measured");
    for unit in &mut live.likeness.units {
        if matches!(
            unit.unit,
            ShapeUnit::Ptes | ShapeUnit::Tables | ShapeUnit::HugeEntries
        ) {
            unit.wanted = unit.process.div_ceil(8);
            unit.built = unit.wanted + unit.wanted / 12;
        }
    }
    live.likeness.left_out.push(LeftOutMapping {
        count: 12,
        bytes: 12 << 20,
        why: LeftOutReason::Hugetlb,
    });
    let Availability::Measured(blame) = &mut live.blame else {
        panic!("the cost was shared out");
    };
    for rung in &mut blame.rungs {
        if rung.rung >= Rung::Tables {
            rung.factor = 8.0;
        }
    }
    let whole = &mut live.trials[0];
    *whole = trial(
        ProcessRole::Whole,
        &[(SpawnMethod::Fork, 290.0, 910.0), VFORK, SPAWN],
    );
    live.forecast = Availability::Measured(ProcessForecast {
        call_ns: 250_000.0,
        total_ns: 700_000.0,
        error: 0.18,
    });
    document
}

/// A run that was broken off after the first rungs.
pub(crate) fn partial() -> Document {
    let mut document = explained();
    document.run.stopped = Stopped::Interrupted;
    document.caveats = vec![Caveat::FewRounds { rounds: 1 }, Caveat::Interrupted];
    let order = document.plan.live.as_mut().expect("it is ordered");
    let none = Missing::unavailable(
        "no card of this host is stored",
        Some("measure one with forktax card"),
    );
    order.prices = Availability::Missing(none.clone());
    order.shape.process.pid = None;
    order.shape.process.taken_unix_s = 0;
    order.shape.process.allowed_cpus.clear();
    let live = document.live.as_mut().expect("it was measured");
    live.forecast = Availability::Missing(none);
    live.blame = Availability::not_reached();
    live.trials.truncate(3);
    let late = &mut live.trials[0].cells[2];
    late.call_ns = Availability::not_reached();
    late.total_ns = Availability::not_reached();
    late.samples.clear();
    document
}

const VFORK: Times = (SpawnMethod::Vfork, 27.0, 62.0);
const SPAWN: Times = (SpawnMethod::PosixSpawn, 66.0, 110.0);

/// Method, call and total in microseconds.
pub(crate) type Times = (SpawnMethod, f64, f64);

/// Each rung: its units, and what it adds to the call and to the total, in microseconds.
const RUNGS: [(Rung, u64, f64, f64); 7] = [
    (Rung::Empty, 1, 48.0, 150.0),
    (Rung::Beside, 28, 6.0, 21.0),
    (Rung::Mappings, 57, 39.0, 74.0),
    (Rung::AnonVmas, 36, 26.0, 61.0),
    (Rung::Tables, 214, 205.0, 363.0),
    (Rung::HugePages, 4, 2.1, 7.9),
    (Rung::Pages, 87_911, 1_706.0, 4_427.0),
];

fn live() -> Process {
    let all = RUNGS
        .iter()
        .fold((0.0, 0.0), |sum, rung| (sum.0 + rung.2, sum.1 + rung.3));
    let fork = (SpawnMethod::Fork, all.0, all.1);
    let mut trials = vec![trial(ProcessRole::Whole, &[fork, VFORK, SPAWN])];
    let mut below = (0.0, 0.0);
    for (rung, _, call, total) in &RUNGS[..6] {
        below = (below.0 + call, below.1 + total);
        let times = [(SpawnMethod::Fork, below.0, below.1)];
        trials.push(trial(ProcessRole::Rung(*rung), &times));
    }
    let without = [(SpawnMethod::Fork, 310.0, 960.0)];
    trials.push(trial(ProcessRole::Without(0), &without));
    Process {
        trials,
        likeness: likeness(),
        forecast: Availability::Measured(ProcessForecast {
            call_ns: 1_930_000.0,
            total_ns: 4_925_000.0,
            error: 0.18,
        }),
        blame: Availability::Measured(blame(all)),
        remedies: Vec::new(),
    }
}

fn blame((call, total): (f64, f64)) -> Blame {
    let rung = |(rung, units, call, total): &(Rung, u64, f64, f64)| RungCost {
        rung: *rung,
        units: *units,
        factor: 1.0,
        cost: cost(*call, *total),
    };
    let free = |why, mappings, bytes| FreeMemory {
        why,
        mappings,
        bytes,
    };
    Blame {
        fork: cost(call, total),
        rungs: RUNGS.iter().map(rung).collect(),
        groups: groups(),
        free: vec![
            free(FreeReason::Untouched, 9, 1_649_267_441_664),
            free(FreeReason::Shared, 1, 256 << 20),
            free(FreeReason::FilePages, 14, 11_390_976),
            free(FreeReason::HugePages, 2, 8 << 20),
            free(FreeReason::DontFork, 1, 1 << 20),
            free(FreeReason::ZeroPages, 1, 65_536),
        ],
    }
}

/// Name and content; mappings, those with own pages, PTEs, page tables, huge pages; bytes;
/// call and total in microseconds.
type Shared = (&'static str, MappingContent, [u64; 5], u64, [f64; 2]);

fn groups() -> Vec<GroupCost> {
    use MappingContent::{Anonymous, Heap, Library, Program, Stack, ThreadStack};
    let library = "/usr/lib/x86_64-linux-gnu/libcrypto.so.3";
    let name = "/opt/redis-7.2.5/a-directory-with-a-long-name/bin/redis-server";
    let shares: [Shared; 7] = [
        (
            "[heap]",
            Heap,
            [1, 1, 82_944, 162, 0],
            340 << 20,
            [1_770.0, 4_250.0],
        ),
        (
            "anonymous at 7f31c4000000",
            Anonymous,
            [1, 1, 3_310, 16, 4],
            64 << 20,
            [95.0, 270.0],
        ),
        (
            library,
            Library,
            [4, 2, 310, 6, 0],
            4_616_192,
            [31.0, 110.0],
        ),
        (name, Program, [4, 2, 402, 8, 0], 2_879_488, [29.0, 100.0]),
        (
            "stacks of threads",
            ThreadStack,
            [3, 3, 12, 3, 0],
            24 << 20,
            [17.0, 60.0],
        ),
        ("[stack]", Stack, [1, 1, 9, 1, 0], 135_168, [6.0, 19.0]),
        (
            "9 others",
            Anonymous,
            [29, 20, 924, 18, 0],
            1_649_300_000_000,
            [30.1, 123.9],
        ),
    ];
    let group = |(name, content, counts, bytes, [call, total]): Shared| GroupCost {
        name: name.to_owned(),
        content,
        rest: name.ends_with("others"),
        mappings: Counts {
            mapped_bytes: bytes,
            ..features(counts)
        },
        cost: cost(call, total),
        without: (content == Heap).then(|| cost(1_722.0, 4_143.0)),
    };
    shares.into_iter().map(group).collect()
}

fn features([vmas, anon_vmas, ptes, tables, huge_entries]: [u64; 5]) -> Counts {
    Counts {
        vmas,
        anon_vmas,
        file_vmas: vmas / 4,
        shared_vmas: 0,
        ptes,
        empty_entries: tables * 11,
        tables,
        huge_entries,
        ..Counts::default()
    }
}

fn likeness() -> ShapeLikeness {
    let units = [
        (ShapeUnit::Vmas, 81, 83),
        (ShapeUnit::AnonVmas, 47, 47),
        (ShapeUnit::Ptes, 88_123, 88_140),
        (ShapeUnit::Tables, 240, 241),
        (ShapeUnit::HugeEntries, 4, 4),
        (ShapeUnit::Descriptors, 28, 28),
        (ShapeUnit::Threads, 4, 4),
    ];
    let unit = |(unit, process, built)| UnitLikeness {
        unit,
        process,
        wanted: process,
        built,
    };
    let left_out = |count, bytes, why| LeftOutMapping { count, bytes, why };
    ShapeLikeness {
        units: units.into_iter().map(unit).collect(),
        left_out: vec![
            left_out(3, 24_576, LeftOutReason::Kernel),
            left_out(1, 2 << 20, LeftOutReason::Hugetlb),
        ],
        stand_ins: 24,
    }
}

/// A cost in microseconds with its intervals.
fn cost(call_us: f64, total_us: f64) -> Cost {
    Cost {
        call_ns: estimate(call_us * 1e3, 0.031),
        after_ns: estimate((total_us - call_us) * 1e3, 0.024),
        total_ns: estimate(total_us * 1e3, 0.021),
    }
}

pub(crate) fn estimate(value: f64, half: f64) -> Estimate {
    let rounded = |value: f64| (value * 1e6).round() / 1e6;
    Estimate {
        value: rounded(value),
        ci95: [1.0 - half, 1.0 + half].map(|scale| rounded(value * scale)),
    }
}

/// A trial with the spawns of workers that have a luck of their own.
pub(crate) fn trial(role: ProcessRole, times: &[Times]) -> ProcessTrial {
    let mut rng = Rng::with_seed(SEED);
    ProcessTrial {
        role,
        child: ChildAction::Exec,
        parent: Availability::Measured(Parent {
            mappings: features([83, 47, 88_140, 241, 4]),
            resident_bytes: 372 << 20,
            ..Parent::default()
        }),
        cells: times.iter().map(|times| cell(*times, &mut rng)).collect(),
    }
}

fn cell((method, call, total): Times, rng: &mut Rng) -> TrialCell {
    let luck = [0.98, 1.0, 1.004, 1.017];
    let mut around = |us: f64, luck: f64| whole(us * 1e3 * luck * (0.995 + 0.01 * rng.f64()));
    let samples: Vec<WorkerSamples> = (0..WORKERS)
        .zip(luck)
        .map(|(round, luck)| {
            let call_ns: Vec<u64> = (0..TURNS).map(|_| around(call, luck)).collect();
            let total_ns = call_ns.iter().map(|ns| ns + around(total - call, luck));
            WorkerSamples {
                round,
                total_ns: total_ns.collect(),
                call_ns: call_ns.clone(),
            }
        })
        .collect();
    TrialCell {
        method,
        call_ns: summary(&samples, |worker| &worker.call_ns, SEED),
        total_ns: summary(&samples, |worker| &worker.total_ns, SEED),
        samples,
    }
}

/// The shape, as far as a report looks at it.
fn shape() -> ProcessShape {
    ProcessShape {
        shape_version: SHAPE_VERSION,
        tool: Tool::this(),
        process: ProcessFacts {
            name: "redis-server".to_owned(),
            pid: Some(1_234),
            taken_unix_s: 1_760_000_000,
            took_s: 0.118,
            kernel: "6.18.5".to_owned(),
            page_size: 4_096,
            threads: 4,
            descriptors: 6,
            cloexec_descriptors: 22,
            handlers: 6,
            allowed_cpus: vec![0, 1],
            page_table_bytes: 240 * 4_096,
            resident_bytes: 372 << 20,
            reservations: Vec::new(),
        },
        mappings: vec![
            mapping(0x5_5d00, 87_040, MappingContent::Heap, Some("[heap]")),
            mapping(0x7f_31c4_0000, 16_384, MappingContent::Anonymous, None),
        ],
    }
}

fn mapping(
    first_page: u64,
    pages: u64,
    content: MappingContent,
    name: Option<&str>,
) -> ShapeMapping {
    ShapeMapping {
        first_page,
        pages,
        content,
        name: name.map(str::to_owned),
        permissions: "rw-p".to_owned(),
        anon_vma: true,
        own: vec![[0, pages - 16]],
        file: vec![[pages - 16, 2]],
        zero: vec![[pages - 12, 2]],
        swapped: vec![[pages - 8, 2]],
        huge: Vec::new(),
        stretch: Some(3.5),
        flags: vec![MappingFlag::HugeAdvised],
    }
}

fn prices() -> CardPrices {
    let errors = || Errors {
        r_squared: 0.998,
        loo_median: 0.067,
        loo_p90: 0.18,
        validation_median: Availability::Measured(0.057),
        validation_worst: Availability::Measured(0.183),
    };
    CardPrices {
        terms: vec![CardTerm {
            term: Term::Pte,
            call_ns: [18.0, 21.0],
            after_ns: [29.0, 31.0],
        }],
        knee_bytes: Some(786_432),
        grade: Grade {
            parents: 38,
            call: errors(),
            total: errors(),
        },
        measured_unix_s: 1_759_000_000,
    }
}
