//! The experiment behind `--vs`: two plans in one run, whose workers take turns. Where the
//! host is set to something else for each of the two, slices of some workers do: one setup,
//! one slice, the other setup and the other's slice make a pair.
//!
//! Nothing but the clock is read, and of explanations the stamps: every second goes into
//! pairs. What counters say of a plan is said by a run of its own.

mod cells;
mod explained;

use self::cells::without_counters;
use self::explained::Explained;
use super::assemble::document;
use super::caveats::precision_missed;
use super::error::LabError;
use super::kernel::Kernel;
use super::outcome::{Ended, Progress};
use super::outlook::Watch;
use super::prospect::Sought;
use super::runner::{Feature, LEAST_TURNS, MOST_TURNS, Rhythm, Runner, Turn};
use super::samples::{samples, spawns, still_open};
use super::session::Recording;
use super::{process, sweep};
use crate::analysis::compare::{PairsOf, TOTAL, Turns, pairs_of_slices, pairs_of_workers, turns};
use crate::model::{Caveat, Cell, Document, Host, Plan, Run, Setup, Stopped};
use crate::stats::{Contrast, FEWEST_WORKERS};
use crate::worker::protocol::{Assignment, Pass};

/// Rounds that are aimed at. How the workers of a pair differ, by where their page tables
/// happen to lie, is most of what is left once they take turns, so that many short-lived
/// pairs tell more than few long-lived ones.
const AIM_ROUNDS: u32 = 32;
/// The same where slices of workers take turns: a slice has to be long beside its setup, and
/// evens out by itself how workers differ.
const AIM_SLICES: u32 = 8;
/// Workers of a slice.
const WORKERS_OF_A_SLICE: u64 = 4;
/// Resamples behind a decision to go on.
const DRAWS_TO_DECIDE: usize = 200;

/// Why there is nothing else.
const WHY_NO_MORE: &str =
    "with --vs or setups nothing but the clock is read; run each side by itself for this";

/// How a run of two plans ended.
#[derive(Debug)]
pub struct Versus {
    /// What was measured of each; `None` when nothing was.
    pub documents: Option<[Document; 2]>,
    /// `None` when the run ended by itself.
    pub error: Option<LabError>,
}

/// Carries out two plans of as many parents and methods, by turns. When to stop is said by
/// the first.
pub fn run(
    kernel: &dyn Kernel,
    host: &Host,
    plans: [&Plan; 2],
    progress: &mut dyn Progress,
) -> Versus {
    let [a, b] = plans.map(|plan| process::by_turns(kernel, plan));
    match (a, b) {
        (Ok(a), Ok(b)) => run_built(kernel, host, [&a, &b], progress),
        (Err(error), _) | (_, Err(error)) => Versus {
            documents: None,
            error: Some(error),
        },
    }
}

fn run_built(
    kernel: &dyn Kernel,
    host: &Host,
    plans: [&Plan; 2],
    progress: &mut dyn Progress,
) -> Versus {
    let fewest = u32::try_from(FEWEST_WORKERS).unwrap_or(u32::MAX);
    let mut pairs = Pairs::new(kernel, plans, host.clock_cost_ns);
    let mut runner = Runner::new(kernel, plans[0], fewest, pairs.aim());
    let result = pairs.run(&mut runner, progress);
    let ended = runner.ended(result);
    for side in &mut pairs.recordings {
        ended.tell_pairs(side);
    }
    let timed = !pairs.recordings[0].is_empty();
    Versus {
        documents: timed.then(|| [0, 1].map(|side| pairs.document(side, host, &ended))),
        error: ended.error,
    }
}

/// What a visit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    /// Has a pair spawn.
    Pair(Pair),
    /// Finds out when the kernel writes its EXIT record.
    ExitOrder,
    /// Measures what a watched instruction costs.
    Breakpoint,
}

/// Workers of both sides that take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pair {
    /// The index of its address spaces.
    parent: usize,
    /// Whether it times or stamps.
    pass: Pass,
}

