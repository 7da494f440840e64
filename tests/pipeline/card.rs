//! The trials of a card, from a plan to its prices.

use forktax::lab::Outcome;
use forktax::lab::error::{LabError, ProgramError};
use forktax::model::SpawnMethod::{Clone3Vfork, Fork, PosixSpawn, Vfork};
use forktax::model::{
    Availability, Backing, Card, CardOrder, Caveat, ChildAction, Document, Findings, HostState,
    Order, Plan, PriceKind, Program, Purpose, SpaceRequest, SpawnMethod, Stopped, Term, Trial,
    Variables,
};

use super::fake::{Fault, plan};
use super::{carry_out, document};

const METHODS: [SpawnMethod; 4] = [Fork, Vfork, PosixSpawn, Clone3Vfork];

fn mappings(mappings: u64) -> SpaceRequest {
    SpaceRequest::Mappings {
        mappings,
        pages: 1,
        spacing: 1,
        backing: Backing::Anon,
        huge: false,
    }
}

fn trial(purpose: Purpose, space: SpaceRequest, methods: &[SpawnMethod]) -> Trial {
    Trial {
        purpose,
        space,
        methods: methods.to_vec(),
        child: ChildAction::Exec,
        program: Program::Embedded,
        variables: Variables::default(),
    }
}

/// The trials that every test has: sizes to fit, sizes to foretell, and differences.
fn order() -> CardOrder {
    let descriptors = SpaceRequest::Descriptors {
        count: 1_000,
        cloexec: true,
    };
    let fitted = (0..20).map(|size| trial(Purpose::AnonMappings, mappings(size * size), &[Fork]));
    let mut trials: Vec<Trial> = fitted.collect();
    trials.extend([
        trial(Purpose::Validation, mappings(77), &[Fork]),
        trial(Purpose::Flatness, mappings(0), &METHODS),
        trial(Purpose::Flatness, mappings(300), &METHODS[1..]),
        trial(Purpose::CloexecDescriptors, descriptors, &METHODS),
        trial(Purpose::Gauges, mappings(200), &[Fork]),
        Trial {
            program: Program::Path {
                path: "/bin/true".to_owned(),
                argv: vec!["true".to_owned()],
            },
            ..trial(Purpose::StaticProgram, mappings(0), &[Vfork])
        },
    ]);
    CardOrder {
        quick: true,
        trials,
        left_out: Vec::new(),
        named: Vec::new(),
    }
}

fn card_plan(time_s: f64) -> Plan {
    let mut plan = plan(&[0], &[Fork]);
    plan.baseline = Fork;
    plan.stop.time_s = Some(time_s);
    plan.order = Order::Card(order());
    plan
}

fn measured(document: &Document) -> &Card {
    match &document.findings {
        Findings::Card(card) => card,
        other => panic!("{other:?} is no card"),
    }
}

fn card(fault: Fault, time_s: f64) -> (Card, Outcome) {
    let (outcome, _) = carry_out(fault, &card_plan(time_s));
    let document = outcome.document.as_ref().unwrap();
    (measured(document).clone(), outcome)
}

fn total(card: &Card, of: PriceKind, method: Option<SpawnMethod>) -> Availability<f64> {
    let mut prices = card.prices.prices.iter();
    let price = prices.find(|price| price.of == of && price.method == method);
    price.unwrap().priced.total_ns.map(|total| total.value)
}

/// Who shared its CPU is in no price.
#[test]
fn prices_are_of_the_quiet_workers() {
    let (quiet, _) = card(Fault::Nothing, 40.0);
    let (busy, _) = card(Fault::CpuShared, 40.0);
    let workers = busy.trials.iter().flat_map(|trial| &trial.cells);
    let mut workers = workers.flat_map(|cell| &cell.samples);
    assert!(workers.any(|worker| worker.host == HostState::Shared));
    for method in METHODS {
        let spawn = |card| {
            *total(card, PriceKind::Spawn, Some(method))
                .measured()
                .unwrap()
        };
        let ratio = spawn(&busy) / spawn(&quiet);
        assert!((ratio - 1.0).abs() < 0.05, "{method:?}: {ratio}");
    }
}

#[test]
fn every_trial_has_a_worker_in_every_round_and_the_time_ends_it() {
    let document = document(Fault::Nothing, &card_plan(40.0));
    assert_eq!(document.run.stopped, Stopped::Time);
    assert!(document.run.rounds >= 4, "{}", document.run.rounds);
    assert!(
        document.run.duration_s < 44.0,
        "{}",
        document.run.duration_s
    );
    assert!(document.findings.cells().is_empty());
    let card = measured(&document);
    assert_eq!(card.trials.len(), order().trials.len());
    // Some have one more, in what was left after the last round.
    let rounds = document.run.rounds as usize;
    let workers = |count: usize| assert!((rounds..=rounds + 1).contains(&count), "{count}");
    for (trial, result) in order().trials.iter().zip(&card.trials) {
        assert!(result.parent.measured().is_some(), "{:?}", trial.purpose);
        if trial.purpose == Purpose::Gauges {
            workers(result.gauges.len());
            continue;
        }
        assert_eq!(result.cells.len(), trial.methods.len());
        for cell in &result.cells {
            workers(cell.samples.len());
        }
    }
}

