//! The experiment behind `--vs`: two plans in one run, whose workers take turns. Where the
//! host is set to something else for each of the two, slices of some workers do: one setup,
//! one slice, the other setup and the other's slice make a pair.
//!
//! Nothing but the clock is read: every second goes into pairs. What counters say of a
//! plan is said by a run of its own.

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
use super::sweep;
use crate::analysis::compare::{LogsOf, TOTAL, logs_of_pairs, logs_of_slices};
use crate::model::{
    Availability, Caveat, Cell, CountSource, Counted, Document, Host, Plan, Run, Setup, Stopped,
    WorkerSamples,
};
use crate::stats::{Contrast, Estimate, FEWEST_WORKERS};
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
    let fewest = u32::try_from(FEWEST_WORKERS).unwrap_or(u32::MAX);
    let mut pairs = Pairs::new(plans, host.clock_cost_ns);
    let mut runner = Runner::new(kernel, plans[0], fewest, pairs.aim());
    let result = pairs.run(kernel, &mut runner, progress);
    let ended = runner.ended(result);
    pairs
        .recordings
        .iter_mut()
        .for_each(|side| ended.tell(side));
    let timed = !pairs.recordings[0].is_empty();
    Versus {
        documents: timed.then(|| [0, 1].map(|side| pairs.document(side, host, &ended))),
        error: ended.error,
    }
}

