//! The arguments that concern a live process.

use std::path::PathBuf;

use clap::Parser;

use super::{
    AFTER_HELP, BesideArgs, OutputArgs, RunningArgs, SpaceArgs, TargetArgs, TemperatureArgs,
};
use crate::units::parse_count;

/// Which process, or which shape of one.
#[derive(Debug, Default, clap::Args)]
#[group(id = "process", multiple = false)]
pub(in crate::cli) struct ProcessArgs {
    /// Rebuild the address space of this live process; it is read from outside, and
    /// neither stopped nor slowed down
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub(in crate::cli) pid: Option<i32>,

    /// Rebuild the shape that forktax shape -o has stored; - reads stdin
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) shape: Option<PathBuf>,
}

impl ProcessArgs {
    /// Whether one is named.
    pub(in crate::cli) fn is_given(&self) -> bool {
        self.pid.is_some() || self.shape.is_some()
    }
}

/// The arguments of an advice.
#[derive(Debug, Parser)]
// An advice has no precision to stop at, and says so if one is given.
#[command(after_help = AFTER_HELP, mut_arg("precision", |arg| arg.hide(true)))]
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
