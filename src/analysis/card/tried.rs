//! A trial with all that is known of it.

use crate::model::{
    Availability, Counts, Forecast, Missing, SpawnMethod, Trial, TrialCell, TrialResult,
    WorkerSamples,
};
use crate::stats::{Estimate, Summary};

/// A trial, what it brought, and what was foretold of it.
#[derive(Clone, Copy)]
pub struct Tried<'a> {
    /// Its place in the plan.
    pub index: usize,
    /// What was ordered.
    pub trial: &'a Trial,
    /// `None` if the run broke off before it.
    pub result: Option<&'a TrialResult>,
    /// What the prices foretell of it, fitted without it.
    pub forecast: Option<&'a Forecast>,
}

/// What a fork took, and what was foretold of that, in nanoseconds.
#[derive(Clone, Copy)]
pub struct Compared {
    /// The median.
    pub measured: Estimate,
    /// By prices that were fitted without it.
    pub foretold: f64,
}

impl Compared {
    /// How far the forecast is off, as a share of what was measured.
    pub fn error(self) -> f64 {
        self.foretold / self.measured.value - 1.0
    }
}

impl<'a> Tried<'a> {
    /// The parent, if the kernel's view of it is known.
    pub fn counts(self) -> Option<&'a Counts> {
        Some(&self.result?.parent.measured()?.mappings)
    }

    /// Why it is not known.
    pub fn why_not(self) -> Missing {
        let missing = self.result.and_then(|result| result.parent.missing());
        missing.cloned().unwrap_or_else(Missing::not_reached)
    }

    /// What forks of it took.
    pub fn fork(self) -> Option<&'a TrialCell> {
        let mut cells = self.result?.cells.iter();
        cells.find(|cell| cell.method == SpawnMethod::Fork)
    }

    /// Those forks, worker by worker.
    pub fn samples(self) -> impl Iterator<Item = &'a WorkerSamples> {
        self.fork().into_iter().flat_map(|cell| &cell.samples)
    }

    /// The call as measured and foretold.
    pub fn call(self) -> Option<Compared> {
        let foretold = self.forecast?.call_ns;
        compared(&self.fork()?.call_ns, foretold)
    }

    /// The total as measured and foretold.
    pub fn total(self) -> Option<Compared> {
        let foretold = self.forecast?.total_ns;
        compared(&self.fork()?.total_ns, foretold)
    }
}

/// `None` where one of both is no time.
fn compared(summary: &Availability<Summary>, foretold: f64) -> Option<Compared> {
    let measured = summary.measured()?.median.sound()?;
    let is_time = |ns: f64| ns.is_finite() && ns > 0.0;
    (is_time(measured.value) && is_time(foretold)).then_some(Compared { measured, foretold })
}
