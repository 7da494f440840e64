//! How good the card is: what its own forecasts are worth.

use crate::analysis::card::{Charged, error};
use crate::model::{Availability, Errors};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{PERCENT, Unit, counted, significant};
use crate::report::view::table::{Column, Entry, Table};

/// The share that a fit explains, which is told from 1 by its last digits.
const EXPLAINED: Unit = Unit {
    name: "of 1",
    size: 1.0,
};

/// Makes the table; without a fit it has no row, and the first table says why.
pub(super) fn table(charged: &Charged<'_>, notes: &mut Footnotes) -> Table {
    let grade = charged.prices().grade.measured();
    let rows = grade.into_iter();
    let rows = rows.flat_map(|grade| [("call", &grade.call), ("total", &grade.total)]);
    let fitted = grade.map(|grade| {
        format!(
            "fitted to {}, each foretold by a fit to the others (all decide whether there is a knee)",
            counted(grade.parents, "parent")
        )
    });
    type Row<'a> = (&'a str, &'a Errors);
    Grid::new()
        .placed(|_, column| (column.header.trim_end_matches(':').to_owned(), None))
        .column(Column::name("of the"), |row: &Row<'_>| row.0)
        .column(
            Column::number("R2", "")
                .explained("the share of the weighted variance that the fit explains"),
            |row| shown(&error(row.1.r_squared), EXPLAINED),
        )
        .column(
            Column::number("left out:", "median (%)").explained_as(
                "left out",
                "parents of the design, each foretold by a fit to all others: the median of the \
                 errors, and what nine of ten stay below",
            ),
            |row| shown(&error(row.1.loo_median), PERCENT),
        )
        .column(Column::number("left out:", "9 of 10 (%)"), |row| {
            shown(&error(row.1.loo_p90), PERCENT)
        })
        .column(
            Column::number("unseen:", "median (%)").explained_as(
                "unseen",
                "parents drawn by chance and kept out of every fit: the median of the errors, \
                 and the largest",
            ),
            |row| shown(&told(&row.1.validation_median), PERCENT),
        )
        .column(Column::number("unseen:", "worst (%)"), |row| {
            shown(&told(&row.1.validation_worst), PERCENT)
        })
        .table(
            "How good the card is: how far its forecasts of a fork are off",
            rows,
            notes,
        )
        .noting(fitted)
}

fn shown(found: &Availability<f64>, unit: Unit) -> Availability<Entry> {
    found.map(|error| unit.bare(*error))
}

/// An error that there may be none of.
fn told(found: &Availability<f64>) -> Availability<f64> {
    found.and_then(|stored| error(*stored))
}

/// The grade of the total in words.
pub(super) fn sentence(errors: &Errors) -> Option<String> {
    let percent = |error: Availability<f64>| Some(significant(error.measured()? * 100.0));
    let middle = percent(error(errors.loo_median))?;
    let most = percent(error(errors.loo_p90))?;
    let mut sentence = format!(
        "forecasts of a fork's total are off by {middle} % in the middle and by more than \
         {most} % in one of ten"
    );
    let unseen = percent(told(&errors.validation_median));
    let worst = percent(told(&errors.validation_worst));
    if let Some((unseen, worst)) = unseen.zip(worst) {
        sentence += &format!(
            "; of parents drawn by chance that no fit has seen, by {unseen} % in the middle and \
             by {worst} % at the worst"
        );
    }
    Some(sentence)
}
