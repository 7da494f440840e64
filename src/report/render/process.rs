//! The CSV of a process that was rebuilt: a row a figure, in base units and in the words
//! of the JSON. What was measured comes first, then what follows from it.

use std::io;

use super::figures::word;
use super::record::{estimate, figure, table, word as text_or_none};
use crate::model::{
    Availability, Blame, Cost, Counts, GroupCost, Process, ProcessRole, ProcessTrial, Remedy,
    UnitLikeness,
};
use crate::stats::Estimate;

/// The fields' names, in the order of [`Row::fields`].
const HEADER: [&str; 10] = [
    "section",
    "trial",
    "what",
    "method",
    "slice",
    "value",
    "ci95_low",
    "ci95_high",
    "unit",
    "words",
];

/// One row: what does not apply is left empty here.
#[derive(Clone, Default)]
struct Row {
    section: &'static str,
    trial: String,
    what: String,
    method: &'static str,
    slice: &'static str,
    values: [Option<f64>; 3],
    unit: &'static str,
    /// A verdict or a name, which is no figure.
    words: String,
}

impl Row {
    fn new(section: &'static str, what: impl Into<String>) -> Self {
        Self {
            section,
            what: what.into(),
            ..Self::default()
        }
    }

    fn fields(&self) -> [String; HEADER.len()] {
        let text = |text| text_or_none(text).to_owned();
        [
            text(self.section),
            text(&self.trial),
            text(&self.what),
            text(self.method),
            text(self.slice),
            figure(self.values[0]),
            figure(self.values[1]),
            figure(self.values[2]),
            text(self.unit),
            text(&self.words),
        ]
    }

    /// The same row with a figure that has no interval.
    fn exactly(self, value: Option<f64>, unit: &'static str) -> Self {
        Self {
            values: [value, None, None],
            unit,
            ..self
        }
    }

    fn count(self, count: u64) -> Self {
        self.exactly(Some(count as f64), "count")
    }

    fn estimate(self, found: Option<Estimate>, unit: &'static str) -> Self {
        Self {
            values: estimate(found),
            unit,
            ..self
        }
    }

    fn slice(mut self, slice: &'static str) -> Self {
        self.slice = slice;
        self
    }
}

/// The header and a record for each figure.
pub(super) fn render(live: &Process) -> io::Result<Vec<u8>> {
    let mut rows: Vec<Row> = live.trials.iter().flat_map(measured).collect();
    rows.extend(live.likeness.units.iter().flat_map(likeness));
    rows.extend(left_out(live));
    rows.extend(foretold(live));
    match &live.blame {
        Availability::Measured(blame) => rows.extend(shared_out(blame)),
        Availability::Missing(_) => rows.push(Row::new("fork", "all")),
    }
    rows.extend(live.remedies.iter().flat_map(remedy));
    table(HEADER, rows.iter().map(Row::fields))
}

/// What a trial is there for, in the words of the JSON.
fn role(role: ProcessRole) -> String {
    match role {
        ProcessRole::Whole => "whole".to_owned(),
        ProcessRole::Rung(rung) => format!("rung.{}", word(rung)),
        ProcessRole::Without(group) => format!("without.{group}"),
        ProcessRole::Remedied(kind) => format!("remedied.{}", word(kind)),
        ProcessRole::Against(kind) => format!("against.{}", word(kind)),
    }
}

/// Takes a count from what a parent has.
type Count = fn(&Counts) -> u64;

const COUNTS: [(&str, Count); 8] = [
    ("vmas", |f| f.vmas),
    ("anon_vmas", |f| f.anon_vmas),
    ("file_vmas", |f| f.file_vmas),
    ("shared_vmas", |f| f.shared_vmas),
    ("ptes", |f| f.ptes),
    ("empty_entries", |f| f.empty_entries),
    ("tables", |f| f.tables),
    ("huge_entries", |f| f.huge_entries),
];

/// The parent of a trial, and the medians of its methods.
fn measured(trial: &ProcessTrial) -> Vec<Row> {
    let of_trial = |row: Row| Row {
        trial: role(trial.role),
        ..row
    };
    let parent = trial.parent.measured();
    let mut rows: Vec<Row> = COUNTS
        .iter()
        .map(|(name, count)| {
            let value = parent.map(|parent| count(&parent.mappings) as f64);
            of_trial(Row::new("parent", *name).exactly(value, "count"))
        })
        .collect();
    let resident = parent.map(|parent| parent.resident_bytes as f64);
    rows.push(of_trial(
        Row::new("parent", "resident").exactly(resident, "bytes"),
    ));
    for cell in &trial.cells {
        for (slice, summary) in [("call", &cell.call_ns), ("total", &cell.total_ns)] {
            let found = summary.measured().map(|summary| summary.median);
            let row = Row::new("measured", "time").estimate(found, "ns");
            let row = of_trial(row.slice(slice));
            rows.push(Row {
                method: cell.method.name(),
                ..row
            });
        }
    }
    rows
}

