//! Exit statuses, as the help documents them.

use std::process::ExitCode;

use super::compare::CompareError;
use super::output::OutputError;
use super::plan::PlanError;
use crate::lab::census::CensusError;
use crate::lab::error::LabError;
use crate::lab::ground::GroundError;
use crate::report::ReportError;

const MEASURING: u8 = 1;
const DEARER: u8 = 1;
pub(super) const OFFENCE: u8 = 1;
pub(super) const USAGE: u8 = 2;
const PROGRAM: u8 = 3;
pub(super) const OUTPUT: u8 = 4;
const RESTORE: u8 = 5;
const SIGNAL: i32 = 128;

/// The status of a command that failed.
pub(super) fn code(error: &anyhow::Error) -> ExitCode {
    // A process that cannot be looked at is a bad argument, and so is a section that is not
    // there.
    let usage = error.is::<PlanError>() || error.is::<CensusError>() || error.is::<ReportError>();
    if usage || error.is::<GroundError>() {
        return USAGE.into();
    }
    if error.is::<OutputError>() {
        return OUTPUT.into();
    }
    if let Some(error) = error.downcast_ref::<CompareError>() {
        return of_comparing(error).into();
    }
    error
        .downcast_ref::<LabError>()
        .map_or(MEASURING, of_measuring)
        .into()
}

fn of_comparing(error: &CompareError) -> u8 {
    match error {
        CompareError::Refused(_) => USAGE,
        CompareError::Exceeded { .. } => DEARER,
    }
}

/// The status that tells of a signal, as shells do.
pub(super) fn by_signal(signal: i32) -> u8 {
    u8::try_from(SIGNAL + signal).unwrap_or(MEASURING)
}

fn of_measuring(error: &LabError) -> u8 {
    match error {
        LabError::Limit(_)
        | LabError::Interpreter(_)
        | LabError::Methods(_)
        | LabError::Trace { .. }
        | LabError::Watching { .. } => USAGE,
        LabError::Program(_) => PROGRAM,
        LabError::Restore { .. } => RESTORE,
        LabError::Interrupted(signal) => by_signal(*signal),
        LabError::Row { why, .. } => of_measuring(why),
        _ => MEASURING,
    }
}
