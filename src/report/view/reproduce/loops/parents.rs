//! What each run pays for: what there is to copy, and how the programs spawn.

use super::time;
use crate::analysis::reproduce::loops::Programs;
use crate::model::{Availability, Loop, Parent};
use crate::report::view::calls;
use crate::report::view::footnotes::Footnotes;
use crate::report::view::number::PLAIN;
use crate::report::view::table::{Column, Table};

/// The parents' address spaces and the page faults.
pub(super) fn spaces(programs: &Programs<'_>, notes: &mut Footnotes) -> Table {
    let page_size = programs.document.host.page_size.max(1);
    let grid = programs
        .grid()
        .column(
            Column::number("", "VMAs").explained_as(
                "VMAs",
                "mappings of the parent when its loop begins, each of which a fork copies",
            ),
            has(|parent| parent.mappings.vmas),
        )
        .column(
            Column::number("anon.", "VMAs")
                .explained("those that hold anonymous pages, whose PTEs a fork copies"),
            has(|parent| parent.mappings.anon_vmas),
        )
        .column(
            Column::number("present", "PTEs").explained("page-table entries that map a base page"),
            has(|parent| parent.mappings.present_ptes),
        )
        .column(
            Column::number("table", "pages")
                .explained("page-table pages below the top level (VmPTE)"),
            has(move |parent| parent.page_table_bytes / page_size),
        )
        .column(
            Column::number("faults", "a run")
                .yielding()
                .explained("minor page faults (no I/O) of parent and child"),
            |row| {
                row.here.and_then(|looped| {
                    let faults = &looped.minor_faults;
                    faults.map(|faults| time::entry(looped, *faults, PLAIN))
                })
            },
        );
    let title = "What each run pays for: the parent's address space";
    programs.table(grid, title, notes)
}

/// Something that the parent of a row has.
fn has(count: impl Fn(&Parent) -> u64) -> impl Fn(&&Loop) -> Availability<u64> {
    move |row| row.here.and_then(|looped| looped.parent.map(&count))
}

/// The system calls that were seen.
pub(super) fn calls(programs: &Programs<'_>, notes: &mut Footnotes) -> Table {
    let grid = programs.grid().column(
        Column::list("system", "call").explained(
            "as seen in a run of its own; with VM the child borrows the parent's memory, \
             without it is copied; with VFORK, as with vfork, the parent waits for its exec",
        ),
        |row| {
            row.here.and_then(|looped| {
                looped.calls.map(|calls| match calls.as_slice() {
                    [] => "none was seen".to_owned(),
                    calls => calls::listed(calls),
                })
            })
        },
    );
    let title = "What each run pays for: the system call that spawns";
    programs.table(grid, title, notes)
}
