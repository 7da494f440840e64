//! The ways in which was spawned, a row a way: what they took, and from where they come.

use super::names;
use crate::model::{Availability, SpawnPath, Spread, Trace};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{PERCENT, PLAIN, Unit, integer};
use crate::report::view::table::{Column, Entry, Table};

/// Ways that are shown; the document has all.
const MOST: usize = 25;

/// A way, and its number in both tables.
type Row<'a> = (usize, &'a SpawnPath);

/// Takes a figure of several times.
type Pick = fn(&Spread) -> f64;

fn rows(trace: &Trace) -> impl Iterator<Item = Row<'_>> {
    (1..).zip(trace.paths.iter().take(MOST))
}

fn more(trace: &Trace) -> Option<String> {
    let more = trace.paths.len().saturating_sub(MOST) as u64;
    (more > 0).then(|| format!("and {} more", integer(more)))
}

/// What they took.
pub(super) fn times(trace: &Trace, notes: &mut Footnotes) -> Table {
    let per_second = 1e9 / trace.wall_ns.max(1) as f64;
    let grid = named(trace)
        .column(
            Column::words("copies").explained("whether the call copies the address space"),
            |(_, path)| if path.copies { "yes" } else { "no" },
        )
        .column(Column::number("spawns", ""), |(_, path)| path.spawns)
        .column(
            Column::number("", "per s").explained_as("per s", "over the whole time of watching"),
            move |(_, path)| PLAIN.bare(path.spawns as f64 * per_second),
        );
    lives(timed(grid, trace), trace)
        .table("Spawns by their ways", rows(trace), notes)
        .noting(more(trace))
}

/// From where they come.
pub(super) fn origins(trace: &Trace, notes: &mut Footnotes) -> Table {
    Grid::new()
        .column(number(), |(at, _): &Row<'_>| *at as u64)
        .column(
            Column::words("called from")
                .explained("the program's own function that called the library's"),
            |(_, path)| names::own(trace, path.caller),
        )
        .column(
            Column::list("system call", "").explained("with its flags, CLONE_ left out"),
            |(_, path)| names::call(path.call, path.flags),
        )
        .table("Where they come from", rows(trace), notes)
}

fn number() -> Column {
    Column::key("#")
}

/// What names a row.
fn named(trace: &Trace) -> Grid<'_, Row<'_>> {
    Grid::new()
        .column(number(), |(at, _): &Row<'_>| *at as u64)
        .column(Column::name("spawned by"), |(_, path)| {
            names::program(trace, path.program)
        })
        .column(
            Column::words("by").explained("the library's function, or else the system call alone"),
            |(_, path)| names::way(trace, path),
        )
}

/// Columns of the calls themselves, where they were timed.
fn timed<'a>(grid: Grid<'a, Row<'a>>, trace: &'a Trace) -> Grid<'a, Row<'a>> {
    let Some(unit) = unit(trace, |path| &path.call_ns) else {
        return grid;
    };
    let column = |sub: &str| Column::number("call", format!("{sub}{}", unit.subheader()).trim());
    let show =
        move |pick: Pick| move |(_, path): &Row<'_>| path.call_ns.map(|call| unit.bare(pick(call)));
    grid.column(
        column("").explained("until the call returned: the median of all"),
        show(|call| call.median),
    )
    .column(column("p99 "), show(|call| call.p99))
    .column(
        Column::number("in it", "(%)")
            .explained("share of the time in which some thread stood in such a call"),
        |(_, path)| path.standing_share.map(|share| PERCENT.bare(*share)),
    )
}

/// Takes several times of a way.
type Times = fn(&SpawnPath) -> &Availability<Spread>;

/// Columns of what became of the children.
fn lives<'a>(mut grid: Grid<'a, Row<'a>>, trace: &'a Trace) -> Grid<'a, Row<'a>> {
    let columns: [(&str, &str, Times); 2] = [
        (
            "to exec",
            "from the call (or the child's creation, where calls are not timed) to the child's \
             exec, the median of those that executed something",
            |path| &path.to_exec_ns,
        ),
        ("life", "the same to the child's end", |path| &path.life_ns),
    ];
    for (head, meaning, of) in columns {
        let Some(unit) = unit(trace, of) else {
            continue;
        };
        let column = Column::number(head, &unit.subheader()).explained(meaning);
        // Where no child did it there is nothing to tell.
        grid = grid.column(column, move |(_, path)| {
            let seen = of(path).measured();
            seen.map_or(Entry::Blank, |times| unit.bare(times.median))
        });
    }
    grid
}

fn unit(trace: &Trace, of: Times) -> Option<Unit> {
    let medians = trace.paths.iter().filter_map(|path| of(path).measured());
    let medians: Vec<f64> = medians.map(|times| times.median).collect();
    (!medians.is_empty()).then(|| Unit::of_time(medians.into_iter()))
}
