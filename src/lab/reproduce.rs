//! The loops of a study of programs: its scripts and its C programs take turns
//! in rounds, each run in a fresh process.
//!
//! What one program cannot do (no interpreter, a script that fails) costs its
//! own row and no other. What was asked for by name must be there, though.

mod assemble;
mod row;

use std::time::Duration;

use fastrand::Rng;

use self::row::Row;
use super::assemble::{self as documents, Setting};
use super::error::{LabError, ProgramError};
use super::kernel::Kernel;
use super::outlook::Watch;
use super::run::{Outcome, Progress, ending, unix_s};
use crate::model::{
    Caveat, Host, Interpreter, LoopOrder, LoopSystem, Missing, Plan, SpaceRequest, Stopped,
};
use crate::units::thousands;

/// Iterations of a run in which the system calls are observed.
const OBSERVED: u64 = 5;
/// Every so many rounds the program that runs longer has its turn.
const LONG_EVERY: u32 = 3;
/// Every so many rounds the programs run once more under the timer's samples.
const SAMPLED_EVERY: u32 = 2;

/// Runs the loops of a plan.
pub(super) fn run(
    kernel: &dyn Kernel,
    host: Host,
    plan: &Plan,
    order: &LoopOrder,
    progress: &mut dyn Progress,
) -> Outcome {
    let begin = kernel.now();
    let started_unix_s = unix_s();
    let mut experiment = Experiment::new(kernel, plan, order, begin);
    let result = experiment.run(progress);
    let (stopped, error) = ending(result);
    let error = error.or_else(|| experiment.lost.take());
    let timed = experiment.rows.iter().any(|row| !row.runs.is_empty());
    let setting = Setting {
        host,
        plan,
        started_unix_s,
        duration_s: (kernel.now() - begin).as_secs_f64(),
        rounds: experiment.round,
        stopped,
        explanation: None,
        reproduction: experiment.reproduction(),
        card: None,
        live: None,
        left_behind: experiment.rows.iter().map(|row| row.left_behind).sum(),
    };
    let document = timed.then(|| {
        let mut document = documents::document(setting, &[]);
        document.caveats.extend(experiment.samples_lost());
        document
    });
    Outcome { document, error }
}

struct Experiment<'a> {
    kernel: &'a dyn Kernel,
    plan: &'a Plan,
    order: &'a LoopOrder,
    begin: Duration,
    round: u32,
    /// Runs that are behind, for the progress.
    done: u32,
    interpreter: Result<Interpreter, Missing>,
    /// The order of a space like that of a script.
    likeness: Option<SpaceRequest>,
    rows: Vec<Row>,
    /// The first error that cost a row.
    lost: Option<LabError>,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Observe,
    Time,
    Sample,
}

impl Purpose {
    fn watch(self) -> Watch {
        match self {
            Self::Observe => Watch::Calls,
            Self::Time => Watch::Nothing,
            Self::Sample => Watch::Modes,
        }
    }
}

impl<'a> Experiment<'a> {
    fn new(kernel: &'a dyn Kernel, plan: &'a Plan, order: &'a LoopOrder, begin: Duration) -> Self {
        Self {
            kernel,
            plan,
            order,
            begin,
            round: 0,
            done: 0,
            interpreter: Err(Missing::not_reached()),
            likeness: None,
            rows: LoopSystem::ALL.into_iter().map(Row::new).collect(),
            lost: None,
        }
    }

    fn run(&mut self, progress: &mut dyn Progress) -> Result<Stopped, LabError> {
        self.kernel.check_limits(&self.plan.spaces)?;
        self.try_program()?;
        self.find_interpreter()?;
        // The scripts come first: one of them is the model of a C program's
        // address space.
        let (scripts, programs): (Vec<usize>, Vec<usize>) =
            self.all().into_iter().partition(|row| self.is_script(*row));
        let observed: Vec<usize> = [scripts, programs].concat();
        self.turns(&observed, Purpose::Observe, progress)?;
        let mut longest = Duration::ZERO;
        while self.round < self.order.repeats {
            let begin = self.kernel.now();
            if self.has_no_time_for(longest) {
                return Ok(Stopped::Time);
            }
            self.one_round(progress)?;
            self.round += 1;
            longest = longest.max(self.kernel.now() - begin);
        }
        Ok(Stopped::Spawns)
    }

    /// Tries the program that the children execute. If it is the study's own, it
    /// costs the rows that need it.
    fn try_program(&mut self) -> Result<(), LabError> {
        let error = match self.kernel.try_program(self.plan) {
            Err(LabError::Program(error)) if self.order.own_program => error,
            tried => return tried,
        };
        let error = ProgramError::StudysOwn(Box::new(error));
        let missing = Missing::unavailable(error.to_string(), None);
        self.lose(&missing, |system| system != LoopSystem::CPosixSpawnFloor);
        self.lost = Some(error.into());
        Ok(())
    }

