//! The description of one sample: order statistics, spread, and the interval
//! of its median.

use serde::{Deserialize, Serialize};

use super::bootstrap::median_replicates;

/// Resamples behind a stored interval.
const DRAWS: usize = 500;

/// One sample, described. Everything is in the sample's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The median of all values.
    pub median: f64,
    /// The median's 95 % interval.
    pub ci95: [f64; 2],
    /// The smallest value.
    pub min: f64,
    /// The 10th percentile.
    pub p10: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The mean.
    pub mean: f64,
    /// The sample standard deviation.
    pub stddev: f64,
}

/// Describes the values of several workers; `None` without a single value.
pub fn summarise(workers: &[Vec<f64>], seed: u64) -> Option<Summary> {
    let estimate = median_replicates(workers, seed, DRAWS)?.estimate();
    let mut all: Vec<f64> = workers.iter().flatten().copied().collect();
    sort(&mut all);
    let mean = all.iter().sum::<f64>() / all.len() as f64;
    Some(Summary {
        median: estimate.value,
        ci95: estimate.ci95,
        min: all[0],
        p10: quantile(&all, 0.1)?,
        p90: quantile(&all, 0.9)?,
        mean,
        stddev: stddev(&all, mean),
    })
}

/// The quantile of ascending values, interpolated between neighbours.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = share.clamp(0.0, 1.0) * last as f64;
    let below = rank.floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank lies between 0 and the last index"
    )]
    let index = below as usize;
    let above = sorted[(index + 1).min(last)];
    Some(sorted[index] + (above - sorted[index]) * (rank - below))
}

/// The median of values in any order.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sort(&mut sorted);
    quantile(&sorted, 0.5)
}

/// The sample standard deviation; 0 for a single value.
pub(super) fn stddev(values: &[f64], mean: f64) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() - 1) as f64).sqrt()
}

/// Sorts floats; the total order puts NaN last instead of panicking.
pub(super) fn sort(values: &mut [f64]) {
    values.sort_by(f64::total_cmp);
}
