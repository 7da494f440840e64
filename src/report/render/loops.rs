//! The CSV of a study of programs: a row a figure, as published and as measured.
//! The words are those of the JSON, the units the base ones, and figures are
//! those of a whole loop, so that its iterations stand beside them.

use std::io;

use super::figures::word;
use super::record::{self, MISSING};
use crate::model::{Availability, Document, Loop, Looped, Loops, PublishedLoop};
use crate::stats::Estimate;

/// The fields' names, in the order of [`Rows::put`].
const HEADER: [&str; 9] = [
    "study",
    "program",
    "origin",
    "iterations",
    "figure",
    "value",
    "ci95_low",
    "ci95_high",
    "unit",
];

/// The header and a record for each figure.
pub(super) fn render(document: &Document, loops: &Loops) -> io::Result<Vec<u8>> {
    let study = document.reproduction.as_ref().map(|found| found.study);
    let mut rows = Rows {
        writer: csv::Writer::from_writer(Vec::new()),
        study: study.map_or(MISSING, |study| study.name()),
        program: String::new(),
        origin: "published",
        iterations: 0,
    };
    rows.writer.write_record(HEADER)?;
    for row in &loops.rows {
        rows.program = word(row.system);
        if let Some(published) = row.published {
            rows.published(published)?;
        }
        rows.here(row)?;
    }
    record::finish(rows.writer)
}

/// The table as it grows, and what the next rows belong to.
struct Rows {
    writer: csv::Writer<Vec<u8>>,
    study: &'static str,
    program: String,
    origin: &'static str,
    iterations: u64,
}

impl Rows {
    fn put(&mut self, figure: &str, values: [Option<f64>; 3], unit: &str) -> csv::Result<()> {
        let [value, low, high] = values.map(record::figure);
        self.record(figure, [&value, &low, &high], unit)
    }

    fn record(&mut self, figure: &str, values: [&str; 3], unit: &str) -> csv::Result<()> {
        self.writer.write_record([
            self.study,
            &self.program,
            self.origin,
            &self.iterations.to_string(),
            figure,
            values[0],
            values[1],
            values[2],
            unit,
        ])
    }

    fn published(&mut self, figures: PublishedLoop) -> csv::Result<()> {
        (self.origin, self.iterations) = ("published", figures.iterations);
        for (name, seconds) in [
            ("real", figures.real_s),
            ("user", figures.user_s),
            ("sys", figures.sys_s),
        ] {
            self.put(name, [Some(seconds), None, None], "s")?;
        }
        Ok(())
    }

    /// The same figures of every program, whether it ran or not.
    fn here(&mut self, row: &Loop) -> csv::Result<()> {
        (self.origin, self.iterations) = ("here", row.iterations);
        let looped = row.here.measured();
        let figures: [(&str, Pick, &str); 8] = [
            ("real", |l| Some(l.real_s), "s"),
            ("start", |l| Some(l.start_s), "s"),
            ("per_second", |l| Some(l.per_second), "1/s"),
            ("ratio_to_c_fork", |l| l.ratio.measured().copied(), "times"),
            ("cpu", |l| Some(l.cpu_s), "s"),
            ("user", |l| l.user_s.measured().copied(), "s"),
            ("sys", |l| l.sys_s.measured().copied(), "s"),
            (
                "minor_faults_a_run",
                |l| l.minor_faults.measured().copied(),
                "count",
            ),
        ];
        for (name, pick, unit) in figures {
            let found = looped.and_then(pick);
            self.put(name, record::estimate(found), unit)?;
        }
        self.parent(looped)?;
        self.whole("timed_runs", looped.map(|l| l.runs.len() as u64), "count")?;
        self.calls(looped)
    }

    fn parent(&mut self, looped: Option<&Looped>) -> csv::Result<()> {
        let space = looped.and_then(|looped| looped.parent.measured());
        self.whole("vmas", space.map(|s| s.mappings.vmas), "count")?;
        self.whole("anon_vmas", space.map(|s| s.mappings.anon_vmas), "count")?;
        self.whole(
            "present_ptes",
            space.map(|s| s.mappings.present_ptes),
            "count",
        )?;
        self.whole("page_tables", space.map(|s| s.page_table_bytes), "bytes")?;
        self.whole("resident", space.map(|s| s.resident_bytes), "bytes")
    }

    /// How often each call was seen; its flags are part of its name.
    fn calls(&mut self, looped: Option<&Looped>) -> csv::Result<()> {
        let calls = match looped.map(|looped| &looped.calls) {
            Some(Availability::Measured(calls)) => calls.as_slice(),
            _ => return self.whole("calls", None, "count"),
        };
        for call in calls {
            let name = format!("calls.{}.{:#x}", word(call.name), call.flags);
            self.whole(&name, Some(call.seen), "count")?;
        }
        Ok(())
    }

    /// An exact figure, which a float might not hold.
    fn whole(&mut self, figure: &str, value: Option<u64>, unit: &str) -> csv::Result<()> {
        let value = value.map_or_else(|| MISSING.to_owned(), |value| value.to_string());
        self.record(figure, [&value, MISSING, MISSING], unit)
    }
}

/// Takes a figure from what a program took.
type Pick = fn(&Looped) -> Option<Estimate>;
