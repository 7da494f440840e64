//! The CSV of an explanation: a row a figure, as an explanation is no grid of
//! equal cells. The words are those of the JSON, the units the base ones.

use std::io;

use serde::Serialize;

use super::record::{self, MISSING};
use crate::model::{
    Availability, Cell, Document, Explanation, Faults, Ledger, Mechanisms, MethodExplained,
    PageTables, Rewriting,
};
use crate::stats::Summary;

/// The fields' names, in the order of [`Rows::put`].
const HEADER: [&str; 7] = [
    "part",
    "method",
    "item",
    "value",
    "ci95_low",
    "ci95_high",
    "unit",
];

/// An interval, where there is one.
type Interval = Option<[f64; 2]>;

/// The header and a record for each figure.
pub(super) fn render(document: &Document, explanation: &Explanation) -> io::Result<Vec<u8>> {
    let mut rows = Rows {
        writer: csv::Writer::from_writer(Vec::new()),
        part: "",
        method: MISSING,
    };
    rows.writer.write_record(HEADER)?;
    let explained = |cell: &&Cell| cell.space.request == explanation.space;
    for cell in document.cells.iter().filter(explained) {
        rows.method = cell.method.name();
        rows.timing(cell)?;
    }
    for method in &explanation.methods {
        rows.method = method.method.name();
        rows.explained(method)?;
    }
    rows.method = MISSING;
    rows.part(
        "page_tables_before",
        &explanation.page_tables_before,
        Rows::tables,
    )?;
    rows.part("page_tables", &explanation.page_tables, Rows::tables)?;
    record::finish(rows.writer)
}

/// The table as it grows, and what the next rows belong to.
struct Rows {
    writer: csv::Writer<Vec<u8>>,
    part: &'static str,
    method: &'static str,
}

/// The word by which the JSON knows a variant.
pub(super) fn word(variant: impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(word)) => word,
        _ => MISSING.to_owned(),
    }
}

impl Rows {
    /// A part's rows, or one that says that it is missing.
    fn part<T>(
        &mut self,
        part: &'static str,
        found: &Availability<T>,
        rows: fn(&mut Self, &T) -> csv::Result<()>,
    ) -> csv::Result<()> {
        self.part = part;
        match found {
            Availability::Measured(found) => rows(self, found),
            Availability::Missing(_) => self.put("all", None, None, MISSING),
        }
    }

    fn put(
        &mut self,
        item: &str,
        value: Option<f64>,
        ci95: Interval,
        unit: &str,
    ) -> csv::Result<()> {
        self.writer.write_record([
            self.part,
            self.method,
            item,
            &record::figure(value),
            &record::figure(ci95.map(|ci95| ci95[0])),
            &record::figure(ci95.map(|ci95| ci95[1])),
            unit,
        ])
    }

    fn estimate(
        &mut self,
        item: &str,
        value: &Availability<f64>,
        ci95: Interval,
        unit: &str,
    ) -> csv::Result<()> {
        self.put(item, value.measured().copied(), ci95, unit)
    }

    fn count(&mut self, item: &str, count: u64) -> csv::Result<()> {
        self.whole(item, count, "count")
    }

    /// An exact figure, which a float might not hold.
    fn whole(&mut self, item: &str, value: u64, unit: &str) -> csv::Result<()> {
        self.writer.write_record([
            self.part,
            self.method,
            item,
            &value.to_string(),
            MISSING,
            MISSING,
            unit,
        ])
    }

    fn timing(&mut self, cell: &Cell) -> csv::Result<()> {
        self.part = "time";
        let times = [("call", &cell.call_ns), ("total", &cell.total_ns)];
        for (item, summary) in times {
            let summary: Option<&Summary> = summary.measured();
            let ci95 = summary.map(|summary| summary.ci95);
            self.put(item, summary.map(|summary| summary.median), ci95, "ns")?;
        }
        self.estimate("ratio_to_baseline", &cell.ratio, cell.ratio_ci95, "times")
    }

