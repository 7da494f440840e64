//! What a host of one state looks like: a level that stands, drifts or wanders.
//!
//! A drift is a broken line, and what wanders depends on the levels before it. Both are
//! one regression, with tails as heavy as those of [`crate::tails`].

use crate::nnls::LeastSquares;
use crate::tails::{log_density, weight};

/// Corners of the broken line, of which one is a level that stands, and levels before
/// this one that it depends on.
const CORNERS: [usize; 4] = [1, 2, 3, 5];
const LAGS: [usize; 3] = [0, 1, 3];

/// Levels that no model explains, since the one that looks back farthest cannot.
pub(super) const LED: usize = 3;

/// Rounds of weighing and fitting.
const ROUNDS: usize = 8;

/// The least that any of these models is off, as Schwarz's criterion has it: twice the
/// logarithm of what the levels are likely, taken from the price of the parameters.
pub(super) fn criterion(levels: &[f64]) -> f64 {
    let models = CORNERS
        .iter()
        .flat_map(|corners| LAGS.map(|lags| (*corners, lags)));
    models
        .map(|(corners, lags)| {
            let likelihood = Line { corners, lags }.likelihood(levels);
            schwarz(likelihood, corners + lags + 1, levels.len() - LED)
        })
        .fold(f64::INFINITY, f64::min)
}

/// Schwarz's criterion of a model: the lower, the better.
pub(super) fn schwarz(likelihood: f64, parameters: usize, levels: usize) -> f64 {
    parameters as f64 * (levels as f64).ln() - 2.0 * likelihood
}

#[derive(Debug, Clone, Copy)]
struct Line {
    corners: usize,
    lags: usize,
}

impl Line {
    fn likelihood(self, levels: &[f64]) -> f64 {
        // Coefficients that may not be negative are those of levels well above 0.
        let lowest = levels.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let base = 2.0 * lowest - highest - 1e-6;
        let raised: Vec<f64> = levels.iter().map(|level| level - base).collect();
        let rows: Vec<Vec<f64>> = (LED..levels.len())
            .map(|at| self.row(&raised, at))
            .collect();
        let targets = &raised[LED..];
        let mut weights = vec![1.0; rows.len()];
        let mut likelihood = f64::NEG_INFINITY;
        for _ in 0..ROUNDS {
            let mut squares = LeastSquares::new(self.corners + self.lags);
            for ((row, target), weight) in rows.iter().zip(targets).zip(&weights) {
                squares.add(row, *target, *weight);
            }
            let coefficients = squares.solve();
            let off: Vec<f64> = rows
                .iter()
                .zip(targets)
                .map(|(row, target)| {
                    let fitted: f64 = row.iter().zip(&coefficients).map(|(x, b)| x * b).sum();
                    target - fitted
                })
                .collect();
            let sum: f64 = off.iter().zip(&weights).map(|(off, w)| w * off * off).sum();
            let scale = (sum / off.len() as f64).sqrt().max(0.002);
            weights = off.iter().map(|off| weight(*off, scale)).collect();
            likelihood = likelihood.max(off.iter().map(|off| log_density(*off, scale)).sum());
        }
        likelihood
    }

    fn row(self, levels: &[f64], at: usize) -> Vec<f64> {
        let course = at as f64 / (levels.len() - 1) as f64 * (self.corners - 1) as f64;
        let corner = |index: usize| (1.0 - (course - index as f64).abs()).max(0.0);
        let line = (0..self.corners).map(corner);
        line.chain((1..=self.lags).map(|lag| levels[at - lag]))
            .collect()
    }
}
