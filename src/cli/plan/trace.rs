//! The plan that watches a program.

use std::time::Duration;

use super::PlanError;
use crate::cli::args::TraceArgs;
use crate::lab::linux::Means;
use crate::model::{
    Availability, CardPrices, Check, ChildAction, Order, Placement, Plan, Program, SpawnMethod,
    StopRule, Temperature, TraceMeans, TraceOrder, TraceTarget,
};
use crate::units::harmless;

/// The most characters of a word of a command.
const LONGEST: usize = 256;

/// Refuses what is nothing to watch.
pub(in crate::cli) fn check_trace(args: &TraceArgs) -> Result<(), PlanError> {
    if args.pid.is_none() && !args.all && args.command.is_empty() {
        return Err(PlanError::refused(
            "nothing to watch: give a command after --, as in forktax trace -- make, a process \
             with --pid, or --all",
        ));
    }
    if args.time == Some(Duration::ZERO) {
        return Err(PlanError::refused(
            "--time 0: some time is needed to see anything",
        ));
    }
    Ok(())
}

/// Refuses what ptrace(2) cannot do.
fn check_ptrace(args: &TraceArgs, needing: Option<&Check>, means: &Means) -> Result<(), PlanError> {
    // With tracepoints it could be done.
    let obstacle = match means.obstacle() {
        Some(obstacle) => format!("tracepoints would do: {obstacle}"),
        None => "tracepoints would do: give --by tracepoints".to_owned(),
    };
    if args.all {
        return Err(PlanError::refused(format!(
            "--all: ptrace(2) does not watch all processes; {obstacle}"
        )));
    }
    let Some(check) = needing else {
        return Ok(());
    };
    if let Some(pid) = args.pid {
        return Err(PlanError::refused(format!(
            "--fail-on '{check}': ptrace(2) does not see the beginnings of calls, and those that \
             fail, in a process that runs already; watch the command from its start instead of \
             --pid {pid}, or {obstacle}"
        )));
    }
    if args.time.is_some() {
        return Err(PlanError::refused(format!(
            "--fail-on '{check}' needs --call-times, which stays until the last process has \
             ended; leave out --time, or {obstacle}"
        )));
    }
    Ok(())
}

/// The plan that watches a program. Of what other plans order there is nothing: no parent is
/// built, and nothing is drawn. `name` is that of a process which runs, `prices` those of the
/// stored card.
pub(in crate::cli) fn of_trace(
    args: &TraceArgs,
    name: Option<String>,
    means: &Means,
    prices: Availability<CardPrices>,
) -> Result<Plan, PlanError> {
    let by = means.means();
    let needing = args.fail_on.iter().find(|check| check.needs_calls());
    if by == TraceMeans::Ptrace {
        check_ptrace(args, needing, means)?;
    }
    let target = match args.pid {
        _ if args.all => TraceTarget::Host,
        Some(pid) => TraceTarget::Process {
            pid,
            name: name.unwrap_or_default(),
        },
        None => TraceTarget::Command {
            words: (args.command.iter())
                .map(|word| harmless(&word.to_string_lossy(), LONGEST))
                .collect(),
        },
    };
    Ok(Plan {
        order: Order::Trace(TraceOrder {
            target,
            by,
            call_times: by == TraceMeans::Ptrace && (args.call_times || needing.is_some()),
            checks: args.fail_on.clone(),
            prices,
            advise: args.advise,
        }),
        spaces: Vec::new(),
        methods: Vec::new(),
        baseline: SpawnMethod::Fork,
        child: ChildAction::Exec,
        program: Program::Embedded,
        environment: Vec::new(),
        stop: StopRule {
            spawns: None,
            precision: None,
            time_s: args.time.map(|time| time.as_secs_f64()),
        },
        placement: Placement::Free,
        other_cpus: Vec::new(),
        temperature: Temperature::Hot,
        seed: 0,
        spawn_timeout_ms: 0,
        setup: None,
    })
}
