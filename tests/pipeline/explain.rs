//! The pipeline behind `explain`, on the fake.

use forktax::lab::error::LabError;
use forktax::model::SpawnMethod::{Fork, PosixSpawn, Vfork};
use forktax::model::{
    Availability, Caveat, ChildAction, Document, ExitOrder, ExplainOrder, Explanation, FaultCause,
    FaultPhase, Ledger, Mechanism, MethodExplained, MissingKind, Order, Phase, Plan, Program,
    SpaceRequest, SpawnMethod, Stopped, Stored,
};
use forktax::report::{Format, Shown, parse, render};

use crate::fake::{Fault, HIT_NS, LAG_NS, plan};
use crate::{carry_out, document};

fn explained(methods: &[SpawnMethod]) -> Plan {
    let mut plan = plan(&[0, 1_000], methods);
    plan.order = Order::Explain(ExplainOrder {
        sampling_hz: 1_000,
        rewrite_pages: 1_000,
        tree: true,
    });
    plan
}

fn default_plan() -> Plan {
    explained(&[Fork, PosixSpawn])
}

fn explanation(document: &Document) -> &Explanation {
    document.findings.explanation().unwrap()
}

fn method(document: &Document, method: SpawnMethod) -> &MethodExplained {
    let mut methods = explanation(document).methods.iter();
    methods
        .find(|explained| explained.method == method)
        .unwrap()
}

fn ledger(document: &Document, spawned: SpawnMethod) -> &Ledger {
    method(document, spawned).ledger.measured().unwrap()
}

fn phase(ledger: &Ledger, phase: Phase) -> Option<f64> {
    let mut phases = ledger.phases.iter();
    let found = phases.find(|time| time.phase == phase).unwrap();
    Some(found.ns.measured()?.value)
}

/// Within the jitter of the fake's times.
fn close(ns: Option<f64>, wanted: f64) {
    let ns = ns.unwrap();
    assert!((ns - wanted).abs() < 1_000.0, "{ns} instead of {wanted}");
}

#[test]
fn a_worker_that_dies_is_the_error_whatever_part_it_was_for() {
    // Those of the first round are of all parts, the probes' among them; one has no loop
    // to die in, as its page tables are all that is looked at.
    let survives = |nth: &u32| {
        let (outcome, _) = carry_out(Fault::WorkerDies(*nth), &default_plan());
        !matches!(outcome.error, Some(LabError::Died { .. }))
    };
    assert_eq!((1..=16).filter(survives).count(), 1);
}

#[test]
fn a_fork_is_told_phase_by_phase() {
    let document = document(Fault::Nothing, &default_plan());
    let fork = ledger(&document, Fork);
    assert_eq!(fork.incomplete, 0);
    assert!(fork.spawns > 100);
    // 840 us of call, of which all but 2 us are the copy.
    close(phase(fork, Phase::Copy), 838_000.0);
    close(phase(fork, Phase::Return), 2_000.0);
    close(phase(fork, Phase::Wake), 2_000.0);
    close(phase(fork, Phase::BeforeExec), 2_000.0);
    close(phase(fork, Phase::ExecTeardown), 406_000.0);
    // The fake's hit of 6 us delays the exec and not the program.
    close(phase(fork, Phase::ExecStart), 8_000.0 - HIT_NS as f64);
    close(phase(fork, Phase::Run), 2_000.0);
    close(phase(fork, Phase::Reap), 3_000.0);
    assert_eq!(phase(fork, Phase::Loader), None);
    let phases = fork.phases.iter().filter_map(|p| p.ns.measured());
    let sum: f64 = phases.map(|time| time.value).sum();
    let (total, unexplained) = (fork.total_ns.value, fork.unexplained_ns.value);
    assert!((sum + unexplained - total).abs() < 1.0, "{sum}");
    assert!(unexplained.abs() < 0.01 * total);
}

#[test]
fn a_hit_is_measured_and_taken_off() {
    let document = document(Fault::Nothing, &default_plan());
    let hit = explanation(&document).breakpoint.measured().unwrap();
    assert_eq!(hit.cost_ns.value, HIT_NS as f64);
    assert_eq!(hit.lag_ns, LAG_NS as f64);
    let spawn = ledger(&document, PosixSpawn);
    // The hit comes 1 us after the call of execve, which the fake stamps.
    close(phase(spawn, Phase::BeforeExec), 9_000.0);
    close(phase(spawn, Phase::Return), 3_000.0);
    close(phase(spawn, Phase::Wake), 1_500.0);
}

#[test]
fn the_order_of_exit_is_found_by_what_grows() {
    let document = document(Fault::Nothing, &default_plan());
    let probe = explanation(&document).exit_probe.measured().unwrap();
    assert_eq!(probe.order, ExitOrder::BeforeTeardown);
    assert!(probe.after_record_ns > 300_000.0, "{probe:?}");
}

