//! A process rebuilt: what `explain --pid` and `advise` have in common. Workers get its
//! shape, or a variant of it by the design, and are forked from in rounds.

mod assemble;

use std::time::Duration;

use super::error::LabError;
use super::kernel::Kernel;
use super::outcome::{Outcome, Progress};
use super::rounds::{Rounds, Try};
use super::tried::Tried;
use crate::analysis::replica::{Blueprint, Trial, scaled};
use crate::model::{
    ChildAction, Closing, Findings, Host, Plan, ProcessRole, ProcessShape, Program, RemedyKind,
    ReplicaOrder, SpaceRequest, SpawnMethod, Stopped,
};
use crate::worker::protocol::{Assignment, Pass};

/// The trials of a shape, and what became of them.
pub(super) struct Experiment<'a> {
    pub(super) kernel: &'a dyn Kernel,
    pub(super) plan: &'a Plan,
    order: &'a ReplicaOrder,
    /// The process as a worker would have it, whole, and what of it is built.
    pub(super) whole: Blueprint,
    pub(super) built: Blueprint,
    pub(super) trials: Vec<Trial>,
    pub(super) rounds: Rounds<'a>,
}

impl<'a> Experiment<'a> {
    /// Looks at a worker that was not inflated.
    pub(super) fn new(
        kernel: &'a dyn Kernel,
        plan: &'a Plan,
        order: &'a ReplicaOrder,
    ) -> Result<Self, LabError> {
        // The time of the run begins here: what follows is a part of it.
        let rounds = Rounds::new(kernel, plan);
        let own = own_shape(kernel, plan)?;
        Ok(Self {
            kernel,
            plan,
            order,
            whole: Blueprint::of(&order.shape, &own).watched(order.scale.watched),
            built: Blueprint::of(&scaled(&order.shape, &order.scale), &own)
                .watched(order.scale.watched),
            trials: Vec::new(),
            rounds,
        })
    }

    /// Runs the trials of a design, the whole shape first, and what else is measured beside
    /// them, for a share of the time.
    pub(super) fn run(
        &mut self,
        trials: &[Trial],
        beside: Vec<Try>,
        share: f64,
        progress: &mut dyn Progress,
    ) -> Result<Stopped, LabError> {
        self.kernel.check_limits(&[trials[0].space.clone()])?;
        self.kernel.try_program(self.plan)?;
        self.add(trials);
        let of_rewriting: Vec<Assignment> = beside.iter().map(|it| it.assignment.clone()).collect();
        self.rounds.add(beside);
        for (index, assignment) in of_rewriting.iter().enumerate() {
            if let Err(error) = self.kernel.check_rewriting(assignment) {
                self.rounds.leave_out(self.trials.len() + index, &error);
            }
        }
        let all: Vec<usize> = (0..self.rounds.tried().len()).collect();
        self.rounds.run(&all, share, progress)
    }

    /// What became of what was measured beside the trials.
    pub(super) fn beside(&self) -> &[Tried] {
        &self.rounds.tried()[self.trials.len()..]
    }

    /// Runs more trials beside the shape as it is, until the time is up; of a design with
    /// nothing else beside it.
    pub(super) fn run_also(
        &mut self,
        more: &[Trial],
        progress: &mut dyn Progress,
    ) -> Result<(), LabError> {
        if more.is_empty() {
            return Ok(());
        }
        let first = self.trials.len();
        self.add(more);
        let of: Vec<usize> = std::iter::once(0).chain(first..self.trials.len()).collect();
        self.rounds.run(&of, 1.0, progress)?;
        Ok(())
    }

    /// A remedy may take more memory than the process itself; that costs the remedy.
    fn add(&mut self, trials: &[Trial]) {
        let plan = self.plan;
        self.rounds
            .add(trials.iter().map(|trial| order(plan, trial)));
        self.trials.extend_from_slice(trials);
        for (index, trial) in self.trials.iter().enumerate().skip(1) {
            let checked = self.kernel.check_limits(std::slice::from_ref(&trial.space));
            if let Err(error) = checked {
                self.rounds.leave_out(index, &error);
            }
        }
    }

    /// What the trials come to, as far as they came.
    pub(super) fn outcome(
        mut self,
        host: Host,
        result: Result<Stopped, LabError>,
        progress: &mut dyn Progress,
        findings: impl FnOnce(&Self) -> Findings,
    ) -> Outcome {
        let ended = self.rounds.ended(result);
        let findings = self.rounds.has_times().then(|| {
            progress.step("putting the figures together", 1.0);
            findings(&self)
        });
        self.rounds.outcome(host, ended, findings)
    }
}

/// The shape of a worker that was not inflated.
pub(super) fn own_shape(kernel: &dyn Kernel, plan: &Plan) -> Result<ProcessShape, LabError> {
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
    assignment.closing = trial.closing;
    assignment.filters = trial.filters;
    let needs_more = trial.filters.count > 0 || trial.closing != Closing::Nothing;
    if let Some(program) = &trial.program {
        assignment.program = program.clone();
        assignment.child = ChildAction::Exec;
    }
    Try {
        name: name(trial.role).to_owned(),
        assignment,
        may_fail: trial.program.is_some() || needs_more,
        never_rests: trial.role == ProcessRole::Whole,
        comes_later: comes_later(trial.role),
    }
}

/// What checks or what is told, rather than what is asked: where time is short, the others
/// are repeated instead.
fn comes_later(role: ProcessRole) -> bool {
    match role {
        ProcessRole::Whole | ProcessRole::Rung(_) | ProcessRole::Filtered => false,
        ProcessRole::Without(_) | ProcessRole::Against(_) => true,
        ProcessRole::Remedied(kind) => matches!(
            kind,
            RemedyKind::NoHugePages
                | RemedyKind::NoFilePages
                | RemedyKind::StaticTarget
                | RemedyKind::CloseRangeForEach
        ),
    }
}

/// What is under way, for the progress.
fn name(role: ProcessRole) -> &'static str {
    match role {
        ProcessRole::Whole => "the whole shape",
        ProcessRole::Rung(_) => "a part of the shape",
        ProcessRole::Without(_) => "the shape without its dearest mappings",
        ProcessRole::Filtered => "the shape with seccomp filters",
        ProcessRole::Remedied(_) | ProcessRole::Against(_) => "a remedy",
    }
}
