//! The tables of times: a row a program, a run of its loop in milliseconds.

use super::{names, remarks};
use crate::analysis::reproduce::loops::{BASE, Programs, a_run, published_real};
use crate::model::{Availability, Loop, Looped, PublishedLoop};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{PLAIN, Unit, number};
use crate::report::view::table::{Column, Entry, Table};
use crate::stats::Estimate;

/// A run's time: of a thousand runs, the same figure is the loop's in seconds.
const MILLISECOND: Unit = Unit {
    name: "ms",
    size: 1e-3,
};

/// Real time, and how the programs compare.
pub(super) fn real(programs: &Programs<'_>, notes: &mut Footnotes) -> Table {
    let year = programs.study.source.year;
    let grid = grid(programs)
        .column(Column::number("real", &format!("{year} (ms)")), |row| {
            published_real(row).map(printed)
        })
        .column(
            Column::number("real", "here (ms)").explained_as(
                "real",
                "by the clock, a run; a script's with its start and end, a C program's in its loop; of \
                 1,000 runs, the loop takes as many seconds",
            ),
            |row| of_a_run(row, |looped| Availability::Measured(looped.real_s)),
        )
        .column(
            Column::number("runs", "per s")
                .yielding()
                .explained_as("runs per s", "one second by real here"),
            |row| row.here.map(|looped| entry(looped, looped.per_second, PLAIN)),
        )
        .column(Column::number("times row 2", &year.to_string()), |row| {
            programs.published_times(row).map(|times| PLAIN.bare(times))
        })
        .column(
            Column::number("times row 2", "here").explained_as(
                "times row 2",
                format!(
                    "real as a multiple of that of {}, here round by round",
                    names::prose(BASE)
                ),
            ),
            |row| row.here.and_then(|looped| times(row, looped)),
        );
    programs
        .table(grid, &title(programs), notes)
        .noting(remarks::loops_of(programs))
        .noting(remarks::broken_off(programs))
}

/// CPU time and its split.
pub(super) fn cpu(programs: &Programs<'_>, notes: &mut Footnotes) -> Table {
    let published = format!("{} (ms)", programs.study.source.year);
    let here = |name| Column::number(name, "here (ms)").yielding();
    let grid = grid(programs)
        .column(
            Column::number("user", &published),
            printed_of(|figures| figures.user_s),
        )
        .column(
            Column::number("sys", &published),
            printed_of(|figures| figures.sys_s),
        )
        .column(
            here("user").explained_as(
                "user, sys",
                "CPU time of program and children in user mode and in the kernel, a run",
            ),
            |row| of_a_run(row, |looped| looped.user_s.clone()),
        )
        .column(here("sys"), |row| {
            of_a_run(row, |looped| looped.sys_s.clone())
        })
        .column(
            here("CPU").explained_as("CPU", "both together, as the kernel's run times say"),
            |row| of_a_run(row, |looped| Availability::Measured(looped.cpu_s)),
        );
    programs
        .table(grid, "CPU time of one run", notes)
        .noting(remarks::sources(programs))
}

/// The columns that name a row. What a program did not tell is noted under the figure's
/// name, and a program that did not run under its own.
fn grid<'a>(programs: &Programs<'a>) -> Grid<'a, &'a Loop> {
    let place = |row: &&Loop, column: &Column| match row.here.measured() {
        Some(_) => (column.header.clone(), None),
        None => (names::key(row.system).to_owned(), None),
    };
    programs.grid().placed(place)
}

fn title(programs: &Programs<'_>) -> String {
    format!("Time of one run of {}", programs.spawned())
}

/// A published figure with the digits that it has.
fn printed(seconds: f64) -> Entry {
    Entry::exact(number(seconds / MILLISECOND.size, 3))
}

/// What was published of a run, if a program is the study's.
fn printed_of(seconds: fn(&PublishedLoop) -> f64) -> impl Fn(&&Loop) -> Option<Entry> {
    move |row| {
        let figures = row.published.as_ref()?;
        a_run(seconds(figures), figures.iterations).map(printed)
    }
}

/// What a run takes of the time of its loop.
fn of_a_run(row: &Loop, time: fn(&Looped) -> Availability<Estimate>) -> Availability<Entry> {
    let runs = row.iterations as f64;
    row.here.and_then(|looped| {
        time(looped).map(|whole| entry(looped, whole.map(|s| s / runs), MILLISECOND))
    })
}

/// The base's own multiple is 1 by definition.
fn times(row: &Loop, looped: &Looped) -> Availability<Entry> {
    looped.ratio.map(|ratio| match row.system {
        BASE => PLAIN.bare(ratio.value),
        _ => entry(looped, *ratio, PLAIN),
    })
}

/// A single run has no interval, and `±0` would claim one.
pub(super) fn entry(looped: &Looped, found: Estimate, unit: Unit) -> Entry {
    match looped.runs.len() > 1 {
        true => unit.entry(found),
        false => unit.bare(found.value),
    }
}
