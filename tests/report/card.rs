//! The card of a made-up host: the trials of the design, with times that follow
//! from prices which the tests know.

use std::sync::LazyLock;

use fastrand::Rng;
use forktax::analysis::card::{Design, footprint_bytes, price_list};
use forktax::model::{
    Availability, Backing, Card, ChildAction, Document, Features, GaugeSamples, Program, Purpose,
    SpaceRequest, SpawnMethod, Trial, TrialCell, TrialResult, WorkerSamples,
};
use forktax::stats::{Summary, summarise};

use crate::build;

const SEED: u64 = 7;
const WORKERS: u32 = 3;
const TURNS: usize = 4;

/// From this size on, what is beyond costs so many times as much.
const KNEE: u64 = 1 << 20;
const DEARER: f64 = 1.8;

/// The card as it is printed.
pub(crate) fn card() -> Document {
    static CARD: LazyLock<Document> = LazyLock::new(|| of_host(DEARER));
    CARD.clone()
}

/// A host on which one price fits all sizes.
pub(crate) fn flat() -> Document {
    of_host(1.0)
}

fn of_host(dearer: f64) -> Document {
    let fits = |space: &SpaceRequest| match space {
        SpaceRequest::Mappings {
            backing: Backing::Shared,
            ..
        } => Err("only 1 GiB of memory is free; free more of it".to_owned()),
        _ => Ok(()),
    };
    let program = |argv: &[&str]| {
        Availability::Measured(Program::Path {
            path: format!("/opt/programs/{}", argv[0]),
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
        })
    };
    let design = Design {
        quick: false,
        seed: SEED,
        fits: &fits,
        static_program: program(&["tiny", "--version"]),
        dynamic_program: program(&["true"]),
    };
    let (trials, left_out) = design.trials();
    let mut document = build::empty(&[SpawnMethod::Fork], SpawnMethod::Fork, ChildAction::Exec);
    let mut rng = Rng::with_seed(SEED);
    let results = trials.iter().map(|trial| result(trial, dearer, &mut rng));
    let results: Vec<TrialResult> = results.collect();
    document.plan.card = Some(forktax::model::CardOrder {
        quick: false,
        trials,
        left_out,
        named: Vec::new(),
    });
    document.card = Some(Card {
        trials: results,
        prices: forktax::model::PriceList {
            terms: Vec::new(),
            knee_bytes: None,
            grade: Availability::not_reached(),
            forecasts: Vec::new(),
            prices: Vec::new(),
        },
    });
    refit(&mut document);
    document
}

/// The prices that follow from the trials as they are now.
pub(crate) fn refit(document: &mut Document) {
    let seed = document.plan.seed;
    let order = document.plan.card.as_ref().expect("it is a card");
    let card = document.card.as_mut().expect("it is a card");
    card.prices = price_list(order, &card.trials, seed);
}

fn result(trial: &Trial, dearer: f64, rng: &mut Rng) -> TrialResult {
    let features = features(&trial.space);
    let gauges = trial.purpose == Purpose::Gauges;
    let cells = trial.methods.iter().filter(|_| !gauges);
    let cells = cells.map(|method| {
        let [call, after] = price(trial, *method, &features, dearer);
        cell(*method, call, after, rng)
    });
    TrialResult {
        features: Availability::Measured(features),
        cells: cells.collect(),
        gauges: (0..WORKERS)
            .filter(|_| gauges)
            .map(|round| gauged(round, rng))
            .collect(),
    }
}

/// What the kernel would show of such a parent.
fn features(space: &SpaceRequest) -> Features {
    let mut features = Features {
        vmas: 24,
        anon_vmas: 11,
        file_vmas: 14,
        shared_vmas: 0,
        ptes: 52,
        empty_entries: 66,
        tables: 14,
        huge_entries: 0,
    };
    add(space, &mut features);
    features
}

fn add(space: &SpaceRequest, features: &mut Features) {
    match space {
        SpaceRequest::Mappings {
            mappings,
            pages,
            spacing,
            backing,
            huge,
        } => {
            features.vmas += mappings;
            if *backing == Backing::File {
                features.file_vmas += mappings;
            }
            if *pages == 0 {
                return;
            }
            features.anon_vmas += mappings;
            let all = mappings * pages;
            if *huge {
                features.huge_entries += all;
            } else {
                features.ptes += all;
                features.empty_entries += mappings * (pages - 1) * (spacing - 1);
                features.tables += (all * spacing).div_ceil(512);
            }
        }
        SpaceRequest::Together { parts } => parts.iter().for_each(|part| add(part, features)),
        SpaceRequest::Threads { count } => features.vmas += 2 * count,
        _ => {}
    }
}

