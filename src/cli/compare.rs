//! `forktax compare`: two stored results side by side.

use std::path::Path;

use super::args::CompareArgs;
use super::output::{self, Exports};
use crate::analysis::compare::{
    Input, NotComparable, compare, compare_by_turns, judged, may_exceed,
};
use crate::model::{Comparison, Document, Stored, Tool};
use crate::report::Subject;

/// Why a comparison that was made, or could not be made, does not end well.
#[derive(Debug, thiserror::Error)]
pub(super) enum CompareError {
    /// The arguments name what cannot be compared.
    #[error("{0}")]
    Refused(String),
    /// Lines are dearer than was allowed.
    #[error("{lines} dearer by more than {percent} % with the whole of the interval")]
    Exceeded {
        /// How many, with their verb.
        lines: String,
        /// What was allowed.
        percent: f64,
    },
}

impl From<NotComparable> for CompareError {
    fn from(why: NotComparable) -> Self {
        Self::Refused(why.to_string())
    }
}

/// Compares, prints, exports, and judges.
pub(super) fn run(args: &CompareArgs) -> anyhow::Result<()> {
    output::check(&args.export, Subject::Comparison)?;
    output::check_shown(
        &args.shown,
        Subject::Comparison,
        output::format(args.format),
    )?;
    let b = args.b.as_deref();
    if is_stdin(&args.a) && b.is_some_and(is_stdin) {
        let why = "- names stdin for both results, which can be read once: give a file for one";
        return Err(CompareError::Refused(why.to_owned()).into());
    }
    let exports = Exports::open(&args.export)?;
    let comparison = comparison(args)?;
    let judged = judge(&comparison);
    let stored = Stored::from(comparison);
    // One way out that is barred shall not bar the other.
    let printed = output::print(&stored, args.format, &args.shown);
    exports.write(&stored)?;
    printed?;
    Ok(judged?)
}

fn comparison(args: &CompareArgs) -> anyhow::Result<Comparison> {
    let Some(file) = &args.b else {
        return again(&args.a, args.fail_above);
    };
    let (a, b) = (run_of(&args.a)?, run_of(file)?);
    let (name_a, name_b) = (args.a.display().to_string(), file.display().to_string());
    let a = Input {
        file: &name_a,
        document: &a,
    };
    let b = Input {
        file: &name_b,
        document: &b,
    };
    Ok(compare(Tool::this(), a, b, args.fail_above).map_err(CompareError::from)?)
}

/// What --vs wrote, compared once more.
fn again(file: &Path, fail_above: Option<f64>) -> anyhow::Result<Comparison> {
    if let Stored::Comparison(stored) = output::read(file)?
        && let Some(by_turns) = stored.by_turns
    {
        let compared = compare_by_turns(Tool::this(), by_turns, fail_above);
        return Ok(compared.map_err(CompareError::from)?);
    }
    let what = "is no result of --vs, which holds two: name another beside it";
    Err(CompareError::Refused(format!("{} {what}", file.display())).into())
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

fn run_of(file: &Path) -> anyhow::Result<Document> {
    match output::read(file)? {
        Stored::Run(document) => Ok(*document),
        Stored::Comparison(_) => {
            let what = "is a comparison already: name the two results themselves, or alone one \
                        of --vs";
            Err(CompareError::Refused(format!("{} {what}", file.display())).into())
        }
    }
}

/// A build that asks to fail must not pass because nothing could be judged.
pub(super) fn judge(comparison: &Comparison) -> Result<(), CompareError> {
    let Some(fail) = &comparison.fail_above else {
        return Ok(());
    };
    if !judged(comparison).any(|line| may_exceed(comparison.compared, line)) {
        let why = "--fail-above has nothing to judge: no line of the two, or of an explanation no \
                   total, could be compared";
        return Err(CompareError::Refused(why.to_owned()));
    }
    let lines = match fail.exceeded.len() {
        0 => return Ok(()),
        1 => "1 line is".to_owned(),
        more => format!("{more} lines are"),
    };
    Err(CompareError::Exceeded {
        lines,
        percent: fail.percent,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FailAbove, Verdict};

    #[test]
    fn phases_alone_are_nothing_to_judge() {
        let text = include_str!("../../tests/data/compared/explained-by-turns.json");
        let mut comparison: Comparison = serde_json::from_str(text).unwrap();
        assert!(judge(&comparison).is_ok(), "nothing was to fail");
        comparison.fail_above = Some(FailAbove {
            percent: 5.0,
            exceeded: Vec::new(),
        });
        assert!(judge(&comparison).is_ok());
        let kind = comparison.compared;
        for line in &mut comparison.lines {
            if may_exceed(kind, line) {
                line.verdict = Verdict::NotCompared("too few workers".to_owned());
            }
        }
        assert!(judged(&comparison).count() > 0, "the phases are left");
        let refused = judge(&comparison).unwrap_err();
        assert!(matches!(refused, CompareError::Refused(_)), "{refused}");
    }
}
