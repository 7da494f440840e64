//! The experiment behind `--vs`: two plans in one run, whose workers take turns.
//!
//! Nothing but the clock is read: every second goes into pairs. What counters say of a
//! plan is said by a run of its own.

use super::assemble::document;
use super::caveats::precision_missed;
use super::error::LabError;
use super::kernel::Kernel;
use super::outcome::{Ended, Progress};
use super::prospect::Sought;
use super::runner::{Feature, LEAST_TURNS, MOST_TURNS, Rhythm, Runner, Turn};
use super::samples::{samples, spawns, still_open};
use super::session::Recording;
use super::sweep;
use crate::analysis::compare::{TOTAL, logs_of_pairs};
use crate::model::{
    Availability, Caveat, Cell, CountSource, Counted, Document, Host, Plan, Run, Stopped,
    WorkerSamples,
};
use crate::stats::{Contrast, Estimate, FEWEST_WORKERS};
use crate::worker::protocol::{Assignment, Pass};

/// Rounds that are aimed at. How the workers of a pair differ, by where their page tables
/// happen to lie, is most of what is left once they take turns, so that many short-lived
/// pairs tell more than few long-lived ones.
const AIM_ROUNDS: u32 = 32;
/// Rounds before which no interval is narrow enough.
const FEWEST_TO_JUDGE: u32 = AIM_ROUNDS / 2;
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
    let mut runner = Runner::new(kernel, plans[0], fewest, AIM_ROUNDS);
    let mut pairs = Pairs::new(plans, host.clock_cost_ns);
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
    /// The parents that need more pairs.
    open: Vec<usize>,
    /// Those of each side, in the same order.
    recordings: [Vec<Recording>; 2],
}

impl<'a> Pairs<'a> {
    fn new(plans: [&'a Plan; 2], clock_cost_ns: f64) -> Self {
        Self {
            plans,
            clock_cost_ns,
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
            kernel.check_both([a, b])?;
            let name = match a == b {
                true => a.in_words(),
                false => format!("{} and {}", a.in_words(), b.in_words()),
            };
            runner.add(name, Rhythm::EVERY_ROUND);
        }
        runner.run(self, 1.0, progress)
    }

    fn assignment(&self, side: usize, parent: usize) -> Assignment {
        let plan = self.plans[side];
        let turns = self.turns_left(parent);
        Assignment {
            turns,
            least_turns: LEAST_TURNS.min(turns),
            ..Assignment::of_plan(plan, plan.spaces[parent].clone(), Pass::Timing)
        }
    }

    /// The turns of the next pair: a share of the spawns that were asked for.
    fn turns_left(&self, parent: usize) -> usize {
        let asked = self.plans[0].stop.spawns;
        asked.map_or(MOST_TURNS, |asked| {
            let left = asked.saturating_sub(spawns(self.of(0, parent)));
            let share = asked.div_ceil(AIM_ROUNDS.into()).min(left);
            usize::try_from(share).map_or(MOST_TURNS, |share| share.clamp(1, MOST_TURNS))
        })
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
        let precision = stop.precision.filter(|_| rounds >= FEWEST_TO_JUDGE)?;
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
            let logs = logs_of_pairs(&samples(0, a), &samples(1, b), &TOTAL);
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
        let assignments = [0, 1].map(|side| self.assignment(side, visit));
        let pair = turn.workers(assignments, visit)?;
        let [a, b] = &pair;
        let loop_s = a.loop_s().max(b.loop_s());
        for (recordings, recording) in self.recordings.iter_mut().zip(pair) {
            recordings.push(recording);
        }
        Ok(loop_s)
    }

    fn sought(&self) -> Option<Sought> {
        let widths = |parent: &usize| self.widths(*parent);
        Some(Sought {
            widest: self.open.iter().flat_map(widths).reduce(f64::max),
            fewest_rounds: FEWEST_TO_JUDGE,
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
    const WHY: &str = "with --vs nothing but the clock is read; run each side by itself for this";
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
