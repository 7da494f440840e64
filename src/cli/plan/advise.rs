//! The plan that tries remedies, on a live process or on one that is made up.

use std::time::Duration;

use super::process::{Found, Spawns, refuse, refuse_spaces};
use super::program::of_child;
use super::spaces::{Beside, spaces};
use super::{PlanError, Surroundings, child, temperature};
use crate::analysis::replica::made_up;
use crate::cli::args::AdviseArgs;
use crate::lab::programs;
use crate::model::{
    AdviseOrder, Availability, ChildAction, Order, Plan, ProcessShape, Program, SpawnMethod,
    Targets,
};

const ADVISE_TIME: Duration = Duration::from_secs(40);
const ADVISED: [SpawnMethod; 6] = [
    SpawnMethod::Fork,
    SpawnMethod::ForkPipe,
    SpawnMethod::Vfork,
    SpawnMethod::PosixSpawn,
    SpawnMethod::PosixSpawnUsevfork,
    SpawnMethod::ForkServer,
];
/// Where no advice has mappings named.
const ADVISED_MAPPINGS: u64 = 1_000;
const ADVISED_HUGE: u64 = 100;

/// The plan that tries remedies.
pub(in crate::cli) fn of_advise(
    args: &AdviseArgs,
    found: Found,
    host: &Surroundings,
) -> Result<Plan, PlanError> {
    let target =
        |asked: &Option<String>,
         find: fn(Option<&str>, &str) -> Result<Availability<Program>, String>| {
            let found = find(asked.as_deref(), &host.path).map_err(PlanError::refused)?;
            Ok::<_, PlanError>(found.measured().cloned())
        };
    if args.process.is_given() {
        refuse_spaces(&args.space)?;
        refuse(&[
            (args.beside.fds.is_some(), "--fds"),
            (args.beside.threads.is_some(), "--threads"),
        ])?;
    }
    let targets = Targets {
        fixed: target(&args.targets.static_program, programs::static_program)?,
        dynamic: target(&args.targets.dynamic_program, programs::dynamic_program)?,
    };
    let child = child(&args.child, Some(&found.shape.process));
    let spawns = Spawns {
        methods: match child {
            ChildAction::Exec => ADVISED.to_vec(),
            // Nothing takes the place of a fork whose child goes on as a copy.
            ChildAction::Exit => vec![SpawnMethod::Fork],
        },
        child,
        program: of_child(child, &args.program, &host.path)?,
        temperature: temperature(&args.temperature, host),
        time: ADVISE_TIME,
        rewrites: false,
        times: 1,
    };
    spawns.plan(&args.running, found, host, |replica, host| {
        Order::Advise(AdviseOrder {
            replica,
            host,
            targets,
        })
    })
}

/// The shape of what an advice orders without a process.
pub(in crate::cli) fn made_up_shape(
    args: &AdviseArgs,
    kernel: &str,
    host: &Surroundings,
) -> Result<ProcessShape, PlanError> {
    let default = match args.space.huge {
        true => ADVISED_HUGE,
        false => ADVISED_MAPPINGS,
    };
    let sizes = [args.mappings.unwrap_or(default)];
    let beside = Beside::of(&args.beside, Some(&sizes), None)?;
    if beside.is_list() {
        return Err(PlanError::refused(
            "--fds and --threads: an advice is given on one parent; give each a single number",
        ));
    }
    let spaces = spaces(&sizes, &args.space, &beside, host.page_size)?;
    let nothing = || PlanError::refused("no parent is left to advise on");
    let space = spaces.last().ok_or_else(nothing)?;
    // Its list of mappings is made only if it is one that fits.
    (host.fits)(space).map_err(|error| PlanError::refused(error.to_string()))?;
    made_up(space, host.page_size, kernel).map_err(|error| PlanError::refused(error.to_string()))
}
