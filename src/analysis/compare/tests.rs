use fastrand::Rng;
use proptest::prelude::*;

use super::*;
use crate::model::{
    Cell, ChildAction, Explanation, Findings, HostCourse, HostFact, Phase, Placement,
    PlanDifference, PlanFact, Reference, ReferenceReading, Rung, SpawnMethod, StampedWorker,
};

fn sweep() -> Document {
    serde_json::from_str(include_str!("../../../tests/data/sweep.json")).unwrap()
}

fn explained() -> Document {
    serde_json::from_str(include_str!("../../../tests/data/explain.json")).unwrap()
}

fn explanation(document: &mut Document) -> &mut Explanation {
    match &mut document.findings {
        Findings::Explanation(explanation) => explanation,
        other => panic!("{other:?} is no explanation"),
    }
}

/// Another run of the same explanation, whose forks take so many times as long in a phase.
fn stamped(seed: u64, dearer: Phase, factor: f64) -> Document {
    let mut rng = Rng::with_seed(seed);
    let mut document = explained();
    let found = explanation(&mut document);
    for explained in &mut found.methods {
        let Availability::Measured(ledger) = &mut explained.ledger else {
            panic!("it was taken apart");
        };
        let is_fork = explained.method == SpawnMethod::Fork;
        let times = ledger.phases.iter().map(|time| {
            let factor = if is_fork && time.phase == dearer {
                factor
            } else {
                1.0
            };
            time.ns.measured().map(|ns| factor * ns.value)
        });
        let times: Vec<Option<f64>> = times.collect();
        let worker = |round| {
            let mut luck = |ns: f64| ns * (0.995 + 0.01 * rng.f64());
            StampedWorker {
                round,
                phases_ns: times.iter().map(|ns| ns.map(&mut luck)).collect(),
            }
        };
        ledger.samples = (0..8).map(worker).collect();
    }
    document
}

fn line<'a>(comparison: &'a Comparison, key: &str) -> &'a ComparedLine {
    let mut lines = comparison.lines.iter();
    lines
        .find(|line| line.key == key)
        .unwrap_or_else(|| panic!("{key}"))
}

fn cells(document: &mut Document) -> &mut Vec<Cell> {
    match &mut document.findings {
        Findings::Sweep { cells } => cells,
        Findings::Explanation(explanation) => &mut explanation.cells,
        other => panic!("{other:?} is no sweep"),
    }
}

fn compared_with(a: &Document, b: &Document, fail_above: Option<f64>) -> Comparison {
    let input = |file, document| Input { file, document };
    compare(
        Tool::this(),
        input("a.json", a),
        input("b.json", b),
        fail_above,
    )
    .unwrap()
}

fn compared(a: &Document, b: &Document) -> Comparison {
    compared_with(a, b, None)
}

/// Another run of the same sweep: the same host, other luck.
fn again(mut document: Document, seed: u64) -> Document {
    let mut rng = Rng::with_seed(seed);
    for cell in cells(&mut document) {
        scale(cell, |_| 0.995 + 0.01 * rng.f64());
    }
    document
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "scaled nanoseconds stay positive and small"
)]
fn scale(cell: &mut Cell, mut by: impl FnMut(usize) -> f64) {
    for (index, worker) in cell.samples.iter_mut().enumerate() {
        let factor = by(index);
        for ns in worker.call_ns.iter_mut().chain(&mut worker.total_ns) {
            *ns = (*ns as f64 * factor) as u64;
        }
    }
}

fn verdicts(comparison: &Comparison) -> Vec<&Verdict> {
    comparison.lines.iter().map(|line| &line.verdict).collect()
}

#[test]
fn a_sweep_has_a_line_for_each_call_and_each_total() {
    let document = sweep();
    let found = lines(&document, 1).unwrap();
    assert_eq!(found.lines.len(), 2 * document.findings.cells().len());
    let first = &found.lines[0];
    let Name { key, group, what } = &first.name;
    assert_eq!(key, "mappings-0-pages-1-spacing-1-anon/fork/exec/call");
    assert_eq!(
        (group.as_str(), what.as_str()),
        ("no mappings", "fork call")
    );
    assert_eq!(first.workers, 8);
    let stored = document.findings.cells()[0].call_ns.measured().unwrap();
    // It was stored when a median was one of all spawns.
    assert!((first.value.value / stored.median.value - 1.0).abs() < 0.02);
    assert_eq!(found.lines[17].name.group, "10,000 mappings");
}

