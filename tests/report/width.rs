//! Tables whose figures and intervals are as wide as they get: no line leaves
//! the terminal, and no column or row is lost on the way.

use forktax::model::{Availability, Cell, CountSource, Counted, Document, SpawnMethod};
use forktax::report::Format;
use forktax::stats::{Estimate, Summary};

use crate::{build, process, text};

const MEDIAN: f64 = 123_456.0;
const HALF: f64 = 98_765.0;

fn figure(scale: f64) -> Estimate {
    Estimate {
        value: MEDIAN * scale,
        ci95: [(MEDIAN - HALF) * scale, (MEDIAN + HALF) * scale],
    }
}

fn summary(template: &Summary) -> Availability<Summary> {
    Availability::Measured(Summary {
        median: figure(1e3),
        ..*template
    })
}

fn counter() -> Counted {
    Counted {
        parent: Availability::Measured(figure(1.0)),
        child: Availability::Measured(figure(1.0)),
        source: CountSource::Perf,
    }
}

/// Every figure of the cell is 123,456 ±98,765 in its column's unit.
fn widen(cell: &mut Cell, template: &Summary) {
    let time = || Availability::Measured(figure(1e3));
    let plain = || Availability::Measured(figure(1.0));
    (cell.call_ns, cell.total_ns) = (summary(template), summary(template));
    cell.spawns_per_second = plain();
    (cell.cpu_ns, cell.sys_ns, cell.user_ns) = (time(), time(), time());
    (cell.ratio, cell.counting_slowdown) = (plain(), plain());
    for counted in [
        &mut cell.minor_faults,
        &mut cell.major_faults,
        &mut cell.context_switches,
        &mut cell.cpu_migrations,
        &mut cell.cycles,
        &mut cell.instructions,
        &mut cell.dtlb_misses,
    ] {
        *counted = counter();
    }
}

/// The larger space is the wide one: the smaller keeps the unit small.
fn wide(methods: &[SpawnMethod]) -> Document {
    let mut document = build::methods();
    document.plan.methods = methods.to_vec();
    if !methods.contains(&document.plan.baseline) {
        document.plan.baseline = methods[0];
    }
    document.caveats.clear();
    document.cells.retain(|cell| methods.contains(&cell.method));
    let template = *build::sweep().cells[0]
        .total_ns
        .measured()
        .expect("it was measured");
    for cell in &mut document.cells {
        if cell.space.mappings_requested > 0 {
            widen(cell, &template);
        } else {
            cell.total_ns = Availability::Measured(template);
        }
    }
    document
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

fn fits(report: &str) {
    for line in report.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn wide_intervals_of_all_methods_are_split_under_the_same_keys() {
    let report = text(&wide(&SpawnMethod::ALL), Format::Table);
    fits(&report);
    let parts = time_parts(&report);
    assert!(parts.len() > 1, "{report}");
    for part in &parts {
        assert_eq!(part.len(), 3 + 2 * SpawnMethod::ALL.len(), "{report}");
        assert!(part[0].contains("  method  "), "{report}");
        for method in SpawnMethod::ALL {
            let named = |line: &&&str| line.split_whitespace().any(|word| word == method.name());
            assert_eq!(part[3..].iter().filter(named).count(), 2, "{report}");
        }
    }
    for head in ["spawns", "call", "total", "system", "user", "times"] {
        let with = |part: &&Vec<&str>| part[0].split_whitespace().any(|word| word == head);
        assert_eq!(parts.iter().filter(with).count(), 1, "{head}: {report}");
    }
    assert!(report.contains("123,456 ±98,765"), "{report}");
}

#[test]
fn every_pair_of_methods_fits() {
    for first in SpawnMethod::ALL {
        for second in SpawnMethod::ALL {
            fits(&text(&wide(&[first, second]), Format::Table));
        }
    }
}

/// Without its split, CPU time has a column more that can be wide.
#[test]
fn cpu_time_without_its_split_fits() {
    let mut document = wide(&SpawnMethod::ALL);
    for cell in &mut document.cells {
        cell.sys_ns = Availability::unavailable("too few samples", None);
        cell.user_ns = Availability::unavailable("too few samples", None);
    }
    let report = text(&document, Format::Table);
    fits(&report);
    let heads: Vec<&str> = time_parts(&report).iter().map(|part| part[0]).collect();
    assert!(heads.iter().any(|head| head.contains(" CPU")), "{report}");
}

/// Every estimate is 123,456 ±98,765, in the unit of the largest.
fn widen_all(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(object) => {
            if object.contains_key("value") && object.contains_key("ci95") {
                object["value"] = figure(1e3).value.into();
                object["ci95"] = figure(1e3).ci95.to_vec().into();
            }
            object.values_mut().for_each(widen_all);
        }
        serde_json::Value::Array(array) => array.iter_mut().for_each(widen_all),
        _ => {}
    }
}

#[test]
fn wide_figures_of_rebuilt_processes_fit() {
    for (name, document) in process::documents() {
        let mut value = serde_json::to_value(&document).expect("a document is JSON");
        widen_all(&mut value["live"]);
        let document: Document = serde_json::from_value(value).expect("only figures were changed");
        let report = text(&document, Format::Table);
        fits(&report);
        assert!(report.contains("±98"), "{name}: {report}");
    }
}
