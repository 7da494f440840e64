//! Prices that are known, in trials that are made up, are found again.

use super::fit::KNEE;
use super::*;
use crate::model::{
    Availability, CardOrder, CardPrices, CardTerm, ChildAction, Counts, GaugeSamples, Parent,
    PriceKind, PriceList, Program, Purpose, SpaceRequest, SpawnMethod, Term, Trial, TrialCell,
    TrialResult, Variables, WorkerSamples,
};
use crate::stats::summarise;

/// A knee beyond which prices go on to go up.
const KNEED: Option<Knee> = Some(Knee {
    bytes: KNEE,
    levels_off: false,
});
/// One beyond which they level off.
const LEVEL: Option<Knee> = Some(Knee {
    bytes: KNEE,
    levels_off: true,
});

/// What a fork of these features takes on a host that is made up: call and total.
fn truth(features: &Counts, knee: Option<Knee>) -> [f64; 2] {
    let beyond = footprint::way_beyond(features, knee);
    let call: f64 = Term::ALL
        .iter()
        .map(|term| {
            let [small, large] = match term {
                Term::Fixed => [40_000.0; 2],
                Term::Vma => [300.0, 500.0],
                Term::AnonVma => [500.0, 800.0],
                Term::FileVma => [60.0; 2],
                Term::SharedVma => [0.0; 2],
                Term::Pte => [50.0, 60.0],
                Term::EmptyEntry => [2.0; 2],
                Term::Table => [800.0, 1_100.0],
                Term::HugeEntry => [600.0; 2],
            };
            term.count(features) as f64 * (small + (large - small) * beyond)
        })
        .sum();
    [call, 2.5 * call]
}

fn features(space: &SpaceRequest) -> Counts {
    let base = Counts {
        vmas: 25,
        anon_vmas: 12,
        file_vmas: 14,
        shared_vmas: 0,
        ptes: 52,
        empty_entries: 66,
        tables: 14,
        huge_entries: 0,
        ..Counts::default()
    };
    let mut all = base;
    add(space, &mut all);
    all
}

fn add(space: &SpaceRequest, to: &mut Counts) {
    match space {
        SpaceRequest::Together { parts } => parts.iter().for_each(|part| add(part, to)),
        SpaceRequest::Mappings {
            mappings,
            pages,
            spacing,
            backing,
            huge,
        } => {
            to.vmas += mappings;
            match backing {
                crate::model::Backing::File => to.file_vmas += mappings,
                crate::model::Backing::Shared => to.shared_vmas += mappings,
                crate::model::Backing::Anon | crate::model::Backing::AnonTouching => {}
            }
            if *huge {
                to.huge_entries += pages;
                to.anon_vmas += 1;
            } else if *pages > 0 {
                to.anon_vmas += mappings;
                to.ptes += mappings * pages;
                to.tables += mappings * pages * spacing / 512;
                to.empty_entries += mappings * pages.saturating_sub(1) * (spacing - 1);
            }
        }
        _ => {}
    }
}

/// The trials of the design on that host, each of several workers that differ by
/// `noise` from each other.
fn tried(quick: bool, noise: f64, knee: Option<Knee>, seed: u64) -> (CardOrder, Vec<TrialResult>) {
    let program = Availability::Measured(Program::Path {
        path: "/bin/true".to_owned(),
        argv: vec!["true".to_owned()],
    });
    let design = Design {
        quick,
        seed: 1,
        table: 512,
        fits: &|_| Ok(()),
        static_program: program.clone(),
        dynamic_program: program,
    };
    let (trials, left_out) = design.trials();
    let mut rng = fastrand::Rng::with_seed(seed);
    let results = trials
        .iter()
        .map(|trial| result(trial, noise, knee, &mut rng));
    let results = results.collect();
    let order = CardOrder {
        quick,
        trials,
        left_out,
        named: Vec::new(),
    };
    (order, results)
}

