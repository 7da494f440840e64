//! What one spawn from the process takes, by method, and what a card had foretold.

use super::bounds::Bounds;
use super::{Rebuilt, figures, quota, refusals};
use crate::analysis::process;
use crate::model::{Availability, ProcessForecast, ProcessRole, SpawnMethod, TrialCell};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{PLAIN, Unit, significant};
use crate::report::view::table::{Column, Entry, Table};
use crate::stats::Summary;
use crate::units::utc;

/// The method that the others are multiples of.
const BASE: SpawnMethod = SpawnMethod::PosixSpawn;

/// A way to spawn, and what that takes.
struct Row {
    name: &'static str,
    per_second: Option<Entry>,
    call: Availability<Entry>,
    total: Availability<Entry>,
    times: Option<Entry>,
}

/// Makes the table.
pub(in crate::report::view) fn table(rebuilt: &Rebuilt<'_>, notes: &mut Footnotes) -> Table {
    let cells = rebuilt.trial(ProcessRole::Whole);
    let cells: &[TrialCell] = cells.map_or(&[], |trial| &trial.cells);
    let totals = cells
        .iter()
        .filter_map(|cell| figures::median(&cell.total_ns));
    let unit = Unit::of_time(totals.map(|total| total.value));
    let mut rows: Vec<Row> = cells.iter().map(|cell| row(rebuilt, cell, unit)).collect();
    rows.extend(extrapolated(rebuilt, unit));
    rows.extend(sustained(rebuilt, unit));
    if !rows.is_empty() {
        match &rebuilt.replica.forecast {
            Availability::Measured(forecast) => rows.push(foretold(forecast, unit)),
            Availability::Missing(missing) => {
                notes.missing(missing, "what a card foretells", None);
            }
        }
    }
    let head = |name: &str| Column::number(name, &unit.subheader());
    Grid::new()
        .placed(|row: &Row, column| (format!("{}: {}", row.name, column.term()), None))
        .column(Column::name("method"), |row| row.name)
        .column(
            Column::number("spawns", "per s")
                .explained("one second by the total: spawns one after the other"),
            |row| row.per_second.clone(),
        )
        .column(
            head("call").explained(
                "until the call returned: fork's after the copy, others' after the child's exec",
            ),
            |row| row.call.clone(),
        )
        .column(
            head("total").explained("until the wait for the child returned"),
            |row| row.total.clone(),
        )
        .column(
            Column::number("times", BASE.name()).explained(format!(
                "total as a multiple of {}'s, turn by turn",
                BASE.name()
            )),
            |row| row.times.clone(),
        )
        .table("One spawn from a process of this shape", rows, notes)
        .noting(remarks(rebuilt))
}

fn row(rebuilt: &Rebuilt<'_>, cell: &TrialCell, unit: Unit) -> Row {
    let time = |summary: &Availability<Summary>| summary.map(|found| unit.entry(found.median));
    let per_second = figures::median(&cell.total_ns).and_then(process::per_second);
    let times = rebuilt.multiple(cell.method, BASE);
    Row {
        name: cell.method.name(),
        per_second: per_second.map(|found| PLAIN.entry(found)),
        call: time(&cell.call_ns),
        total: time(&cell.total_ns),
        times: times.map(|times| match cell.method {
            BASE => PLAIN.bare(1.0),
            _ => PLAIN.entry(times),
        }),
    }
}

/// The fork of all of a process of which a part was rebuilt.
fn extrapolated(rebuilt: &Rebuilt<'_>, unit: Unit) -> Option<Row> {
    let fork = rebuilt.blame().filter(|_| rebuilt.is_part())?.fork;
    let per_second = process::per_second(fork.total_ns);
    Some(Row {
        name: "fork, all of it",
        per_second: per_second.map(|found| figures::entry(PLAIN, found, true)),
        call: Availability::Measured(figures::entry(unit, fork.call_ns, true)),
        total: Availability::Measured(figures::entry(unit, fork.total_ns, true)),
        times: None,
    })
}

/// The fork where forks follow each other until the CPU quota is spent.
fn sustained(rebuilt: &Rebuilt<'_>, unit: Unit) -> Option<Row> {
    let [call, total] = quota::sustained(rebuilt)?;
    let per_second = process::per_second(total);
    Some(Row {
        name: "fork, by its quota",
        per_second: per_second.map(|found| figures::entry(PLAIN, found, true)),
        call: Availability::Measured(figures::entry(unit, call, true)),
        total: Availability::Measured(figures::entry(unit, total, true)),
        times: None,
    })
}

/// What the card had foretold, below what was measured.
fn foretold(forecast: &ProcessForecast, unit: Unit) -> Row {
    Row {
        name: "fork, by the card",
        per_second: None,
        call: Availability::Measured(unit.bare(forecast.call_ns)),
        total: Availability::Measured(unit.bare(forecast.total_ns)),
        times: None,
    }
}

fn remarks(rebuilt: &Rebuilt<'_>) -> Vec<String> {
    let part = rebuilt.is_part().then(|| {
        "the workers have a part of the shape: their rows are as measured, and figures with ~ are \
         extrapolated to all of it"
            .to_owned()
    });
    let refused = refusals::is_sure(&rebuilt.order.shape.process).then(|| {
        "forks from the workers are not refused: what is too large to be charged is not charged \
         there (MAP_NORESERVE), and they are of forktax's user and control group"
            .to_owned()
    });
    let stretched = quota::sustained(rebuilt).map(|_| {
        let bound = match Bounds::of(rebuilt).may_be_less() {
            true => "",
            false => {
                "; if it is, at least so long and at most so many, as caches may be colder after \
                 each wait, which adds to it"
            }
        };
        format!(
            "by its quota: forks that follow each other once the CPU quota of the process's group \
             is spent, times period by quota as if all of their time were CPU time{bound}"
        )
    });
    let remarks = part.into_iter().chain(refused).chain(stretched);
    remarks.chain(forecast_remark(rebuilt)).collect()
}

/// A forecast against what was measured, as a share of that: below 0 if it is too low.
pub(super) fn error(rebuilt: &Rebuilt<'_>) -> Option<(ProcessForecast, f64)> {
    let forecast = *rebuilt.replica.forecast.measured()?;
    let measured = figures::median(&rebuilt.whole(SpawnMethod::Fork)?.total_ns)?;
    Some((forecast, process::error(&forecast, measured.value)?))
}

fn forecast_remark(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let (forecast, error) = error(rebuilt)?;
    let prices = rebuilt.order.prices.measured();
    let when = prices.map_or(String::new(), |prices| {
        format!(" of {}", utc(prices.measured_unix_s))
    });
    let part = match rebuilt.is_part() {
        true => " of what the workers have",
        false => "",
    };
    Some(format!(
        "the card{when} foretells the total of a fork{part} {}; nine of ten of its own forecasts \
         are off by less than {} %",
        figures::off(error),
        significant(forecast.error * 100.0)
    ))
}
