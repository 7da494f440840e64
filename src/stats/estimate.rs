//! A value with its interval, and the resamples that the interval comes from.
//!
//! The bounds of an interval are finite whenever its value is: JSON has no word
//! for infinity, and a document that cannot be read back is worse than a gap.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::summary::{quantile, sort};

/// A value that never goes without its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Estimate {
    /// The point estimate.
    pub value: f64,
    /// The bounds of the 95 % interval.
    pub ci95: [f64; 2],
}

impl Estimate {
    /// A value that is known, so that its interval has no width.
    pub fn exact(value: f64) -> Self {
        Self {
            value,
            ci95: [value; 2],
        }
    }

    /// The same estimate, if it can be spoken of: nothing of it is infinite or no number.
    pub fn sound(self) -> Option<Self> {
        let [low, high] = self.ci95;
        let finite = [self.value, low, high].iter().all(|v| v.is_finite());
        finite.then_some(self)
    }

    /// Each of its figures, by a function that only grows.
    #[must_use]
    pub fn map(self, grow: impl Fn(f64) -> f64) -> Self {
        Self {
            value: grow(self.value),
            ci95: self.ci95.map(grow),
        }
    }

    /// Each of its figures, by a function that only falls: the bounds change places.
    #[must_use]
    pub fn turned(self, fall: impl Fn(f64) -> f64) -> Self {
        let [low, high] = self.ci95;
        Self {
            value: fall(self.value),
            ci95: [fall(high), fall(low)],
        }
    }

    /// How often it is contained in a whole, if all of it is above 0.
    pub fn times_in(self, whole: f64) -> Option<Self> {
        let [low, _] = self.ci95;
        let is_above = low > 0.0 && self.value >= low;
        is_above.then(|| self.turned(|one| whole / one))?.sound()
    }

    /// Whether all of its interval is above a bound.
    pub fn is_above(&self, bound: f64) -> bool {
        self.ci95[0] > bound
    }

    /// Whether all of its interval is below a bound.
    pub fn is_below(&self, bound: f64) -> bool {
        self.ci95[1] < bound
    }

    /// Whether its interval leaves a value out.
    pub fn differs_from(&self, value: f64) -> bool {
        self.is_above(value) || self.is_below(value)
    }

    /// Whether it is told from a smaller one: their intervals do not overlap.
    pub fn exceeds(&self, other: &Self) -> bool {
        self.is_above(other.ci95[1])
    }

    /// Both together. The bounds are added, which can only make the interval wider
    /// than it is.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            value: self.value + other.value,
            ci95: [self.ci95[0] + other.ci95[0], self.ci95[1] + other.ci95[1]],
        }
    }

    /// The larger distance from the value to a bound, relative to the value.
    ///
    /// An interval without width is 0 even around 0; any other interval around
    /// 0 is infinitely wide, so that no stopping rule takes it for narrow.
    pub fn relative_half_width(&self) -> f64 {
        let half_width = self.half_width();
        if half_width == 0.0 {
            0.0
        } else {
            half_width / self.value.abs()
        }
    }

    /// The larger distance from the value to a bound.
    pub fn half_width(&self) -> f64 {
        (self.ci95[1] - self.value).max(self.value - self.ci95[0])
    }
}

/// A statistic and what it was in resampled data: keeps the statistic's own
/// uncertainty, so that sums, differences and slopes of several statistics
/// inherit it.
#[derive(Debug, Clone, PartialEq)]
pub struct Replicates {
    /// The statistic of the data.
    pub value: f64,
    /// The statistic of each resample; NaN where a resample has none.
    pub draws: Vec<f64>,
}

impl Replicates {
    /// The value with its percentile interval, which always includes the value.
    pub fn estimate(&self) -> Estimate {
        let mut draws: Vec<f64> = self
            .draws
            .iter()
            .copied()
            .filter(|draw| draw.is_finite())
            .collect();
        sort(&mut draws);
        let low = quantile(&draws, 0.025).unwrap_or(self.value);
        let high = quantile(&draws, 0.975).unwrap_or(self.value);
        Estimate {
            value: self.value,
            ci95: [low.min(self.value), high.max(self.value)],
        }
    }