fn likeness(unit: &UnitLikeness) -> [Row; 3] {
    let name = word(unit.unit);
    [
        ("process", unit.process),
        ("wanted", unit.wanted),
        ("built", unit.built),
    ]
    .map(|(of, count)| Row::new("likeness", format!("{name}.{of}")).count(count))
}

fn left_out(live: &Process) -> Vec<Row> {
    let all = live.likeness.left_out.iter();
    let mut rows: Vec<Row> = all
        .flat_map(|left_out| {
            let row = |of: &str| Row::new("left_out", format!("{}.{of}", word(left_out.why)));
            [
                row("mappings").count(left_out.count),
                row("size").exactly(Some(left_out.bytes as f64), "bytes"),
            ]
        })
        .collect();
    rows.push(Row::new("likeness", "stand_ins").count(live.likeness.stand_ins));
    rows
}

fn foretold(live: &Process) -> Vec<Row> {
    let Some(forecast) = live.forecast.measured() else {
        return vec![Row::new("foretold", "all")];
    };
    let row = |slice, ns| {
        let row = Row::new("foretold", "fork").exactly(Some(ns), "ns");
        row.slice(slice)
    };
    vec![
        row("call", forecast.call_ns),
        row("total", forecast.total_ns),
        Row::new("foretold", "error").exactly(Some(forecast.error), "1"),
    ]
}

/// Call, what comes after it, and total.
fn slices(row: &Row, cost: &Cost) -> [Row; 3] {
    [
        ("call", cost.call_ns),
        ("after", cost.after_ns),
        ("total", cost.total_ns),
    ]
    .map(|(slice, found)| row.clone().estimate(Some(found), "ns").slice(slice))
}

/// Whose the cost of a fork is.
fn shared_out(blame: &Blame) -> Vec<Row> {
    let mut rows: Vec<Row> = slices(&Row::new("fork", "fork"), &blame.fork).into();
    for rung in &blame.rungs {
        let name = word(rung.rung);
        rows.push(Row::new("rung", format!("{name}.units")).count(rung.units));
        rows.push(Row::new("rung", format!("{name}.factor")).exactly(Some(rung.factor), "times"));
        rows.extend(slices(
            &Row::new("rung", format!("{name}.cost")),
            &rung.cost,
        ));
    }
    for (index, group) in blame.groups.iter().enumerate() {
        rows.extend(of_group(index, group));
    }
    for free in &blame.free {
        let row = |of: &str| Row::new("free", format!("{}.{of}", word(free.why)));
        rows.push(row("mappings").count(free.mappings));
        rows.push(row("size").exactly(Some(free.bytes as f64), "bytes"));
    }
    rows
}

/// A group by its place, and its name in each of its rows.
fn of_group(index: usize, group: &GroupCost) -> Vec<Row> {
    let row = |of: &str| Row {
        words: group.name.clone(),
        ..Row::new("group", format!("{index}.{of}"))
    };
    let mut rows: Vec<Row> = COUNTS
        .iter()
        .map(|(name, count)| row(name).count(count(&group.mappings)))
        .collect();
    rows.push(row("mapped").exactly(Some(group.mappings.mapped_bytes as f64), "bytes"));
    rows.extend(slices(&row("cost"), &group.cost));
    rows.extend(
        group
            .without
            .iter()
            .flat_map(|without| slices(&row("without"), without)),
    );
    rows
}

/// What came of a remedy; one row without a figure if it was not tried.
fn remedy(remedy: &Remedy) -> Vec<Row> {
    let name = word(remedy.kind);
    let Some(outcome) = remedy.outcome.measured() else {
        return vec![Row::new("remedy", name)];
    };
    let row = |of: &str| Row {
        words: word(outcome.verdict),
        ..Row::new("remedy", format!("{name}.{of}"))
    };
    let ratio = format!("ratio_to_{}", word(outcome.against));
    vec![
        row("time")
            .estimate(Some(outcome.call_ns), "ns")
            .slice("call"),
        row("time")
            .estimate(Some(outcome.total_ns), "ns")
            .slice("total"),
        row(&ratio).estimate(Some(outcome.ratio), "times"),
        row("memory").exactly(Some(outcome.memory_bytes as f64), "bytes"),
    ]
}
