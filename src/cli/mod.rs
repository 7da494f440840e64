//! The command line: arguments as typed, the plan made of them, and what is
//! printed. It may use everything; nobody but `main` uses it.

mod args;
mod card;
mod compare;
mod exit;
mod list;
mod measure;
mod output;
mod place;
mod plan;
mod process;
mod progress;
mod schema;
mod shape;
mod show;
mod trace;
mod versus;
mod words;

use std::process::ExitCode;
use std::sync::Arc;

use signal_hook::consts::SIGXFSZ;

use self::args::Command;
use crate::lab::ground;
use crate::lab::linux::{Attendant, supervised};
use crate::sys::{self, supervision};

/// Runs the command that was typed and says how it ended.
pub fn main() -> ExitCode {
    supervision::keep_children();
    survive_file_size();
    if let Err(error) = ground::check_rights() {
        return failed(&error.into());
    }
    if let Err(error) = output::check_stdout() {
        return failed(&error.into());
    }
    let command = match output::arguments() {
        Ok(arguments) => arguments.command,
        Err(answered) => return answered,
    };
    if !command.as_ref().is_none_or(Command::looks_at_processes) {
        return run(command, None);
    }
    let restore = command.as_ref().and_then(Command::restore);
    let restore = restore.map(ToOwned::to_owned);
    let supervised = || supervised(restore.as_deref(), |attendant| run(command, attendant));
    let checked = ground::check_processes().map_err(anyhow::Error::from);
    let ended = checked.and_then(|()| Ok(supervised()?));
    ended.unwrap_or_else(|error| failed(&error))
}

fn run(command: Option<Command>, attendant: Option<Attendant>) -> ExitCode {
    let result = match command {
        Some(Command::Trace(args)) => {
            return trace::run(&args).unwrap_or_else(|error| failed(&error));
        }
        None => measure::sweep(&args::SweepArgs::defaults(), None),
        Some(Command::Sweep(sweep)) => measure::sweep(&sweep, attendant),
        Some(Command::Explain(args)) if args.process.is_given() => {
            process::explain(&args, attendant)
        }
        Some(Command::Explain(explain)) => measure::explain(&explain, attendant),
        Some(Command::Advise(advise)) => process::advise(&advise),
        Some(Command::Reproduce(args)) if args.list => list::run(),
        Some(Command::Reproduce(reproduce)) => measure::reproduce(&reproduce, attendant),
        Some(Command::Card(args)) => card::run(&args),
        Some(Command::Compare(compare)) => compare::run(&compare),
        Some(Command::Shape(args)) => shape::run(&args),
        Some(Command::Show(show)) => show::run(&show),
        Some(Command::Schema(args)) => schema::run(&args),
    };
    result.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    output::complain(error);
    exit::code(error)
}

/// Has a write beyond `RLIMIT_FSIZE` fail with an error instead of ending this process. An
/// exec gives a signal with a handler its default action back, so that no program inherits
/// this.
fn survive_file_size() {
    if !sys::process::ignores(SIGXFSZ) {
        // Without the handler such a write ends the process, as it does by default.
        let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    }
}
