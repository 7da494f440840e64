//! Builds the stored documents: figures as a small virtual machine gave them,
//! with a deterministic jitter that has a part of each worker's own.

use fastrand::Rng;
use forktax::model::{
    Availability, Backing, Caveat, Cell, ChildAction, CountSource, Counted, Document, Host,
    Placement, Plan, Program, Run, SCHEMA_VERSION, Space, SpaceRequest, SpawnMethod, StopRule,
    Stopped, Temperature, Tool, WorkerSamples,
};
use forktax::stats::{Estimate, Summary, median_replicates, summarise};

use crate::{explained, parents};

const WORKERS: u32 = 6;
const TURNS: usize = 8;

/// Call and total of a method in an address space, in microseconds.
pub(crate) type Times = (f64, f64);

/// Every stored document with the name of its file.
pub(crate) fn documents() -> Vec<(&'static str, Document)> {
    vec![
        ("sweep", sweep()),
        ("unprivileged", unprivileged()),
        ("malloc", malloc()),
        ("exit", exit()),
        ("methods", methods()),
        ("fds", parents::fds()),
        ("threads", parents::threads()),
        ("explain", explained::explain()),
        ("explain-unprivileged", explained::unprivileged()),
        ("explain-malloc", explained::malloc()),
    ]
}

/// Fork, vfork and posix_spawn at three sizes.
pub(crate) fn sweep() -> Document {
    use SpawnMethod::{Fork, PosixSpawn, Vfork};
    let methods = [Fork, Vfork, PosixSpawn];
    let mut document = empty(&methods, PosixSpawn, ChildAction::Exec);
    for (mappings, fork) in [
        (0, (40.0, 163.0)),
        (1_000, (850.0, 1_690.0)),
        (10_000, (11_500.0, 22_500.0)),
    ] {
        let times = [fork, (38.0, 78.0), (73.0, 114.0)];
        add(&mut document, &mappings_space(mappings), &methods, &times);
    }
    document.caveats = vec![
        Caveat::WorkersDisagree {
            cells: 3,
            mappings: 10_030,
            method: Fork,
            spread: 0.12,
        },
        Caveat::WorkersDisagree {
            cells: 3,
            mappings: 10_030,
            method: Fork,
            spread: 0.12,
        },
    ];
    document
}

/// The same without the right to use perf events.
fn unprivileged() -> Document {
    let mut document = sweep();
    document.host.privileged = false;
    document.host.perf_event_paranoid = Availability::Measured(3);
    document.host.virtualisation = "docker".to_owned();
    let reason = "perf_event_paranoid is 3, which forbids perf events to this user";
    let remedy = "run as root, with CAP_PERFMON, or set kernel.perf_event_paranoid to -1";
    let none = || Availability::unavailable(reason, Some(remedy));
    for cell in &mut document.cells {
        cell.sys_ns = none();
        cell.user_ns = none();
        cell.minor_faults.source = CountSource::Rusage;
        cell.context_switches.source = CountSource::Rusage;
        cell.counting_slowdown = none();
    }
    document.caveats = vec![Caveat::Unavailable {
        figures: "system, user, counting slowdown".to_owned(),
        reason: reason.to_owned(),
        remedy: Some(remedy.to_owned()),
    }];
    document
}

/// Blocks from malloc: page-table entries grow, mappings do not.
fn malloc() -> Document {
    use SpawnMethod::{Fork, PosixSpawn};
    let methods = [Fork, PosixSpawn];
    let mut document = empty(&methods, PosixSpawn, ChildAction::Exec);
    for (count, fork) in [
        (0, (40.0, 163.0)),
        (1_000, (225.0, 470.0)),
        (10_000, (1_350.0, 2_900.0)),
    ] {
        let mut space = mappings_space(0);
        space.request = SpaceRequest::Malloc {
            count,
            bytes: 100_000,
            pages: 0,
            spacing: 1,
        };
        space.present_ptes += count;
        space.page_table_bytes += count * 48 / 1_000 * 4_096;
        space.resident_bytes += count * 4_096;
        add(&mut document, &space, &methods, &[fork, (73.0, 114.0)]);
    }
    document
}

/// Children that leave at once, compared with vfork.
fn exit() -> Document {
    use SpawnMethod::{Clone3Vfork, Fork, Vfork};
    let methods = [Fork, Vfork, Clone3Vfork];
    let mut document = empty(&methods, Vfork, ChildAction::Exit);
    for (mappings, fork) in [(0, (39.0, 82.0)), (1_000, (840.0, 1_560.0))] {
        let times = [fork, (21.0, 23.0), (21.2, 23.1)];
        add(&mut document, &mappings_space(mappings), &methods, &times);
    }
    document
}

