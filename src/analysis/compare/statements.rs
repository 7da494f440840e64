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

/// What a line of an explanation or of a process is of: a spawn as a whole, or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// The call.
    Call,
    /// The total.
    Total,
    /// A phase; all phases of a method make up its total.
    Phase,
    /// What a rung of the ladder adds; all rungs make up a fork's total.
    Rung,
}

/// By the key of the line.
pub fn figure(line: &ComparedLine) -> Figure {
    figure_of(&line.key)
}

fn figure_of(key: &str) -> Figure {
    let mut words = key.rsplit('/');
    match (words.next(), words.next()) {
        (_, Some("phase")) => Figure::Phase,
        (_, Some("rung")) => Figure::Rung,
        (Some("call"), _) => Figure::Call,
        _ => Figure::Total,
    }
}

/// Where the difference of a spawn is.
#[derive(Debug, Clone, PartialEq)]
pub struct Place<'a> {
    /// The whole.
    pub total: &'a ComparedLine,
    /// The parts of it, phases or rungs, whose difference chance does not explain, the
    /// largest first.
    pub parts: Vec<(&'a ComparedLine, Estimate)>,
    /// What the parts are.
    pub of: Figure,
    /// Whether one of the two has some that the other has not, and which are none of these.
    pub has_lone: bool,
}

/// Of each spawn that has parts, where its difference is.
pub fn places(comparison: &Comparison) -> Vec<Place<'_>> {
    let totals = judged(comparison).filter(|line| figure(line) == Figure::Total);
    let each = |total| [Figure::Phase, Figure::Rung].map(|of| place(comparison, total, of));
    totals.flat_map(each).flatten().collect()
}

fn place<'a>(comparison: &'a Comparison, total: &'a ComparedLine, of: Figure) -> Option<Place<'a>> {
    let differs = |line: &ComparedLine| line.verdict != Verdict::NoDifferenceSeen;
    let is_part = |line: &&ComparedLine| figure(line) == of && line.group == total.group;
    let all: Vec<&ComparedLine> = judged(comparison).filter(is_part).collect();
    let told = all.iter().filter(|line| differs(line));
    let mut parts: Vec<_> = told
        .filter_map(|line| Some((*line, line.difference?)))
        .collect();
    parts.sort_by(|a, b| b.1.value.abs().total_cmp(&a.1.value.abs()));
    let is_worth_it = !all.is_empty() && (differs(total) || !parts.is_empty());
    let mut lone = comparison.lone.iter();
    let has_lone = lone.any(|line| figure_of(&line.key) == of && line.group == total.group);
    is_worth_it.then_some(Place {
        total,
        parts,
        of,
        has_lone,
    })
}
