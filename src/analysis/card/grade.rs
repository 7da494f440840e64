//! How far forecasts are off.

use crate::model::Availability;

/// Stands for the error of a fit without any: JSON has no word for infinity.
pub(super) const NO_ERROR: f64 = f64::MAX;

/// No error of a forecast is so large.
const HUGE: f64 = 1e9;

/// An error as it is stored, if it is one.
pub fn error(stored: f64) -> Availability<f64> {
    if stored.abs() < HUGE {
        return Availability::Measured(stored);
    }
    Availability::unavailable(
        "no parent was foretold without itself",
        Some("raise --time, or let the host have room for more parents"),
    )
}
