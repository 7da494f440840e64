//! The experiment behind a live process: its shape is rebuilt, rung by rung or remedy
//! by remedy, and forked from.

mod assemble;

use std::time::Duration;

use super::assemble::{self as documents, Setting};
use super::error::LabError;
use super::explain;
use super::kernel::Kernel;
use super::rounds::{Rounds, Try};
use super::run::{Outcome, Progress, ending, unix_s};
use crate::analysis::process::{Chosen, Design, Rebuilt, Trial, choose, scaled};
use crate::model::{
    ChildAction, Document, Host, Plan, ProcessOrder, ProcessPurpose, ProcessRole, ProcessShape,
    Program, SpaceRequest, SpawnMethod, Stopped,
};
use crate::worker::protocol::{Assignment, Pass};

/// Of the time of an advice, what the remedies have one by one; the rest is for those
/// that are tried together.
const SINGLE_SHARE: f64 = 0.75;
/// Of the time of an explanation that also takes the fork apart, what the trials have.
const LEDGER_SHARE: f64 = 0.5;

/// Carries out a plan for a shape.
pub(super) fn run(
    kernel: &dyn Kernel,
    host: Host,
    plan: &Plan,
    order: &ProcessOrder,
    progress: &mut dyn Progress,
) -> Outcome {
    let begin = kernel.now();
    let started_unix_s = unix_s();
    let mut experiment = match Experiment::new(kernel, plan, order) {
        Ok(experiment) => experiment,
        Err(error) => {
            return Outcome {
                document: None,
                error: Some(error),
            };
        }
    };
    let (stopped, error) = ending(experiment.run(progress));
    let error = error.or_else(|| experiment.rounds.lost());
    if !experiment.rounds.has_times() {
        return Outcome {
            document: None,
            error,
        };
    }
    progress.step("putting the figures together", 1.0);
    let live = experiment.live(host.clock_cost_ns);
    let setting = Setting {
        host,
        plan,
        started_unix_s,
        duration_s: (kernel.now() - begin).as_secs_f64(),
        rounds: experiment.rounds.completed(),
        stopped,
        explanation: None,
        reproduction: None,
        card: None,
        live: Some(live),
        left_behind: experiment.rounds.left_behind(),
    };
    let host = setting.host.clone();
    let mut document = documents::document(setting, &[]);
    document.caveats.extend(experiment.rounds.few_rounds());
    let error = match error {
        None => experiment.take_apart(host, &mut document, progress),
        error => error,
    };
    Outcome {
        document: Some(document),
        error,
    }
}

struct Experiment<'a> {
    kernel: &'a dyn Kernel,
    plan: &'a Plan,
    order: &'a ProcessOrder,
    /// The process as a worker would have it, whole, and what of it is built.
    whole: Rebuilt,
    built: Rebuilt,
    design: Design,
    trials: Vec<Trial>,
    chosen: Vec<Chosen>,
    rounds: Rounds<'a>,
}

impl<'a> Experiment<'a> {
    fn new(
        kernel: &'a dyn Kernel,
        plan: &'a Plan,
        order: &'a ProcessOrder,
    ) -> Result<Self, LabError> {
        let own = own_shape(kernel, plan)?;
        let built = Rebuilt::of(&scaled(&order.shape, &order.scale), &own);
        let design = Design::of(
            &built,
            order.purpose,
            &plan.methods,
            &order.host,
            &order.targets,
        );
        Ok(Self {
            kernel,
            plan,
            order,
            whole: Rebuilt::of(&order.shape, &own),
            built,
            trials: design.trials.clone(),
            design,
            chosen: Vec::new(),
            rounds: Rounds::new(kernel, plan),
        })
    }

    fn run(&mut self, progress: &mut dyn Progress) -> Result<Stopped, LabError> {
        self.kernel.check_limits(&[self.trials[0].space.clone()])?;
        self.kernel.try_program(self.plan)?;
        let plan = self.plan;
        self.rounds
            .add(self.trials.iter().map(|trial| order(plan, trial)));
        self.leave_out_what_does_not_fit();
        let all: Vec<usize> = (0..self.trials.len()).collect();
        match self.order.purpose {
            ProcessPurpose::Explain => self.rounds.run(&all, self.share(), progress)?,
            ProcessPurpose::Advise => {
                self.rounds.run(&all, SINGLE_SHARE, progress)?;
                self.together(progress)?;
            }
        }
        Ok(Stopped::Time)
    }

