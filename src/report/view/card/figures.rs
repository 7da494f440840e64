//! Prices as entries: in the unit of their row, with their interval; or what they are
//! at the most, where they are not told from 0.

use crate::analysis::card::Slice;
use crate::model::{Availability, Priced};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::number::Unit;
use crate::report::view::table::{Column, Entry};
use crate::stats::Estimate;

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
pub(super) fn unit<'a>(priced: impl Iterator<Item = &'a Priced> + Clone) -> Unit {
    let told = priced.clone().filter_map(|priced| {
        let (found, _) = slice(priced, Slice::Total);
        Some(found.measured()?.value)
    });
    if told.clone().next().is_some() {
        return Unit::of_time(told);
    }
    Unit::of_time(priced.filter_map(|priced| slice(priced, Slice::Total).1))
}

/// The entry of a price; why it is missing is noted under its name.
pub(super) fn entry(
    priced: &Priced,
    moment: Slice,
    unit: Unit,
    name: &str,
    notes: &mut Footnotes,
) -> Entry {
    match slice(priced, moment) {
        (Availability::Measured(found), _) => unit.entry(*found),
        (Availability::Missing(_), Some(0.0)) => Entry::exact("none".to_owned()),
        (Availability::Missing(_), Some(most)) if most.is_finite() => {
            Entry::exact(unit.bound(most))
        }
        (Availability::Missing(missing), _) => notes.missing(missing, name, None),
    }
}

/// The column of the units, one a row; it explains the bounds that rows hold.
pub(super) fn unit_column(rows: &[Vec<Entry>]) -> Column {
    let column = Column::name("unit");
    let is_bound =
        |entry: &Entry| matches!(entry, Entry::Figure { value, .. } if value.starts_with("< "));
    if rows.iter().flatten().any(is_bound) {
        column.explained_as(
            "< 12",
            "not told from 0: it may be nothing, and is at most so much (the upper end of the \
             95 % interval); a longer --time narrows it",
        )
    } else {
        column
    }
}
