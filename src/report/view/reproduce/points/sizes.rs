//! The table of the parents: what was published of their sizes, and what was
//! built.

use crate::analysis::reproduce::spaces::{Parent, Study};
use crate::model::{Availability, Space};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::MEBIBYTE;
use crate::report::view::table::{Column, Entry, Table};

/// Makes the table. Sizes that were published of no parent, and huge pages that none has
/// or was to have, have no column.
pub(super) fn table(study: &Study<'_>, notes: &mut Footnotes) -> Table {
    let has = |size: fn(&Parent<'_>) -> bool| study.parents.iter().any(size);
    let page_size = study.document.host.page_size.max(1);
    let bytes = MEBIBYTE.subheader();
    let mut grid = Grid::new().column(Column::name("parent"), |parent: &&Parent<'_>| parent.name());
    if has(|parent| parent.point.vmas.is_some()) {
        grid = grid.column(Column::number("VMAs", "published"), |parent| {
            published(parent.point.vmas)
        });
    }
    grid = grid.column(
        Column::number("VMAs", "here").explained("all mappings, the worker's own included"),
        |parent| here(parent, |space| space.parent.mappings.vmas),
    );
    if has(|parent| parent.point.ptes.is_some()) {
        grid = grid.column(Column::number("PTEs", "published"), |parent| {
            published(parent.point.ptes)
        });
    }
    grid = grid
        .column(
            Column::number("PTEs", "here")
                .explained("present page-table entries of base pages, the worker's own included"),
            |parent| here(parent, |space| space.parent.mappings.present_ptes),
        )
        .column(
            Column::number("page-table", "pages").explained("below the top level, from VmPTE"),
            move |parent| here(parent, |space| space.parent.page_table_bytes / page_size),
        )
        .column(Column::number("resident", &bytes), |parent| {
            here(parent, |space| space.parent.resident_bytes).map(in_mebibytes)
        });
    if has(has_huge_pages) {
        grid = grid.column(
            Column::number("huge", &bytes).explained("resident memory in huge pages"),
            |parent| here(parent, |space| space.parent.huge_bytes).map(in_mebibytes),
        );
    }
    grid.table(title(study), &study.parents, notes)
}

fn title(study: &Study<'_>) -> String {
    if study.is_whole() {
        return "The parents, as published and as built here".to_owned();
    }
    format!(
        "The parents, as published and as built here: at {} of their sizes",
        study.share()
    )
}

fn published(size: Option<u64>) -> Availability<u64> {
    let none = || Availability::unavailable("not published", None);
    size.map_or_else(none, Availability::Measured)
}

fn here(parent: &Parent<'_>, size: impl Fn(&Space) -> u64) -> Availability<u64> {
    match parent.space() {
        Some(space) => Availability::Measured(size(space)),
        None => Availability::Missing(parent.unseen()),
    }
}

/// Whether it has huge pages or was to have some.
fn has_huge_pages(parent: &Parent<'_>) -> bool {
    let huge_bytes = parent.space().map_or(0, |space| space.parent.huge_bytes);
    parent.asks_for_huge_pages() || huge_bytes > 0
}

fn in_mebibytes(bytes: &u64) -> Entry {
    MEBIBYTE.bare(*bytes as f64)
}
