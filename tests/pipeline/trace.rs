//! A program that is watched, from the plan to its tables.

use forktax::model::{
    Availability, CardMethod, CardPrices, CardTerm, Check, Document, Ending, Errors, Findings,
    Grade, Order, SpawnMethod, SpawnPath, Spread, Stopped, Term, Trace, TraceBackend, TraceMeans,
    TraceOrder, TraceTarget,
};
use forktax::report::offences;

use super::fake::followed::{COMMAND, ENTRIES, LOOK_NS};
use super::fake::{Fake, Fault, host};
use super::{Steps, carry_out, shown};
use crate::fake::plan;
use forktax::lab::error::LabError;
use forktax::lab::watch;
use forktax::model::SpawnMethod::Fork;

fn watching(call_times: bool, checks: &[Check]) -> forktax::model::Plan {
    let mut plan = plan(&[], &[Fork]);
    plan.stop.time_s = None;
    plan.order = Order::Trace(TraceOrder {
        target: TraceTarget::Command {
            words: vec!["server".to_owned(), "--once".to_owned()],
        },
        by: TraceMeans::Ptrace,
        call_times,
        checks: checks.to_vec(),
        prices: Availability::unavailable("no card is stored", Some("measure one")),
        advise: false,
    });
    plan
}

/// The same by tracepoints, of this.
fn by_tracepoints(target: TraceTarget) -> forktax::model::Plan {
    let mut plan = watching(false, &[]);
    plan.order = Order::Trace(TraceOrder {
        target,
        by: TraceMeans::Tracepoints,
        call_times: false,
        checks: vec![Check::ExecFailed],
        prices: Availability::unavailable("no card is stored", Some("measure one")),
        advise: false,
    });
    plan
}

fn trace(document: &Document) -> &Trace {
    match &document.findings {
        Findings::Trace(trace) => trace,
        other => panic!("{other:?}"),
    }
}

fn watched(call_times: bool, checks: &[Check]) -> Document {
    let (outcome, _) = carry_out(Fault::Nothing, &watching(call_times, checks));
    assert!(outcome.error.is_none(), "{:?}", outcome.error);
    outcome.document.unwrap()
}

#[test]
fn every_spawn_is_counted_by_its_way() {
    let document = watched(true, &[]);
    let trace = trace(&document);
    let ways: Vec<(u64, bool, u64)> = (trace.paths.iter())
        .map(|path| (path.spawns, path.copies, path.executed))
        .collect();
    assert_eq!(ways, [(2, true, 1), (1, false, 1)]);
    assert_eq!(trace.processes, 4);
    assert_eq!(trace.incomplete, 0);
    assert_eq!(trace.left_running, 0, "it stayed for the last of them");
    assert_eq!(trace.ended.measured(), Some(&Ending::Exit(3)));
    let vfork = trace.paths[1].call_ns.measured().unwrap();
    assert_eq!((vfork.count, vfork.median), (1, 3e6));
    assert_eq!(trace.failed_execs.measured().unwrap()[0].times, 1);
    assert_eq!(document.run.stopped, Stopped::Ended);
}

#[test]
fn without_a_filter_calls_are_missing_and_nobody_is_waited_for() {
    let document = watched(false, &[]);
    let trace = trace(&document);
    assert_eq!(trace.left_running, 1);
    assert!(trace.failed_execs.missing().is_some());
    let why = trace.paths[0].call_ns.missing().unwrap();
    assert_eq!(why.remedy.as_deref(), Some("give --call-times"));
    let text = shown(document);
    assert!(text.contains("1 process went on unwatched"), "{text}");
    assert!(!text.contains("n/a"), "{text}");
}

#[test]
fn offences_name_process_program_and_caller() {
    let checks = [
        Check::Copies,
        Check::System,
        Check::ExecFailed,
        Check::Count { most: 2 },
    ];
    let document = watched(true, &checks);
    let lines = offences(&document.clone().into());
    assert_eq!(
        lines,
        [
            "--fail-on 'copies': server (PID 500) made 2 spawns with a copy of its address space from \
             fork (libc.so.6) ← serve (server)",
            "--fail-on 'system': server (PID 500) made 1 spawn of a shell's command from fork \
             (libc.so.6) ← serve (server)",
            "--fail-on 'exec-failed': server could not execute /bin/nothing [2J (No such file or \
             directory), 1 x",
            "--fail-on 'count>2': there were 3 spawns",
        ]
    );
    assert!(
        watched(true, &[Check::Count { most: 3 }])
            .findings
            .trace()
            .unwrap()
            .offences
            .is_empty()
    );
}

