//! The experiment: rounds of fresh workers in seeded random order, until the
//! intervals are narrow enough or the budget is spent.

use std::time::Duration;

use fastrand::Rng;

use super::assemble::{self, Setting};
use super::budget::{AIM_ROUNDS, Budget, Spent};
use super::card;
use super::error::LabError;
use super::explain;
use super::kernel::Kernel;
use super::outlook::Watch;
use super::process;
use super::reproduce;
use super::session::{self, Occasion, Recording};
use crate::analysis::reproduce::studies;
use crate::model::{Document, Host, Plan, Stopped, Temperature};
use crate::worker::protocol::{Assignment, Pass};

/// The most turns that one worker takes: more of them would narrow the
/// interval less than another worker does.
const MOST_TURNS: usize = 200;
/// The fewest, in pairs, for the mirrored order.
const LEAST_TURNS: usize = 2;
/// A method this many times cheaper than the dearest gets extra spawns in the
/// passes that count, for this share of the slice, all such methods together.
const MUCH_CHEAPER: f64 = 10.0;
const EXTRA_SHARE: f64 = 0.5;
/// The slice of a run without a time limit, for this purpose.
const LONGEST_EXTRA_NS: f64 = 200e6;

/// The passes of a round. Only timing needs every one of them: counts differ
/// less from worker to worker than times do.
fn passes(round: u32) -> &'static [Pass] {
    if round.is_multiple_of(2) {
        &[
            Pass::Timing,
            Pass::Accounting,
            Pass::Sampling,
            Pass::Counting,
        ]
    } else {
        &[Pass::Timing]
    }
}

/// How much time a worker of this pass gets, in units.
fn weight(pass: Pass) -> f64 {
    if pass == Pass::Timing { 2.5 } else { 1.0 }
}

/// The weights of a round over so many address spaces.
fn course(spaces: usize) -> impl Fn(u32) -> Vec<f64> {
    let weights = |round| passes(round).iter().map(|pass| weight(*pass));
    move |round| weights(round).collect::<Vec<f64>>().repeat(spaces)
}

/// Hears how far a run has come.
pub trait Progress {
    /// What is being measured, and what share of the run is behind.
    fn step(&mut self, what: &str, share: f64);
}

/// A run's end: the document as far as it came, and the error that ended it.
#[derive(Debug)]
pub struct Outcome {
    /// `None` when nothing was timed.
    pub document: Option<Document>,
    /// `None` when the run ended by itself.
    pub error: Option<LabError>,
}

/// Carries out a plan.
pub fn run(kernel: &dyn Kernel, host: Host, plan: &Plan, progress: &mut dyn Progress) -> Outcome {
    let loops = plan
        .reproduce
        .as_ref()
        .and_then(|order| order.loops.as_ref());
    if let Some(order) = &plan.live {
        return process::run(kernel, host, plan, order, progress);
    }
    match (&plan.card, &plan.explain, loops) {
        (Some(order), ..) => card::run(kernel, host, plan, order, progress),
        (None, Some(order), _) => explain::run(kernel, host, plan, order, progress),
        (None, None, Some(order)) => reproduce::run(kernel, host, plan, order, progress),
        (None, None, None) => sweep(kernel, host, plan, progress),
    }
}

/// Seconds since 1970.
pub(super) fn unix_s() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// How a run ended.
pub(super) fn ending(result: Result<Stopped, LabError>) -> (Stopped, Option<LabError>) {
    match result {
        Ok(stopped) => (stopped, None),
        Err(error @ LabError::Interrupted(_)) => (Stopped::Interrupted, Some(error)),
        Err(error) => (Stopped::Failed(error.to_string()), Some(error)),
    }
}

fn sweep(kernel: &dyn Kernel, host: Host, plan: &Plan, progress: &mut dyn Progress) -> Outcome {
    let begin = kernel.now();
    let started_unix_s = unix_s();
    let mut experiment = Experiment::new(kernel, plan, begin, host.clock_cost_ns);
    let (stopped, error) = ending(experiment.run(progress));
    let setting = Setting {
        host,
        plan,
        started_unix_s,
        duration_s: (kernel.now() - begin).as_secs_f64(),
        rounds: experiment.round,
        stopped,
        explanation: None,
        reproduction: studies::reproduction(plan),
        card: None,
        live: None,
        left_behind: 0,
    };
    let timed = experiment.recordings.iter().any(|r| r.pass == Pass::Timing);
    let document = timed.then(|| assemble::document(setting, &experiment.recordings));
    Outcome { document, error }
}

