//! The plan of a card.

use std::time::Duration;

use super::{Pace, PlanError, Surroundings, Task, seed, stop_rule};
use crate::analysis::card::Design;
use crate::analysis::mappings::entries_per_table;
use crate::cli::args::CardArgs;
use crate::lab::programs;
use crate::model::{
    CardOrder, ChildAction, Order, Plan, Program, Purpose, SpaceRequest, SpawnMethod, Temperature,
};

const TIME: Duration = Duration::from_secs(120);
const QUICK_TIME: Duration = Duration::from_secs(15);

/// The plan of a card.
pub(in crate::cli) fn of_card(args: &CardArgs, host: &Surroundings) -> Result<Plan, PlanError> {
    let running = &args.running;
    if running.precision.is_some() {
        return Err(PlanError::refused(
            "--precision: a card is measured for a time, which its prices share; give --time",
        ));
    }
    let pace = Pace {
        time: if args.quick { QUICK_TIME } else { TIME },
        precision: None,
    };
    let seed = seed(running);
    let fits = |space: &SpaceRequest| (host.fits)(space).map_err(|error| error.to_string());
    let design = Design {
        quick: args.quick,
        seed,
        table: entries_per_table(host.page_size),
        fits: &fits,
        static_program: programs::static_program(
            args.targets.static_program.as_deref(),
            &host.path,
        )
        .map_err(PlanError::refused)?,
        dynamic_program: programs::dynamic_program(
            args.targets.dynamic_program.as_deref(),
            &host.path,
        )
        .map_err(PlanError::refused)?,
    };
    let (trials, left_out) = design.trials();
    let task = Task {
        order: Order::Card(CardOrder {
            quick: args.quick,
            trials,
            left_out,
            named: named(args),
        }),
        spaces: vec![SpaceRequest::NOTHING],
        methods: vec![SpawnMethod::Fork],
        baseline: SpawnMethod::Fork,
        child: ChildAction::Exec,
        program: Program::Embedded,
        temperature: Temperature::Hot,
        stop: stop_rule(running, None, &pace)?,
    };
    // What was drawn for the design is the run's seed too.
    Ok(Plan {
        seed,
        ..task.plan(running, host)?
    })
}

/// Whose programs were named.
fn named(args: &CardArgs) -> Vec<Purpose> {
    let programs = [
        (&args.targets.static_program, Purpose::StaticProgram),
        (&args.targets.dynamic_program, Purpose::DynamicProgram),
    ];
    let named = programs
        .into_iter()
        .filter(|(program, _)| program.is_some());
    named.map(|(_, purpose)| purpose).collect()
}
