//! From the programs' runs to the rows of the document.

use super::Experiment;
use super::row::Row;
use crate::analysis::reproduce::studies;
use crate::lab::cpu_time::share_of_kernel;
use crate::model::{
    Availability, Loop, LoopRun, LoopSystem, Looped, Loops, Missing, Parent, SplitSource,
};
use crate::stats::{DRAWS, Estimate, Replicates, cost_replicates};

impl Experiment<'_> {
    /// What was measured so far.
    pub(super) fn loops(&self) -> Loops {
        Loops {
            interpreter: self.interpreter.clone().into(),
            unsampled: self.rows.iter().find_map(|row| row.unsampled.clone()),
            rows: self.rows.iter().map(|row| self.row(row)).collect(),
        }
    }

    fn row(&self, row: &Row) -> Loop {
        let iterations = self.iterations(row.system);
        let nothing = || row.failed.clone().unwrap_or_else(Missing::not_reached);
        let here = self.looped(row, iterations);
        Loop {
            system: row.system,
            published: studies::loops(row.system),
            iterations,
            here: Availability::of(here, nothing),
            failed: row.failed.clone().filter(|_| !row.runs.is_empty()),
        }
    }

    fn iterations(&self, system: LoopSystem) -> u64 {
        match system {
            LoopSystem::PythonPopenLong => self.order.long_iterations,
            _ => self.order.iterations,
        }
    }

    /// `None` without a timed run.
    fn looped(&self, row: &Row, iterations: u64) -> Option<Looped> {
        let seed = self.plan.seed;
        let over = |value: &dyn Fn(&LoopRun) -> f64| over_runs(&row.runs, value, seed);
        let real = |run: &LoopRun| run.real_ns as f64 / 1e9;
        let cpu = over(&|run| run.cpu_us as f64 / 1e6)?;
        let (user_s, sys_s, split) = self.split(row, &cpu);
        Some(Looped {
            real_s: over(&real)?.estimate(),
            start_s: over(&|run| (run.real_ns - run.loop_ns) as f64 / 1e9)?.estimate(),
            per_second: over(&|run| iterations as f64 / real(run))?.estimate(),
            ratio: self.ratio(row, iterations),
            cpu_s: cpu.estimate(),
            user_s,
            sys_s,
            split,
            minor_faults: measured(over(&|run| run.minor_faults as f64 / iterations as f64)),
            parent: Availability::of(Parent::typical(&row.parents), Missing::not_reached),
            calls: match row.calls.clone() {
                Some(calls) => calls.into(),
                None => Availability::not_reached(),
            },
            runs: row.runs.clone(),
        })
    }

    /// CPU time in user mode and in the kernel: by the timer's samples where there
    /// are enough, else as the kernel's bookkeeping has it.
    fn split(
        &self,
        row: &Row,
        cpu: &Replicates,
    ) -> (Availability<Estimate>, Availability<Estimate>, SplitSource) {
        let seed = self.plan.seed;
        if let Some(kernel) = share_of_kernel(&row.ticks, seed) {
            let part = |of: &dyn Fn(f64) -> f64| {
                Replicates::combine(&[cpu, &kernel], |parts| Some(parts[0] * of(parts[1])))
            };
            let (user, sys) = (part(&|share| 1.0 - share), part(&|share| share));
            return (measured(user), measured(sys), SplitSource::Samples);
        }
        let over = |value: &dyn Fn(&LoopRun) -> f64| over_runs(&row.runs, value, seed);
        let user = over(&|run| run.user_us as f64 / 1e6);
        let sys = over(&|run| run.cpu_us.saturating_sub(run.user_us) as f64 / 1e6);
        (measured(user), measured(sys), SplitSource::Rusage)
    }

    /// An iteration's time over one of the second program's in the same round.
    fn ratio(&self, row: &Row, iterations: u64) -> Availability<Estimate> {
        let mut rows = self.rows.iter();
        let Some(second) = rows.find(|row| row.system == LoopSystem::CFork) else {
            return Availability::not_reached();
        };
        if let (Some(missing), []) = (&second.failed, &second.runs[..]) {
            return Availability::Missing(missing.clone());
        }
        let base = |round: u32| second.runs.iter().find(|run| run.round == round);
        let ratios: Vec<Vec<f64>> = row
            .runs
            .iter()
            .filter_map(|run| {
                let base = base(run.round)?.real_ns as f64 / self.order.iterations as f64;
                Some(vec![run.real_ns as f64 / iterations as f64 / base])
            })
            .collect();
        measured(cost_replicates(&ratios, self.plan.seed, DRAWS))
    }
}

fn measured(replicates: Option<Replicates>) -> Availability<Estimate> {
    let estimate = replicates.map(|replicates| replicates.estimate());
    Availability::of(estimate, Missing::not_reached)
}

/// The median over the runs, each of which is a process of its own.
fn over_runs(runs: &[LoopRun], value: &dyn Fn(&LoopRun) -> f64, seed: u64) -> Option<Replicates> {
    let values: Vec<Vec<f64>> = runs.iter().map(|run| vec![value(run)]).collect();
    cost_replicates(&values, seed, DRAWS)
}
