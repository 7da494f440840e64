//! Arbitrary small documents: no format panics, text stays within its columns,
//! and what was stored comes back.

use std::sync::LazyLock;

use fastrand::Rng;
use forktax::model::{Availability, Cell, Counted, Document, SpawnMethod, WorkerSamples};
use forktax::report::{Format, parse, render};
use forktax::stats::{Estimate, Summary};
use proptest::prelude::*;
use serde_json::Value;

use crate::{build, text};

/// What one cell is made of; `missing` has a bit for each figure.
#[derive(Debug, Clone)]
struct Seed {
    space: u64,
    method: usize,
    missing: u32,
    figures: Vec<f64>,
    samples: Vec<Vec<(u64, u64)>>,
}

/// Figures that a decimal reader gives back to the last bit.
fn exact() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        (-100_000_i32..1_000_000_000).prop_map(|value| f64::from(value) / 64.0),
        (0_u32..1_000_000).prop_map(|value| f64::from(value) * 1e9),
    ]
}

fn seed(figure: impl Strategy<Value = f64>) -> impl Strategy<Value = Seed> {
    let nanoseconds = || prop_oneof![0_u64..200, 10_000_u64..10_000_000, any::<u64>()];
    let turn = (nanoseconds(), nanoseconds());
    let worker = prop::collection::vec(turn, 0..4);
    (
        prop_oneof![0_u64..3, 0_u64..70_000, any::<u64>()],
        0_usize..7,
        any::<u32>(),
        prop::collection::vec(figure, 16),
        prop::collection::vec(worker, 0..3),
    )
        .prop_map(|(space, method, missing, figures, samples)| Seed {
            space,
            method,
            missing: missing & missing.rotate_left(7),
            figures,
            samples,
        })
}

fn document(seeds: &[Seed], baseline: usize, words: &str, malloc: bool) -> Document {
    static TEMPLATES: LazyLock<Vec<(&str, Document)>> = LazyLock::new(build::documents);
    let mut document = TEMPLATES[if malloc { 2 } else { 0 }].1.clone();
    document.plan.baseline = SpawnMethod::ALL[baseline];
    document.host.kernel = words.to_owned();
    let template = document.cells[0].clone();
    document.cells = seeds
        .iter()
        .map(|seed| cell(seed, &template, words))
        .collect();
    document
}

fn cell(seed: &Seed, template: &Cell, words: &str) -> Cell {
    let mut cell = template.clone();
    let figure = |index: usize| {
        if seed.missing >> index & 1 == 1 {
            let remedy = index.is_multiple_of(2).then_some("raise it");
            Availability::unavailable(format!("{words} {}", index % 3), remedy)
        } else {
            Availability::Measured(Estimate {
                value: seed.figures[index],
                ci95: [1, 2].map(|next| seed.figures[(index + next) % 16]),
            })
        }
    };
    let summary = |index: usize| {
        figure(index).map(|median| Summary {
            median: *median,
            ..*template
                .total_ns
                .measured()
                .expect("the template was measured")
        })
    };
    let counted = |index: usize| Counted {
        parent: figure(index),
        child: figure(index + 1),
        ..template.cycles.clone()
    };
    cell.method = SpawnMethod::ALL[seed.method];
    cell.space.vmas = seed.space;
    cell.space.present_ptes = seed.space.rotate_left(11);
    cell.space.huge_bytes = seed.space & 1;
    (cell.call_ns, cell.total_ns) = (summary(0), summary(1));
    cell.worker_spread = figure(3).map(|spread| spread.value);
    (cell.spawns_per_second, cell.ratio) = (figure(2), figure(4));
    (cell.sys_ns, cell.user_ns) = (figure(5), figure(6));
    (cell.cycles, cell.instructions) = (counted(7), counted(9));
    (cell.minor_faults, cell.context_switches) = (counted(11), counted(13));
    cell.samples = (0..)
        .zip(&seed.samples)
        .map(|(round, turns)| WorkerSamples {
            round,
            call_ns: turns.iter().map(|turn| turn.0).collect(),
            total_ns: turns.iter().map(|turn| turn.1).collect(),
        })
        .collect();
    cell
}

