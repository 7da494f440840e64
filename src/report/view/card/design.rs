//! The parents: those that the prices were fitted to, those that only tried them, and
//! what of the design this host had no room for.

use super::Maker;
use crate::analysis::card::{self, Charged, Compared, Tried, footprint_bytes};
use crate::model::{Availability, Counts, Purpose, TrialCell, WorkerSamples};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::{Cell, Grid};
use crate::report::view::number::{Unit, integer, number, significant};
use crate::report::view::table::{Column, Entry, Table};
use crate::stats::Summary;

/// Parents that are named as foretold worst.
const WORST: usize = 3;

/// Parents that no fit has seen: what they have, and what they took.
pub(super) const VALIDATION: [Maker; 2] = [
    |charged, notes| {
        let parents = Parents::unseen(charged);
        let shape = |tried: &Tried<'_>| {
            let words = tried.trial.space.in_words();
            format!("{}: {words}", tried.key())
        };
        let title = "Parents drawn by chance that the fit has not seen";
        let shapes: Vec<String> = parents.tried.iter().map(shape).collect();
        parents.census(title, notes).noting(shapes)
    },
    |charged, notes| {
        let title = "The same parents, as measured and as foretold";
        Parents::unseen(charged).times(title, charged, notes)
    },
];

/// Parents that were fitted, each foretold by a fit to the others.
pub(super) const FITTED: [Maker; 2] = [
    |charged, notes| {
        let parents = Parents::fitted(charged);
        let title = "The design: parents that the prices are fitted to";
        let beyond = beyond(charged, &parents.tried);
        parents.census(title, notes).noting(beyond)
    },
    |charged, notes| {
        let parents = Parents::fitted(charged);
        let title = "The design, as measured and as foretold by the others";
        let worst = worst(&parents.tried);
        parents.times(title, charged, notes).noting(worst)
    },
];

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

/// Which parents lie beyond the knee, where a unit costs more.
fn beyond(charged: &Charged<'_>, tried: &[Tried<'_>]) -> Option<String> {
    let knee = charged.prices().knee_bytes?;
    let is_beyond = |tried: &&Tried<'_>| {
        let counts = tried.counts();
        counts.is_some_and(|counts| footprint_bytes(counts) > knee)
    };
    let keys: Vec<String> = tried
        .iter()
        .filter(is_beyond)
        .map(|tried| tried.key())
        .collect();
    (!keys.is_empty()).then(|| {
        format!(
            "the response is not linear: parents {} reach beyond the knee of {} KiB",
            keys.join(", "),
            integer(knee >> 10)
        )
    })
}

