//! Programs that spawn in a loop, from a plan to the document.

use forktax::analysis::reproduce::studies::{OWN_INTERPRETER, own_program};
use forktax::lab::Outcome;
use forktax::lab::error::{LabError, ProgramError};
use forktax::model::SpawnMethod::{Fork, PosixSpawnUsevfork};
use forktax::model::{
    Answer, Availability, CallName, Caveat, Document, Findings, Loop, LoopOrder, LoopSystem, Loops,
    Order, Plan, ReproduceOrder, Reproduction, SplitSource, Stopped, StudyId,
};

use super::fake::{Fault, ITERATION_NS, START_NS, plan};
use super::{carry_out, document};

const ITERATIONS: u64 = 40;

fn loops() -> Plan {
    let mut plan = plan(&[0], &[Fork, PosixSpawnUsevfork]);
    plan.baseline = Fork;
    plan.stop.time_s = None;
    plan.program = own_program();
    plan.order = Order::Reproduce(ReproduceOrder {
        study: StudyId::Python2014,
        scale: 1.0,
        scaled_because: None,
        loops: Some(LoopOrder {
            iterations: ITERATIONS,
            long_iterations: 10 * ITERATIONS,
            repeats: 4,
            interpreter: OWN_INTERPRETER.to_owned(),
            own_interpreter: true,
            own_program: true,
        }),
    });
    plan
}

fn order(plan: &mut Plan) -> &mut LoopOrder {
    match &mut plan.order {
        Order::Reproduce(order) => order.loops.as_mut().unwrap(),
        other => panic!("{other:?} orders no study"),
    }
}

/// Why a row failed.
fn cause(error: &LabError) -> &LabError {
    match error {
        LabError::Row { why, .. } => why,
        other => other,
    }
}

/// What is left of a run that some rows fail in: the document, and their error.
fn with_losses(fault: Fault) -> (Document, LabError) {
    let (Outcome { document, error }, _) = carry_out(fault, &loops());
    (document.unwrap(), error.unwrap())
}

fn found(document: &Document) -> &Loops {
    match &document.findings {
        Findings::Reproduction(Reproduction {
            answer: Answer::Programs(loops),
            ..
        }) => loops,
        other => panic!("{other:?} has no loops"),
    }
}

fn rows(document: &Document) -> &[Loop] {
    &found(document).rows
}

fn row(document: &Document, system: LoopSystem) -> &Loop {
    let mut rows = rows(document).iter();
    rows.find(|row| row.system == system).unwrap()
}

#[test]
fn every_program_has_its_row_in_the_study_s_order() {
    let document = document(Fault::Nothing, &loops());
    let systems: Vec<LoopSystem> = rows(&document).iter().map(|row| row.system).collect();
    assert_eq!(systems, LoopSystem::ALL);
    assert_eq!(document.run.stopped, Stopped::Spawns);
    for row in rows(&document) {
        let here = row.here.measured().unwrap();
        let long = row.system == LoopSystem::PythonPopenLong;
        assert_eq!(
            here.runs.len(),
            if long { 2 } else { 4 },
            "{:?}",
            row.system
        );
        assert_eq!(row.iterations, if long { 400 } else { 40 });
        assert!(here.calls.measured().is_some());
        assert!(here.parent.measured().is_some());
    }
}

#[test]
fn a_script_is_measured_as_a_whole_and_its_start_apart() {
    let document = document(Fault::Nothing, &loops());
    let here = row(&document, LoopSystem::PythonPopen)
        .here
        .measured()
        .unwrap();
    let whole = (START_NS + ITERATION_NS * ITERATIONS) as f64 / 1e9;
    assert!(
        (here.real_s.value - whole).abs() < 1e-4,
        "{}",
        here.real_s.value
    );
    assert!((here.start_s.value - 0.02).abs() < 1e-9);
    assert!((here.cpu_s.value - 0.032).abs() < 1e-9);
    assert!((here.minor_faults.measured().unwrap().value - 50.0).abs() < 1e-9);
    let calls = here.calls.measured().unwrap();
    assert_eq!((calls[0].name, calls[0].seen), (CallName::Vfork, 5));
    assert_eq!(here.split, SplitSource::Samples);
    let user = here.user_s.measured().unwrap().value / here.cpu_s.value;
    assert!((user - 0.25).abs() < 0.01, "{user}");
}