/// What every report of every document keeps.
pub(crate) fn holds(document: &Document) -> Result<(), TestCaseError> {
    for format in Format::ALL {
        // A picture may be refused, but never be empty.
        if let Ok(bytes) = render(document, format) {
            prop_assert!(!bytes.is_empty());
        }
    }
    let report = text(document, Format::Table);
    for line in report.lines() {
        prop_assert!(line.chars().count() <= 100, "{}", line);
        prop_assert_eq!(line.trim_end(), line);
    }
    Ok(())
}

/// An explained document with parts taken away and figures that make no sense:
/// distorted as JSON, so that no field is forgotten.
fn distorted(seed: u64, template: usize, words: &str) -> Document {
    static TEMPLATES: LazyLock<Vec<(&str, Document)>> = LazyLock::new(build::documents);
    let mut explained = TEMPLATES.iter().filter(|(_, d)| d.explanation.is_some());
    let (_, document) = explained.nth(template).expect("there are three");
    let mut value = serde_json::to_value(document).expect("a document is JSON");
    let mut rng = Rng::with_seed(seed);
    let severity = rng.u32(1..30);
    let space = value["explanation"]["space"].take();
    distort(&mut value["explanation"], "", words, severity, &mut rng);
    value["explanation"]["space"] = space;
    let mut document: Document = serde_json::from_value(value).expect("only values were changed");
    let cells = document.cells.len();
    document.cells.truncate(rng.usize(0..=cells));
    document
}

/// Parts that may be missing, and estimates of the ledger, the samples and the hidden
/// tax.
const AVAILABLE: [&str; 10] = [
    "stamping_ns",
    "slowdown",
    "held_ns",
    "ledger",
    "mechanisms",
    "faults",
    "rewriting",
    "page_tables",
    "page_tables_before",
    "exit_probe",
];

/// Changes about one of so many values: `severity` in a hundred.
fn distort(value: &mut Value, key: &str, words: &str, severity: u32, rng: &mut Rng) {
    let struck = rng.u32(0..100) < severity;
    match value {
        _ if struck && key == "tree" => *value = Value::Null,
        Value::Object(object) => {
            if struck && AVAILABLE.contains(&key) {
                *value = serde_json::json!({"missing": "unavailable", "reason": words});
                return;
            }
            for (key, value) in object {
                distort(value, key, words, severity, rng);
            }
        }
        Value::Array(array) => {
            if struck && key != "ci95" {
                array.truncate(rng.usize(0..=array.len()));
            }
            for value in array {
                distort(value, key, words, severity, rng);
            }
        }
        Value::Number(_) if struck && key == "expected" && rng.bool() => {
            *value = serde_json::json!({"missing": "not_asked", "reason": words});
        }
        Value::Number(number) if struck => {
            *value = match (number.is_f64(), key) {
                (true, _) => [0.0, -1.5, 0.25, 1e-3, 1e300, 123_456.5][rng.usize(0..6)].into(),
                (false, "frames") => rng.u32(..).into(),
                (false, _) => [0, 1, 77, 1 << 40, u64::MAX][rng.usize(0..5)].into(),
            };
        }
        Value::String(text) if struck && ["kind", "function", "rule", "mapping"].contains(&key) => {
            *text = words.to_owned();
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_stored_comes_back(
        seeds in prop::collection::vec(seed(exact()), 0..9),
        baseline in 0_usize..7,
        words in ".{0,20}",
        malloc: bool,
    ) {
        let document = document(&seeds, baseline, &words, malloc);
        let json = render(&document, Format::Json).unwrap();
        prop_assert_eq!(parse(json.as_slice()).unwrap(), document);
    }

    #[test]
    fn no_document_panics_or_leaves_its_columns(
        seeds in prop::collection::vec(seed(any::<f64>()), 0..9),
        baseline in 0_usize..7,
        words in "[a-z\\PC]{0,40}",
        malloc: bool,
    ) {
        holds(&document(&seeds, baseline, &words, malloc))?;
    }

    #[test]
    fn no_explanation_panics_or_leaves_its_columns(
        seed: u64,
        template in 0_usize..3,
        words in "[a-z\\PC]{0,40}",
    ) {
        let document = distorted(seed, template, &words);
        holds(&document)?;
        let json = render(&document, Format::Json).unwrap();
        prop_assert_eq!(parse(json.as_slice()).unwrap(), document);
    }
}
