//! The table of the parents: what was published of their sizes, and what was
//! built.

use crate::model::{Missing, Space};

use super::super::super::footnotes::Footnotes;
use super::super::super::number::{MEBIBYTE, integer};
use super::super::super::table::{Column, Entry, Table};
use super::parents::{Parent, Study};

/// Makes the table.
pub(super) fn table(study: &Study<'_>, notes: &mut Footnotes) -> Table {
    let page = study.document.host.page_size.max(1);
    let huge = study.parents.iter().any(has_huge_pages);
    let rows = study.parents.iter().map(|parent| {
        let mut row = vec![
            Entry::Name(parent.name()),
            published(parent.point.vmas, "VMAs published", notes),
            here(parent, "VMAs here", notes, |space| integer(space.vmas)),
            published(parent.point.ptes, "PTEs published", notes),
            here(parent, "PTEs here", notes, |space| {
                integer(space.present_ptes)
            }),
            here(parent, "page-table pages", notes, |space| {
                integer(space.page_table_bytes / page)
            }),
            here(parent, "resident", notes, |space| {
                MEBIBYTE.entry(space.resident_bytes as f64, None).plain()
            }),
        ];
        if huge {
            row.push(here(parent, "huge", notes, |space| {
                MEBIBYTE.entry(space.huge_bytes as f64, None).plain()
            }));
        }
        row
    });
    let rows = rows.collect();
    Table {
        title: title(study),
        columns: columns(huge),
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

fn has_huge_pages(parent: &Parent<'_>) -> bool {
    parent.space().is_some_and(|space| space.huge_bytes > 0)
}

fn columns(huge: bool) -> Vec<Column> {
    let size = MEBIBYTE.subheader();
    let mut columns = vec![
        Column::name("parent"),
        Column::number("VMAs", "published"),
        Column::number("VMAs", "here").explained("all mappings, the worker's own included"),
        Column::number("PTEs", "published"),
        Column::number("PTEs", "here")
            .explained("present page-table entries of base pages, the worker's own included"),
        Column::number("page-table", "pages").explained("below the top level, from VmPTE"),
        Column::number("resident", &size),
    ];
    if huge {
        columns.push(Column::number("huge", &size).explained("resident memory in huge pages"));
    }
    columns
}

fn published(size: Option<u64>, name: &str, notes: &mut Footnotes) -> Entry {
    match size {
        Some(size) => Entry::exact(integer(size)),
        None => notes.missing(&Missing::not_asked("not published"), name, None),
    }
}

fn here(
    parent: &Parent<'_>,
    name: &str,
    notes: &mut Footnotes,
    size: impl Fn(&Space) -> String,
) -> Entry {
    match parent.space() {
        Some(space) => Entry::exact(size(space)),
        None => notes.missing(&parent.unseen(), name, None),
    }
}
