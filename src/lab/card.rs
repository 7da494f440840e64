//! The experiment behind a card: all trials of the design, in rounds.

mod assemble;

use super::error::LabError;
use super::kernel::Kernel;
use super::outcome::{Outcome, Progress};
use super::rounds::{Rounds, Try};
use crate::analysis::card::{environment, name};
use crate::model::{CardOrder, Findings, Host, Plan, Program, Purpose, Stopped, Trial};
use crate::worker::protocol::{Assignment, Pass};

/// Pages that the gauging writes to again.
const GAUGED_PAGES: u64 = 1_024;

/// Carries out the trials of a plan.
pub(super) fn run(
    kernel: &dyn Kernel,
    host: Host,
    plan: &Plan,
    order: &CardOrder,
    progress: &mut dyn Progress,
) -> Outcome {
    let mut experiment = Experiment::new(kernel, plan, order);
    let result = experiment.run(progress);
    let ended = experiment.rounds.ended(result);
    let card = || Findings::Card(experiment.card(host.clock_cost_ns));
    let findings = experiment.rounds.has_times().then(card);
    experiment.rounds.outcome(host, ended, findings)
}

struct Experiment<'a> {
    kernel: &'a dyn Kernel,
    plan: &'a Plan,
    order: &'a CardOrder,
    rounds: Rounds<'a>,
}

impl<'a> Experiment<'a> {
    fn new(kernel: &'a dyn Kernel, plan: &'a Plan, order: &'a CardOrder) -> Self {
        let mut rounds = Rounds::new(kernel, plan);
        rounds.add(order.trials.iter().map(|trial| Try {
            name: name(trial.purpose).to_owned(),
            assignment: assignment(plan, trial),
            may_fail: is_own(order, trial),
            never_rests: false,
            comes_later: false,
        }));
        Self {
            kernel,
            plan,
            order,
            rounds,
        }
    }

    fn run(&mut self, progress: &mut dyn Progress) -> Result<Stopped, LabError> {
        let spaces = self.order.trials.iter().map(|trial| trial.space.clone());
        self.kernel.check_limits(&spaces.collect::<Vec<_>>())?;
        self.kernel.try_program(self.plan)?;
        let all: Vec<usize> = (0..self.order.trials.len()).collect();
        self.rounds.run(&all, 1.0, progress)
    }
}

/// Whether a trial's program is one that forktax found for itself, so that it may
/// fail.
fn is_own(order: &CardOrder, trial: &Trial) -> bool {
    trial.program != Program::Embedded && !order.named.contains(&trial.purpose)
}

fn assignment(plan: &Plan, trial: &Trial) -> Assignment {
    let gauges = trial.purpose == Purpose::Gauges;
    let pass = if gauges { Pass::Gauging } else { Pass::Timing };
    Assignment {
        extras: vec![0; trial.methods.len()],
        methods: trial.methods.clone(),
        child: trial.child,
        program: trial.program.clone(),
        environment: environment(&plan.environment, trial.variables),
        rewrite_pages: if gauges { GAUGED_PAGES } else { 0 },
        ..Assignment::of_plan(plan, trial.space.clone(), pass)
    }
}
