//! What may be said of a comparison, from the verdicts of its lines.

use crate::model::{ComparedLine, Comparison, Verdict};
use crate::stats::{Estimate, median};

/// The lines that have a verdict.
pub fn judged(comparison: &Comparison) -> impl Iterator<Item = &ComparedLine> {
    let lines = comparison.lines.iter();
    lines.filter(|line| !matches!(line.verdict, Verdict::NotCompared(_)))
}

/// The ratio that would have been seen in half of these lines.
pub fn visible_in_half(level: &[&ComparedLine]) -> Option<f64> {
    let ratios: Vec<f64> = level.iter().filter_map(|line| line.visible_from).collect();
    median(&ratios)
}

/// The line whose ratio is the farthest from 1.
pub fn largest<'a>(
    lines: impl Iterator<Item = &'a ComparedLine>,
) -> Option<(&'a ComparedLine, Estimate)> {
    let known = lines.filter_map(|line| Some((line, *line.ratio.measured()?)));
    let far = |ratio: Estimate| ratio.value.ln().abs();
    known.max_by(|a, b| far(a.1).total_cmp(&far(b.1)))
}
