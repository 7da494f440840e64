//! What one spawn from the process takes, by method, and what a card had foretold.

use super::{Rebuilt, figures};
use crate::analysis::process;
use crate::model::{Availability, ProcessForecast, ProcessRole, SpawnMethod, TrialCell};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::number::{PLAIN, Unit, number, significant};
use crate::report::view::table::{Column, Entry, Table};
use crate::stats::{Estimate, Summary};
use crate::units::utc;

/// The method that the others are multiples of.
const BASE: SpawnMethod = SpawnMethod::PosixSpawn;

/// Makes the table.
pub(in crate::report::view) fn table(rebuilt: &Rebuilt<'_>, notes: &mut Footnotes) -> Table {
    let cells = rebuilt.trial(ProcessRole::Whole);
    let cells: &[TrialCell] = cells.map_or(&[], |trial| &trial.cells);
    let totals = cells
        .iter()
        .filter_map(|cell| figures::median(&cell.total_ns));
    let unit = Unit::of_time(totals.map(|total| total.value));
    let mut rows: Vec<Vec<Entry>> = cells
        .iter()
        .map(|cell| row(rebuilt, cell, unit, notes))
        .collect();
    rows.extend(extrapolated(rebuilt, unit));
    if !rows.is_empty() {
        rows.extend(foretold(rebuilt, unit, notes));
    }
    let head = |name: &str| Column::number(name, &unit.subheader());
    Table {
        title: "One spawn from a process of this shape".to_owned(),
        columns: vec![
            Column::name("method"),
            Column::number("spawns", "per s")
                .explained("one second by the median total: the most, if nothing else is done"),
            head("call").explained(
                "until the call returned: fork's after the copy, others' after the child's exec",
            ),
            head("total").explained("until the wait for the child returned"),
            Column::number("times", BASE.name()).explained(format!(
                "total as a multiple of {}'s, turn by turn",
                BASE.name()
            )),
        ],
        rows,
        rules: Vec::new(),
        notes: remarks(rebuilt),
    }
}

fn row(rebuilt: &Rebuilt<'_>, cell: &TrialCell, unit: Unit, notes: &mut Footnotes) -> Vec<Entry> {
    let name = cell.method.name();
    let mut time = |summary: &Availability<Summary>, what: &str| match summary {
        Availability::Measured(found) => unit.entry(found.median),
        Availability::Missing(missing) => notes.missing(missing, &format!("{name}: {what}"), None),
    };
    let (call, total) = (time(&cell.call_ns, "call"), time(&cell.total_ns, "total"));
    let spawns = figures::median(&cell.total_ns).and_then(process::per_second);
    let shown = |found: Option<Estimate>| found.map_or(Entry::Blank, |found| PLAIN.entry(found));
    let times = match cell.method {
        BASE if rebuilt.multiple(BASE, BASE).is_some() => PLAIN.bare(1.0),
        method => shown(rebuilt.multiple(method, BASE)),
    };
    vec![
        Entry::Name(name.to_owned()),
        shown(spawns),
        call,
        total,
        times,
    ]
}

/// The fork of all of a process of which a part was rebuilt.
fn extrapolated(rebuilt: &Rebuilt<'_>, unit: Unit) -> Option<Vec<Entry>> {
    let fork = rebuilt
        .blame()
        .filter(|_| rebuilt.order.scale.is_part())?
        .fork;
    let [call, _, total] = figures::slices(unit, &fork, true);
    let spawns = process::per_second(fork.total_ns);
    Some(vec![
        Entry::Name("fork, all of it".to_owned()),
        spawns.map_or(Entry::Blank, |found| figures::entry(PLAIN, found, true)),
        call,
        total,
        Entry::Blank,
    ])
}

/// What the card had foretold, as a row below what was measured.
fn foretold(rebuilt: &Rebuilt<'_>, unit: Unit, notes: &mut Footnotes) -> Option<Vec<Entry>> {
    match &rebuilt.replica.forecast {
        Availability::Measured(forecast) => Some(vec![
            Entry::Name("fork, by the card".to_owned()),
            Entry::Blank,
            unit.bare(forecast.call_ns),
            unit.bare(forecast.total_ns),
            Entry::Blank,
        ]),
        Availability::Missing(missing) => {
            notes.missing(missing, "what a card foretells", None);
            None
        }
    }
}

fn remarks(rebuilt: &Rebuilt<'_>) -> Vec<String> {
    let part = rebuilt.order.scale.is_part().then(|| {
        "the workers have a part of the shape: their rows are as measured, and figures with ~ are \
         extrapolated to all of it"
            .to_owned()
    });
    part.into_iter().chain(forecast_remark(rebuilt)).collect()
}

/// A forecast against what was measured, as a share of that: below 0 if it is too low.
pub(super) fn error(rebuilt: &Rebuilt<'_>) -> Option<(ProcessForecast, f64)> {
    let forecast = *rebuilt.replica.forecast.measured()?;
    let measured = figures::median(&rebuilt.whole(SpawnMethod::Fork)?.total_ns)?;
    Some((forecast, process::error(&forecast, measured.value)?))
}

fn forecast_remark(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let (forecast, error) = error(rebuilt)?;
    let when = rebuilt
        .order
        .prices
        .measured()
        .map_or(String::new(), |prices| {
            format!(" of {}", utc(prices.measured_unix_s))
        });
    let part = if rebuilt.order.scale.is_part() {
        " of what the workers have"
    } else {
        ""
    };
    Some(format!(
        "the card{when} foretells the total of a fork{part} {} % too {}; nine of ten of its own \
         forecasts are off by less than {} %",
        number(error.abs() * 100.0, 1),
        if error < 0.0 { "low" } else { "high" },
        significant(forecast.error * 100.0)
    ))
}
