//! The flat records: every figure of every stored result, in one form.

use std::collections::BTreeSet;

use forktax::analysis::sweep::{Extra, Sizes};
use forktax::model::{Availability, Findings, Stored};
use forktax::report::{Format, Record, Shown, render};
use serde_json::Value;

use crate::stored::{RUNS, comparisons, noise, stored, with};

/// Every stored result.
fn results() -> impl Iterator<Item = (String, Stored)> {
    let runs = RUNS
        .iter()
        .map(|(name, document)| (name.clone(), Stored::from(document.clone())));
    let watched = with("sweep-exit", |document| document.noise = Some(noise()));
    let runs = runs.chain([("watched".to_owned(), Stored::from(watched))]);
    let compared = comparisons().into_iter();
    runs.chain(compared.map(|(name, comparison)| (name, Stored::from(comparison))))
}

/// The records of one, as another program reads them.
fn records(stored: &Stored) -> Vec<csv::StringRecord> {
    let bytes =
        render(stored, Format::Csv, &Shown::default()).expect("every result can be written as CSV");
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    assert_eq!(
        reader.headers().expect("it has a header"),
        &Record::FIELDS[..]
    );
    let records = reader.records();
    records.map(|record| record.expect("it is CSV")).collect()
}

fn field<'a>(record: &'a csv::StringRecord, name: &str) -> &'a str {
    let place = Record::FIELDS.iter().position(|field| *field == name);
    &record[place.expect("it is a field")]
}

#[test]
fn every_record_is_a_figure_or_says_why_there_is_none() {
    for (name, stored) in results() {
        for record in records(&stored) {
            let number = |of: &str| field(&record, of).parse::<f64>();
            match field(&record, "value") {
                "n/a" => assert_ne!(field(&record, "reason"), "", "{name}: {record:?}"),
                _ => {
                    assert!(number("value").is_ok(), "{name}: {record:?}");
                    assert_ne!(field(&record, "unit"), "", "{name}: {record:?}");
                }
            }
            if field(&record, "low").is_empty() {
                assert_eq!(field(&record, "high"), "", "{name}: {record:?}");
                continue;
            }
            let [low, value, high] = ["low", "value", "high"].map(|of| number(of).unwrap());
            assert!(low <= value && value <= high, "{name}: {record:?}");
        }
    }
}

#[test]
fn no_two_records_are_of_one_figure() {
    for (name, stored) in results() {
        let mut seen = BTreeSet::new();
        for record in records(&stored) {
            let of = ["kind", "parent", "child", "method", "name"]
                .map(|of| field(&record, of).to_owned());
            assert!(seen.insert(of), "{name}: {record:?}");
        }
        assert!(!seen.is_empty(), "{name}");
    }
}

/// What is no figure, wherever it is in a document: orders, names, what the figures were made
/// of, and a document in it.
const NO_FIGURES: [&str; 15] = [
    "advised", "callers", "check", "ended", "ending", "endings", "gauges", "request", "role",
    "runs", "samples", "source", "spawns", "stacks", "tree",
];

/// Numbers that are bits, or a place in another list, or how many workers are behind a
/// compared line.
const NO_NUMBERS: [&str; 11] = [
    "a_workers",
    "b_workers",
    "by",
    "caller",
    "child",
    "errno",
    "flags",
    "pid",
    "program",
    "space",
    "trial",
];

/// The figures in a part of a document, as they are written there: value and bounds, or
/// nothing where it says why there is none.
fn figures(value: &Value, found: &mut Vec<[String; 3]>) {
    match value {
        Value::Number(number) => found.push([number.to_string(), String::new(), String::new()]),
        Value::Object(fields) => match (fields.get("value"), fields.get("ci95")) {
            (Some(value), Some(bounds)) => {
                found.push([value, &bounds[0], &bounds[1]].map(ToString::to_string));
            }
            _ if fields.contains_key("missing") => {
                found.push(["n/a".to_owned(), String::new(), String::new()]);
            }
            _ => {
                let is_figure = |field: &str, value: &Value| match value {
                    Value::Number(_) => !NO_NUMBERS.contains(&field),
                    // A space with a kind is an order for one.
                    Value::Object(parts) if field == "space" => !parts.contains_key("kind"),
                    _ => !NO_FIGURES.contains(&field),
                };
                let parts = fields
                    .iter()
                    .filter(|(field, value)| is_figure(field, value));
                parts.for_each(|(_, value)| figures(value, found));
            }
        },
        Value::Array(items) if items.iter().all(Value::is_number) => {}
        Value::Array(items) => items.iter().for_each(|item| figures(item, found)),
        _ => {}
    }
}