/// Only a fork's terms are told apart by when they are paid.
#[test]
fn a_card_has_no_line_for_what_its_other_lines_say() {
    let card: Document =
        serde_json::from_str(include_str!("../../../tests/data/card.json")).unwrap();
    let found = lines(&card, 1).unwrap().lines;
    let told = |end: &str| {
        found
            .iter()
            .filter(|line| line.name.key.ends_with(end))
            .count()
    };
    assert!(told("/total") > 10 && told("/call") > 0);
    assert_eq!(told("/after"), 0);
    let mut others = found.iter().filter(|line| line.name.group == "others");
    assert!(others.all(|line| line.name.key.ends_with("/total")));
}

/// What strikes one cell alone is not the host.
#[test]
fn the_course_of_a_run_is_that_of_most_of_its_cells() {
    let mut document = sweep();
    let all = cells(&mut document);
    for (index, cell) in all.iter_mut().enumerate() {
        for (round, worker) in (0..).zip(&mut cell.samples) {
            let level = [100, 100, 100, 200, 100, 100, 100, 100][worker.round as usize];
            worker.round = round;
            worker.total_ns = vec![if index == 0 { 7 } else { level }; 3];
        }
    }
    let course = sweep::course(all.iter().map(|cell| &cell.samples));
    assert_eq!(course.len(), 8);
    for (round, (at, level)) in (0..).zip(course) {
        let expected = if round == 3 { 2_f64.ln() } else { 0.0 };
        assert_eq!(at, f64::from(round));
        assert!((level - expected).abs() < 1e-9, "{round}: {level}");
    }
}

#[test]
fn two_runs_of_one_host_differ_in_nothing() {
    let comparison = compared(&sweep(), &again(sweep(), 1));
    assert!(
        comparison
            .lines
            .iter()
            .all(|line| line.verdict == Verdict::NoDifferenceSeen)
    );
    assert!(comparison.host_differences.is_empty() && comparison.plan_differences.is_empty());
    assert!(comparison.lone.is_empty());
    for line in &comparison.lines {
        let ratio = line.ratio.measured().unwrap();
        assert!(ratio.ci95[0] < 1.0 && 1.0 < ratio.ci95[1], "{line:?}");
        assert!(line.visible_from.unwrap() > 1.0);
    }
}

#[test]
fn a_result_beside_itself_is_not_exact() {
    let comparison = compared(&sweep(), &sweep());
    let ratio = comparison.lines[0].ratio.measured().unwrap();
    assert_eq!(ratio.value, 1.0);
    assert!(ratio.ci95[0] < 1.0 && 1.0 < ratio.ci95[1], "{ratio:?}");
}

#[test]
fn what_became_dearer_is_found_and_nothing_else() {
    let mut dearer = again(sweep(), 1);
    scale(&mut cells(&mut dearer)[3], |_| 2.0);
    scale(&mut cells(&mut dearer)[4], |_| 0.4);
    let comparison = compared(&sweep(), &dearer);
    for (index, line) in comparison.lines.iter().enumerate() {
        let expected = match index / 2 {
            3 => Verdict::Dearer,
            4 => Verdict::Cheaper,
            _ => Verdict::NoDifferenceSeen,
        };
        assert_eq!(line.verdict, expected, "{line:?}");
    }
}

#[test]
fn what_is_dearer_by_more_than_was_allowed_is_named() {
    let mut dearer = again(sweep(), 1);
    scale(&mut cells(&mut dearer)[3], |_| 2.0);
    let exceeded = |percent| {
        let comparison = compared_with(&sweep(), &dearer, Some(percent));
        comparison.fail_above.unwrap().exceeded
    };
    let both = [
        "mappings-1000-pages-1-spacing-1-anon/fork/exec/call",
        "mappings-1000-pages-1-spacing-1-anon/fork/exec/total",
    ];
    assert_eq!(exceeded(0.0), both);
    assert_eq!(exceeded(15.0), both);
    // The whole interval must lie above, so that the ratio itself is not enough.
    assert_eq!(exceeded(99.0), Vec::<String>::new());
    assert_eq!(compared(&sweep(), &dearer).fail_above, None);
}

