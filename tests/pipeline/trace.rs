//! A program that is watched, from the plan to its tables.

use forktax::model::{
    Check, Document, Ending, Findings, Order, Stopped, Trace, TraceBackend, TraceMeans, TraceOrder,
    TraceTarget,
};
use forktax::report::offences;

use super::fake::Fault;
use super::{carry_out, shown};
use crate::fake::plan;
use forktax::lab::error::LabError;
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