#[test]
fn every_figure_of_a_document_is_in_the_records_once() {
    for (name, stored) in results() {
        let mut wanted = Vec::new();
        match &stored {
            Stored::Run(document) => {
                let advised = document.findings.trace().and_then(|it| it.advised.as_ref());
                let advised = advised.and_then(|it| it.measured()).map(|it| &**it);
                for document in [&**document].into_iter().chain(advised) {
                    let parts = (&document.findings, &document.noise);
                    figures(&serde_json::to_value(parts).unwrap(), &mut wanted);
                }
            }
            Stored::Comparison(comparison) => {
                let lines = serde_json::to_value((&comparison.lines, &comparison.lone)).unwrap();
                figures(&lines, &mut wanted);
            }
        }
        let derived = ["costs", "endings", "extra"];
        let records = records(&stored);
        let stored = records
            .iter()
            .filter(|record| !derived.contains(&field(record, "kind")));
        let of = |record: &csv::StringRecord| {
            ["value", "low", "high"].map(|of| field(record, of).to_owned())
        };
        let mut found: Vec<[String; 3]> = stored.map(of).collect();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{name}");
    }
}

/// The records of a kind that have a name.
fn of_kind(document: &str, kind: &str) -> Vec<csv::StringRecord> {
    let mut records = records(&Stored::from(RUNS[document].clone()));
    records.retain(|record| field(record, "kind") == kind);
    records
}

#[test]
fn what_follows_from_the_figures_is_there_with_its_interval() {
    let extra = of_kind("sweep", "extra");
    let sizes = Sizes::of(&RUNS["sweep"]);
    let whole = Extra::of(&RUNS["sweep"], &sizes).unwrap();
    let totals = extra
        .iter()
        .filter(|r| field(r, "name").ends_with("total_ns"));
    let totals: Vec<&str> = totals.map(|record| field(record, "value")).collect();
    let points = whole.points.iter();
    let wanted: Vec<String> = points
        .map(|p| Value::from(p.extra().value).to_string())
        .collect();
    assert_eq!(totals, wanted);
    let one_more = |record: &&csv::StringRecord| field(record, "unit") == "ns/mapping";
    assert_eq!(extra.iter().filter(one_more).count(), 2);

    let descriptors = of_kind("sweep-fds", "extra");
    let of_each = |r: &&csv::StringRecord| field(r, "name") == "one_more.total";
    let methods = RUNS["sweep-fds"].plan.methods.len();
    assert_eq!(descriptors.iter().filter(of_each).count(), methods);

    let costs = of_kind("mt-dup-2023", "costs");
    assert!(costs.iter().any(|cost| field(cost, "unit") == "ns/VMA"));
    for record in [extra, costs].concat() {
        let has_interval = !field(&record, "low").is_empty();
        let published = field(&record, "name").ends_with(".published");
        assert!(
            has_interval || published || field(&record, "value") == "n/a",
            "{record:?}"
        );
    }
}

/// The last field of a record's name.
fn leaf(record: &csv::StringRecord) -> &str {
    let name = field(record, "name");
    name.rsplit('.').next().unwrap_or(name)
}

#[test]
fn units_are_those_that_fields_name() {
    let mut units: BTreeSet<String> = BTreeSet::new();
    for (name, stored) in results() {
        for record in records(&stored) {
            let unit = field(&record, "unit");
            let named = match leaf(&record).rsplit('_').next() {
                Some(unit @ ("ns" | "us" | "s" | "bytes")) => Some(unit),
                _ => None,
            };
            assert!(
                named.is_none_or(|named| named == unit),
                "{name}: {record:?}"
            );
            if field(&record, "command") != "compare" {
                units.insert(format!("{} {unit}", leaf(&record)));
            }
        }
    }
    // A field that is new stands here with the unit that its name gives it.
    insta::assert_snapshot!("units", units.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_name_of_a_library_is_no_unit() {
    let document = with("process", |document| {
        let Findings::Process(process) = &mut document.findings else {
            panic!("it is another document");
        };
        let Availability::Measured(blame) = &mut process.blame else {
            panic!("it has no blame");
        };
        blame.groups[0].name = "/usr/lib/libgcc_s.so.1".to_owned();
    });
    let records = records(&Stored::from(document));
    let is_count = |record: &&csv::StringRecord| {
        field(record, "name").contains("libgcc_s") && leaf(record) == "vmas"
    };
    let units = records.iter().filter(is_count).map(|r| field(r, "unit"));
    assert_eq!(units.collect::<Vec<_>>(), ["count"]);
}

#[test]
fn the_child_of_another_program_is_not_that_of_the_plan() {
    for (document, other) in [
        ("advise", "static_target"),
        ("python-2014", "c_posix_spawn_floor"),
    ] {
        let records = records(&Stored::from(stored(document)));
        let of = |is_other: bool| -> Vec<&csv::StringRecord> {
            let records = records.iter();
            let mine = records.filter(|record| field(record, "name").contains(other) == is_other);
            mine.collect()
        };
        assert!(
            of(true)
                .iter()
                .all(|record| field(record, "child").is_empty())
        );
        assert!(
            of(false)
                .iter()
                .any(|record| !field(record, "child").is_empty())
        );
        assert!(!of(true).is_empty(), "{document}");
    }
}

#[test]
fn what_was_judged_is_the_ratio_alone() {
    for record in records(&Stored::from(stored("advise"))) {
        let is_ratio = leaf(&record) == "ratio";
        let is_judged = !field(&record, "verdict").is_empty();
        assert!(is_ratio || !is_judged, "{record:?}");
        assert_eq!(
            is_ratio,
            !field(&record, "baseline").is_empty(),
            "{record:?}"
        );
    }
}