    /// Says where the time of a fork goes, if that was asked for.
    fn take_apart(
        &self,
        host: Host,
        document: &mut Document,
        progress: &mut dyn Progress,
    ) -> Option<LabError> {
        let order = self.plan.explain.as_ref()?;
        let mut plan = self.plan.clone();
        plan.live = None;
        plan.spaces = vec![SpaceRequest::NOTHING, self.trials[0].space.clone()];
        plan.methods.retain(|method| method.has_own_children());
        plan.stop.time_s = plan.stop.time_s.map(|time_s| (1.0 - LEDGER_SHARE) * time_s);
        let outcome = explain::run(self.kernel, host, &plan, order, progress);
        if let Some(apart) = outcome.document {
            document.plan.spaces = apart.plan.spaces;
            document.plan.methods = apart.plan.methods;
            document.plan.baseline = apart.plan.baseline;
            document.cells = apart.cells;
            document.explanation = apart.explanation;
            document.caveats.extend(apart.caveats);
            document.run.duration_s += apart.run.duration_s;
        }
        outcome.error
    }

    /// The share of the time that the trials have.
    fn share(&self) -> f64 {
        match self.plan.explain {
            Some(_) => LEDGER_SHARE,
            None => 1.0,
        }
    }

    /// A remedy may take more memory than the process itself; that costs the remedy.
    fn leave_out_what_does_not_fit(&mut self) {
        for (index, trial) in self.trials.iter().enumerate().skip(1) {
            let checked = self.kernel.check_limits(std::slice::from_ref(&trial.space));
            if let Err(error) = checked {
                self.rounds.leave_out(index, &error);
            }
        }
    }

    /// What helped, together, beside the shape as it is.
    fn together(&mut self, progress: &mut dyn Progress) -> Result<(), LabError> {
        let so_far = self.results();
        self.chosen = choose(&self.design, &so_far, self.plan.seed);
        let first = self.trials.len();
        for chosen in &self.chosen {
            let trial = chosen.trial(&self.built, &self.order.host);
            self.trials.extend(trial);
        }
        if self.trials.len() == first {
            return Ok(());
        }
        let plan = self.plan;
        let added = self.trials[first..].iter();
        self.rounds.add(added.map(|trial| order(plan, trial)));
        self.leave_out_what_does_not_fit();
        let of: Vec<usize> = std::iter::once(0).chain(first..self.trials.len()).collect();
        self.rounds.run(&of, 1.0, progress)
    }
}

/// The shape of a worker that was not inflated.
fn own_shape(kernel: &dyn Kernel, plan: &Plan) -> Result<ProcessShape, LabError> {
    let mut assignment = Assignment::of_plan(plan, SpaceRequest::NOTHING, Pass::Timing);
    // A worker of one method: what the others keep for themselves is in no fork.
    assignment.alone(SpawnMethod::Fork);
    assignment.child = ChildAction::Exit;
    assignment.program = Program::Embedded;
    let timeout = Duration::from_millis(plan.spawn_timeout_ms);
    let mut worker = kernel.launch(&assignment, timeout)?;
    let prepared = worker.prepare()?;
    let shape = worker.shape(&prepared.instrument)?;
    worker.end();
    Ok(shape)
}

fn order(plan: &Plan, trial: &Trial) -> Try {
    let mut assignment = Assignment::of_plan(plan, trial.space.clone(), Pass::Timing);
    assignment.methods = trial.methods.clone();
    assignment.extras = vec![0; trial.methods.len()];
    assignment.closes_descriptors = trial.closes;
    if let Some(program) = &trial.program {
        assignment.program = program.clone();
        assignment.child = ChildAction::Exec;
    }
    Try {
        name: name(trial.role).to_owned(),
        assignment,
        may_fail: trial.program.is_some(),
        never_rests: trial.role == ProcessRole::Whole,
    }
}

/// What is under way, for the progress.
fn name(role: ProcessRole) -> &'static str {
    match role {
        ProcessRole::Whole => "the whole shape",
        ProcessRole::Rung(_) => "a part of the shape",
        ProcessRole::Without(_) => "the shape without its dearest mappings",
        ProcessRole::Remedied(_) | ProcessRole::Against(_) => "a remedy",
    }
}
