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

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use signal_hook::consts::SIGXFSZ;

use crate::lab::ground;
use crate::sys;

/// Runs the command that was typed and says how it ended.
pub fn main() -> ExitCode {
    survive_file_size();
    match ground::check_rights()
        .map_err(Into::into)
        .and_then(|()| run(args::Args::parse().command))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            exit::code(&error)
        }
    }
}

fn run(command: Option<args::Command>) -> anyhow::Result<()> {
    if command
        .as_ref()
        .is_none_or(args::Command::looks_at_processes)
    {
        ground::check_processes()?;
    }
    match command {
        None => measure::sweep(&args::SweepArgs::defaults()),
        Some(args::Command::Sweep(sweep)) => measure::sweep(&sweep),
        Some(args::Command::Explain(args)) if args.process.is_given() => process::explain(&args),
        Some(args::Command::Explain(explain)) => measure::explain(&explain),
        Some(args::Command::Advise(advise)) => process::advise(&advise),
        Some(args::Command::Reproduce(args)) if args.list => list::run(),
        Some(args::Command::Reproduce(reproduce)) => measure::reproduce(&reproduce),
        Some(args::Command::Card(args)) => card::run(&args),
        Some(args::Command::Compare(compare)) => compare::run(&compare),
        Some(args::Command::Shape(args)) => shape::run(&args),
        Some(args::Command::Show(show)) => show::run(&show),
        Some(args::Command::Schema(args)) => schema::run(&args),
    }
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
