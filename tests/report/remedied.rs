//! The same process with an advice: what was tried against the cost of its forks.

use forktax::model::{
    Availability, Document, Missing, Process, ProcessPurpose, ProcessRole, Remedy, RemedyBaseline,
    RemedyKind, RemedyOutcome, RemedyVerdict,
};

use crate::process::{self, Times, estimate};

/// Kind, to what it was applied, call and total in microseconds, bytes of memory.
type Tried = (RemedyKind, &'static str, f64, f64, i64);

/// What a fork of the whole shape takes, in microseconds.
const FORK: f64 = 5_103.9;

const TRIED: [Tried; 10] = [
    (RemedyKind::Vfork, "vfork", 27.0, 62.0, 0),
    (RemedyKind::ForkServer, "clone3-vfork", 31.0, 88.0, 1 << 20),
    (
        RemedyKind::Best,
        "vfork, O_CLOEXEC: 6 descriptors",
        26.8,
        61.5,
        0,
    ),
    (RemedyKind::PosixSpawn, "posix_spawn", 66.0, 110.0, 0),
    (
        RemedyKind::BestForks,
        "MADV_DONTFORK: 1 mapping of 64 MiB, huge pages: 2 mappings, 164 huge pages",
        92.0,
        310.0,
        6 << 20,
    ),
    (
        RemedyKind::HugePages,
        "2 mappings, 164 huge pages",
        190.0,
        699.0,
        6 << 20,
    ),
    (
        RemedyKind::HugeHeap,
        "1 mapping, 162 huge pages",
        196.0,
        705.0,
        5 << 20,
    ),
    (
        RemedyKind::DontFork,
        "1 mapping of 64 MiB",
        1_937.0,
        4_834.0,
        0,
    ),
    (
        RemedyKind::FewerThreads,
        "3 threads, 3 stacks",
        2_015.0,
        5_044.0,
        -3_145_728,
    ),
    (
        RemedyKind::NoHugePages,
        "4 pages of huge ones",
        2_190.0,
        5_620.0,
        0,
    ),
];

/// What was tried, what was not, and what is none.
pub(crate) fn advice() -> Document {
    let explained = process::explained();
    let live = explained.live.expect("it was measured");
    let mut trials = vec![live.trials[0].clone()];
    let mut remedies: Vec<Remedy> = TRIED.iter().map(remedy).collect();
    remedies.push(Remedy {
        kind: RemedyKind::Usevfork,
        applied_to: "posix_spawn".to_owned(),
        outcome: Availability::Measured(RemedyOutcome {
            call_ns: estimate(66_100.0, 0.02),
            total_ns: estimate(110_200.0, 0.02),
            against: RemedyBaseline::PosixSpawn,
            ratio: estimate(1.002, 0.015),
            verdict: RemedyVerdict::NoDifference,
            memory_bytes: 0,
        }),
    });
    remedies.push(Remedy {
        kind: RemedyKind::StaticTarget,
        applied_to: "/sbin/ldconfig instead of /bin/true".to_owned(),
        outcome: Availability::Measured(RemedyOutcome {
            call_ns: estimate(2_042_000.0, 0.02),
            total_ns: estimate(5_420_000.0, 0.02),
            against: RemedyBaseline::DynamicTarget,
            ratio: estimate(0.55, 0.02),
            verdict: RemedyVerdict::Helps,
            memory_bytes: 0,
        }),
    });
    let reasons = [
        (
            RemedyKind::FewerDescriptors,
            "the process has only 12 more than a worker",
        ),
        (RemedyKind::Cloexec, "only 6 descriptors are without it"),
        (
            RemedyKind::ChildRunsFirst,
            "this kernel has no kernel.sched_child_runs_first: it went with the scheduler EEVDF in \
             Linux 6.6",
        ),
        (
            RemedyKind::Prelink,
            "it rewrites programs and libraries on the disk",
        ),
    ];
    remedies.extend(reasons.map(|(kind, why)| Remedy {
        kind,
        applied_to: String::new(),
        outcome: Availability::Missing(Missing::not_asked(why)),
    }));
    for (kind, _, call, total, _) in &TRIED[5..] {
        let fork: Times = (forktax::model::SpawnMethod::Fork, *call, *total);
        trials.push(process::trial(ProcessRole::Remedied(*kind), &[fork]));
    }
    let why = "an advice tries remedies; forktax explain says whose the cost is";
    let live = Process {
        trials,
        remedies,
        blame: Availability::not_asked(why),
        ..live
    };
    process::document(ProcessPurpose::Advise, live)
}

fn remedy((kind, applied_to, call, total, memory): &Tried) -> Remedy {
    let ratio = total / FORK;
    Remedy {
        kind: *kind,
        applied_to: (*applied_to).to_owned(),
        outcome: Availability::Measured(RemedyOutcome {
            call_ns: estimate(call * 1e3, 0.018),
            total_ns: estimate(total * 1e3, 0.016),
            against: RemedyBaseline::Fork,
            ratio: estimate(ratio, 0.014),
            verdict: match ratio {
                better if better < 0.98 => RemedyVerdict::Helps,
                worse if worse > 1.02 => RemedyVerdict::Harms,
                _ => RemedyVerdict::NoDifference,
            },
            memory_bytes: *memory,
        }),
    }
}
