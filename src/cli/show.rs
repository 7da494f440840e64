//! `forktax show`: a stored result, by the same road as a fresh one.

use super::args::ShowArgs;
use super::output::{self, Exports};
use crate::report::{self, Subject};

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
    if let Err(error) = output::check(&args.export, Subject::of(&stored)) {
        exports.abandon();
        return Err(error.into());
    }
    let render = |format| report::render(&stored, format);
    exports.write(render)?;
    Ok(output::print(render, output::format(args.format))?)
}
