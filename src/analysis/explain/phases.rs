//! The phases of a ledger, each with those that lie within it for want of a stamp.

use crate::model::{Ledger, MissingKind, Phase, PhaseTime};
use crate::stats::Estimate;

/// What a ledger says about a phase.
pub fn time(ledger: &Ledger, phase: Phase) -> Option<&PhaseTime> {
    ledger.phases.iter().find(|time| time.phase == phase)
}

/// Whether there was something to be measured, be it within another phase.
pub fn exists_in(phase: Phase, ledger: &Ledger) -> bool {
    time(ledger, phase).is_some_and(|time| {
        let missing = time.ns.missing();
        missing.is_none_or(|missing| missing.missing != MissingKind::NotAsked)
    })
}

/// A phase's time with its interval.
pub(super) fn phase_time(ledger: &Ledger, phase: Phase) -> Option<Estimate> {
    time(ledger, phase)?.ns.measured()?.sound()
}

/// A stretch of time between two stamps.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The phases in it; more than one for want of a stamp between them.
    pub phases: Vec<Phase>,
    /// What it takes.
    pub time: Estimate,
    /// Its share of the total.
    pub share: f64,
}

/// The total of a spawn, and its spans from the longest to the shortest.
pub fn spans(ledger: &Ledger) -> Option<(Estimate, Vec<Span>)> {
    let total = ledger.total_ns.sound().filter(|total| total.value > 0.0)?;
    let mut spans = Vec::new();
    let mut phases = Vec::new();
    for phase in Phase::ALL {
        let time = phase_time(ledger, phase);
        if time.is_some() || exists_in(phase, ledger) {
            phases.push(phase);
        }
        spans.extend(time.map(|time| Span {
            phases: std::mem::take(&mut phases),
            share: time.value / total.value,
            time,
        }));
    }
    spans.sort_by(|a, b| b.time.value.total_cmp(&a.time.value));
    Some((total, spans))
}
