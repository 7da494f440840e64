//! Two plans in one run.

use forktax::analysis::compare::compare_by_turns;
use forktax::lab::{Versus, run_versus};
use forktax::model::SpawnMethod::{Fork, PosixSpawn, Vfork};
use forktax::model::{ByTurns, Caveat, Comparison, Plan, PlanFact, Setup, Stopped, Tool, Verdict};
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

/// The same plan on a host that is set to something else.
fn set_up(plan: &Plan, commands: [&str; 2]) -> [Plan; 2] {
    commands.map(|command| Plan {
        setup: Some(Setup {
            command: command.to_owned(),
            restore: "back".to_owned(),
        }),
        ..plan.clone()
    })
}

#[test]
fn slices_alternate_each_with_fresh_workers_after_its_setup() {
    let [a, b] = set_up(&plan(&[10, 20], &[Fork]), ["fast", "slow"]);
    let fake = Fake::new(Fault::Nothing);
    let ended = run_versus(&fake, &host(), [&a, &b], &mut Steps(Vec::new()));
    assert!(ended.error.is_none(), "{:?}", ended.error);
    let setups = fake.setups.borrow();
    let mut launched: Vec<u32> = setups.iter().map(|(_, launched)| *launched).collect();
    launched.push(fake.launched());
    assert!(launched.windows(2).all(|pair| pair[1] - pair[0] == 4));
    let names: Vec<&str> = setups.iter().map(|(command, _)| command.as_str()).collect();
    let pairs: Vec<&[&str]> = names.chunks(2).collect();
    assert!(pairs.iter().all(|pair| pair[0] != pair[1]), "{pairs:?}");
    // Two rounds of two parents are mirrored, whatever the order of the parents.
    for rounds in pairs.chunks_exact(4) {
        let firsts = rounds.iter().filter(|pair| pair[0] == "fast").count();
        assert_eq!(firsts, 2, "{pairs:?}");
    }
    let [of_a, of_b] = ended.documents.unwrap();
    assert_eq!(of_a.plan.setup, a.setup);
    let rounds = |document: &forktax::model::Document| -> Vec<u32> {
        let samples = document.findings.cells()[0].samples.iter();
        samples.map(|worker| worker.round).collect()
    };
    assert_eq!(rounds(&of_a), rounds(&of_b));
    assert_eq!(rounds(&of_a)[..5], [0, 0, 0, 0, 1]);
}

#[test]
fn what_a_setup_costs_is_seen_in_pairs_of_slices() {
    let [a, b] = set_up(&plan(&[100], &[Fork, Vfork]), ["fast", "slow"]);
    let comparison = compared([&a, &b]);
    for line in &comparison.lines {
        let ratio = line.ratio.measured().unwrap();
        assert!((1.09..1.11).contains(&ratio.value), "{ratio:?}");
        assert_eq!(line.verdict, Verdict::Dearer);
        // Pairs of slices, not workers.
        assert!((3..=10).contains(&line.a_workers), "{}", line.a_workers);
    }
    let facts: Vec<PlanFact> = comparison
        .plan_differences
        .iter()
        .map(|difference| difference.fact)
        .collect();
    assert_eq!(facts, [PlanFact::Setup]);
    let report = render(&comparison.into(), Format::Table, &Shown::default());
    let report = String::from_utf8(report.unwrap()).unwrap();
    for words in [
        "A by \"fast\", B by \"slow\"",
        "restored by \"back\"",
        "slices",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
}

#[test]
fn slices_have_the_spawns_that_were_asked_for_and_no_room_for_both_is_no_matter() {
    let mut a = plan(&[10], &[Fork, PosixSpawn]);
    a.stop.time_s = None;
    a.stop.spawns = Some(77);
    let [a, b] = set_up(&a, ["true", "true"]);
    let ended = carry_out(Fault::NoRoomForBoth, [&a, &b]);
    assert!(ended.error.is_none(), "{:?}", ended.error);
    for document in ended.documents.unwrap() {
        let cells = document.findings.cells().iter();
        assert!(cells.clone().all(|cell| cell.spawns == 77));
    }
}

#[test]
fn a_failed_setup_ends_the_run_with_the_pairs_that_there_are() {
    let [a, b] = set_up(&plan(&[10], &[Fork]), ["one", "other"]);
    let ended = carry_out(Fault::SetupFails(6), [&a, &b]);
    let error = ended.error.unwrap().to_string();
    assert!(
        error.contains("status 1") && error.contains("\"o"),
        "{error}"
    );
    for document in ended.documents.unwrap() {
        assert!(matches!(document.run.stopped, Stopped::Failed(_)));
        assert_eq!(document.findings.cells()[0].samples.len(), 8);
    }
    let ended = carry_out(Fault::SetupFails(1), [&a, &b]);
    assert!(ended.error.is_some() && ended.documents.is_none());
}
