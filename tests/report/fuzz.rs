//! Stored documents with parts taken away and figures that make no sense: no format
//! panics, text stays within its columns, and what was stored comes back.

use std::mem;
use std::sync::LazyLock;

use fastrand::Rng;
use forktax::analysis::compare::{Input, compare};
use forktax::analysis::shape::to_json;
use forktax::model::{
    Answer, Availability, Comparison, Document, Findings, ProcessShape, SCHEMA_VERSION, Stored,
    Tool,
};
use forktax::report::{Format, Shown, parse, render_shape};
use forktax::stats::Estimate;
use forktax::units::steers;
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::stored::{RUNS, cells, comparisons, render, shapes, stored, text};

/// Cuts long lists, of which a report says no more than of short ones.
fn cut(value: &mut Value) {
    match value {
        Value::Array(array) => {
            let numbers = array.iter().all(Value::is_number);
            array.truncate(if numbers { 2 } else { 8 });
            array.iter_mut().for_each(cut);
        }
        Value::Object(object) => object.values_mut().for_each(cut),
        _ => {}
    }
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(array) => array.iter().map(size).sum(),
        Value::Object(object) => object.values().map(size).sum(),
        _ => 0,
    }
}

/// The part with that number, the whole being 0.
fn part(value: &mut Value, number: usize) -> Option<&mut Value> {
    let Some(mut number) = number.checked_sub(1) else {
        return Some(value);
    };
    let parts: Box<dyn Iterator<Item = &mut Value>> = match value {
        Value::Array(array) => Box::new(array.iter_mut()),
        Value::Object(object) => Box::new(object.values_mut()),
        _ => return None,
    };
    for below in parts {
        match number.checked_sub(size(below)) {
            Some(rest) => number = rest,
            None => return part(below, number),
        }
    }
    None
}

/// What stands in the place of a part.
fn nonsense(value: &Value, words: &str, rng: &mut Rng) -> Value {
    if rng.u8(..4) == 0 {
        let kind = ["unavailable", "not_asked"][rng.usize(..2)];
        return json!({"missing": kind, "reason": words});
    }
    match value {
        Value::Number(number) if number.is_f64() => {
            json!([0.0, -1.5, 0.25, 1e-3, 1e30, 123_456.5][rng.usize(..6)])
        }
        Value::Number(_) => json!([0, 1, 77, 1 << 40, u64::MAX][rng.usize(..5)]),
        Value::String(_) => json!(words),
        Value::Array(array) => {
            let kept = rng.usize(..=array.len());
            array[..kept].iter().cloned().collect()
        }
        _ => Value::Null,
    }
}

/// Strikes parts of a document, as far as it stays one: so no field is forgotten.
fn distorted<T: DeserializeOwned>(mut value: Value, words: &str, rng: &mut Rng) -> T {
    for _ in 0..rng.usize(1..20) {
        let number = rng.usize(..size(&value));
        let struck = part(&mut value, number).expect("there are so many");
        let instead = nonsense(struck, words, rng);
        let before = mem::replace(struck, instead);
        if T::deserialize(&value).is_err() {
            *part(&mut value, number).expect("it was there") = before;
        }
    }
    T::deserialize(&value).expect("what broke it was taken back")
}

fn small(value: impl serde::Serialize) -> Value {
    let mut value = serde_json::to_value(value).expect("a document is JSON");
    cut(&mut value);
    value
}

fn fit(report: &[u8]) -> Result<(), TestCaseError> {
    for line in std::str::from_utf8(report).expect("it is UTF-8").lines() {
        prop_assert!(line.chars().count() <= 100, "{}", line);
        prop_assert_eq!(line.trim_end(), line);
    }
    Ok(())
}

/// Bytes that steer no terminal, but for ends of lines.
fn steady(report: &[u8]) -> Result<(), TestCaseError> {
    let text = std::str::from_utf8(report).expect("it is UTF-8");
    let found = text.chars().find(|c| *c != '\n' && steers(*c));
    prop_assert!(found.is_none(), "{:?} in {}", found, text);
    Ok(())
}

/// Words of anybody: such as are read, and such as steer terminals and spreadsheets.
const WORDS: &str = "[a-z\\PC]{0,30}|[-=+@a-c \\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]{0,30}";

