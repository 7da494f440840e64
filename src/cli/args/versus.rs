//! The arguments of a command that is carried out twice in one run.

use super::compare::parse_percent;

/// Another plan beside the first.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct VersusArgs {
    /// Measure the same with these options changed, in the same run: workers of both take
    /// turns, of milliseconds where spawns are as short, so that a noisy host hits both
    /// alike. The result is a comparison, of times alone, and --precision is that of the
    /// ratios; '' compares the plan with itself
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    pub(in crate::cli) vs: Option<String>,

    /// With --vs: exit with status 1 if a line is dearer in B, as in forktax compare
    #[arg(long, value_name = "PERCENT", requires = "vs", value_parser = parse_percent)]
    pub(in crate::cli) fail_above: Option<f64>,
}