#[test]
fn a_host_that_drifted_is_judged_with_more_care() {
    let drifted = |by: f64| {
        let mut document = again(sweep(), 1);
        for cell in cells(&mut document) {
            scale(cell, |worker| 1.0 + by * worker as f64);
        }
        compared(&sweep(), &document)
    };
    let least = |comparison: &Comparison| comparison.lines[1].visible_from.unwrap();
    assert!(least(&drifted(0.04)) > least(&drifted(0.0)) + 0.1);
    assert!(
        drifted(0.04)
            .lines
            .iter()
            .all(|line| line.verdict == Verdict::NoDifferenceSeen)
    );
}

#[test]
fn a_host_that_was_slower_in_one_of_the_runs_widens_the_intervals() {
    let with_reference = |fork_ns: f64| {
        let mut document = sweep();
        let reading = ReferenceReading {
            at_s: 0.0,
            fork_ns,
            vfork_ns: 70_000.0,
        };
        document.run.reference = Availability::Measured(Reference {
            mappings: 300,
            readings: vec![reading; 30],
            ended_by: None,
            host: Some(HostCourse::Steady),
        });
        document
    };
    let against = |b| compared(&with_reference(600_000.0), &with_reference(b));
    let (same, slower) = (against(600_000.0), against(1_200_000.0));
    assert_eq!(same.reference_ratio, Some(1.0));
    assert!((slower.reference_ratio.unwrap() - 2_f64.sqrt()).abs() < 1e-9);
    let width = |of: &Comparison| {
        let ci95 = of.lines[0].ratio.measured().unwrap().ci95;
        (ci95[1] / ci95[0]).ln() / 2.0
    };
    let between = 1.96 * 2_f64.sqrt().ln();
    let expected = width(&same).hypot(between);
    assert!(
        (width(&slower) / expected - 1.0).abs() < 0.01,
        "{}",
        width(&slower)
    );
    assert!(slower.lines[0].visible_from > same.lines[0].visible_from);
    let untold = compared(&sweep(), &with_reference(1.0));
    assert_eq!(untold.reference_ratio, None);
}

#[test]
fn too_few_workers_get_no_verdict_and_say_whose() {
    let mut few = again(sweep(), 1);
    cells(&mut few)[0].samples.truncate(2);
    scale(&mut cells(&mut few)[0], |_| 3.0);
    let comparison = compared(&sweep(), &few);
    let line = &comparison.lines[0];
    let Verdict::NotCompared(why) = &line.verdict else {
        panic!("{line:?}");
    };
    assert!(why.starts_with("2 workers in B, and fewer than 3"), "{why}");
    assert!(line.ratio.measured().is_some() && line.visible_from.is_none());
    let back = compared(&few, &sweep());
    assert!(matches!(&back.lines[0].verdict, Verdict::NotCompared(why) if why.contains("in A")));
}

#[test]
fn what_one_of_them_lacks_is_listed_with_the_reason() {
    let mut less = again(sweep(), 1);
    cells(&mut less).retain(|cell| cell.method != SpawnMethod::Vfork);
    less.plan
        .methods
        .retain(|method| *method != SpawnMethod::Vfork);
    let reason = "the kernel does not know it";
    cells(&mut less)[0].call_ns = Availability::unavailable(reason, None);
    let comparison = compared(&sweep(), &less);
    assert_eq!(comparison.lone.len(), 7);
    assert!(comparison.lone.iter().all(|line| line.only_in == Which::A));
    assert_eq!(comparison.lone[0].reason, reason);
    assert_eq!(comparison.lone[1].reason, "not measured there");
    assert_eq!(comparison.lines.len(), 11);
    assert_eq!(comparison.plan_differences[0].fact, PlanFact::Methods);
    let back = compared(&less, &sweep());
    assert!(back.lone.iter().all(|line| line.only_in == Which::B));
}

