//! What a fork pays for: the rungs from an empty worker to the whole shape, each by
//! what it adds to the one below.

use super::charge::{self, Charge};
use super::{Rebuilt, names};
use crate::analysis::process::of_one;
use crate::model::{Blame, Rung, RungCost};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::Unit;
use crate::report::view::table::{Column, Table};
use crate::stats::Estimate;

/// Makes the table.
pub(super) fn table(rebuilt: &Rebuilt<'_>, blame: &Blame, notes: &mut Footnotes) -> Table {
    let prices = blame.rungs.iter().filter_map(price);
    let unit = Unit::of_time(prices.map(|price| price.value));
    let grid = Grid::new()
        .column(Column::name("added"), |charge: &Charge<'_>| charge.name)
        .column(
            Column::number("units", "").explained("how many of it the process has"),
            |charge| {
                let rung = charge.rung.filter(|rung| rung.rung != Rung::Empty);
                rung.map(|rung| rung.units)
            },
        );
    let rungs = blame.rungs.iter().map(Charge::of_rung);
    charge::costs(grid, blame)
        .column(
            Column::number("one", &unit.subheader())
                .explained("total by units: what one more of them adds to a fork like this"),
            |charge| Some(charge.entry(unit, price(charge.rung?)?)),
        )
        .table(
            "What a fork pays for",
            rungs.chain([Charge::of_fork(blame, rebuilt.is_part())]),
            notes,
        )
        .ruled([blame.rungs.len()])
        .noting([
            "each row is a worker with so much more than the one above it, and its cost the \
             difference of the two: so they add up to the fork"
                .to_owned(),
            "the fork itself is that of an empty worker, with the mappings that every program has"
                .to_owned(),
        ])
}

/// What one unit costs, where a rung has units of one kind.
fn price(rung: &RungCost) -> Option<Estimate> {
    names::units(rung.rung)?;
    of_one(rung)
}
