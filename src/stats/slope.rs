//! A slope that one odd point cannot move.

use super::summary::median;

/// The Theil-Sen slope: the median of the slopes between all pairs of points.
///
/// `None` if no two points differ in `x`.
pub fn theil_sen(points: &[(f64, f64)]) -> Option<f64> {
    let slopes: Vec<f64> = points
        .iter()
        .enumerate()
        .flat_map(|(index, a)| points[index + 1..].iter().map(move |b| (a, b)))
        .filter(|(a, b)| a.0 != b.0)
        .map(|(a, b)| (b.1 - a.1) / (b.0 - a.0))
        .collect();
    median(&slopes)
}
