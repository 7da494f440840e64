//! The arguments of a comparison.

use std::path::PathBuf;

use clap::Parser;

use super::{AFTER_HELP, ExportArg, FormatArg, ShownArgs, export};

/// The arguments of a comparison.
#[derive(Debug, Parser)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct CompareArgs {
    /// The result that the other is measured by, stored as JSON, or one of --vs, which
    /// holds both; - reads stdin
    #[arg(value_name = "A.json")]
    pub(in crate::cli) a: PathBuf,

    /// The result that is set beside it
    #[arg(value_name = "B.json")]
    pub(in crate::cli) b: Option<PathBuf>,

    /// Exit with status 1 if a line is dearer in B and the whole 95 % interval of its
    /// ratio lies more than so many percent above 1; with status 2 if no line could be
    /// judged. Of explanations and processes the totals are asked
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub(in crate::cli) fail_above: Option<f64>,

    /// What to print on stdout
    #[arg(long, value_enum, default_value = "table")]
    pub(in crate::cli) format: FormatArg,

    /// Write the comparison to a file as well; .txt, .md, .csv or .json says how, or
    /// FORMAT=FILE. Repeatable
    #[arg(long, short = 'o', value_name = "FILE", value_parser = export())]
    pub(in crate::cli) export: Vec<ExportArg>,

    #[command(flatten)]
    pub(in crate::cli) shown: ShownArgs,
}

pub(super) fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim();
    let percent = number.parse::<f64>().ok();
    let sensible = percent.filter(|percent| (0.0..=1e6).contains(percent));
    sensible.ok_or_else(|| format!("{text:?} is no percentage from 0 on, such as 10 or 2.5%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_taken_with_and_without_their_sign() {
        assert_eq!(parse_percent("10"), Ok(10.0));
        assert_eq!(parse_percent("2.5%"), Ok(2.5));
        assert_eq!(parse_percent("0"), Ok(0.0));
        for bad in ["-1", "nan", "inf", "", "%", "ten", "1e9"] {
            assert!(parse_percent(bad).is_err(), "{bad}");
        }
    }
}