#[test]
fn prices_are_what_the_kernel_charges() {
    let (card, outcome) = card(Fault::Nothing, 40.0);
    assert!(outcome.error.is_none());
    // A mapping of the fake's adds a VMA, one with a page of its own and an entry at
    // once, so only what all three add up to is known: 800 ns in the call, 700 after.
    let known = [Term::Vma, Term::AnonVma, Term::Pte];
    let of = |term: &Term| {
        let mut terms = card.prices.terms.iter();
        let price = terms.find(|price| price.term == *term).unwrap();
        price
            .small
            .total_ns
            .measured()
            .map_or(0.0, |total| total.value)
    };
    let sum: f64 = known.iter().map(of).sum();
    assert!((sum / 1_500.0 - 1.0).abs() < 0.05, "{sum}");
    let grade = card.prices.grade.measured().unwrap();
    assert!(grade.total.loo_p90 < 0.05, "{grade:?}");
    let foretold = card
        .prices
        .forecasts
        .iter()
        .find(|f| f.trial == 20)
        .unwrap();
    let wanted = (160_000 + 1_500 * 77) as f64;
    assert!(
        (foretold.total_ns / wanted - 1.0).abs() < 0.05,
        "{foretold:?}"
    );
    let descriptor = total(&card, PriceKind::CloexecDescriptor, Some(Vfork));
    assert!(
        (descriptor.measured().unwrap() - 60.0).abs() < 1.0,
        "{descriptor:?}"
    );
    assert!(
        total(&card, PriceKind::Mapping, Some(PosixSpawn))
            .missing()
            .is_some()
    );
    let copy = total(&card, PriceKind::ParentCopy, None);
    assert_eq!(copy, Availability::Measured(2_000.0 - 8.0));
    assert_eq!(
        total(&card, PriceKind::Syscall, None),
        Availability::Measured(200.0)
    );
}

#[test]
fn a_worker_that_dies_costs_its_trial_and_is_the_error() {
    let (card, outcome) = card(Fault::WorkerDies(3), 40.0);
    assert!(matches!(outcome.error, Some(LabError::Died { .. })));
    let lost = card
        .trials
        .iter()
        .filter(|trial| trial.parent.missing().is_some());
    assert_eq!(lost.count(), 1);
    let grade = card.prices.grade.measured();
    assert!(grade.is_some(), "the others are enough");
}

#[test]
fn a_signal_keeps_what_there_is() {
    let (card, outcome) = card(Fault::Interrupted(12), 40.0);
    assert!(matches!(outcome.error, Some(LabError::Interrupted(2))));
    let document = outcome.document.unwrap();
    assert_eq!(document.run.stopped, Stopped::Interrupted);
    assert!(document.caveats.contains(&Caveat::Interrupted));
    assert!(document.caveats.contains(&Caveat::FewRounds { rounds: 0 }));
    let tried = card
        .trials
        .iter()
        .filter(|trial| trial.parent.measured().is_some());
    assert_eq!(tried.count(), 11);
    let why = card.prices.grade.missing().unwrap();
    assert!(why.reason.contains("too few"), "{why:?}");
}

#[test]
fn a_signal_before_anything_leaves_nothing() {
    let (outcome, _) = carry_out(Fault::Interrupted(1), &card_plan(40.0));
    assert!(outcome.document.is_none());
}

#[test]
fn a_program_that_fails_costs_its_own_price() {
    let (card, outcome) = card(Fault::ProgramFailsLater, 40.0);
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    let missing = total(&card, PriceKind::StaticStart, None);
    let reason = &missing.missing().unwrap().reason;
    assert!(reason.contains("/bin/true"), "{reason}");
    assert!(
        total(&card, PriceKind::Spawn, Some(Vfork))
            .measured()
            .is_some()
    );
}

#[test]
fn an_embedded_program_that_cannot_run_is_the_end() {
    let (outcome, steps) = carry_out(Fault::ProgramHangs, &card_plan(40.0));
    assert!(outcome.document.is_none());
    let hung = matches!(
        outcome.error,
        Some(LabError::Program(ProgramError::Hung { .. }))
    );
    assert!(hung, "{:?}", outcome.error);
    assert!(steps.is_empty());
}

#[test]
fn without_clone3_the_others_have_their_prices() {
    let (card, _) = card(Fault::NoClone3, 40.0);
    let gone = total(&card, PriceKind::Spawn, Some(Clone3Vfork));
    assert_eq!(gone.missing().unwrap().reason, "needs Linux 5.5");
    assert!(
        total(&card, PriceKind::Spawn, Some(PosixSpawn))
            .measured()
            .is_some()
    );
}

#[test]
fn two_rounds_are_measured_whatever_they_take() {
    let document = document(Fault::Nothing, &card_plan(0.1));
    assert_eq!(document.run.rounds, 2);
    assert!(document.caveats.contains(&Caveat::FewRounds { rounds: 2 }));
    let exceeded = |caveat: &Caveat| matches!(caveat, Caveat::TimeExceeded { .. });
    assert!(document.caveats.iter().any(exceeded));
}

#[test]
fn a_program_that_was_named_must_work() {
    let mut plan = card_plan(40.0);
    plan.order = Order::Card(CardOrder {
        named: vec![Purpose::StaticProgram],
        ..order()
    });
    let (outcome, _) = carry_out(Fault::ProgramFailsLater, &plan);
    let failed = matches!(
        outcome.error,
        Some(LabError::Program(ProgramError::Failed { .. }))
    );
    assert!(failed, "{:?}", outcome.error);
    assert!(outcome.document.is_some(), "the others have their prices");
}
