//! The phases of a ledger, each with those that lie within it for want of a stamp.

use crate::model::{Availability, Cell, Ledger, MissingKind, Phase, PhaseTime};
use crate::stats::Estimate;

/// A line of a ledger: a phase, or what the phases are set against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerLine {
    /// A phase.
    Phase(Phase),
    /// What the phases leave of the total.
    Unexplained,
    /// The total of spawns that were stamped.
    Stamped,
    /// What stamping adds to a spawn.
    Stamping,
    /// The total of spawns that were timed alone.
    Alone,
}

impl LedgerLine {
    /// Those that follow the phases.
    pub const AFTER_PHASES: [Self; 4] = [
        Self::Unexplained,
        Self::Stamped,
        Self::Stamping,
        Self::Alone,
    ];

    /// Its time by a ledger, and by the cell of the same method that was timed alone.
    pub fn time(self, ledger: &Ledger, alone: Option<&Cell>) -> Availability<Estimate> {
        match self {
            Self::Phase(phase) => match time(ledger, phase) {
                Some(time) => time.ns.clone(),
                None => Availability::not_asked("the document lacks it"),
            },
            Self::Unexplained => Availability::Measured(ledger.unexplained_ns),
            Self::Stamped => Availability::Measured(ledger.total_ns),
            Self::Stamping => ledger.stamping_ns.clone(),
            Self::Alone => match alone {
                Some(cell) => cell.total_ns.map(|total| total.median),
                None => Availability::not_asked("it was not timed alone"),
            },
        }
    }

    /// Its share of the total with stamps, if it is a part of that.
    pub fn share(self, ledger: &Ledger) -> Option<f64> {
        if matches!(self, Self::Stamping | Self::Alone) {
            return None;
        }
        let time = self.time(ledger, None);
        let share = time.measured()?.value / ledger.total_ns.value;
        share.is_finite().then_some(share)
    }
}

/// The phases that one of several ledgers has, be it within another phase.
pub fn phases<'a>(ledgers: impl Iterator<Item = &'a Ledger> + Clone) -> Vec<Phase> {
    let exists = |phase: &Phase| ledgers.clone().any(|ledger| exists_in(*phase, ledger));
    Phase::ALL.into_iter().filter(exists).collect()
}

/// What a ledger says about a phase.
pub fn time(ledger: &Ledger, phase: Phase) -> Option<&PhaseTime> {
    ledger.phases.iter().find(|time| time.phase == phase)
}

/// Whether there was something to be measured, be it within another phase.
fn exists_in(phase: Phase, ledger: &Ledger) -> bool {
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
