//! The experiment behind a card: all trials of the design once in each round, in
//! random order, each with a fresh worker, until the time is up.
//!
//! Many short rounds rather than few long ones: how workers of one parent differ
//! bears more on a price than how spawns of one worker do.

mod assemble;

use std::time::Duration;

use fastrand::Rng;

use super::assemble::{self as documents, Setting};
use super::error::LabError;
use super::kernel::Kernel;
use super::outlook::Watch;
use super::run::{Outcome, Progress, ending, nanos, unix_s};
use super::session::{self, Recording};
use crate::card::{environment, name};
use crate::model::{CardOrder, Caveat, Host, Missing, Plan, Program, Purpose, Stopped, Trial};
use crate::worker::protocol::{Assignment, Pass};

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
    let begin = kernel.now();
    let started_unix_s = unix_s();
    let mut experiment = Experiment::new(kernel, plan, order, begin);
    let (stopped, error) = ending(experiment.run(progress));
    let error = error.or_else(|| experiment.lost.take());
    let timed = experiment
        .trials
        .iter()
        .any(|trial| !trial.workers.is_empty());
    let clock_cost_ns = host.clock_cost_ns;
    let setting = Setting {
        host,
        plan,
        started_unix_s,
        duration_s: (kernel.now() - begin).as_secs_f64(),
        rounds: experiment.round,
        stopped,
        explanation: None,
        reproduction: None,
        live: None,
        card: timed.then(|| experiment.card(clock_cost_ns)),
        left_behind: experiment.left_behind(),
    };
    let document = timed.then(|| {
        let mut document = documents::document(setting, &[]);
        document.caveats.extend(experiment.few_rounds());
        document
    });
    Outcome { document, error }
}

struct Experiment<'a> {
    kernel: &'a dyn Kernel,
    plan: &'a Plan,
    order: &'a CardOrder,
    begin: Duration,
    rng: Rng,
    round: u32,
    rounds: Vec<RoundTime>,
    trials: Vec<Tried>,
    /// The first error that cost a trial.
    lost: Option<LabError>,
}

/// What a round took, and how much of it were the loops of its workers.
struct RoundTime {
    round_s: f64,
    loops_s: f64,
}

/// A trial as far as it came.
#[derive(Default)]
struct Tried {
    workers: Vec<Recording>,
    /// What its last turn took, from the start of the worker to its end.
    took_s: f64,
    /// Why it is not tried any more.
    failed: Option<Missing>,
}

impl<'a> Experiment<'a> {
    fn new(kernel: &'a dyn Kernel, plan: &'a Plan, order: &'a CardOrder, begin: Duration) -> Self {
        Self {
            kernel,
            plan,
            order,
            begin,
            rng: Rng::with_seed(plan.seed),
            round: 0,
            rounds: Vec::new(),
            trials: order.trials.iter().map(|_| Tried::default()).collect(),
            lost: None,
        }
    }

    fn run(&mut self, progress: &mut dyn Progress) -> Result<Stopped, LabError> {
        let spaces = self.order.trials.iter().map(|trial| trial.space.clone());
        self.kernel.check_limits(&spaces.collect::<Vec<_>>())?;
        self.kernel.try_program(self.plan)?;
        loop {
            let began = self.elapsed_s();
            let loops_s = self.one_round(progress)?;
            self.round += 1;
            let round_s = self.elapsed_s() - began;
            self.rounds.push(RoundTime { round_s, loops_s });
            if self.is_over() {
                return Ok(Stopped::Time);
            }
        }
    }

    /// Whether there is no time for another round. It is like the one before the last,
    /// as long trials rest in every second one; until the aim is reached its loops
    /// shrink to what is left.
    fn is_over(&self) -> bool {
        let alike = self.rounds.iter().rev().nth(1).or(self.rounds.last());
        let next_s = alike.map_or(0.0, |alike| {
            if self.round < AIM_ROUNDS {
                let least_s = LEAST_SLICE_S * self.order.trials.len() as f64;
                alike.round_s - alike.loops_s + least_s.min(alike.loops_s)
            } else {
                alike.round_s
            }
        });
        self.round >= LEAST_ROUNDS && self.elapsed_s() + next_s > self.time_s()
    }

