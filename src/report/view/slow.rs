//! What spawns took while the host was slow or busy, beside what they took otherwise.

use crate::analysis::steadiness::{Apart, apart};
use crate::model::Document;

use super::footnotes::Footnotes;
use super::grid::Grid;
use super::number::{PLAIN, Unit, counted};
use super::table::{Column, Table};

/// Makes the table; it has no rows where the host was always quiet.
pub(super) fn table(document: &Document) -> Table {
    let rows = apart(document);
    let totals = rows.iter().flat_map(|row| row.totals);
    let unit = Unit::of_time(totals.map(|total| total.value));
    let head = |name| Column::number(name, &unit.subheader());
    Grid::new()
        .once(Column::key("mappings"), |row: &Apart<'_>| {
            row.cell.space.parent.mappings.vmas
        })
        .column(Column::name("method"), |row| row.cell.method.name())
        .column(
            head("quiet").explained("the total of workers that the host was quiet for"),
            move |row| unit.entry(row.totals[0]),
        )
        .column(
            head("others").explained("the total of the other workers, which figures leave out"),
            move |row| unit.entry(row.totals[1]),
        )
        .column(Column::number("others", "/ quiet"), |row| {
            PLAIN.entry(row.ratio)
        })
        .column(Column::list("workers", "others"), |row| {
            format!(
                "{} of {}",
                row.workers[1],
                counted(row.workers.iter().sum::<usize>() as u64, "worker")
            )
        })
        .table(
            "Spawns while the host was slow or busy",
            rows,
            &mut Footnotes::default(),
        )
}
