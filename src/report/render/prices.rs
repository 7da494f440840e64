//! The CSV of a card: a row a figure, in base units and in the words of the JSON. The
//! prices come first, then each trial with what was measured and foretold of it.

use std::io;

use super::figures::word;
use super::record::{estimate, figure, table, word as text_or_none};
use crate::model::{
    Availability, Card, CardOrder, Counts, Errors, PriceList, Priced, Purpose, Trial, TrialResult,
};
use crate::stats::Estimate;

/// The fields' names, in the order of [`Row::fields`].
const HEADER: [&str; 12] = [
    "section",
    "trial",
    "what",
    "method",
    "slice",
    "size",
    "value",
    "ci95_low",
    "ci95_high",
    "at_most",
    "unit",
    "units",
];

/// One row: what does not apply is left empty here.
#[derive(Clone, Default)]
struct Row {
    section: &'static str,
    /// The trial, as an index of the plan's.
    trial: Option<usize>,
    what: String,
    method: &'static str,
    slice: &'static str,
    size: &'static str,
    values: [Option<f64>; 3],
    at_most: Option<f64>,
    unit: &'static str,
    /// The units that a difference was taken over.
    units: Option<f64>,
}

impl Row {
    fn fields(&self) -> [String; HEADER.len()] {
        let text = |text| text_or_none(text).to_owned();
        let trial = self.trial.map(|trial| trial.to_string());
        [
            text(self.section),
            text(trial.as_deref().unwrap_or_default()),
            text(&self.what),
            text(self.method),
            text(self.slice),
            text(self.size),
            figure(self.values[0]),
            figure(self.values[1]),
            figure(self.values[2]),
            figure(self.at_most),
            text(self.unit),
            figure(self.units),
        ]
    }

    /// The same row with a figure that has no interval.
    fn exactly(self, value: Option<f64>) -> Self {
        Self {
            values: [value, None, None],
            ..self
        }
    }
}

/// The header and a record for each figure.
pub(super) fn render(order: &CardOrder, card: &Card) -> io::Result<Vec<u8>> {
    let mut rows = prices(&card.prices);
    rows.extend(grade(&card.prices));
    for (index, (trial, result)) in order.trials.iter().zip(&card.trials).enumerate() {
        rows.extend(census(index, trial, result));
        rows.extend(times(index, trial, result));
        rows.extend(foretold(index, trial.purpose, &card.prices));
    }
    table(HEADER, rows.iter().map(Row::fields))
}

/// A fork's terms on both sides of the knee, the knee, and all other prices.
fn prices(list: &PriceList) -> Vec<Row> {
    let mut rows = Vec::new();
    for price in &list.terms {
        for (size, priced) in [("small", &price.small), ("large", &price.large)] {
            let row = Row {
                section: "fork",
                what: word(price.term),
                method: "fork",
                size,
                ..Row::default()
            };
            rows.extend(slices(&row, priced));
        }
    }
    let knee = Row {
        section: "fork",
        what: "knee".to_owned(),
        unit: "bytes",
        ..Row::default()
    };
    rows.push(knee.exactly(list.knee_bytes.map(|bytes| bytes as f64)));
    for price in &list.prices {
        let row = Row {
            section: "price",
            what: word(price.of),
            method: price.method.map_or("", |method| method.name()),
            units: Some(price.units),
            ..Row::default()
        };
        rows.extend(slices(&row, &price.priced));
    }
    rows
}

/// A price in the call, after it, and in total.
fn slices(row: &Row, priced: &Priced) -> [Row; 3] {
    let at_most = priced.at_most;
    let slices: [(&'static str, &Availability<Estimate>, Option<f64>); 3] = [
        ("call", &priced.call_ns, at_most.call_ns),
        ("after", &priced.after_ns, at_most.after_ns),
        ("total", &priced.total_ns, at_most.total_ns),
    ];
    slices.map(|(slice, found, at_most)| Row {
        slice,
        values: estimate(found.measured().copied()),
        at_most,
        unit: "ns",
        ..row.clone()
    })
}

/// How well the prices foretell; a single row without figure if nothing is known.
fn grade(list: &PriceList) -> Vec<Row> {
    let row = |what: &str, slice: &'static str, unit: &'static str| Row {
        section: "grade",
        what: what.to_owned(),
        slice,
        unit,
        ..Row::default()
    };
    let Some(grade) = list.grade.measured() else {
        return vec![row("all", "", "")];
    };
    let mut rows = vec![row("parents", "", "count").exactly(Some(grade.parents as f64))];
    for (slice, errors) in [("call", &grade.call), ("total", &grade.total)] {
        let of = |errors: &Errors| {
            [
                ("r_squared", Some(errors.r_squared)),
                ("loo_median", Some(errors.loo_median)),
                ("loo_p90", Some(errors.loo_p90)),
                (
                    "validation_median",
                    errors.validation_median.measured().copied(),
                ),
                (
                    "validation_worst",
                    errors.validation_worst.measured().copied(),
                ),
            ]
        };
        rows.extend(of(errors).map(|(what, value)| row(what, slice, "1").exactly(value)));
    }
    rows
}

/// Takes a count from what a parent has.
type Count = fn(&Counts) -> u64;

/// What the parent of a trial has.
fn census(index: usize, trial: &Trial, result: &TrialResult) -> Vec<Row> {
    let counts: [(&str, Count); 8] = [
        ("vmas", |f| f.vmas),
        ("anon_vmas", |f| f.anon_vmas),
        ("file_vmas", |f| f.file_vmas),
        ("shared_vmas", |f| f.shared_vmas),
        ("ptes", |f| f.ptes),
        ("empty_entries", |f| f.empty_entries),
        ("tables", |f| f.tables),
        ("huge_entries", |f| f.huge_entries),
    ];
    let parent = result.parent.measured();
    let purpose = word(trial.purpose);
    let row = |(name, count): (&str, Count)| {
        let row = Row {
            section: "parent",
            trial: Some(index),
            what: format!("{purpose}.{name}"),
            unit: "count",
            ..Row::default()
        };
        row.exactly(parent.map(|parent| count(&parent.mappings) as f64))
    };
    counts.map(row).into()
}

/// The medians of a trial, by method.
fn times(index: usize, trial: &Trial, result: &TrialResult) -> Vec<Row> {
    let mut rows = Vec::new();
    for cell in &result.cells {
        for (slice, summary) in [("call", &cell.call_ns), ("total", &cell.total_ns)] {
            let summary = summary.measured();
            rows.push(Row {
                section: "measured",
                trial: Some(index),
                what: word(trial.purpose),
                method: cell.method.name(),
                slice,
                values: estimate(summary.map(|summary| summary.median)),
                unit: "ns",
                ..Row::default()
            });
        }
    }
    rows
}

/// What the prices foretell of a trial that they did not know.
fn foretold(index: usize, purpose: Purpose, list: &PriceList) -> Vec<Row> {
    let mut forecasts = list.forecasts.iter();
    let Some(forecast) = forecasts.find(|forecast| forecast.trial == index as u64) else {
        return Vec::new();
    };
    let row = |(slice, ns): (&'static str, f64)| {
        let row = Row {
            section: "foretold",
            trial: Some(index),
            what: word(purpose),
            method: "fork",
            slice,
            unit: "ns",
            ..Row::default()
        };
        row.exactly(Some(ns))
    };
    [("call", forecast.call_ns), ("total", forecast.total_ns)]
        .map(row)
        .into()
}