fn result(trial: &Trial, noise: f64, knee: Option<Knee>, rng: &mut fastrand::Rng) -> TrialResult {
    let features = features(&trial.space);
    let workers: Vec<f64> = (0..6)
        .map(|_| 1.0 + noise * (2.0 * rng.f64() - 1.0))
        .collect();
    let cells = trial.methods.iter().map(|method| {
        let [call, total] = times(trial, *method, &features, knee);
        let samples: Vec<WorkerSamples> = (0..)
            .zip(&workers)
            .map(|(round, worker)| WorkerSamples {
                round,
                visit: None,
                host: crate::model::HostState::Quiet,
                stands_in: false,
                luck: 0.0,
                idle_share: None,
                all_per_second: None,
                call_ns: vec![whole(call * worker); 5],
                total_ns: vec![whole(total * worker); 5],
            })
            .collect();
        let summary = |pick: fn(&WorkerSamples) -> &Vec<u64>| {
            let floats = |s: &WorkerSamples| pick(s).iter().map(|ns| *ns as f64).collect();
            let values: Vec<Vec<f64>> = samples.iter().map(floats).collect();
            Availability::Measured(summarise(&values, 1).unwrap())
        };
        TrialCell {
            method: *method,
            call_ns: summary(|s| &s.call_ns),
            total_ns: summary(|s| &s.total_ns),
            samples,
        }
    });
    let gauges = trial.purpose == Purpose::Gauges;
    TrialResult {
        parent: Availability::Measured(Parent {
            mappings: features,
            ..Parent::default()
        }),
        cells: if gauges { Vec::new() } else { cells.collect() },
        gauges: match gauges {
            true => vec![gauge(); 2],
            false => Vec::new(),
        },
    }
}

fn gauge() -> GaugeSamples {
    GaugeSamples {
        round: 0,
        syscall_ns: vec![100.0; 3],
        fault_ns: vec![500.0; 3],
        cpuid_ns: Vec::new(),
        parent_copy_ns: vec![900.0; 3],
        parent_reuse_ns: vec![300.0; 3],
        child_copy_ns: vec![800.0; 3],
    }
}

/// Other methods take what a fork of nothing takes, and a little for each thing.
fn times(trial: &Trial, method: SpawnMethod, features: &Counts, knee: Option<Knee>) -> [f64; 2] {
    if trial.child == ChildAction::Exit {
        return [10_000.0, 15_000.0];
    }
    let [call, total] = match method {
        SpawnMethod::Fork => truth(features, knee),
        _ => [30_000.0, 70_000.0],
    };
    let extra = match (&trial.space, &trial.program) {
        (SpaceRequest::Descriptors { count, .. }, _) => 80.0 * *count as f64,
        (_, Program::Path { .. }) => 300_000.0,
        _ => 0.0,
    };
    let Variables { count, bytes } = trial.variables;
    let environment = 150.0 * count as f64 + 0.5 * (count * bytes) as f64;
    [call, total + extra + environment]
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times are positive and short"
)]
fn whole(ns: f64) -> u64 {
    ns.round() as u64
}

fn total(list: &PriceList, term: Term, large: bool) -> f64 {
    let price = list.terms.iter().find(|price| price.term == term).unwrap();
    let priced = if large { &price.large } else { &price.small };
    priced.total_ns.measured().unwrap().value
}

fn near(found: f64, wanted: f64, share: f64) {
    assert!(
        (found / wanted - 1.0).abs() < share,
        "{found} is not near {wanted}"
    );
}

#[test]
fn exact_trials_give_the_prices_and_the_knee_back() {
    for knee in [KNEED, LEVEL] {
        let (order, trials) = tried(false, 0.0, knee, 1);
        gives_back(knee, &price_list(&order, &trials, 1));
    }
}

fn gives_back(knee: Option<Knee>, list: &PriceList) {
    assert_eq!(Some(list.levels_off), knee.map(|knee| knee.levels_off));
    assert_eq!(list.knee_bytes, Some(KNEE));
    for (term, small, large) in [
        (Term::Vma, 300.0, 500.0),
        (Term::AnonVma, 500.0, 800.0),
        (Term::Pte, 50.0, 60.0),
        (Term::Table, 800.0, 1_100.0),
        (Term::EmptyEntry, 2.0, 2.0),
        (Term::HugeEntry, 600.0, 600.0),
    ] {
        near(total(list, term, false), 2.5 * small, 0.03);
        near(total(list, term, true), 2.5 * large, 0.03);
    }
    let grade = list.grade.measured().unwrap();
    assert!(
        grade.total.r_squared > 0.999 && grade.total.loo_p90 < 0.02,
        "{grade:?}"
    );
    assert!(
        *grade.call.validation_worst.measured().unwrap() < 0.02,
        "{grade:?}"
    );
}