#[test]
fn a_time_that_is_up_and_a_signal_end_the_watching_with_what_was_seen() {
    let mut plan = watching(false, &[]);
    plan.stop.time_s = Some(0.0035);
    let (outcome, _) = carry_out(Fault::Nothing, &plan);
    let document = outcome.document.unwrap();
    assert_eq!(document.run.stopped, Stopped::Time);
    assert_eq!(trace(&document).spawns.len(), 1);
    assert!(trace(&document).ended.missing().is_some());
    let (outcome, _) = carry_out(Fault::Interrupted(1), &watching(false, &[]));
    assert!(matches!(outcome.error, Some(LabError::Interrupted(2))));
    assert_eq!(trace(&outcome.document.unwrap()).spawns.len(), 3);
}

#[test]
fn who_of_the_descendants_is_not_watched_is_told() {
    let (outcome, _) = carry_out(Fault::OneNotFollowed, &watching(false, &[]));
    let text = shown(outcome.document.unwrap());
    let told = "spawns of PID 777";
    assert!(
        text.contains(told) && text.contains("may not trace"),
        "{text}"
    );
}

#[test]
fn by_tracepoints_calls_are_timed_nobody_is_waited_for_and_no_stop_is_told() {
    let target = TraceTarget::Command {
        words: vec!["server".to_owned()],
    };
    let (outcome, _) = carry_out(Fault::Nothing, &by_tracepoints(target));
    let document = outcome.document.unwrap();
    let trace = trace(&document);
    assert_eq!(trace.watched, TraceBackend::Tracepoints);
    assert_eq!(trace.left_running, 1);
    assert!(
        trace
            .paths
            .iter()
            .all(|path| path.call_ns.measured().is_some())
    );
    assert_eq!(trace.offences.len(), 1);
    let text = shown(document);
    assert!(text.contains("by the kernel's tracepoints"), "{text}");
    assert!(!text.contains("forktax's stops"), "{text}");
}

#[test]
fn records_that_were_lost_are_a_caveat() {
    let (outcome, _) = carry_out(Fault::RecordsLost, &by_tracepoints(TraceTarget::Host));
    let text = shown(outcome.document.unwrap());
    assert!(
        text.contains("all processes of this host made 3 spawns"),
        "{text}"
    );
    assert!(text.contains("the kernel dropped 3 records"), "{text}");
}

#[test]
fn why_there_are_no_tracepoints_is_said_with_the_remedy() {
    let (outcome, _) = carry_out(Fault::NoTracepoints, &watching(false, &[]));
    let text = shown(outcome.document.unwrap());
    let said = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let expected = "instead of tracepoints: tracefs is not mounted; mount it";
    assert!(said.contains(expected), "{text}");
}

#[test]
fn who_may_not_be_watched_is_said_and_nothing_is_left() {
    let (outcome, _) = carry_out(Fault::NotFollowed, &watching(false, &[]));
    assert!(outcome.document.is_none());
    let said = outcome.error.unwrap().to_string();
    assert!(said.contains("ptrace_scope"), "{said}");
}

/// A card by which an entry of a fork takes a microsecond, and a posix_spawn 20 ms.
fn prices() -> Availability<CardPrices> {
    let term = |term, ns: f64| CardTerm {
        term,
        call_ns: [ns; 2],
        after_ns: [0.0; 2],
    };
    let errors = Errors {
        r_squared: 1.0,
        loo_median: 0.1,
        loo_p90: 0.2,
        validation_median: Availability::not_reached(),
        validation_worst: Availability::not_reached(),
    };
    Availability::Measured(CardPrices {
        terms: vec![term(Term::Pte, 1e3)],
        knee_bytes: None,
        levels_off: false,
        instead: vec![CardMethod {
            method: SpawnMethod::PosixSpawn,
            terms: vec![term(Term::Fixed, 20e6)],
        }],
        largest: None,
        grade: Grade {
            parents: 20,
            call: errors.clone(),
            total: errors,
        },
        measured_unix_s: 0,
    })
}

