//! The description of one sample: order statistics, spread, and the interval
//! of its median.
//!
//! Values that are not finite are no measurements and are left out everywhere;
//! a sample in which nothing is left has no description.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bootstrap::cost_replicates;
use super::{DRAWS, Estimate};

/// One sample, described. Everything is in the sample's own unit.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Summary {
    /// The level of the workers' medians: their geometric mean, Huber's, in which one that is
    /// far off counts as if it were nearer. Results of earlier versions have the median of
    /// all spawns here.
    pub median: Estimate,
    /// The smallest value.
    pub min: f64,
    /// The 10th percentile, interpolated between neighbours (R's type 7), as the next.
    pub p10: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The mean.
    pub mean: f64,
    /// The sample standard deviation over all values.
    pub stddev: f64,
}

/// Describes the values of several workers; `None` without a single finite one.
pub fn summarise(workers: &[Vec<f64>], seed: u64) -> Option<Summary> {
    let median = cost_replicates(workers, seed, DRAWS)?.estimate();
    let all = ascending(workers.iter().flatten());
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    Some(Summary {
        median,
        min: *all.first()?,
        p10: quantile(&all, 0.1)?,
        p90: quantile(&all, 0.9)?,
        mean,
        stddev: stddev(&all, mean),
    })
}

/// The quantile of ascending values, interpolated between neighbours as R's
/// type 7 does it: rank `share * (n - 1)`, counted from 0.
///
/// `None` without values or without a share.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    if share.is_nan() {
        return None;
    }
    let rank = share.clamp(0.0, 1.0) * last as f64;
    let below = rank.floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank lies between 0 and the last index"
    )]
    let index = below as usize;
    let part = rank - below;
    if part == 0.0 {
        // An infinite neighbour must not turn this value into NaN.
        return Some(sorted[index]);
    }
    Some(sorted[index] + (sorted[index + 1] - sorted[index]) * part)
}

/// The median of the finite values, which may stand in any order.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(&ascending(values), 0.5)
}

/// The sample standard deviation; 0 for a single value.
pub(super) fn stddev(values: &[f64], mean: f64) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// The finite ones of the values, in order.
fn ascending<'a>(values: impl IntoIterator<Item = &'a f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = values
        .into_iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    sort(&mut sorted);
    sorted
}

/// Sorts floats by their total order, which never panics.
pub(super) fn sort(values: &mut [f64]) {
    values.sort_by(f64::total_cmp);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use statrs::statistics::{Data, Distribution, Max, Median, Min, OrderStatistics};

    use super::*;

    fn close(ours: f64, theirs: f64) -> bool {
        (ours - theirs).abs() <= 1e-9 * theirs.abs().max(1.0)
    }

    #[test]
    fn quantiles_are_interpolated_and_clamped() {
        let sorted = [1.0, 2.0, 4.0];
        assert_eq!(quantile(&sorted, 0.25), Some(1.5));
        assert_eq!(quantile(&sorted, 0.75), Some(3.0));
        assert_eq!(quantile(&sorted, -1.0), Some(1.0));
        assert_eq!(quantile(&sorted, 7.0), Some(4.0));
        assert_eq!(quantile(&sorted, f64::NAN), None);
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[1.0, f64::INFINITY], 0.0), Some(1.0));
    }

    #[test]
    fn nothing_and_nothing_finite_have_no_description() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[f64::NAN, f64::INFINITY]), None);
        assert_eq!(summarise(&[], 1), None);
        assert_eq!(summarise(&[vec![], vec![f64::NAN]], 1), None);
    }

    #[test]
    fn a_single_value_is_all_of_its_figures() {
        let summary = summarise(&[vec![7.0]], 1).unwrap();
        let expected = Summary {
            median: Estimate::exact(7.0),
            min: 7.0,
            p10: 7.0,
            p90: 7.0,
            mean: 7.0,
            stddev: 0.0,
        };
        assert_eq!(summary, expected);
    }

    #[test]
    fn a_value_that_is_not_finite_changes_nothing() {
        let clean = summarise(&[vec![1.0, 2.0], vec![], vec![5.0]], 1);
        let soiled = [
            vec![1.0, f64::NAN, 2.0],
            vec![-f64::NAN],
            vec![f64::INFINITY, 5.0],
        ];
        assert_eq!(summarise(&soiled, 1), clean);
    }

    proptest! {
        #[test]
        fn agrees_with_statrs(values in proptest::collection::vec(0.0..1e6_f64, 2..200)) {
            let summary = summarise(std::slice::from_ref(&values), 1).unwrap();
            let theirs = Data::new(values.clone());
            prop_assert!(close(summary.median.value, theirs.median()));
            prop_assert!(close(summary.mean, theirs.mean().unwrap()));
            prop_assert!(close(summary.stddev, theirs.std_dev().unwrap()));
            prop_assert_eq!(summary.min, theirs.min());
            prop_assert!(close(median(&values).unwrap(), summary.median.value));
        }

        /// statrs interpolates by another rule (R's type 8), whose ranks differ
        /// from ours by less than one.
        #[test]
        fn quantiles_are_within_a_rank_of_statrs(
            values in proptest::collection::vec(0.0..1e6_f64, 3..200),
            share in 0.0..1.0_f64,
        ) {
            let sorted = ascending(&values);
            let ours = quantile(&sorted, share).unwrap();
            let count = sorted.len() as f64;
            let mut reference = Data::new(values);
            let theirs = |rank: f64| (rank / count).clamp(0.0, 1.0);
            let low = reference.quantile(theirs(share * count - 1.0));
            let high = reference.quantile(theirs(share * count + 1.0));
            prop_assert!(low <= ours && ours <= high, "{low} <= {ours} <= {high}");
            prop_assert!(reference.min() <= ours && ours <= reference.max());
        }

        #[test]
        fn figures_stand_in_order(
            workers in proptest::collection::vec(
                proptest::collection::vec(0.0..1e6_f64, 0..20), 1..6),
        ) {
            if let Some(summary) = summarise(&workers, 1) {
                let Estimate { value, ci95: [low, high] } = summary.median;
                let smallest = summary.min * (1.0 - 1e-12);
                prop_assert!(smallest <= value && summary.min <= summary.p10);
                prop_assert!(summary.p10 <= summary.p90 && summary.stddev >= 0.0);
                prop_assert!(low <= value && value <= high);
                prop_assert!(low >= 0.0, "no cost is negative");
            } else {
                prop_assert!(workers.iter().all(Vec::is_empty));
            }
        }

        #[test]
        fn nothing_makes_it_panic(
            workers in proptest::collection::vec(
                proptest::collection::vec(any::<f64>(), 0..10), 0..4),
            share in any::<f64>(),
        ) {
            let _ = summarise(&workers, 1);
            for worker in &workers {
                let _ = quantile(worker, share);
                prop_assert!(median(worker).is_none_or(|m| !m.is_nan()));
            }
        }
    }
}
