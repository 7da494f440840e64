//! Trials of a design in rounds: dozens of parents, each with a fresh worker in each
//! round, and each of which may fail without the others.

use super::assemble::document;
use super::error::LabError;
use super::kernel::Kernel;
use super::outcome::{Ended, Outcome, Progress};
use super::outlook::Watch;
use super::runner::{AIM_ROUNDS, Feature, LEAST_TURNS, MOST_TURNS, Rhythm, Runner, Turn};
use super::tried::Tried;
use crate::model::{Caveat, Findings, Host, Missing, Plan, Stopped};
use crate::worker::protocol::{Assignment, Failure};

/// The fewest rounds: figures rest on how trials differ within one.
pub(super) const LEAST_ROUNDS: u32 = 2;

/// What is tried.
#[derive(Debug, Clone)]
pub(super) struct Try {
    /// What it is called in the progress.
    pub(super) name: String,
    /// What a worker of it does; turns, slice and seed are given to it here.
    pub(super) assignment: Assignment,
    /// Whether its program may fail without the run failing, or its preparation, where
    /// this host does not give what it needs.
    pub(super) may_fail: bool,
    /// Whether it never leaves a round to the others, however long it takes.
    pub(super) never_rests: bool,
    /// Whether the others are repeated before it has its first turn.
    pub(super) comes_later: bool,
}

/// The rounds of a run.
pub(super) struct Rounds<'a> {
    plan: &'a Plan,
    runner: Runner<'a>,
    trials: Trials,
}

/// The trials, in the order in which they were added.
#[derive(Default)]
struct Trials {
    tries: Vec<Try>,
    tried: Vec<Tried>,
    /// Those that are under way.
    of: Vec<usize>,
    /// The first error that cost one of them.
    lost: Option<LabError>,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(kernel: &'a dyn Kernel, plan: &'a Plan) -> Self {
        Self {
            plan,
            runner: Runner::new(kernel, plan, LEAST_ROUNDS, AIM_ROUNDS),
            trials: Trials::default(),
        }
    }

    /// Adds trials.
    pub(super) fn add(&mut self, tries: impl IntoIterator<Item = Try>) {
        for one in tries {
            let rhythm = Rhythm {
                rests: !one.never_rests,
                from: if one.comes_later { LEAST_ROUNDS } else { 0 },
                owed: !one.comes_later,
                ..Rhythm::EVERY_ROUND
            };
            self.runner.add(one.name.as_str(), rhythm);
            self.trials.tries.push(one);
            self.trials.tried.push(Tried::default());
        }
    }

    /// Rounds of these of the trials, until this share of the time is spent.
    ///
    /// # Errors
    /// [`LabError::Interrupted`]; any other error costs only its trial.
    pub(super) fn run(
        &mut self,
        of: &[usize],
        share: f64,
        progress: &mut dyn Progress,
    ) -> Result<Stopped, LabError> {
        self.trials.of = of.to_vec();
        self.runner.run(&mut self.trials, share, progress)
    }

    /// Gives up a trial before it was tried.
    pub(super) fn leave_out(&mut self, index: usize, error: &impl ToString) {
        if self.tried()[index].workers.is_empty() {
            self.trials.fail(index, error);
        }
    }

    /// The trials as far as they came.
    pub(super) fn tried(&self) -> &[Tried] {
        &self.trials.tried
    }

    /// Whether anything was timed.
    pub(super) fn has_times(&self) -> bool {
        self.tried().iter().any(|tried| !tried.workers.is_empty())
    }

    /// The run as far as it came, before anything is made of it.
    pub(super) fn ended(&mut self, result: Result<Stopped, LabError>) -> Ended {
        let ended = self.runner.ended(result);
        let tried = self.trials.tried.iter_mut();
        ended.tell(tried.flat_map(|tried| &mut tried.workers));
        ended
    }

    /// What they come to, with these findings if anything was timed.
    pub(super) fn outcome(self, host: Host, ended: Ended, findings: Option<Findings>) -> Outcome {
        /// Figures of fewer rounds have a reservation.
        const ENOUGH: u32 = 3;
        let rounds = ended.run.rounds;
        let document = findings.map(|findings| {
            let mut document = document(host, self.plan, &ended, &[], |_| findings);
            let few = (rounds < ENOUGH).then_some(Caveat::FewRounds { rounds });
            document.caveats.extend(few);
            document
        });
        Outcome {
            document,
            error: ended.error.or(self.trials.lost),
        }
    }
}

impl Trials {
    fn fail(&mut self, index: usize, error: &impl ToString) {
        self.tried[index].failed = Some(Missing::unavailable(error.to_string(), None));
    }
}

impl Feature for Trials {
    fn wants(&self, visit: usize) -> bool {
        self.of.contains(&visit) && self.tried[visit].failed.is_none()
    }

    fn turn(&mut self, visit: usize, turn: &Turn<'_>) -> Result<f64, LabError> {
        let assignment = Assignment {
            turns: MOST_TURNS,
            least_turns: LEAST_TURNS,
            ..self.tries[visit].assignment.clone()
        };
        let recording = turn.worker(assignment, &Watch::Nothing, visit)?;
        let loop_s = recording.loop_s();
        self.tried[visit].workers.push(recording);
        Ok(loop_s)
    }

    fn lose(&mut self, visit: usize, error: LabError) -> Result<(), LabError> {
        self.fail(visit, &error);
        // That a program which nobody named does not work here is no error of the run, nor
        // that this host lacks what a trial needs.
        let is_lack = match &error {
            LabError::Program(_) => true,
            LabError::Worker { failure, .. } => matches!(failure, Failure::Lacking { .. }),
            _ => false,
        };
        if !(self.tries[visit].may_fail && is_lack) {
            self.lost.get_or_insert(error);
        }
        Ok(())
    }
}
