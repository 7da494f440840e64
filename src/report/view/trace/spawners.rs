//! The processes that spawned, a row a process, and how they grew.

use super::names;
use crate::model::{SizeSample, Spawner, Trace};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{MEBIBYTE, Unit, integer};
use crate::report::view::table::{Column, Entry, Table};

/// Processes that are shown; the document has more.
const MOST: usize = 12;
const KIBIBYTE: Unit = Unit {
    name: "KiB",
    size: 1024.0,
};

/// Takes bytes of a size.
type Pick = fn(&SizeSample) -> u64;

/// Makes the table.
pub(super) fn table(trace: &Trace, notes: &mut Footnotes) -> Table {
    let more = trace.spawners.len().saturating_sub(MOST) as u64;
    let more = (more > 0).then(|| format!("and {} more", integer(more)));
    let mut grid = Grid::new()
        .column(Column::key("PID"), |row: &&Spawner| {
            Entry::Name(row.pid.to_string())
        })
        .column(Column::words("program"), |row| {
            names::program(trace, row.program)
        })
        .column(Column::number("spawns", ""), |row| row.spawns)
        .column(
            Column::number("of which", "copy").explained("by calls that copy its address space"),
            |row| row.copies,
        );
    let medians = trace.spawners.iter();
    let medians = medians.filter_map(|row| Some(row.copy_ns.measured()?.median));
    let medians: Vec<f64> = medians.collect();
    if !medians.is_empty() {
        let unit = Unit::of_time(medians.into_iter());
        grid = grid.column(
            Column::number("such a call", &unit.subheader()).explained("the median"),
            move |row| row.copy_ns.measured().map(|call| unit.bare(call.median)),
        );
    }
    let sizes: [(&str, Unit, Pick); 2] = [
        ("resident", MEBIBYTE, |size| size.resident_bytes),
        ("page tables", KIBIBYTE, |size| size.page_table_bytes),
    ];
    for (head, unit, pick) in sizes {
        grid = grid
            .column(
                Column::number(head, &format!("first {}", unit.subheader())).explained_as(
                    "resident, page tables",
                    "VmRSS and VmPTE of /proc/PID/status, at the first and at the last of its \
                     spawns that they were read at",
                ),
                move |row| row.sizes.first().map(|size| unit.bare(pick(size) as f64)),
            )
            .column(
                Column::number("", &format!("last {}", unit.subheader())),
                move |row| row.sizes.last().map(|size| unit.bare(pick(size) as f64)),
            );
    }
    grid.table(
        "Processes that spawned",
        trace.spawners.iter().take(MOST),
        notes,
    )
    .noting(more)
}
