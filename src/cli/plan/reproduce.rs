//! The plan of a study that is measured again.

use std::time::Duration;

use super::program::program;
use super::{PRECISION, Pace, PlanError, Surroundings, Task, stop_rule, time};
use crate::analysis::reproduce::studies;
use crate::cli::args::{ReproduceArgs, study_names};
use crate::lab::limits::LimitError;
use crate::model::{
    Availability, ChildAction, LoopOrder, Order, Plan, Program, ReproduceOrder, SpaceRequest,
    StopRule, StudyId, Temperature,
};
use crate::units::thousands;

pub(super) const ITERATIONS: u64 = 1_000;
/// The longer loop runs so many times as long as the others.
const LONGER: u64 = 10;
pub(super) const REPEATS: u64 = 7;
/// One run has no interval.
const LEAST_REPEATS: u64 = 2;

/// The plan of a study.
pub(in crate::cli) fn of_reproduce(
    args: &ReproduceArgs,
    host: &Surroundings,
) -> Result<Plan, PlanError> {
    let study = args.study.ok_or_else(|| {
        PlanError::refused(format!(
            "reproduce: which study? There are {}; forktax reproduce --list tells more",
            study_names()
        ))
    })?;
    if study == StudyId::Python2014 {
        of_programs(study, args, host)
    } else {
        of_spaces(study, args, host)
    }
}

/// The plan of a study's parents as they are, without what was published of them.
pub(in crate::cli) fn of_parents(
    args: &ReproduceArgs,
    host: &Surroundings,
) -> Result<Plan, PlanError> {
    let plan = of_reproduce(args, host)?;
    match args.study {
        Some(StudyId::Python2014) => Err(PlanError::refused(
            "python-2014 with --vs: its programs run in one piece each, and cannot take turns; \
             run it twice",
        )),
        _ => Ok(Plan {
            order: Order::Sweep,
            ..plan
        }),
    }
}

fn of_programs(
    study: StudyId,
    args: &ReproduceArgs,
    host: &Surroundings,
) -> Result<Plan, PlanError> {
    let why = "runs each program --repeats times, or for --time; leave it out";
    let running = &args.running;
    refuse("--precision", running.precision.is_some(), study, why)?;
    let loops = loops(args)?;
    let program = if args.program.is_empty() {
        studies::own_program()
    } else {
        program(&args.program, &host.path)?
    };
    let order = ReproduceOrder {
        study,
        scale: 1.0,
        scaled_because: None,
        loops: Some(loops),
    };
    let stop = StopRule {
        spawns: None,
        precision: None,
        time_s: time(running)?.map(|time| time.as_secs_f64()),
    };
    plan(
        args,
        host,
        vec![SpaceRequest::NOTHING],
        program,
        stop,
        order,
    )
}

fn of_spaces(study: StudyId, args: &ReproduceArgs, host: &Surroundings) -> Result<Plan, PlanError> {
    let why = "has no programs that spawn in a loop; leave it out";
    refuse("--iterations", args.iterations.is_some(), study, why)?;
    refuse("--repeats", args.repeats.is_some(), study, why)?;
    refuse("--python", args.python.is_some(), study, why)?;
    let outline = studies::outline(study);
    if let Some(name) = args.program.first() {
        let why = "its children leave at once and execute nothing; leave the program out";
        let executes = outline.child == ChildAction::Exec;
        refuse_unless(executes, || format!("{} -- {name}: {why}", study.name()))?;
    }
    let (spaces, scale, scaled_because) = fitting(study, host)?;
    let pace = Pace {
        time: Duration::from_secs(outline.seconds),
        precision: Some(PRECISION),
    };
    let order = ReproduceOrder {
        study,
        scale,
        scaled_because,
        loops: None,
    };
    let program = program(&args.program, &host.path)?;
    let stop = stop_rule(&args.running, None, &pace)?;
    plan(args, host, spaces, program, stop, order)
}

