//! `forktax show`: a stored result, by the same road as a fresh one.

use super::args::ShowArgs;
use super::output::{self, Exports};
use crate::report::Subject;

/// Prints what was stored.
pub(super) fn run(args: &ShowArgs) -> anyhow::Result<()> {
    let exports = Exports::open(&args.export)?;
    let stored = output::read(&args.file)?;
    check(args, Subject::of(&stored))?;
    exports.write(&stored)?;
    Ok(output::print(&stored, args.format, &args.shown)?)
}

fn check(args: &ShowArgs, subject: Subject) -> anyhow::Result<()> {
    output::check(&args.export, subject)?;
    Ok(output::check_shown(
        &args.shown,
        subject,
        output::format(args.format),
    )?)
}
