//! How far forecasts are off.

use crate::model::{Availability, Grade};

/// Stands for the error of a fit without any: JSON has no word for infinity.
pub(super) const NO_ERROR: f64 = f64::MAX;

/// No error of a forecast is so large.
const HUGE: f64 = 1e9;

/// One of ten of a card's own forecasts may be off by as much as all that was measured, and
/// not by more, or it is no yardstick for anything.
const BELIEVED: f64 = 1.0;

/// Whether the forecasts of a card are good enough to be set beside what was measured.
pub fn is_believable(grade: &Grade) -> bool {
    grade.total.loo_p90 <= BELIEVED
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Errors;

    #[test]
    fn what_is_off_by_more_than_all_is_no_yardstick() {
        let of = |loo_p90| {
            let errors = Errors {
                r_squared: 0.9,
                loo_median: 0.1,
                loo_p90,
                validation_median: Availability::not_reached(),
                validation_worst: Availability::not_reached(),
            };
            is_believable(&Grade {
                parents: 9,
                call: errors.clone(),
                total: errors,
            })
        };
        assert!(of(0.6) && !of(2.7) && !of(NO_ERROR) && !of(f64::NAN));
    }
}
