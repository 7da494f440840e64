//! The binary: a worker or its reader if it was started as one, else the command line.

use std::process::ExitCode;

use forktax::{cli, worker};

fn main() -> ExitCode {
    // Before anything else: a worker must stay small.
    if worker::is_worker() {
        return ended(worker::serve());
    }
    if worker::is_reader() {
        return ended(worker::read());
    }
    cli::main()
}

/// The status of a process that nobody asks for words.
fn ended(result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
