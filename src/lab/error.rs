//! Why a run ends before its end.

use std::io;

use super::census::CensusError;
use super::limits::LimitError;
use crate::model::Missing;
use crate::sys::in_words;
use crate::sys::trace::TraceError;
use crate::units::signal_name;
use crate::worker::protocol::Failure;

/// Whatever breaks a run off.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The host cannot carry the plan.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The plan's program cannot be measured.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// None of the spawn methods that were asked for.
    #[error("there is nothing to spawn by: {0}")]
    Methods(String),
    /// There is no interpreter for the scripts.
    #[error("{}", .0.in_words())]
    Interpreter(Missing),
    /// The address space is not what was ordered.
    #[error(
        "the kernel reports another address space than was ordered: {0}; nothing was timed from it"
    )]
    Inflation(String),
    /// A command that was to set the host failed.
    #[error(
        "the setup {command:?} {why}; the run ends, as a slice would not be what it is called: mend \
         it, or append || true if that is no failure"
    )]
    Setup {
        /// The command.
        command: String,
        /// "exited with status 1".
        why: String,
    },
    /// The command that was to restore the host failed.
    #[error(
        "the host is NOT restored, and may be as a setup left it: --restore {command:?}: {why}; \
         restore it by hand"
    )]
    Restore {
        /// The command.
        command: String,
        /// "exited with status 1".
        why: String,
    },
    /// A worker gave up.
    #[error("worker at {mappings} mappings: {failure}")]
    Worker {
        /// The size that it worked on.
        mappings: u64,
        /// Its own words.
        failure: Failure,
    },
    /// A script failed.
    #[error("the script {name}: {why}")]
    Script {
        /// Which one.
        name: &'static str,
        /// Its last words.
        why: String,
    },
    /// A row of a study failed; the others may not have.
    #[error("{name}: {why}")]
    Row {
        /// Which one.
        name: &'static str,
        /// The error.
        why: Box<LabError>,
    },
    /// A worker died.
    #[error("worker at {mappings} mappings {how} while it was to {stage}{hint}")]
    Died {
        /// The size that it worked on.
        mappings: u64,
        /// "was killed by SIGKILL", "exited with status 1".
        how: String,
        /// "spawn".
        stage: &'static str,
        /// What may have been the cause, and what to do.
        hint: String,
    },
    /// A program cannot be watched.
    #[error("{error}; {}", .error.remedy())]
    Trace {
        /// Why, and with a remedy.
        error: TraceError,
    },
    /// A command cannot be watched as was asked.
    #[error("{program}: {why}; {remedy}")]
    Watching {
        /// The command's name.
        program: String,
        /// Why.
        why: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A worker's address space could not be read.
    #[error(transparent)]
    Census(#[from] CensusError),
    /// A signal came.
    #[error("interrupted by {}", signal_name(*.0))]
    Interrupted(i32),
    /// Something between the lab and the worker.
    #[error("{what}: {}", in_words(cause))]
    Io {
        /// What was being done.
        what: String,
        /// The error.
        cause: io::Error,
    },
}

/// Why a program cannot be measured.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ProgramError {
    /// No such file, or no such interpreter.
    #[error("{0}: not found, or the interpreter or loader that it names is not there")]
    NotFound(String),
    /// A study's own program cannot be measured.
    #[error("{0}; this study's children execute it, unless another program is given after --")]
    StudysOwn(Box<Self>),
    /// No permission to execute it.
    #[error("{0}: not executable: check its mode (chmod +x) and the mount's noexec")]
    NotExecutable(String),
    /// Not a format that the kernel executes.
    #[error(
        "{0}: the kernel cannot execute this format: a script needs a #! line, a binary the right architecture"
    )]
    BadFormat(String),
    /// Some other error of exec.
    #[error("{program}: could not be executed: {why}")]
    Exec {
        /// Its path.
        program: String,
        /// The error.
        why: String,
    },
    /// It was ended by a signal.
    #[error("{program}: crashed: killed by {signal}{said}")]
    Crashed {
        /// Its path.
        program: String,
        /// "SIGSEGV (11)".
        signal: String,
        /// What it wrote to stderr, if anything.
        said: String,
    },
    /// It exited with another status than 0.
    #[error(
        "{program}: exited with status {code}, and only a program that succeeds can be measured{said}"
    )]
    Failed {
        /// Its path.
        program: String,
        /// The status.
        code: i32,
        /// What it wrote to stderr, if anything.
        said: String,
    },
    /// A spawn did not end in the loop.
    #[error(
        "no spawn of {program} ended within {seconds} s at {mappings} mappings: the program hangs, or the spawn itself takes that long: raise --timeout"
    )]
    Stalled {
        /// Its path.
        program: String,
        /// The time-out.
        seconds: f64,
        /// The size that was spawned from.
        mappings: u64,
    },
    /// It did not end when it was tried.
    #[error(
        "{program}: still running after {seconds} s and was killed: give it arguments that make it end, or raise --timeout"
    )]
    Hung {
        /// Its path.
        program: String,
        /// The time-out.
        seconds: f64,
    },
}
