//! The CSV of an explanation: a row a figure, as an explanation is no grid of
//! equal cells. The words are those of the JSON, the units the base ones.

use std::io;

use serde::Serialize;

use super::record::{self, MISSING};
use crate::model::{
    Availability, Cell, Document, Explanation, Faults, Ledger, Mechanisms, MethodExplained,
    PageTables, Rewriting,
};
use crate::stats::Estimate;

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
            Availability::Missing(_) => self.put("all", [None; 3], MISSING),
        }
    }

    fn put(&mut self, item: &str, values: [Option<f64>; 3], unit: &str) -> csv::Result<()> {
        let [value, low, high] = values.map(record::figure);
        self.writer
            .write_record([self.part, self.method, item, &value, &low, &high, unit])
    }

    /// A figure that is always there.
    fn always(&mut self, item: &str, found: Estimate, unit: &str) -> csv::Result<()> {
        self.put(item, record::estimate(Some(found)), unit)
    }

    fn estimate(
        &mut self,
        item: &str,
        found: &Availability<Estimate>,
        unit: &str,
    ) -> csv::Result<()> {
        self.put(item, record::estimate(found.measured().copied()), unit)
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
            self.estimate(item, &summary.map(|summary| summary.median), "ns")?;
        }
        self.estimate("ratio_to_baseline", &cell.ratio, "times")
    }

    fn explained(&mut self, method: &MethodExplained) -> csv::Result<()> {
        self.part("ledger", &method.ledger, Self::ledger)?;
        self.part("mechanisms", &method.mechanisms, Self::mechanisms)?;
        self.part("faults", &method.faults, Self::faults)?;
        self.part("rewriting", &method.rewriting, Self::rewriting)
    }

    fn ledger(&mut self, ledger: &Ledger) -> csv::Result<()> {
        for time in &ledger.phases {
            self.estimate(&word(time.phase), &time.ns, "ns")?;
        }
        self.always("unexplained", ledger.unexplained_ns, "ns")?;
        self.always("total", ledger.total_ns, "ns")?;
        self.estimate("stamping", &ledger.stamping_ns, "ns")?;
        self.count("spawns", ledger.spawns)?;
        self.count("incomplete", ledger.incomplete)
    }

    fn mechanisms(&mut self, found: &Mechanisms) -> csv::Result<()> {
        for share in &found.shares {
            let name = word(share.mechanism);
            let item = |figure: &str| format!("{name}.{figure}");
            self.always(&item("share"), share.share, "1")?;
            self.always(&item("time"), share.ns, "ns")?;
            self.count(&item("samples"), share.samples)?;
            self.count(&item("parent_samples"), share.parent_samples)?;
        }
        self.estimate("slowdown", &found.slowdown, "times")?;
        self.count("samples", found.samples)?;
        self.count("lost", found.lost)?;
        self.count("spawns", found.spawns)
    }

    fn faults(&mut self, faults: &Faults) -> csv::Result<()> {
        for count in &faults.counts {
            let name = format!("{}.{}", word(count.phase), word(count.cause));
            self.always(&format!("{name}.counted"), count.counted, "count")?;
            let expected = [count.expected.measured().copied(), None, None];
            self.put(&format!("{name}.expected"), expected, "count")?;
        }
        self.count("lost", faults.lost)?;
        self.count("spawns", faults.spawns)
    }

    fn rewriting(&mut self, found: &Rewriting) -> csv::Result<()> {
        self.always("after", found.after_ns, "ns")?;
        self.always("again", found.again_ns, "ns")?;
        self.always("tax", found.tax_ns, "ns")?;
        self.estimate("held", &found.held_ns, "ns")?;
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
