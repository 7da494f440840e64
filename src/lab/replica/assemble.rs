//! From the workers' records to what is said of a rebuilt process.

use super::Experiment;
use crate::analysis::card::{forecast, unpriced};
use crate::lab::tried::Tried;
use crate::model::{
    Availability, ChildAction, ProcessForecast, ProcessRole, ProcessTrial, Replica, Resemblance,
    ShapeUnit, UnitResemblance,
};

impl Experiment<'_> {
    /// What was measured, as far as it came.
    pub(in crate::lab) fn replica(&self, clock_cost_ns: f64) -> Replica {
        let trials = self.trials_with(clock_cost_ns);
        Replica {
            forecast: self.forecast(&trials),
            likeness: self.likeness(),
            trials,
        }
    }

    /// The trials so far, for choosing what comes next.
    pub(in crate::lab) fn results(&self) -> Vec<ProcessTrial> {
        self.trials_with(0.0)
    }

    fn trials_with(&self, clock_cost_ns: f64) -> Vec<ProcessTrial> {
        let both = self.trials.iter().zip(self.rounds.tried());
        both.map(|(trial, tried)| ProcessTrial {
            role: trial.role,
            child: match trial.program {
                Some(_) => ChildAction::Exec,
                None => self.plan.child,
            },
            parent: tried.parent(),
            cells: tried.cells(&trial.methods, clock_cost_ns, self.plan.seed),
        })
        .collect()
    }

    /// What the stored card says of a fork from the parent that was built.
    fn forecast(&self, trials: &[ProcessTrial]) -> Availability<ProcessForecast> {
        let prices = match &self.order.prices {
            Availability::Measured(prices) => prices,
            Availability::Missing(missing) => return Availability::Missing(missing.clone()),
        };
        let whole = trials.iter().find(|trial| trial.role == ProcessRole::Whole);
        let Some(parent) = whole.and_then(|trial| trial.parent.measured()) else {
            return Availability::not_reached();
        };
        let [call_ns, total_ns] = forecast(prices, &parent.mappings);
        let lacking = unpriced(&self.built, prices, total_ns);
        if !lacking.is_empty() {
            let reason = format!("the card has no price for {}", lacking.join(", "));
            return Availability::unavailable(reason, None);
        }
        Availability::Measured(ProcessForecast {
            call_ns,
            total_ns,
            error: prices.grade.total.loo_p90,
        })
    }

    /// The shape in the units of a fork, and what the workers had of it.
    fn likeness(&self) -> Resemblance {
        // Without a worker there is nothing to set beside the process.
        let whole = self.rounds.tried().first().map(Tried::parent);
        let whole = whole.and_then(|parent| parent.measured().copied());
        let units = whole.into_iter().flat_map(|built| {
            ShapeUnit::ALL.map(|unit| UnitResemblance {
                unit,
                process: self.whole.units(unit),
                wanted: self.built.units(unit),
                built: unit.count(&built),
            })
        });
        // Hardly any process has pinned pages.
        let units = units.filter(|of| of.unit != ShapeUnit::PinnedPages || of.process > 0);
        Resemblance {
            units: units.collect(),
            left_out: self.built.left_out().to_vec(),
            stand_ins: self.built.stand_ins() as u64,
        }
    }
}
