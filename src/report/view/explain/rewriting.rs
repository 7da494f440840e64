//! The hidden tax: what the parent pays after a spawn, when it writes to its
//! pages again.

use crate::analysis::explain::{Explained, of_all_pages, over_call};
use crate::model::{Rewriting, SpawnMethod};

use super::super::footnotes::Footnotes;
use super::super::grid::Grid;
use super::super::number::{NANOSECOND, PLAIN, Unit, counted};
use super::super::table::{Column, Table};
use super::{Found, by_method};

/// Makes the table.
pub(super) fn table(
    explained: &Explained<'_>,
    found: &Found<'_, Rewriting>,
    notes: &mut Footnotes,
) -> Table {
    type Row<'a> = (SpawnMethod, &'a Rewriting);
    // What no fork taxed is noise around 0, and must not choose the unit.
    let taxes = found.iter().map(|(_, tax)| of_all_pages(tax).value.abs());
    let all = Unit::of_one(taxes.fold(0.0, f64::max));
    let grid = Grid::new()
        .by_method(|row: &Row<'_>| row.0)
        .column(Column::name("method"), |row| row.0.name());
    measured(grid, |row| row.1)
        .column(
            Column::number("all pages", &all.subheader()).explained("the tax of all these pages"),
            |row| all.entry(of_all_pages(row.1)),
        )
        .column(
            Column::number("times", "the call")
                .explained("the tax of all these pages over the median call"),
            |row| {
                let cell = explained.cell(row.0)?;
                let tax = of_all_pages(row.1);
                Some(
                    cell.call_ns
                        .map(|call| Some(PLAIN.entry(over_call(tax, call.median)?))),
                )
            },
        )
        .table(
            "The hidden tax: what the parent pays to write to its pages again",
            found.iter().copied(),
            notes,
        )
        .noting([format!(
            "timed: {}",
            by_method(found, |tax| counted(tax.rounds, "round"))
        )])
}

/// Adds what was measured of a page.
pub(in crate::report::view) fn measured<'a, R: 'a>(
    grid: Grid<'a, R>,
    of: impl Fn(&R) -> &Rewriting + Copy + 'a,
) -> Grid<'a, R> {
    let ns = |name: &str| Column::number(name, &NANOSECOND.subheader());
    grid.column(Column::number("pages", ""), move |row| of(row).pages)
        .column(
            ns("after spawn").explained("one page, one byte, after a spawn whose child has ended"),
            move |row| NANOSECOND.entry(of(row).after_ns),
        )
        .column(
            ns("once more").explained("the same page once more, with no spawn in between"),
            move |row| NANOSECOND.entry(of(row).again_ns),
        )
        .column(
            ns("tax").explained("after spawn less once more: the fault"),
            move |row| NANOSECOND.entry(of(row).tax_ns),
        )
        .column(
            ns("held")
                .explained("the tax while a child still has the page, so that it must be copied"),
            move |row| NANOSECOND.found(&of(row).held_ns),
        )
}
