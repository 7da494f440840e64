//! The parents: those that the prices were fitted to, those that only tried them, and
//! what of the design this host had no room for.

use crate::analysis::card::{self, Charged, Compared, Tried};
use crate::model::{Availability, Counts, TrialCell};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::{Cell, Grid};
use crate::report::view::number::{Unit, integer, number, significant};
use crate::report::view::table::{Column, Entry, Table};
use crate::stats::Summary;

/// Parents that are named as foretold worst.
const WORST: usize = 3;

/// Parents that no fit has seen: what they have.
pub(super) fn unseen(charged: &Charged<'_>, notes: &mut Footnotes) -> Table {
    let title = "Parents drawn by chance that the fit has not seen";
    let shape = |tried: Tried<'_>| format!("{}: {}", tried.key(), tried.trial.space.in_words());
    census(named())
        .table(title, charged.unseen(), notes)
        .noting(charged.unseen().map(shape))
}

/// What the same took.
pub(super) fn unseen_times(charged: &Charged<'_>, notes: &mut Footnotes) -> Table {
    let title = "The same parents, as measured and as foretold";
    times(named(), charged, unit(charged.unseen())).table(title, charged.unseen(), notes)
}

/// Parents that the prices are fitted to: what they have.
pub(super) fn fitted(charged: &Charged<'_>, notes: &mut Footnotes) -> Table {
    let title = "The design: parents that the prices are fitted to";
    census(varied())
        .table(title, charged.fitted(), notes)
        .noting(beyond(charged))
}

/// What the same took, each foretold by a fit to the others.
pub(super) fn fitted_times(charged: &Charged<'_>, notes: &mut Footnotes) -> Table {
    let title = "The design, as measured and as foretold by the others";
    times(varied(), charged, unit(charged.fitted()))
        .table(title, charged.fitted(), notes)
        .noting(worst(charged))
}

/// The column that names a row.
fn named<'a>() -> Grid<'a, Tried<'a>> {
    Grid::new()
        .placed(|tried: &Tried<'_>, _| (tried.name(), None))
        .column(Column::name("#"), |tried| tried.key())
}

/// The same for parents that differ from an empty one for a purpose each.
fn varied<'a>() -> Grid<'a, Tried<'a>> {
    named().once(Column::name("varied"), |tried| {
        card::name(tried.trial.purpose)
    })
}

/// What they have, and how often they were forked.
fn census<'a>(grid: Grid<'a, Tried<'a>>) -> Grid<'a, Tried<'a>> {
    let has = |count: fn(&Counts) -> u64| {
        move |tried: &Tried<'_>| match tried.counts() {
            Some(counts) => Availability::Measured(count(counts)),
            None => Availability::Missing(tried.why_not()),
        }
    };
    grid.column(Column::number("VMAs", ""), has(|f| f.vmas))
        .column(
            Column::number("of them", "anon.").explained_as(
                "of them anon.",
                "private mappings that hold pages of their own",
            ),
            has(|f| f.anon_vmas),
        )
        .column(
            Column::number("PTEs", "")
                .explained("page-table entries of pages in mappings that have pages of their own"),
            has(|f| f.ptes),
        )
        .column(
            Column::number("empty", "entries")
                .explained("entries without a page in the page tables of such mappings"),
            has(|f| f.empty_entries),
        )
        .column(
            Column::number("page", "tables").explained("without those in reserve for huge pages"),
            has(|f| f.tables),
        )
        .column(Column::number("huge", "pages"), has(|f| f.huge_entries))
        .column(Column::number("spawns", ""), |tried| {
            let spawns = tried.samples().map(|worker| worker.total_ns.len() as u64);
            spawns.fold(0, u64::saturating_add)
        })
        .column(Column::number("workers", ""), |tried| {
            tried.samples().count() as u64
        })
}

/// What a fork of them took and was foretold to take.
fn times<'a>(
    mut grid: Grid<'a, Tried<'a>>,
    charged: &'a Charged<'_>,
    unit: Unit,
) -> Grid<'a, Tried<'a>> {
    type Time = fn(&TrialCell) -> &Availability<Summary>;
    type Forecast = fn(&Tried<'_>) -> Option<Compared>;
    let moments: [(&str, Time, Forecast); 2] = [
        ("call", |cell| &cell.call_ns, |tried| tried.call()),
        ("total", |cell| &cell.total_ns, |tried| tried.total()),
    ];
    let head = unit.subheader();
    for (name, time, compared) in moments {
        grid = grid
            .column(Column::number(name, &head), move |tried| {
                match tried.fork().map(time) {
                    Some(time) => time.map(|found| unit.entry(found.median)),
                    None => Availability::Missing(tried.why_not()),
                }
            })
            .column(
                Column::number("foretold", &head).explained_as(
                    "foretold",
                    "by prices that were fitted to the other parents",
                ),
                move |tried| {
                    let compared = compared(tried);
                    foretold(charged, compared.map(|found| unit.bare(found.foretold)))
                },
            )
            .column(
                Column::number("error", "(%)").explained(
                    "what was foretold over what was measured, less 1: above 0 it was too high",
                ),
                move |tried| {
                    let error = compared(tried).map(|found| number(found.error() * 100.0, 1));
                    foretold(charged, error.map(Entry::exact))
                },
            );
    }
    grid
}

fn unit<'a>(tried: impl Iterator<Item = Tried<'a>>) -> Unit {
    Unit::of_time(tried.filter_map(|tried| Some(tried.fork()?.total_ns.measured()?.median.value)))
}

/// What is shown of a forecast; why there are none at all is noted once for all rows.
fn foretold(charged: &Charged<'_>, shown: Option<Entry>) -> Cell {
    match (shown, charged.prices().grade.missing()) {
        (Some(shown), _) => shown.into(),
        (None, Some(missing)) => Cell::missing(missing.clone(), "foretold", None),
        (None, None) => Entry::Missing.into(),
    }
}

/// What this host had no room or no program for, a line each.
pub(super) fn left_out(charged: &Charged<'_>) -> Vec<String> {
    let left_out = charged.order.left_out.iter();
    left_out
        .map(|part| {
            let name = card::name(part.purpose);
            if part.what == name {
                format!("{name}: {}", part.why)
            } else {
                format!("{name} ({}): {}", part.what, part.why)
            }
        })
        .collect()
}

/// Which parents lie beyond the knee.
fn beyond(charged: &Charged<'_>) -> Option<String> {
    let knee = charged.prices().knee_bytes?;
    let keys: Vec<String> = charged.beyond(knee).map(Tried::key).collect();
    (!keys.is_empty()).then(|| {
        format!(
            "the response is not linear: parents {} reach beyond the knee of {} KiB",
            keys.join(", "),
            integer(knee >> 10)
        )
    })
}

/// The parents that the fit foretells worst.
fn worst(charged: &Charged<'_>) -> Option<String> {
    let errors = charged.by_error().into_iter().take(WORST);
    let named: Vec<String> = errors
        .map(|(tried, error)| {
            let side = if error < 0.0 { "too low" } else { "too high" };
            format!(
                "{} ({}), {} % {side}",
                tried.key(),
                tried.trial.space.in_words(),
                significant(error.abs() * 100.0)
            )
        })
        .collect();
    (!named.is_empty()).then(|| format!("the totals foretold worst: {}", named.join("; ")))
}
