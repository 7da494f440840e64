//! Trials in rounds: all of them once in each round, in random order, each with a
//! fresh worker, until the time is up.
//!
//! Many short rounds rather than few long ones: how workers of one parent differ
//! bears more on a figure than how spawns of one worker do.

use std::time::Duration;

use fastrand::Rng;

use super::error::LabError;
use super::kernel::Kernel;
use super::outlook::Watch;
use super::run::{Progress, nanos};
use super::session::{self, Occasion};
use super::tried::Tried;
use crate::model::{Caveat, Missing, Plan};
use crate::worker::protocol::Assignment;

/// Rounds that are aimed at, and the fewest, whatever they take.
const AIM_ROUNDS: u32 = 8;
const LEAST_ROUNDS: u32 = 2;
/// Of the time, what is left for the analysis.
const RESERVE: f64 = 0.05;
/// Of the time of the first round, the share of the loops; the rest goes to
/// starting workers and building their address spaces.
const FIRST_SHARE: f64 = 0.4;
/// The turns of a worker.
const LEAST_TURNS: usize = 3;
const MOST_TURNS: usize = 100;
/// The loop of a worker, in seconds.
const LEAST_SLICE_S: f64 = 0.01;
const MOST_SLICE_S: f64 = 0.5;
/// A trial that takes longer than this many seconds has its turn in every second round:
/// workers of large parents differ less, and the others get more of them meanwhile.
const LONG_S: f64 = 0.45;

/// What is tried.
#[derive(Debug, Clone)]
pub(super) struct Try {
    /// What it is called in the progress.
    pub(super) name: String,
    /// What a worker of it does; turns, slice and seed are given to it here.
    pub(super) assignment: Assignment,
    /// Whether its program may fail without the run failing.
    pub(super) may_fail: bool,
    /// Whether it never leaves a round to the others, however long it takes.
    pub(super) never_rests: bool,
}

/// What a round took, and how much of it were the loops of its workers.
struct RoundTime {
    round_s: f64,
    loops_s: f64,
}

