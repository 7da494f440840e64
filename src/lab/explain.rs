//! The experiment behind `explain`: one address space, and beside the timing
//! passes the ones that say where the time goes, each in workers of its own.

mod assemble;
mod breakpoint;
mod exit;
mod expectation;
mod faults;
mod ledger;
mod mechanisms;
mod rewriting;
mod visit;

use std::time::Duration;

use fastrand::Rng;

use self::mechanisms::{Chained, is_blind};
use self::visit::{Evidence, Visit};
use super::assemble as cells;
use super::budget::{AIM_ROUNDS, Budget, Spent};
use super::error::LabError;
use super::kernel::Kernel;
use super::outlook::Watch;
use super::run::{Outcome, Progress, ending, nanos, spawns_within, unix_s};
use super::session::{self, Occasion, Recording};
use crate::model::{ChildAction, Explain, Host, Missing, Plan, SpaceRequest, SpawnMethod, Stopped};
use crate::profile::ledger::Landmark;
use crate::profile::symbols::Symbols;
use crate::worker::protocol::{Assignment, Pass};

/// The most turns of a worker whose methods take turns, and of one that has a
/// method to itself and has to fill its slice.
const MOST_TURNS: usize = 400;
const MOST_ALONE: usize = 100_000;
const LEAST_TURNS: usize = 2;

/// Carries out a plan that explains its last address space.
pub(super) fn run(
    kernel: &dyn Kernel,
    host: Host,
    plan: &Plan,
    order: &Explain,
    progress: &mut dyn Progress,
) -> Outcome {
    let begin = kernel.now();
    let started_unix_s = unix_s();
    let mut inquiry = Inquiry {
        kernel,
        plan,
        order,
        begin,
        clock_cost_ns: host.clock_cost_ns,
        rng: Rng::with_seed(plan.seed),
        round: 0,
        landmarks: Ok(Vec::new()),
        symbols: kernel.symbols(),
        evidence: Evidence::default(),
    };
    let (stopped, error) = ending(inquiry.run(progress));
    if inquiry.evidence.timing.is_empty() {
        return Outcome {
            document: None,
            error,
        };
    }
    progress.step("putting the figures together", 1.0);
    let explanation = assemble::explanation(&inquiry);
    let setting = cells::Setting {
        host,
        plan,
        started_unix_s,
        duration_s: (kernel.now() - begin).as_secs_f64(),
        rounds: inquiry.round,
        stopped,
        explanation: Some(explanation),
        reproduction: None,
        card: None,
        live: None,
        left_behind: inquiry.evidence.left_behind(),
    };
    let document = Some(cells::document(setting, &inquiry.evidence.timing));
    Outcome { document, error }
}

struct Inquiry<'a> {
    kernel: &'a dyn Kernel,
    plan: &'a Plan,
    order: &'a Explain,
    begin: Duration,
    clock_cost_ns: f64,
    rng: Rng,
    round: u32,
    /// Instructions of the program that can be watched.
    landmarks: Result<Vec<(Landmark, u64)>, Missing>,
    symbols: Result<Symbols, Missing>,
    evidence: Evidence,
}

