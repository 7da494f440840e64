//! Tables whose figures and intervals are as wide as they get: no line leaves
//! the terminal, and no column or row is lost on the way.

use std::collections::BTreeSet;

use forktax::model::{Document, SpawnMethod, Stored};
use forktax::report::{self, Format, Shown};
use serde_json::{Value, json};

use crate::every::fits;
use crate::stored::{RUNS, cells, comparisons, says, stored, table};

/// Every figure is 123,456 ±98,765 in the unit of its column.
const MEDIAN: f64 = 123_456.0;
const HALF: f64 = 98_765.0;

fn figure(scale: f64) -> Value {
    let ci95 = [MEDIAN - HALF, MEDIAN + HALF].map(|bound| bound * scale);
    json!({"value": MEDIAN * scale, "ci95": ci95})
}

/// Estimates that may be missing, and become wide all the same.
const MAY_BE_MISSING: [&str; 8] = [
    "ratio",
    "cpu_ns",
    "sys_ns",
    "user_ns",
    "counting_slowdown",
    "stamping_ns",
    "slowdown",
    "held_ns",
];

/// Of a cell's and an explanation's estimates, those that are no times.
const PLAIN: [&str; 8] = [
    "spawns_per_second",
    "ratio",
    "parent",
    "child",
    "counting_slowdown",
    "slowdown",
    "share",
    "counted",
];

/// Widens every figure that has an interval, measured or not.
fn widen(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let is_counted = ["parent", "child", "source"].map(|key| object.contains_key(key));
            for (name, value) in object {
                let name = name.as_str();
                let is_estimate = value.get("ci95").is_some()
                    || MAY_BE_MISSING.contains(&name)
                    || is_counted == [true; 3] && name != "source";
                if is_estimate {
                    *value = figure(if PLAIN.contains(&name) { 1.0 } else { 1e3 });
                } else {
                    widen(value);
                }
            }
        }
        Value::Array(array) => array.iter_mut().for_each(widen),
        _ => {}
    }
}

fn widened(document: &Document, part: impl Fn(&mut Value)) -> Document {
    let mut value = serde_json::to_value(document).expect("a document is JSON");
    part(&mut value);
    serde_json::from_value(value).expect("only figures were changed")
}

/// The larger space is the wide one: the smaller keeps the unit small.
fn wide(methods: &[SpawnMethod]) -> Document {
    let mut document = stored("sweep-methods");
    document.plan.methods = methods.to_vec();
    if !methods.contains(&document.plan.baseline) {
        document.plan.baseline = methods[0];
    }
    document.caveats.clear();
    cells(&mut document.findings).retain(|cell| methods.contains(&cell.method));
    widened(&document, |value| {
        for cell in value["findings"]["sweep"]["cells"]
            .as_array_mut()
            .expect("there are cells")
        {
            if cell["space"]["mappings_requested"] != 0 {
                widen(cell);
            }
        }
    })
}

/// The parts of the time table, each as its lines.
fn time_parts(report: &str) -> Vec<Vec<&str>> {
    let (_, rest) = report
        .split_once("\nTime of one spawn\n\n")
        .expect("the table is there");
    rest.split("\n\n")
        .map(|part| part.lines().collect())
        .take_while(|part: &Vec<&str>| part[0].starts_with("mappings"))
        .collect()
}

#[test]
fn wide_intervals_of_all_methods_are_split_under_the_same_keys() {
    let methods = stored("sweep-methods").plan.methods;
    let report = table(&wide(&methods));
    fits("wide", &report);
    let parts = time_parts(&report);
    assert!(parts.len() > 1, "{report}");
    for part in &parts {
        assert_eq!(part.len(), 3 + 2 * methods.len(), "{report}");
        assert!(part[0].contains("  method  "), "{report}");
        for method in &methods {
            let named = |line: &&&str| line.split_whitespace().any(|word| word == method.name());
            assert_eq!(part[3..].iter().filter(named).count(), 2, "{report}");
        }
    }
    for head in ["spawns", "call", "total", "system", "user", "times"] {
        let with = |part: &&Vec<&str>| part[0].split_whitespace().any(|word| word == head);
        assert_eq!(parts.iter().filter(with).count(), 1, "{head}: {report}");
    }
    says(&report, "123,456 ±98,765");
}

#[test]
fn every_pair_of_methods_fits() {
    for first in SpawnMethod::ALL {
        for second in SpawnMethod::ALL {
            fits("pair", &table(&wide(&[first, second])));
        }
    }
}

/// Without its split, CPU time has a column more that can be wide.
#[test]
fn cpu_time_without_its_split_fits() {
    use forktax::model::Availability;
    let mut document = wide(&SpawnMethod::ALL);
    for cell in cells(&mut document.findings) {
        cell.sys_ns = Availability::unavailable("too few samples", None);
        cell.user_ns = Availability::unavailable("too few samples", None);
    }
    let report = table(&document);
    fits("split", &report);
    let heads: Vec<&str> = time_parts(&report).iter().map(|part| part[0]).collect();
    assert!(heads.iter().any(|head| head.contains(" CPU")), "{report}");
}

#[test]
fn wide_figures_of_every_document_fit() {
    for (name, document) in RUNS.iter() {
        let report = table(&widened(document, widen));
        fits(name, &report);
        // What was seen of a program has no intervals.
        if document.findings.trace().is_none() {
            says(&report, "±98");
        }
    }
}

/// What stands in prose, in a head or in a name, but for rules.
fn words(report: &str) -> BTreeSet<&str> {
    let words = report.split_whitespace();
    words.filter(|word| !word.starts_with("---")).collect()
}

#[test]
fn a_page_of_any_width_is_used_and_no_word_is_cut() {
    let at = |of: &Stored, width| {
        let shown = Shown {
            width,
            ..Shown::default()
        };
        String::from_utf8(report::render(of, Format::Table, &shown).unwrap()).unwrap()
    };
    let runs = RUNS.iter();
    let runs = runs.map(|(name, document)| (name.clone(), document.clone().into()));
    let compared = comparisons().into_iter();
    let compared = compared.map(|(name, comparison)| (name, comparison.into()));
    for (name, of) in runs.chain(compared) {
        let wide = at(&of, 200);
        let longest = |report: &str| report.lines().map(|line| line.chars().count()).max();
        assert!(longest(&wide) > Some(100), "{name}: {wide}");
        for width in [80, 91, 120, 160, 200] {
            let report = at(&of, width);
            for line in report.lines() {
                assert!(line.chars().count() <= width, "{name} at {width}: {line}");
                assert_eq!(line.trim_end(), line, "{name}: trailing space");
            }
            let cut: Vec<&str> = words(&report).difference(&words(&wide)).copied().collect();
            assert!(cut.is_empty(), "{name} at {width}: {cut:?}");
        }
    }
}
