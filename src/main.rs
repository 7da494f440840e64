//! The binary: a worker if it was started as one, else the command line.

use std::process::ExitCode;

use forktax::{cli, worker};

fn main() -> ExitCode {
    // Before anything else: a worker must stay small.
    if worker::is_worker() {
        return match worker::serve() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    cli::main()
}
