//! What copying spawns cost, and what other ways would take: a row a program.

use super::names;
use crate::analysis::trace::{Saved, saved};
use crate::model::{Availability, CardSaving, CardWay, Saving, SpawnMethod, Trace};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::{Cell, Grid};
use crate::report::view::number::{PERCENT, Unit, counted, integer, percent, prose, significant};
use crate::report::view::table::{Column, Table};
use crate::units::utc;

/// Programs that are shown; the document has all.
const MOST: usize = 12;
/// What is set against a fork.
const INSTEAD: SpawnMethod = SpawnMethod::PosixSpawn;

/// Takes a time of a way.
type Pick = fn(&CardWay) -> f64;

/// Makes the table.
pub(super) fn table(trace: &Trace, notes: &mut Footnotes) -> Table {
    let more = trace.savings.len().saturating_sub(MOST) as u64;
    let more = (more > 0).then(|| format!("and {} more", integer(more)));
    let unit = Unit::of_time(trace.savings.iter().flat_map(times));
    let grid = timed(named(trace), trace, unit);
    foretold(grid, trace, unit, notes)
        .table(
            "Copying spawns of programs, and what others would take",
            trace.savings.iter().take(MOST),
            notes,
        )
        .noting(more)
        .noting(of_cards(trace))
}

/// What is shown of a row in a unit of time.
fn times(saving: &Saving) -> impl Iterator<Item = f64> {
    let measured = saving.call_ns.measured().map(|calls| calls.total);
    let card = saving.by_card.measured();
    let fork = card.and_then(|card| card.by(SpawnMethod::Fork));
    measured.into_iter().chain(fork.map(|fork| fork.call_ns))
}

/// What was seen.
fn named(trace: &Trace) -> Grid<'_, &Saving> {
    Grid::new()
        .column(Column::name("spawned by"), |row: &&Saving| {
            names::program(trace, row.program)
        })
        .column(
            Column::number("copying", "spawns").explained(
                "those whose child executed a program, spawned nothing before, and got no \
                 namespace: another way may take their place, if the child does no more before its \
                 exec than posix_spawn can be told",
            ),
            |row| row.replaceable,
        )
        .column(
            Column::number("PTEs", "").explained(
                "page-table entries that a fork copies, of a process at the size from which most of \
                 them were made, when it was looked at",
            ),
            |row| ptes(row),
        )
}

/// Entries that a fork copies of what most spawns of a row were made from.
fn ptes(saving: &Saving) -> Option<u64> {
    let parents = saving.parents.iter();
    let mut known = parents.filter_map(|parent| parent.parent.measured());
    known.next().map(|parent| parent.mappings.ptes)
}

/// What they were measured to take, where calls were timed.
fn timed<'a>(grid: Grid<'a, &'a Saving>, trace: &Trace, unit: Unit) -> Grid<'a, &'a Saving> {
    if !trace
        .savings
        .iter()
        .any(|row| row.call_ns.measured().is_some())
    {
        return grid;
    }
    grid.column(
        Column::number("measured", &format!("calls {}", unit.subheader()))
            .explained("all calls together, with forktax's stops in them"),
        move |row| row.call_ns.map(|calls| unit.bare(calls.total)),
    )
    .column(
        Column::number("in them", "(%)")
            .explained("share of the time in which some thread stood in such a call"),
        |row| row.standing_share.map(|share| PERCENT.bare(*share)),
    )
}

/// What the card foretells by each way.
fn foretold<'a>(
    mut grid: Grid<'a, &'a Saving>,
    trace: &Trace,
    unit: Unit,
    notes: &mut Footnotes,
) -> Grid<'a, &'a Saving> {
    const BY_CARD: &str = "what they take by the card";
    let cards = || trace.savings.iter().map(|row| &row.by_card);
    if !cards().any(|card| card.measured().is_some()) {
        for missing in cards().filter_map(Availability::missing) {
            notes.missing(missing, BY_CARD, None);
        }
        return grid;
    }
    let has = |method: &SpawnMethod| {
        let mut cards = cards().filter_map(Availability::measured);
        cards.any(|card| card.by(*method).is_some())
    };
    let ways = [SpawnMethod::Fork, INSTEAD, SpawnMethod::Vfork];
    for method in ways.into_iter().filter(has) {
        let columns: [(&str, &str, Pick); 2] = [
            (method.name(), "calls", |way| way.call_ns),
            ("", "total", |way| way.total_ns),
        ];
        for (head, sub, of) in columns {
            let column = Column::number(head, &format!("{sub} {}", unit.subheader()));
            let column = column.explained_as(
                "fork, posix_spawn, vfork",
                "what all of them take by the host's card, without forktax's stops: the calls, and \
                 from the call to the end of a child that executes a program which ends at once",
            );
            grid = grid.column(column, move |row| {
                let way = |card: &CardSaving| card.by(method).map(|way| unit.bare(of(way)));
                Cell::named(row.by_card.map(way), BY_CARD, None)
            });
        }
    }
    grid
}

