//! The experiment behind `sweep`: some parents, each timed in every round and counted
//! in every other, until the intervals are narrow enough or the time is up.

use super::assemble::document;
use super::caveats::cores_shared;
use super::error::LabError;
use super::jobs;
use super::kernel::Kernel;
use super::outcome::{Outcome, Progress};
use super::outlook::Watch;
use super::prospect::Sought;
use super::runner::{AIM_ROUNDS, Feature, LEAST_TURNS, MOST_TURNS, Rhythm, Runner, Turn};
use super::samples::{enough, spawns, spawns_within, still_open, typical_total, widest};
use super::session::Recording;
use crate::model::{Cell, Findings, Host, Plan, Stopped, Temperature};
use crate::worker::protocol::{Assignment, Pass};

/// The fewest rounds: who asks for a time keeps it, and one worker is an answer.
pub(super) const LEAST_ROUNDS: u32 = 1;
/// A method this many times cheaper than the dearest gets extra spawns in the
/// passes that count, for this share of the slice, all such methods together.
const MUCH_CHEAPER: f64 = 10.0;
const EXTRA_SHARE: f64 = 0.5;
/// The slice of a run without a time limit, for this purpose.
const LONGEST_EXTRA_NS: f64 = 200e6;

/// The passes over each parent, and what they are called in the progress.
const PASSES: [(Pass, &str); 4] = [
    (Pass::Timing, "timing"),
    (Pass::Accounting, "accounting"),
    (Pass::Sampling, "sampling"),
    (Pass::Counting, "counting"),
];

/// Counts differ less from worker to worker than times do, and come in every other
/// round; and what the first one has no time for shall not be a time.
fn rhythm(pass: Pass) -> Rhythm {
    if pass == Pass::Timing {
        Rhythm {
            weight: 2.5,
            ..Rhythm::EVERY_ROUND
        }
    } else {
        Rhythm {
            every: 2,
            first: 1,
            owed: false,
            ..Rhythm::EVERY_ROUND
        }
    }
}

/// The findings of a sweep.
pub(super) fn findings(cells: Vec<Cell>) -> Findings {
    Findings::Sweep { cells }
}

/// Carries out a plan of some parents, and makes `findings` of their cells.
pub(super) fn run(
    kernel: &dyn Kernel,
    host: Host,
    plan: &Plan,
    progress: &mut dyn Progress,
    findings: impl FnOnce(Vec<Cell>) -> Findings,
) -> Outcome {
    let mut runner = Runner::new(kernel, plan, LEAST_ROUNDS, AIM_ROUNDS);
    let mut experiment = Experiment::new(plan, host.clock_cost_ns);
    let result = experiment.run(kernel, &mut runner, progress);
    let ended = runner.ended(result);
    let mut recordings = experiment.recordings;
    ended.tell(&mut recordings);
    let timed = recordings.iter().any(|r| r.pass == Pass::Timing);
    let document = timed.then(|| {
        let mut document = document(host, plan, &ended, &recordings, findings);
        let shared = cores_shared(kernel, plan, &plan.other_cpus);
        document.caveats.extend(shared);
        document
    });
    Outcome {
        document,
        error: ended.error,
    }
}

struct Experiment<'a> {
    plan: &'a Plan,
    clock_cost_ns: f64,
    /// The parent and the pass of each visit.
    visits: Vec<(usize, Pass)>,
    /// The parents that need more workers.
    open: Vec<usize>,
    /// The passes that this host grants, as far as they were tried.
    granted: Vec<Pass>,
    recordings: Vec<Recording>,
}

impl<'a> Experiment<'a> {
    fn new(plan: &'a Plan, clock_cost_ns: f64) -> Self {
        let parents = 0..plan.spaces.len();
        let all = |parent: usize| PASSES.map(|(pass, _)| (parent, pass));
        Self {
            plan,
            clock_cost_ns,
            visits: parents.clone().flat_map(all).collect(),
            open: parents.collect(),
            granted: PASSES.map(|(pass, _)| pass).to_vec(),
            recordings: Vec::new(),
        }
    }