#[test]
fn another_child_is_another_quantity() {
    let mut exit = sweep();
    exit.plan.child = ChildAction::Exit;
    for cell in cells(&mut exit) {
        cell.child = ChildAction::Exit;
    }
    let input = |file, document| Input { file, document };
    let a = sweep();
    let refused = compare(Tool::this(), input("a", &a), input("b", &exit), None);
    let said = refused.unwrap_err().to_string();
    assert!(said.starts_with("the two have no line in common: A has "));
    assert!(said.ends_with("; A is of exec, B of exit"), "{said}");
}

#[test]
fn what_differs_around_them_is_told_without_the_values_of_variables() {
    let mut other = again(sweep(), 1);
    other.host.kernel = "6.1.0".to_owned();
    other.plan.placement = Placement::Free;
    other.plan.environment.push("TOKEN=secret".to_owned());
    let jobs = crate::model::SpaceRequest::Jobs { count: 2 };
    other.plan.spaces.push(jobs);
    cells(&mut other)[0].space.parent.mappings.present_ptes *= 2;
    let comparison = compared(&sweep(), &other);
    assert_eq!(comparison.host_differences[0].fact, HostFact::Kernel);
    let facts: Vec<PlanFact> = comparison.plan_differences.iter().map(|d| d.fact).collect();
    assert_eq!(
        facts,
        [
            PlanFact::Placement,
            PlanFact::Turns,
            PlanFact::Environment,
            PlanFact::Space
        ]
    );
    let told = serde_json::to_string(&comparison).unwrap();
    assert!(told.contains("TOKEN") && !told.contains("secret"), "{told}");
}

#[test]
fn huge_pages_of_address_spaces_that_differ_are_told_where_there_are_some() {
    let told = |huge_bytes: u64| {
        let mut other = again(sweep(), 1);
        let parent = &mut cells(&mut other)[0].space.parent;
        parent.mappings.present_ptes *= 2;
        parent.huge_bytes = huge_bytes;
        let comparison = compared(&sweep(), &other);
        let space = |found: &&PlanDifference| found.fact == PlanFact::Space;
        let found = comparison.plan_differences.iter().find(space).unwrap();
        (found.a.clone(), found.b.clone())
    };
    let (a, b) = told(0);
    assert!(!a.contains("huge") && !b.contains("huge"), "{a} {b}");
    let (a, b) = told(4 << 20);
    assert!(
        !a.contains("huge") && b.ends_with(", 4 MiB in huge pages"),
        "{a} {b}"
    );
}

#[test]
fn only_results_of_one_kind_with_lines_are_compared() {
    let study: Document =
        serde_json::from_str(include_str!("../../../tests/data/python-2014.json")).unwrap();
    for (a, b, why) in [
        (
            explained(),
            sweep(),
            "an explanation cannot be compared with a sweep",
        ),
        (
            sweep(),
            explained(),
            "a sweep cannot be compared with an explanation",
        ),
        (study.clone(), sweep(), "a reproduction cannot be compared"),
        (sweep(), study, "a reproduction cannot be compared"),
    ] {
        let input = |document| Input {
            file: "x.json",
            document,
        };
        let refusal = compare(Tool::this(), input(&a), input(&b), None).unwrap_err();
        let said = refusal.to_string();
        assert!(said.starts_with(why), "{said}");
    }
}

