//! Several parents that spawn at once, of which one is timed.

use super::{carry_out, document, value};
use crate::fake::{Fault, plan};
use forktax::lab::error::LabError;
use forktax::model::SpawnMethod::{Clone3Vfork, Fork, PosixSpawn};
use forktax::model::{Caveat, Cell, Document, HostState, Plan, SpaceRequest, SpawnMethod, Stopped};
use forktax::report::{Format, Shown, render};

/// One parent alone, and two at once.
fn at_once(methods: &[SpawnMethod], other: usize) -> Plan {
    let plan = plan(&[100], methods);
    let alone = plan.spaces[0].clone();
    let parts = vec![alone.clone(), SpaceRequest::Jobs { count: 2 }];
    Plan {
        spaces: vec![alone, SpaceRequest::Together { parts }],
        other_cpus: vec![other],
        ..plan
    }
}

fn cell(document: &Document, jobs: u64, method: SpawnMethod) -> &Cell {
    let mut cells = document.findings.cells().iter();
    let found = cells.find(|cell| cell.space.jobs == Some(jobs) && cell.method == method);
    found.unwrap()
}

fn total(document: &Document, jobs: u64, method: SpawnMethod) -> f64 {
    cell(document, jobs, method)
        .total_ns
        .measured()
        .unwrap()
        .median
        .value
}

fn all_per_second(document: &Document, jobs: u64, method: SpawnMethod) -> f64 {
    let all = cell(document, jobs, method).all_per_second.as_ref();
    all.unwrap().measured().unwrap().value
}

#[test]
fn one_is_timed_beside_another_and_both_are_counted() {
    let document = document(Fault::Nothing, &at_once(&[Fork, PosixSpawn], 0));
    // The fake's two take half as long again, those of posix_spawn do not.
    let fork = total(&document, 2, Fork) / total(&document, 1, Fork);
    assert!((1.49..1.51).contains(&fork), "{fork}");
    let posix_spawn = total(&document, 2, PosixSpawn) / total(&document, 1, PosixSpawn);
    assert!((0.99..1.01).contains(&posix_spawn), "{posix_spawn}");
    for (method, more) in [(Fork, 1.333), (PosixSpawn, 2.0)] {
        let rates = [1, 2].map(|jobs| all_per_second(&document, jobs, method));
        let ratio = rates[1] / rates[0];
        assert!(
            (0.97..1.03).contains(&(ratio / more)),
            "{method:?} {rates:?}"
        );
    }
    // Counters and CPU time are of the one.
    let faults = |jobs| value(&cell(&document, jobs, Fork).minor_faults.child);
    assert_eq!([faults(1), faults(2)], [23.0, 23.0]);
    let text = render(&document.into(), Format::Table, &Shown::default()).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.contains("With 2 parents that spawn at once fork takes 1.50 times"),
        "{text}"
    );
    assert!(
        text.contains("difference is seen for posix_spawn"),
        "{text}"
    );
    assert!(text.contains("up to 2 parents spawn at once"), "{text}");
}

#[test]
fn threads_of_one_core_are_a_reservation() {
    let shared = |other| {
        let document = document(Fault::Nothing, &at_once(&[Fork], other));
        let mut caveats = document.caveats.into_iter();
        caveats.find_map(|caveat| match caveat {
            Caveat::CoresShared { cpus } => Some(cpus),
            _ => None,
        })
    };
    assert_eq!(shared(0), Some(vec![1, 0]));
    assert_eq!(shared(7), None);
}

#[test]
fn one_of_the_others_that_dies_ends_the_run() {
    let mut plan = at_once(&[Fork], 0);
    // Of two at once the second is the other, in each visit.
    plan.spaces.remove(0);
    let (outcome, _) = carry_out(Fault::WorkerDies(4), &plan);
    assert!(
        matches!(outcome.error, Some(LabError::Died { .. })),
        "{:?}",
        outcome.error
    );
    let stopped = outcome.document.unwrap().run.stopped;
    assert!(matches!(stopped, Stopped::Failed(_)), "{stopped:?}");
}

#[test]
fn parents_that_differ_in_their_methods_are_refused() {
    let plan = at_once(&[Fork, Clone3Vfork], 0);
    let (outcome, _) = carry_out(Fault::NoClone3ForSome, &plan);
    let said = outcome.error.unwrap().to_string();
    assert!(said.contains("spawn at once are not alike"), "{said}");
    assert!(said.contains("fork,clone3-vfork can be had"), "{said}");
}

#[test]
fn a_method_that_is_missing_here_is_missed_by_all() {
    let document = document(Fault::NoClone3, &at_once(&[Fork, Clone3Vfork], 0));
    for jobs in [1, 2] {
        let missing = cell(&document, jobs, Clone3Vfork);
        assert!(missing.total_ns.missing().is_some());
        let all = missing.all_per_second.as_ref().unwrap();
        assert_eq!(all.missing(), missing.total_ns.missing());
        assert!(cell(&document, jobs, Fork).total_ns.measured().is_some());
    }
}

#[test]
fn what_others_did_is_told_with_a_reason_or_a_figure() {
    let plan = at_once(&[Fork, PosixSpawn], 0);
    let document = document(Fault::EndsForgotten, &plan);
    let all = |jobs| cell(&document, jobs, Fork).all_per_second.as_ref().unwrap();
    assert!(all(1).measured().is_some());
    let why = &all(2).missing().unwrap().reason;
    assert!(why.contains("was not written down"), "{why}");
    let text = render(&document.into(), Format::Table, &Shown::default()).unwrap();
    let text = String::from_utf8(text).unwrap();
    // It is timed all the same.
    assert!(
        text.contains("With 2 parents that spawn at once fork takes 1.50 times"),
        "{text}"
    );
    assert!(text.contains("was not written down"), "{text}");
}

#[test]
fn methods_that_took_no_turns_are_compared_worker_by_worker() {
    let document = document(Fault::Nothing, &at_once(&[Fork, PosixSpawn], 0));
    for jobs in [1, 2] {
        let ratio = cell(&document, jobs, Fork).ratio.measured().unwrap().value;
        let medians = total(&document, jobs, Fork) / total(&document, jobs, PosixSpawn);
        assert!(
            (0.999..1.001).contains(&(ratio / medians)),
            "{ratio} {medians}"
        );
    }
    let text = render(&document.into(), Format::Table, &Shown::default()).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains("turn by turn"), "{text}");
    assert!(
        text.contains("posix_spawn's, of the same workers"),
        "{text}"
    );
}

#[test]
fn one_that_sleeps_beside_others_is_not_taken_for_disturbed() {
    let document = document(Fault::CpuShared, &at_once(&[Fork], 0));
    let slept = |jobs| {
        let workers = cell(&document, jobs, Fork).samples.iter();
        let slept = workers.filter(|worker| worker.idle_share.is_some_and(|share| share > 0.5));
        slept.map(|worker| worker.host).collect::<Vec<_>>()
    };
    let [alone, beside] = [1, 2].map(slept);
    assert!(!alone.is_empty() && alone.iter().all(|host| *host == HostState::Shared));
    assert!(!beside.is_empty() && !beside.contains(&HostState::Shared));
}
