//! The two-stage bootstrap: intervals that know about workers.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

use super::summary::{quantile, sort};

/// A value that never goes without its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The point estimate.
    pub value: f64,
    /// The bounds of the 95 % interval.
    pub ci95: [f64; 2],
}

impl Estimate {
    /// The larger distance from the value to a bound, relative to the value.
    pub fn relative_half_width(&self) -> f64 {
        self.half_width() / self.value.abs()
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
    /// The statistic of each resample.
    pub draws: Vec<f64>,
}

impl Replicates {
    /// The value with its percentile interval, which always includes the value.
    pub fn estimate(&self) -> Estimate {
        let mut draws: Vec<f64> = self
            .draws
            .iter()
            .copied()
            .filter(|d| d.is_finite())
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
    /// `None` if `compute` gives none for the values themselves.
    pub fn combine(parts: &[&Self], compute: impl Fn(&[f64]) -> Option<f64>) -> Option<Self> {
        let value = compute(&parts.iter().map(|part| part.value).collect::<Vec<_>>())?;
        let count = parts.iter().map(|part| part.draws.len()).min().unwrap_or(0);
        let draws = (0..count)
            .filter_map(|draw| {
                compute(
                    &parts
                        .iter()
                        .map(|part| part.draws[draw])
                        .collect::<Vec<_>>(),
                )
            })
            .collect();
        Some(Self { value, draws })
    }
}

/// The median of all spawns, with `draws` resamples of workers and spawns.
///
/// `None` without a single value.
pub fn median_replicates(workers: &[Vec<f64>], seed: u64, draws: usize) -> Option<Replicates> {
    let pool = Pool::new(workers)?;
    Some(pool.resample(seed, draws, Pool::weighted_median))
}

/// The mean of all spawns, resampled in the same way.
///
/// `None` without a single value.
pub fn mean_replicates(workers: &[Vec<f64>], seed: u64, draws: usize) -> Option<Replicates> {
    let pool = Pool::new(workers)?;
    Some(pool.resample(seed, draws, Pool::weighted_mean))
}

/// All values in ascending order, and where each worker's values went.
struct Pool {
    sorted: Vec<f64>,
    places: Vec<Vec<usize>>,
}

impl Pool {
    fn new(workers: &[Vec<f64>]) -> Option<Self> {
        let workers: Vec<&Vec<f64>> = workers.iter().filter(|w| !w.is_empty()).collect();
        if workers.is_empty() {
            return None;
        }
        let mut tagged: Vec<(f64, usize)> = workers
            .iter()
            .enumerate()
            .flat_map(|(index, values)| values.iter().map(move |value| (*value, index)))
            .collect();
        tagged.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut places = vec![Vec::new(); workers.len()];
        for (place, (_, worker)) in tagged.iter().enumerate() {
            places[*worker].push(place);
        }
        let sorted = tagged.into_iter().map(|(value, _)| value).collect();
        Some(Self { sorted, places })
    }

    fn resample(
        &self,
        seed: u64,
        draws: usize,
        statistic: impl Fn(&Self, &[u32]) -> f64,
    ) -> Replicates {
        let mut rng = Rng::with_seed(seed);
        let value = statistic(self, &vec![1; self.sorted.len()]);
        // A bootstrap over few workers is too narrow by sqrt((w - 1) / w).
        let count = self.places.len() as f64;
        let widen = if count > 1.0 {
            (count / (count - 1.0)).sqrt()
        } else {
            1.0
        };
        let mut weights = vec![0_u32; self.sorted.len()];
        let draws = (0..draws)
            .map(|_| {
                self.draw(&mut rng, &mut weights);
                value + (statistic(self, &weights) - value) * widen
            })
            .collect();
        Replicates { value, draws }
    }

    /// Draws workers, then values within each of them.
    fn draw(&self, rng: &mut Rng, weights: &mut [u32]) {
        weights.fill(0);
        for _ in 0..self.places.len() {
            let places = &self.places[rng.usize(..self.places.len())];
            for _ in 0..places.len() {
                weights[places[rng.usize(..places.len())]] += 1;
            }
        }
    }

    fn weighted_median(&self, weights: &[u32]) -> f64 {
        let total: u64 = weights.iter().map(|w| u64::from(*w)).sum();
        let at = |rank: u64| {
            let mut seen = 0;
            let found = weights.iter().position(|weight| {
                seen += u64::from(*weight);
                seen > rank
            });
            self.sorted[found.unwrap_or(self.sorted.len() - 1)]
        };
        // The mean of the two middle ranks, which are one for an odd total.
        f64::midpoint(at((total - 1) / 2), at(total / 2))
    }

    fn weighted_mean(&self, weights: &[u32]) -> f64 {
        let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
        let sum: f64 = self
            .sorted
            .iter()
            .zip(weights)
            .map(|(v, w)| v * f64::from(*w))
            .sum();
        sum / total
    }
}
