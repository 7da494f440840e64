//! The arguments that say what of a report is printed.

use clap::ValueEnum;

use crate::report::{Legend, Shown};

/// What of the report is printed. Files that are exported hold all of it.
#[derive(Debug, Default, clap::Args)]
pub(in crate::cli) struct ShownArgs {
    /// Print the verdict and the caveats only
    #[arg(long, conflicts_with_all = ["section", "legend"])]
    brief: bool,

    /// Print this section of the report only: in-short, caveats, method or one of the
    /// tables, such as time; a name that the report does not have is answered with those
    /// that it has. Repeatable
    #[arg(long, value_name = "NAME")]
    section: Vec<String>,

    /// Whether to say what the columns mean: auto does it below a whole report and not
    /// below single sections, on a terminal and in a pipe alike
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    legend: LegendArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum LegendArg {
    /// Never
    Never,
    /// Below every table that is printed
    Always,
    /// Below a whole report
    #[default]
    Auto,
}

impl ShownArgs {
    /// Whether all sections are.
    pub(in crate::cli) fn is_whole(&self) -> bool {
        !self.brief && self.section.is_empty()
    }

    /// The same on a page of some width.
    pub(in crate::cli) fn on(&self, width: usize) -> Shown {
        Shown {
            brief: self.brief,
            legend: match self.legend {
                LegendArg::Never => Legend::Never,
                LegendArg::Always => Legend::Always,
                LegendArg::Auto => Legend::Auto,
            },
            sections: self.section.clone(),
            width,
        }
    }
}
