//! Two plans in one run.

use forktax::analysis::compare::compare_by_turns;
use forktax::lab::{Versus, run_versus};
use forktax::model::SpawnMethod::{Fork, PosixSpawn, Vfork};
use forktax::model::{
    ByTurns, Caveat, ComparedKind, ComparedLine, Comparison, Document, ExplainOrder, Order, Plan,
    PlanFact, Setup, SpawnMethod, Stopped, Tool, Verdict,
};
use forktax::report::{Format, Shown, render};

use crate::Steps;
use crate::fake::{Fake, Fault, host, plan};

fn carry_out(fault: Fault, plans: [&Plan; 2]) -> Versus {
    run_versus(&Fake::new(fault), &host(), plans, &mut Steps(Vec::new()))
}

fn compared(plans: [&Plan; 2]) -> Comparison {
    let ended = carry_out(Fault::Nothing, plans);
    assert!(ended.error.is_none(), "{:?}", ended.error);
    comparison(ended.documents.unwrap())
}

/// The comparison of both, which every format can show.
fn comparison([a, b]: [Document; 2]) -> Comparison {
    let options = "--mappings 110".to_owned();
    let by_turns = Box::new(ByTurns { options, a, b });
    let comparison = compare_by_turns(Tool::this(), by_turns, None).unwrap();
    for format in [Format::Table, Format::Markdown, Format::Csv, Format::Json] {
        let report = render(&comparison.clone().into(), format, &Shown::default());
        assert!(!report.unwrap().is_empty());
    }
    comparison
}

fn rendered(comparison: &Comparison) -> String {
    let report = render(&comparison.clone().into(), Format::Table, &Shown::default());
    let report = String::from_utf8(report.unwrap()).unwrap();
    report.split_whitespace().collect::<Vec<_>>().join(" ")
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
    let rounds = |document: &Document| -> Vec<u32> {
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
    let report = rendered(&comparison);
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

fn explained(mappings: u64, methods: &[SpawnMethod]) -> Plan {
    Plan {
        order: Order::Explain(ExplainOrder {
            sampling_hz: 1_000,
            rewrite_pages: 0,
            tree: false,
        }),
        ..plan(&[mappings], methods)
    }
}

fn explained_by_turns(fault: Fault, plans: [&Plan; 2]) -> Comparison {
    let ended = carry_out(fault, plans);
    assert!(ended.error.is_none(), "{:?}", ended.error);
    comparison(ended.documents.unwrap())
}

fn line<'a>(comparison: &'a Comparison, key: &str) -> &'a ComparedLine {
    let mut lines = comparison.lines.iter();
    lines
        .find(|line| line.key == key)
        .unwrap_or_else(|| panic!("{key}"))
}

/// The fake's fork copies for 800 ns a mapping, and frees half of 700 ns of it in the exec.
#[test]
fn two_explanations_by_turns_say_in_which_phase_the_difference_is() {
    let methods = [Fork, Vfork];
    let (a, b) = (explained(1_000, &methods), explained(1_100, &methods));
    let comparison = explained_by_turns(Fault::FamilyAlone, [&a, &b]);
    assert_eq!(comparison.compared, ComparedKind::Explanations);
    let difference = |key: &str| {
        let line = line(&comparison, key);
        assert_eq!(line.verdict, Verdict::Dearer, "{line:?}");
        line.difference.unwrap().value
    };
    for (key, ns) in [
        ("call", 80_000.0),
        ("total", 150_000.0),
        ("phase/copy", 80_000.0),
    ] {
        let found = difference(&format!("explained/fork/exec/{key}"));
        assert!(
            (found - ns).abs() < 1_000.0,
            "{key}: {found} instead of {ns}"
        );
    }
    let found = difference("explained/fork/exec/phase/exec-teardown");
    assert!((found - 35_000.0).abs() < 1_000.0, "{found}");
    for line in &comparison.lines {
        let is_vforks = line.group == "vfork";
        assert!(
            !is_vforks || line.verdict == Verdict::NoDifferenceSeen,
            "{line:?}"
        );
    }
    let space = &comparison.plan_differences[0];
    assert_eq!(
        (space.fact, space.b.as_str()),
        (PlanFact::Space, "1,100 mappings")
    );
    let told = rendered(&comparison);
    assert!(told.contains("With fork B takes 150"), "{told}");
    assert!(
        told.contains("by phase: 8") && told.contains("more in copy"),
        "{told}"
    );
}

#[test]
fn explanations_by_turns_have_stamps_of_pairs_and_nothing_that_is_counted() {
    let a = explained(100, &[Fork, PosixSpawn]);
    let comparison = explained_by_turns(Fault::FamilyAlone, [&a, &a]);
    let by_turns = comparison.by_turns.as_ref().unwrap();
    let rounds = |document: &Document| -> Vec<u32> {
        let explanation = document.findings.explanation().unwrap();
        assert!(explanation.exit_probe.measured().is_some());
        assert!(explanation.breakpoint.measured().is_some());
        assert!(
            explanation
                .page_tables
                .missing()
                .unwrap()
                .reason
                .contains("--vs")
        );
        let methods = explanation.methods.iter();
        for method in methods.clone() {
            assert!(method.mechanisms.missing().unwrap().reason.contains("--vs"));
            assert!(method.faults.missing().is_some() && method.rewriting.missing().is_some());
        }
        let ledgers = methods.map(|method| method.ledger.measured().unwrap());
        let samples = ledgers.map(|ledger| ledger.samples.iter().map(|worker| worker.round));
        samples.flatten().collect()
    };
    let [of_a, of_b] = [&by_turns.a, &by_turns.b].map(rounds);
    assert!(of_a.len() >= 20, "{of_a:?}");
    assert_eq!(of_a, of_b);
    // The fake's jitter goes with the number of a worker.
    for line in &comparison.lines {
        let ratio = line.ratio.measured().unwrap();
        assert!((0.99..1.01).contains(&ratio.value), "{line:?}");
    }
}

#[test]
fn without_perf_explanations_by_turns_have_times_and_say_why_no_phase() {
    let a = explained(100, &[Fork]);
    let comparison = explained_by_turns(Fault::NoPerf, [&a, &a]);
    let keys: Vec<&str> = comparison
        .lines
        .iter()
        .map(|line| line.key.as_str())
        .collect();
    assert_eq!(
        keys,
        ["explained/fork/exec/call", "explained/fork/exec/total"]
    );
    let ledger = |document: &Document| {
        let methods = &document.findings.explanation().unwrap().methods;
        methods[0].ledger.missing().unwrap().reason.clone()
    };
    let by_turns = comparison.by_turns.unwrap();
    assert!(ledger(&by_turns.a).contains("perf_event_paranoid"));
    assert_eq!(ledger(&by_turns.a), ledger(&by_turns.b));
}

#[test]
fn phases_are_compared_between_setups_too() {
    let [a, b] = set_up(&explained(1_000, &[Fork]), ["fast", "slow"]);
    let comparison = explained_by_turns(Fault::Nothing, [&a, &b]);
    let copy = line(&comparison, "explained/fork/exec/phase/copy");
    let ratio = copy.ratio.measured().unwrap();
    assert!((1.09..1.11).contains(&ratio.value), "{ratio:?}");
    assert_eq!(copy.verdict, Verdict::Dearer);
}
