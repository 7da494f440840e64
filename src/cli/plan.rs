//! From arguments to a plan: all validation that needs no measurement.

mod card;
mod methods;
mod process;
mod program;
mod reproduce;
mod spaces;
mod sweep;
#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime};

use super::args::{CpuArg, RunningArgs};
use crate::lab::limits::LimitError;
use crate::model::{Placement, SpaceRequest, StopRule};

pub(super) use card::of_card;
pub(super) use process::{Found as FoundProcess, made_up_shape, of_advise, of_process};
pub(super) use reproduce::of_reproduce;
pub(super) use sweep::{of_explain, of_sweep};

/// The relative half-width of an interval at which a sweep has seen enough.
const PRECISION: f64 = 0.02;

/// Why there is no plan: what is wrong with the arguments.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{0}")]
pub(super) struct PlanError(String);

impl PlanError {
    fn refused(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// Says whether the host has room for an address space, or which limit forbids it.
type Fits = dyn Fn(&SpaceRequest) -> Result<(), LimitError>;

/// What the plan needs to know of the host.
pub(super) struct Surroundings {
    pub(super) allowed_cpus: Vec<usize>,
    pub(super) page_size: u64,
    pub(super) evict_bytes: u64,
    /// `PATH`, to resolve a program and for the children.
    pub(super) path: String,
    pub(super) fits: Box<Fits>,
}

/// For how long a command measures where nothing was typed.
struct Pace {
    time: Duration,
    precision: Option<f64>,
}

fn stop_rule(args: &RunningArgs, spawns: Option<u64>, pace: &Pace) -> Result<StopRule, PlanError> {
    if spawns == Some(0) {
        return Err(PlanError::refused(
            "--spawns 0: at least 1 is needed to measure".to_owned(),
        ));
    }
    let time = time(args)?;
    let free = spawns.is_none();
    Ok(StopRule {
        spawns,
        precision: args.precision.or(pace.precision.filter(|_| free)),
        time_s: time
            .or(free.then_some(pace.time))
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

fn placement(cpu: Option<CpuArg>, allowed: &[usize]) -> Result<Placement, PlanError> {
    match cpu {
        Some(CpuArg::Any) => Ok(Placement::Free),
        Some(CpuArg::One(cpu)) if allowed.contains(&cpu) => Ok(Placement::Pinned(cpu)),
        Some(CpuArg::One(cpu)) => {
            let list: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            let list = list.join(",");
            Err(PlanError::refused(format!(
                "--cpu {cpu}: this process may run on CPUs {list} only"
            )))
        }
        // The first CPU serves more interrupts than the last.
        None => Ok(allowed
            .last()
            .map_or(Placement::Free, |cpu| Placement::Pinned(*cpu))),
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