/// What is printed, however it was wrapped.
fn said(document: Document) -> String {
    let text = shown(document);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A command that copies itself seven times, of which six children execute something.
fn copying(change: impl FnOnce(&mut TraceOrder), fault: Fault) -> Document {
    let mut plan = watching(false, &[]);
    match &mut plan.order {
        Order::Trace(order) => change(order),
        other => panic!("{other:?}"),
    }
    let (outcome, _) = carry_out(fault, &plan);
    outcome.document.unwrap()
}

#[test]
fn who_copies_again_and_again_is_looked_at_once_and_no_time_holds_that() {
    for call_times in [false, true] {
        let document = copying(|order| order.call_times = call_times, Fault::CopiesOften);
        let trace = trace(&document);
        let [saving] = trace.savings.as_slice() else {
            panic!("{:?}", trace.savings)
        };
        assert_eq!((saving.copies, saving.replaceable), (7, 6));
        let [parent] = saving.parents.as_slice() else {
            panic!("{:?}", saving.parents)
        };
        assert_eq!((parent.pid, parent.spawns), (COMMAND, 6));
        assert_eq!(parent.parent.measured().unwrap().mappings.ptes, ENTRIES);
        assert_eq!(parent.took_ns, LOOK_NS);
        let longest = |pick: fn(&SpawnPath) -> &Availability<Spread>| {
            let paths = trace.paths.iter();
            let measured = paths.filter_map(|path| pick(path).measured());
            measured.map(|times| times.max).fold(0.0, f64::max)
        };
        assert!(longest(|path| &path.call_ns) < LOOK_NS as f64);
        assert!(longest(|path| &path.to_exec_ns) < LOOK_NS as f64);
        let copying = trace.paths.iter().find(|path| path.copies).unwrap();
        // Without timed calls it is looked at while a child is on its way to its exec.
        let told = copying.to_exec_ns.measured().unwrap().count;
        assert_eq!(told, if call_times { 6 } else { 5 });
        let text = said(document.clone());
        assert!(text.contains("no card is stored; measure one"), "{text}");
    }
}

#[test]
fn what_another_way_would_take_is_said_by_the_card() {
    let document = copying(|order| order.prices = prices(), Fault::CopiesOften);
    let text = said(document);
    let expected =
        "By this host's card the calls of 6 copying spawns of server (84,303 PTEs) take 0.506 s";
    assert!(text.contains(expected), "{text}");
    let timed = |order: &mut TraceOrder| {
        order.prices = prices();
        order.call_times = true;
    };
    let text = said(copying(timed, Fault::CopiesOften));
    let expected = "6 copying spawns of server (84,303 PTEs) stood in their calls for";
    assert!(text.contains(expected), "{text}");
    assert!(
        text.contains("of these take 0.506 s, and would take 0.120 s by posix_spawn"),
        "{text}"
    );
}

#[test]
fn who_may_not_be_looked_at_has_no_price_and_the_reason() {
    let document = copying(|order| order.prices = prices(), Fault::NotLookedAt);
    let text = said(document);
    assert!(text.contains("it is protected; ask root"), "{text}");
    assert!(!text.contains("by the card of"), "{text}");
}

#[test]
fn the_dearest_spawner_has_a_shape_if_remedies_are_asked_for() {
    let dearest = |advise, fault| {
        let mut plan = watching(false, &[]);
        let Order::Trace(order) = &mut plan.order else {
            panic!("it watches")
        };
        order.advise = advise;
        let order = order.clone();
        watch(
            &Fake::new(fault),
            host(),
            &plan,
            &order,
            &mut Steps(Vec::new()),
        )
        .dearest
    };
    let found = dearest(true, Fault::CopiesOften).unwrap();
    assert!(found.executes);
    assert_eq!(found.shape.process.pid, Some(COMMAND));
    assert!(dearest(false, Fault::CopiesOften).is_err());
    let why = dearest(true, Fault::Nothing).unwrap_err().reason;
    assert!(why.contains("nothing to try remedies on"), "{why}");
    let why = dearest(true, Fault::NotLookedAt).unwrap_err();
    assert_eq!(why.reason, "it is protected");
}