struct Experiment<'a> {
    kernel: &'a dyn Kernel,
    plan: &'a Plan,
    begin: Duration,
    clock_cost_ns: f64,
    rng: Rng,
    round: u32,
    recordings: Vec<Recording>,
}

impl<'a> Experiment<'a> {
    fn new(kernel: &'a dyn Kernel, plan: &'a Plan, begin: Duration, clock_cost_ns: f64) -> Self {
        Self {
            kernel,
            plan,
            begin,
            clock_cost_ns,
            rng: Rng::with_seed(plan.seed),
            round: 0,
            recordings: Vec::new(),
        }
    }

    fn run(&mut self, progress: &mut dyn Progress) -> Result<Stopped, LabError> {
        self.kernel.check_limits(&self.plan.spaces)?;
        self.kernel.try_program(self.plan)?;
        let mut open: Vec<usize> = (0..self.plan.spaces.len()).collect();
        let mut budget = Budget::new(self.plan.stop.time_s);
        loop {
            let spent = self.one_round(&open, &budget, progress)?;
            budget.learn(spent);
            self.round += 1;
            open.retain(|space| !self.satisfied(*space));
            if open.is_empty() {
                return Ok(match self.plan.stop.spawns {
                    Some(_) => Stopped::Spawns,
                    None => Stopped::Precision,
                });
            }
            if !budget.has_time(self.elapsed_s(), self.round, &course(open.len())) {
                return Ok(Stopped::Time);
            }
        }
    }

    fn one_round(
        &mut self,
        open: &[usize],
        budget: &Budget,
        progress: &mut dyn Progress,
    ) -> Result<Spent, LabError> {
        let began = self.elapsed_s();
        let unit_s = budget.unit_s(began, self.round, &course(open.len()));
        let mut visits: Vec<(usize, Pass)> = open
            .iter()
            .flat_map(|space| passes(self.round).iter().map(|pass| (*space, *pass)))
            .filter(|(_, pass)| self.has_answers(*pass))
            .collect();
        self.rng.shuffle(&mut visits);
        // What the first round has no time for shall not be a time.
        visits.sort_by_key(|(_, pass)| self.round == 0 && *pass != Pass::Timing);
        let workers = visits.len();
        let mut loops_s = 0.0;
        for (index, (space, pass)) in visits.into_iter().enumerate() {
            let is_first = self.round == 0 && pass == Pass::Timing;
            if !is_first && budget.is_spent(self.elapsed_s()) {
                break;
            }
            let of_round = index as f64 / workers as f64;
            let share = budget.share(self.elapsed_s(), self.round, of_round);
            progress.step(&self.describe(space, pass), share);
            let slice_ns = unit_s.map_or(u64::MAX, |unit| nanos(unit * weight(pass)));
            let assignment = self.assignment(space, pass, slice_ns);
            let timeout = Duration::from_millis(self.plan.spawn_timeout_ms);
            let watch = match pass {
                Pass::Sampling => Watch::Modes,
                _ => Watch::Nothing,
            };
            let occasion = Occasion {
                round: self.round,
                of: space,
            };
            let recording = session::run(self.kernel, &assignment, &watch, timeout, occasion)?;
            loops_s += recording.loop_s();
            self.recordings.push(recording);
        }
        let round_s = self.elapsed_s() - began;
        Ok(Spent {
            round_s,
            loops_s,
            workers,
        })
    }

    fn describe(&self, space: usize, pass: Pass) -> String {
        let parent = self.plan.spaces[space].in_words();
        format!("round {}: {parent}, {}", self.round + 1, verb(pass))
    }

    fn assignment(&mut self, space: usize, pass: Pass, slice_ns: u64) -> Assignment {
        let plan = self.plan;
        let turns = self.turns_left(space);
        Assignment {
            extras: self.extras(space, pass, slice_ns),
            turns,
            least_turns: LEAST_TURNS.min(turns),
            slice_ns,
            seed: self.rng.u64(..),
            ..Assignment::of_plan(plan, plan.spaces[space].clone(), pass)
        }
    }

