//! The flat records: every figure of every stored result, in one form.

use std::collections::BTreeSet;

use forktax::model::{Availability, Findings, Stored};
use forktax::report::{Format, Record, Shown, render};
use serde_json::Value;

use crate::stored::{RUNS, comparisons, stored, with};

/// Every stored result.
fn results() -> impl Iterator<Item = (String, Stored)> {
    let runs = RUNS
        .iter()
        .map(|(name, document)| (name.clone(), Stored::from(document.clone())));
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
            assert_ne!(field(&record, "unit"), "", "{name}: {record:?}");
            match field(&record, "value") {
                "n/a" => assert_ne!(field(&record, "reason"), "", "{name}: {record:?}"),
                _ => assert!(number("value").is_ok(), "{name}: {record:?}"),
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
            let of = ["kind", "parent", "method", "name"].map(|of| field(&record, of).to_owned());
            assert!(seen.insert(of), "{name}: {record:?}");
        }
        assert!(!seen.is_empty(), "{name}");
    }
}

/// Figures with an interval, and missing ones, wherever they are in a document.
fn counted(value: &Value) -> [usize; 2] {
    let sum = |found: [usize; 2], value: &Value| {
        let more = counted(value);
        [found[0] + more[0], found[1] + more[1]]
    };
    match value {
        Value::Object(fields) if fields.contains_key("ci95") && fields.contains_key("value") => {
            [1, 0]
        }
        Value::Object(fields) if fields.contains_key("missing") => [0, 1],
        Value::Object(fields) => fields.values().fold([0, 0], sum),
        Value::Array(items) => items.iter().fold([0, 0], sum),
        _ => [0, 0],
    }
}

#[test]
fn no_interval_and_no_reason_of_a_document_is_left_out() {
    for (name, stored) in results() {
        let value = match &stored {
            Stored::Run(document) => serde_json::to_value(&document.findings).unwrap(),
            Stored::Comparison(comparison) => {
                serde_json::to_value((&comparison.lines, &comparison.lone)).unwrap()
            }
        };
        let records = records(&stored);
        let of = |is: fn(&csv::StringRecord) -> bool| records.iter().filter(|r| is(r)).count();
        let found = [
            of(|record| !field(record, "low").is_empty()),
            of(|record| field(record, "value") == "n/a"),
        ];
        assert_eq!(found, counted(&value), "{name}");
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
