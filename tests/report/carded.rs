//! Cards as a reader sees them: whole ones, and those of runs that went wrong.

use std::sync::LazyLock;

use fastrand::Rng;
use forktax::model::{
    Availability, Caveat, Document, Missing, PriceKind, Purpose, SpawnMethod, Stopped, Term,
};
use forktax::report::{Format, ReportError, parse, render};
use proptest::prelude::*;
use serde_json::Value;

use crate::card::{card, flat, refit};
use crate::{fuzz, text};

fn table(document: &Document) -> String {
    text(document, Format::Table)
}

/// What the report says under a heading, in one line.
fn section(report: &str, title: &str) -> String {
    let (_, rest) = report.split_once(&format!("\n{title}\n")).expect(title);
    let section = rest.split("\n\n").next().unwrap_or_default();
    section.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The report in one line, however it was wrapped.
fn unwrapped(document: &Document) -> String {
    let report = table(document);
    report.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn row<'a>(report: &'a str, start: &str) -> &'a str {
    let mut lines = report.lines().filter(|line| line.starts_with(start));
    lines.next().unwrap_or_else(|| panic!("{start}: {report}"))
}

#[test]
fn cards_look_like_this() {
    for format in [Format::Table, Format::Markdown, Format::Csv, Format::Svg] {
        let report = text(&card(), format);
        insta::assert_snapshot!(format!("card.{}", format.extension()), report);
    }
}

#[test]
fn a_card_fits_a_terminal_of_100_columns() {
    for line in table(&card()).lines() {
        assert!(line.chars().count() <= 100, "{line}");
        assert_eq!(line.trim_end(), line, "trailing space");
    }
}

#[test]
fn a_stored_card_comes_back() {
    let document = card();
    let json = render(&document, Format::Json).unwrap();
    assert_eq!(parse(json.as_slice()).unwrap(), document);
}

#[test]
fn prices_have_their_own_units_and_both_sides_of_the_knee() {
    let report = table(&card());
    assert!(row(&report, "fixed ").contains(" us "), "{report}");
    let mapping = row(&report, "mapping ");
    assert!(mapping.contains(" ns "), "{mapping}");
    assert_eq!(mapping.matches('±').count(), 5, "{mapping}");
    // Its price does not depend on the size of the parent.
    assert_eq!(row(&report, "huge page ").matches('±').count(), 3);
    let words = unwrapped(&card());
    assert!(
        words.contains("the knee: once the kernel's structures"),
        "{words}"
    );
    assert!(
        words.contains("the response is not linear: parents"),
        "{words}"
    );
    let words = unwrapped(&flat());
    assert!(words.contains("no knee was found"), "{words}");
    assert!(!words.contains("beyond the knee"), "{words}");
    assert!(!words.contains("not linear"), "{words}");
}

#[test]
fn what_is_not_told_from_0_has_a_bound() {
    let report = table(&card());
    let handler = row(&report, "signal handler");
    assert_eq!(handler.matches(" < ").count(), 4, "{handler}");
    let legend = section(&report, "Columns");
    assert!(
        legend.contains("< 12 not told from 0: it may be nothing"),
        "{legend}"
    );
    let words = section(&report, "In short");
    let flat = "Of vfork, posix_spawn and clone3-vfork no dependence on the address space is seen";
    assert!(words.contains(flat), "{words}");
}

#[test]
fn a_dependence_that_is_seen_is_said() {
    let mut document = card();
    let order = document.plan.card.as_ref().unwrap();
    let large = order
        .trials
        .iter()
        .rposition(|t| t.purpose == Purpose::Flatness);
    let cells = &mut document.card.as_mut().unwrap().trials[large.unwrap()].cells;
    for worker in &mut cells[0].samples {
        worker.total_ns.iter_mut().for_each(|ns| *ns *= 3);
    }
    refit(&mut document);
    let words = section(&table(&document), "In short");
    assert!(
        words.contains("Of posix_spawn and clone3-vfork no dependence"),
        "{words}"
    );
    assert!(words.contains("; a mapping with a page adds"), "{words}");
}

