//! The experiment behind `explain`: one address space, and beside the timing
//! passes the ones that say where the time goes, each in workers of its own.

mod assemble;
mod breakpoint;
mod exit;
mod expectation;
mod faults;
mod ledger;
mod mechanisms;
mod part;
mod rewriting;
mod side;
mod waits;

pub(super) use self::breakpoint::pair as breakpoint_pair;
pub(super) use self::exit::probe as exit_probe;
pub(super) use self::rewriting::of_workers as rewriting_of;
pub(super) use self::side::{Probes, Side};

use self::mechanisms::{Chained, is_blind};
use self::part::{Evidence, Part};
use super::assemble::document;
use super::caveats::cores_shared;
use super::error::LabError;
use super::kernel::Kernel;
use super::outcome::{Outcome, Progress};
use super::outlook::Watch;
use super::prospect::Sought;
use super::runner::{AIM_ROUNDS, Feature, LEAST_TURNS, MOST_TURNS, Runner, Turn};
use super::samples::{enough, spawns_within, totals, typical_total, widest};
use super::session::{self, Recording};
use crate::model::{
    ChildAction, ExplainOrder, Findings, Host, Missing, Placement, Plan, SpaceRequest, SpawnMethod,
    Stopped,
};
use crate::profile::ledger::Landmark;
use crate::profile::symbols::Symbols;
use crate::stats::{DRAWS, Replicates, cost_replicates};
use crate::worker::protocol::{Assignment, Pass};

/// The fewest rounds: who asks for a time keeps it, and one worker is an answer.
pub(super) const LEAST_ROUNDS: u32 = 1;
/// The most turns of a worker that has a method to itself and has to fill its slice.
const MOST_ALONE: usize = 100_000;

/// Carries out a plan that explains its last address space.
pub(super) fn run(
    kernel: &dyn Kernel,
    host: Host,
    plan: &Plan,
    order: &ExplainOrder,
    progress: &mut dyn Progress,
) -> Outcome {
    let mut runner = Runner::new(kernel, plan, LEAST_ROUNDS, AIM_ROUNDS);
    let mut inquiry = Inquiry {
        kernel,
        plan,
        order,
        clock_cost_ns: host.clock_cost_ns,
        parts: Vec::new(),
        useless: Vec::new(),
        beside: kernel.beside(plan.placement),
        landmarks: Ok(Vec::new()),
        symbols: Err(Missing::not_reached()),
        evidence: Evidence::default(),
    };
    let result = inquiry.run(&mut runner, progress);
    let ended = runner.ended(result);
    inquiry.evidence.tell(&ended);
    let timing = &inquiry.evidence.timing;
    let findings = |cells| Findings::Explanation(Box::new(assemble::explanation(&inquiry, cells)));
    let document = (!timing.is_empty()).then(|| {
        progress.step("putting the figures together", 1.0);
        let mut document = document(host, plan, &ended, timing, findings);
        if let (Ok(Placement::Pinned(cpu)), false) =
            (&inquiry.beside, inquiry.evidence.waiting.is_empty())
        {
            document.caveats.extend(cores_shared(kernel, plan, &[*cpu]));
        }
        document
    });
    Outcome {
        document,
        error: ended.error,
    }
}

struct Inquiry<'a> {
    kernel: &'a dyn Kernel,
    plan: &'a Plan,
    order: &'a ExplainOrder,
    clock_cost_ns: f64,
    /// What each visit is for.
    parts: Vec<Part>,
    /// Those of them that would bring nothing home.
    useless: Vec<Part>,
    /// Where a thread runs that is busy beside the spawns, or why none does.
    beside: Result<Placement, Missing>,
    /// Instructions of the program that can be watched.
    landmarks: Result<Vec<(Landmark, u64)>, Missing>,
    symbols: Result<Symbols, Missing>,
    evidence: Evidence,
}

