//! The arguments of an advice.

use clap::Parser;

use super::{
    AFTER_HELP, BesideArgs, ChildArgs, OutputArgs, ProcessArgs, RunningArgs, SpaceArgs, TargetArgs,
    TemperatureArgs, and,
};
use crate::units::parse_count;

/// The arguments of an advice.
#[derive(Debug, Parser)]
// An advice has no precision to stop at, and says so if one is given.
#[command(
    after_help = AFTER_HELP,
    mut_arg("precision", |arg| arg.hide(true)),
    mut_arg("time", |arg| and(arg, "[default: 40s, of a large process longer]")),
    mut_arg("export", |arg| and(arg, "Also .svg (what is left of the cost with each remedy)"))
)]
pub(in crate::cli) struct AdviseArgs {
    #[command(flatten)]
    pub(in crate::cli) process: ProcessArgs,

    /// Without a process: mappings to add to the worker [default: 1k; with --huge 100]
    #[arg(long, value_name = "N", value_parser = parse_count, conflicts_with = "process")]
    pub(in crate::cli) mappings: Option<u64>,

    #[command(flatten)]
    pub(in crate::cli) space: SpaceArgs,

    #[command(flatten)]
    pub(in crate::cli) beside: BesideArgs,

    #[command(flatten)]
    pub(in crate::cli) child: ChildArgs,

    #[command(flatten)]
    pub(in crate::cli) temperature: TemperatureArgs,

    #[command(flatten)]
    pub(in crate::cli) targets: TargetArgs,

    #[command(flatten)]
    pub(in crate::cli) running: RunningArgs,

    #[command(flatten)]
    pub(in crate::cli) output: OutputArgs,

    /// The program that the children execute, and its arguments; its standard
    /// output goes to /dev/null [default: an embedded program of three instructions]
    #[arg(last = true, value_name = "PROGRAM ARGS")]
    pub(in crate::cli) program: Vec<String>,
}
