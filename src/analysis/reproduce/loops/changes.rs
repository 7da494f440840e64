//! What this host does otherwise than the study's, as far as its figures show it.

use std::cmp::Ordering;

use super::Programs;
use super::compare::{Span, sign};
use super::{BASE, a_run};
use crate::model::LoopSystem::{self, CPosixSpawn, CPosixSpawnFloor, PythonPopen};
use crate::stats::Estimate;

/// How much of the cheapest row is the program's own start and end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floor {
    /// What they take, in nanoseconds.
    pub own: Estimate,
    /// Their share of a run.
    pub share: Estimate,
    /// What is left with a program that does nothing.
    pub least: Estimate,
}

/// The floor, where the program is seen to take anything.
pub fn floor(programs: &Programs<'_>) -> Option<Floor> {
    let own = programs.more(CPosixSpawn, CPosixSpawnFloor)?;
    if sign(own) != Some(Ordering::Greater) {
        return None;
    }
    let terms = [CPosixSpawn, CPosixSpawnFloor].map(|system| (system, Span::InLoop));
    Some(Floor {
        own,
        share: programs.share(&terms, |v| v[0] - v[1], |v| v[0])?,
        least: programs.statistic(&terms[1..], |v| v[0])?,
    })
}

/// The study's headline: subprocess against fork in C, here and there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Headline {
    /// How many times as long, here.
    pub here: Estimate,
    /// As published, of loops of this length.
    pub published: Option<f64>,
    /// The runs of a loop here.
    pub iterations: u64,
}

/// The headline; one run alone has no interval and so no headline.
pub fn headline(programs: &Programs<'_>) -> Option<Headline> {
    let looped = programs.looped(PythonPopen)?;
    let here = (looped.runs.len() > 1).then_some(looped.ratio.measured()?)?;
    let iterations = programs.row(PythonPopen)?.iterations;
    // The shorter a loop, the more of it is the interpreter's start.
    let published = |system| {
        let published = programs.row(system)?.published;
        Some(published.filter(|p| p.iterations == iterations)?.real_s)
    };
    let then = published(PythonPopen)
        .zip(published(BASE))
        .map(|(ours, theirs)| ours / theirs);
    Some(Headline {
        here: here.sound()?,
        published: then.filter(|then| then.is_finite()),
        iterations,
    })
}

/// The program that took least.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fastest {
    /// The program.
    pub system: LoopSystem,
    /// The seconds of a run.
    pub seconds: f64,
}

/// The study's program that took least, where the intervals single it out.
pub fn fastest(programs: &Programs<'_>) -> Option<Fastest> {
    let mut rows: Vec<Fastest> = programs
        .own()
        .filter_map(|row| {
            Some(Fastest {
                system: row.system,
                seconds: a_run(row.here.measured()?.real_s.value, row.iterations)?,
            })
        })
        .collect();
    rows.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let (best, others) = rows.split_first()?;
    let is_slower = |other: &Fastest| {
        let terms = [(other.system, Span::Whole), (best.system, Span::Whole)];
        let more = programs.statistic(&terms, |v| v[0] - v[1]);
        more.and_then(sign) == Some(Ordering::Greater)
    };
    (!others.is_empty() && others.iter().all(is_slower)).then_some(*best)
}