struct Pairs<'a> {
    plans: [&'a Plan; 2],
    clock_cost_ns: f64,
    /// What the host is set to, if it is.
    setups: Option<[&'a Setup; 2]>,
    /// Which side was the first in the last pair of slices, by parent.
    firsts: Vec<Option<usize>>,
    /// The parents that need more pairs.
    open: Vec<usize>,
    /// Those of each side, in the same order.
    recordings: [Vec<Recording>; 2],
}

impl<'a> Pairs<'a> {
    fn new(plans: [&'a Plan; 2], clock_cost_ns: f64) -> Self {
        let [a, b] = plans.map(|plan| plan.setup.as_ref());
        Self {
            plans,
            clock_cost_ns,
            setups: a.zip(b).map(|(a, b)| [a, b]),
            firsts: vec![None; plans[0].spaces.len()],
            open: (0..plans[0].spaces.len()).collect(),
            recordings: [Vec::new(), Vec::new()],
        }
    }

    fn run(
        &mut self,
        kernel: &dyn Kernel,
        runner: &mut Runner<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Stopped, LabError> {
        for plan in self.plans {
            kernel.check_limits(&plan.spaces)?;
            kernel.try_program(plan)?;
        }
        let [of_a, of_b] = self.plans.map(|plan| &plan.spaces);
        for (a, b) in of_a.iter().zip(of_b) {
            if self.setups.is_none() {
                kernel.check_both([a, b])?;
            }
            let name = match a == b {
                true => a.in_words(),
                false => format!("{} and {}", a.in_words(), b.in_words()),
            };
            runner.add(name, self.rhythm());
        }
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

    fn assignment(&self, side: usize, parent: usize, turns: usize) -> Assignment {
        let plan = self.plans[side];
        Assignment {
            turns,
            least_turns: LEAST_TURNS.min(turns),
            ..Assignment::of_plan(plan, plan.spaces[parent].clone(), Pass::Timing)
        }
    }

    /// The turns of the next pair, worker by worker of a side: shares of the spawns that were
    /// asked for.
    fn turns_left(&self, parent: usize) -> Vec<usize> {
        let workers = 0..self.workers();
        let Some(asked) = self.plans[0].stop.spawns else {
            return workers.map(|_| MOST_TURNS).collect();
        };
        let share = asked.div_ceil(u64::from(self.aim()) * self.workers());
        let mut left = asked.saturating_sub(spawns(self.of(0, parent)));
        let turns = workers.map(|_| {
            let turns = share.min(left);
            let turns = usize::try_from(turns).map_or(MOST_TURNS, |turns| turns.min(MOST_TURNS));
            left -= turns as u64;
            turns
        });
        turns.filter(|turns| *turns > 0).collect()
    }

    /// Both workers of each pair of them, which take turns.
    fn pair(&mut self, parent: usize, turn: &Turn<'_>) -> Result<f64, LabError> {
        let turns = self.turns_left(parent).first().map_or(1, |turns| *turns);
        let assignments = [0, 1].map(|side| self.assignment(side, parent, turns));
        let pair = turn.workers(assignments, parent)?;
        let [a, b] = &pair;
        let loop_s = a.loop_s().max(b.loop_s());
        for (recordings, recording) in self.recordings.iter_mut().zip(pair) {
            recordings.push(recording);
        }
        Ok(loop_s)
    }

    /// A slice of each side, one after the other, each under its own setup. A slice without
    /// the other is no pair, and is forgotten.
    fn slices(
        &mut self,
        setups: [&Setup; 2],
        parent: usize,
        turn: &Turn<'_>,
    ) -> Result<f64, LabError> {
        let turns = self.turns_left(parent);
        let workers = 2 * turns.len().max(1) as u64;
        // A, B, B, A: what drifts hits both alike.
        let drawn = usize::from(turn.seed % 2 == 1);
        let (first, next) = match self.firsts[parent] {
            None => (drawn, Some(drawn)),
            Some(last) => (1 - last, None),
        };
        let mut slices = [Vec::new(), Vec::new()];
        for side in [first, 1 - first] {
            turn.kernel.set_up(&setups[side].command)?;
            for turns in &turns {
                let assignment = self.assignment(side, parent, *turns);
                let worker = turn.one_of(workers, assignment, &Watch::Nothing, parent)?;
                slices[side].push(worker);
            }
        }
        self.firsts[parent] = next;
        let loop_s = slices.iter().flatten().map(Recording::loop_s).sum();
        for (recordings, mut slice) in self.recordings.iter_mut().zip(slices) {
            recordings.append(&mut slice);
        }
        Ok(loop_s)
    }

    fn of(&self, side: usize, parent: usize) -> impl Iterator<Item = &Recording> {
        let mine = move |recording: &&Recording| recording.occasion.of == parent;
        self.recordings[side].iter().filter(mine)
    }

    /// Why a parent needs no more pairs, if it does not.
    fn enough(&self, parent: usize, rounds: u32) -> Option<Stopped> {
        let stop = &self.plans[0].stop;
        let asked = stop.spawns;
        if asked.is_some_and(|asked| spawns(self.of(0, parent)) >= asked) {
            return Some(Stopped::Spawns);
        }
        let precision = stop
            .precision
            .filter(|_| rounds >= self.fewest_to_judge())?;
        let widest = self.widths(parent).into_iter().reduce(f64::max)?;
        (widest <= precision).then_some(Stopped::Precision)
    }

    /// How wide the intervals of the ratios of the totals are, method by method.
    fn widths(&self, parent: usize) -> Vec<f64> {
        let [of_a, of_b] = self.plans.map(|plan| &plan.methods);
        let width = |(a, b)| {
            let samples = |side: usize, method| -> Vec<WorkerSamples> {
                samples(self.of(side, parent), method, self.clock_cost_ns)
            };
            let logs_of = self
                .setups
                .map_or(logs_of_pairs as LogsOf, |_| logs_of_slices);
            let logs = logs_of(&samples(0, a), &samples(1, b), &TOTAL);
            let contrast = Contrast::of_pairs(&logs, self.plans[0].seed, DRAWS_TO_DECIDE)?;
            Some(contrast.ratio.relative_half_width())
        };
        let methods = of_a.iter().copied().zip(of_b.iter().copied());
        methods.filter_map(width).collect()
    }

    fn document(&self, side: usize, host: &Host, ended: &Ended) -> Document {
        let cells =
            |cells: Vec<Cell>| sweep::findings(cells.into_iter().map(without_counters).collect());
        let recordings = &self.recordings[side];
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
        let mut document = document(host.clone(), self.plans[side], ended, recordings, cells);
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
        let wide = parents.flat_map(|parent| self.widths(parent));
        let wide: Vec<f64> = wide.collect();
        precision_missed(asked, &wide, run, seen)
    }
}

impl Feature for Pairs<'_> {
    fn wants(&self, visit: usize) -> bool {
        self.open.contains(&visit)
    }

    fn turn(&mut self, visit: usize, turn: &Turn<'_>) -> Result<f64, LabError> {
        match self.setups {
            Some(setups) => self.slices(setups, visit, turn),
            None => self.pair(visit, turn),
        }
    }

    fn sought(&self) -> Option<Sought> {
        let widths = |parent: &usize| self.widths(*parent);
        Some(Sought {
            widest: self.open.iter().flat_map(widths).reduce(f64::max),
            fewest_rounds: self.fewest_to_judge(),
        })
    }

    fn round_ends(&mut self, rounds: u32) -> Option<Stopped> {
        let ended;
        (self.open, ended) = still_open(&self.open, |parent| self.enough(parent, rounds));
        ended
    }
}

/// A cell that says why it has nothing but times.
fn without_counters(cell: Cell) -> Cell {
    const WHY: &str =
        "with --vs or setups nothing but the clock is read; run each side by itself for this";
    fn none<T>() -> Availability<T> {
        Availability::not_asked(WHY)
    }
    let none_on_both_sides = || Counted {
        parent: none::<Estimate>(),
        child: none(),
        source: CountSource::None,
    };
    Cell {
        cpu_ns: none(),
        sys_ns: none(),
        user_ns: none(),
        minor_faults: none_on_both_sides(),
        major_faults: none_on_both_sides(),
        context_switches: none_on_both_sides(),
        cpu_migrations: none_on_both_sides(),
        task_clock_ns: none_on_both_sides(),
        cycles: none_on_both_sides(),
        instructions: none_on_both_sides(),
        dtlb_misses: none_on_both_sides(),
        counting_slowdown: none(),
        ..cell
    }
}