    /// Finds the interpreter of the scripts. If it is the study's own that is
    /// missing, this costs the scripts.
    fn find_interpreter(&mut self) -> Result<(), LabError> {
        let asked = &self.order.interpreter;
        self.interpreter = match self.kernel.interpreter(self.plan, asked) {
            Err(LabError::Interpreter(missing)) if self.order.own_interpreter => {
                self.lose(&missing, LoopSystem::is_script);
                Err(missing)
            }
            found => Ok(found?),
        };
        Ok(())
    }

    /// Gives the reason to rows that will not run, if they have none yet.
    fn lose(&mut self, missing: &Missing, loses: impl Fn(LoopSystem) -> bool) {
        for row in self.rows.iter_mut().filter(|row| loses(row.system)) {
            row.failed.get_or_insert_with(|| missing.clone());
        }
    }

    /// Whether the time would be exceeded by a round as long as the longest so
    /// far. Two rounds are run whatever they take: one alone has no interval.
    fn has_no_time_for(&self, round: Duration) -> bool {
        const LEAST_ROUNDS: u32 = 2;
        let elapsed = (self.kernel.now() - self.begin + round).as_secs_f64();
        let is_over = |time_s| elapsed > time_s;
        self.round >= LEAST_ROUNDS && self.plan.stop.time_s.is_some_and(is_over)
    }

    /// All programs once, in a random order and its mirror image by turns.
    fn one_round(&mut self, progress: &mut dyn Progress) -> Result<(), LabError> {
        let mut order = self.all();
        Rng::with_seed(self.plan.seed ^ u64::from(self.round / 2)).shuffle(&mut order);
        if self.round % 2 == 1 {
            order.reverse();
        }
        let has_turn = |row: &usize| {
            let long = self.rows[*row].system == LoopSystem::PythonPopenLong;
            !long || self.round.is_multiple_of(LONG_EVERY)
        };
        let timed: Vec<usize> = order.iter().copied().filter(has_turn).collect();
        self.turns(&timed, Purpose::Time, progress)?;
        if self.round.is_multiple_of(SAMPLED_EVERY) {
            let is_short = |row: &usize| self.rows[*row].system != LoopSystem::PythonPopenLong;
            let sampled: Vec<usize> = order.into_iter().filter(is_short).collect();
            self.turns(&sampled, Purpose::Sample, progress)?;
        }
        Ok(())
    }

    fn all(&self) -> Vec<usize> {
        (0..self.rows.len()).collect()
    }

    fn is_script(&self, row: usize) -> bool {
        self.rows[row].system.is_script()
    }

    fn turns(
        &mut self,
        rows: &[usize],
        purpose: Purpose,
        progress: &mut dyn Progress,
    ) -> Result<(), LabError> {
        for row in rows {
            let system = self.rows[*row].system;
            self.done += 1;
            let what = format!(
                "round {} of {}: {}",
                thousands(u64::from(self.round) + 1),
                thousands(u64::from(self.order.repeats)),
                row::name(system)
            );
            progress.step(&what, self.share());
            if self.rows[*row].failed.is_some() {
                continue;
            }
            match self.turn(*row, purpose) {
                Ok(()) => {}
                Err(error @ LabError::Interrupted(_)) => return Err(error),
                Err(error) => self.fail(system, error),
            }
        }
        Ok(())
    }

    /// Lets a row run no more, because of an error that the run ends with.
    fn fail(&mut self, system: LoopSystem, error: LabError) {
        let missing = Missing::unavailable(error.to_string(), None);
        self.lose(&missing, |other| other == system);
        self.lost.get_or_insert_with(|| LabError::Row {
            name: row::name(system),
            why: Box::new(error),
        });
    }

    fn turn(&mut self, row: usize, purpose: Purpose) -> Result<(), LabError> {
        let iterations = match (purpose, self.rows[row].system) {
            (Purpose::Observe, _) => OBSERVED,
            (_, LoopSystem::PythonPopenLong) => self.order.long_iterations,
            _ => self.order.iterations,
        };
        if self.is_script(row) {
            self.run_script(row, purpose, iterations)
        } else {
            self.run_program(row, purpose, iterations)
        }
    }

    /// How much of the run is behind, by the number of its turns.
    fn share(&self) -> f64 {
        let rounds = self.order.repeats;
        let long = rounds.div_ceil(LONG_EVERY) * 10;
        let sampled = rounds.div_ceil(SAMPLED_EVERY);
        let programs = u32::try_from(LoopSystem::ALL.len()).unwrap_or(u32::MAX);
        let turns = programs * (1 + rounds + sampled) + long;
        let behind = self.done + self.round.div_ceil(LONG_EVERY) * 10;
        f64::from(behind.min(turns)) / f64::from(turns)
    }

    fn samples_lost(&self) -> Option<Caveat> {
        let lost: u64 = self.rows.iter().map(|row| row.lost_samples).sum();
        let ticks = self.rows.iter().flat_map(|row| &row.ticks);
        let kept = ticks.map(|ticks| ticks.kernel + ticks.user).sum();
        (lost > 0).then_some(Caveat::SamplesLost { lost, kept })
    }
}
