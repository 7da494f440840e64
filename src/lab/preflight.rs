//! One run of the plan's program before anything is measured: whatever keeps a
//! program from being measured is told apart and named here.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::error::{LabError, ProgramError};
use super::linux::{Family, Stop};
use crate::sys::process::{kill_with_parent, still_runs};
use crate::units::signal_name;

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// The end of the program's stderr that is worth repeating.
const SAID: usize = 300;

/// Runs `path` once, with its stdout thrown away and the end of its stderr kept.
pub(super) fn try_program(
    path: &str,
    argv: &[String],
    environment: &[String],
    timeout: Duration,
    stop: &Stop,
) -> Result<(), LabError> {
    let (mut said, stderr) = Said::new().map_err(|cause| LabError::Io {
        what: "could not make a pair of sockets".to_owned(),
        cause,
    })?;
    let child = start(path, argv, environment, stderr)?;
    let Some(status) = await_end(Family::of(&child), timeout, stop, &mut said)? else {
        let seconds = timeout.as_secs_f64();
        return Err(ProgramError::Hung {
            program: path.to_owned(),
            seconds,
        }
        .into());
    };
    said.listen();
    Ok(judge(path, status, &said)?)
}

fn start(
    path: &str,
    argv: &[String],
    environment: &[String],
    stderr: OwnedFd,
) -> Result<Child, LabError> {
    let mut command = Command::new(path);
    if let Some((name, arguments)) = argv.split_first() {
        command.arg0(name).args(arguments);
    }
    command
        .env_clear()
        .envs(
            environment
                .iter()
                .filter_map(|variable| variable.split_once('=')),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .process_group(0);
    // Nobody is left to end it, once the run is gone.
    kill_with_parent(&mut command)
        .spawn()
        .map_err(|error| not_started(path, &error).into())
}

/// What an error of exec says of the program.
pub(super) fn not_started(path: &str, error: &io::Error) -> ProgramError {
    let program = path.to_owned();
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => ProgramError::NotFound(program),
        Some(libc::EACCES | libc::EPERM) => ProgramError::NotExecutable(program),
        Some(libc::ENOEXEC) => ProgramError::BadFormat(program),
        _ => ProgramError::Exec {
            program,
            why: error.to_string(),
        },
    }
}

/// The status, or `None` when the time is up. Whatever the program has left in its group
/// does not outlive the trial.
fn await_end(
    mut family: Family,
    timeout: Duration,
    stop: &Stop,
    said: &mut Said,
) -> Result<Option<ExitStatus>, LabError> {
    let begin = Instant::now();
    while still_runs(family.pid().cast_signed()).unwrap_or(false) {
        said.listen();
        if begin.elapsed() > timeout {
            return Ok(None);
        }
        stop.check()?;
        std::thread::sleep(LOOK);
    }
    Ok(Some(family.end()))
}

fn judge(path: &str, status: ExitStatus, said: &Said) -> Result<(), ProgramError> {
    let program = path.to_owned();
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(ProgramError::Failed {
            program,
            code,
            said: said.words(),
        }),
        (None, signal) => {
            let signal = signal_name(signal.unwrap_or(0));
            Err(ProgramError::Crashed {
                program,
                signal,
                said: said.words(),
            })
        }
    }
}

/// The end of what the program says on stderr, however much that is.
struct Said {
    stream: UnixStream,
    tail: Vec<u8>,
}

impl Said {
    /// A listener, and the descriptor to speak to.
    fn new() -> io::Result<(Self, OwnedFd)> {
        let (stream, theirs) = UnixStream::pair()?;
        stream.set_nonblocking(true)?;
        let tail = Vec::new();
        Ok((Self { stream, tail }, theirs.into()))
    }

    /// Takes what was said since, and keeps the end of it.
    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = self.stream.read(&mut buffer) {
            self.tail.extend_from_slice(&buffer[..read]);
            let spare = self.tail.len().saturating_sub(SAID);
            self.tail.drain(..spare);
        }
    }

    /// The words, on one line, without control characters.
    fn words(&self) -> String {
        if self.tail.is_empty() {
            return String::new();
        }
        let text = String::from_utf8_lossy(&self.tail);
        let words: Vec<&str> = text.split_whitespace().collect();
        let plain: String = words
            .join(" ")
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        format!("; it said: {plain}")
    }
}