/// The parents that the fit foretells worst.
fn worst(tried: &[Tried<'_>]) -> Option<String> {
    let mut errors: Vec<(Tried<'_>, f64)> = tried
        .iter()
        .filter_map(|tried| Some((*tried, tried.total()?.error())))
        .collect();
    errors.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let named: Vec<String> = errors
        .iter()
        .take(WORST)
        .map(|(tried, error)| {
            let side = if *error < 0.0 { "too low" } else { "too high" };
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

/// Parents that are shown together.
struct Parents<'a> {
    tried: Vec<Tried<'a>>,
    /// Whether they were fitted, each for a purpose.
    fitted: bool,
}

impl<'a> Parents<'a> {
    fn fitted(charged: &Charged<'a>) -> Self {
        let is_fitted = |tried: &Tried<'_>| tried.trial.purpose.is_fitted();
        Self {
            tried: charged.tried().filter(is_fitted).collect(),
            fitted: true,
        }
    }

    fn unseen(charged: &Charged<'a>) -> Self {
        let is_unseen = |tried: &Tried<'_>| tried.trial.purpose == Purpose::Validation;
        Self {
            tried: charged.tried().filter(is_unseen).collect(),
            fitted: false,
        }
    }

    /// What they have, and how often they were forked.
    fn census(&self, title: &str, notes: &mut Footnotes) -> Table {
        let has = |count: fn(&Counts) -> u64| {
            move |tried: &Tried<'_>| match tried.counts() {
                Some(counts) => Availability::Measured(count(counts)),
                None => Availability::Missing(tried.why_not()),
            }
        };
        self.grid()
            .column(Column::number("VMAs", ""), has(|f| f.vmas))
            .column(
                Column::number("of them", "anon.").explained_as(
                    "of them anon.",
                    "private mappings that hold pages of their own",
                ),
                has(|f| f.anon_vmas),
            )
            .column(
                Column::number("PTEs", "").explained(
                    "page-table entries of pages in mappings that have pages of their own",
                ),
                has(|f| f.ptes),
            )
            .column(
                Column::number("empty", "entries")
                    .explained("entries without a page in the page tables of such mappings"),
                has(|f| f.empty_entries),
            )
            .column(
                Column::number("page", "tables")
                    .explained("without those in reserve for huge pages"),
                has(|f| f.tables),
            )
            .column(Column::number("huge", "pages"), has(|f| f.huge_entries))
            .column(Column::number("spawns", ""), |tried| {
                let spawns = samples(tried).map(|samples| samples.total_ns.len() as u64);
                spawns.fold(0, u64::saturating_add)
            })
            .column(Column::number("workers", ""), |tried| {
                samples(tried).count() as u64
            })
            .table(title, self.tried.iter().copied(), notes)
    }

    /// What a fork of them took and was foretold to take.
    fn times(&self, title: &str, charged: &Charged<'_>, notes: &mut Footnotes) -> Table {
        let total = |tried: &Tried<'_>| Some(tried.fork()?.total_ns.measured()?.median.value);
        let unit = Unit::of_time(self.tried.iter().filter_map(total));
        type Time = fn(&TrialCell) -> &Availability<Summary>;
        type Forecast = fn(&Tried<'_>) -> Option<Compared>;
        let moments: [(&str, Time, Forecast); 2] = [
            ("call", |cell| &cell.call_ns, |tried| tried.call()),
            ("total", |cell| &cell.total_ns, |tried| tried.total()),
        ];
        let mut grid = self.grid();
        for (name, time, compared) in moments {
            let foretold = move |tried: &Tried<'_>, show: &dyn Fn(Compared) -> Entry| match (
                compared(tried),
                charged.prices().grade.missing(),
            ) {
                (Some(compared), _) => show(compared).into(),
                (None, Some(missing)) => Cell::missing(missing.clone(), "foretold", None),
                (None, None) => Entry::Missing.into(),
            };
            grid = grid
                .column(
                    Column::number(name, &unit.subheader()),
                    move |tried| match tried.fork().map(time) {
                        Some(time) => time.map(|found| unit.entry(found.median)),
                        None => Availability::Missing(tried.why_not()),
                    },
                )
                .column(
                    Column::number("foretold", &unit.subheader()).explained_as(
                        "foretold",
                        "by prices that were fitted to the other parents",
                    ),
                    move |tried| foretold(tried, &|compared| unit.bare(compared.foretold)),
                )
                .column(
                    Column::number("error", "(%)").explained(
                        "what was foretold over what was measured, less 1: above 0 it was too high",
                    ),
                    move |tried| {
                        foretold(tried, &|compared| {
                            Entry::exact(number(compared.error() * 100.0, 1))
                        })
                    },
                );
        }
        grid.table(title, self.tried.iter().copied(), notes)
    }

    /// The columns that name a row.
    fn grid<'g>(&self) -> Grid<'g, Tried<'a>>
    where
        'a: 'g,
    {
        let grid = Grid::new()
            .placed(|tried: &Tried<'_>, _| (tried.name(), None))
            .column(Column::name("#"), |tried| tried.key());
        match self.fitted {
            true => grid.once(Column::name("varied"), |tried| {
                card::name(tried.trial.purpose)
            }),
            false => grid,
        }
    }
}

/// The forks of a parent, worker by worker.
fn samples<'a>(tried: &Tried<'a>) -> impl Iterator<Item = &'a WorkerSamples> {
    tried.fork().into_iter().flat_map(|cell| &cell.samples)
}