#[test]
fn prices_are_said_to_level_off_only_where_parents_tell() {
    let (order, mut trials) = tried(false, 0.0, LEVEL, 1);
    assert!(price_list(&order, &trials, 1).levels_off);
    for trial in &mut trials {
        let parent = trial.parent.measured();
        if parent.is_some_and(|it| footprint_bytes(&it.mappings) > footprint::FAR * KNEE) {
            trial.parent = Availability::not_reached();
        }
    }
    let list = price_list(&order, &trials, 1);
    assert_eq!(list.knee_bytes, Some(KNEE));
    assert!(!list.levels_off);
}

#[test]
fn a_host_whose_prices_are_flat_has_no_knee() {
    for seed in 0..8 {
        let (order, trials) = tried(false, 0.05, None, seed);
        let list = price_list(&order, &trials, 1);
        assert_eq!(list.knee_bytes, None, "seed {seed}");
        near(total(&list, Term::Vma, false), 750.0, 0.1);
    }
}

#[test]
fn what_costs_nothing_is_said_not_to_be_told_from_nothing() {
    let (order, trials) = tried(false, 0.03, KNEED, 3);
    let list = price_list(&order, &trials, 1);
    let shared = list
        .terms
        .iter()
        .find(|p| p.term == Term::SharedVma)
        .unwrap();
    let missing = shared.small.total_ns.missing().unwrap();
    assert!(
        missing.reason.starts_with("not told from 0: at most "),
        "{missing:?}"
    );
}

#[test]
fn intervals_hold_the_truth_nearly_as_often_as_they_say() {
    let mut held = 0;
    let mut asked = 0;
    for seed in 0..12 {
        let (order, trials) = tried(true, 0.08, None, seed);
        let list = price_list(&order, &trials, seed);
        for (term, truth) in [
            (Term::Vma, 750.0),
            (Term::AnonVma, 1_250.0),
            (Term::Pte, 125.0),
        ] {
            let price = list.terms.iter().find(|price| price.term == term).unwrap();
            asked += 1;
            held += price.small.total_ns.measured().map_or(0, |estimate| {
                i32::from(estimate.ci95[0] <= truth && truth <= estimate.ci95[1])
            });
        }
    }
    assert!(held * 100 >= asked * 80, "{held} of {asked}");
}

#[test]
fn differences_are_divided_by_what_differs() {
    let (order, trials) = tried(false, 0.0, None, 1);
    let list = price_list(&order, &trials, 1);
    let price = |of: PriceKind, method: Option<SpawnMethod>| {
        let mut prices = list.prices.iter();
        let price = prices.find(|p| p.of == of && p.method == method).unwrap();
        (price.units, price.priced.total_ns.clone())
    };
    let measured =
        |(_, total): (f64, Availability<crate::stats::Estimate>)| total.measured().unwrap().value;
    let vfork = Some(SpawnMethod::Vfork);
    assert_eq!(price(PriceKind::Descriptor, vfork).0, 8_000.0);
    near(measured(price(PriceKind::Descriptor, vfork)), 80.0, 0.01);
    near(measured(price(PriceKind::RawExec, None)), 55_000.0, 0.01);
    near(
        measured(price(PriceKind::StaticStart, None)),
        300_000.0,
        0.01,
    );
    near(measured(price(PriceKind::Variable, None)), 150.0, 0.01);
    near(measured(price(PriceKind::VariableByte, None)), 0.5, 0.01);
    near(measured(price(PriceKind::Syscall, None)), 100.0, 0.01);
    assert!(price(PriceKind::Mapping, vfork).1.missing().is_some());
    let cpuid = price(PriceKind::Cpuid, None).1;
    assert_eq!(
        cpuid.missing().unwrap().reason,
        "this machine has no cpuid instruction"
    );
}