/// The rounds of a run.
pub(super) struct Rounds<'a> {
    kernel: &'a dyn Kernel,
    plan: &'a Plan,
    begin: Duration,
    /// The second of the run at which all rounds shall be over.
    end_s: f64,
    rng: Rng,
    /// Rounds that were completed.
    pub(super) round: u32,
    /// The round before the first of the trials that are under way.
    first: u32,
    times: Vec<RoundTime>,
    tries: Vec<Try>,
    /// The trials, in the order in which they were added.
    pub(super) tried: Vec<Tried>,
    /// The first error that cost a trial.
    pub(super) lost: Option<LabError>,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(kernel: &'a dyn Kernel, plan: &'a Plan, begin: Duration) -> Self {
        const LONGEST_S: f64 = 1e9;
        Self {
            kernel,
            plan,
            begin,
            end_s: plan.stop.time_s.unwrap_or(LONGEST_S) * (1.0 - RESERVE),
            rng: Rng::with_seed(plan.seed),
            round: 0,
            first: 0,
            times: Vec::new(),
            tries: Vec::new(),
            tried: Vec::new(),
            lost: None,
        }
    }

    /// Adds trials.
    pub(super) fn add(&mut self, tries: impl IntoIterator<Item = Try>) {
        self.tries.extend(tries);
        self.tried.resize_with(self.tries.len(), Tried::default);
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
    ) -> Result<(), LabError> {
        self.first = self.round;
        self.times.clear();
        let whole = self.end_s;
        self.end_s *= share;
        let ran = self.all_rounds(of, progress);
        self.end_s = whole;
        ran
    }

    fn all_rounds(&mut self, of: &[usize], progress: &mut dyn Progress) -> Result<(), LabError> {
        loop {
            let began = self.elapsed_s();
            let loops_s = self.one_round(of, progress)?;
            self.round += 1;
            let round_s = self.elapsed_s() - began;
            self.times.push(RoundTime { round_s, loops_s });
            if self.is_over(of) {
                return Ok(());
            }
        }
    }

    /// Whether there is no time for another round. It is like the one before the last,
    /// as long trials rest in every second one; until the aim is reached its loops
    /// shrink to what is left.
    fn is_over(&self, of: &[usize]) -> bool {
        // Nothing that is left would take any time.
        if of.iter().all(|index| self.tried[*index].failed.is_some()) {
            return true;
        }
        let alike = self.times.iter().rev().nth(1).or(self.times.last());
        let next_s = alike.map_or(0.0, |alike| {
            if self.done() < AIM_ROUNDS {
                let least_s = LEAST_SLICE_S * of.len() as f64;
                alike.round_s - alike.loops_s + least_s.min(alike.loops_s)
            } else {
                alike.round_s
            }
        });
        self.done() >= LEAST_ROUNDS && self.elapsed_s() + next_s > self.end_s
    }

    /// Rounds of the trials that are under way.
    fn done(&self) -> u32 {
        self.round - self.first
    }

    /// Each of the trials once; the seconds of all loops.
    fn one_round(&mut self, of: &[usize], progress: &mut dyn Progress) -> Result<f64, LabError> {
        let slice_s = self.slice_s(of.len());
        let mut order = of.to_vec();
        self.rng.shuffle(&mut order);
        let mut loops_s = 0.0;
        for index in order {
            if self.tried[index].failed.is_none() && !self.rests(index) {
                let name = &self.tries[index].name;
                progress.step(&format!("round {}: {name}", self.round + 1), self.share());
                loops_s += self.one(index, slice_s)?;
            }
        }
        Ok(loops_s)
    }

    /// One worker of a trial; the seconds of its loop.
    fn one(&mut self, index: usize, slice_s: f64) -> Result<f64, LabError> {
        let begin_s = self.elapsed_s();
        let assignment = &mut self.tries[index].assignment;
        assignment.turns = MOST_TURNS;
        assignment.least_turns = LEAST_TURNS;
        assignment.slice_ns = nanos(slice_s);
        assignment.seed = self.rng.u64(..);
        let occasion = Occasion {
            round: self.round,
            of: index,
        };
        let timeout = Duration::from_millis(self.plan.spawn_timeout_ms);
        let watch = Watch::Nothing;
        match session::run(self.kernel, assignment, &watch, timeout, occasion) {
            Ok(recording) => {
                let loop_s = recording.loop_s();
                let tried = &mut self.tried[index];
                tried.workers.push(recording);
                tried.took_s = (self.kernel.now() - self.begin).as_secs_f64() - begin_s;
                return Ok(loop_s);
            }
            Err(LabError::Program(error)) if self.tries[index].may_fail => {
                self.fail(index, &error);
            }
            Err(error @ LabError::Interrupted(_)) => return Err(error),
            Err(error) => {
                self.fail(index, &error);
                self.lost.get_or_insert(error);
            }
        }
        Ok(0.0)
    }

    /// Gives up a trial before it was tried.
    pub(super) fn leave_out(&mut self, index: usize, error: &impl ToString) {
        if self.tried[index].workers.is_empty() {
            self.fail(index, error);
        }
    }

    fn fail(&mut self, index: usize, error: &impl ToString) {
        self.tried[index].failed = Some(Missing::unavailable(error.to_string(), None));
    }

    /// Whether a trial leaves this round to the others.
    fn rests(&self, index: usize) -> bool {
        let long = self.tried[index].took_s > LONG_S && !self.tries[index].never_rests;
        self.done() % 2 == 1 && long
    }

    /// The loop of each worker of the next round.
    fn slice_s(&self, trials: usize) -> f64 {
        let trials = trials.max(1) as f64;
        let left = (self.end_s - self.elapsed_s()).max(0.0);
        let slice = if self.done() == 0 {
            FIRST_SHARE * left / f64::from(AIM_ROUNDS) / trials
        } else {
            let rounds = f64::from(AIM_ROUNDS.max(self.done() + 1) - self.done());
            let besides = self.besides_s() / f64::from(self.done());
            (left / rounds - besides) / trials
        };
        slice.clamp(LEAST_SLICE_S, MOST_SLICE_S)
    }

    /// What the rounds so far took besides their loops.
    fn besides_s(&self) -> f64 {
        let each = self.times.iter();
        each.map(|time| time.round_s - time.loops_s).sum()
    }

    fn share(&self) -> f64 {
        (self.elapsed_s() / self.end_s).min(1.0)
    }

    fn elapsed_s(&self) -> f64 {
        (self.kernel.now() - self.begin).as_secs_f64()
    }

    /// Whether anything was timed.
    pub(super) fn has_times(&self) -> bool {
        self.tried.iter().any(|tried| !tried.workers.is_empty())
    }

    /// Processes that the workers' children left behind.
    pub(super) fn left_behind(&self) -> u64 {
        let workers = self.tried.iter().flat_map(|tried| &tried.workers);
        workers.map(|recording| recording.left_behind).sum()
    }

    /// The reservation about figures of too few rounds.
    pub(super) fn few_rounds(&self) -> Option<Caveat> {
        const ENOUGH: u32 = 3;
        (self.round < ENOUGH).then_some(Caveat::FewRounds { rounds: self.round })
    }
}
