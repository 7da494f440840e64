//! Processes that were rebuilt, as a reader sees them: whole ones, and those of runs that
//! went wrong.

use std::sync::LazyLock;

use fastrand::Rng;
use forktax::model::{
    Availability, Blame, Document, Missing, ProcessRole, RemedyVerdict, Rung, ShapeReservation,
    SpawnMethod,
};
use forktax::report::{Format, ReportError, parse, render};
use proptest::prelude::*;
use serde_json::Value;

use crate::process::{self, estimate};
use crate::{fuzz, remedied, text};

fn table(document: &Document) -> String {
    text(document, Format::Table)
}

/// The report in one line, however it was wrapped.
fn unwrapped(document: &Document) -> String {
    let report = table(document);
    report.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the report says under a heading, in one line.
fn section(document: &Document, title: &str) -> String {
    let report = table(document);
    let (_, rest) = report.split_once(&format!("\n{title}\n")).expect(title);
    let section = rest.split("\n\n").next().unwrap_or_default();
    section.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn blame(document: &mut Document) -> &mut Blame {
    let live = document.live.as_mut().expect("it was measured");
    match &mut live.blame {
        Availability::Measured(blame) => blame,
        Availability::Missing(_) => panic!("the cost was shared out"),
    }
}

#[test]
fn rebuilt_processes_look_like_this() {
    for (name, document) in process::documents() {
        for format in [Format::Table, Format::Markdown, Format::Csv, Format::Svg] {
            // What cannot be drawn is refused.
            if let Ok(bytes) = render(&document, format) {
                let report = String::from_utf8(bytes).expect("every format is UTF-8");
                insta::assert_snapshot!(format!("{name}.{}", format.extension()), report);
            }
        }
    }
}

#[test]
fn they_fit_a_terminal_of_100_columns() {
    for (name, document) in process::documents() {
        for line in table(&document).lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
            assert_eq!(line.trim_end(), line, "{name}: trailing space");
        }
    }
}

#[test]
fn what_is_stored_comes_back() {
    for (name, document) in process::documents() {
        let json = render(&document, Format::Json).unwrap();
        assert_eq!(parse(json.as_slice()).unwrap(), document, "{name}");
    }
}

#[test]
fn groups_whose_intervals_overlap_are_not_ranked() {
    let mut document = process::explained();
    let groups = &mut blame(&mut document).groups;
    groups[1].cost = groups[0].cost;
    let words = section(&document, "In short");
    assert!(
        words.contains("Charged most, and not told apart, are [heap] (83 %); anonymous at"),
        "{words}"
    );
    assert!(!words.contains("is charged"), "{words}");
}

#[test]
fn rungs_whose_intervals_overlap_are_not_ranked() {
    let mut document = process::explained();
    let rungs = &mut blame(&mut document).rungs;
    let last = rungs[6].cost;
    rungs[2].cost = last;
    let words = section(&document, "In short");
    assert!(
        words.contains("The largest parts of a fork, which are not told apart, are copying"),
        "{words}"
    );
    assert!(!words.contains("Most of a fork's cost"), "{words}");
}

#[test]
fn the_largest_part_is_most_only_beyond_a_half() {
    let mut document = process::explained();
    let fork = blame(&mut document).fork.total_ns;
    blame(&mut document).rungs[6].cost.total_ns = estimate(fork.value * 0.5, 0.02);
    let words = section(&document, "In short");
    assert!(
        words.contains("The largest part of a fork is copying"),
        "{words}"
    );
}

#[test]
fn a_group_that_was_not_shared_out_well_is_said_so() {
    let mut document = process::explained();
    assert!(section(&document, "In short").contains("less, which agrees."));
    let group = &mut blame(&mut document).groups[0];
    group.without.as_mut().expect("it was checked").total_ns = estimate(2e6, 0.02);
    let words = section(&document, "In short");
    assert!(words.contains("less, which does not agree"), "{words}");
    blame(&mut document).groups[0].without = None;
    let report = table(&document);
    assert!(!report.contains("cheaper"), "{report}");
}

#[test]
fn a_fork_that_is_as_fast_as_a_posix_spawn_is_not_called_slower() {
    let mut document = process::explained();
    let cells = &mut document.live.as_mut().unwrap().trials[0].cells;
    let fork = cells[0].samples.clone();
    cells[2].samples = fork;
    for (turn, worker) in cells[2].samples.iter_mut().enumerate() {
        for ns in &mut worker.total_ns {
            *ns = if turn % 2 == 0 {
                *ns + 9_000
            } else {
                *ns - 9_000
            };
        }
    }
    let words = section(&document, "In short");
    assert!(
        words.contains("and no difference to a posix_spawn is seen"),
        "{words}"
    );
}

#[test]
fn threads_and_files_have_a_sentence_where_they_matter() {
    let mut document = process::explained();
    assert!(!section(&document, "In short").contains("4 threads"));
    let blame = blame(&mut document);
    blame.rungs[1].cost.total_ns = estimate(400_000.0, 0.02);
    let words = section(&document, "In short");
    let expected = "Its 4 threads, 28 open files and 6 signal handlers add 400.0 us";
    assert!(words.contains(expected), "{words}");
}

#[test]
fn what_is_extrapolated_is_marked_and_explained() {
    let document = process::scaled();
    let report = table(&document);
    let rung = |start: &str| report.lines().find(|line| line.starts_with(start)).unwrap();
    assert!(!rung("mappings, nothing in them").contains('~'), "{report}");
    assert_eq!(rung("PTEs: all other pages").matches('~').count(), 5);
    let caveats = section(&document, "Caveats");
    for words in [
        "one in 8 of each mapping's page tables",
        "because only 120 MiB of memory are free",
        "figures with ~ are worked out from that part",
        "PTEs: the workers have 11,934 where 11,016 were wanted, 8 % more",
        "the shape is of a host with Linux 6.1.0-23-amd64, not 6.18.5",
        "a seccomp filter",
    ] {
        assert!(caveats.contains(words), "{words}: {caveats}");
    }
    let short = section(&document, "In short");
    assert!(
        short.starts_with("Each fork from this process costs ~5,104 us"),
        "{short}"
    );
    assert!(!table(&process::explained()).contains('~'));
}

#[test]
fn file_pages_that_are_left_out_extrapolate_nothing() {
    let mut document = process::explained();
    let order = document.plan.live.as_mut().unwrap();
    order.scale.without_file_pages = true;
    let caveats = section(&document, "Caveats");
    assert!(caveats.contains("no page of a file"), "{caveats}");
    assert!(!caveats.contains('~'), "{caveats}");
}

#[test]
fn every_reservation_is_told() {
    let all = [
        ShapeReservation::ChangedWhileRead,
        ShapeReservation::Seccomp,
        ShapeReservation::Traced,
        ShapeReservation::OtherControlGroup,
        ShapeReservation::NoPhysicalAddresses,
        ShapeReservation::NoZeroPages,
        ShapeReservation::NoThreadStacks,
        ShapeReservation::NoFlags,
    ];
    let mut document = process::explained();
    let order = document.plan.live.as_mut().unwrap();
    order.shape.process.reservations = all.to_vec();
    order.shape.process.page_size = 16_384;
    let report = table(&document);
    let (_, caveats) = report.split_once("\nCaveats\n").unwrap();
    let (caveats, _) = caveats.split_once("\n\n").unwrap();
    let told = caveats.lines().filter(|line| !line.starts_with(' '));
    // And the other page size, and the pages that are swapped out.
    assert_eq!(told.count(), all.len() + 2, "{caveats}");
    assert!(
        caveats.contains("pages of 16,384 bytes, not 4,096"),
        "{caveats}"
    );
}

#[test]
fn huge_pages_that_were_not_granted_are_a_caveat() {
    let mut document = process::explained();
    let live = document.live.as_mut().unwrap();
    let units = &mut live.likeness.units;
    (units[4].process, units[4].wanted, units[4].built) = (400, 400, 0);
    let caveats = section(&document, "Caveats");
    assert!(
        caveats.contains("huge pages: the workers have 0 where 400 were wanted, 100 % less; the"),
        "{caveats}"
    );
}

#[test]
fn a_run_that_was_broken_off_says_what_is_missing() {
    let document = process::partial();
    let report = table(&document);
    assert!(
        unwrapped(&document).contains(
            "n/a: what a card foretells: no card of this host is stored; measure one with forktax card"
        ),
        "{report}"
    );
    assert!(
        report.contains("n/a: what a fork pays for, whose it is: the run ended before its turn"),
        "{report}"
    );
    assert!(!report.contains("Whose it is"), "{report}");
    let refusal = render(&document, Format::Svg).unwrap_err();
    assert!(
        matches!(refusal, ReportError::NothingFound { .. }),
        "{refusal}"
    );
}

#[test]
fn a_plan_without_a_result_is_a_header_and_a_run() {
    let mut document = process::explained();
    document.live = None;
    let report = table(&document);
    assert!(
        report.contains("rebuilt from process 1234 (redis-server)"),
        "{report}"
    );
    assert!(report.contains("0 spawns timed"), "{report}");
    let mut document = process::explained();
    document.plan.live = None;
    for format in Format::ALL {
        let _ = render(&document, format);
    }
}

#[test]
fn trials_that_are_missing_take_their_rows_along() {
    let mut document = process::explained();
    document.live.as_mut().unwrap().trials.clear();
    let report = table(&document);
    assert!(!report.contains("One spawn from a process"), "{report}");
    assert!(report.contains("What a fork pays for"), "{report}");
    assert!(!report.contains("Each fork from this process"), "{report}");
}

#[test]
fn an_advice_names_the_best_and_what_it_is_not_told_from() {
    let words = section(&remedied::advice(), "In short");
    for expected in [
        "The best that keeps the fork: huge pages for heap and anonymous memory, 7.30 times",
        "7.24 times (7.14 to 7.34) faster; these are not told apart.",
        "Instead of a fork: vfork, 82.3 times",
        "posix_spawn, 46.4 times",
        "Several at once: what helps a fork, together, 16.5 times",
        "Besides: a statically linked program to spawn, 1.82 times",
        "No difference is seen with: no other threads, POSIX_SPAWN_USEVFORK.",
        "Harmful: no huge pages at all, 1.10 times",
    ] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
}

#[test]
fn where_nothing_helps_nothing_is_recommended() {
    let mut document = remedied::advice();
    for remedy in &mut document.live.as_mut().unwrap().remedies {
        if let Availability::Measured(outcome) = &mut remedy.outcome {
            outcome.verdict = RemedyVerdict::NoDifference;
        }
    }
    let report = table(&document);
    assert!(!report.contains("How to apply"), "{report}");
    let words = section(&document, "In short");
    assert!(
        words.contains("that were tried none is seen to help."),
        "{words}"
    );
    assert!(!words.contains("faster"), "{words}");
}

#[test]
fn what_helps_has_a_recipe_and_what_was_not_tried_a_reason() {
    let document = remedied::advice();
    let report = table(&document);
    assert!(report.contains("How to apply: MADV_DONTFORK"), "{report}");
    assert!(
        !report.contains("How to apply: no other threads"),
        "{report}"
    );
    let not_tried = section(&document, "Not tried");
    assert!(
        not_tried.contains("O_CLOEXEC: only 6 descriptors"),
        "{not_tried}"
    );
    let harmful = section(&document, "Harmful here");
    assert!(
        harmful.starts_with("no huge pages at all: THP at never"),
        "{harmful}"
    );
}

#[test]
fn an_advice_misses_no_blame() {
    let report = table(&remedied::advice());
    assert!(!report.contains("Not found out"), "{report}");
    assert!(!report.contains("n/a"), "{report}");
}

#[test]
fn csv_has_a_row_for_each_figure() {
    for (name, document) in process::documents() {
        let bytes = render(&document, Format::Csv).unwrap();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert!(
            records.iter().flatten().all(|field| !field.is_empty()),
            "{name}"
        );
        let of = |section: &str| records.iter().filter(|r| &r[0] == section).count();
        let live = document.live.as_ref().unwrap();
        assert_eq!(of("parent"), live.trials.len() * 9, "{name}");
        let cells: usize = live.trials.iter().map(|trial| trial.cells.len()).sum();
        assert_eq!(of("measured"), cells * 2, "{name}");
        assert_eq!(of("likeness"), live.likeness.units.len() * 3 + 1, "{name}");
        let tried = live
            .remedies
            .iter()
            .filter(|r| r.outcome.measured().is_some())
            .count();
        let rows = tried * 4 + live.remedies.len() - tried;
        assert_eq!(of("remedy"), rows, "{name}");
        match &live.blame {
            Availability::Measured(blame) => {
                assert_eq!(of("rung"), blame.rungs.len() * 5, "{name}");
                assert_eq!(of("group"), blame.groups.len() * 12 + 3, "{name}");
                assert_eq!(of("fork"), 3, "{name}");
            }
            Availability::Missing(_) => assert_eq!(of("fork"), 1, "{name}"),
        }
    }
}

#[test]
fn pictures_have_a_bar_for_each_cost() {
    let picture = text(&process::explained(), Format::Svg);
    assert!(picture.contains("Whose the cost of a fork is"), "{picture}");
    // A segment for each half of nine bars, and the two of the legend.
    assert_eq!(picture.matches("<rect").count(), 9 * 2 + 2 + 1, "{picture}");
    let picture = text(&remedied::advice(), Format::Svg);
    assert!(
        picture.contains("What a spawn takes with each remedy"),
        "{picture}"
    );
    assert!(picture.contains("fork as it is"), "{picture}");
    assert!(!picture.contains("NaN") && !picture.contains("inf"));
    for (name, of) in [
        ("an explained process", process::explained()),
        ("an advice", remedied::advice()),
    ] {
        for format in [Format::Folded, Format::FlameGraph] {
            let refusal = render(&of, format).unwrap_err().to_string();
            assert!(refusal.starts_with(name), "{refusal}");
        }
    }
}

/// A process with parts taken away and figures that make no sense: distorted as JSON, so
/// that no field is forgotten.
fn distorted(seed: u64, words: &str) -> Document {
    static ALL: LazyLock<Vec<Value>> = LazyLock::new(|| {
        let all = process::documents().into_iter();
        all.map(|(_, document)| serde_json::to_value(document).expect("a document is JSON"))
            .collect()
    });
    let mut rng = Rng::with_seed(seed);
    let mut value = ALL[rng.usize(..ALL.len())].clone();
    let mut hand = Hand {
        words,
        severity: rng.u32(1..25),
        rng,
    };
    let live = &mut value["live"];
    hand.distort(&mut live["trials"], "", &["parent", "call_ns", "total_ns"]);
    for part in ["likeness", "forecast", "blame", "remedies"] {
        if !live[part].is_null() {
            hand.distort(&mut live[part], part, &["forecast", "blame", "outcome"]);
        }
    }
    let order = &mut value["plan"]["live"];
    hand.distort(&mut order["shape"]["process"], "", &[]);
    hand.distort(&mut order["scale"], "", &[]);
    serde_json::from_value(value).expect("only values were changed")
}

/// What stays as it is: a type of few bits holds it.
const SMALL: [&str; 3] = ["round", "pid", "shape_version"];

/// Who distorts.
struct Hand<'a> {
    words: &'a str,
    /// Of a hundred values so many are struck.
    severity: u32,
    rng: Rng,
}