/// What every report of every document keeps.
fn holds(document: &Document) -> Result<(), TestCaseError> {
    for format in Format::ALL {
        // A picture may be refused, but never be empty.
        let Ok(bytes) = render(document, format) else {
            continue;
        };
        prop_assert!(!bytes.is_empty());
        steady(&bytes)?;
        match format {
            Format::Table => fit(&bytes)?,
            Format::Svg => {
                let picture = String::from_utf8(bytes).expect("it is UTF-8");
                prop_assert!(!picture.contains("NaN") && !picture.contains("\"inf"));
            }
            _ => {}
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_document_panics_or_leaves_its_columns(seed: u64, words in WORDS) {
        static SMALL: LazyLock<Vec<Value>> = LazyLock::new(|| RUNS.values().map(small).collect());
        let mut rng = Rng::with_seed(seed);
        let value = SMALL[rng.usize(..SMALL.len())].clone();
        let mut document: Document = distorted(value, &words, &mut rng);
        document.schema_version = SCHEMA_VERSION;
        holds(&document)?;
        let json = render(&document, Format::Json).unwrap();
        // Prices follow from trials when a card is read.
        if !matches!(document.findings, Findings::Card(_)) {
            prop_assert_eq!(parse(json.as_slice()).unwrap(), document.into());
        }
    }

    #[test]
    fn no_comparison_panics_or_leaves_its_columns(seed: u64, words in WORDS) {
        static SMALL: LazyLock<Vec<Value>> =
            LazyLock::new(|| comparisons().into_iter().map(|(_, stored)| small(stored)).collect());
        let mut rng = Rng::with_seed(seed);
        let value = SMALL[rng.usize(..SMALL.len())].clone();
        let comparison: Comparison = distorted(value, &words, &mut rng);
        for format in [Format::Markdown, Format::Csv, Format::Json] {
            let report = render(&comparison, format).unwrap();
            prop_assert!(!report.is_empty());
            steady(&report)?;
        }
        let report = render(&comparison, Format::Table).unwrap();
        fit(&report)?;
        steady(&report)?;
    }

    #[test]
    fn no_shape_steers_a_terminal(words in WORDS) {
        static SHAPES: LazyLock<Vec<Value>> =
            LazyLock::new(|| shapes().into_iter().map(|(_, shape)| small(shape)).collect());
        for value in SHAPES.iter() {
            let mut shape: ProcessShape = ProcessShape::deserialize(value).unwrap();
            shape.process.name.clone_from(&words);
            shape.process.kernel.clone_from(&words);
            for mapping in &mut shape.mappings {
                mapping.name = Some(words.clone());
            }
            for format in [Format::Table, Format::Markdown] {
                steady(&render_shape(&shape, format, &Shown::default()).unwrap())?;
            }
            let json = to_json(&shape).unwrap();
            steady(&json)?;
            prop_assert_eq!(serde_json::from_slice::<ProcessShape>(&json).unwrap(), shape);
        }
    }
}

/// Every text of a document, as far as it is free, says the same.
#[test]
fn no_field_is_a_way_around() {
    const HOSTILE: &str = "=\u{1b}[2J\u{9b}\u{7f}\u{202e}\n\t\u{e0041}\u{200d}";
    for name in [
        "sweep",
        "explain",
        "card",
        "advise",
        "python-2014",
        "mt-dup-2023",
    ] {
        let document: Document = said_everywhere(small(&RUNS[name]), HOSTILE);
        holds(&document).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    for (name, comparison) in comparisons() {
        let comparison: Comparison = said_everywhere(small(comparison), HOSTILE);
        for format in Format::ALL {
            if let Ok(report) = render(&comparison, format) {
                steady(&report).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        }
    }
}

/// No cell widens a table, no text a picture, and none stands in a thousand records whole.
#[test]
fn one_long_text_makes_no_large_report() {
    let long = "x".repeat(100_000);
    for name in ["explain", "advise"] {
        let document: Document = said_everywhere(small(&RUNS[name]), "LONG");
        let json = text(&document, Format::Json);
        let json = json.replace("\"LONG\"", &json!(long).to_string());
        let Stored::Run(document) = parse(json.as_bytes()).unwrap() else {
            panic!("it is the document of a run");
        };
        for format in [Format::Table, Format::Markdown, Format::Csv, Format::Svg] {
            if let Ok(report) = render(&*document, format) {
                let sizes = [report.len(), json.len()];
                assert!(
                    5 * sizes[0] < sizes[1],
                    "{name} {}: {sizes:?}",
                    format.name()
                );
            }
        }
    }
}

/// A document whose free texts are all the same.
fn said_everywhere<T: DeserializeOwned>(mut value: Value, words: &str) -> T {
    for number in 0..size(&value) {
        let text = part(&mut value, number).filter(|part| part.is_string());
        let Some(text) = text else {
            continue;
        };
        let before = mem::replace(text, json!(words));
        if T::deserialize(&value).is_err() {
            *part(&mut value, number).expect("it was there") = before;
        }
    }
    T::deserialize(&value).expect("what broke it was taken back")
}

/// What no JSON can hold, but a computation may give.
#[test]
fn figures_that_are_no_numbers_are_shown_without_panic() {
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e300] {
        let mut sweep = stored("sweep");
        for cell in cells(&mut sweep.findings) {
            for summary in [&mut cell.call_ns, &mut cell.total_ns] {
                if let Availability::Measured(summary) = summary {
                    summary.median.value = wrong;
                    summary.median.ci95[1] = wrong;
                }
            }
            cell.ratio = Availability::Measured(Estimate::exact(wrong));
            if let Availability::Measured(child) = &mut cell.minor_faults.child {
                child.ci95 = [wrong; 2];
            }
        }
        let mut programs = stored("python-2014");
        let Findings::Reproduction(study) = &mut programs.findings else {
            panic!("it is a study");
        };
        let Answer::Programs(loops) = &mut study.answer else {
            panic!("it is one of programs");
        };
        for row in &mut loops.rows {
            if let Availability::Measured(looped) = &mut row.here {
                looped.real_s.value = wrong;
                looped.cpu_s.ci95[1] = wrong;
            }
        }
        holds(&sweep).unwrap();
        holds(&programs).unwrap();
        let input = |file| Input {
            file,
            document: &sweep,
        };
        let mut compared = compare(Tool::this(), input("a"), input("b"), None).unwrap();
        for line in &mut compared.lines {
            line.a.value = wrong;
            line.b.ci95 = [wrong; 2];
            line.visible_from = Some(wrong);
        }
        fit(&render(&compared, Format::Table).unwrap()).unwrap();
    }
}
