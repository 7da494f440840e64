//! The page tables: what is mapped, what a fork copies of it, and how well the
//! tables are filled, before the inflation and after it.

use crate::analysis::explain::{Inflated, fill, kinds, levels};
use crate::model::{Availability, MappingKind, PageTables, TableLevel};

use super::super::footnotes::Footnotes;
use super::super::grid::{Cell, Grid};
use super::super::number::{MEBIBYTE, integer, percent};
use super::super::table::{Column, Entry, Table};
use super::names;

/// A count of what is mapped.
type Count = fn(&MappingKind) -> u64;

/// What is mapped of each kind, and what a fork copies of that.
pub(super) fn mapped(
    tables: &PageTables,
    before: &Availability<PageTables>,
    notes: &mut Footnotes,
) -> Table {
    let kinds = kinds(tables, before);
    let sum = kinds.len() - 1;
    let mut grid = Grid::new()
        .placed(|_, _| ("added".to_owned(), None))
        .column(Column::name("kind"), |kind: &Inflated<MappingKind>| {
            kind.now.kind.clone()
        })
        .column(Column::number("size", &MEBIBYTE.subheader()), |kind| {
            MEBIBYTE.bare(kind.now.mappings.mapped_bytes as f64)
        });
    for (column, count) in counts(tables) {
        let grows = ["mappings", "present"].contains(&column.header.as_str());
        grid = grid.column(column, move |kind| count(&kind.now));
        if grows {
            grid = grid.column(
                Column::number("of them", "added").explained_as(
                    "added",
                    "by the inflation: what the worker has beyond its own zero point",
                ),
                move |kind| {
                    let now = count(&kind.now);
                    kind.before
                        .map(|was| Some(Entry::exact(change(count(was.as_ref()?), now))))
                },
            );
        }
    }
    grid.column(Column::list("why", ""), |kind| {
        let reasons = kind.now.skip_reasons.iter();
        let reasons: Vec<&str> = reasons.map(|reason| names::skip_reason(*reason)).collect();
        reasons.join(", ")
    })
    .table(
        "What the worker maps, and what a fork copies of it",
        kinds,
        notes,
    )
    .ruled([sum])
}

/// The columns of counts. Pages that are swapped out or huge have one where there are any.
fn counts(tables: &PageTables) -> Vec<(Column, Count)> {
    let rare: [(Column, Count); 2] = [
        (Column::number("swapped", "PTEs"), |kind| {
            kind.mappings.swapped_ptes
        }),
        (Column::number("huge", "entries"), |kind| {
            kind.mappings.huge_entries
        }),
    ];
    let is_there = |(_, count): &(_, Count)| tables.kinds.iter().any(|kind| count(kind) > 0);
    let mut counts: Vec<(Column, Count)> = vec![
        (Column::number("mappings", ""), |kind| kind.mappings.vmas),
        (
            Column::number("anon.", "VMAs")
                .explained("mappings that hold anonymous pages, whose PTEs fork copies"),
            |kind| kind.mappings.anon_vmas,
        ),
        (
            Column::number("present", "PTEs").explained("page-table entries that map a base page"),
            |kind| kind.mappings.present_ptes,
        ),
    ];
    counts.extend(rare.into_iter().filter(is_there));
    counts.push((
        Column::number("fork", "copies").explained("entries of these mappings that a fork copies"),
        |kind| kind.copied,
    ));
    counts.push((
        Column::number("fork", "leaves")
            .explained("entries that it leaves out, since a fault can find the pages again"),
        |kind| kind.skipped,
    ));
    counts
}

/// "+1,000", "-1" or "0".
fn change(was: u64, now: u64) -> String {
    match now.checked_sub(was) {
        Some(0) => "0".to_owned(),
        Some(more) => format!("+{}", integer(more)),
        None => format!("-{}", integer(was - now)),
    }
}

/// The page tables by level.
pub(super) fn by_level(
    tables: &PageTables,
    before: &Availability<PageTables>,
    notes: &mut Footnotes,
) -> Table {
    Grid::new()
        .placed(|_, _| ("before".to_owned(), None))
        .column(
            Column::name("level").explained_as(
                "PTE, PMD, ...",
                "page tables by level: a PTE table maps pages, a PMD table holds PTE tables, and \
                 so on",
            ),
            |level: &Inflated<TableLevel>| names::level(level.now.level),
        )
        .column(Column::number("tables", ""), |level| level.now.tables)
        .column(
            Column::number("tables", "before").explained_as("before", "the inflation"),
            before_it(|level| Some(level.tables)),
        )
        .column(Column::number("entries", "used"), |level| level.now.used)
        .column(
            Column::number("entries", "before"),
            before_it(|level| Some(level.used)),
        )
        .column(
            Column::number("fill", "(%)").explained("entries used, of those that the tables have"),
            |level| filled(&level.now),
        )
        .column(Column::number("fill before", "(%)"), before_it(filled))
        .table("Page tables by level", levels(tables, before), notes)
        .noting([beyond(tables, before)])
}

/// Shows of a level what it was before the inflation.
fn before_it<C: Into<Cell>>(
    show: fn(&TableLevel) -> Option<C>,
) -> impl Fn(&Inflated<TableLevel>) -> Availability<Option<C>> {
    move |level| level.before.map(|was| show(was.as_ref()?))
}

fn filled(level: &TableLevel) -> Option<Entry> {
    Some(Entry::exact(percent(fill(level)?)))
}

/// What the kernel itself counts, and huge entries, which need no PTE table.
fn beyond(tables: &PageTables, before: &Availability<PageTables>) -> String {
    let kib = |bytes: u64| format!("{} KiB", integer(bytes >> 10));
    let was = before.measured().map_or(String::new(), |before| {
        format!(", {} before", kib(before.vm_pte_bytes))
    });
    let huge = match tables.huge_entries {
        0 => "no entry maps a huge page".to_owned(),
        1 => "1 entry maps a huge page".to_owned(),
        many => format!("{} entries map a huge page", integer(many)),
    };
    format!(
        "all tables below the top (VmPTE): {}{was}; {huge}",
        kib(tables.vm_pte_bytes)
    )
}
