//! One flat table for other programs: a row a cell, the same fields in every
//! file, base units, and `n/a` where there is no figure. An explanation, a process
//! that was rebuilt, the studies and a card have tables of other forms.

use std::io;

use super::record::{self, MISSING};
use super::{figures, loops, points, prices, process};
use crate::model::{
    Availability, Cell, ChildAction, CountSource, Counted, Document, Program, SpaceRequest,
};
use crate::report::view;
use crate::stats::{Estimate, Summary};

/// The header and a record for each cell.
pub(in crate::report) fn render(document: &Document) -> io::Result<Vec<u8>> {
    if let (Some(_), Some(live)) = (&document.plan.live, &document.live) {
        return process::render(live);
    }
    if let (Some(order), Some(card)) = (&document.plan.card, &document.card) {
        return prices::render(order, card);
    }
    let reproduction = document.reproduction.as_ref();
    if let Some(found) = reproduction.and_then(|r| r.loops.as_ref()) {
        return loops::render(document, found);
    }
    if let Some(records) = view::study_records(document) {
        return points::render(&records);
    }
    if let Some(explanation) = &document.explanation {
        return figures::render(document, explanation);
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header())?;
    for cell in &document.cells {
        let mut fields = Record(Vec::new());
        fields.cell(document, cell);
        writer.write_record(fields.0)?;
    }
    record::finish(writer)
}

/// The counters, as the fields are called.
const COUNTERS: [&str; 8] = [
    "minor_faults",
    "major_faults",
    "context_switches",
    "cpu_migrations",
    "task_clock_ns",
    "cycles",
    "instructions",
    "dtlb_misses",
];

/// The fields' names, in the order of [`Record::cell`].
fn header() -> Vec<String> {
    let mut names: Vec<String> = [
        "space_kind",
        "mappings_requested",
        "vmas",
        "anon_vmas",
        "present_ptes",
        "page_table_bytes",
        "resident_bytes",
        "huge_bytes",
        "vmas_before",
        "present_ptes_before",
        "descriptors",
        "threads",
        "method",
        "baseline",
        "child",
        "program",
        "spawns",
        "workers",
    ]
    .map(str::to_owned)
    .into();
    for time in ["call_ns", "total_ns"] {
        for part in [
            "median",
            "ci95_low",
            "ci95_high",
            "min",
            "p10",
            "p90",
            "mean",
            "stddev",
        ] {
            names.push(format!("{time}_{part}"));
        }
    }
    let figures = [
        "spawns_per_second",
        "ratio_to_baseline",
        "cpu_ns",
        "sys_ns",
        "user_ns",
    ];
    for figure in figures {
        names.extend(estimate_names(figure));
    }
    for counter in COUNTERS {
        names.extend(estimate_names(&format!("{counter}_parent")));
        names.extend(estimate_names(&format!("{counter}_child")));
        names.push(format!("{counter}_source"));
    }
    names.extend(estimate_names("counting_slowdown"));
    names.push("worker_spread".to_owned());
    names.push("outliers".to_owned());
    names
}

fn estimate_names(figure: &str) -> [String; 3] {
    [
        figure.to_owned(),
        format!("{figure}_ci95_low"),
        format!("{figure}_ci95_high"),
    ]
}

/// A record as it fills up.
struct Record(Vec<String>);

impl Record {
    fn cell(&mut self, document: &Document, cell: &Cell) {
        self.space(cell);
        self.text(cell.method.name());
        self.text(document.plan.baseline.name());
        self.text(match cell.child {
            ChildAction::Exec => "exec",
            ChildAction::Exit => "exit",
        });
        self.text(match &cell.program {
            Program::Embedded => "embedded",
            Program::Path { path, .. } => path,
        });
        self.whole(cell.spawns);
        self.whole(cell.samples.len() as u64);
        self.summary(&cell.call_ns);
        self.summary(&cell.total_ns);
        self.estimate(&cell.spawns_per_second);
        self.estimate(&cell.ratio);
        self.estimate(&cell.cpu_ns);
        self.estimate(&cell.sys_ns);
        self.estimate(&cell.user_ns);
        for counted in [
            &cell.minor_faults,
            &cell.major_faults,
            &cell.context_switches,
            &cell.cpu_migrations,
            &cell.task_clock_ns,
            &cell.cycles,
            &cell.instructions,
            &cell.dtlb_misses,
        ] {
            self.counted(counted);
        }
        self.estimate(&cell.counting_slowdown);
        self.figure(cell.worker_spread.measured().copied());
        self.whole(cell.outliers);
    }

    fn space(&mut self, cell: &Cell) {
        let space = &cell.space;
        self.text(match space.request {
            SpaceRequest::Mappings { .. } => "mappings",
            SpaceRequest::Malloc { .. } => "malloc",
            SpaceRequest::Likeness(_) => "likeness",
            SpaceRequest::Descriptors { .. } => "descriptors",
            SpaceRequest::Threads { .. } => "threads",
            SpaceRequest::Handlers { .. } => "handlers",
            SpaceRequest::Together { .. } => "together",
        });
        for value in [
            space.mappings_requested,
            space.parent.mappings.vmas,
            space.parent.mappings.anon_vmas,
            space.parent.mappings.present_ptes,
            space.parent.page_table_bytes,
            space.parent.resident_bytes,
            space.parent.huge_bytes,
            space.before.mappings.vmas,
            space.before.mappings.present_ptes,
            space.parent.descriptors,
            space.parent.threads,
        ] {
            self.whole(value);
        }
    }

    fn text(&mut self, text: &str) {
        self.0.push(text.to_owned());
    }

    fn whole(&mut self, value: u64) {
        self.0.push(value.to_string());
    }

    fn figure(&mut self, value: Option<f64>) {
        self.0.push(record::figure(value));
    }

    fn estimate(&mut self, found: &Availability<Estimate>) {
        for figure in record::estimate(found.measured().copied()) {
            self.figure(figure);
        }
    }

    fn summary(&mut self, summary: &Availability<Summary>) {
        let parts: [fn(&Summary) -> f64; 8] = [
            |s| s.median.value,
            |s| s.median.ci95[0],
            |s| s.median.ci95[1],
            |s| s.min,
            |s| s.p10,
            |s| s.p90,
            |s| s.mean,
            |s| s.stddev,
        ];
        for part in parts {
            self.figure(summary.measured().map(part));
        }
    }

    fn counted(&mut self, counted: &Counted) {
        self.estimate(&counted.parent);
        self.estimate(&counted.child);
        self.text(match counted.source {
            CountSource::Perf => "perf",
            CountSource::Rusage => "rusage",
            CountSource::None => MISSING,
        });
    }
}
