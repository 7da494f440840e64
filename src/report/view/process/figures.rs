//! Figures of a live process: with intervals, as prose, and marked where they were
//! extrapolated.

use crate::model::Availability;
use crate::report::view::number::{Unit, percent, significant};
use crate::report::view::prose::{interval, time_within};
use crate::report::view::table::Entry;
use crate::stats::{Estimate, Summary};

/// What stands before a figure that was not measured but worked out from a part.
pub(super) fn mark(extrapolated: bool) -> &'static str {
    if extrapolated { "~" } else { "" }
}

/// The median of a summary with its interval.
pub(in crate::report::view) fn median(summary: &Availability<Summary>) -> Option<Estimate> {
    summary.measured()?.median.sound()
}

/// The entry of an estimate, marked where it was extrapolated.
pub(in crate::report::view) fn entry(unit: Unit, found: Estimate, extrapolated: bool) -> Entry {
    marked(unit.entry(found), extrapolated)
}

/// The same entry, marked where it was extrapolated.
pub(in crate::report::view) fn marked(entry: Entry, extrapolated: bool) -> Entry {
    match entry {
        Entry::Figure { value, half_width } => Entry::Figure {
            value: format!("{}{value}", mark(extrapolated)),
            half_width,
        },
        entry => entry,
    }
}

/// "5.10 ms (4.93 to 5.32)", with a mark before it where it was extrapolated.
pub(in crate::report::view) fn told(found: Estimate, extrapolated: bool) -> String {
    format!("{}{}", mark(extrapolated), time_within(found))
}

/// "46.0 times (44.1 to 47.9)".
pub(in crate::report::view) fn times(found: Estimate) -> String {
    format!("{} times ({})", significant(found.value), interval(found))
}

/// "1.2 % too low": how far a forecast is off.
pub(super) fn off(error: f64) -> String {
    let side = if error < 0.0 { "low" } else { "high" };
    format!("{} % too {side}", percent(error.abs()))
}