/// Which card it is, and of how much it tells.
fn of_cards(trace: &Trace) -> Vec<String> {
    let cards = trace.savings.iter();
    let mut cards = cards.filter_map(|row| Some((row, row.by_card.measured()?)));
    let Some((_, first)) = cards.clone().next() else {
        return Vec::new();
    };
    let mut lines = vec![format!(
        "by the card of {}: nine of ten of its forecasts of forks are off by at most {} % in the \
         call and {} % in the total",
        utc(first.measured_unix_s),
        percent(first.call_error),
        percent(first.total_error)
    )];
    if let Some((row, card)) = cards.find(|(row, card)| card.spawns < row.replaceable) {
        lines.push(format!(
            "the card's figures are of the spawns from processes of sizes that were looked at, and \
             that it has prices for: of {} of {} by {}",
            integer(card.spawns),
            integer(row.replaceable),
            names::program(trace, row.program)
        ));
    }
    lines
}

/// What the dearest of them cost, and what another way would take.
pub(super) fn sentence(trace: &Trace) -> Option<String> {
    let saving = trace.savings.first()?;
    let entries =
        ptes(saving).map_or_else(String::new, |ptes| format!(" ({})", counted(ptes, "PTE")));
    let what = format!(
        "{} of {}{entries}",
        counted(saving.replaceable, "copying spawn"),
        names::program(trace, saving.program)
    );
    let measured = saving
        .call_ns
        .measured()
        .zip(saving.standing_share.measured());
    let measured = measured.map(|(calls, share)| {
        format!(
            "{what} stood in their calls for {}{}, in {} % of the {} s, forktax's stops included",
            span(calls.total),
            match calls.count < saving.replaceable {
                true => format!(
                    " ({} of {} were timed)",
                    integer(calls.count),
                    integer(saving.replaceable)
                ),
                false => String::new(),
            },
            percent(*share),
            significant(trace.wall_ns as f64 / 1e9)
        )
    });
    // It may not know what all of them were made from.
    let of_them = |card: &CardSaving, all: &str| match card.spawns < saving.replaceable {
        true => format!("{} of {all}", integer(card.spawns)),
        false => all.to_owned(),
    };
    Some(match (saving.by_card.measured(), measured) {
        (Some(card), Some(measured)) => {
            let these = of_them(card, "these");
            let told = by_card(card, &these);
            format!(
                "{measured}; by this host's card, which is of a host at rest and without these \
                 stops, {told}."
            )
        }
        (Some(card), None) => {
            let what = of_them(card, &what);
            format!("By this host's card {}.", by_card(card, &what))
        }
        (None, measured) => {
            let why = saving.by_card.missing().map(|missing| missing.in_words());
            let told = measured.map_or_else(
                || format!("What {what} took, and another way would, is not told"),
                |measured| format!("{measured}; what another way would take is not told"),
            );
            format!("{told}: {}.", why.unwrap_or_default())
        }
    })
}

/// What children do before their exec is not seen.
const IF_IT_CAN: &str = ", if their children do no more before their exec than it can be told";

/// What a card says of spawns: where another way saves something, both; else that it is not seen to.
fn by_card(card: &CardSaving, what: &str) -> String {
    let both = card.by(SpawnMethod::Fork).zip(card.by(INSTEAD));
    let Some((fork, other)) = both else {
        return format!("what {what} would take by {} is not told", INSTEAD.name());
    };
    match saved(card, INSTEAD) {
        Some(Saved::InCall) => format!(
            "the calls of {what} take {}, and would take {} by {}{IF_IT_CAN}",
            span(fork.call_ns),
            span(other.call_ns),
            INSTEAD.name()
        ),
        Some(Saved::InTotal) => format!(
            "{what} take {} from the call to the end of a child that ends at once, and would take {} \
             by {}{}{IF_IT_CAN}",
            span(fork.total_ns),
            span(other.total_ns),
            INSTEAD.name(),
            match other.call_ns > fork.call_ns {
                true => ", though the call itself takes longer",
                false => "",
            }
        ),
        None => format!(
            "{what} take {} from the call to the end of a child that ends at once, which {} is not \
             sure to shorten ({})",
            span(fork.total_ns),
            INSTEAD.name(),
            span(other.total_ns)
        ),
    }
}

/// A time over a run: in seconds from a tenth on.
fn span(ns: f64) -> String {
    match ns {
        ns if ns >= 1e8 => format!("{} s", significant(ns / 1e9)),
        ns => prose(ns),
    }
}