#[test]
fn the_phase_that_became_dearer_is_named_and_no_other() {
    let a = stamped(1, Phase::Copy, 1.0);
    let mut b = stamped(2, Phase::Copy, 1.2);
    let copies = |line: &ComparedLine| line.key.ends_with("/fork/exec/phase/copy");
    let comparison = compared_with(&a, &b, Some(5.0));
    for line in &comparison.lines {
        let expected = match copies(line) {
            true => Verdict::Dearer,
            false => Verdict::NoDifferenceSeen,
        };
        assert_eq!(line.verdict, expected, "{line:?}");
    }
    let found = line(&comparison, "explained/fork/exec/phase/copy");
    let difference = found.difference.unwrap();
    assert!((difference.value / (0.2 * found.a.value) - 1.0).abs() < 0.05);
    assert!(difference.is_above(0.0), "{difference:?}");
    // Parts are not asked whether they are too dear, and the total is as it was.
    assert!(comparison.fail_above.as_ref().unwrap().exceeded.is_empty());
    let [place] = places(&comparison).try_into().unwrap();
    assert_eq!(place.total.verdict, Verdict::NoDifferenceSeen);
    assert!(place.parts.len() == 1 && copies(place.parts[0].0));
    for cell in cells(&mut b)
        .iter_mut()
        .filter(|cell| cell.method == SpawnMethod::Fork)
    {
        scale(cell, |_| 1.5);
    }
    let comparison = compared_with(&a, &b, Some(5.0));
    let exceeded = comparison.fail_above.as_ref().unwrap().exceeded.clone();
    assert_eq!(exceeded, ["explained/fork/exec/total"]);
    let [place] = places(&comparison).try_into().unwrap();
    assert_eq!(place.total.verdict, Verdict::Dearer);
    assert!(place.total.difference.unwrap().is_above(0.0));
}

#[test]
fn explanations_of_other_parents_are_compared_and_that_is_told() {
    let mut other = stamped(2, Phase::Copy, 1.0);
    let space = crate::model::SpaceRequest::NOTHING;
    let found = explanation(&mut other);
    found.cells.retain(|cell| cell.space.request != space);
    for cell in &mut found.cells {
        cell.space.request = space.clone();
    }
    found.space = space;
    let comparison = compared(&stamped(1, Phase::Copy, 1.0), &other);
    assert!(comparison.lone.is_empty(), "{:?}", comparison.lone);
    let [difference] = comparison.plan_differences.try_into().unwrap();
    assert_eq!(difference.fact, PlanFact::Space);
    assert_eq!(difference.a, "1,000 mappings");
    assert_eq!(difference.b, "no mappings");
    assert_eq!(comparison.b.plan.explained.as_deref(), Some("no mappings"));
}

#[test]
fn phases_that_one_of_them_lacks_say_why() {
    let comparison = compared(&stamped(1, Phase::Copy, 1.0), &explained());
    let lone: Vec<_> = comparison
        .lone
        .iter()
        .map(|line| line.reason.as_str())
        .collect();
    assert!(!lone.is_empty());
    assert!(
        lone.iter().all(|why| *why == "its workers were not stored"),
        "{lone:?}"
    );
    // Calls and totals alone.
    assert_eq!(comparison.lines.len(), 4);
}

fn process() -> Document {
    serde_json::from_str(include_str!("../../../tests/data/process.json")).unwrap()
}

#[test]
fn a_process_has_a_line_for_each_spawn_and_each_rung() {
    let document = process();
    let found = lines(&document, 1).unwrap();
    let sum = |end: &str| -> f64 {
        let mine = found
            .lines
            .iter()
            .filter(|line| line.name.key.contains(end));
        mine.map(|line| line.value.value).sum()
    };
    let total = sum("process/fork/exec/total");
    assert!(total > 0.0 && found.find("process/posix_spawn/exec/call").is_some());
    // Those that are not told from 0 are next to nothing.
    assert!(
        (sum("/rung/") / total - 1.0).abs() < 0.1,
        "{} of {total}",
        sum("/rung/")
    );
    let mut other = process();
    let crate::model::Order::Process(order) = &mut other.plan.order else {
        panic!("it is a process");
    };
    order.replica.shape.process.name = "another".to_owned();
    let comparison = compared(&document, &other);
    assert!(
        verdicts(&comparison)
            .iter()
            .all(|it| **it == Verdict::NoDifferenceSeen)
    );
    let [difference] = comparison.plan_differences.try_into().unwrap();
    assert_eq!(
        (difference.fact, difference.b.as_str()),
        (PlanFact::Space, "another")
    );
}