#[test]
fn chains_become_mechanisms_and_faults_get_a_cause() {
    let document = document(Fault::Nothing, &default_plan());
    let fork = method(&document, Fork);
    let mechanisms = fork.mechanisms.measured().unwrap();
    let share = |mechanism| {
        let mut shares = mechanisms.shares.iter();
        shares.find(|share| share.mechanism == mechanism).unwrap()
    };
    for mechanism in [
        Mechanism::PageTableCopy,
        Mechanism::PteTeardown,
        Mechanism::UserMode,
    ] {
        assert!((share(mechanism).share.value - 1.0 / 3.0).abs() < 1e-9);
    }
    let copy = share(Mechanism::PageTableCopy);
    assert_eq!(copy.parent_samples, copy.samples);
    assert_eq!(copy.hottest[0].function, "copy_page_range");
    let faults = fork.faults.measured().unwrap();
    let count = |phase, cause| {
        let mut counts = faults.counts.iter();
        counts
            .find(|c| (c.phase, c.cause) == (phase, cause))
            .unwrap()
    };
    for (phase, cause) in [
        (FaultPhase::ChildBeforeExec, FaultCause::CopyOnWrite),
        (FaultPhase::ParentAfter, FaultCause::CopyOnWrite),
        (FaultPhase::Program, FaultCause::File),
    ] {
        let found = count(phase, cause);
        assert_eq!(
            (found.counted.value, found.expected.measured()),
            (1.0, Some(&1.0))
        );
    }
}

#[test]
fn rewriting_is_told_a_page() {
    let document = document(Fault::Nothing, &default_plan());
    let tax = method(&document, Fork).rewriting.measured().unwrap();
    assert_eq!(tax.pages, 1_000);
    let times = [tax.after_ns, tax.again_ns, tax.tax_ns];
    assert_eq!(times.map(|time| time.value), [750.0, 8.0, 742.0]);
    assert_eq!(tax.held_ns.measured().unwrap().value, 1_992.0);
    let tax = method(&document, PosixSpawn).rewriting.measured().unwrap();
    assert!(tax.held_ns.missing().is_some());
}

#[test]
fn a_fork_holds_up_another_thread_of_the_parent() {
    let document = document(Fault::Nothing, &default_plan());
    let waits = |spawned| method(&document, spawned).waits.measured().unwrap();
    let (fork, other) = (waits(Fork), waits(PosixSpawn));
    for wait in [fork.fault_ns, fork.mapping_ns] {
        close(Some(wait.value), fork.call_ns.value);
    }
    assert_eq!([other.fault_ns.value, other.mapping_ns.value], [900.0; 2]);
    let text = render(&document.into(), Format::Table, &Shown::default()).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("What another thread of the parent waits for meanwhile"));
    assert!(
        text.contains(
            "Another thread of the parent waits meanwhile: beside a fork, whose call took "
        ),
        "{text}"
    );
    assert!(
        text.contains("took 900.0 ns, the longest mapping 900.0 ns (medians over spawns)."),
        "{text}"
    );
}

#[test]
fn a_host_of_one_cpu_has_no_other_thread_to_wait() {
    let document = document(Fault::OneCpu, &default_plan());
    let missing = method(&document, Fork).waits.missing().unwrap();
    assert_eq!(missing.reason, "there is one CPU");
}

#[test]
fn an_explanation_does_without_the_other_thread() {
    let document = document(Fault::NoBusyThread, &default_plan());
    for spawned in [Fork, PosixSpawn] {
        let found = method(&document, spawned);
        let missing = found.waits.missing().unwrap();
        assert!(missing.reason.contains("start a thread"), "{missing:?}");
        assert!(found.rewriting.measured().is_some() && found.ledger.measured().is_some());
    }
    let text = render(&document.into(), Format::Table, &Shown::default()).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("n/a: another thread's waits: "), "{text}");
}

#[test]
fn one_method_and_few_spawns_tell_of_both_deeds() {
    let mut plan = explained(&[Fork]);
    plan.stop.spawns = Some(8);
    plan.stop.time_s = None;
    let document = document(Fault::Nothing, &plan);
    let waits = method(&document, Fork).waits.measured().unwrap();
    close(Some(waits.mapping_ns.value), waits.call_ns.value);
    close(Some(waits.fault_ns.value), waits.call_ns.value);
}

#[test]
fn a_thread_of_the_same_core_is_a_reservation() {
    // CPUs 0 and 1 of the fake are.
    let document = document(Fault::Nothing, &default_plan());
    let cpus = vec![1, 0];
    assert!(document.caveats.contains(&Caveat::CoresShared { cpus }));
}

