//! One program: how it is run, and what its runs brought.

use std::time::Duration;

use super::{Experiment, Purpose};
use crate::analysis::replica::Blueprint;
use crate::lab::error::LabError;
use crate::lab::kernel::{Kernel, ScriptLoop, ScriptOrder, ScriptTimes};
use crate::lab::outlook::{Outlook, Sight, Watch, Watched};
use crate::lab::replica::own_shape;
use crate::lab::runner::Turn;
use crate::lab::session::Recording;
use crate::model::{
    LoopRun, LoopSystem, Missing, ObservedCall, Parent, ProcessShape, Program, SpaceRequest,
    SpawnMethod,
};
use crate::profile::modes::{ModeTicks, Split, split};
use crate::sys::events::SampleEvent;
use crate::worker::protocol::{Assignment, Pass};

/// The blocks that the study's fourth program takes from malloc.
const BLOCKS: u64 = 1_000;
const BLOCK_BYTES: u64 = 100_000;

/// What the runs of one program brought.
pub(super) struct Row {
    pub(super) system: LoopSystem,
    /// Why it runs no more.
    pub(super) failed: Option<Missing>,
    pub(super) runs: Vec<LoopRun>,
    /// The parent's address space, run by run.
    pub(super) parents: Vec<Parent>,
    /// The system calls that spawned, or why they were not seen.
    pub(super) calls: Option<Result<Vec<ObservedCall>, Missing>>,
    /// The timer's samples, run by run.
    pub(super) ticks: Vec<ModeTicks>,
    /// Why there are none.
    pub(super) unsampled: Option<Missing>,
    pub(super) lost_samples: u64,
}

impl Row {
    pub(super) fn new(system: LoopSystem) -> Self {
        Self {
            system,
            failed: None,
            runs: Vec::new(),
            parents: Vec::new(),
            calls: None,
            ticks: Vec::new(),
            unsampled: None,
            lost_samples: 0,
        }
    }

    fn learn_calls(&mut self, watched: Option<Result<Watched, Missing>>) {
        self.calls = watched.map(|watched| watched.and_then(|watched| calls(&watched)));
    }

    fn learn_ticks(&mut self, ticks: Result<(Vec<ModeTicks>, u64), Missing>) {
        match ticks {
            Ok((ticks, lost)) => {
                self.ticks.push(ticks.first().copied().unwrap_or_default());
                self.lost_samples += lost;
            }
            Err(missing) => self.unsampled = Some(missing),
        }
    }
}

/// What a program is called while it runs.
pub(super) fn name(system: LoopSystem) -> &'static str {
    match system {
        LoopSystem::PythonPopen => "Python subprocess",
        LoopSystem::CFork => "C fork",
        LoopSystem::PythonFork => "Python os.fork",
        LoopSystem::CForkMalloc => "C fork after malloc",
        LoopSystem::PythonPosixSpawn => "Python posix_spawn",
        LoopSystem::CPosixSpawn => "C posix_spawn",
        LoopSystem::PythonPopenPreexec => "Python subprocess with preexec_fn",
        LoopSystem::PythonPopenLong => "Python subprocess, the long run",
        LoopSystem::CForkLikePython => "C fork in Python's likeness",
        LoopSystem::CPosixSpawnPlain => "C posix_spawn without the flag",
        LoopSystem::CPosixSpawnFloor => "C posix_spawn of the embedded program",
    }
}

/// The calls by which a process was seen to create others, most frequent first.
fn calls(watched: &Watched) -> Result<Vec<ObservedCall>, Missing> {
    let mut seen: Vec<ObservedCall> = Vec::new();
    for event in &watched.events {
        let SampleEvent::Called { call, flags, .. } = *event else {
            continue;
        };
        match seen.iter_mut().find(|s| (s.name, s.flags) == (call, flags)) {
            Some(known) => known.seen += 1,
            None => seen.push(ObservedCall {
                name: call,
                flags,
                seen: 1,
            }),
        }
    }
    seen.sort_by_key(|call| std::cmp::Reverse(call.seen));
    if seen.is_empty() {
        let reason = "none of the system calls that create processes was seen";
        return Err(Missing::unavailable(reason, None));
    }
    Ok(seen)
}