    /// A statistic of several statistics, computed draw by draw.
    ///
    /// Parts of the same spawns must have been resampled with one seed, which
    /// draws the same turns for all of them. Parts of different workers must
    /// have been resampled with different seeds: with one, the same luck would
    /// strike them all at once and cancel out of a difference.
    ///
    /// `None` if `compute` gives none for the values themselves. A draw for
    /// which it gives none is kept as NaN, so that the draws stay in step with
    /// those of other statistics.
    pub fn combine(parts: &[&Self], compute: impl Fn(&[f64]) -> Option<f64>) -> Option<Self> {
        let values: Vec<f64> = parts.iter().map(|part| part.value).collect();
        let value = compute(&values)?;
        let count = parts.iter().map(|part| part.draws.len()).min().unwrap_or(0);
        let draws = (0..count)
            .map(|draw| {
                let drawn: Vec<f64> = parts.iter().map(|part| part.draws[draw]).collect();
                compute(&drawn).unwrap_or(f64::NAN)
            })
            .collect();
        Some(Self { value, draws })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn replicates(value: f64, draws: &[f64]) -> Replicates {
        Replicates {
            value,
            draws: draws.to_vec(),
        }
    }

    #[test]
    fn the_interval_is_the_middle_95_percent_of_the_draws() {
        let draws: Vec<f64> = (0..=1000).rev().map(f64::from).collect();
        let estimate = replicates(500.0, &draws).estimate();
        assert_eq!(estimate.ci95, [25.0, 975.0]);
        assert_eq!(estimate.half_width(), 475.0);
        assert_eq!(estimate.relative_half_width(), 0.95);
    }

    #[test]
    fn the_interval_takes_the_value_in() {
        assert_eq!(
            replicates(9.0, &[1.0, 1.0]).estimate().ci95,
            [1.0, 9.0],
            "draws that all lie below"
        );
        assert_eq!(replicates(9.0, &[]).estimate().ci95, [9.0, 9.0]);
    }

    #[test]
    fn an_interval_follows_its_value() {
        let time = Estimate {
            value: 4.0,
            ci95: [2.0, 8.0],
        };
        let of = |value, low, high| Estimate {
            value,
            ci95: [low, high],
        };
        assert_eq!(time.map(|ns| ns / 2.0), of(2.0, 1.0, 4.0));
        let less = time.turned(|ns| -ns);
        assert_eq!(less, of(-4.0, -8.0, -2.0));
        assert_eq!(time.times_in(1e9), Some(of(2.5e8, 1.25e8, 5e8)));
        assert_eq!(of(4.0, 0.0, 8.0).times_in(1.0), None, "it may be endless");
        assert_eq!(less.times_in(1.0), None);
        assert_eq!(time.plus(Estimate::exact(1.0)), of(5.0, 3.0, 9.0));
    }

    #[test]
    fn what_an_interval_takes_in_is_not_told_apart() {
        let of = |low, high| Estimate {
            value: 1.0,
            ci95: [low, high],
        };
        let one = of(0.5, 2.0);
        assert!(one.is_above(0.0) && one.is_below(3.0) && one.differs_from(0.4));
        assert!(!one.is_above(0.5) && !one.is_below(2.0) && !one.differs_from(1.9));
        assert!(of(2.5, 3.0).exceeds(&one) && !of(2.0, 3.0).exceeds(&one));
        let none = of(f64::NAN, f64::NAN);
        assert!(!none.differs_from(0.0) && !none.exceeds(&one) && !one.exceeds(&none));
    }

    #[test]
    fn what_is_endless_or_no_number_is_not_spoken_of() {
        assert_eq!(Estimate::exact(1.0).sound(), Some(Estimate::exact(1.0)));
        for soiled in [f64::NAN, f64::INFINITY] {
            assert_eq!(Estimate::exact(soiled).sound(), None);
            for ci95 in [[soiled, 1.0], [1.0, soiled]] {
                assert_eq!(Estimate { value: 1.0, ci95 }.sound(), None);
            }
        }
    }

    #[test]
    fn a_width_around_zero_is_zero_or_infinite_but_never_nan() {
        let exact = replicates(0.0, &[0.0]).estimate();
        assert_eq!(exact.relative_half_width(), 0.0);
        let loose = replicates(0.0, &[-1.0, 1.0]).estimate();
        assert_eq!(loose.relative_half_width(), f64::INFINITY);
    }

    #[test]
    fn a_difference_inherits_both_uncertainties() {
        let call = replicates(10.0, &[9.0, 10.0, 11.0]);
        let base = replicates(4.0, &[5.0, 4.0, 3.0]);
        let difference = Replicates::combine(&[&call, &base], |v| Some(v[0] - v[1])).unwrap();
        assert_eq!(difference, replicates(6.0, &[4.0, 6.0, 8.0]));
    }

    #[test]
    fn draws_without_a_result_keep_their_place_and_do_not_count() {
        let part = replicates(1.0, &[1.0, 0.0, 3.0]);
        let inverse = |v: &[f64]| (v[0] != 0.0).then(|| 1.0 / v[0]);
        let combined = Replicates::combine(&[&part], inverse).unwrap();
        assert_eq!(combined.draws.len(), 3);
        assert!(combined.draws[1].is_nan());
        let bounds = combined.estimate().ci95;
        assert!(bounds[0] >= 1.0 / 3.0 && bounds[1] <= 1.0, "{bounds:?}");
        assert!(Replicates::combine(&[&replicates(0.0, &[1.0])], inverse).is_none());
    }

    #[test]
    fn parts_of_unequal_length_are_combined_as_far_as_both_go() {
        let long = replicates(1.0, &[1.0, 2.0, 3.0]);
        let short = replicates(1.0, &[1.0]);
        let sum = Replicates::combine(&[&long, &short], |v| Some(v[0] + v[1])).unwrap();
        assert_eq!(sum.draws, [2.0]);
    }

    proptest! {
        #[test]
        fn any_draws_give_an_interval_around_the_value(
            value in -1e9..1e9_f64,
            draws in proptest::collection::vec(any::<f64>(), 0..50),
        ) {
            let estimate = Replicates { value, draws }.estimate();
            prop_assert!(estimate.ci95[0] <= value && value <= estimate.ci95[1]);
        }
    }
}
