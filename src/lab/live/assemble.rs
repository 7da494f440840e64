//! From the workers' records to what is said of a live process.

use super::Experiment;
use crate::card::forecast;
use crate::lab::assemble::{as_floats, middle, samples};
use crate::lab::card::assemble::{features, why_not};
use crate::lab::rounds::Tried;
use crate::lab::session::Recording;
use crate::live::{Trial, blame, remedies};
use crate::model::{
    Availability, ChildAction, Live, LiveCell, LiveForecast, LivePurpose, LiveRole, LiveTrial,
    Missing, ShapeLikeness, ShapeUnit, SpawnMethod, UnitLikeness, WorkerSamples,
};
use crate::stats::summarise;

impl Experiment<'_> {
    /// All that was found out, as far as it came.
    pub(super) fn live(&self, clock_cost_ns: f64) -> Live {
        let trials = self.trials_with(clock_cost_ns);
        let seed = self.plan.seed;
        let (blame, remedies) = match self.order.purpose {
            LivePurpose::Explain => (
                blame(&self.order.shape, &self.whole, &self.design, &trials, seed),
                Vec::new(),
            ),
            LivePurpose::Advise => (
                Availability::Missing(Missing::not_asked(
                    "an advice tries remedies; forktax explain says whose the cost is",
                )),
                remedies(&self.design, &self.chosen, &trials, &self.order.host, seed),
            ),
        };
        Live {
            forecast: self.forecast(&trials),
            likeness: self.likeness(),
            trials,
            blame,
            remedies,
        }
    }

    /// The trials so far, for choosing what comes next.
    pub(super) fn results(&self) -> Vec<LiveTrial> {
        self.trials_with(0.0)
    }

    fn trials_with(&self, clock_cost_ns: f64) -> Vec<LiveTrial> {
        let both = self.trials.iter().zip(&self.rounds.tried);
        both.map(|(trial, tried)| LiveTrial {
            role: trial.role,
            child: match trial.program {
                Some(_) => ChildAction::Exec,
                None => self.plan.child,
            },
            features: features(tried),
            resident_bytes: middle(over(tried, |r| r.inflated.resident_bytes)),
            cells: cells(trial, tried, clock_cost_ns, self.plan.seed),
        })
        .collect()
    }

    /// What the stored card says of a fork from the parent that was built.
    fn forecast(&self, trials: &[LiveTrial]) -> Availability<LiveForecast> {
        let prices = match &self.order.prices {
            Availability::Measured(prices) => prices,
            Availability::Missing(missing) => return Availability::Missing(missing.clone()),
        };
        let whole = trials.iter().find(|trial| trial.role == LiveRole::Whole);
        let Some(features) = whole.and_then(|trial| trial.features.measured()) else {
            return Availability::not_reached();
        };
        let [call_ns, total_ns] = forecast(&prices.terms, prices.knee_bytes, features);
        Availability::Measured(LiveForecast {
            call_ns,
            total_ns,
            error: prices.grade.total.loo_p90,
        })
    }

    /// The shape in the units of a fork, and what the workers had of it.
    fn likeness(&self) -> ShapeLikeness {
        let of_whole = self.rounds.tried.first();
        let built = |unit| of_whole.map_or(0, |tried| middle(over(tried, |r| count(r, unit))));
        let units = ShapeUnit::ALL.map(|unit| UnitLikeness {
            unit,
            process: self.whole.units(unit),
            wanted: self.built.units(unit),
            built: built(unit),
        });
        ShapeLikeness {
            units: units.to_vec(),
            left_out: self.built.left_out().to_vec(),
            stand_ins: self.built.stand_ins() as u64,
        }
    }
}

/// What a worker had of a unit.
fn count(recording: &Recording, unit: ShapeUnit) -> u64 {
    let census = &recording.inflated;
    let features = census.features();
    match unit {
        ShapeUnit::Vmas => features.vmas,
        ShapeUnit::AnonVmas => features.anon_vmas,
        ShapeUnit::Ptes => features.ptes,
        ShapeUnit::Tables => features.tables,
        ShapeUnit::HugeEntries => features.huge_entries,
        ShapeUnit::Descriptors => census.descriptors,
        ShapeUnit::Threads => census.threads,
    }
}

fn over(tried: &Tried, pick: impl Fn(&Recording) -> u64) -> Vec<u64> {
    tried.workers.iter().map(pick).collect()
}

fn cells(trial: &Trial, tried: &Tried, cost: f64, seed: u64) -> Vec<LiveCell> {
    let workers: Vec<&Recording> = tried.workers.iter().collect();
    let cell = |method: &SpawnMethod| {
        let samples = samples(&workers, *method, cost);
        let summary = |pick: fn(&WorkerSamples) -> &Vec<u64>| {
            summarise(&as_floats(&samples, pick), seed).map_or_else(
                || Availability::Missing(why_not(tried, *method)),
                Availability::Measured,
            )
        };
        LiveCell {
            method: *method,
            call_ns: summary(|s| &s.call_ns),
            total_ns: summary(|s| &s.total_ns),
            samples,
        }
    };
    trial.methods.iter().map(cell).collect()
}