    fn explained(&mut self, method: &MethodExplained) -> csv::Result<()> {
        self.part("ledger", &method.ledger, Self::ledger)?;
        self.part("mechanisms", &method.mechanisms, Self::mechanisms)?;
        self.part("faults", &method.faults, Self::faults)?;
        self.part("rewriting", &method.rewriting, Self::rewriting)
    }

    fn ledger(&mut self, ledger: &Ledger) -> csv::Result<()> {
        for time in &ledger.phases {
            self.estimate(&word(time.phase), &time.ns, time.ci95, "ns")?;
        }
        let unexplained = Some(ledger.unexplained_ns);
        self.put(
            "unexplained",
            unexplained,
            Some(ledger.unexplained_ci95),
            "ns",
        )?;
        self.put(
            "total",
            Some(ledger.total_ns),
            Some(ledger.total_ci95),
            "ns",
        )?;
        self.estimate("stamping", &ledger.stamping_ns, ledger.stamping_ci95, "ns")?;
        self.count("spawns", ledger.spawns)?;
        self.count("incomplete", ledger.incomplete)
    }

    fn mechanisms(&mut self, found: &Mechanisms) -> csv::Result<()> {
        for share in &found.shares {
            let name = word(share.mechanism);
            let item = |figure: &str| format!("{name}.{figure}");
            self.put(
                &item("share"),
                Some(share.share),
                Some(share.share_ci95),
                "1",
            )?;
            self.put(&item("time"), Some(share.ns), Some(share.ns_ci95), "ns")?;
            self.count(&item("samples"), share.samples)?;
            self.count(&item("parent_samples"), share.parent_samples)?;
        }
        self.estimate("slowdown", &found.slowdown, found.slowdown_ci95, "times")?;
        self.count("samples", found.samples)?;
        self.count("lost", found.lost)?;
        self.count("spawns", found.spawns)
    }

    fn faults(&mut self, faults: &Faults) -> csv::Result<()> {
        for count in &faults.counts {
            let name = format!("{}.{}", word(count.phase), word(count.cause));
            let item = format!("{name}.counted");
            self.put(
                &item,
                Some(count.counted),
                Some(count.counted_ci95),
                "count",
            )?;
            self.estimate(&format!("{name}.expected"), &count.expected, None, "count")?;
        }
        self.count("lost", faults.lost)?;
        self.count("spawns", faults.spawns)
    }

    fn rewriting(&mut self, found: &Rewriting) -> csv::Result<()> {
        self.put("after", Some(found.after_ns), Some(found.after_ci95), "ns")?;
        self.put("again", Some(found.again_ns), Some(found.again_ci95), "ns")?;
        self.put("tax", Some(found.tax_ns), Some(found.tax_ci95), "ns")?;
        self.estimate("held", &found.held_ns, found.held_ci95, "ns")?;
        self.count("pages", found.pages)?;
        self.count("rounds", found.rounds)
    }

    fn tables(&mut self, tables: &PageTables) -> csv::Result<()> {
        for kind in &tables.kinds {
            let figures = [
                ("vmas", kind.mappings.vmas),
                ("anon_vmas", kind.mappings.anon_vmas),
                ("present_ptes", kind.mappings.present_ptes),
                ("swapped_ptes", kind.mappings.swapped_ptes),
                ("huge_entries", kind.mappings.huge_entries),
                ("copied", kind.copied),
                ("skipped", kind.skipped),
            ];
            self.whole(
                &format!("{}.size", kind.kind),
                kind.mappings.mapped_bytes,
                "bytes",
            )?;
            for (figure, count) in figures {
                self.count(&format!("{}.{figure}", kind.kind), count)?;
            }
        }
        for level in &tables.levels {
            let name = word(level.level);
            let figures = [
                ("tables", level.tables),
                ("used", level.used),
                ("capacity", level.capacity),
            ];
            for (figure, count) in figures {
                self.count(&format!("{name}.{figure}"), count)?;
            }
        }
        self.count("huge_entries", tables.huge_entries)?;
        self.whole("vm_pte", tables.vm_pte_bytes, "bytes")
    }
}