impl Inquiry<'_> {
    fn run(&mut self, progress: &mut dyn Progress) -> Result<Stopped, LabError> {
        self.kernel.check_limits(&self.plan.spaces)?;
        self.kernel.try_program(self.plan)?;
        self.landmarks = self.kernel.landmarks(self.plan);
        let mut budget = Budget::new(self.plan.stop.time_s);
        loop {
            let spent = self.one_round(&budget, progress)?;
            budget.learn(spent);
            self.round += 1;
            if let Some(stopped) = self.satisfied() {
                return Ok(stopped);
            }
            let course = |round| self.weights(round);
            if !budget.has_time(self.elapsed_s(), self.round, &course) {
                return Ok(Stopped::Time);
            }
        }
    }

    /// The address space that is explained: the plan's last.
    fn space(&self) -> usize {
        self.plan.spaces.len().saturating_sub(1)
    }

    /// The address space of a visit.
    fn space_of(&self, visit: Visit) -> usize {
        match visit {
            Visit::Timing(space) | Visit::Faults(space, _) => space,
            Visit::Stamping | Visit::Chains(_) | Visit::Rewriting => self.space(),
        }
    }

    fn request(&self) -> &SpaceRequest {
        &self.plan.spaces[self.space()]
    }

    /// The workers of a round. Faults and rewriting vary little, and have every
    /// second one.
    fn visits(&self, round: u32) -> Vec<Visit> {
        let spaces = 0..self.plan.spaces.len();
        let mut visits: Vec<Visit> = spaces.clone().map(Visit::Timing).collect();
        visits.push(Visit::Stamping);
        if self.symbols.is_ok() {
            visits.extend(self.plan.methods.iter().copied().map(Visit::Chains));
        }
        if round.is_multiple_of(2) {
            let methods = || self.plan.methods.iter().copied();
            let all = spaces.flat_map(|space| methods().map(move |m| Visit::Faults(space, m)));
            visits.extend(all);
            if self.order.rewrite_pages > 0 {
                visits.push(Visit::Rewriting);
            }
        }
        visits.retain(|visit| self.has_answers(*visit));
        visits
    }

    fn weights(&self, round: u32) -> Vec<f64> {
        let methods = self.plan.methods.len();
        let visits = self.visits(round).into_iter();
        visits.map(|visit| visit.weight(methods)).collect()
    }

    /// Whether a visit has brought something home, or was not tried yet.
    fn has_answers(&self, visit: Visit) -> bool {
        let answered = |first: Option<&Recording>| {
            let watched = first.and_then(|recording| recording.watched.as_ref());
            watched.is_none_or(Result::is_ok)
        };
        let evidence = &self.evidence;
        match visit {
            Visit::Timing(_) => true,
            Visit::Rewriting => evidence.rewriting.first().is_none_or(rewriting::wrote),
            Visit::Stamping => answered(evidence.stamping.first()),
            Visit::Chains(method) => {
                let mine = |chained: &&Chained| chained.recording.methods == [method];
                let first = evidence.chains.first().map(|c| &c.recording);
                answered(first)
                    && !evidence
                        .chains
                        .iter()
                        .find(mine)
                        .is_some_and(is_blind(self))
            }
            Visit::Faults(..) => answered(evidence.faults.first()),
        }
    }

    fn one_round(
        &mut self,
        budget: &Budget,
        progress: &mut dyn Progress,
    ) -> Result<Spent, LabError> {
        let began = self.elapsed_s();
        let unit_s = budget.unit_s(began, self.round, &|round| self.weights(round));
        let mut visits = self.visits(self.round);
        self.rng.shuffle(&mut visits);
        // What the first round has no time for shall not be a time, nor the
        // ledger; and how long a slice lasts is known only from the times.
        visits.sort_by_key(|visit| match visit {
            _ if self.round > 0 => 0,
            Visit::Timing(space) => usize::from(*space != self.space()),
            Visit::Stamping => 2,
            _ => 3,
        });
        let workers = visits.len();
        let mut loops_s = 0.0;
        for (index, visit) in visits.into_iter().enumerate() {
            let is_first = self.round == 0 && matches!(visit, Visit::Timing(_) | Visit::Stamping);
            if !is_first && budget.is_spent(self.elapsed_s()) {
                break;
            }
            let share = budget.share(self.elapsed_s(), self.round, index as f64 / workers as f64);
            let what = format!("round {}: {}", self.round + 1, visit.verb());
            progress.step(&what, share);
            let weight = visit.weight(self.plan.methods.len());
            let slice_ns = unit_s.map_or(u64::MAX, |unit| nanos(unit * weight));
            loops_s += self.visit(visit, slice_ns)?;
            self.once_more_in_the_first_round(index)?;
        }
        self.learn_of_breakpoints(budget)?;
        Ok(Spent {
            round_s: self.elapsed_s() - began,
            loops_s,
            workers,
        })
    }

    /// What a watched instruction costs, once more in every round.
    fn learn_of_breakpoints(&mut self, budget: &Budget) -> Result<(), LabError> {
        let hits = &self.evidence.hits;
        let is_refused = hits.iter().any(Result::is_err);
        let is_late = !hits.is_empty() && budget.is_spent(self.elapsed_s());
        if self.has_marks() && !is_refused && !is_late {
            let pair = breakpoint::pair(self.kernel, self.plan, self.timeout())?;
            self.evidence.hits.push(pair);
        }
        Ok(())
    }

    /// What is looked at once: the page tables, and the order of EXIT. It comes
    /// after the first timing, so that an interrupted run has a time.
    fn once_more_in_the_first_round(&mut self, index: usize) -> Result<(), LabError> {
        if self.round > 0 || index > 0 {
            return Ok(());
        }
        let timeout = self.timeout();
        let assignment = self.assignment(Visit::Timing(self.space()), u64::MAX);
        let tables = session::inspect(self.kernel, &assignment, self.order.tree, timeout)?;
        self.evidence.tables = Some(tables);
        let exit = exit::probe(self.kernel, self.plan, timeout)?;
        self.evidence.exit = Some(exit);
        Ok(())
    }

    fn visit(&mut self, visit: Visit, slice_ns: u64) -> Result<f64, LabError> {
        let assignment = self.assignment(visit, slice_ns);
        let watch = match visit {
            Visit::Timing(_) | Visit::Rewriting => Watch::Nothing,
            Visit::Stamping if self.has_marks() => {
                Watch::Stamps(self.landmarks.clone().unwrap_or_default())
            }
            Visit::Stamping => Watch::Moments,
            Visit::Chains(_) => Watch::Chains(self.order.sampling_hz),
            Visit::Faults(..) => Watch::Faults,
        };
        let occasion = Occasion {
            round: self.round,
            of: self.space_of(visit),
        };
        let timeout = self.timeout();
        let recording = session::run(self.kernel, &assignment, &watch, timeout, occasion)?;
        let loop_s = recording.loop_s();
        let evidence = &mut self.evidence;
        match visit {
            Visit::Timing(_) => evidence.timing.push(recording),
            Visit::Stamping => evidence.stamping.push(recording),
            Visit::Chains(_) => {
                let judged = Chained::judge(recording, &self.symbols);
                evidence.chains.push(judged);
            }
            Visit::Faults(..) => evidence.faults.push(recording),
            Visit::Rewriting => evidence.rewriting.push(recording),
        }
        Ok(loop_s)
    }

    fn assignment(&mut self, visit: Visit, slice_ns: u64) -> Assignment {
        let plan = self.plan;
        let pass = match visit {
            Visit::Timing(_) => Pass::Timing,
            Visit::Stamping => Pass::Stamping,
            Visit::Chains(_) | Visit::Faults(..) => Pass::Sampling,
            Visit::Rewriting => Pass::Rewriting,
        };
        let space = plan.spaces[self.space_of(visit)].clone();
        let turns = self.turns(visit, slice_ns);
        let mut assignment = Assignment {
            turns,
            least_turns: LEAST_TURNS.min(turns),
            slice_ns,
            seed: self.rng.u64(..),
            ..Assignment::of_plan(plan, space, pass)
        };
        match visit {
            Visit::Timing(_) => {}
            Visit::Stamping => assignment.fixed_addresses = self.fixes_addresses(),
            Visit::Chains(method) => assignment.alone(method),
            Visit::Faults(_, method) => {
                assignment.alone(method);
                // The last of them does not count.
                assignment.least_turns = (2 * LEAST_TURNS).min(turns);
            }
            Visit::Rewriting => assignment.rewrite_pages = self.order.rewrite_pages,
        }
        assignment
    }

    /// Turns of a worker: its share of the spawns that were asked for (all of
    /// them for call chains), or what fills its slice.
    fn turns(&self, visit: Visit, slice_ns: u64) -> usize {
        if let Some(asked) = self.plan.stop.spawns {
            let asked = usize::try_from(asked).unwrap_or(usize::MAX);
            // Shares rest on samples, of which a few spawns have none.
            let share = match visit {
                Visit::Chains(_) => asked,
                _ => asked.div_ceil(AIM_ROUNDS as usize),
            };
            return share.clamp(1, MOST_ALONE);
        }
        let Visit::Chains(method) = visit else {
            return MOST_TURNS;
        };
        let timing = self.timings().next();
        let typical =
            timing.and_then(|timing| cells::typical_total(timing, method, self.clock_cost_ns));
        let filling = typical.map(|total| spawns_within(1.2 * slice_ns as f64, total));
        filling.unwrap_or(MOST_TURNS).clamp(LEAST_TURNS, MOST_ALONE)
    }

    /// The timings of the address space that is explained.
    fn timings(&self) -> impl Iterator<Item = &Recording> {
        let space = self.space();
        let timing = self.evidence.timing.iter();
        timing.filter(move |r| r.occasion.of == space)
    }

    /// Whether the run has what was asked for.
    fn satisfied(&self) -> Option<Stopped> {
        let timings: Vec<&Recording> = self.timings().collect();
        if let Some(asked) = self.plan.stop.spawns {
            let spawns = timings
                .iter()
                .map(|r| r.done.spawns / r.methods.len().max(1));
            return (spawns.sum::<usize>() as u64 >= asked).then_some(Stopped::Spawns);
        }
        let precision = self
            .plan
            .stop
            .precision
            .filter(|_| self.round >= AIM_ROUNDS)?;
        let widest = cells::widest_total(&timings, self.clock_cost_ns, self.plan.seed)?;
        (widest <= precision).then_some(Stopped::Precision)
    }

    /// Whether an instruction is to be watched: of the program, or libc's execve
    /// where libc's own code runs in the child.
    fn has_marks(&self) -> bool {
        let stamps = |method: &SpawnMethod| {
            let own = [
                SpawnMethod::Fork,
                SpawnMethod::Vfork,
                SpawnMethod::Clone3Vfork,
            ];
            own.contains(method)
        };
        self.executes() && (self.fixes_addresses() || !self.plan.methods.iter().all(stamps))
    }

    /// Whether instructions of the program are to be watched, which have to be
    /// where they were when they were looked up.
    fn fixes_addresses(&self) -> bool {
        self.landmarks.as_ref().is_ok_and(|marks| !marks.is_empty())
    }

    /// Whether the children execute a program.
    fn executes(&self) -> bool {
        self.plan.child == ChildAction::Exec
    }

    fn timeout(&self) -> Duration {
        Duration::from_millis(self.plan.spawn_timeout_ms)
    }

    fn elapsed_s(&self) -> f64 {
        (self.kernel.now() - self.begin).as_secs_f64()
    }
}