/// What is the same for all studies.
fn plan(
    args: &ReproduceArgs,
    host: &Surroundings,
    spaces: Vec<SpaceRequest>,
    program: Program,
    stop: StopRule,
    order: ReproduceOrder,
) -> Result<Plan, PlanError> {
    let outline = studies::outline(order.study);
    let task = Task {
        order: Order::Reproduce(order),
        spaces,
        methods: outline.methods.to_vec(),
        baseline: outline.baseline,
        child: outline.child,
        program,
        temperature: Temperature::Hot,
        stop,
    };
    task.plan(&args.running, host)
}

fn loops(args: &ReproduceArgs) -> Result<LoopOrder, PlanError> {
    let iterations = args.iterations.unwrap_or(ITERATIONS);
    let long_iterations = iterations.checked_mul(LONGER).filter(|count| *count > 0);
    let long_iterations = long_iterations.ok_or_else(|| {
        PlanError::refused(format!(
            "--iterations {}: at least 1 is needed, and ten times as many must be countable",
            thousands(iterations)
        ))
    })?;
    let repeats = args.repeats.unwrap_or(REPEATS);
    let counted = u32::try_from(repeats).ok();
    let counted = counted.filter(|_| repeats >= LEAST_REPEATS);
    let repeats = counted.ok_or_else(|| {
        PlanError::refused(format!(
            "--repeats {}: between {LEAST_REPEATS} and {} runs can be compared",
            thousands(repeats),
            thousands(u64::from(u32::MAX))
        ))
    })?;
    let interpreter = args.python.as_deref().unwrap_or(studies::OWN_INTERPRETER);
    refuse_unless(
        !interpreter.is_empty() && !interpreter.contains('\0'),
        || "--python: a path or a name is needed, such as python3".to_owned(),
    )?;
    Ok(LoopOrder {
        iterations,
        long_iterations,
        repeats,
        interpreter: interpreter.to_owned(),
        own_interpreter: args.python.is_none(),
        own_program: args.program.is_empty(),
    })
}

/// The study's address spaces, at the largest share that the host has room for,
/// and the limit that forbids the whole.
fn fitting(
    study: StudyId,
    host: &Surroundings,
) -> Result<(Vec<SpaceRequest>, f64, Option<String>), PlanError> {
    let mut forbids: Vec<LimitError> = Vec::new();
    for halvings in 0..=studies::MOST_HALVINGS {
        let spaces = spaces(study, halvings);
        // The largest first: what helps it helps all of them.
        let fits = spaces.iter().rev().try_for_each(|space| (host.fits)(space));
        let Err(limit) = fits else {
            let because = forbids.first().map(ToString::to_string);
            return Ok((spaces, studies::share(halvings), because));
        };
        forbids.push(limit);
    }
    let limit = forbids.last().map_or_else(String::new, ToString::to_string);
    Err(PlanError::refused(format!(
        "{}: even 1/{} of its sizes is too much for this host: {limit}",
        study.name(),
        1 << studies::MOST_HALVINGS
    )))
}

fn spaces(study: StudyId, halvings: u32) -> Vec<SpaceRequest> {
    let parents = studies::points(study).into_iter();
    let spaces = parents.map(|parent| parent.halved(halvings).space);
    spaces
        .filter_map(|space| match space {
            Availability::Measured(space) => Some(space),
            Availability::Missing(_) => None,
        })
        .collect()
}

fn refuse(name: &str, is_given: bool, study: StudyId, why: &str) -> Result<(), PlanError> {
    refuse_unless(!is_given, || format!("{name}: {} {why}", study.name()))
}

fn refuse_unless(holds: bool, why: impl FnOnce() -> String) -> Result<(), PlanError> {
    if holds {
        Ok(())
    } else {
        Err(PlanError::refused(why()))
    }
}

#[cfg(test)]
mod tests;
