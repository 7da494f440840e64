//! The loops of a study of programs: its scripts and its C programs take turns
//! in rounds, each run in a fresh process. A loop is as long as it was ordered, so that
//! the time ends rounds and shortens none.
//!
//! What one program cannot do (no interpreter, a script that fails) costs its
//! own row and no other. What was asked for by name must be there, though.

mod assemble;
mod row;

use self::row::Row;
use super::assemble::document;
use super::error::{LabError, ProgramError};
use super::kernel::Kernel;
use super::outcome::{Outcome, Progress};
use super::outlook::Watch;
use super::runner::{Feature, Rhythm, Runner, Turn};
use crate::analysis::reproduce::studies;
use crate::model::{
    Answer, Caveat, Cell, Findings, Host, Interpreter, LoopOrder, LoopSystem, Missing, Plan,
    ReproduceOrder, SpaceRequest, Stopped,
};

/// The fewest rounds: one alone has no interval.
pub(super) const LEAST_ROUNDS: u32 = 2;
/// Iterations of a run in which the system calls are observed.
const OBSERVED: u64 = 5;
/// Every so many rounds the program that runs longer has its turn.
const LONG_EVERY: u32 = 3;
/// Every so many rounds the programs run once more under the timer's samples.
const SAMPLED_EVERY: u32 = 2;

/// The findings of a study of address spaces, whose spawns are swept.
pub(super) fn of_spaces(plan: &Plan, order: &ReproduceOrder, cells: Vec<Cell>) -> Findings {
    let points = studies::study_points(order, &plan.spaces);
    let answer = Answer::Spaces { points, cells };
    Findings::Reproduction(studies::reproduction(order, answer))
}

/// Runs the loops of a plan.
pub(super) fn run(
    kernel: &dyn Kernel,
    host: Host,
    plan: &Plan,
    study: &ReproduceOrder,
    order: &LoopOrder,
    progress: &mut dyn Progress,
) -> Outcome {
    let mut runner = Runner::new(kernel, plan, LEAST_ROUNDS, order.repeats);
    runner.tell(order.repeats);
    let mut experiment = Experiment::new(kernel, plan, order);
    let result = experiment.run(&mut runner, progress);
    let ended = runner.ended(result);
    let timed = experiment.rows.iter().any(|row| !row.runs.is_empty());
    let document = timed.then(|| {
        let mut document = document(host, plan, &ended, &[], |_| {
            let answer = Answer::Programs(experiment.loops());
            Findings::Reproduction(studies::reproduction(study, answer))
        });
        document.caveats.extend(experiment.samples_lost());
        document
    });
    Outcome {
        document,
        error: ended.error.or(experiment.lost),
    }
}

struct Experiment<'a> {
    kernel: &'a dyn Kernel,
    plan: &'a Plan,
    order: &'a LoopOrder,
    /// The row of each visit, and what it is for.
    visits: Vec<(usize, Purpose)>,
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
    /// When a program has its turn for this, if ever. Scripts are observed first: one of
    /// them is the model of a C program's address space.
    fn rhythm(self, system: LoopSystem) -> Option<Rhythm> {
        let is_long = system == LoopSystem::PythonPopenLong;
        let (first, every) = match self {
            Self::Observe => (u8::from(!system.is_script()), Rhythm::ONCE),
            Self::Time => (2, if is_long { LONG_EVERY } else { 1 }),
            Self::Sample if is_long => return None,
            Self::Sample => (3, SAMPLED_EVERY),
        };
        Some(Rhythm {
            weight: 0.0,
            every,
            first,
            ..Rhythm::EVERY_ROUND
        })
    }

    fn watch(self) -> Watch {
        match self {
            Self::Observe => Watch::Calls,
            Self::Time => Watch::Nothing,
            Self::Sample => Watch::Modes,
        }
    }
}

