//! What two explanations by turns have beside their timings: pairs of workers that stamp,
//! and what is to be known of the host to read the stamps.

use std::time::Duration;

use super::{Pair, Visit, WHY_NO_MORE};
use crate::lab::error::LabError;
use crate::lab::explain::{Probes, Side, breakpoint_pair, exit_probe};
use crate::lab::kernel::Kernel;
use crate::lab::runner::Rhythm;
use crate::lab::session::Recording;
use crate::model::{Cell, Findings, Plan};
use crate::worker::protocol::Pass;

/// Pairs that stamp have so much more of the time than those that time: a phase is a small
/// part of a spawn.
const WEIGHT: f64 = 2.0;
/// Rounds in which a watched instruction's cost is measured, one in so many: it takes time
/// from the pairs, and both sides alike have it taken off.
const BREAKPOINT_EVERY: u32 = 8;

/// Both explanations, of plans with one parent each.
pub(super) struct Explained<'a> {
    kernel: &'a dyn Kernel,
    plan: &'a Plan,
    pub(super) sides: [Side<'a>; 2],
    probes: Probes,
}

impl<'a> Explained<'a> {
    /// `None` where it is no explanations that are ordered.
    pub(super) fn of(
        kernel: &'a dyn Kernel,
        plans: [&'a Plan; 2],
        clock_cost_ns: f64,
    ) -> Option<Self> {
        let [a, b] = plans.map(|plan| Some((plan, plan.order.explain()?)));
        let sides = [a?, b?].map(|(plan, order)| Side::new(kernel, plan, order, clock_cost_ns));
        Some(Self {
            kernel,
            plan: plans[0],
            sides,
            probes: Probes::default(),
        })
    }

    /// The visits after those that time the one parent. Without a stamp there is no phase,
    /// and a run that is broken off shall have some.
    pub(super) fn visits(&self, timing: Rhythm) -> Vec<(&'static str, Visit, Rhythm)> {
        let stamping = Rhythm {
            weight: WEIGHT * timing.weight,
            first: 1,
            ..timing
        };
        let probing = |every| Rhythm {
            weight: 0.0,
            every,
            from: 0,
            first: 2,
            owed: true,
            rests: false,
        };
        let (parent, pass) = (0, Pass::Stamping);
        let mut visits = vec![
            ("stamping", Visit::Pair(Pair { parent, pass }), stamping),
            (
                "finding the order of EXIT",
                Visit::ExitOrder,
                probing(Rhythm::ONCE),
            ),
        ];
        if self.sides.iter().any(Side::has_marks) {
            let every = probing(BREAKPOINT_EVERY);
            visits.push(("measuring a breakpoint", Visit::Breakpoint, every));
        }
        visits
    }

    /// Whether what is to be found out of the host can be.
    pub(super) fn finds_out(&self) -> bool {
        self.probes.hits.iter().all(Result::is_ok)
    }

    /// Finds something out of the host, in a loop of no length that could be told.
    pub(super) fn find_out(&mut self, visit: Visit, timeout: Duration) -> Result<f64, LabError> {
        let (kernel, plan) = (self.kernel, self.plan);
        match visit {
            Visit::ExitOrder => self.probes.exit = Some(exit_probe(kernel, plan, timeout)?),
            _ => self
                .probes
                .hits
                .push(breakpoint_pair(kernel, plan, timeout)?),
        }
        Ok(0.0)
    }

    /// What was found out of one side.
    pub(super) fn findings(
        &self,
        side: usize,
        recordings: &[Recording],
        cells: Vec<Cell>,
    ) -> Findings {
        let found = self.sides[side].explanation(recordings, &self.probes, cells, WHY_NO_MORE);
        Findings::Explanation(Box::new(found))
    }
}