impl Experiment<'_> {
    /// Runs a C program's loop in a worker.
    pub(super) fn run_program(
        &mut self,
        row: usize,
        purpose: Purpose,
        iterations: u64,
        turn: &Turn<'_>,
    ) -> Result<(), LabError> {
        let system = self.rows[row].system;
        let Some(assignment) = self.assignment(system, purpose, iterations) else {
            let missing = self.rows.iter().find(|row| row.system == MODEL);
            let missing = missing.and_then(|row| row.failed.clone());
            self.rows[row].failed = missing.or_else(|| Some(Missing::not_reached()));
            return Ok(());
        };
        let recording = turn.worker(assignment, &purpose.watch(), row)?;
        let row = &mut self.rows[row];
        match purpose {
            Purpose::Observe => row.learn_calls(recording.watched),
            Purpose::Sample => {
                let lost = recording.lost_samples;
                let ticks = recording.ticks.unwrap_or_else(|| Ok(Vec::new()));
                row.learn_ticks(ticks.map(|ticks| (ticks, lost)));
            }
            Purpose::Time => {
                row.parents.push(recording.inflated);
                row.runs.push(loop_run(&recording, turn.round));
            }
        }
        Ok(())
    }

    /// The order of a C program; `None` for a likeness of what could not be seen.
    fn assignment(
        &self,
        system: LoopSystem,
        purpose: Purpose,
        iterations: u64,
    ) -> Option<Assignment> {
        let space = match system {
            LoopSystem::CForkMalloc => SpaceRequest::Malloc {
                count: BLOCKS,
                bytes: BLOCK_BYTES,
                pages: 0,
                spacing: 1,
            },
            LoopSystem::CForkLikePython => self.likeness.clone()?,
            _ => self.plan.spaces.first()?.clone(),
        };
        let pass = match purpose {
            Purpose::Observe | Purpose::Sample => Pass::Sampling,
            Purpose::Time => Pass::Timing,
        };
        let mut assignment = Assignment::of_plan(self.plan, space, pass);
        assignment.alone(match system {
            LoopSystem::CPosixSpawn | LoopSystem::CPosixSpawnFloor => {
                SpawnMethod::PosixSpawnUsevfork
            }
            LoopSystem::CPosixSpawnPlain => SpawnMethod::PosixSpawn,
            _ => SpawnMethod::Fork,
        });
        if system == LoopSystem::CPosixSpawnFloor {
            assignment.program = Program::Embedded;
        }
        assignment.turns = usize::try_from(iterations).unwrap_or(usize::MAX);
        assignment.least_turns = assignment.turns;
        assignment.redirects = true;
        Some(assignment)
    }

    /// Runs a script.
    pub(super) fn run_script(
        &mut self,
        row: usize,
        purpose: Purpose,
        iterations: u64,
        turn: &Turn<'_>,
    ) -> Result<(), LabError> {
        let Some(order) = self.script(self.rows[row].system, iterations) else {
            return Ok(());
        };
        let mut brought = run_script(turn.kernel, &order, &purpose.watch(), turn.timeout)?;
        turn.note_left_behind(brought.times.left_behind);
        let planned = match brought.shape.take() {
            Some(shape) => shape.and_then(|shape| self.plan_likeness(&shape)),
            None => Ok(()),
        };
        match planned {
            Err(error @ LabError::Interrupted(_)) => return Err(error),
            // The script itself ran.
            Err(error) => self.fail(LoopSystem::CForkLikePython, error),
            Ok(()) => {}
        }
        let row = &mut self.rows[row];
        match purpose {
            Purpose::Observe => row.learn_calls(brought.watched),
            Purpose::Sample => {
                let life = brought.times.life_ns;
                let ticks = brought
                    .watched
                    .unwrap_or_else(|| Err(Missing::not_reached()));
                row.learn_ticks(ticks.map(|watched| {
                    let windows = [(life[0], life[1], 0)];
                    let Split { ticks, lost } = split(&watched.events, watched.worker, &windows);
                    (ticks, lost)
                }));
            }
            Purpose::Time => {
                row.parents.push(brought.parent);
                row.runs.push(script_run(&brought, turn.round));
            }
        }
        Ok(())
    }

    /// Plans a space like a script's. Nobody has asked for one of this size, so that
    /// a host without room for it has no more than a row less.
    fn plan_likeness(&mut self, shape: &ProcessShape) -> Result<(), LabError> {
        let own = own_shape(self.kernel, self.plan)?;
        let space = Blueprint::of(shape, &own).whole();
        match self.kernel.check_limits(std::slice::from_ref(&space)) {
            Ok(()) => self.likeness = Some(space),
            Err(LabError::Limit(limit)) => {
                let reason =
                    format!("there is no room for an address space like Python's: {limit}");
                let missing = Missing::unavailable(reason, None);
                self.give_up(&missing, |system| system == LoopSystem::CForkLikePython);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn script(&self, system: LoopSystem, iterations: u64) -> Option<ScriptOrder> {
        let interpreter = self.interpreter.as_ref().ok()?;
        let Program::Path { path, argv } = &self.plan.program else {
            return None;
        };
        Some(ScriptOrder {
            system,
            interpreter: interpreter.path.clone(),
            iterations,
            path: path.clone(),
            argv: argv.clone(),
            environment: self.plan.environment.clone(),
            placement: self.plan.placement,
        })
    }
}

/// The script whose address space is the model of a C program's: the one that
/// forks itself, with nothing loaded that this does not need.
const MODEL: LoopSystem = LoopSystem::PythonFork;

fn loop_run(recording: &Recording, round: u32) -> LoopRun {
    let usage = recording.done.usage;
    let loop_ns = recording.loop_ns();
    LoopRun {
        round,
        real_ns: loop_ns,
        loop_ns,
        cpu_us: usage.cpu_us,
        user_us: usage.user_us,
        minor_faults: usage.minor_faults,
    }
}

/// What one run of a script brought.
struct ScriptRun {
    parent: Parent,
    /// Of the script that is the model of a C program's address space.
    shape: Option<Result<ProcessShape, LabError>>,
    looped: ScriptLoop,
    times: ScriptTimes,
    watched: Option<Result<Watched, Missing>>,
}

fn script_run(brought: &ScriptRun, round: u32) -> LoopRun {
    let loop_ns = brought
        .looped
        .end_ns
        .saturating_sub(brought.looped.begin_ns);
    LoopRun {
        round,
        real_ns: brought.times.start_ns + loop_ns,
        loop_ns,
        cpu_us: brought.times.cpu_us,
        user_us: brought.times.user_us,
        minor_faults: brought.looped.minor_faults,
    }
}

fn run_script(
    kernel: &dyn Kernel,
    order: &ScriptOrder,
    watch: &Watch,
    timeout: Duration,
) -> Result<ScriptRun, LabError> {
    let mut script = kernel.start_script(order, timeout)?;
    let pid = script.pid();
    let sight = Sight {
        watch,
        placement: order.placement,
        execve: 0,
        worker: pid,
    };
    let open = || Outlook::open(kernel, sight);
    // The samples are of the whole process, as its CPU time is; the calls only
    // of its loop, since nobody can wait for the end of a process that is traced.
    let samples = *watch == Watch::Modes;
    let at_once = samples.then(open);
    script.ready()?;
    let parent = script.census()?;
    let looks = order.system == MODEL && *watch == Watch::Calls;
    let shape = looks.then(|| script.shape());
    let mut outlook = at_once.unwrap_or_else(open);
    let looped = script.run(&mut || outlook.collect())?;
    let (times, watched) = if samples {
        (script.end()?, outlook.close())
    } else {
        let watched = outlook.close();
        (script.end()?, watched)
    };
    Ok(ScriptRun {
        parent,
        shape,
        looped,
        times,
        watched,
    })
}