impl<'a> Experiment<'a> {
    fn new(kernel: &'a dyn Kernel, plan: &'a Plan, order: &'a LoopOrder) -> Self {
        Self {
            kernel,
            plan,
            order,
            visits: Vec::new(),
            interpreter: Err(Missing::not_reached()),
            likeness: None,
            rows: LoopSystem::ALL.into_iter().map(Row::new).collect(),
            lost: None,
        }
    }

    fn run(
        &mut self,
        runner: &mut Runner<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Stopped, LabError> {
        self.kernel.check_limits(&self.plan.spaces)?;
        self.try_program()?;
        self.find_interpreter()?;
        for (row, system) in LoopSystem::ALL.into_iter().enumerate() {
            for purpose in [Purpose::Observe, Purpose::Time, Purpose::Sample] {
                if let Some(rhythm) = purpose.rhythm(system) {
                    self.visits.push((row, purpose));
                    runner.add(row::name(system), rhythm);
                }
            }
        }
        runner.run(self, 1.0, progress)
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
        self.give_up(&missing, |system| system != LoopSystem::CPosixSpawnFloor);
        self.lost = Some(error.into());
        Ok(())
    }

    /// Finds the interpreter of the scripts. If it is the study's own that is
    /// missing, this costs the scripts.
    fn find_interpreter(&mut self) -> Result<(), LabError> {
        let asked = &self.order.interpreter;
        self.interpreter = match self.kernel.interpreter(self.plan, asked) {
            Err(LabError::Interpreter(missing)) if self.order.own_interpreter => {
                self.give_up(&missing, LoopSystem::is_script);
                Err(missing)
            }
            found => Ok(found?),
        };
        Ok(())
    }

    /// Gives the reason to rows that will not run, if they have none yet.
    fn give_up(&mut self, missing: &Missing, loses: impl Fn(LoopSystem) -> bool) {
        for row in self.rows.iter_mut().filter(|row| loses(row.system)) {
            row.failed.get_or_insert_with(|| missing.clone());
        }
    }

    /// Lets a row run no more, because of an error that the run ends with.
    fn fail(&mut self, system: LoopSystem, error: LabError) {
        let missing = Missing::unavailable(error.to_string(), None);
        self.give_up(&missing, |other| other == system);
        self.lost.get_or_insert_with(|| LabError::Row {
            name: row::name(system),
            why: Box::new(error),
        });
    }

    fn samples_lost(&self) -> Option<Caveat> {
        let lost: u64 = self.rows.iter().map(|row| row.lost_samples).sum();
        let ticks = self.rows.iter().flat_map(|row| &row.ticks);
        let kept = ticks.map(|ticks| ticks.kernel + ticks.user).sum();
        (lost > 0).then_some(Caveat::SamplesLost { lost, kept })
    }
}

impl Feature for Experiment<'_> {
    fn wants(&self, visit: usize) -> bool {
        self.rows[self.visits[visit].0].failed.is_none()
    }

    fn turn(&mut self, visit: usize, turn: &Turn<'_>) -> Result<f64, LabError> {
        let (row, purpose) = self.visits[visit];
        let iterations = match (purpose, self.rows[row].system) {
            (Purpose::Observe, _) => OBSERVED,
            (_, LoopSystem::PythonPopenLong) => self.order.long_iterations,
            _ => self.order.iterations,
        };
        if self.rows[row].system.is_script() {
            self.run_script(row, purpose, iterations, turn)?;
        } else {
            self.run_program(row, purpose, iterations, turn)?;
        }
        // No loop could be shorter.
        Ok(0.0)
    }

    fn lose(&mut self, visit: usize, error: LabError) -> Result<(), LabError> {
        self.fail(self.rows[self.visits[visit].0].system, error);
        Ok(())
    }

    fn round_ends(&mut self, rounds: u32) -> Option<Stopped> {
        (rounds >= self.order.repeats).then_some(Stopped::Spawns)
    }
}
