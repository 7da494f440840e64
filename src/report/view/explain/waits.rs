//! What another thread of the parent waits for while it spawns.

use crate::model::{SpawnMethod, ThreadWaits};

use super::super::footnotes::Footnotes;
use super::super::grid::Grid;
use super::super::number::{Unit, counted};
use super::super::table::{Column, Table};
use super::{Found, by_method};

/// Makes the table.
pub(super) fn table(found: &Found<'_, ThreadWaits>, notes: &mut Footnotes) -> Table {
    type Row<'a> = (SpawnMethod, &'a ThreadWaits);
    let all = found.iter().flat_map(|(_, waits)| {
        let figures = [waits.call_ns, waits.fault_ns, waits.mapping_ns];
        figures.map(|figure| figure.value)
    });
    let unit = Unit::of_time(all);
    let head = |name: &str| Column::number(name, &unit.subheader());
    Grid::new()
        .by_method(|row: &Row<'_>| row.0)
        .column(Column::name("method"), |row| row.0.name())
        .column(
            head("call").explained("the call that spawns, beside the thread that is busy"),
            move |row| unit.entry(row.1.call_ns),
        )
        .column(
            head("fault").explained("the longest that the thread took to touch a fresh page"),
            move |row| unit.entry(row.1.fault_ns),
        )
        .column(
            head("mapping").explained("the longest that it took to map a page and unmap it"),
            move |row| unit.entry(row.1.mapping_ns),
        )
        .table(
            "What another thread of the parent waits for meanwhile",
            found.iter().copied(),
            notes,
        )
        .noting([format!(
            "medians of the longest in each spawn, with whatever else ran on the thread's CPU; timed: {}",
            by_method(found, |waits| counted(waits.spawns, "spawn"))
        )])
}
