//! Prices as entries: in the unit of their row, with their interval; or what they are
//! at the most, where they are not told from 0.

use crate::analysis::card::Slice;
use crate::model::{Availability, Priced};
use crate::report::view::number::Unit;
use crate::report::view::table::{Entry, Table};
use crate::stats::Estimate;

/// The head of the column of units.
pub(super) const UNIT: &str = "unit";

/// A price at one moment, and the most that it can be.
pub(super) fn slice(priced: &Priced, slice: Slice) -> (&Availability<Estimate>, Option<f64>) {
    match slice {
        Slice::Call => (&priced.call_ns, priced.at_most.call_ns),
        Slice::After => (&priced.after_ns, priced.at_most.after_ns),
        Slice::Total => (&priced.total_ns, priced.at_most.total_ns),
    }
}

/// The unit of a row with these prices: their totals decide, and what those are at the
/// most only where none is told from 0.
pub(super) fn unit<'a>(priced: impl Iterator<Item = &'a Priced>) -> Unit {
    let totals: Vec<_> = priced.map(|priced| slice(priced, Slice::Total)).collect();
    let mut told = totals.iter().filter_map(|(found, _)| found.measured());
    match told.next() {
        Some(first) => Unit::of_time(std::iter::once(first).chain(told).map(|found| found.value)),
        None => Unit::of_time(totals.iter().filter_map(|(_, most)| *most)),
    }
}

/// What is shown of a price in a unit.
pub(super) fn entry(priced: &Priced, moment: Slice, unit: Unit) -> Availability<Entry> {
    match slice(priced, moment) {
        (Availability::Missing(_), Some(0.0)) => {
            Availability::Measured(Entry::exact("none".to_owned()))
        }
        (Availability::Missing(_), Some(most)) if most.is_finite() => {
            Availability::Measured(Entry::exact(unit.bound(most)))
        }
        (found, _) => unit.found(found),
    }
}

/// The same table, its column of units explaining the bounds that rows hold.
pub(super) fn bounds_explained(mut table: Table) -> Table {
    let is_bound =
        |entry: &Entry| matches!(entry, Entry::Figure { value, .. } if value.starts_with("< "));
    let has_bounds = table.rows.iter().flatten().any(is_bound);
    let units = table
        .columns
        .iter_mut()
        .find(|column| column.header == UNIT);
    if let Some(units) = units.filter(|_| has_bounds) {
        units.legend = Some((
            "< 12".to_owned(),
            "not told from 0: it may be nothing, and is at most so much (the upper end of the \
             95 % interval); a longer --time narrows it"
                .to_owned(),
        ));
    }
    table
}
