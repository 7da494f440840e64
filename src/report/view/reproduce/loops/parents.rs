//! What each run pays for: what there is to copy, and how the programs spawn.

use super::{calls, names};
use crate::analysis::reproduce::loops::Programs;
use crate::model::{Availability, Loop, Missing, Parent};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::number::{PLAIN, integer};
use crate::report::view::table::{Column, Entry, Table};

/// The parents' address spaces and the page faults.
pub(super) fn spaces(programs: &Programs<'_>, notes: &mut Footnotes) -> Table {
    let page_size = programs.document.host.page_size.max(1);
    let mut columns = programs.keys();
    columns.extend([
        Column::number("", "VMAs").explained_as(
            "VMAs",
            "mappings of the parent when its loop begins, each of which a fork copies",
        ),
        Column::number("anon.", "VMAs")
            .explained("those that hold anonymous pages, whose PTEs a fork copies"),
        Column::number("present", "PTEs").explained("page-table entries that map a base page"),
        Column::number("table", "pages").explained("page-table pages below the top level (VmPTE)"),
        Column::number("faults", "a run")
            .yielding()
            .explained("minor page faults (no I/O) of parent and child"),
    ]);
    let rows = programs.rows(|row| {
        let figures: [fn(&Parent) -> u64; 3] = [
            |s| s.mappings.vmas,
            |s| s.mappings.anon_vmas,
            |s| s.mappings.present_ptes,
        ];
        let mut entries: Vec<Entry> = match found(row, |looped| &looped.parent) {
            Ok(space) => figures
                .iter()
                .map(|figure| figure(space))
                .chain([space.page_table_bytes / page_size])
                .map(|figure| Entry::exact(integer(figure)))
                .collect(),
            Err(missing) => {
                notes.missing(missing, names::key(row.system), None);
                vec![Entry::Missing; 4]
            }
        };
        entries.push(match found(row, |looped| &looped.minor_faults) {
            Ok(faults) => match row.here.measured().is_some_and(|here| here.runs.len() > 1) {
                true => PLAIN.entry(*faults),
                false => PLAIN.bare(faults.value),
            },
            Err(missing) => notes.missing(missing, names::key(row.system), None),
        });
        entries
    });
    Table {
        title: "What each run pays for: the parent's address space".to_owned(),
        columns,
        rules: programs.rules(),
        rows,
        notes: Vec::new(),
    }
}

/// The system calls that were seen.
pub(super) fn calls(programs: &Programs<'_>, notes: &mut Footnotes) -> Table {
    let mut columns = programs.keys();
    columns.push(Column::list("system", "call").explained(
        "as seen in a run of its own; with VM the child borrows the parent's memory, \
             without it is copied; with VFORK, as with vfork, the parent waits for its exec",
    ));
    let rows = programs.rows(|row| {
        vec![match found(row, |looped| &looped.calls) {
            Ok(calls) if calls.is_empty() => Entry::Name("none was seen".to_owned()),
            Ok(calls) => Entry::Name(calls::listed(calls)),
            Err(missing) => notes.missing(missing, names::key(row.system), None),
        }]
    });
    Table {
        title: "What each run pays for: the system call that spawns".to_owned(),
        columns,
        rules: programs.rules(),
        rows,
        notes: Vec::new(),
    }
}

fn found<'a, T>(
    row: &'a Loop,
    part: fn(&'a crate::model::Looped) -> &'a Availability<T>,
) -> Result<&'a T, &'a Missing> {
    let part = match &row.here {
        Availability::Measured(looped) => part(looped),
        Availability::Missing(missing) => return Err(missing),
    };
    match part {
        Availability::Measured(found) => Ok(found),
        Availability::Missing(missing) => Err(missing),
    }
}