    /// Every trial once; the seconds of all loops.
    fn one_round(&mut self, progress: &mut dyn Progress) -> Result<f64, LabError> {
        let slice_s = self.slice_s();
        let mut order: Vec<usize> = (0..self.trials.len()).collect();
        self.rng.shuffle(&mut order);
        let mut loops_s = 0.0;
        for index in order {
            if self.trials[index].failed.is_some() || self.rests(index) {
                continue;
            }
            let begin_s = self.elapsed_s();
            let trial = &self.order.trials[index];
            progress.step(&self.describe(trial), self.share());
            let assignment = self.assignment(index, slice_s);
            let timeout = Duration::from_millis(self.plan.spawn_timeout_ms);
            match session::run(
                self.kernel,
                assignment,
                &Watch::Nothing,
                timeout,
                self.round,
            ) {
                Ok(recording) => {
                    loops_s += recording.loop_s();
                    self.trials[index].workers.push(recording);
                    self.trials[index].took_s = self.elapsed_s() - begin_s;
                }
                Err(LabError::Program(error)) if self.is_own(trial) => {
                    self.trials[index].failed = Some(Missing::unavailable(error.to_string(), None));
                }
                Err(error @ LabError::Interrupted(_)) => return Err(error),
                Err(error) => {
                    self.trials[index].failed = Some(Missing::unavailable(error.to_string(), None));
                    self.lost.get_or_insert(error);
                }
            }
        }
        Ok(loops_s)
    }

    /// Whether a trial's program is one that forktax found for itself, so that it may
    /// fail.
    fn is_own(&self, trial: &Trial) -> bool {
        trial.program != Program::Embedded && !self.order.named.contains(&trial.purpose)
    }

    /// Whether a trial leaves this round to the others.
    fn rests(&self, index: usize) -> bool {
        self.round % 2 == 1 && self.trials[index].took_s > LONG_S
    }

    /// The loop of each worker of the next round.
    fn slice_s(&self) -> f64 {
        let trials = self.trials.len().max(1) as f64;
        let left = (self.time_s() - self.elapsed_s()).max(0.0);
        let slice = if self.round == 0 {
            FIRST_SHARE * left / f64::from(AIM_ROUNDS) / trials
        } else {
            let rounds = f64::from(AIM_ROUNDS.max(self.round + 1) - self.round);
            let besides = self.besides_s() / f64::from(self.round);
            (left / rounds - besides) / trials
        };
        slice.clamp(LEAST_SLICE_S, MOST_SLICE_S)
    }

    /// What the rounds so far took besides their loops.
    fn besides_s(&self) -> f64 {
        let workers = self.trials.iter().flat_map(|trial| &trial.workers);
        self.elapsed_s() - workers.map(Recording::loop_s).sum::<f64>()
    }

    fn assignment(&mut self, index: usize, slice_s: f64) -> Assignment {
        let trial = &self.order.trials[index];
        let gauges = trial.purpose == Purpose::Gauges;
        let pass = if gauges { Pass::Gauging } else { Pass::Timing };
        Assignment {
            extras: vec![0; trial.methods.len()],
            methods: trial.methods.clone(),
            child: trial.child,
            program: trial.program.clone(),
            environment: environment(&self.plan.environment, trial.variables),
            turns: MOST_TURNS,
            least_turns: LEAST_TURNS,
            slice_ns: nanos(slice_s),
            seed: self.rng.u64(..),
            rewrite_pages: if gauges { GAUGED_PAGES } else { 0 },
            ..Assignment::of_plan(self.plan, trial.space.clone(), pass)
        }
    }

    fn describe(&self, trial: &Trial) -> String {
        format!("round {}: {}", self.round + 1, name(trial.purpose))
    }

    fn share(&self) -> f64 {
        (self.elapsed_s() / self.time_s()).min(1.0)
    }

    fn time_s(&self) -> f64 {
        const LONGEST: f64 = 1e9;
        self.plan.stop.time_s.unwrap_or(LONGEST) * (1.0 - RESERVE)
    }

    fn elapsed_s(&self) -> f64 {
        (self.kernel.now() - self.begin).as_secs_f64()
    }

    fn left_behind(&self) -> u64 {
        let workers = self.trials.iter().flat_map(|trial| &trial.workers);
        workers.map(|recording| recording.left_behind).sum()
    }

    /// The reservation about a card of too few rounds.
    fn few_rounds(&self) -> Option<Caveat> {
        const ENOUGH: u32 = 3;
        (self.round < ENOUGH).then_some(Caveat::FewRounds { rounds: self.round })
    }
}
