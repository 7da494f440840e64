//! The counts table: what there is to copy, and what the kernel counted.

use crate::analysis::sweep::{Axis, Row, Sizes};
use crate::model::{Availability, Cell, Counted, Document};
use crate::stats::Estimate;

use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{MEBIBYTE, PLAIN, Unit};
use crate::report::view::table::{Column, Table};

/// Takes a figure from a cell.
type Pick = fn(&Cell) -> Availability<Estimate>;

/// Makes the table.
pub(super) fn table(document: &Document, sizes: &Sizes<'_>, notes: &mut Footnotes) -> Table {
    let grid = Grid::new().by_method(|row: &Row<'_>| row.cell.method);
    let grid = space_columns(grid, document, sizes.axis)
        .column(Column::name("method"), |row| row.cell.method.name());
    count_columns(grid, document).table("What one spawn counts", sizes.rows(), notes)
}

fn space_columns<'a>(
    grid: Grid<'a, Row<'a>>,
    document: &Document,
    axis: Axis,
) -> Grid<'a, Row<'a>> {
    let page_size = document.host.page_size.max(1);
    let mut grid = grid.column(Column::key("mappings"), |row| {
        row.of_space(|space| space.parent.mappings.vmas)
    });
    if matches!(axis, Axis::Descriptors | Axis::Threads | Axis::Jobs) {
        grid = grid.column(axis.column(), move |row| {
            row.of_space(|space| axis.size(space))
        });
    }
    grid = grid
        .column(
            Column::number("anon.", "VMAs")
                .explained("mappings that hold anonymous pages, whose PTEs fork copies"),
            |row| row.of_space(|space| space.parent.mappings.anon_vmas),
        )
        .column(
            Column::number("present", "PTEs").explained("page-table entries that map a base page"),
            |row| row.of_space(|space| space.parent.mappings.present_ptes),
        )
        .column(
            Column::number("table", "pages")
                .explained("page-table pages below the top level (VmPTE)"),
            move |row| row.of_space(|space| space.parent.page_table_bytes / page_size),
        );
    let cells = document.findings.cells();
    if cells.iter().all(|cell| cell.space.parent.huge_bytes == 0) {
        return grid;
    }
    let unit = MEBIBYTE.subheader();
    grid.column(Column::number("resident", &unit), |row| {
        row.of_space(|space| MEBIBYTE.bare(space.parent.resident_bytes as f64))
    })
    .column(
        Column::number("huge", &unit)
            .explained("resident memory in huge pages, which have no PTEs"),
        |row| row.of_space(|space| MEBIBYTE.bare(space.parent.huge_bytes as f64)),
    )
}

fn count_columns<'a>(grid: Grid<'a, Row<'a>>, document: &Document) -> Grid<'a, Row<'a>> {
    let number = |header: &str, subheader: &str| Column::number(header, subheader).yielding();
    let mut grid = grid
        .column(
            number("parent's", "faults").explained_as(
                "faults",
                "minor page faults (no I/O) a spawn, of the parent and of the child",
            ),
            |row| PLAIN.found(&row.cell.minor_faults.parent),
        )
        .column(number("child's", "faults"), |row| {
            PLAIN.found(&row.cell.minor_faults.child)
        })
        .column(
            number("context", "switches").explained("of parent and child together, a spawn"),
            |row| PLAIN.found(&both(&row.cell.context_switches)),
        );
    let hardware: [(&str, &str, Pick); 3] = [
        ("cycles", "", |cell| both(&cell.cycles)),
        ("instructions", "", |cell| both(&cell.instructions)),
        ("dTLB", "misses", |cell| both(&cell.dtlb_misses)),
    ];
    for (header, name, figure) in hardware {
        let cells = document.findings.cells().iter();
        let measured = cells.filter_map(|cell| Some(figure(cell).measured()?.value));
        let measured: Vec<f64> = measured.collect();
        if !measured.is_empty() {
            let unit = Unit::of_counts(measured.into_iter());
            let subheader = format!("{name} {}", unit.subheader());
            grid = grid.column(number(header, subheader.trim()), move |row| {
                unit.found(&figure(row.cell))
            });
        }
    }
    grid.column(
        number("counting", "slowdown")
            .explained("total with the counters open over that without; times are taken without"),
        |row| PLAIN.found(&row.cell.counting_slowdown),
    )
}

/// Parent and child together: missing unless both sides are there.
fn both(counted: &Counted) -> Availability<Estimate> {
    match (&counted.parent, &counted.child) {
        (Availability::Measured(parent), Availability::Measured(child)) => {
            Availability::Measured(parent.plus(*child))
        }
        (Availability::Missing(missing), _) | (_, Availability::Missing(missing)) => {
            Availability::Missing(missing.clone())
        }
    }
}
