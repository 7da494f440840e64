//! The plan that watches a program.

use std::time::Duration;

use super::PlanError;
use crate::cli::args::TraceArgs;
use crate::model::{
    Availability, CardPrices, ChildAction, Order, Placement, Plan, Program, SpawnMethod, StopRule,
    Temperature, TraceOrder, TraceTarget,
};
use crate::units::harmless;

/// The most characters of a word of a command.
const LONGEST: usize = 256;

/// The plan that watches a program. Of what other plans order there is nothing: no parent is
/// built, and nothing is drawn. `name` is that of a process which runs, `prices` those of the
/// stored card.
pub(in crate::cli) fn of_trace(
    args: &TraceArgs,
    name: Option<String>,
    prices: Availability<CardPrices>,
) -> Result<Plan, PlanError> {
    if args.pid.is_none() && args.command.is_empty() {
        return Err(PlanError::refused(
            "nothing to watch: give a command after --, as in forktax trace -- make, or a process \
             with --pid",
        ));
    }
    if args.time == Some(Duration::ZERO) {
        return Err(PlanError::refused(
            "--time 0: some time is needed to see anything",
        ));
    }
    let needing = args.fail_on.iter().find(|check| check.needs_calls());
    if let (Some(check), Some(pid)) = (needing, args.pid) {
        return Err(PlanError::refused(format!(
            "--fail-on '{check}': the beginnings of calls, and those that fail, are not seen in a \
             process that runs already; watch the command from its start instead of --pid {pid}"
        )));
    }
    if let (Some(check), Some(_)) = (needing, args.time) {
        return Err(PlanError::refused(format!(
            "--fail-on '{check}' needs --call-times, which stays until the last process has \
             ended; leave out --time"
        )));
    }
    let target = match args.pid {
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
            call_times: args.call_times || needing.is_some(),
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
