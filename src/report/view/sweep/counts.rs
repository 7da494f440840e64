//! The counts table: what there is to copy, and what the kernel counted.

use crate::analysis::sweep::{Axis, Sizes};
use crate::model::{Availability, Cell, Counted, Document, Space};
use crate::stats::Estimate;

use crate::report::view::footnotes::Footnotes;
use crate::report::view::number::{MEBIBYTE, PLAIN, Unit, integer};
use crate::report::view::table::{Column, Entry, Table};

/// A column of the space: its head, and its entry.
struct SpaceColumn<'a> {
    column: Column,
    entry: Box<dyn Fn(&Space) -> Entry + 'a>,
}

/// A column of the counters: its head and unit, and its figure.
struct CountColumn {
    column: Column,
    unit: Unit,
    figure: Pick,
}

/// Takes a column's figure from a cell.
type Pick = fn(&Cell) -> Availability<Estimate>;

/// Makes the table.
pub(super) fn table(document: &Document, sizes: &Sizes<'_>, notes: &mut Footnotes) -> Table {
    let space = space_columns(document, sizes.axis);
    let counts = count_columns(document);
    let mut rows = Vec::new();
    for group in &sizes.groups {
        for (index, cell) in group.cells.iter().enumerate() {
            let mut row: Vec<Entry> = space
                .iter()
                .map(|column| {
                    if index == 0 {
                        (column.entry)(group.space)
                    } else {
                        Entry::Blank
                    }
                })
                .collect();
            row.push(Entry::Name(cell.method.name().to_owned()));
            for CountColumn {
                column,
                unit,
                figure,
            } in &counts
            {
                row.push(notes.entry(&figure(cell), *unit, column, cell.method));
            }
            rows.push(row);
        }
    }
    let mut columns: Vec<Column> = space.into_iter().map(|space| space.column).collect();
    columns.push(Column::name("method"));
    columns.extend(counts.into_iter().map(|count| count.column));
    Table {
        title: "What one spawn counts".to_owned(),
        columns,
        rows,
        rules: Vec::new(),
        notes: Vec::new(),
    }
}

fn space_columns(document: &Document, axis: Axis) -> Vec<SpaceColumn<'_>> {
    let page_size = document.host.page_size.max(1);
    let mut columns = vec![space_column(Column::key("mappings"), |space| {
        whole(space.parent.mappings.vmas)
    })];
    if matches!(axis, Axis::Descriptors | Axis::Threads) {
        columns.push(space_column(axis.column(), move |space| {
            whole(axis.size(space))
        }));
    }
    columns.extend([
        space_column(
            Column::number("anon.", "VMAs")
                .explained("mappings that hold anonymous pages, whose PTEs fork copies"),
            |space| whole(space.parent.mappings.anon_vmas),
        ),
        space_column(
            Column::number("present", "PTEs").explained("page-table entries that map a base page"),
            |space| whole(space.parent.mappings.present_ptes),
        ),
        space_column(
            Column::number("table", "pages")
                .explained("page-table pages below the top level (VmPTE)"),
            move |space| whole(space.parent.page_table_bytes / page_size),
        ),
    ]);
    if document
        .findings
        .cells()
        .iter()
        .any(|cell| cell.space.parent.huge_bytes > 0)
    {
        let unit = MEBIBYTE.subheader();
        columns.push(space_column(Column::number("resident", &unit), |space| {
            MEBIBYTE.bare(space.parent.resident_bytes as f64)
        }));
        columns.push(space_column(
            Column::number("huge", &unit)
                .explained("resident memory in huge pages, which have no PTEs"),
            |space| MEBIBYTE.bare(space.parent.huge_bytes as f64),
        ));
    }
    columns
}

fn space_column<'a>(column: Column, entry: impl Fn(&Space) -> Entry + 'a) -> SpaceColumn<'a> {
    SpaceColumn {
        column,
        entry: Box::new(entry),
    }
}

fn whole(value: u64) -> Entry {
    Entry::exact(integer(value))
}

fn count_columns(document: &Document) -> Vec<CountColumn> {
    let number = |header: &str, subheader: &str| Column::number(header, subheader).yielding();
    let mut columns = vec![
        count_column(
            number("parent's", "faults").explained_as(
                "faults",
                "minor page faults (no I/O) a spawn, of the parent and of the child",
            ),
            |cell| cell.minor_faults.parent.clone(),
        ),
        count_column(number("child's", "faults"), |cell| {
            cell.minor_faults.child.clone()
        }),
        count_column(
            number("context", "switches").explained("of parent and child together, a spawn"),
            |cell| both(&cell.context_switches),
        ),
    ];
    let hardware: [(&str, &str, Pick); 3] = [
        ("cycles", "", |cell| both(&cell.cycles)),
        ("instructions", "", |cell| both(&cell.instructions)),
        ("dTLB", "misses", |cell| both(&cell.dtlb_misses)),
    ];
    for (header, name, figure) in hardware {
        let measured = || {
            document
                .findings
                .cells()
                .iter()
                .filter_map(|cell| Some(figure(cell).measured()?.value))
        };
        if measured().next().is_some() {
            let unit = Unit::of_counts(measured());
            let subheader = format!("{name} {}", unit.subheader());
            columns.push(CountColumn {
                column: number(header, subheader.trim()),
                unit,
                figure,
            });
        }
    }
    columns.push(count_column(
        number("counting", "slowdown")
            .explained("total with the counters open over that without; times are taken without"),
        |cell| cell.counting_slowdown.clone(),
    ));
    columns
}

fn count_column(column: Column, figure: Pick) -> CountColumn {
    CountColumn {
        column,
        unit: PLAIN,
        figure,
    }
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
