//! A plan is carried out by the feature that it orders.

use super::card;
use super::error::LabError;
use super::explain;
use super::kernel::Kernel;
use super::process;
use super::reproduce;
use super::sweep;
use crate::model::{Document, Host, Plan, Stopped};

/// Hears how far a run has come.
pub trait Progress {
    /// What is being measured, and what share of the run is behind.
    fn step(&mut self, what: &str, share: f64);
}

/// A run's end: the document as far as it came, and the error that ended it.
#[derive(Debug)]
pub struct Outcome {
    /// `None` when nothing was timed.
    pub document: Option<Document>,
    /// `None` when the run ended by itself.
    pub error: Option<LabError>,
}

/// Carries out a plan.
pub fn run(kernel: &dyn Kernel, host: Host, plan: &Plan, progress: &mut dyn Progress) -> Outcome {
    let loops = plan
        .reproduce
        .as_ref()
        .and_then(|order| order.loops.as_ref());
    if let Some(order) = &plan.live {
        return process::run(kernel, host, plan, order, progress);
    }
    match (&plan.card, &plan.explain, loops) {
        (Some(order), ..) => card::run(kernel, host, plan, order, progress),
        (None, Some(order), _) => explain::run(kernel, host, plan, order, progress),
        (None, None, Some(order)) => reproduce::run(kernel, host, plan, order, progress),
        (None, None, None) => sweep::run(kernel, host, plan, progress),
    }
}

/// Seconds since 1970.
pub(super) fn unix_s() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// How a run ended.
pub(super) fn ending(result: Result<Stopped, LabError>) -> (Stopped, Option<LabError>) {
    match result {
        Ok(stopped) => (stopped, None),
        Err(error @ LabError::Interrupted(_)) => (Stopped::Interrupted, Some(error)),
        Err(error) => (Stopped::Failed(error.to_string()), Some(error)),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "both are positive, and the cast saturates"
)]
pub(super) fn spawns_within(time_ns: f64, total_ns: f64) -> usize {
    (time_ns / total_ns) as usize
}
