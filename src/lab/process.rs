//! The experiment behind a process: its shape is rebuilt, rung by rung, and forked from;
//! and if that was asked for, the fork from the whole is taken apart.

use std::borrow::Cow;

mod rewriting;

use super::error::LabError;
use super::explain;
use super::kernel::Kernel;
use super::outcome::{Outcome, Progress};
use super::replica::{Experiment, own_shape};
use crate::analysis::process::{Design, blame, unpinned};
use crate::analysis::replica::{Blueprint, scaled};
use crate::model::{
    Availability, Document, Findings, Host, Order, Plan, Process, ProcessOrder, SpaceRequest,
};

/// Of the time of an explanation that also takes the fork apart, what the trials have.
const LEDGER_SHARE: f64 = 0.5;

/// Carries out a plan that explains a process.
pub(super) fn run(
    kernel: &dyn Kernel,
    host: Host,
    plan: &Plan,
    order: &ProcessOrder,
    progress: &mut dyn Progress,
) -> Outcome {
    let mut experiment = match Experiment::new(kernel, plan, &order.replica) {
        Ok(experiment) => experiment,
        Err(error) => return Outcome::nothing(error),
    };
    let share = order.ledger.as_ref().map_or(1.0, |_| LEDGER_SHARE);
    let design = Design::of(&experiment.built, &plan.methods);
    let beside = rewriting::tries(plan, order, &unpinned(&experiment.built));
    let result = experiment.run(&design.trials, beside, share, progress);
    let clock_cost_ns = host.clock_cost_ns;
    let whole = design.trials[0].space.clone();
    let outcome = experiment.outcome(host.clone(), result, progress, |experiment| {
        Findings::Process(Box::new(explained(
            experiment,
            &design,
            order,
            clock_cost_ns,
        )))
    });
    match (outcome, &order.ledger) {
        (
            Outcome {
                document: Some(document),
                error: None,
            },
            Some(order),
        ) => {
            let plan = apart(plan, whole);
            with_ledger(document, explain::run(kernel, host, &plan, order, progress))
        }
        (outcome, _) => outcome,
    }
}

/// Whose the cost is, as far as the trials came.
fn explained(
    experiment: &Experiment<'_>,
    design: &Design,
    order: &ProcessOrder,
    clock_cost_ns: f64,
) -> Process {
    let replica = experiment.replica(clock_cost_ns);
    let shape = &order.replica.shape;
    let whole = &experiment.whole;
    Process {
        blame: blame(shape, whole, design, &replica.trials, experiment.plan.seed),
        replica,
        ledger: None,
        rewritten: rewriting::rewritten(experiment, order),
    }
}

/// The plan of an explanation of the fork from the whole shape.
fn apart(plan: &Plan, whole: SpaceRequest) -> Plan {
    let mut plan = plan.clone();
    plan.spaces = vec![SpaceRequest::NOTHING, whole];
    plan.methods.retain(|method| method.has_own_children());
    plan.stop.time_s = plan.stop.time_s.map(|time_s| (1.0 - LEDGER_SHARE) * time_s);
    plan
}

/// The plan of a process that takes turns with another: an explanation of its whole shape as
/// a worker has it. Any other plan is what it is.
pub(super) fn by_turns<'a>(kernel: &dyn Kernel, plan: &'a Plan) -> Result<Cow<'a, Plan>, LabError> {
    let Order::Process(ProcessOrder {
        replica,
        ledger: Some(explain),
        ..
    }) = &plan.order
    else {
        return Ok(Cow::Borrowed(plan));
    };
    let own = own_shape(kernel, plan)?;
    let built = Blueprint::of(&scaled(&replica.shape, &replica.scale), &own);
    let whole = Design::of(&built, &plan.methods).trials.swap_remove(0);
    Ok(Cow::Owned(Plan {
        order: Order::Explain(explain.clone()),
        spaces: vec![whole.space],
        ..plan.clone()
    }))
}

/// Says where the time of a fork goes, too.
fn with_ledger(mut document: Document, apart: Outcome) -> Outcome {
    let error = apart.error;
    if let Some(apart) = apart.document {
        document.plan.spaces = apart.plan.spaces;
        document.plan.methods = apart.plan.methods;
        document.plan.baseline = apart.plan.baseline;
        if let (Findings::Process(process), Findings::Explanation(mut ledger)) =
            (&mut document.findings, apart.findings)
        {
            for method in &mut ledger.methods {
                method.rewriting = Availability::not_asked("it is told of the process itself");
            }
            process.ledger = Some(*ledger);
        }
        document.caveats.extend(apart.caveats);
        document.run.duration_s += apart.run.duration_s;
    }
    Outcome {
        document: Some(document),
        error,
    }
}
