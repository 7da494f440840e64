//! Documents of runs that went wrong, or that ask something else: what the
//! report says about them, and what it must not say.

use forktax::model::{Availability, Caveat, Document, SpawnMethod, Stopped};
use forktax::report::Format;
use forktax::stats::Estimate;

use crate::{build, text};

fn table(document: &Document) -> String {
    text(document, Format::Table)
}

/// What the report says under a heading, in one line.
fn section(report: &str, title: &str) -> Option<String> {
    let (_, rest) = report.split_once(&format!("\n{title}\n"))?;
    let section = rest.split("\n\n").next()?;
    Some(section.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn in_short(document: &Document) -> Option<String> {
    section(&table(document), "In short")
}

fn keep(document: &mut Document, methods: &[SpawnMethod]) {
    document.cells.retain(|cell| methods.contains(&cell.method));
    document.plan.methods = methods.to_vec();
}

#[test]
fn the_sweep_is_put_in_words() {
    let words = in_short(&build::sweep()).unwrap();
    assert!(words.starts_with("With 30 mappings fork takes 1.43 times as long as posix_spawn ("));
    assert!(
        words.contains("; with 10,030 mappings, 197.6 times ("),
        "{words}"
    );
    assert!(
        words.contains("From 1,030 mappings on, fork costs at least twice"),
        "{words}"
    );
    assert!(words.contains("51.2 % ("), "{words}");
}

#[test]
fn one_size_has_no_slope_and_says_why() {
    let mut document = build::sweep();
    document.cells.truncate(3);
    let report = table(&document);
    assert!(
        report.contains("one size, so there is no growth to split"),
        "{report}"
    );
    assert!(!report.contains("slope"), "{report}");
    let words = section(&report, "In short").unwrap();
    assert!(
        words.starts_with("With 30 mappings fork takes 1.43 times"),
        "{words}"
    );
    assert!(
        words.ends_with("(1.42 to 1.44)."),
        "one sentence only: {words}"
    );
}

#[test]
fn one_mapping_is_singular() {
    let mut document = build::sweep();
    document.cells.truncate(3);
    for cell in &mut document.cells {
        cell.space.vmas = 1;
    }
    assert!(
        in_short(&document)
            .unwrap()
            .starts_with("With 1 mapping fork takes")
    );
}

#[test]
fn an_interval_around_one_is_no_difference() {
    let mut document = build::sweep();
    for cell in document.cells.iter_mut().take(3) {
        cell.ratio = Availability::Measured(Estimate {
            value: 1.02,
            ci95: [0.99, 1.05],
        });
    }
    let words = in_short(&document).unwrap();
    let expected = "With 30 mappings no difference is seen between fork and posix_spawn; \
                    with 10,030 mappings fork takes 197.6 times as long";
    assert!(words.starts_with(expected), "{words}");
    document.cells.truncate(3);
    let alone = in_short(&document).unwrap();
    assert_eq!(
        alone,
        "With 30 mappings no difference is seen between fork and posix_spawn."
    );
}

#[test]
fn a_ratio_that_never_reaches_two_is_said_so() {
    let mut document = build::sweep();
    for cell in &mut document.cells {
        cell.ratio = Availability::Measured(Estimate {
            value: 1.5,
            ci95: [1.4, 1.9],
        });
    }
    let words = in_short(&document).unwrap();
    assert!(
        words.contains("At no size measured is fork seen to cost twice"),
        "{words}"
    );
    document.cells[0].ratio = Availability::not_reached();
    let words = in_short(&document).unwrap();
    assert!(!words.contains("At no size"), "a size is unknown: {words}");
}

#[test]
fn the_largest_size_alone_is_no_trend() {
    let mut document = build::sweep();
    document.cells.drain(3..6);
    let words = in_short(&document).unwrap();
    assert!(
        words.contains("Only with 10,030 mappings, the largest size,"),
        "{words}"
    );
}

#[test]
fn without_fork_the_fastest_is_compared() {
    let mut document = build::sweep();
    keep(
        &mut document,
        &[SpawnMethod::Vfork, SpawnMethod::PosixSpawn],
    );
    let report = table(&document);
    assert!(!report.contains("What fork costs"), "{report}");
    let words = section(&report, "In short").unwrap();
    let expected =
        "With 10,030 mappings vfork is the fastest (78.0 us): posix_spawn takes 1.46 times";
    assert!(words.starts_with(expected), "{words}");
}

#[test]
fn fork_as_the_baseline_is_compared_with_the_fastest() {
    let mut document = build::sweep();
    keep(&mut document, &[SpawnMethod::Fork, SpawnMethod::Vfork]);
    document.plan.baseline = SpawnMethod::Fork;
    let words = in_short(&document).unwrap();
    assert!(
        words.contains("vfork is the fastest (78.0 us): fork takes 289.0 times"),
        "{words}"
    );
}

#[test]
fn one_method_alone_is_not_compared() {
    let mut document = build::sweep();
    keep(&mut document, &[SpawnMethod::Vfork]);
    assert_eq!(in_short(&document), None);
}

#[test]
fn a_baseline_without_calls_leaves_the_extra_whole() {
    let mut document = build::sweep();
    for cell in &mut document.cells {
        if cell.method == SpawnMethod::PosixSpawn {
            cell.method = SpawnMethod::System;
            cell.call_ns = Availability::unavailable("system() waits for the child itself", None);
            for worker in &mut cell.samples {
                worker.call_ns.clear();
            }
        }
    }
    document.plan.baseline = SpawnMethod::System;
    let report = table(&document);
    assert!(report.contains("What fork costs beyond system"), "{report}");
    assert!(
        report.contains("n/a: in call, after call: system() waits"),
        "{report}"
    );
    assert!(
        !section(&report, "In short")
            .unwrap()
            .contains("is paid in the call")
    );
}

#[test]
fn a_run_that_was_broken_off_shows_what_it_has() {
    let mut document = build::sweep();
    document.run.stopped = Stopped::Interrupted;
    let reason = "the run was broken off before its turn";
    for cell in &mut document.cells[6..] {
        cell.samples.clear();
        cell.spawns = 0;
        cell.call_ns = Availability::not_asked(reason);
        cell.total_ns = Availability::not_asked(reason);
        cell.ratio = Availability::not_asked(reason);
    }
    document.cells[5].samples[5].total_ns.truncate(3);
    let report = table(&document);
    assert_eq!(
        report.matches(reason).count(),
        1,
        "each reason once: {report}"
    );
    assert!(report.contains("stopped by a signal"), "{report}");
    let words = section(&report, "In short").unwrap();
    assert!(words.contains("with 1,030 mappings, 14.8 times"), "{words}");
    assert!(!words.contains("10,030"), "{words}");
    assert!(
        !words.contains("1,030 mappings on"),
        "the largest size is unknown: {words}"
    );
}

#[test]
fn a_document_without_cells_is_a_header_and_a_run() {
    let mut document = build::sweep();
    document.cells.clear();
    let report = table(&document);
    assert!(report.starts_with("forktax 0.1.0"), "{report}");
    assert!(report.contains("0 spawns timed"), "{report}");
    assert!(!report.contains("mappings  "), "{report}");
}

#[test]
fn reasons_and_caveats_are_told_once() {
    let report = table(&build::sweep());
    assert_eq!(report.matches("differ in 3 row").count(), 1);
    let methods = build::methods();
    assert_eq!(table(&methods).matches("CLONE_CLEAR_SIGHAND").count(), 1);
}

#[test]
fn advice_names_the_limit_that_ended_the_run() {
    let mut document = build::sweep();
    document.caveats = vec![
        Caveat::FewWorkers {
            mappings: 30,
            workers: 1,
        },
        Caveat::PrecisionMissed {
            asked: 0.02,
            widest: 0.020_3,
            cells: 2,
        },
    ];
    document.run.stopped = Stopped::Time;
    let caveats = |document: &Document| section(&table(document), "Caveats").unwrap();
    let words = caveats(&document);
    assert!(words.contains("only 1 worker, too few"), "{words}");
    assert!(words.contains("aimed at, the widest ±2.03 %"), "{words}");
    assert_eq!(words.matches("; raise --time").count(), 2, "{words}");
    document.plan.stop.spawns = Some(48);
    document.run.stopped = Stopped::Spawns;
    let by_spawns = caveats(&document);
    assert_eq!(by_spawns, words.replace("--time", "--spawns"));
    document.plan.stop.time_s = None;
    assert_eq!(caveats(&document), by_spawns);
    document.run.stopped = Stopped::Interrupted;
    let broken_off = caveats(&document);
    assert!(!broken_off.contains("raise"), "{broken_off}");
}