/// All of them, one of them not to be had, in the largest space of a default
/// kernel, on a host with a PMU and huge pages.
pub(crate) fn methods() -> Document {
    let methods = SpawnMethod::ALL;
    let mut document = empty(&methods, SpawnMethod::PosixSpawn, ChildAction::Exec);
    document.host.pmu = true;
    document.plan.program = Program::Path {
        path: "/usr/bin/true".to_owned(),
        argv: vec!["true".to_owned()],
    };
    document.plan.placement = Placement::Free;
    document.plan.temperature = Temperature::Cold {
        evict_bytes: 32 << 20,
        idle_us: 2_000,
    };
    for (mappings, fork) in [(0, (40.0, 563.0)), (60_000, (72_000.0, 145_000.0))] {
        let times = [
            fork,
            (38.0, 478.0),
            (73.0, 514.0),
            (73.1, 514.3),
            (0.0, 0.0),
            (81.0, 526.0),
            (0.0, 1_240.0),
            (61.0, 589.0),
        ];
        let mut space = mappings_space(mappings);
        space.huge_bytes = mappings * 512;
        space.resident_bytes += space.huge_bytes;
        add(&mut document, &space, &methods, &times);
    }
    for cell in &mut document.cells {
        cell.program = document.plan.program.clone();
        hardware(cell);
        match cell.method {
            SpawnMethod::Clone3Vfork => never_measured(cell),
            SpawnMethod::System => {
                cell.call_ns =
                    Availability::unavailable("system() waits for the child itself", None);
            }
            SpawnMethod::ForkServer => served(cell),
            _ => {}
        }
    }
    document.caveats = vec![
        Caveat::MethodUnavailable {
            method: SpawnMethod::Clone3Vfork,
            reason: TOO_OLD.to_owned(),
        },
        Caveat::HugePages {
            mappings: 60_030,
            huge_bytes: 60_000 * 512,
            asked: false,
        },
        Caveat::PrecisionMissed {
            asked: 0.01,
            widest: 0.024,
            cells: 3,
        },
        Caveat::SamplesLost {
            lost: 120,
            kept: 4_880,
        },
        Caveat::TimeExceeded {
            asked_s: 1.0,
            used_s: 36.2,
        },
        Caveat::Daemons { count: 3 },
    ];
    document.run.stopped = Stopped::Time;
    document
}

const TOO_OLD: &str = "the kernel does not know CLONE_CLEAR_SIGHAND (Linux 5.5)";

fn hardware(cell: &mut Cell) {
    let total = cell
        .total_ns
        .measured()
        .map_or(0.0, |total| total.median.value);
    cell.cycles = counted(total * 0.5, total * 1.9);
    cell.instructions = counted(total * 0.4, total * 1.2);
    cell.dtlb_misses = counted(total * 0.001, total * 0.004);
}

/// What a cell looks like in a run that explains: it takes times and no counts.
pub(crate) fn only_timed(cell: &mut Cell) {
    let none = || Availability::not_asked("explain takes times only");
    let no_count = || Counted {
        parent: none(),
        child: none(),
        source: CountSource::None,
    };
    *cell = Cell {
        cpu_ns: none(),
        sys_ns: none(),
        user_ns: none(),
        minor_faults: no_count(),
        major_faults: no_count(),
        context_switches: no_count(),
        cpu_migrations: no_count(),
        task_clock_ns: no_count(),
        cycles: no_count(),
        instructions: no_count(),
        dtlb_misses: no_count(),
        counting_slowdown: none(),
        ..cell.clone()
    };
}

/// The children are another process's.
fn served(cell: &mut Cell) {
    const WHY: &str = "the children are the fork server's, and the kernel books them there";
    cell.cpu_ns = Availability::unavailable(WHY, None);
    cell.sys_ns = Availability::unavailable(WHY, None);
    cell.user_ns = Availability::unavailable(WHY, None);
    for counted in [
        &mut cell.minor_faults,
        &mut cell.major_faults,
        &mut cell.context_switches,
        &mut cell.cpu_migrations,
        &mut cell.task_clock_ns,
        &mut cell.cycles,
        &mut cell.instructions,
        &mut cell.dtlb_misses,
    ] {
        counted.child = Availability::unavailable(WHY, None);
    }
}

