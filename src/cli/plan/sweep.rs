//! The plans of a sweep and of an explanation.

use std::time::Duration;

use super::cpu;
use super::methods::Wanted;
use super::program::of_child;
use super::spaces::{Beside, spaces};
use super::{
    PRECISION, Pace, PlanError, Surroundings, Task, child, methods, stop_rule, temperature,
};
use crate::cli::args::{ExplainArgs, MethodArg, SpawningArgs, SweepArgs};
use crate::model::{ExplainOrder, Order, Plan, SpaceRequest, SpawnMethod, Temperature};
use crate::units::thousands;

const LADDER: [u64; 4] = [0, 100, 1_000, 10_000];
/// A huge page is 2 MiB, so the ladder ends at 1 GiB.
const HUGE_LADDER: [u64; 4] = [0, 10, 100, 500];
pub(super) const METHODS: [SpawnMethod; 3] = [
    SpawnMethod::Fork,
    SpawnMethod::Vfork,
    SpawnMethod::PosixSpawn,
];
const TIME: Duration = Duration::from_secs(13);
/// What is explained where nothing is said.
const EXPLAINED: u64 = 1_000;
const EXPLAINED_HUGE: u64 = 100;
const EXPLAINED_METHODS: [SpawnMethod; 2] = [SpawnMethod::Fork, SpawnMethod::PosixSpawn];
const EXPLAIN_TIME: Duration = Duration::from_secs(20);
/// Pages that are written to again, at the most.
pub(super) const REWRITTEN: u64 = 1_000;
/// Samples a second where nothing is said.
const USUAL_HZ: u64 = 1_000;
/// Above this the kernel spends its time on samples.
const MOST_HZ: u64 = 50_000;

/// The plan of a sweep.
pub(in crate::cli) fn of_sweep(args: &SweepArgs, host: &Surroundings) -> Result<Plan, PlanError> {
    let ladder = if args.space.huge {
        HUGE_LADDER.as_slice()
    } else {
        LADDER.as_slice()
    };
    let beside = Beside::of(&args.beside, args.mappings.as_deref(), args.jobs.as_deref())?;
    let sizes = match &args.mappings {
        Some(sizes) => sizes.as_slice(),
        None if beside.is_list() => &[0],
        None => ladder,
    };
    let defaults = Defaults {
        methods: &METHODS,
        pace: Pace {
            time: TIME,
            precision: Some(PRECISION),
        },
        order: Order::Sweep,
    };
    let plan = plan(
        spaces(sizes, &args.space, &beside, host.page_size)?,
        args.methods.as_deref(),
        &args.spawning,
        &args.program,
        defaults,
        host,
    )?;
    if plan.has_jobs() && matches!(plan.temperature, Temperature::Cold { .. }) {
        return Err(PlanError::refused(
            "--jobs with --cold: parents that idle before each spawn hardly spawn at once; leave \
             one of them out",
        ));
    }
    Ok(plan)
}

/// The plan of an explanation: the address space, after an empty one.
pub(in crate::cli) fn of_explain(
    args: &ExplainArgs,
    host: &Surroundings,
) -> Result<Plan, PlanError> {
    let order = explain(args)?;
    let default = if args.space.huge {
        EXPLAINED_HUGE
    } else {
        EXPLAINED
    };
    let defaults = Defaults {
        methods: &EXPLAINED_METHODS,
        pace: Pace {
            time: EXPLAIN_TIME,
            precision: None,
        },
        order: Order::Explain(order),
    };
    let sizes = [0, args.mappings.unwrap_or(default)];
    plan(
        spaces(&sizes, &args.space, &Beside::nothing(), host.page_size)?,
        args.methods.as_deref(),
        &args.spawning,
        &args.program,
        defaults,
        host,
    )
}

/// The plan of an explanation that takes turns with another: of the address space alone, and
/// of what times and stamps tell of it.
pub(in crate::cli) fn of_explained_by_turns(
    args: &ExplainArgs,
    host: &Surroundings,
) -> Result<Plan, PlanError> {
    refuse_what_no_turn_tells(args)?;
    if args.process.is_given() {
        return Err(PlanError::refused(
            "a process on one side alone: give it outside of --vs, where it is that of both",
        ));
    }
    let plan = of_explain(args, host)?;
    Ok(Plan {
        spaces: plan.spaces.last().cloned().into_iter().collect(),
        ..plan
    })
}

/// Refuses what is told by neither times nor stamps.
pub(super) fn refuse_what_no_turn_tells(args: &ExplainArgs) -> Result<(), PlanError> {
    let elsewhere = [
        (args.tree, "--tree"),
        (args.rewrite.is_some(), "--rewrite"),
        (args.hz != USUAL_HZ, "--hz"),
    ];
    match elsewhere.iter().find(|(given, _)| *given) {
        Some((_, name)) => Err(PlanError::refused(format!(
            "{name}: by turns a spawn is timed and its phases are stamped, and nothing else; \
             explain each side by itself for this"
        ))),
        None => Ok(()),
    }
}

/// How it is explained where the time goes.
pub(super) fn explain(args: &ExplainArgs) -> Result<ExplainOrder, PlanError> {
    if !(1..=MOST_HZ).contains(&args.hz) {
        return Err(PlanError::refused(format!(
            "--hz {}: between 1 and {} samples a second can be taken",
            thousands(args.hz),
            thousands(MOST_HZ)
        )));
    }
    Ok(ExplainOrder {
        sampling_hz: args.hz,
        rewrite_pages: args.rewrite.unwrap_or(REWRITTEN),
        tree: args.tree,
    })
}

/// What a command orders, and takes where nothing was typed.
struct Defaults<'a> {
    methods: &'a [SpawnMethod],
    pace: Pace,
    order: Order,
}

fn plan(
    spaces: Vec<SpaceRequest>,
    names: Option<&[MethodArg]>,
    spawning: &SpawningArgs,
    words: &[String],
    defaults: Defaults<'_>,
    host: &Surroundings,
) -> Result<Plan, PlanError> {
    let child = child(&spawning.child, None);
    let wanted = Wanted {
        child,
        explained: defaults.order.explain().is_some(),
    };
    let methods = methods::methods(names, wanted, defaults.methods)?;
    let task = Task {
        order: defaults.order,
        spaces,
        baseline: methods::baseline(&methods),
        methods,
        child,
        program: of_child(child, words, &host.path)?,
        temperature: temperature(&spawning.temperature, host),
        stop: stop_rule(&spawning.running, spawning.spawns, &defaults.pace)?,
    };
    let plan = task.plan(&spawning.running, host)?;
    Ok(Plan {
        other_cpus: cpu::others(&plan, host)?,
        ..plan
    })
}

/// The plan of one of two sweeps by turns.
pub(in crate::cli) fn of_swept_by_turns(
    args: &SweepArgs,
    host: &Surroundings,
) -> Result<Plan, PlanError> {
    let plan = of_sweep(args, host)?;
    match plan.has_jobs() {
        true => Err(PlanError::refused(
            "--jobs with --vs: of two sides one waits while the other spawns; sweep each by \
             itself, and compare the two by forktax compare",
        )),
        false => Ok(plan),
    }
}