/// The call and what comes after it, in nanoseconds.
fn price(trial: &Trial, method: SpawnMethod, features: &Features, dearer: f64) -> [f64; 2] {
    let [mut call, mut after] = match method {
        SpawnMethod::Fork => forked(features, dearer),
        SpawnMethod::PosixSpawn => [67_000.0, 40_000.0],
        _ => [32_000.0, 40_000.0],
    };
    match &trial.space {
        SpaceRequest::Descriptors { count, cloexec } => {
            let count = *count as f64;
            call += 5.0 * count;
            after += if *cloexec { 75.0 } else { 47.0 } * count;
        }
        SpaceRequest::Threads { count } if method == SpawnMethod::Fork => {
            call += 3_000.0 * *count as f64;
            after += 4_000.0 * *count as f64;
        }
        _ => {}
    }
    let bytes = trial.variables.count * trial.variables.bytes;
    after += 190.0 * trial.variables.count as f64 + 0.75 * bytes as f64;
    match (trial.purpose, trial.child) {
        (Purpose::StaticProgram, _) => after += 140_000.0,
        (Purpose::DynamicProgram, _) => after += 390_000.0,
        (_, ChildAction::Exit) => after -= 34_000.0,
        _ => {}
    }
    [call, after]
}

/// A fork by the prices of this host.
fn forked(features: &Features, dearer: f64) -> [f64; 2] {
    let size = footprint_bytes(features) as f64;
    let beyond = (1.0 - KNEE as f64 / size).max(0.0);
    let sized = 1.0 + (dearer - 1.0) * beyond;
    let prices: [(u64, [f64; 2], bool); 7] = [
        (features.vmas, [280.0, 250.0], true),
        (features.anon_vmas, [470.0, 330.0], true),
        (features.file_vmas, [75.0, 0.0], false),
        (features.ptes, [48.0, 56.0], true),
        (features.empty_entries, [2.1, 1.1], false),
        (features.tables, [820.0, 300.0], true),
        (features.huge_entries, [580.0, 440.0], false),
    ];
    let mut sum = [23_000.0, 89_000.0];
    for (count, price, is_sized) in prices {
        let each = count as f64 * if is_sized { sized } else { 1.0 };
        sum = [sum[0] + each * price[0], sum[1] + each * price[1]];
    }
    sum
}

/// The spawns of workers with a luck of their own.
fn cell(method: SpawnMethod, call: f64, after: f64, rng: &mut Rng) -> TrialCell {
    let mut around = |ns: f64, luck: f64| whole(ns * luck * (0.995 + 0.01 * rng.f64()));
    let luck = [0.985, 1.0, 1.012];
    let samples: Vec<WorkerSamples> = (0..WORKERS)
        .zip(luck)
        .map(|(round, luck)| {
            let call_ns: Vec<u64> = (0..TURNS).map(|_| around(call, luck)).collect();
            let total_ns = call_ns.iter().map(|call| call + around(after, luck));
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

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the times above are small and positive"
)]
pub(super) fn whole(ns: f64) -> u64 {
    ns as u64
}

pub(super) fn summary(
    samples: &[WorkerSamples],
    part: fn(&WorkerSamples) -> &Vec<u64>,
    seed: u64,
) -> Availability<Summary> {
    let workers = samples.iter().map(part);
    let workers = workers.map(|times| times.iter().map(|ns| *ns as f64).collect());
    let workers: Vec<Vec<f64>> = workers.collect();
    let summary = summarise(&workers, seed).expect("there are samples");
    Availability::Measured(Summary {
        median: summary.median.map(build::rounded),
        mean: build::rounded(summary.mean),
        stddev: build::rounded(summary.stddev),
        p10: build::rounded(summary.p10),
        p90: build::rounded(summary.p90),
        min: summary.min,
    })
}

fn gauged(round: u32, rng: &mut Rng) -> GaugeSamples {
    let mut around = |ns: f64| -> Vec<f64> {
        let each = (0..TURNS).map(|_| build::rounded(ns * (0.99 + 0.02 * rng.f64())));
        each.collect()
    };
    GaugeSamples {
        round,
        syscall_ns: around(166.0),
        fault_ns: around(690.0),
        cpuid_ns: around(4_060.0),
        parent_copy_ns: around(1_150.0),
        parent_reuse_ns: around(410.0),
        child_copy_ns: around(1_090.0),
    }
}