    fn run(
        &mut self,
        kernel: &dyn Kernel,
        runner: &mut Runner<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Stopped, LabError> {
        kernel.check_limits(&self.plan.spaces)?;
        kernel.try_program(self.plan)?;
        for space in &self.plan.spaces {
            for (pass, name) in PASSES {
                runner.add(format!("{}, {name}", space.in_words()), rhythm(pass));
            }
        }
        runner.run(self, 1.0, progress)
    }

    fn assignment(&self, space: usize, pass: Pass, slice_ns: u64) -> Assignment {
        let turns = self.turns_left(space);
        Assignment {
            extras: self.extras(space, pass, slice_ns),
            turns,
            least_turns: LEAST_TURNS.min(turns),
            ..Assignment::of_plan(self.plan, self.plan.spaces[space].clone(), pass)
        }
    }

    /// Spawns of each method before the turns. Where means are taken and not
    /// pairs, a method that is much cheaper than the dearest gets some time of
    /// its own: a fork from a large address space takes as long as hundreds of
    /// vforks, and leaves them few turns.
    fn extras(&self, space: usize, pass: Pass, slice_ns: u64) -> Vec<usize> {
        let methods = &self.plan.methods;
        let cold = self.plan.temperature != Temperature::Hot;
        let timing = self.timings(space).next();
        let takes_turns = pass != Pass::Timing && !cold && !self.plan.has_jobs();
        let Some(timing) = timing.filter(|_| takes_turns) else {
            return vec![0; methods.len()];
        };
        let typical = |method: &_| typical_total(timing, *method, self.clock_cost_ns);
        let typical: Vec<Option<f64>> = methods.iter().map(typical).collect();
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
        let left = asked.saturating_sub(spawns(self.timings(space)));
        let share = asked.div_ceil(AIM_ROUNDS.into()).min(left);
        usize::try_from(share).map_or(MOST_TURNS, |share| share.clamp(1, MOST_TURNS))
    }

    fn timings(&self, space: usize) -> impl Iterator<Item = &Recording> {
        let timing = move |r: &&Recording| r.occasion.of == space && r.pass == Pass::Timing;
        self.recordings.iter().filter(timing)
    }

    /// Why an address space needs no more workers, if it does not.
    fn enough(&self, space: usize, rounds: u32) -> Option<Stopped> {
        let timings: Vec<&Recording> = self.timings(space).collect();
        enough(&timings, self.plan, rounds, self.clock_cost_ns)
    }

    /// Whether a pass has brought something home, or was not tried yet: without
    /// permission for perf events one refusal is enough.
    fn has_answers(&self, pass: Pass) -> bool {
        let mut recordings = self.recordings.iter();
        let first = recordings.find(|recording| recording.pass == pass);
        first.is_none_or(|first| match pass {
            Pass::Sampling => first.ticks.as_ref().is_some_and(Result::is_ok),
            Pass::Counting => !first.done.counters.is_empty(),
            _ => true,
        })
    }
}

impl Feature for Experiment<'_> {
    fn wants(&self, visit: usize) -> bool {
        let (space, pass) = self.visits[visit];
        self.open.contains(&space) && self.granted.contains(&pass)
    }

    fn turn(&mut self, visit: usize, turn: &Turn<'_>) -> Result<f64, LabError> {
        let (space, pass) = self.visits[visit];
        let watch = match pass {
            Pass::Sampling => Watch::Modes,
            _ => Watch::Nothing,
        };
        let assignment = self.assignment(space, pass, turn.slice_ns);
        let recording = match self.plan.has_jobs() {
            true => {
                let others = jobs::others(self.plan, assignment.space.jobs());
                turn.beside(&others, assignment, &watch, space)?
            }
            false => turn.worker(assignment, &watch, space)?,
        };
        let loop_s = recording.loop_s();
        self.recordings.push(recording);
        Ok(loop_s)
    }

    fn sought(&self) -> Option<Sought> {
        let widest = |space: &usize| {
            let timings: Vec<&Recording> = self.timings(*space).collect();
            widest(&timings, self.plan, self.clock_cost_ns)
        };
        Some(Sought {
            widest: self.open.iter().filter_map(widest).reduce(f64::max),
            fewest_rounds: AIM_ROUNDS,
        })
    }

    /// What was refused is told of every parent, and therefore lasts until the round ends.
    fn round_ends(&mut self, rounds: u32) -> Option<Stopped> {
        let granted = std::mem::take(&mut self.granted).into_iter();
        self.granted = granted.filter(|pass| self.has_answers(*pass)).collect();
        let ended;
        (self.open, ended) = still_open(&self.open, |space| self.enough(space, rounds));
        ended
    }
}
