//! What else a parent brings, and the ways to spawn.

use super::figures::{self, UNIT, bounds_explained};
use super::names;
use crate::analysis::card::{Charged, Slice};
use crate::model::{Price, PriceKind, SpawnMethod};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::{Cell, Grid};
use crate::report::view::number::number;
use crate::report::view::table::{Column, Entry, Table};

/// What a parent may bring besides its address space; and a mapping, which most
/// methods do not look at.
const KINDS: [PriceKind; 5] = [
    PriceKind::Descriptor,
    PriceKind::CloexecDescriptor,
    PriceKind::Thread,
    PriceKind::Handler,
    PriceKind::Mapping,
];

/// One of each thing, by the method that spawns.
pub(super) fn parents(charged: &Charged<'_>, notes: &mut Footnotes) -> Table {
    let unit = |kind| figures::unit(charged.of_kind(kind).map(|price| &price.priced));
    let mut grid = Grid::new()
        .column(Column::name("one"), |kind| names::kind(*kind))
        .column(Column::name(UNIT), |kind| unit(*kind).name);
    for method in methods(charged) {
        grid = grid.column(Column::number(method.name(), ""), move |kind| {
            match charged.price(*kind, method) {
                Some(price) => {
                    let name = format!("{}: {}", names::kind(*kind), method.name());
                    let entry = figures::entry(&price.priced, Slice::Total, unit(*kind));
                    Cell::named(entry, &name, None)
                }
                // What a mapping adds to a fork is the first table's, and depends on what
                // it holds.
                None if *kind == PriceKind::Mapping => "see above".into(),
                None => Entry::Blank.into(),
            }
        });
    }
    let grid = grid.column(
        Column::number("over", "").explained(
            "how many more of it the parent had; where methods differ, the fewest and the most",
        ),
        |kind| over(&charged.of_kind(*kind).collect::<Vec<_>>()),
    );
    let kinds = KINDS.into_iter();
    let kinds = kinds.filter(|kind| charged.of_kind(*kind).next().is_some());
    bounds_explained(grid.table("What else a parent brings, in total a spawn", kinds, notes))
}

fn methods(charged: &Charged<'_>) -> Vec<SpawnMethod> {
    let all = SpawnMethod::ALL.into_iter();
    let has = |method: &SpawnMethod| {
        let mut kinds = KINDS.into_iter();
        kinds.any(|kind| charged.price(kind, *method).is_some())
    };
    all.filter(has).collect()
}

/// The units that differences were taken over.
fn over(prices: &[&Price]) -> Entry {
    let units = || prices.iter().map(|price| price.units);
    let fewest = units().fold(f64::INFINITY, f64::min);
    let most = units().fold(0.0, f64::max);
    let shown = |units: f64| number(units, 0);
    Entry::exact(if fewest < most {
        format!("{}-{}", shown(fewest), shown(most))
    } else {
        shown(most)
    })
}

/// One spawn from the empty parent, by method.
pub(super) fn spawns(charged: &Charged<'_>, notes: &mut Footnotes) -> Table {
    let prices = charged.of_kind(PriceKind::Spawn);
    let unit = figures::unit(prices.map(|price| &price.priced));
    let name = |price: &&Price| price.method.map_or("a spawn", SpawnMethod::name);
    let mut grid = Grid::new()
        .placed(move |price, _| (name(price).to_owned(), None))
        .column(Column::name("method"), name);
    for (head, moment) in [
        ("in the call", Slice::Call),
        ("after it", Slice::After),
        ("total", Slice::Total),
    ] {
        grid = grid.column(Column::number(head, &unit.subheader()), move |price| {
            figures::entry(&price.priced, moment, unit)
        });
    }
    let prices = charged.of_kind(PriceKind::Spawn);
    grid.table("Ways to spawn, from an empty parent", prices, notes)
}
