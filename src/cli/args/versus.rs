//! The arguments of a command that is carried out twice in one run.

use clap::ArgGroup;

use super::compare::parse_percent;

/// Another plan beside the first.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("sides").args(["vs", "a_setup", "b_setup"]).multiple(true))]
pub(in crate::cli) struct VersusArgs {
    /// Measure the same with these options changed, in the same run: workers of both take
    /// turns, of milliseconds where spawns are as short, so that a noisy host hits both
    /// alike. The result is a comparison, of times alone and of an explanation's phases, and
    /// --precision is that of the totals' ratios; '' compares the plan with itself
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    pub(in crate::cli) vs: Option<String>,

    /// A command for /bin/sh -c, run before each slice of A: what only the host can set, such
    /// as huge pages, a sysctl or a governor. A and B then take turns in slices of some workers,
    /// of up to two seconds, with the options of --vs or without. A setup has 60 seconds; if
    /// it fails the run ends
    #[arg(long, value_name = "CMD")]
    pub(in crate::cli) a_setup: Option<String>,

    /// The same before each slice of B
    #[arg(long, value_name = "CMD")]
    pub(in crate::cli) b_setup: Option<String>,

    /// What undoes both, in 60 seconds: run once after all, however the run ends, SIGKILL
    /// included; true for nothing. What these commands leave running is left alone
    #[arg(long, value_name = "CMD")]
    pub(in crate::cli) restore: Option<String>,

    /// With --vs or setups: exit with status 1 if a line is dearer in B, as in forktax compare
    #[arg(long, value_name = "PERCENT", requires = "sides", value_parser = parse_percent)]
    pub(in crate::cli) fail_above: Option<f64>,
}

impl VersusArgs {
    /// Whether there are to be two sides.
    pub(in crate::cli) fn is_given(&self) -> bool {
        let commands = [&self.a_setup, &self.b_setup, &self.restore];
        self.vs.is_some() || commands.into_iter().any(Option::is_some)
    }
}
