//! Executions that failed, a row a path.

use super::names;
use crate::model::{FailedExec, Trace};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::integer;
use crate::report::view::table::{Column, Table};
use crate::units::harmless;

/// Paths that are shown; the document has all.
const MOST: usize = 12;
/// The most characters of a path.
const LONGEST: usize = 80;

/// Makes the table: empty where none failed, or none would have been seen.
pub(super) fn table(trace: &Trace, notes: &mut Footnotes) -> Table {
    let all = trace.failed_execs.measured().map_or(&[][..], Vec::as_slice);
    let more = all.len().saturating_sub(MOST) as u64;
    let more = (more > 0).then(|| format!("and {} more", integer(more)));
    Grid::new()
        .column(Column::name("by"), |row: &&FailedExec| {
            names::program(trace, row.by)
        })
        .column(Column::number("times", ""), |row| row.times)
        .column(
            Column::words("then").explained("whether the process then executed something else"),
            |row| if row.then_found { "found" } else { "" },
        )
        .column(Column::words("why"), |row| names::error(row.errno))
        .column(Column::list("path", ""), |row| match row.path.as_str() {
            "" => "not read".to_owned(),
            path => harmless(path, LONGEST),
        })
        .table("Executions that failed", all.iter().take(MOST), notes)
        .noting(more)
}
