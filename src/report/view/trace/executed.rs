//! The programs that were executed, a row a program.

use super::names;
use crate::model::{EndingCount, ExecutedProgram, Trace};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{Unit, integer};
use crate::report::view::table::{Column, Entry, Table};

/// Programs that are shown; the document has all.
const MOST: usize = 20;

/// Makes the table.
pub(super) fn table(trace: &Trace, notes: &mut Footnotes) -> Table {
    let lives = trace
        .executed
        .iter()
        .filter_map(|row| row.life_ns.measured());
    let unit = Unit::of_time(lives.map(|life| life.median));
    let column =
        |head: &str, sub: &str| Column::number(head, format!("{sub}{}", unit.subheader()).trim());
    let more = trace.executed.len().saturating_sub(MOST) as u64;
    let more = (more > 0).then(|| format!("and {} more", integer(more)));
    Grid::new()
        .column(Column::name("program"), |row: &&ExecutedProgram| {
            names::program(trace, row.program)
        })
        .column(
            Column::number("executed", "").explained("how often the program was executed"),
            |row| row.times,
        )
        .column(
            column("life", "").explained("from its exec to its end, the median"),
            move |row| life(row, |life| unit.bare(life.median)),
        )
        .column(column("life", "p90 "), move |row| {
            life(row, |life| unit.bare(life.p90))
        })
        .column(
            Column::list("ended", "").explained("how, and how often"),
            |row| endings(&row.endings),
        )
        .table(
            "Programs that were executed",
            trace.executed.iter().take(MOST),
            notes,
        )
        .noting(more)
}

fn life(row: &ExecutedProgram, show: impl Fn(&crate::model::Spread) -> Entry) -> Entry {
    row.life_ns.measured().map_or(Entry::Blank, show)
}

fn endings(endings: &[EndingCount]) -> String {
    let words = endings.iter();
    let words = words.map(|it| match it.times {
        1 => names::ending(it.ending),
        times => format!("{} {} x", names::ending(it.ending), integer(times)),
    });
    words.collect::<Vec<_>>().join(", ")
}
