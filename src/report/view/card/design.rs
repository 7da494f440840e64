//! The parents: those that the prices were fitted to, those that only tried them, and
//! what of the design this host had no room for.

use super::Maker;
use crate::analysis::card::{self, Charged, Compared, Tried, footprint_bytes};
use crate::model::{Availability, Counts, Purpose, TrialCell};
use crate::report::view::footnotes::Footnotes;
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
        Table {
            title: "Parents drawn by chance that the fit has not seen".to_owned(),
            notes: parents.tried.iter().map(shape).collect(),
            ..parents.census(notes)
        }
    },
    |charged, notes| Table {
        title: "The same parents, as measured and as foretold".to_owned(),
        ..Parents::unseen(charged).times(charged, notes)
    },
];

/// Parents that were fitted, each foretold by a fit to the others.
pub(super) const FITTED: [Maker; 2] = [
    |charged, notes| {
        let parents = Parents::fitted(charged);
        Table {
            title: "The design: parents that the prices are fitted to".to_owned(),
            notes: beyond(charged, &parents.tried).into_iter().collect(),
            ..parents.census(notes)
        }
    },
    |charged, notes| {
        let parents = Parents::fitted(charged);
        Table {
            title: "The design, as measured and as foretold by the others".to_owned(),
            notes: worst(&parents.tried).into_iter().collect(),
            ..parents.times(charged, notes)
        }
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
    fn census(&self, notes: &mut Footnotes) -> Table {
        let mut columns = self.keys();
        columns.extend([
            Column::number("VMAs", ""),
            Column::number("of them", "anon.").explained_as(
                "of them anon.",
                "private mappings that hold pages of their own",
            ),
            Column::number("PTEs", "")
                .explained("page-table entries of pages in mappings that have pages of their own"),
            Column::number("empty", "entries")
                .explained("entries without a page in the page tables of such mappings"),
            Column::number("page", "tables").explained("without those in reserve for huge pages"),
            Column::number("huge", "pages"),
            Column::number("spawns", ""),
            Column::number("workers", ""),
        ]);
        let row = |tried: Tried<'_>| {
            let mut row = census(tried, notes);
            row.extend(counts(tried));
            row
        };
        self.table(columns, row)
    }

    /// What a fork of them took and was foretold to take.
    fn times(&self, charged: &Charged<'_>, notes: &mut Footnotes) -> Table {
        let total = |tried: &Tried<'_>| Some(tried.fork()?.total_ns.measured()?.median.value);
        let unit = Unit::of_time(self.tried.iter().filter_map(total));
        let mut columns = self.keys();
        columns.extend(compared("call", unit));
        columns.extend(compared("total", unit));
        self.table(columns, |tried| times(charged, tried, unit, notes))
    }

    /// The columns that name a row.
    fn keys(&self) -> Vec<Column> {
        let mut keys = vec![Column::name("#")];
        if self.fitted {
            keys.push(Column::name("varied"));
        }
        keys
    }

    /// A row a parent, with its keys; its title and its notes are to be added.
    fn table(
        &self,
        columns: Vec<Column>,
        mut entries: impl FnMut(Tried<'a>) -> Vec<Entry>,
    ) -> Table {
        let mut before = None;
        let mut rows = Vec::new();
        for tried in &self.tried {
            let mut row = vec![Entry::Name(tried.key())];
            if self.fitted {
                let purpose = tried.trial.purpose;
                row.push(match before.replace(purpose) == Some(purpose) {
                    true => Entry::Blank,
                    false => Entry::Name(card::name(purpose).to_owned()),
                });
            }
            row.extend(entries(*tried));
            rows.push(row);
        }
        Table {
            title: String::new(),
            columns,
            rows,
            rules: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// A time, what was foretold of it, and how far that is off.
fn compared(name: &str, unit: Unit) -> [Column; 3] {
    let unit = unit.subheader();
    [
        Column::number(name, &unit),
        Column::number("foretold", &unit).explained_as(
            "foretold",
            "by prices that were fitted to the other parents",
        ),
        Column::number("error", "(%)")
            .explained("what was foretold over what was measured, less 1: above 0 it was too high"),
    ]
}

/// What the kernel shows of a parent.
fn census(tried: Tried<'_>, notes: &mut Footnotes) -> Vec<Entry> {
    let shown: [fn(&Counts) -> u64; 6] = [
        |f| f.vmas,
        |f| f.anon_vmas,
        |f| f.ptes,
        |f| f.empty_entries,
        |f| f.tables,
        |f| f.huge_entries,
    ];
    let Some(counts) = tried.counts() else {
        notes.missing(&tried.why_not(), &tried.name(), None);
        return vec![Entry::Missing; shown.len()];
    };
    shown
        .map(|count| Entry::exact(integer(count(counts))))
        .into()
}

/// How often it was forked, and in how many workers.
fn counts(tried: Tried<'_>) -> [Entry; 2] {
    let samples = || tried.fork().into_iter().flat_map(|cell| &cell.samples);
    let spawns = samples().map(|samples| samples.total_ns.len() as u64);
    let spawns = spawns.fold(0, u64::saturating_add);
    [spawns, samples().count() as u64].map(|count| Entry::exact(integer(count)))
}

fn times(charged: &Charged<'_>, tried: Tried<'_>, unit: Unit, notes: &mut Footnotes) -> Vec<Entry> {
    type Time = fn(&TrialCell) -> &Availability<Summary>;
    let times: [(Time, Option<Compared>); 2] = [
        (|cell| &cell.call_ns, tried.call()),
        (|cell| &cell.total_ns, tried.total()),
    ];
    let mut entries = Vec::new();
    for (time, compared) in times {
        entries.push(match tried.fork().map(time) {
            Some(Availability::Measured(found)) => unit.entry(found.median),
            Some(Availability::Missing(missing)) => notes.missing(missing, &tried.name(), None),
            None => notes.missing(&tried.why_not(), &tried.name(), None),
        });
        if let Some(compared) = compared {
            let error = compared.error() * 100.0;
            entries.push(unit.bare(compared.foretold));
            entries.push(Entry::exact(number(error, 1)));
            continue;
        }
        if let Some(missing) = charged.prices().grade.missing() {
            notes.missing(missing, "foretold", None);
        }
        entries.extend([Entry::Missing, Entry::Missing]);
    }
    entries
}