/// What a cell looks like whose method the kernel refused.
fn never_measured(cell: &mut Cell) {
    let none = || Availability::unavailable(TOO_OLD, None);
    let no_count = || Counted {
        parent: none(),
        child: none(),
        source: CountSource::None,
    };
    *cell = Cell {
        spawns: 0,
        call_ns: Availability::unavailable(TOO_OLD, None),
        total_ns: Availability::unavailable(TOO_OLD, None),
        spawns_per_second: none(),
        ratio: none(),
        cpu_ns: none(),
        sys_ns: none(),
        user_ns: none(),
        minor_faults: no_count(),
        major_faults: no_count(),
        context_switches: no_count(),
        cpu_migrations: no_count(),
        task_clock_ns: no_count(),
        cycles: no_count(),
        instructions: no_count(),
        dtlb_misses: no_count(),
        counting_slowdown: none(),
        worker_spread: Availability::unavailable(TOO_OLD, None),
        outliers: 0,
        samples: Vec::new(),
        ..cell.clone()
    };
}

pub(crate) fn mappings_space(mappings: u64) -> Space {
    Space {
        request: SpaceRequest::Mappings {
            mappings,
            pages: 1,
            spacing: 1,
            backing: Backing::Anon,
            huge: false,
        },
        mappings_requested: mappings,
        vmas: 30 + mappings,
        anon_vmas: 12 + mappings,
        present_ptes: 276 + mappings,
        page_table_bytes: (14 + mappings / 171) * 4_096,
        resident_bytes: (410 + mappings) * 4_096,
        huge_bytes: 0,
        inflation_ns: 250_000,
        vmas_before: 30,
        present_ptes_before: 276,
        descriptors: 8,
        threads: 1,
    }
}

/// Adds the cells of one space; the workers' luck is the same for all methods.
pub(crate) fn add(
    document: &mut Document,
    space: &Space,
    methods: &[SpawnMethod],
    times: &[Times],
) {
    let seed = document.plan.seed ^ space.present_ptes;
    let mut rng = Rng::with_seed(seed);
    let luck: Vec<f64> = (0..WORKERS).map(|_| 0.97 + 0.06 * rng.f64()).collect();
    let samples: Vec<Vec<WorkerSamples>> = times
        .iter()
        .map(|times| samples(*times, &luck, &mut rng))
        .collect();
    let base = methods
        .iter()
        .position(|m| *m == document.plan.baseline)
        .expect("the baseline is one of the methods");
    for (index, method) in methods.iter().enumerate() {
        let mut cell = cell(document, space, *method, samples[index].clone());
        let ratio: Vec<Vec<f64>> = (samples[index].iter().zip(&samples[base]))
            .map(|(ours, theirs)| {
                let pairs = ours.total_ns.iter().zip(&theirs.total_ns);
                pairs.map(|(a, b)| *a as f64 / *b as f64).collect()
            })
            .collect();
        let ratio = median_replicates(&ratio, seed, 500)
            .expect("there are samples")
            .estimate();
        cell.ratio = Availability::Measured(ratio.map(rounded));
        document.cells.push(cell);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the times above are small and positive"
)]
fn samples((call, total): Times, luck: &[f64], rng: &mut Rng) -> Vec<WorkerSamples> {
    let mut jitter = |us: f64, luck: f64| -> Vec<u64> {
        let mut one = || us * 1e3 * luck * (0.99 + 0.03 * rng.f64() * rng.f64());
        (0..TURNS).map(|_| one() as u64).collect()
    };
    (1..)
        .zip(luck)
        .map(|(round, luck)| {
            let call_ns = jitter(call, *luck);
            let rest = jitter(total - call, *luck);
            let total_ns = call_ns.iter().zip(rest).map(|(c, r)| c + r).collect();
            WorkerSamples {
                round,
                call_ns,
                total_ns,
            }
        })
        .collect()
}

