//! The time table: how long a spawn takes, by address space and method.

use crate::analysis::sweep::{Axis, Group, Sizes};
use crate::model::{Availability, Cell, ChildAction, Document, SpawnMethod};
use crate::stats::{Estimate, Summary};

use crate::report::view::footnotes::Footnotes;
use crate::report::view::number::{PLAIN, Unit, integer};
use crate::report::view::table::{Column, Entry, Table};

/// A baseline with a longer name is called "baseline" in the column's head.
const LONGEST_HEAD: usize = 12;

/// A column: its head, its unit, and its figure in a cell.
struct TimeColumn {
    column: Column,
    unit: Unit,
    figure: fn(&Cell) -> Availability<Estimate>,
}

/// Makes the table.
pub(in crate::report::view) fn table(
    document: &Document,
    sizes: &Sizes<'_>,
    notes: &mut Footnotes,
) -> Table {
    let keys = keys(sizes.axis);
    let times = time_columns(document, unit(document));
    let mut rows = Vec::new();
    for group in &sizes.groups {
        for (index, cell) in group.cells.iter().enumerate() {
            let mut row = space(group, &keys, index == 0);
            row.push(Entry::Name(cell.method.name().to_owned()));
            row.push(per_second(cell, notes));
            for TimeColumn {
                column,
                unit,
                figure,
            } in &times
            {
                row.push(notes.entry(&figure(cell), *unit, column, cell.method));
            }
            row.push(multiple(document, cell, notes));
            rows.push(row);
        }
    }
    let mut columns: Vec<Column> = keys.into_iter().map(Axis::column).collect();
    columns.push(Column::name("method"));
    columns.push(spawns());
    columns.extend(times.into_iter().map(|time| time.column));
    columns.push(multiples(document.plan.baseline));
    Table {
        title: "Time of one spawn".to_owned(),
        columns,
        rows,
        rules: Vec::new(),
        notes: Vec::new(),
    }
}

/// All times of the table have one unit, so that they can be compared.
fn unit(document: &Document) -> Unit {
    let cells = document.findings.cells().iter();
    Unit::of_time(cells.filter_map(|cell| cell.total_ns.measured().map(|total| total.median.value)))
}

/// What names a row's address space: its mappings, and what else tells it apart.
fn keys(axis: Axis) -> Vec<Axis> {
    match axis {
        Axis::Mappings => vec![axis],
        _ => vec![Axis::Mappings, axis],
    }
}

fn time_columns(document: &Document, unit: Unit) -> Vec<TimeColumn> {
    let head = |name: &str| Column::number(name, &unit.subheader());
    let left = match document.plan.child {
        ChildAction::Exec => "exec",
        ChildAction::Exit => "exit",
    };
    let call = head("call").explained(format!(
        "until the call returned: fork's after the copy, others' after the child's {left}"
    ));
    let total =
        head("total").explained("until the wait for the child returned; compare methods by this");
    let system = head("system").yielding().explained_as(
        "system, user",
        "CPU time of parent and child in the kernel, and in user mode",
    );
    let column = |column, figure| TimeColumn {
        column,
        unit,
        figure,
    };
    let mut columns = vec![
        column(call, |cell| median(&cell.call_ns)),
        column(total, |cell| median(&cell.total_ns)),
    ];
    // Explaining takes no CPU times, and a column of n/a would explain nothing.
    let asked = |cell: &Cell| {
        [&cell.cpu_ns, &cell.sys_ns, &cell.user_ns]
            .iter()
            .any(|time| time.measured().is_some())
    };
    if document.plan.order.explain().is_some() && !document.findings.cells().iter().any(asked) {
        return columns;
    }
    // The split tells more than the sum, which stands in where it is missing.
    if !document
        .findings
        .cells()
        .iter()
        .any(|cell| cell.sys_ns.measured().is_some())
    {
        let cpu = head("CPU")
            .yielding()
            .explained("CPU time of parent and child");
        columns.push(column(cpu, |cell| cell.cpu_ns.clone()));
    }
    columns.push(column(system, |cell| cell.sys_ns.clone()));
    columns.push(column(head("user").yielding(), |cell| cell.user_ns.clone()));
    columns
}

fn median(summary: &Availability<Summary>) -> Availability<Estimate> {
    summary.map(|summary| summary.median)
}

fn spawns() -> Column {
    Column::number("spawns", "per s")
        .explained("one second by the median total; one parent, one child at a time")
}

/// Without its interval, which is the total's beside it, turned round.
fn per_second(cell: &Cell, notes: &mut Footnotes) -> Entry {
    let figure = cell.spawns_per_second.map(|spawns| spawns.value);
    notes.bare(&figure, PLAIN, &spawns().term(), Some(cell.method))
}

fn multiples(baseline: SpawnMethod) -> Column {
    let name = baseline.name();
    let head = if name.len() > LONGEST_HEAD {
        "baseline"
    } else {
        name
    };
    Column::number("times", head)
        .explained(format!("total as a multiple of {name}'s, turn by turn"))
}

/// The columns of the space, which only its first row shows.
fn space(group: &Group<'_>, keys: &[Axis], first: bool) -> Vec<Entry> {
    let entry = |key: &Axis| match first {
        true => Entry::exact(integer(key.size(group.space))),
        false => Entry::Blank,
    };
    keys.iter().map(entry).collect()
}

/// The baseline's own multiple is 1 by definition and has no interval.
fn multiple(document: &Document, cell: &Cell, notes: &mut Footnotes) -> Entry {
    let baseline = document.plan.baseline;
    match &cell.ratio {
        Availability::Measured(one) if cell.method == baseline => PLAIN.bare(one.value),
        ratio => notes.entry(ratio, PLAIN, &multiples(baseline), cell.method),
    }
}