struct Pairs<'a> {
    kernel: &'a dyn Kernel,
    plans: [&'a Plan; 2],
    clock_cost_ns: f64,
    /// What the host is set to, if it is.
    setups: Option<[&'a Setup; 2]>,
    /// Which side was the first in the last pair of slices, by parent.
    firsts: Vec<Option<usize>>,
    /// What each visit is for.
    visits: Vec<Visit>,
    /// Those that need more pairs.
    open: Vec<usize>,
    /// The workers of each side, in the same order.
    recordings: [Vec<Recording>; 2],
    /// What explanations have besides.
    explained: Option<Explained<'a>>,
}

impl<'a> Pairs<'a> {
    fn new(kernel: &'a dyn Kernel, plans: [&'a Plan; 2], clock_cost_ns: f64) -> Self {
        let [a, b] = plans.map(|plan| plan.setup.as_ref());
        Self {
            kernel,
            plans,
            clock_cost_ns,
            setups: a.zip(b).map(|(a, b)| [a, b]),
            firsts: Vec::new(),
            visits: Vec::new(),
            open: Vec::new(),
            recordings: [Vec::new(), Vec::new()],
            explained: None,
        }
    }

    fn run(
        &mut self,
        runner: &mut Runner<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Stopped, LabError> {
        for plan in self.plans {
            self.kernel.check_limits(&plan.spaces)?;
            self.kernel.try_program(plan)?;
        }
        self.explained = Explained::of(self.kernel, self.plans, self.clock_cost_ns);
        for parent in 0..self.plans[0].spaces.len() {
            let [a, b] = self.plans.map(|plan| &plan.spaces[parent]);
            if self.setups.is_none() {
                self.kernel.check_both([a, b])?;
            }
            let name = match a == b {
                true => a.in_words(),
                false => format!("{} and {}", a.in_words(), b.in_words()),
            };
            let pass = Pass::Timing;
            self.visits.push(Visit::Pair(Pair { parent, pass }));
            runner.add(name, self.rhythm());
        }
        if let Some(explained) = &self.explained {
            for (name, visit, rhythm) in explained.visits(self.rhythm()) {
                self.visits.push(visit);
                runner.add(name, rhythm);
            }
        }
        self.firsts = vec![None; self.visits.len()];
        self.open = (0..self.visits.len()).collect();
        runner.run(self, 1.0, progress)
    }

    /// Rounds that are aimed at.
    fn aim(&self) -> u32 {
        self.setups.map_or(AIM_ROUNDS, |_| AIM_SLICES)
    }

    /// Rounds before which no interval is narrow enough.
    fn fewest_to_judge(&self) -> u32 {
        self.aim() / 2
    }

    /// Workers that a pair has of each side.
    fn workers(&self) -> u64 {
        self.setups.map_or(1, |_| WORKERS_OF_A_SLICE)
    }

    /// A worker of a slice has as much time as one that takes turns with another.
    fn rhythm(&self) -> Rhythm {
        let workers = self.setups.map_or(1, |_| 2 * WORKERS_OF_A_SLICE);
        Rhythm {
            weight: workers as f64,
            ..Rhythm::EVERY_ROUND
        }
    }

    /// The worker of a pair, and how it is watched.
    fn worker(&self, side: usize, pair: Pair, turns: usize) -> (Assignment, Watch) {
        let plan = self.plans[side];
        let (assignment, watch) = match (pair.pass, &self.explained) {
            (Pass::Stamping, Some(explained)) => explained.sides[side].stamping(),
            (pass, _) => {
                let space = plan.spaces[pair.parent].clone();
                (Assignment::of_plan(plan, space, pass), Watch::Nothing)
            }
        };
        let assignment = Assignment {
            turns,
            least_turns: LEAST_TURNS.min(turns),
            ..assignment
        };
        (assignment, watch)
    }

    /// The turns of the next pair, worker by worker of a side: shares of the spawns that were
    /// asked for.
    fn turns_left(&self, pair: Pair) -> Vec<usize> {
        let workers = 0..self.workers();
        let Some(asked) = self.plans[0].stop.spawns else {
            return workers.map(|_| MOST_TURNS).collect();
        };
        let share = asked.div_ceil(u64::from(self.aim()) * self.workers());
        let mut left = asked.saturating_sub(spawns(self.of(0, pair)));
        let turns = workers.map(|_| {
            let turns = share.min(left);
            let turns = usize::try_from(turns).map_or(MOST_TURNS, |turns| turns.min(MOST_TURNS));
            left -= turns as u64;
            turns
        });
        turns.filter(|turns| *turns > 0).collect()
    }

    /// Both workers of each pair of them, which take turns.
    fn by_turns(&mut self, pair: Pair, turn: &Turn<'_>) -> Result<f64, LabError> {
        let turns = self.turns_left(pair).first().map_or(1, |turns| *turns);
        let [a, b] = [0, 1].map(|side| self.worker(side, pair, turns));
        let workers = turn.workers([a.0, b.0], [&a.1, &b.1], pair.parent)?;
        let [a, b] = &workers;
        let loop_s = a.loop_s().max(b.loop_s());
        for (recordings, recording) in self.recordings.iter_mut().zip(workers) {
            recordings.push(recording);
        }
        Ok(loop_s)
    }

    /// A slice of each side, one after the other, each under its own setup. A slice without
    /// the other is no pair, and is forgotten.
    fn slices(
        &mut self,
        setups: [&Setup; 2],
        visit: usize,
        pair: Pair,
        turn: &Turn<'_>,
    ) -> Result<f64, LabError> {
        let turns = self.turns_left(pair);
        let workers = 2 * turns.len().max(1) as u64;
        // A, B, B, A: what drifts hits both alike.
        let drawn = usize::from(turn.seed % 2 == 1);
        let (first, next) = match self.firsts[visit] {
            None => (drawn, Some(drawn)),
            Some(last) => (1 - last, None),
        };
        let mut slices = [Vec::new(), Vec::new()];
        for side in [first, 1 - first] {
            turn.kernel.set_up(&setups[side].command)?;
            for turns in &turns {
                let (assignment, watch) = self.worker(side, pair, *turns);
                let worker = turn.one_of(workers, assignment, &watch, pair.parent)?;
                slices[side].push(worker);
            }
        }
        self.firsts[visit] = next;
        let loop_s = slices.iter().flatten().map(Recording::loop_s).sum();
        for (recordings, mut slice) in self.recordings.iter_mut().zip(slices) {
            recordings.append(&mut slice);
        }
        Ok(loop_s)
    }

    fn of(&self, side: usize, pair: Pair) -> impl Iterator<Item = &Recording> {
        let mine = move |recording: &&Recording| {
            recording.occasion.of == pair.parent && recording.pass == pair.pass
        };
        self.recordings[side].iter().filter(mine)
    }

    /// The pair of a visit, if it is one.
    fn pair(&self, visit: usize) -> Option<Pair> {
        match self.visits[visit] {
            Visit::Pair(pair) => Some(pair),
            Visit::ExitOrder | Visit::Breakpoint => None,
        }
    }

    /// Why a visit needs no more pairs, if it does not.
    fn enough(&self, visit: usize, rounds: u32) -> Option<Stopped> {
        let stop = &self.plans[0].stop;
        let pair = self.pair(visit)?;
        let asked = stop.spawns;
        if asked.is_some_and(|asked| spawns(self.of(0, pair)) >= asked) {
            return Some(Stopped::Spawns);
        }
        let precision = stop
            .precision
            .filter(|_| rounds >= self.fewest_to_judge())?;
        let widest = self.widths(pair.parent).into_iter().reduce(f64::max)?;
        (widest <= precision).then_some(Stopped::Precision)
    }

    /// Whether the first pair that was watched brought nothing home of a side: without the
    /// like of it the other's is compared with nothing.
    fn is_blind(&self, visit: usize) -> bool {
        let first = |side| self.pair(visit).and_then(|pair| self.of(side, pair).next());
        let sides = [0, 1].into_iter().filter_map(first);
        let mut watched = sides.filter_map(|first| first.watched.as_ref());
        watched.any(Result::is_err)
    }

    /// How wide the intervals of the ratios of the totals are, method by method.
    fn widths(&self, parent: usize) -> Vec<f64> {
        let pass = Pass::Timing;
        let [of_a, of_b] = self.plans.map(|plan| &plan.methods);
        let width = |(a, b)| {
            let turns_of = |side: usize, method| -> Vec<Turns> {
                let timed = self.of(side, Pair { parent, pass });
                turns(&samples(timed, method, self.clock_cost_ns), &TOTAL)
            };
            let pairs_of = self
                .setups
                .map_or(pairs_of_workers as PairsOf, |_| pairs_of_slices);
            let pairs = pairs_of(&turns_of(0, a), &turns_of(1, b));
            let contrast = Contrast::of_pairs(&pairs, self.plans[0].seed, DRAWS_TO_DECIDE)?;
            Some(contrast.ratio.relative_half_width())
        };
        let methods = of_a.iter().copied().zip(of_b.iter().copied());
        methods.filter_map(width).collect()
    }

    fn document(&self, side: usize, host: &Host, ended: &Ended) -> Document {
        let recordings = &self.recordings[side];
        let findings = |cells: Vec<Cell>| {
            let cells = cells.into_iter().map(without_counters).collect();
            match &self.explained {
                Some(explained) => explained.findings(side, recordings, cells),
                None => sweep::findings(cells),
            }
        };
        let ended = &Ended {
            run: ended.run.clone(),
            noise: ended.noise.clone(),
            is_pinned: ended.is_pinned,
            spells: None,
            left_behind: recordings
                .iter()
                .map(|recording| recording.left_behind)
                .sum(),
            error: None,
        };
        let mut document = document(host.clone(), self.plans[side], ended, recordings, findings);
        // What precision is asked is asked of the ratios.
        let of_totals = |caveat: &Caveat| matches!(caveat, Caveat::PrecisionMissed { .. });
        document.caveats.retain(|caveat| !of_totals(caveat));
        let seen = &document.caveats;
        let missed = self.precision_missed(&ended.run, seen);
        document.caveats.extend(missed);
        document
    }

    fn precision_missed(&self, run: &Run, seen: &[Caveat]) -> Option<Caveat> {
        let asked = self.plans[0].stop.precision?;
        let parents = 0..self.plans[0].spaces.len();
        let wide: Vec<f64> = parents.flat_map(|parent| self.widths(parent)).collect();
        precision_missed(asked, &wide, run, seen)
    }
}

impl Feature for Pairs<'_> {
    fn wants(&self, visit: usize) -> bool {
        match self.visits[visit] {
            Visit::Pair(_) => self.open.contains(&visit),
            Visit::ExitOrder | Visit::Breakpoint => {
                self.explained.as_ref().is_some_and(Explained::finds_out)
            }
        }
    }

    fn turn(&mut self, visit: usize, turn: &Turn<'_>) -> Result<f64, LabError> {
        let Some(pair) = self.pair(visit) else {
            let (what, timeout) = (self.visits[visit], turn.timeout);
            let explained = self.explained.as_mut();
            return explained.map_or(Ok(0.0), |it| it.find_out(what, timeout));
        };
        match self.setups {
            Some(setups) => self.slices(setups, visit, pair, turn),
            None => self.by_turns(pair, turn),
        }
    }

    fn sought(&self) -> Option<Sought> {
        let pairs = self.open.iter().filter_map(|visit| self.pair(*visit));
        let widths = pairs.flat_map(|pair| self.widths(pair.parent));
        Some(Sought {
            widest: widths.reduce(f64::max),
            fewest_rounds: self.fewest_to_judge(),
        })
    }

    fn round_ends(&mut self, rounds: u32) -> Option<Stopped> {
        let mut open = std::mem::take(&mut self.open);
        open.retain(|visit| self.pair(*visit).is_some() && !self.is_blind(*visit));
        let ended;
        (self.open, ended) = still_open(&open, |visit| self.enough(visit, rounds));
        ended
    }
}