fn cell(
    document: &Document,
    space: &Space,
    method: SpawnMethod,
    samples: Vec<WorkerSamples>,
) -> Cell {
    let seed = document.plan.seed;
    let describe = |part| describe(&samples, part, seed);
    let total = describe(|worker| &worker.total_ns);
    let ns = total.measured().map_or(0.0, |total| total.median.value);
    // What is to be replaced has a time of 0.
    let each = |total: &Summary| total.median.times_in(1e9).unwrap_or(total.median);
    let spawns_per_second = total.map(|total| each(total).map(rounded));
    let copies = method == SpawnMethod::Fork;
    let faults = if copies {
        space.anon_vmas as f64 * 0.01
    } else {
        0.0
    };
    Cell {
        space: space.clone(),
        method,
        child: document.plan.child,
        program: document.plan.program.clone(),
        spawns: (samples.len() * TURNS) as u64,
        call_ns: describe(|worker| &worker.call_ns),
        total_ns: total,
        spawns_per_second,
        ratio: measured(1.0),
        cpu_ns: measured(ns * 0.98),
        sys_ns: measured(ns * 0.94),
        user_ns: measured(ns * 0.04),
        minor_faults: counted(faults, if copies { 34.0 } else { 4.0 }),
        major_faults: counted(0.0, 0.0),
        context_switches: counted(1.0, 1.02),
        cpu_migrations: counted(0.0, 0.0),
        task_clock_ns: counted(ns * 0.4, ns * 0.5),
        cycles: absent(),
        instructions: absent(),
        dtlb_misses: absent(),
        counting_slowdown: Availability::Measured(Estimate {
            value: 1.08,
            ci95: [1.06, 1.09],
        }),
        worker_spread: Availability::Measured(0.02),
        outliers: 1,
        samples,
    }
}

fn describe(
    samples: &[WorkerSamples],
    part: fn(&WorkerSamples) -> &Vec<u64>,
    seed: u64,
) -> Availability<Summary> {
    let workers: Vec<Vec<f64>> = samples
        .iter()
        .map(|worker| part(worker).iter().map(|ns| *ns as f64).collect())
        .collect();
    let summary = summarise(&workers, seed).expect("there are samples");
    Availability::Measured(Summary {
        median: summary.median.map(rounded),
        min: summary.min,
        p10: rounded(summary.p10),
        p90: rounded(summary.p90),
        mean: rounded(summary.mean),
        stddev: rounded(summary.stddev),
    })
}

/// Three decimals: what a decimal reader gives back to the last bit.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

pub(crate) fn measured(value: f64) -> Availability<Estimate> {
    Availability::Measured(estimate(value))
}

pub(crate) fn estimate(value: f64) -> Estimate {
    let ci95 = [value * 0.992, value * 1.009];
    Estimate { value, ci95 }.map(rounded)
}

fn counted(parent: f64, child: f64) -> Counted {
    Counted {
        parent: measured(parent),
        child: measured(child),
        source: CountSource::Perf,
    }
}

fn absent() -> Counted {
    let none = || Availability::unavailable("no hardware PMU answers", Some("use bare metal"));
    Counted {
        parent: none(),
        child: none(),
        source: CountSource::None,
    }
}

pub(crate) fn empty(
    methods: &[SpawnMethod],
    baseline: SpawnMethod,
    child: ChildAction,
) -> Document {
    Document {
        schema_version: SCHEMA_VERSION,
        tool: Tool {
            name: "forktax".to_owned(),
            version: "0.1.0".to_owned(),
        },
        host: Host {
            machine: Availability::Measured("9f86d081884c7d65".to_owned()),
            kernel: "6.18.5".to_owned(),
            kernel_build: Availability::Measured("#1 SMP PREEMPT_DYNAMIC".to_owned()),
            boot: Availability::Measured(vec!["mitigations=auto".to_owned()]),
            arch: "x86_64".to_owned(),
            cpu: Availability::Measured("AMD EPYC 9B14".to_owned()),
            cores: 2,
            virtualisation: "kvm".to_owned(),
            thp: Availability::Measured("madvise".to_owned()),
            meltdown: Availability::Measured("Not affected".to_owned()),
            perf_event_paranoid: Availability::Measured(-1),
            page_size: 4_096,
            max_map_count: Availability::Measured(65_530),
            clock_step_ns: 10.0,
            clock_cost_ns: 24.5,
            clocksource: Availability::Measured("kvm-clock".to_owned()),
            pmu: false,
            privileged: true,
        },
        plan: Plan {
            spaces: Vec::new(),
            methods: methods.to_vec(),
            baseline,
            child,
            program: Program::Embedded,
            environment: vec!["PATH=/usr/bin:/bin".to_owned()],
            stop: StopRule {
                spawns: None,
                precision: Some(0.01),
                time_s: Some(30.0),
            },
            placement: Placement::Pinned(1),
            temperature: Temperature::Hot,
            seed: 42,
            spawn_timeout_ms: 10_000,
            explain: None,
            reproduce: None,
            card: None,
            live: None,
        },
        run: Run {
            started_unix_s: 1_760_000_000,
            duration_s: 12.34,
            rounds: WORKERS,
            stopped: Stopped::Precision,
        },
        cells: Vec::new(),
        explanation: None,
        reproduction: None,
        card: None,
        live: None,
        caveats: Vec::new(),
    }
}
