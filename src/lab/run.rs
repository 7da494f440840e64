//! A plan is carried out by the feature that it orders.

use super::advise;
use super::card;
use super::error::LabError;
use super::explain;
use super::kernel::Kernel;
use super::process;
use super::reproduce;
use super::sweep;
use crate::model::{Document, Host, Order, Plan, Stopped};

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

impl Outcome {
    /// That of a run which came to nothing.
    pub(super) fn nothing(error: LabError) -> Self {
        Self {
            document: None,
            error: Some(error),
        }
    }
}

/// Carries out a plan.
pub fn run(kernel: &dyn Kernel, host: Host, plan: &Plan, progress: &mut dyn Progress) -> Outcome {
    match &plan.order {
        Order::Sweep => sweep::run(kernel, host, plan, progress, sweep::findings),
        Order::Explain(order) => explain::run(kernel, host, plan, order, progress),
        Order::Reproduce(order) => match &order.loops {
            Some(loops) => reproduce::run(kernel, host, plan, order, loops, progress),
            None => sweep::run(kernel, host, plan, progress, |cells| {
                reproduce::of_spaces(plan, order, cells)
            }),
        },
        Order::Card(order) => card::run(kernel, host, plan, order, progress),
        Order::Process(order) => process::run(kernel, host, plan, order, progress),
        Order::Advise(order) => advise::run(kernel, host, plan, order, progress),
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
