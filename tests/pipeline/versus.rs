//! Two plans in one run.

use forktax::analysis::compare::compare_by_turns;
use forktax::lab::{Versus, run_versus};
use forktax::model::SpawnMethod::{Fork, PosixSpawn, Vfork};
use forktax::model::{ByTurns, Caveat, Comparison, Plan, Stopped, Tool, Verdict};
use forktax::report::{Format, Shown, render};

use crate::Steps;
use crate::fake::{Fake, Fault, host, plan};

fn carry_out(fault: Fault, plans: [&Plan; 2]) -> Versus {
    run_versus(&Fake::new(fault), &host(), plans, &mut Steps(Vec::new()))
}

fn compared(plans: [&Plan; 2]) -> Comparison {
    let ended = carry_out(Fault::Nothing, plans);
    assert!(ended.error.is_none(), "{:?}", ended.error);
    let [a, b] = ended.documents.unwrap();
    let options = "--mappings 110".to_owned();
    let by_turns = Box::new(ByTurns { options, a, b });
    let comparison = compare_by_turns(Tool::this(), by_turns, None).unwrap();
    for format in [Format::Table, Format::Markdown, Format::Csv, Format::Json] {
        let report = render(&comparison.clone().into(), format, &Shown::default());
        assert!(!report.unwrap().is_empty());
    }
    comparison
}

#[test]
fn a_difference_is_seen_in_pairs_and_equals_are_level() {
    let (a, b) = (plan(&[100], &[Fork, Vfork]), plan(&[110], &[Fork, Vfork]));
    let comparison = compared([&a, &b]);
    let line = |what: &str| {
        let mut lines = comparison.lines.iter();
        lines.find(|line| line.what == what).unwrap()
    };
    let fork = line("fork total");
    assert_eq!(fork.group, "100 mappings against 110 mappings");
    assert_eq!(fork.verdict, Verdict::Dearer);
    // 310 and 325 us.
    let ratio = fork.ratio.measured().unwrap();
    assert!((1.04..1.06).contains(&ratio.value), "{ratio:?}");
    assert_eq!(line("vfork total").verdict, Verdict::NoDifferenceSeen);
    assert!(fork.a_workers >= 20, "{} pairs", fork.a_workers);
}

#[test]
fn both_sides_are_kept_and_say_why_nothing_was_counted() {
    let a = plan(&[0, 100], &[Fork, PosixSpawn]);
    let comparison = compared([&a, &a]);
    let by_turns = comparison.by_turns.unwrap();
    for document in [&by_turns.a, &by_turns.b] {
        assert_eq!(document.plan, a);
        assert_eq!(document.findings.cells().len(), 4);
        for cell in document.findings.cells() {
            assert!(cell.total_ns.measured().is_some());
            assert!(cell.cpu_ns.missing().unwrap().reason.contains("--vs"));
        }
    }
    let rounds = |cells: &[forktax::model::Cell]| -> Vec<u32> {
        cells[0].samples.iter().map(|worker| worker.round).collect()
    };
    let [of_a, of_b] = [&by_turns.a, &by_turns.b].map(|it| rounds(it.findings.cells()));
    assert_eq!(of_a, of_b);
}

#[test]
fn the_number_of_spawns_is_kept_by_both() {
    let mut a = plan(&[10], &[Fork, PosixSpawn]);
    a.stop.time_s = None;
    a.stop.spawns = Some(77);
    let by_turns = compared([&a, &a]).by_turns.unwrap();
    for document in [&by_turns.a, &by_turns.b] {
        assert_eq!(document.run.stopped, Stopped::Spawns);
        assert!(
            document
                .findings
                .cells()
                .iter()
                .all(|cell| cell.spawns == 77)
        );
    }
}

#[test]
fn precision_is_that_of_the_ratios_and_missing_it_is_said() {
    let mut a = plan(&[10], &[Fork, PosixSpawn]);
    a.stop.precision = Some(0.05);
    a.stop.time_s = Some(1_000.0);
    let by_turns = compared([&a, &a]).by_turns.unwrap();
    assert_eq!(by_turns.a.run.stopped, Stopped::Precision);
    a.stop.precision = Some(1e-9);
    a.stop.time_s = Some(5.0);
    let by_turns = compared([&a, &a]).by_turns.unwrap();
    let missed = |caveat: &Caveat| matches!(caveat, Caveat::PrecisionMissed { .. });
    assert!(by_turns.a.caveats.iter().any(missed));
}

#[test]
fn two_that_do_not_fit_together_are_refused() {
    let a = plan(&[10], &[Fork]);
    let ended = carry_out(Fault::NoRoomForBoth, [&a, &a]);
    assert!(ended.documents.is_none());
    assert!(ended.error.unwrap().to_string().contains("70"));
}

#[test]
fn an_interrupted_run_is_compared_as_far_as_it_came() {
    let a = plan(&[10], &[Fork]);
    let ended = carry_out(Fault::Interrupted(21), [&a, &a]);
    assert!(ended.error.is_some());
    let [a, b] = ended.documents.unwrap();
    assert_eq!(a.run.stopped, Stopped::Interrupted);
    let options = String::new();
    let by_turns = Box::new(ByTurns {
        options,
        a: a.clone(),
        b: b.clone(),
    });
    let comparison = compare_by_turns(Tool::this(), by_turns, None).unwrap();
    assert!(
        comparison
            .lines
            .iter()
            .all(|line| line.ratio.measured().is_some())
    );
    assert_eq!(comparison.a.stopped, Stopped::Interrupted);
    assert_eq!(
        a.findings.cells()[0].samples.len(),
        b.findings.cells()[0].samples.len()
    );
}