#[test]
fn without_perf_events_the_times_still_stand() {
    let document = document(Fault::NoPerf, &default_plan());
    assert!(
        document
            .findings
            .cells()
            .iter()
            .all(|c| c.total_ns.measured().is_some())
    );
    for explained in &explanation(&document).methods {
        for missing in [
            explained.ledger.missing(),
            explained.mechanisms.missing(),
            explained.faults.missing(),
        ] {
            let missing = missing.unwrap();
            assert_eq!(missing.reason, "perf_event_paranoid is 4");
            assert_eq!(missing.remedy.as_deref(), Some("ask root"));
        }
        assert!(explained.rewriting.measured().is_some());
    }
}

#[test]
fn without_symbols_all_but_the_mechanisms_is_there() {
    let document = document(Fault::NoSymbols, &default_plan());
    let fork = method(&document, Fork);
    assert!(fork.mechanisms.missing().unwrap().reason.contains("hides"));
    assert!(fork.ledger.measured().is_some() && fork.faults.measured().is_some());
}

#[test]
fn without_breakpoints_a_phase_is_part_of_the_next() {
    let document = document(Fault::NoBreakpoints, &default_plan());
    let spawn = ledger(&document, PosixSpawn);
    let mut phases = spawn.phases.iter();
    let before = phases.find(|p| p.phase == Phase::BeforeExec).unwrap();
    let missing = before.ns.missing().unwrap();
    assert_eq!(missing.missing, MissingKind::Unavailable);
    assert!(
        missing.reason.contains("no breakpoints here"),
        "{missing:?}"
    );
    assert!(missing.reason.contains("next row"), "{missing:?}");
    assert!(phase(spawn, Phase::ExecTeardown).is_some());
    assert!(phase(ledger(&document, Fork), Phase::BeforeExec).is_some());
}

#[test]
fn a_child_that_exits_has_no_exec_to_explain() {
    let mut plan = explained(&[Fork, Vfork]);
    plan.child = ChildAction::Exit;
    let document = document(Fault::Nothing, &plan);
    let fork = ledger(&document, Fork);
    for absent in [Phase::ExecTeardown, Phase::ExecStart, Phase::Run] {
        let mut phases = fork.phases.iter();
        let time = phases.find(|p| p.phase == absent).unwrap();
        let missing = time.ns.missing().unwrap();
        assert_eq!(missing.missing, MissingKind::NotAsked, "{absent:?}");
    }
    assert!(phase(fork, Phase::Teardown).is_some());
}

#[test]
fn an_interrupted_explanation_is_kept_as_far_as_it_came() {
    let (outcome, _) = carry_out(Fault::Interrupted(3), &default_plan());
    assert!(outcome.error.is_some());
    let document = outcome.document.unwrap();
    assert_eq!(document.run.stopped, Stopped::Interrupted);
    assert!(document.caveats.contains(&Caveat::Interrupted));
    let fork = method(&document, Fork);
    assert_eq!(
        fork.ledger.missing().unwrap().missing,
        MissingKind::NotAsked
    );
    let (outcome, _) = carry_out(Fault::WorkerDies(1), &default_plan());
    assert!(outcome.document.is_none(), "nothing was timed");
}

#[test]
fn a_program_of_ones_own_has_an_unknown_last_instruction() {
    let mut plan = default_plan();
    plan.program = Program::Path {
        path: "/bin/true".to_owned(),
        argv: vec!["true".to_owned()],
    };
    let document = document(Fault::Nothing, &plan);
    let fork = ledger(&document, Fork);
    assert!(phase(fork, Phase::Run).is_some());
    assert_eq!(phase(fork, Phase::Exit), None);
}

#[test]
fn spawns_alone_end_an_explanation() {
    let mut plan = default_plan();
    plan.stop.time_s = None;
    plan.stop.spawns = Some(64);
    let document = document(Fault::Nothing, &plan);
    assert_eq!(document.run.stopped, Stopped::Spawns);
    let large = |c: &&forktax::model::Cell| c.space.request.mappings() == 1_000;
    let mut cells = document.findings.cells().iter().filter(large);
    assert!(cells.all(|cell| cell.spawns >= 64));
}

#[test]
fn a_heap_is_explained_too_and_every_format_can_be_read() {
    let mut plan = default_plan();
    plan.spaces[1] = SpaceRequest::Malloc {
        count: 0,
        bytes: 100_000,
        pages: 0,
        spacing: 1,
    };
    let document = document(Fault::Nothing, &plan);
    let stored = Stored::from(document.clone());
    for format in [Format::Svg, Format::Folded] {
        assert!(
            !render(&stored, format, &Shown::default())
                .unwrap()
                .is_empty()
        );
    }
    let json = render(&stored, Format::Json, &Shown::default()).unwrap();
    assert_eq!(parse(json.as_slice()).unwrap(), stored);
    assert!(matches!(
        explanation(&document).page_tables,
        Availability::Measured(_)
    ));
}
