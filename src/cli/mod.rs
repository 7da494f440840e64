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

use clap::Parser;

/// Runs the command that was typed and says how it ended.
pub fn main() -> ExitCode {
    let args = args::Args::parse();
    let result = match args.command {
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
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            exit::code(&error)
        }
    }
}
