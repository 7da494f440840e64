//! `forktax show`: a stored result, by the same road as a fresh one.

use super::args::ShowArgs;
use super::output::{self, Exports};
use crate::report::Subject;

/// Prints a stored document.
pub(super) fn run(args: &ShowArgs) -> anyhow::Result<()> {
    let exports = Exports::open(&args.export)?;
    let document = match output::read(&args.file) {
        Ok(document) => document,
        Err(error) => {
            exports.abandon();
            return Err(error.into());
        }
    };
    if let Err(error) = output::check(&args.export, Subject::of(&document)) {
        exports.abandon();
        return Err(error.into());
    }
    exports.write(&document)?;
    Ok(output::print(&document, output::format(args.format))?)
}