#[test]
fn a_cpuid_that_is_fast_does_not_trap() {
    assert!(table(&card()).contains("a cpuid of this price traps"));
    let mut document = card();
    for trial in &mut document.card.as_mut().unwrap().trials {
        for gauges in &mut trial.gauges {
            gauges.cpuid_ns.iter_mut().for_each(|ns| *ns /= 40.0);
        }
    }
    refit(&mut document);
    assert!(!table(&document).contains("traps:"));
}

#[test]
fn the_parents_foretold_worst_are_named() {
    let words = unwrapped(&card());
    let (_, worst) = words.split_once("the totals foretold worst: ").unwrap();
    let (worst, _) = worst.split_once(" In short").unwrap();
    assert_eq!(worst.matches(" % too ").count(), 3, "{worst}");
    assert!(
        worst.contains("mappings") || worst.contains("pages"),
        "{worst}"
    );
}

#[test]
fn what_the_host_had_no_room_for_is_listed() {
    let left_out = section(&table(&card()), "Left out of the design");
    let expected = "shared mappings (300 mappings, shared): only 1 GiB of memory is free";
    assert!(left_out.starts_with(expected), "{left_out}");
    // No parent with one was measured, so its price is not known.
    let words = unwrapped(&card());
    assert!(words.contains("no parent with it was measured"), "{words}");
}

/// Takes the result of all trials but those of some purposes.
fn only(document: &mut Document, keep: impl Fn(Purpose) -> bool, why: &Missing) {
    let order = document.plan.card.as_ref().expect("it is a card");
    let card = document.card.as_mut().expect("it is a card");
    for (trial, result) in order.trials.iter().zip(&mut card.trials) {
        if !keep(trial.purpose) {
            result.parent = Availability::Missing(why.clone());
            result.gauges.clear();
            for cell in &mut result.cells {
                cell.call_ns = Availability::Missing(why.clone());
                cell.total_ns = Availability::Missing(why.clone());
                cell.samples.clear();
            }
        }
    }
    refit(document);
}

#[test]
fn too_few_parents_have_no_prices_and_say_why() {
    let mut document = card();
    let keep = |purpose: Purpose| !purpose.is_fitted() || purpose == Purpose::Empty;
    only(&mut document, keep, &Missing::not_reached());
    let report = table(&document);
    let words = unwrapped(&document);
    let why = "1 parents were measured, too few to fit prices to; raise --time";
    assert!(words.contains(why), "{words}");
    assert!(row(&report, "mapping ").contains("n/a"), "{report}");
    assert!(!report.contains("knee"), "{report}");
    assert!(!report.contains("How good the card is"), "{report}");
    assert!(
        report.contains("A fork of an empty parent takes"),
        "{report}"
    );
    assert!(!report.contains("By these prices"), "{report}");
    let refusal = render(&document, Format::Svg).unwrap_err();
    assert!(matches!(&refusal, ReportError::NothingFound { reason, .. } if reason.contains(why)));
}

#[test]
fn a_card_without_any_figure_has_its_reasons() {
    let mut document = card();
    let why = Missing::unavailable("the kernel refused it", Some("ask somebody"));
    only(&mut document, |_| false, &why);
    let report = table(&document);
    assert!(
        report.contains("the kernel refused it; ask somebody"),
        "{report}"
    );
    assert!(report.contains("0 spawns timed"), "{report}");
    assert!(!report.contains("In short"), "{report}");
    for format in [Format::Markdown, Format::Csv, Format::Json] {
        assert!(render(&document, format).is_ok());
    }
    assert!(render(&document, Format::Svg).is_err());
}

#[test]
fn a_card_that_was_broken_off_shows_what_it_has() {
    let mut document = card();
    document.run.stopped = Stopped::Interrupted;
    document.caveats = vec![Caveat::FewRounds { rounds: 1 }, Caveat::Interrupted];
    for count in [30, 12, 1, 0] {
        document.card.as_mut().unwrap().trials.truncate(count);
        refit(&mut document);
        let report = table(&document);
        assert!(report.contains("only 1 round of all trials"), "{report}");
        assert!(report.contains("the run ended before its turn"), "{report}");
        assert!(report.contains("stopped by a signal"), "{report}");
    }
}

#[test]
fn a_plan_without_a_result_is_a_header_and_a_run() {
    let mut document = card();
    document.card = None;
    assert!(table(&document).contains("0 spawns timed"));
    let mut document = card();
    document.plan.card = None;
    for format in Format::ALL {
        let _ = render(&document, format);
    }
}

