//! What else a parent brings, and the ways to spawn.

use super::{figures, names};
use crate::analysis::card::{Charged, Slice};
use crate::model::{Price, PriceKind, SpawnMethod};
use crate::report::view::footnotes::Footnotes;
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
    let methods = methods(charged);
    let kinds = KINDS
        .into_iter()
        .filter(|kind| charged.of_kind(*kind).next().is_some());
    let rows: Vec<_> = kinds
        .map(|kind| row(charged, kind, &methods, notes))
        .collect();
    let mut columns = vec![Column::name("one"), figures::unit_column(&rows)];
    columns.extend(methods.iter().map(|m| Column::number(m.name(), "")));
    columns.push(Column::number("over", "").explained(
        "how many more of it the parent had; where methods differ, the fewest and the most",
    ));
    Table {
        title: "What else a parent brings, in total a spawn".to_owned(),
        columns,
        rows,
        rules: Vec::new(),
        notes: Vec::new(),
    }
}

fn methods(charged: &Charged<'_>) -> Vec<SpawnMethod> {
    let all = SpawnMethod::ALL.into_iter();
    let has = |method: &SpawnMethod| {
        let mut kinds = KINDS.into_iter();
        kinds.any(|kind| charged.price(kind, *method).is_some())
    };
    all.filter(has).collect()
}

fn row(
    charged: &Charged<'_>,
    kind: PriceKind,
    methods: &[SpawnMethod],
    notes: &mut Footnotes,
) -> Vec<Entry> {
    let prices: Vec<&Price> = charged.of_kind(kind).collect();
    let unit = figures::unit(prices.iter().map(|price| &price.priced));
    let mut row = vec![
        Entry::Name(names::kind(kind).to_owned()),
        Entry::Name(unit.name.to_owned()),
    ];
    for method in methods {
        let name = format!("{}: {}", names::kind(kind), method.name());
        row.push(match charged.price(kind, *method) {
            Some(price) => figures::entry(&price.priced, Slice::Total, unit, &name, notes),
            // What a mapping adds to a fork is the first table's, and depends on what
            // it holds.
            None if kind == PriceKind::Mapping => Entry::Name("see above".to_owned()),
            None => Entry::Blank,
        });
    }
    row.push(over(&prices));
    row
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
    let prices: Vec<&Price> = charged.of_kind(PriceKind::Spawn).collect();
    let unit = figures::unit(prices.iter().map(|price| &price.priced));
    let row = |price: &&Price| {
        let name = price.method.map_or("a spawn", SpawnMethod::name);
        let mut row = vec![Entry::Name(name.to_owned())];
        for slice in [Slice::Call, Slice::After, Slice::Total] {
            row.push(figures::entry(&price.priced, slice, unit, name, notes));
        }
        row
    };
    let rows = prices.iter().map(row).collect();
    let number = |header| Column::number(header, &unit.subheader());
    Table {
        title: "Ways to spawn, from an empty parent".to_owned(),
        columns: vec![
            Column::name("method"),
            number("in the call"),
            number("after it"),
            number("total"),
        ],
        rows,
        rules: Vec::new(),
        notes: Vec::new(),
    }
}
