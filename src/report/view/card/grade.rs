//! How good the card is: what its own forecasts are worth.

use crate::analysis::card::Charged;
use crate::model::{Availability, Errors, Missing};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::number::{PERCENT, Unit, counted, significant};
use crate::report::view::table::{Column, Entry, Table};

/// The share that a fit explains, which is told from 1 by its last digits.
const EXPLAINED: Unit = Unit {
    name: "of 1",
    size: 1.0,
};

/// Makes the table; without a fit it has no row, and the first table says why.
pub(super) fn table(charged: &Charged<'_>, footnotes: &mut Footnotes) -> Table {
    let grade = charged.prices().grade.measured();
    let rows = grade.map_or(Vec::new(), |grade| {
        vec![
            row("call", &grade.call, footnotes),
            row("total", &grade.total, footnotes),
        ]
    });
    let share = |header, subheader| Column::number(header, subheader);
    let mut notes = Vec::new();
    if let Some(grade) = grade {
        notes.push(format!(
            "fitted to {}, each foretold by a fit to the others (the knee is that of all)",
            counted(grade.parents, "parent")
        ));
    }
    Table {
        title: "How good the card is: how far its forecasts of a fork are off".to_owned(),
        columns: vec![
            Column::name("of the"),
            share("R2", "").explained("the share of the weighted variance that the fit explains"),
            share("left out:", "median (%)").explained_as(
                "left out",
                "parents of the design, each foretold by a fit to all others: the median of the \
                 errors, and what nine of ten stay below",
            ),
            share("left out:", "9 of 10 (%)"),
            share("unseen:", "median (%)").explained_as(
                "unseen",
                "parents drawn by chance and kept out of every fit: the median of the errors, \
                 and the largest",
            ),
            share("unseen:", "worst (%)"),
        ],
        rows,
        rules: Vec::new(),
        notes,
    }
}

fn row(name: &str, errors: &Errors, notes: &mut Footnotes) -> Vec<Entry> {
    let mut entry = |error: &Availability<f64>, unit: Unit, column: &str| {
        let figure = match error.measured().map(|error| readable(*error)) {
            Some(Some(error)) => Availability::Measured(error),
            Some(None) => Availability::Missing(no_error()),
            None => error.clone(),
        };
        notes.bare(&figure, unit, column, None)
    };
    let left_out = [errors.loo_median, errors.loo_p90].map(Availability::Measured);
    let explained = Availability::Measured(errors.r_squared);
    vec![
        Entry::Name(name.to_owned()),
        entry(&explained, EXPLAINED, "R2"),
        entry(&left_out[0], PERCENT, "left out"),
        entry(&left_out[1], PERCENT, "left out"),
        entry(&errors.validation_median, PERCENT, "unseen"),
        entry(&errors.validation_worst, PERCENT, "unseen"),
    ]
}

fn no_error() -> Missing {
    Missing::unavailable(
        "no parent was foretold without itself",
        Some("raise --time, or let the host have room for more parents"),
    )
}

/// An error that is one: a fit without any has none, which is stored as a huge one.
fn readable(error: f64) -> Option<f64> {
    const HUGE: f64 = 1e9;
    (error.abs() < HUGE).then_some(error)
}

/// The grade of the total in words.
pub(super) fn sentence(errors: &Errors) -> Option<String> {
    let percent = |error: f64| Some(significant(readable(error)? * 100.0));
    let (middle, most) = (percent(errors.loo_median)?, percent(errors.loo_p90)?);
    let mut sentence = format!(
        "forecasts of a fork's total are off by {middle} % in the middle and by more than \
         {most} % in one of ten"
    );
    let unseen = errors.validation_median.measured().copied();
    let worst = errors.validation_worst.measured().copied();
    if let Some((unseen, worst)) = unseen.and_then(percent).zip(worst.and_then(percent)) {
        sentence += &format!(
            "; of parents drawn by chance that no fit has seen, by {unseen} % in the middle and \
             by {worst} % at the worst"
        );
    }
    Some(sentence)
}