#[test]
fn csv_has_a_row_for_each_figure() {
    let document = card();
    let bytes = render(&document, Format::Csv).unwrap();
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert!(records.iter().flatten().all(|field| !field.is_empty()));
    let of = |section: &str| {
        records
            .iter()
            .filter(|record| &record[0] == section)
            .count()
    };
    let (order, card) = (document.plan.card.unwrap(), document.card.unwrap());
    // Three slices of each term on both sides of the knee, and the knee.
    assert_eq!(of("fork"), Term::ALL.len() * 6 + 1);
    assert_eq!(of("price"), card.prices.prices.len() * 3);
    assert_eq!(of("grade"), 11);
    assert_eq!(of("parent"), order.trials.len() * 8);
    let cells: usize = card.trials.iter().map(|trial| trial.cells.len()).sum();
    assert_eq!(of("measured"), cells * 2);
    assert_eq!(of("foretold"), card.prices.forecasts.len() * 2);
    let handler = records.iter().find(|record| {
        let (what, method) = (&record[2], &record[3]);
        what == "handler" && method == SpawnMethod::Fork.name() && &record[4] == "total"
    });
    let handler = handler.expect("it is a price");
    assert_eq!(&handler[6], "n/a");
    assert!(handler[9].parse::<f64>().is_ok(), "{handler:?}");
    let spawn = card.prices.prices.iter().find(|p| p.of == PriceKind::Spawn);
    assert!(spawn.is_some_and(|price| price.units == 1.0));
}

#[test]
fn the_picture_has_both_charts() {
    let picture = text(&card(), Format::Svg);
    assert_eq!(picture.matches("<svg ").count(), 1);
    assert_eq!(picture.matches("</svg>").count(), 1);
    for title in [
        "What a fork takes, as foretold and as measured",
        "What a fork of these parents is foretold to take, and for what",
    ] {
        assert!(picture.contains(title), "{picture}");
    }
    let forecasts = card().card.unwrap().prices.forecasts.len();
    // A marker for each, and one in the legend for each of both kinds.
    assert_eq!(picture.matches("<circle").count(), forecasts + 2);
    assert!(!picture.contains("NaN") && !picture.contains("inf"));
}

/// A card with parts taken away and figures that make no sense: distorted as JSON, so
/// that no field is forgotten.
fn distorted(seed: u64, words: &str) -> Document {
    static CARD: LazyLock<Value> =
        LazyLock::new(|| serde_json::to_value(card()).expect("a document is JSON"));
    let mut value = CARD.clone();
    let mut rng = Rng::with_seed(seed);
    let severity = rng.u32(1..20);
    distort(&mut value["card"], "", words, severity, &mut rng);
    serde_json::from_value(value).expect("only values were changed")
}

/// Parts that may be missing.
const AVAILABLE: [&str; 5] = ["parent", "call_ns", "after_ns", "total_ns", "grade"];

/// Changes about one of so many values: `severity` in a hundred.
fn distort(value: &mut Value, key: &str, words: &str, severity: u32, rng: &mut Rng) {
    let struck = rng.u32(0..100) < severity;
    match value {
        Value::Object(_) if struck && AVAILABLE.contains(&key) => {
            *value = serde_json::json!({"missing": "unavailable", "reason": words});
        }
        Value::Object(object) => {
            for (key, value) in object {
                distort(value, key, words, severity, rng);
            }
        }
        Value::Array(array) => {
            if struck && key != "ci95" {
                array.truncate(rng.usize(0..=array.len()));
            }
            for value in array {
                distort(value, "", words, severity, rng);
            }
        }
        Value::Number(number) if struck && number.is_f64() => {
            *value = [0.0, -1.5, 0.25, 1e-3, 1e300, 123_456.5][rng.usize(0..6)].into();
        }
        Value::Number(_) if struck && key != "round" => {
            *value = [0, 1, 77, 1 << 40, u64::MAX][rng.usize(0..5)].into();
        }
        _ => {}
    }
}

proptest! {
    // Each case makes a fit, which takes its time in a build for tests.
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_card_panics_or_leaves_its_columns(seed: u64, words in "[a-z\\PC]{0,40}") {
        fuzz::holds(&distorted(seed, &words))?;
    }
}
