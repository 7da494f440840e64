//! From arguments to a plan: all validation that needs no measurement.

mod advise;
mod card;
mod cpu;
mod length;
mod methods;
mod process;
mod program;
mod reproduce;
mod spaces;
mod sweep;
#[cfg(test)]
pub(super) mod tests;
mod trace;

use std::time::{Duration, SystemTime};

use super::args::{ChildArg, ChildArgs, CpuArg, RunningArgs, TemperatureArgs};
use crate::analysis::process::is_fork_server;
use crate::lab::limits::LimitError;
use crate::model::{
    ChildAction, Order, Placement, Plan, ProcessFacts, Program, SpaceRequest, SpawnMethod,
    StopRule, Temperature,
};

pub(super) use advise::{made_up_shape, of_advise};
pub(super) use card::of_card;
pub(super) use cpu::Choice;
pub(super) use length::length;
pub(super) use process::{Found as FoundProcess, of_process, of_process_by_turns};
pub(super) use program::search_path;
pub(super) use reproduce::{of_parents, of_reproduce};
pub(super) use sweep::{of_explain, of_explained_by_turns, of_sweep, of_swept_by_turns};
pub(super) use trace::{check_trace, of_trace};

/// The relative half-width of an interval at which a sweep has seen enough.
const PRECISION: f64 = 0.02;

/// Idling before a cold spawn: long enough for the caches of the kernel's own
/// work to be evicted by it, short enough for a run to have some spawns.
const COLD_IDLE_US: u64 = 20_000;

/// Why there is no plan: what is wrong with the arguments.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(super) struct PlanError(String);

impl PlanError {
    pub(super) fn refused(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Says whether the host has room for an address space, or which limit forbids it.
type Fits = dyn Fn(&SpaceRequest) -> Result<(), LimitError>;

/// How many bytes of so many may be pinned here; or why none.
type Pins = dyn Fn(u64) -> Result<u64, String>;

/// What the plan needs to know of the host.
pub(super) struct Surroundings {
    pub(super) allowed_cpus: Vec<usize>,
    /// The one for workers, where none is named.
    pub(super) cpu: Choice,
    pub(super) page_size: u64,
    pub(super) evict_bytes: u64,
    /// `PATH`, to resolve a program and for the children.
    pub(super) path: String,
    pub(super) fits: Box<Fits>,
    pub(super) pins: Box<Pins>,
    /// Whether workers' forks can be told to a userfaultfd.
    pub(super) watches: fn() -> bool,
    /// Whether folios of so many pages are to be had.
    pub(super) folios: fn(u64) -> bool,
    /// Whether two CPUs are known to be threads of one core.
    pub(super) share_a_core: fn(usize, usize) -> bool,
}

/// What a command has a run do; all else is as it was typed, for every command alike.
struct Task {
    order: Order,
    spaces: Vec<SpaceRequest>,
    methods: Vec<SpawnMethod>,
    baseline: SpawnMethod,
    child: ChildAction,
    program: Program,
    temperature: Temperature,
    stop: StopRule,
}

impl Task {
    fn plan(self, running: &RunningArgs, host: &Surroundings) -> Result<Plan, PlanError> {
        Ok(Plan {
            order: self.order,
            spaces: self.spaces,
            methods: self.methods,
            baseline: self.baseline,
            child: self.child,
            program: self.program,
            environment: program::environment(&host.path, &running.env),
            stop: self.stop,
            placement: placement(running.cpu, host)?,
            other_cpus: Vec::new(),
            temperature: self.temperature,
            seed: seed(running),
            spawn_timeout_ms: timeout_ms(running.timeout)?,
            setup: None,
        })
    }
}

/// For how long a command measures where nothing was typed.
struct Pace {
    time: Duration,
    precision: Option<f64>,
}

/// What the children of a process do, if it is one.
fn child(args: &ChildArgs, facts: Option<&ProcessFacts>) -> ChildAction {
    match args.child {
        Some(ChildArg::Exec) => ChildAction::Exec,
        Some(ChildArg::Exit) => ChildAction::Exit,
        None if facts.is_some_and(is_fork_server) => ChildAction::Exit,
        None => ChildAction::Exec,
    }
}

fn temperature(args: &TemperatureArgs, host: &Surroundings) -> Temperature {
    match args.cold {
        true => Temperature::Cold {
            evict_bytes: host.evict_bytes,
            idle_us: COLD_IDLE_US,
        },
        false => Temperature::Hot,
    }
}

fn stop_rule(args: &RunningArgs, spawns: Option<u64>, pace: &Pace) -> Result<StopRule, PlanError> {
    if spawns == Some(0) {
        return Err(PlanError::refused(
            "--spawns 0: at least 1 is needed to measure".to_owned(),
        ));
    }
    let time = time(args)?;
    let free = spawns.is_none();
    // Who asks for a precision alone waits for it.
    let timed = free && args.precision.is_none();
    Ok(StopRule {
        spawns,
        precision: args.precision.or(pace.precision.filter(|_| free)),
        time_s: time
            .or(timed.then_some(pace.time))
            .map(|time| time.as_secs_f64()),
    })
}

/// The time that was given.
fn time(args: &RunningArgs) -> Result<Option<Duration>, PlanError> {
    match args.time {
        Some(Duration::ZERO) => Err(PlanError::refused(
            "--time 0: some time is needed to measure".to_owned(),
        )),
        given => Ok(given),
    }
}

fn placement(cpu: Option<CpuArg>, host: &Surroundings) -> Result<Placement, PlanError> {
    match cpu {
        Some(CpuArg::Any) => Ok(Placement::Free),
        Some(CpuArg::One(cpu)) if host.allowed_cpus.contains(&cpu) => Ok(Placement::Pinned(cpu)),
        Some(CpuArg::One(cpu)) => Err(PlanError::refused(format!(
            "--cpu {cpu}: this process may run on CPUs {} only",
            cpu::listed(&host.allowed_cpus)
        ))),
        None => Ok(host.cpu.cpu.map_or(Placement::Free, Placement::Pinned)),
    }
}

fn timeout_ms(timeout: Duration) -> Result<u64, PlanError> {
    match u64::try_from(timeout.as_millis()) {
        Ok(ms) if ms > 0 => Ok(ms),
        _ => Err(PlanError::refused(
            "--timeout: at least 1ms is needed for a spawn".to_owned(),
        )),
    }
}

fn seed(args: &RunningArgs) -> u64 {
    args.seed.unwrap_or_else(seed_of_the_clock)
}

/// Short enough to be typed again.
fn seed_of_the_clock() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    fastrand::Rng::with_seed(u64::from(since.subsec_nanos()) ^ since.as_secs()).u64(1..1_000_000)
}