impl Inquiry<'_> {
    fn run(
        &mut self,
        runner: &mut Runner<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Stopped, LabError> {
        self.kernel.check_limits(&self.plan.spaces)?;
        self.kernel.try_program(self.plan)?;
        // Tens of megabytes, which the limits leave.
        self.symbols = self.kernel.symbols();
        self.landmarks = self.kernel.landmarks(self.plan);
        self.parts = self.all_parts();
        if self.parts.contains(&Part::Rewriting) {
            self.kernel.check_rewriting(&self.rewriting())?;
        }
        for part in &self.parts {
            let is_explained = self.space_of(*part) == self.space();
            runner.add(
                part.name(),
                part.rhythm(self.plan.methods.len(), is_explained),
            );
        }
        runner.run(self, 1.0, progress)
    }

    /// The address space that is explained: the plan's last.
    fn space(&self) -> usize {
        self.plan.spaces.len().saturating_sub(1)
    }

    /// The address space of a part.
    fn space_of(&self, part: Part) -> usize {
        match part {
            Part::Timing(space) | Part::Faults(space, _) => space,
            _ => self.space(),
        }
    }

    fn request(&self) -> &SpaceRequest {
        &self.plan.spaces[self.space()]
    }

    /// All parts of an explanation that were asked for and can be had.
    fn all_parts(&self) -> Vec<Part> {
        let spaces = 0..self.plan.spaces.len();
        let methods = || self.plan.methods.iter().copied();
        let mut parts: Vec<Part> = spaces.clone().map(Part::Timing).collect();
        parts.extend([Part::Tables, Part::ExitOrder, Part::Stamping]);
        if self.has_marks() {
            parts.push(Part::Breakpoint);
        }
        if self.symbols.is_ok() {
            parts.extend(methods().map(Part::Chains));
        }
        parts.extend(spaces.flat_map(|space| methods().map(move |m| Part::Faults(space, m))));
        if self.order.rewrite_pages > 0 {
            parts.push(Part::Rewriting);
        }
        parts.extend(self.beside.is_ok().then_some(Part::Waiting));
        parts
    }

    /// Whether a part has brought something home, or was not tried yet.
    fn has_answers(&self, part: Part) -> bool {
        let answered = |first: Option<&Recording>| {
            let watched = first.and_then(|recording| recording.watched.as_ref());
            watched.is_none_or(Result::is_ok)
        };
        let evidence = &self.evidence;
        match part {
            Part::Timing(_) | Part::Tables | Part::ExitOrder => true,
            Part::Waiting => self.beside.is_ok(),
            Part::Rewriting => evidence.rewriting.first().is_none_or(rewriting::wrote),
            Part::Stamping => answered(evidence.stamping.first()),
            Part::Breakpoint => evidence.hits.iter().all(Result::is_ok),
            Part::Chains(method) => {
                let mine = |chained: &&Chained| chained.recording.methods == [method];
                let first = evidence.chains.first().map(|c| &c.recording);
                let mine = evidence.chains.iter().find(mine);
                answered(first) && !mine.is_some_and(|mine| is_blind(self, mine))
            }
            Part::Faults(..) => answered(evidence.faults.first()),
        }
    }

    /// What is recorded from outside.
    fn watch(&self, part: Part) -> Watch {
        match part {
            Part::Stamping if self.has_marks() => {
                Watch::Stamps(self.landmarks.clone().unwrap_or_default())
            }
            Part::Stamping => Watch::Moments,
            Part::Chains(_) => Watch::Chains(self.order.sampling_hz),
            Part::Faults(..) => Watch::Faults,
            _ => Watch::Nothing,
        }
    }

    /// A worker of a part; the seconds of its loop.
    fn worker(&mut self, part: Part, turn: &Turn<'_>) -> Result<f64, LabError> {
        let assignment = self.assignment(part, turn.slice_ns);
        let recording = turn.worker(assignment, &self.watch(part), self.space_of(part))?;
        let loop_s = recording.loop_s();
        let evidence = &mut self.evidence;
        match part {
            Part::Stamping => evidence.stamping.push(recording),
            Part::Chains(_) => {
                let judged = Chained::judge(recording, &self.symbols);
                evidence.chains.push(judged);
            }
            Part::Faults(..) => evidence.faults.push(recording),
            Part::Rewriting => evidence.rewriting.push(recording),
            Part::Waiting => evidence.waiting.push(recording),
            _ => evidence.timing.push(recording),
        }
        Ok(loop_s)
    }

    /// What writes to pages of the explained space again, but for its turns.
    fn rewriting(&self) -> Assignment {
        let space = self.request().clone();
        Assignment {
            rewrite_pages: self.order.rewrite_pages,
            ..Assignment::of_plan(self.plan, space, Pass::Rewriting)
        }
    }

    fn assignment(&self, part: Part, slice_ns: u64) -> Assignment {
        let plan = self.plan;
        let pass = match part {
            Part::Stamping => Pass::Stamping,
            Part::Chains(_) | Part::Faults(..) => Pass::Sampling,
            Part::Rewriting => Pass::Rewriting,
            Part::Waiting => Pass::Waiting,
            _ => Pass::Timing,
        };
        let space = plan.spaces[self.space_of(part)].clone();
        let turns = self.turns(part, slice_ns);
        let mut assignment = Assignment {
            turns,
            least_turns: LEAST_TURNS.min(turns),
            ..Assignment::of_plan(plan, space, pass)
        };
        match part {
            Part::Stamping => assignment.fixed_addresses = self.fixes_addresses(),
            Part::Chains(method) => assignment.alone(method),
            Part::Faults(_, method) => {
                assignment.alone(method);
                // The last of them does not count.
                assignment.least_turns = (2 * LEAST_TURNS).min(turns);
            }
            Part::Rewriting => assignment.rewrite_pages = self.order.rewrite_pages,
            Part::Waiting => {
                assignment.beside = self.beside.as_ref().ok().copied();
                // Beside every second one the thread does the same.
                assignment.turns = turns.next_multiple_of(2);
                assignment.least_turns = (2 * LEAST_TURNS).min(assignment.turns);
            }
            _ => {}
        }
        assignment
    }

    /// Turns of a worker: its share of the spawns that were asked for (all of
    /// them for call chains), or what fills its slice.
    fn turns(&self, part: Part, slice_ns: u64) -> usize {
        if let Some(asked) = self.plan.stop.spawns {
            let asked = usize::try_from(asked).unwrap_or(usize::MAX);
            // Shares rest on samples, of which a few spawns have none.
            let share = match part {
                Part::Chains(_) => asked,
                _ => asked.div_ceil(AIM_ROUNDS as usize),
            };
            return share.clamp(1, MOST_ALONE);
        }
        let Part::Chains(method) = part else {
            return MOST_TURNS;
        };
        let filling = self
            .typical_total(method)
            .map(|total| spawns_within(1.2 * slice_ns as f64, total));
        filling.unwrap_or(MOST_TURNS).clamp(LEAST_TURNS, MOST_ALONE)
    }

    /// The timings of the address space that is explained.
    fn timings(&self) -> impl Iterator<Item = &Recording> {
        let space = self.space();
        let timing = self.evidence.timing.iter();
        timing.filter(move |r| r.occasion.of == space)
    }

    /// What a spawn of a method takes from there, as soon as that is known.
    fn typical_total(&self, method: SpawnMethod) -> Option<f64> {
        typical_total(self.timings().next()?, method, self.clock_cost_ns)
    }

    /// The same over all its workers. They are others than those that were watched, so
    /// that they are resampled by another seed.
    fn plain_total(&self, method: SpawnMethod) -> Option<Replicates> {
        let plain = totals(self.timings(), method, self.clock_cost_ns);
        cost_replicates(&plain, self.plan.seed ^ 1, DRAWS)
    }

    /// Whether an instruction is to be watched: of the program, or libc's execve
    /// where libc's own code runs in the child.
    fn has_marks(&self) -> bool {
        let of_libc = |method: &SpawnMethod| method.runs_libc();
        self.executes() && (self.fixes_addresses() || self.plan.methods.iter().any(of_libc))
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
}

impl Feature for Inquiry<'_> {
    /// A method that this host lacks costs the parts that it has to itself: the workers that
    /// time all methods tell why. The thread that is busy beside them nobody asked for by
    /// name; but a worker that dies is an error whatever it was for.
    fn lose(&mut self, visit: usize, error: LabError) -> Result<(), LabError> {
        match (self.parts[visit], error) {
            (part @ (Part::Chains(_) | Part::Faults(..)), LabError::Methods(_))
                if self.plan.methods.len() > 1 =>
            {
                self.useless.push(part);
                Ok(())
            }
            (part @ Part::Waiting, error @ LabError::Worker { .. }) => {
                self.beside = Err(Missing::unavailable(error.to_string(), None));
                self.useless.push(part);
                Ok(())
            }
            (_, error) => Err(error),
        }
    }

    fn wants(&self, visit: usize) -> bool {
        !self.useless.contains(&self.parts[visit])
    }

    fn turn(&mut self, visit: usize, turn: &Turn<'_>) -> Result<f64, LabError> {
        let part = self.parts[visit];
        let (kernel, timeout) = (self.kernel, turn.timeout);
        match part {
            Part::Tables => {
                let assignment = self.assignment(part, u64::MAX);
                let tables = session::inspect(kernel, &assignment, self.order.tree, timeout)?;
                self.evidence.tables = Some(tables);
            }
            Part::ExitOrder => {
                let exit = exit::probe(kernel, self.plan, timeout)?;
                self.evidence.exit = Some(exit);
            }
            Part::Breakpoint => {
                let pair = breakpoint::pair(kernel, self.plan, timeout)?;
                self.evidence.hits.push(pair);
            }
            _ => return self.worker(part, turn),
        }
        // What probes the host has no loop that could be shorter.
        Ok(0.0)
    }

    fn sought(&self) -> Option<Sought> {
        let timings: Vec<&Recording> = self.timings().collect();
        Some(Sought {
            widest: widest(&timings, self.plan, self.clock_cost_ns),
            fewest_rounds: AIM_ROUNDS,
        })
    }

    fn round_ends(&mut self, rounds: u32) -> Option<Stopped> {
        let parts = self.parts.iter().copied();
        self.useless = parts.filter(|part| !self.has_answers(*part)).collect();
        let timings: Vec<&Recording> = self.timings().collect();
        enough(&timings, self.plan, rounds, self.clock_cost_ns)
    }
}
