//! The experiment behind an advice: the shape of a process is rebuilt, remedy by remedy,
//! and forked from; then what helped is tried together.

use super::error::LabError;
use super::kernel::Kernel;
use super::outcome::{Outcome, Progress};
use super::replica::Experiment;
use crate::analysis::advise::{Chosen, Design, choose, remedies};
use crate::analysis::replica::Trial;
use crate::model::{Advice, AdviseOrder, Findings, Host, Plan, Stopped};

/// Of the time of an advice, what the remedies have one by one; the rest is for those
/// that are tried together.
const SINGLE_SHARE: f64 = 0.75;

/// Carries out a plan that tries remedies.
pub(super) fn run(
    kernel: &dyn Kernel,
    host: Host,
    plan: &Plan,
    order: &AdviseOrder,
    progress: &mut dyn Progress,
) -> Outcome {
    let mut experiment = match Experiment::new(kernel, plan, &order.replica) {
        Ok(experiment) => experiment,
        Err(error) => return Outcome::nothing(error),
    };
    let design = Design::of(
        &experiment.built,
        (plan.methods.as_slice(), plan.child),
        &order.host,
        &order.targets,
    );
    let mut chosen = Vec::new();
    let result = tried(&mut experiment, &design, order, &mut chosen, progress);
    let clock_cost_ns = host.clock_cost_ns;
    experiment.outcome(host, result, progress, |experiment| {
        let replica = experiment.replica(clock_cost_ns);
        let trials = &replica.trials;
        Findings::Advice(Advice {
            remedies: remedies(&design, &chosen, trials, &order.host, plan.seed),
            replica,
        })
    })
}

/// One by one, and then what helped together.
fn tried(
    experiment: &mut Experiment<'_>,
    design: &Design,
    order: &AdviseOrder,
    chosen: &mut Vec<Chosen>,
    progress: &mut dyn Progress,
) -> Result<Stopped, LabError> {
    let stopped = experiment.run(&design.trials, Vec::new(), SINGLE_SHARE, progress)?;
    *chosen = choose(design, &experiment.results(), experiment.plan.seed);
    let built = &experiment.built;
    let together = chosen
        .iter()
        .filter_map(|chosen| chosen.trial(built, &order.host));
    let together: Vec<Trial> = together.collect();
    experiment.run_also(&together, progress)?;
    Ok(stopped)
}