impl Hand<'_> {
    fn distort(&mut self, value: &mut Value, key: &str, available: &[&str]) {
        let struck = self.rng.u32(0..100) < self.severity;
        match value {
            Value::Object(_) if struck && available.contains(&key) => {
                *value = serde_json::json!({"missing": "unavailable", "reason": self.words});
            }
            Value::Object(object) => {
                for (key, value) in object {
                    self.distort(value, key, available);
                }
            }
            Value::Array(array) => {
                if struck && key != "ci95" {
                    array.truncate(self.rng.usize(0..=array.len()));
                }
                for value in array {
                    self.distort(value, "", available);
                }
            }
            Value::Number(number) if struck && number.is_f64() => {
                *value = [0.0, -1.5, 0.25, 1e-3, 1e300, 123_456.5][self.rng.usize(0..6)].into();
            }
            Value::Number(_) if struck && key == "memory_bytes" => {
                *value = [0, i64::MIN, i64::MAX, -77][self.rng.usize(0..4)].into();
            }
            Value::Number(_) if struck && !SMALL.contains(&key) => {
                *value = [0, 1, 77, 1 << 40, u64::MAX][self.rng.usize(0..5)].into();
            }
            Value::String(text)
                if struck && ["name", "applied_to", "kernel", "because"].contains(&key) =>
            {
                *text = self.words.to_owned();
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_process_panics_or_leaves_its_columns(seed: u64, words in "[a-z\\PC]{0,40}") {
        let document = distorted(seed, &words);
        fuzz::holds(&document)?;
        let json = render(&document, Format::Json).unwrap();
        prop_assert_eq!(parse(json.as_slice()).unwrap(), document);
    }
}

#[test]
fn a_spawn_that_was_refused_has_its_reason() {
    let mut document = process::explained();
    let why = Missing::unavailable("the kernel refused it", Some("ask somebody"));
    let trial = &mut document.live.as_mut().unwrap().trials[0];
    assert_eq!(trial.role, ProcessRole::Whole);
    for cell in &mut trial.cells {
        if cell.method == SpawnMethod::Vfork {
            cell.call_ns = Availability::Missing(why.clone());
            cell.total_ns = Availability::Missing(why.clone());
            cell.samples.clear();
        }
    }
    let words = unwrapped(&document);
    let expected = "n/a: vfork: call, vfork: total: the kernel refused it; ask somebody";
    assert!(words.contains(expected), "{words}");
}

#[test]
fn every_rung_has_a_row() {
    let report = table(&process::explained());
    let (_, ladder) = report.split_once("\nWhat a fork pays for\n").unwrap();
    let (ladder, _) = ladder.split_once("\n\neach row").unwrap();
    let rows = ladder.lines().filter(|line| line.contains('±'));
    assert_eq!(rows.count(), Rung::ALL.len() + 1, "{ladder}");
}