#[test]
fn a_rung_that_one_of_them_has_is_not_said_to_be_unmeasured_in_the_other() {
    let mut other = process();
    let Findings::Process(found) = &mut other.findings else {
        panic!("it is a process");
    };
    let Availability::Measured(blame) = &mut found.blame else {
        panic!("it has rungs");
    };
    blame.rungs.retain(|rung| rung.rung != Rung::Mappings);
    let reasons = |a: &Document, b: &Document| -> Vec<String> {
        let comparison = compared(a, b);
        let of_rung = |line: &&LoneLine| line.key.ends_with("/rung/mappings");
        let lone = comparison.lone.iter().filter(of_rung);
        lone.map(|line| line.reason.clone()).collect()
    };
    let none = ["it adds nothing there to the rungs below it"];
    assert_eq!(reasons(&process(), &other), none);
    let Findings::Process(found) = &mut other.findings else {
        panic!("it is a process");
    };
    found.blame = Availability::unavailable("a trial failed", None);
    assert_eq!(reasons(&process(), &other), ["a trial failed"]);
}

#[test]
fn of_a_part_of_a_process_no_spawn_is_compared() {
    let scaled: Document =
        serde_json::from_str(include_str!("../../../tests/data/process-scaled.json")).unwrap();
    let found = lines(&scaled, 1).unwrap();
    assert!(found.find("process/fork/exec/total").is_none());
    assert!(
        found
            .lines
            .iter()
            .any(|line| line.name.key.contains("/rung/"))
    );
    assert!(
        found
            .absent
            .iter()
            .any(|absent| absent.reason.contains("a part of the shape"))
    );
}

/// What is compared, unless nothing is in common.
fn tried(a: &Document, b: &Document) -> Option<Comparison> {
    let input = |document| Input {
        file: "x.json",
        document,
    };
    compare(Tool::this(), input(a), input(b), Some(5.0)).ok()
}

/// A sweep of which parts are missing and others make no sense.
fn distorted(seed: u64) -> Document {
    let mut rng = Rng::with_seed(seed);
    let mut document = sweep();
    cells(&mut document).retain(|_| rng.u8(..) > 40);
    for cell in cells(&mut document) {
        match rng.u8(0..8) {
            0 => cell.samples.clear(),
            1 => cell.samples.truncate(rng.usize(0..4)),
            2 => cell.call_ns = Availability::not_reached(),
            3 => cell.samples[0].total_ns = vec![0, u64::MAX],
            4 => cell
                .samples
                .iter_mut()
                .for_each(|worker| worker.call_ns.fill(0)),
            5 => scale(cell, |_| rng.f64() + 0.5),
            6 => {
                cell.space.request = crate::model::SpaceRequest::Malloc {
                    count: rng.u64(0..2),
                    bytes: 1,
                    pages: rng.u64(0..2),
                    spacing: rng.u64(0..2),
                }
            }
            _ => {}
        }
    }
    document
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_other_way_round_all_is_inverted(first: u64, second: u64) {
        let (a, b) = (distorted(first), distorted(second));
        let (forth, back) = (tried(&a, &b), tried(&b, &a));
        prop_assert_eq!(forth.is_some(), back.is_some());
        let Some((forth, back)) = forth.zip(back) else { return Ok(()) };
        prop_assert_eq!(forth.lines.len(), back.lines.len());
        prop_assert_eq!(forth.lone.len(), back.lone.len());
        for line in &forth.lines {
            let other = back.lines.iter().find(|other| other.key == line.key).unwrap();
            match (&line.verdict, &other.verdict) {
                (Verdict::Dearer, Verdict::Cheaper)
                | (Verdict::Cheaper, Verdict::Dearer)
                | (Verdict::NoDifferenceSeen, Verdict::NoDifferenceSeen)
                | (Verdict::NotCompared(_), Verdict::NotCompared(_)) => {}
                verdicts => prop_assert!(false, "{verdicts:?}"),
            }
            if let (Some(forth), Some(back)) = (line.ratio.measured(), other.ratio.measured()) {
                prop_assert!((forth.value * back.value - 1.0).abs() < 1e-6);
                prop_assert!((forth.ci95[0] * back.ci95[1] - 1.0).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn what_is_compared_can_be_stored(first: u64, second: u64) {
        let comparison = tried(&distorted(first), &distorted(second));
        let Some(comparison) = comparison else { return Ok(()) };
        let json = serde_json::to_string(&comparison).unwrap();
        let back: Comparison = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(verdicts(&back), verdicts(&comparison));
        prop_assert_eq!(back, comparison);
    }
}
