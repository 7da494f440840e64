//! One run of the plan's program before anything is measured: whatever keeps a
//! program from being measured is told apart and named here.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::error::{LabError, ProgramError, signal_name};
use super::linux::Stop;
use crate::sys::process::kill;
use crate::sys::shared::memory_file;

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// The end of the program's stderr that is worth repeating.
const SAID: u64 = 300;

/// Runs `path` once, with its stdout thrown away and its stderr kept.
pub(super) fn try_program(
    path: &str,
    argv: &[String],
    environment: &[String],
    timeout: Duration,
    stop: &Stop,
) -> Result<(), LabError> {
    let stderr = memory_file(c"forktax-stderr", false).map_err(|source| LabError::Io {
        what: "could not make a file in memory".to_owned(),
        source,
    })?;
    let mut child = start(path, argv, environment, &stderr)?;
    let ended = await_end(&mut child, timeout, stop);
    // Whatever the program left in its group shall not outlive the trial.
    let _ = kill(-child.id().cast_signed(), libc::SIGKILL);
    let _ = child.wait();
    let Some(status) = ended? else {
        let seconds = timeout.as_secs_f64();
        return Err(ProgramError::Hung {
            program: path.to_owned(),
            seconds,
        }
        .into());
    };
    Ok(judge(path, status, &stderr)?)
}

fn start(
    path: &str,
    argv: &[String],
    environment: &[String],
    stderr: &File,
) -> Result<Child, LabError> {
    let stderr = stderr.try_clone().map_err(|source| LabError::Io {
        what: "could not copy a descriptor".to_owned(),
        source,
    })?;
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
    command
        .spawn()
        .map_err(|error| not_started(path, &error).into())
}

fn not_started(path: &str, error: &io::Error) -> ProgramError {
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

/// The status, or `None` when the time is up.
fn await_end(
    child: &mut Child,
    timeout: Duration,
    stop: &Stop,
) -> Result<Option<ExitStatus>, LabError> {
    let begin = Instant::now();
    loop {
        let status = child.try_wait().map_err(|source| LabError::Io {
            what: "could not wait for the program".to_owned(),
            source,
        })?;
        if status.is_some() || begin.elapsed() > timeout {
            return Ok(status);
        }
        stop.check()?;
        std::thread::sleep(LOOK);
    }
}

fn judge(path: &str, status: ExitStatus, stderr: &File) -> Result<(), ProgramError> {
    let program = path.to_owned();
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(ProgramError::Failed {
            program,
            code,
            said: tail(stderr),
        }),
        (None, signal) => {
            let signal = signal_name(signal.unwrap_or(0));
            Err(ProgramError::Crashed {
                program,
                signal,
                said: tail(stderr),
            })
        }
    }
}

/// The end of what the program said, on one line.
fn tail(stderr: &File) -> String {
    let len = stderr.metadata().map_or(0, |file| file.len());
    let from = len.saturating_sub(SAID);
    let mut bytes = vec![0; usize::try_from(len - from).unwrap_or(0)];
    if bytes.is_empty() || stderr.read_exact_at(&mut bytes, from).is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<&str> = text.split_whitespace().collect();
    let plain: String = words
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    format!("; it said: {plain}")
}