#[test]
fn ratios_are_of_one_iteration_to_the_second_program_s() {
    let document = document(Fault::Nothing, &loops());
    let ratio = |system| {
        let here = row(&document, system).here.measured().unwrap();
        here.ratio.measured().unwrap().value
    };
    assert!((ratio(LoopSystem::CFork) - 1.0).abs() < 1e-12);
    let (short, long) = (
        ratio(LoopSystem::PythonPopen),
        ratio(LoopSystem::PythonPopenLong),
    );
    assert!(
        short > long,
        "the start weighs less in the long run: {short} {long}"
    );
    assert!(ratio(LoopSystem::CPosixSpawn) < 1.0);
    assert!(ratio(LoopSystem::CForkLikePython) > 1.2, "70 mappings more");
}

#[test]
fn without_an_interpreter_the_c_programs_run_and_the_others_say_why() {
    let document = document(Fault::NoInterpreter, &loops());
    for row in rows(&document) {
        let needs = row.system.is_script() || row.system == LoopSystem::CForkLikePython;
        match row.here.missing() {
            Some(missing) => {
                assert!(needs, "{:?}", row.system);
                assert_eq!(missing.reason, "there is no python3 in PATH");
                assert_eq!(missing.remedy.as_deref(), Some("ask root"));
            }
            None => assert!(!needs, "{:?}", row.system),
        }
    }
}

#[test]
fn an_interpreter_that_was_asked_for_must_be_there() {
    let mut plan = loops();
    order(&mut plan).own_interpreter = false;
    let (Outcome { document, error }, _) = carry_out(Fault::NoInterpreter, &plan);
    assert!(document.is_none());
    assert!(matches!(error, Some(LabError::Interpreter(_))), "{error:?}");
}

#[test]
fn without_the_study_s_program_the_row_of_another_one_runs() {
    for (fault, named) in [
        (Fault::NoProgram, "/bin/gzip: not found"),
        (Fault::ProgramHangs, "/bin/sleepy: still running"),
    ] {
        let (document, error) = with_losses(fault);
        assert!(matches!(error, LabError::Program(_)), "{error:?}");
        for row in rows(&document) {
            let runs = row.system == LoopSystem::CPosixSpawnFloor;
            assert_eq!(row.here.measured().is_some(), runs, "{:?}", row.system);
            let missing = match &row.here {
                Availability::Missing(missing) => missing,
                Availability::Measured(here) => here.ratio.missing().unwrap(),
            };
            assert!(missing.reason.starts_with(named), "{}", missing.reason);
            assert!(missing.reason.ends_with("after --"), "{}", missing.reason);
        }
        assert!(found(&document).interpreter.measured().is_some());
    }
}

#[test]
fn a_program_that_was_asked_for_must_be_there() {
    let mut plan = loops();
    order(&mut plan).own_program = false;
    let (Outcome { document, error }, _) = carry_out(Fault::NoProgram, &plan);
    assert!(document.is_none());
    let not_found = ProgramError::NotFound("/bin/gzip".to_owned());
    assert!(matches!(error, Some(LabError::Program(e)) if e == not_found));
}

#[test]
fn a_likeness_that_cannot_be_taken_costs_the_row_that_is_built_like_it() {
    let (document, error) = with_losses(Fault::NoLikeness);
    assert!(error.to_string().contains("/proc/7000/smaps"), "{error}");
    for row in rows(&document) {
        let built = row.system == LoopSystem::CForkLikePython;
        assert_eq!(row.here.measured().is_none(), built, "{:?}", row.system);
    }
    let failed = row(&document, LoopSystem::CForkLikePython);
    let reason = &failed.here.missing().unwrap().reason;
    assert!(reason.contains("/proc/7000/smaps"), "{reason}");
}

#[test]
fn a_host_without_room_for_the_likeness_has_a_row_less() {
    let document = document(Fault::NoRoom, &loops());
    for row in rows(&document) {
        let built = row.system == LoopSystem::CForkLikePython;
        assert_eq!(row.here.measured().is_none(), built, "{:?}", row.system);
    }
    let missing = row(&document, LoopSystem::CForkLikePython).here.missing();
    let reason = &missing.unwrap().reason;
    assert!(reason.contains("vm.max_map_count"), "{reason}");
}