#[test]
fn the_same_trials_give_the_same_prices() {
    let (order, trials) = tried(true, 0.05, KNEED, 5);
    assert_eq!(
        price_list(&order, &trials, 9),
        price_list(&order, &trials, 9)
    );
}

#[test]
fn parts_of_a_card_make_nobody_panic() {
    let (order, mut trials) = tried(true, 0.05, KNEED, 5);
    while !trials.is_empty() {
        trials.truncate(trials.len().saturating_sub(3));
        let list = price_list(&order, &trials, 9);
        assert_eq!(list.terms.len(), Term::ALL.len());
        assert!(!lines(&order, &trials, 9).is_empty());
    }
    let empty = CardOrder {
        quick: true,
        trials: Vec::new(),
        left_out: Vec::new(),
        named: Vec::new(),
    };
    let list = price_list(&empty, &trials, 9);
    assert!(list.grade.missing().is_some() && list.forecasts.is_empty());
}

#[test]
fn shares_add_up_to_the_forecast() {
    let (order, trials) = tried(false, 0.05, KNEED, 5);
    let fit = fit(&order, &trials, 1).unwrap();
    for trial in &trials {
        let features = &trial.parent.measured().unwrap().mappings;
        let sum: f64 = fit.shares(features).iter().map(|(_, share)| share).sum();
        near(sum, fit.forecast(features)[1].value, 1e-9);
    }
}

/// Prices that are stored foretell what the host takes, on both sides of the knee.
#[test]
fn stored_prices_foretell_as_they_were_measured() {
    let price = |call: [f64; 2]| (call, call.map(|ns| 1.5 * ns));
    let terms: Vec<CardTerm> = [
        (Term::Fixed, price([40_000.0; 2])),
        (Term::Vma, price([300.0, 500.0])),
        (Term::Pte, price([50.0, 60.0])),
    ]
    .map(|(term, (call_ns, after_ns))| CardTerm {
        term,
        call_ns,
        after_ns,
    })
    .to_vec();
    let (order, trials) = tried(false, 0.0, KNEED, 1);
    let grade = price_list(&order, &trials, 1).grade;
    let prices = CardPrices {
        terms,
        knee_bytes: Some(KNEE),
        levels_off: false,
        instead: Vec::new(),
        largest: None,
        grade: grade.measured().unwrap().clone(),
        measured_unix_s: 0,
    };
    for (vmas, ptes) in [(20, 50), (5_000, 40_000)] {
        let counts = Counts {
            vmas,
            ptes,
            ..Counts::default()
        };
        let beyond = footprint::way_beyond(&counts, KNEED);
        let at = |[small, large]: [f64; 2]| small + (large - small) * beyond;
        let call = 40_000.0 + vmas as f64 * at([300.0, 500.0]) + ptes as f64 * at([50.0, 60.0]);
        let [own_call, own_total] = fit::forecast(&prices, &counts);
        assert!((own_call / call - 1.0).abs() < 1e-9, "{own_call} {call}");
        assert!((own_total / (2.5 * call) - 1.0).abs() < 1e-9, "{own_total}");
        assert_eq!(beyond > 0.0, vmas > 20);
    }
}

#[test]
fn a_spawn_is_priced_for_each_method_of_its_trials() {
    let (order, trials) = tried(false, 0.0, None, 1);
    let mut methods: Vec<SpawnMethod> = Vec::new();
    for trial in &order.trials {
        let new = trial
            .methods
            .iter()
            .filter(|method| !methods.contains(method));
        let new: Vec<SpawnMethod> = new.copied().collect();
        methods.extend(
            new.into_iter()
                .filter(|_| trial.purpose == Purpose::Flatness),
        );
    }
    let prices = price_list(&order, &trials, 1).prices;
    let spawns = prices.iter().filter(|price| price.of == PriceKind::Spawn);
    let priced: Vec<SpawnMethod> = spawns.filter_map(|price| price.method).collect();
    assert_eq!(priced, methods);
}
