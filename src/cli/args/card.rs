//! The arguments of a card.

use clap::Parser;

use super::{AFTER_HELP, OutputArgs, RunningArgs, TargetArgs, and};

/// The arguments of a card.
#[derive(Debug, Parser)]
// A card has no precision to stop at, and says so if one is given.
#[command(
    after_help = AFTER_HELP,
    mut_arg("precision", |arg| arg.hide(true)),
    mut_arg("time", |arg| and(arg, "[default: 60s, with --quick 15s]")),
    mut_arg("export", |arg| and(arg, "Also .svg (what its prices foretell)"))
)]
pub(in crate::cli) struct CardArgs {
    /// Measure for 15 seconds instead of 120, with fewer and smaller parents. Two rounds of
    /// all of them are measured whatever --time says: some 10 to 15 seconds, or 20 to 30 of
    /// the whole
    #[arg(long)]
    pub(in crate::cli) quick: bool,

    /// Print the card of this host that was stored, and measure nothing
    #[arg(long, conflicts_with_all = [
        "quick", "no_store", "static_program", "dynamic_program", "time", "seed", "cpu", "env",
    ])]
    pub(in crate::cli) stored: bool,

    /// Do not store the card in $XDG_CACHE_HOME/forktax or ~/.cache/forktax, where it
    /// replaces the last one of this host as it is set up now
    #[arg(long)]
    pub(in crate::cli) no_store: bool,

    #[command(flatten)]
    pub(in crate::cli) targets: TargetArgs,

    #[command(flatten)]
    pub(in crate::cli) running: RunningArgs,

    #[command(flatten)]
    pub(in crate::cli) output: OutputArgs,
}