#[test]
fn a_script_that_fails_costs_its_own_row() {
    let (document, error) = with_losses(Fault::ScriptFails);
    assert!(
        matches!(cause(&error), LabError::Script { .. }),
        "{error:?}"
    );
    assert_eq!(document.run.stopped, Stopped::Spawns);
    for row in rows(&document) {
        let failed = row.system == LoopSystem::PythonPosixSpawn;
        assert_eq!(row.here.measured().is_none(), failed, "{:?}", row.system);
    }
    let failed = row(&document, LoopSystem::PythonPosixSpawn);
    let reason = &failed.here.missing().unwrap().reason;
    assert!(reason.contains("No module named '_ctypes'"), "{reason}");
}

#[test]
fn without_samples_the_kernel_s_own_bookkeeping_splits_the_time() {
    let document = document(Fault::NoPerf, &loops());
    let here = row(&document, LoopSystem::PythonPopen)
        .here
        .measured()
        .unwrap();
    assert_eq!(here.split, SplitSource::Rusage);
    assert!((here.user_s.measured().unwrap().value - 0.008).abs() < 1e-9);
    assert!(here.calls.missing().is_some());
    let why = found(&document).unsampled.as_ref().unwrap();
    assert_eq!(why.reason, "perf_event_paranoid is 4");
}

#[test]
fn what_scripts_leave_behind_is_counted() {
    let document = document(Fault::Nothing, &loops());
    // Each run of a script of the fake leaves one process behind.
    let left = document.caveats.iter().find_map(|caveat| match caveat {
        Caveat::Daemons { count } => Some(*count),
        _ => None,
    });
    // Five scripts observed, four timed four times, the longer one and the
    // samples twice.
    assert_eq!(left, Some(5 + 4 * 4 + 2 + 4 * 2));
}

#[test]
fn a_row_that_fails_later_keeps_its_runs_and_says_why() {
    // Each row has a process that observes, and one worker is looked at for the likeness;
    // then come those of the first round, timed and sampled; then those of the second, six
    // of them workers.
    let mut died = 0;
    for nth in 34..44 {
        let (Outcome { document, error }, _) = carry_out(Fault::WorkerDies(nth), &loops());
        let Some(error) = error else {
            continue; // The nth was a script.
        };
        died += 1;
        assert!(matches!(cause(&error), LabError::Died { .. }), "{error:?}");
        let document = document.unwrap();
        let failed = rows(&document).iter().filter(|row| row.failed.is_some());
        let failed: Vec<&Loop> = failed.collect();
        assert_eq!(failed.len(), 1, "{nth}");
        assert_eq!(failed[0].here.measured().unwrap().runs.len(), 1, "{nth}");
        let others = rows(&document).iter().filter(|row| row.failed.is_none());
        assert!(others.clone().all(|row| row.here.measured().is_some()));
        assert_eq!(others.count(), LoopSystem::ALL.len() - 1);
    }
    assert_eq!(died, 6);
}

#[test]
fn an_interrupted_run_keeps_what_it_has() {
    // The observation starts one process for each row, the first round more.
    let (Outcome { document, error }, _) = carry_out(Fault::InterruptedScript(40), &loops());
    assert!(matches!(error, Some(LabError::Interrupted(2))), "{error:?}");
    let document = document.unwrap();
    assert_eq!(document.run.stopped, Stopped::Interrupted);
    assert!(
        rows(&document)
            .iter()
            .any(|row| row.here.measured().is_some())
    );
}

#[test]
fn a_program_that_always_fails_is_an_error() {
    // The scripts of the fake know nothing of the failing child.
    let (document, error) = with_losses(Fault::ChildFails);
    assert!(
        matches!(cause(&error), LabError::Worker { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains(": worker at "), "{error}");
    let fork = row(&document, LoopSystem::CFork).here.missing().unwrap();
    assert!(fork.reason.contains("wait status 0x900"), "{}", fork.reason);
}

#[test]
fn the_time_ends_a_run_after_two_rounds_at_the_least() {
    let mut plan = loops();
    plan.stop.time_s = Some(0.001);
    let document = document(Fault::Nothing, &plan);
    assert_eq!(document.run.stopped, Stopped::Time);
    assert_eq!(document.run.rounds, 2);
}

#[test]
fn progress_grows_and_stays_within_the_run() {
    let (_, steps) = carry_out(Fault::Nothing, &loops());
    assert!(steps.len() > 40);
    assert!(steps.iter().all(|share| (0.0..=1.0).contains(share)));
    assert!(steps.is_sorted());
}
