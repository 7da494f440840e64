//! Differences between programs: of the runs of one round, and with an interval
//! of their own.
//!
//! Programs take turns in a round, so what the host does in a round strikes them
//! all and cancels out of their difference. Half-widths of single programs must
//! not be added for that.

use std::cmp::Ordering;

use super::Programs;
use crate::model::{LoopRun, LoopSystem};
use crate::stats::{DRAWS, Estimate, Replicates, level_replicates};

/// One round has nothing to say about the next, so it has no interval.
const LEAST_ROUNDS: usize = 2;

/// A part of a run's time.
#[derive(Debug, Clone, Copy)]
pub enum Span {
    /// All of it.
    Whole,
    /// In the loop.
    InLoop,
    /// Before and after the loop.
    Start,
}

impl Span {
    fn ns(self, run: &LoopRun) -> f64 {
        match self {
            Self::Whole => run.real_ns as f64,
            Self::InLoop => run.loop_ns as f64,
            Self::Start => run.real_ns.saturating_sub(run.loop_ns) as f64,
        }
    }
}

/// A program and a part of its time.
pub type Term = (LoopSystem, Span);

impl Programs<'_> {
    /// Nanoseconds an iteration of every term, in each round that has them all.
    fn rounds(&self, terms: &[Term]) -> Vec<Vec<f64>> {
        let Some(first) = terms.first().and_then(|term| self.looped(term.0)) else {
            return Vec::new();
        };
        let of = |term: &Term, round: u32| {
            let row = self.row(term.0)?;
            let mut runs = row.here.measured()?.runs.iter();
            let run = runs.find(|run| run.round == round)?;
            (row.iterations > 0).then(|| term.1.ns(run) / row.iterations as f64)
        };
        let rounds = first.runs.iter().map(|run| run.round);
        rounds
            .filter_map(|round| terms.iter().map(|term| of(term, round)).collect())
            .collect()
    }

    fn replicates(
        &self,
        rounds: &[Vec<f64>],
        compute: impl Fn(&[f64]) -> f64,
    ) -> Option<Replicates> {
        let values: Vec<Vec<f64>> = rounds.iter().map(|round| vec![compute(round)]).collect();
        if values.len() < LEAST_ROUNDS {
            return None;
        }
        level_replicates(&values, self.document.plan.seed, DRAWS)
    }

    /// What the first program takes more than the second in its loop: nanoseconds
    /// an iteration.
    pub fn more(&self, first: LoopSystem, second: LoopSystem) -> Option<Estimate> {
        self.statistic(&[(first, Span::InLoop), (second, Span::InLoop)], |v| {
            v[0] - v[1]
        })
    }

    /// The median over the rounds of what `compute` makes of their terms.
    pub fn statistic(&self, terms: &[Term], compute: impl Fn(&[f64]) -> f64) -> Option<Estimate> {
        let rounds = self.rounds(terms);
        self.replicates(&rounds, compute)?.estimate().sound()
    }

    /// One median over another, both of the same rounds; `None` unless the whole
    /// is seen to be more than nothing.
    pub fn share(
        &self,
        terms: &[Term],
        part: impl Fn(&[f64]) -> f64,
        whole: impl Fn(&[f64]) -> f64,
    ) -> Option<Estimate> {
        let rounds = self.rounds(terms);
        let part = self.replicates(&rounds, part)?;
        let whole = self.replicates(&rounds, whole)?;
        if sign(whole.estimate()) != Some(Ordering::Greater) {
            return None;
        }
        let share = Replicates::combine(&[&part, &whole], |v| Some(v[0] / v[1]))?;
        share.estimate().sound()
    }
}

/// On which side of 0 the interval lies, if it does not take it in.
pub fn sign(estimate: Estimate) -> Option<Ordering> {
    match estimate.ci95 {
        [low, _] if low > 0.0 => Some(Ordering::Greater),
        [_, high] if high < 0.0 => Some(Ordering::Less),
        _ => None,
    }
}
