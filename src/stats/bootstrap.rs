//! The two-stage bootstrap: intervals that know about workers.
//!
//! Each resample draws as many workers as there are, and then from each drawn
//! worker as many spawns as it made, both with replacement. A single worker
//! makes this the ordinary bootstrap. Values that are not finite are left out,
//! because a time or a count that was measured is finite.
//!
//! One seed draws the same workers and the same turns from all samples of one
//! shape. Statistics of the same spawns are resampled with one seed, so that
//! their combination knows how they go together; see [`Replicates::combine`].

use fastrand::Rng;

use super::estimate::Replicates;
use super::student::two_sided_95;

/// A seed of its own for each of several statistics: with one for all, the same luck
/// would strike different workers at once and cancel out of their differences.
pub fn seed_of(seed: u64, index: usize) -> u64 {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    seed.wrapping_add((index as u64 + 1).wrapping_mul(GOLDEN))
}

/// The median of all spawns, with `draws` resamples of workers and spawns.
///
/// `None` without a single finite value.
pub fn median_replicates(workers: &[Vec<f64>], seed: u64, draws: usize) -> Option<Replicates> {
    let pool = Pool::new(workers)?;
    Some(pool.resample(seed, draws, Pool::weighted_median))
}

/// The mean of all spawns, resampled in the same way.
///
/// `None` without a single finite value.
pub fn mean_replicates(workers: &[Vec<f64>], seed: u64, draws: usize) -> Option<Replicates> {
    let pool = Pool::new(workers)?;
    Some(pool.resample(seed, draws, Pool::weighted_mean))
}

/// By how much the resamples of a few workers must be spread.
///
/// Two things make a bootstrap of few clusters too narrow, and each has the
/// remedy that it has for a mean of normal values:
///
/// - it divides by `w` where an unbiased variance divides by `w - 1`: hence
///   `sqrt(w / (w - 1))`;
/// - it takes the variance that it found for the true one, although three
///   workers tell little about how workers differ: hence Student's `t` in place
///   of the normal quantile.
///
/// In simulated data whose workers differ more than their spawns do, 95 %
/// intervals contain the truth in 60, 80 and 90 % of the cases with 2, 3 and 4
/// workers by the first remedy alone, and in 92 to 98 % with both, for any
/// number from 2 to 20.
///
/// The noise of the spawns is counted twice, in the second stage and in how the
/// workers differ, so that the interval is up to `sqrt(2)` too wide where
/// workers are all alike. That is the price of an interval which three workers
/// that agree by chance cannot make narrower than their own noise.
///
/// A single worker has nothing to say about the others: its interval is that of
/// its own spawns, and the caller has to tell the reader so.
fn widening(workers: usize) -> f64 {
    if workers < 2 {
        return 1.0;
    }
    let count = workers as f64;
    (count / (count - 1.0)).sqrt() * two_sided_95(workers - 1) / two_sided_95(usize::MAX)
}

/// All values in ascending order, and where each worker's values went, turn by
/// turn.
struct Pool {
    sorted: Vec<f64>,
    places: Vec<Vec<usize>>,
}

impl Pool {
    fn new(workers: &[Vec<f64>]) -> Option<Self> {
        let finite = |worker: &Vec<f64>| -> Vec<f64> {
            worker.iter().copied().filter(|v| v.is_finite()).collect()
        };
        let workers: Vec<Vec<f64>> = workers.iter().map(finite).collect();
        let mut tagged: Vec<(f64, usize, usize)> = Vec::new();
        for (worker, values) in workers.iter().enumerate() {
            let turns = values.iter().enumerate();
            tagged.extend(turns.map(|(turn, value)| (*value, worker, turn)));
        }
        if tagged.is_empty() {
            return None;
        }
        tagged.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut places: Vec<Vec<usize>> = workers.iter().map(|own| vec![0; own.len()]).collect();
        for (place, (_, worker, turn)) in tagged.iter().enumerate() {
            places[*worker][*turn] = place;
        }
        places.retain(|own| !own.is_empty());
        let sorted = tagged.into_iter().map(|(value, ..)| value).collect();
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
        let widen = widening(self.places.len());
        // No median and no mean of values that cannot be negative is negative,
        // so spreading must not make it so either.
        let floor = if self.sorted[0] >= 0.0 {
            0.0
        } else {
            f64::NEG_INFINITY
        };
        let mut weights = vec![0_u32; self.sorted.len()];
        let draws = (0..draws)
            .map(|_| {
                self.draw(&mut rng, &mut weights);
                (value + (statistic(self, &weights) - value) * widen).max(floor)
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
        let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
        let mut seen = 0;
        let mut place = 0;
        let mut value_at = |rank: u64| {
            while seen + u64::from(weights[place]) <= rank {
                seen += u64::from(weights[place]);
                place += 1;
            }
            self.sorted[place]
        };
        // The mean of the two middle ranks, which are one for an odd total.
        let lower = value_at((total - 1) / 2);
        f64::midpoint(lower, value_at(total / 2))
    }

    fn weighted_mean(&self, weights: &[u32]) -> f64 {
        let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        let sum: f64 = self
            .sorted
            .iter()
            .zip(weights)
            .map(|(value, weight)| value * f64::from(*weight))
            .sum();
        sum / total
    }
}

#[cfg(test)]
mod tests;
