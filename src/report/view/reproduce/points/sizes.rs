//! The table of the parents: what was published of their sizes, and what was
//! built.

use crate::analysis::reproduce::spaces::{Parent, Study};
use crate::model::{Availability, Space};

use super::super::super::footnotes::Footnotes;
use super::super::super::number::{MEBIBYTE, PLAIN as WHOLE, Unit, number};
use super::super::super::table::{Column, Entry, Table};

/// A column: its head, and its entry of a parent.
struct SizeColumn {
    column: Column,
    size: fn(&Parent<'_>) -> Availability<f64>,
    unit: Unit,
}

/// Makes the table.
pub(super) fn table(study: &Study<'_>, notes: &mut Footnotes) -> Table {
    let shown = columns(study);
    let rows = study.parents.iter().map(|parent| {
        let mut row = vec![Entry::Name(parent.name())];
        row.extend(shown.iter().map(|column| entry(parent, column, notes)));
        row
    });
    let rows = rows.collect();
    let mut columns = vec![Column::name("parent")];
    columns.extend(shown.into_iter().map(|shown| shown.column));
    Table {
        title: title(study),
        columns,
        rows,
        rules: Vec::new(),
        notes: Vec::new(),
    }
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

/// Sizes that were published of no parent, and huge pages that none has or was
/// to have, have no column.
fn columns(study: &Study<'_>) -> Vec<SizeColumn> {
    let points = || study.parents.iter().map(|parent| parent.point);
    let spaces = || study.parents.iter().filter_map(Parent::space);
    let column = |column, size, unit| SizeColumn { column, size, unit };
    let bytes = MEBIBYTE.subheader();
    let mut columns = Vec::new();
    if points().any(|point| point.vmas.is_some()) {
        let head = Column::number("VMAs", "published");
        columns.push(column(head, |parent| published(parent.point.vmas), WHOLE));
    }
    let head = Column::number("VMAs", "here").explained("all mappings, the worker's own included");
    columns.push(column(
        head,
        |parent| here(parent, |s| s.parent.mappings.vmas),
        WHOLE,
    ));
    if points().any(|point| point.ptes.is_some()) {
        let head = Column::number("PTEs", "published");
        columns.push(column(head, |parent| published(parent.point.ptes), WHOLE));
    }
    let head = Column::number("PTEs", "here")
        .explained("present page-table entries of base pages, the worker's own included");
    columns.push(column(
        head,
        |parent| here(parent, |s| s.parent.mappings.present_ptes),
        WHOLE,
    ));
    let page = Unit {
        name: "pages",
        size: study.document.host.page_size.max(1) as f64,
    };
    let head = Column::number("page-table", "pages").explained("below the top level, from VmPTE");
    columns.push(column(
        head,
        |parent| here(parent, |s| s.parent.page_table_bytes),
        page,
    ));
    let head = Column::number("resident", &bytes);
    columns.push(column(
        head,
        |parent| here(parent, |s| s.parent.resident_bytes),
        MEBIBYTE,
    ));
    let asked = || study.parents.iter().any(Parent::asks_for_huge_pages);
    if asked() || spaces().any(|space| space.parent.huge_bytes > 0) {
        let head = Column::number("huge", &bytes).explained("resident memory in huge pages");
        columns.push(column(
            head,
            |parent| here(parent, |s| s.parent.huge_bytes),
            MEBIBYTE,
        ));
    }
    columns
}

fn published(size: Option<u64>) -> Availability<f64> {
    let none = || Availability::unavailable("not published", None);
    size.map_or_else(none, |size| Availability::Measured(size as f64))
}

fn here(parent: &Parent<'_>, size: fn(&Space) -> u64) -> Availability<f64> {
    match parent.space() {
        Some(space) => Availability::Measured(size(space) as f64),
        None => Availability::Missing(parent.unseen()),
    }
}

fn entry(parent: &Parent<'_>, shown: &SizeColumn, notes: &mut Footnotes) -> Entry {
    match (shown.size)(parent) {
        Availability::Measured(size) if shown.unit == MEBIBYTE => MEBIBYTE.bare(size),
        Availability::Measured(size) => Entry::exact(number((size / shown.unit.size).floor(), 0)),
        Availability::Missing(missing) => notes.missing(&missing, &shown.column.term(), None),
    }
}
