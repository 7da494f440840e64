//! The time table: how long a spawn takes, by address space and method.

use crate::analysis::sweep::{Axis, Row, Sizes};
use crate::model::{Availability, Cell, ChildAction, Document, Plan, SpawnMethod};
use crate::stats::{Estimate, Summary};

use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{PLAIN, Unit};
use crate::report::view::table::{Column, Entry, Table};

/// A baseline with a longer name is called "baseline" in the column's head.
const LONGEST_HEAD: usize = 12;

/// Makes the table.
pub(in crate::report::view) fn table(
    document: &Document,
    sizes: &Sizes<'_>,
    notes: &mut Footnotes,
) -> Table {
    let mut grid = Grid::new().by_method(|row: &Row<'_>| row.cell.method);
    for key in keys(sizes.axis, document.plan.has_jobs()) {
        grid = grid.column(key.column(), move |row| {
            row.of_space(|space| key.size(space))
        });
    }
    let mut grid = grid
        .column(Column::name("method"), |row| row.cell.method.name())
        .column(
            Column::number("spawns", "per s")
                .explained("one second by the total; one parent, one child at a time"),
            // Without its interval, which is the total's beside it, turned round.
            |row| {
                row.cell
                    .spawns_per_second
                    .map(|spawns| PLAIN.bare(spawns.value))
            },
        );
    if document.plan.has_jobs() {
        grid = grid.column(
            Column::number("all", "per s").explained(
                "spawns of all parents at once, counted while one of them was timed; others on \
                 the CPUs of the rest were not watched",
            ),
            |row| together(row.cell),
        );
    }
    times(grid, document)
        .column(multiples(&document.plan), |row| {
            multiple(document.plan.baseline, row.cell)
        })
        .table("Time of one spawn", sizes.rows(), notes)
}

/// What all parents at once come to.
fn together(cell: &Cell) -> Availability<Entry> {
    let counted = cell.all_per_second.as_ref();
    counted.map_or_else(
        || Availability::not_asked("not counted"),
        |all| PLAIN.found(all),
    )
}

/// All times of the table have one unit, so that they can be compared.
fn unit(document: &Document) -> Unit {
    let cells = document.findings.cells().iter();
    Unit::of_time(cells.filter_map(|cell| cell.total_ns.measured().map(|total| total.median.value)))
}

/// What names a row's address space: its mappings, and what else tells it apart.
fn keys(axis: Axis, has_jobs: bool) -> Vec<Axis> {
    let mut keys = vec![Axis::Mappings];
    let others = [Some(axis), has_jobs.then_some(Axis::Jobs)];
    for key in others.into_iter().flatten() {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

fn times<'a>(grid: Grid<'a, Row<'a>>, document: &'a Document) -> Grid<'a, Row<'a>> {
    let unit = unit(document);
    let head = |name: &str| Column::number(name, &unit.subheader());
    let left = match document.plan.child {
        ChildAction::Exec => "exec",
        ChildAction::Exit => "exit",
    };
    let grid = grid
        .column(
            head("call").explained(format!(
                "until the call returned: fork's after the copy, others' after the child's {left}"
            )),
            move |row| unit.found(&median(&row.cell.call_ns)),
        )
        .column(
            head("total")
                .explained("until the wait for the child returned; compare methods by this"),
            move |row| unit.found(&median(&row.cell.total_ns)),
        );
    let has = |time: fn(&Cell) -> &Availability<Estimate>| {
        let mut cells = document.findings.cells().iter();
        cells.any(|cell| time(cell).measured().is_some())
    };
    let (cpu, split) = (has(|cell| &cell.cpu_ns), has(|cell| &cell.sys_ns));
    // Explaining takes no CPU times, and a column of n/a would explain nothing.
    if document.plan.order.explain().is_some() && !(cpu || split || has(|cell| &cell.user_ns)) {
        return grid;
    }
    // The split tells more than the sum, which stands in where it is missing.
    let grid = match split {
        true => grid,
        false => grid.column(
            head("CPU")
                .yielding()
                .explained("CPU time of parent and child"),
            move |row| unit.found(&row.cell.cpu_ns),
        ),
    };
    grid.column(
        head("system").yielding().explained_as(
            "system, user",
            "CPU time of parent and child in the kernel, and in user mode",
        ),
        move |row| unit.found(&row.cell.sys_ns),
    )
    .column(head("user").yielding(), move |row| {
        unit.found(&row.cell.user_ns)
    })
}

fn median(summary: &Availability<Summary>) -> Availability<Estimate> {
    summary.map(|summary| summary.median)
}

fn multiples(plan: &Plan) -> Column {
    let name = plan.baseline.name();
    let head = if name.len() > LONGEST_HEAD {
        "baseline"
    } else {
        name
    };
    let turns = by_turns(plan);
    Column::number("times", head).explained(format!("total as a multiple of {name}'s{turns}"))
}

/// How two methods are compared that took turns.
pub(super) fn by_turns(plan: &Plan) -> &'static str {
    match plan.has_jobs() {
        true => ", of the same workers",
        false => ", turn by turn",
    }
}

/// The baseline's own multiple is 1 by definition and has no interval.
fn multiple(baseline: SpawnMethod, cell: &Cell) -> Availability<Entry> {
    match &cell.ratio {
        Availability::Measured(one) if cell.method == baseline => {
            Availability::Measured(PLAIN.bare(one.value))
        }
        ratio => PLAIN.found(ratio),
    }
}
