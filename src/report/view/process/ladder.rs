//! What a fork pays for: the rungs from an empty worker to the whole shape, each by
//! what it adds to the one below.

use super::{Rebuilt, figures, names};
use crate::analysis::process::{self, of_one};
use crate::model::{Blame, Rung, RungCost};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::number::{PERCENT, Unit, integer};
use crate::report::view::table::{Column, Entry, Table};
use crate::stats::Estimate;

/// Makes the table; without a blame it has no row, and another block says why.
pub(super) fn table(rebuilt: &Rebuilt<'_>, _notes: &mut Footnotes) -> Table {
    let blame = rebuilt.blame();
    let rungs: &[RungCost] = blame.map_or(&[], |blame| &blame.rungs);
    let unit = unit(blame);
    let prices = rungs.iter().filter_map(price);
    let price_unit = Unit::of_time(prices.map(|price| price.value));
    let mut rows: Vec<Vec<Entry>> = rungs
        .iter()
        .map(|rung| row(rebuilt, rung, unit, price_unit))
        .collect();
    let rules = vec![rows.len()];
    rows.extend(blame.map(|blame| sum(rebuilt, blame, unit)));
    let mut columns = vec![
        Column::name("added"),
        Column::number("units", "").explained("how many of it the process has"),
    ];
    columns.extend(figures::slice_columns(unit));
    columns.push(Column::number("share", "(%)").explained("of the total of a fork"));
    columns.push(
        Column::number("one", &price_unit.subheader())
            .explained("total by units: what one more of them adds to a fork like this"),
    );
    Table {
        title: "What a fork pays for".to_owned(),
        columns,
        rows,
        rules,
        notes: remarks(blame),
    }
}

/// The unit of all times of a blame, so that they can be compared.
pub(super) fn unit(blame: Option<&Blame>) -> Unit {
    let total = blame.map(|blame| blame.fork.total_ns.value / 10.0);
    Unit::of_time(total.into_iter())
}

/// Whether the figures of a rung were worked out from a part of its units.
pub(super) fn is_extrapolated(rung: &RungCost) -> bool {
    rung.factor != 1.0
}

/// What one unit costs, where a rung has units of one kind.
pub(super) fn price(rung: &RungCost) -> Option<Estimate> {
    names::units(rung.rung)?;
    of_one(rung)
}

fn row(rebuilt: &Rebuilt<'_>, rung: &RungCost, unit: Unit, price_unit: Unit) -> Vec<Entry> {
    let extrapolated = is_extrapolated(rung);
    let mut row = vec![
        Entry::Name(names::rung(rung.rung).to_owned()),
        match rung.rung {
            Rung::Empty => Entry::Blank,
            _ => Entry::exact(integer(rung.units)),
        },
    ];
    row.extend(figures::slices(unit, &rung.cost, extrapolated));
    row.push(share(rebuilt, rung.cost.total_ns, extrapolated));
    row.push(price(rung).map_or(Entry::Blank, |price| {
        figures::entry(price_unit, price, extrapolated)
    }));
    row
}

/// What a cost is of the fork.
pub(super) fn share(rebuilt: &Rebuilt<'_>, part: Estimate, extrapolated: bool) -> Entry {
    let fork = rebuilt.blame().map(|blame| blame.fork.total_ns);
    let share = fork.and_then(|fork| process::share(part, fork));
    share.map_or(Entry::Blank, |share| {
        figures::marked(PERCENT.bare(share), extrapolated)
    })
}

/// The last row: what all rungs add up to.
pub(super) fn sum(rebuilt: &Rebuilt<'_>, blame: &Blame, unit: Unit) -> Vec<Entry> {
    let extrapolated = rebuilt.order.scale.is_part();
    let mut row = vec![Entry::Name("fork".to_owned()), Entry::Blank];
    row.extend(figures::slices(unit, &blame.fork, extrapolated));
    row.push(share(rebuilt, blame.fork.total_ns, extrapolated));
    row.push(Entry::Blank);
    row
}

fn remarks(blame: Option<&Blame>) -> Vec<String> {
    if blame.is_none() {
        return Vec::new();
    }
    vec![
        "each row is a worker with so much more than the one above it, and its cost the \
         difference of the two: so they add up to the fork"
            .to_owned(),
        "the fork itself is that of an empty worker, with the mappings that every program has"
            .to_owned(),
    ]
}