    /// Spawns of each method before the turns. Where means are taken and not
    /// pairs, a method that is much cheaper than the dearest gets some time of
    /// its own: a fork from a large address space takes as long as hundreds of
    /// vforks, and leaves them few turns.
    fn extras(&self, space: usize, pass: Pass, slice_ns: u64) -> Vec<usize> {
        let methods = &self.plan.methods;
        let cold = self.plan.temperature != Temperature::Hot;
        let Some(timing) = self
            .timings(space)
            .next()
            .filter(|_| pass != Pass::Timing && !cold)
        else {
            return vec![0; methods.len()];
        };
        let typical = |method| assemble::typical_total(timing, method, self.clock_cost_ns);
        let typical: Vec<Option<f64>> = methods.iter().map(|method| typical(*method)).collect();
        let dearest = typical.iter().flatten().copied().fold(1.0, f64::max);
        let time = EXTRA_SHARE * (slice_ns as f64).min(LONGEST_EXTRA_NS) / methods.len() as f64;
        let extras = |total: &Option<f64>| match total {
            Some(total) if total * MUCH_CHEAPER < dearest => {
                spawns_within(time, *total).min(MOST_TURNS)
            }
            _ => 0,
        };
        typical.iter().map(extras).collect()
    }

    /// The turns of the next worker: a share of the spawns that were asked for,
    /// so that they are spread over several workers.
    fn turns_left(&self, space: usize) -> usize {
        let Some(asked) = self.plan.stop.spawns else {
            return MOST_TURNS;
        };
        let asked = usize::try_from(asked).unwrap_or(usize::MAX);
        let left = asked.saturating_sub(self.timed_spawns(space));
        let share = asked.div_ceil(AIM_ROUNDS as usize);
        share.min(left).clamp(1, MOST_TURNS)
    }

    fn timed_spawns(&self, space: usize) -> usize {
        let timings = self.timings(space);
        timings
            .map(|r| r.done.spawns / r.methods.len().max(1))
            .sum()
    }

    fn timings(&self, space: usize) -> impl Iterator<Item = &Recording> {
        let timing = move |r: &&Recording| r.occasion.of == space && r.pass == Pass::Timing;
        self.recordings.iter().filter(timing)
    }

    /// Whether an address space needs no more workers.
    fn satisfied(&self, space: usize) -> bool {
        let stop = &self.plan.stop;
        if stop
            .spawns
            .is_some_and(|asked| self.timed_spawns(space) as u64 >= asked)
        {
            return true;
        }
        let Some(precision) = stop.precision.filter(|_| self.round >= AIM_ROUNDS) else {
            return false;
        };
        let timings: Vec<&Recording> = self.timings(space).collect();
        assemble::widest_total(&timings, self.clock_cost_ns, self.plan.seed)
            .is_some_and(|widest| widest <= precision)
    }

    /// Whether a pass has brought something home, or was not tried yet: without
    /// permission for perf events one refusal is enough.
    fn has_answers(&self, pass: Pass) -> bool {
        let mut recordings = self.recordings.iter();
        let first = recordings.find(|r| r.pass == pass);
        first.is_none_or(|first| match pass {
            Pass::Timing | Pass::Accounting => true,
            Pass::Sampling => first.ticks.as_ref().is_some_and(Result::is_ok),
            Pass::Counting => !first.done.counters.is_empty(),
            Pass::Stamping | Pass::Rewriting | Pass::Gauging => false,
        })
    }

    fn elapsed_s(&self) -> f64 {
        (self.kernel.now() - self.begin).as_secs_f64()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "both are positive, and the cast saturates"
)]
pub(super) fn spawns_within(time_ns: f64, total_ns: f64) -> usize {
    (time_ns / total_ns) as usize
}

fn verb(pass: Pass) -> &'static str {
    match pass {
        Pass::Timing => "timing",
        Pass::Accounting => "accounting",
        Pass::Sampling => "sampling",
        Pass::Counting => "counting",
        Pass::Stamping => "stamping",
        Pass::Rewriting => "rewriting",
        Pass::Gauging => "gauging",
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a slice is a non-negative number of seconds, and the cast saturates"
)]
pub(super) fn nanos(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}
