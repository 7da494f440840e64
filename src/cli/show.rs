//! `forktax show`: a stored result, by the same road as a fresh one.

use super::args::ShowArgs;
use super::output::{self, Exports};
use crate::report::{self, Format, ReportError, Stored, Subject};

/// Prints what was stored.
pub(super) fn run(args: &ShowArgs) -> anyhow::Result<()> {
    let exports = Exports::open(&args.export)?;
    let stored = match output::read(&args.file) {
        Ok(stored) => stored,
        Err(error) => {
            exports.abandon();
            return Err(error.into());
        }
    };
    if let Err(error) = output::check(&args.export, subject(&stored)) {
        exports.abandon();
        return Err(error.into());
    }
    let render = |format| render(&stored, format);
    exports.write(render)?;
    Ok(output::print(render, output::format(args.format))?)
}

fn subject(stored: &Stored) -> Subject {
    match stored {
        Stored::Run(document) => Subject::of(document),
        Stored::Comparison(_) => Subject::Comparison,
    }
}

fn render(stored: &Stored, format: Format) -> Result<Vec<u8>, ReportError> {
    match stored {
        Stored::Run(document) => report::render(document, format),
        Stored::Comparison(comparison) => report::render_comparison(comparison, format),
    }
}
