//! Who carries out the user's commands that set the host, and the one that restores it
//! however the run ends.
//!
//! What such a command leaves running is the user's own. Below the run or its supervisor it
//! would be ended as a worker's children are, so that the attendant stands beside them,
//! below the process that the user started, and adopts nobody. It takes its orders by a
//! socket, of which the run and the supervisor hold the other end. Once both have let go
//! there are no workers any more: then it restores, once, and only what was begun.
//!
//! It has a group of its own, which the terminal's signals do not reach, and not a session
//! of its own: a command such as sudo looks for the user's terminal.

use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::family::{fate, floods};
use super::process::{LOOK, is_patience};
use super::{Stop, failed};
use crate::lab::error::LabError;
use crate::sys::shared::memory_file;
use crate::sys::{in_words, process, usage};
use crate::worker::protocol::{receive, send};

/// The longest that a command may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a running command is looked at.
const LOOK_AT_COMMAND: Duration = Duration::from_millis(2);
/// The most of a command's last line that is worth repeating, in characters.
const SAID: usize = 300;

/// The run's end of the conversation.
#[derive(Debug, Clone)]
pub struct Attendant(Arc<UnixStream>);

impl Attendant {
    pub(super) fn of(orders: UnixStream) -> Self {
        Self(Arc::new(orders))
    }

    /// Has a setup carried out, and waits for its end.
    pub(super) fn set_up(&self, command: &str, stop: &Stop) -> Result<(), LabError> {
        let outcome = self.ask(command, stop)?;
        outcome.map_err(|why| LabError::Setup {
            command: command.to_owned(),
            why,
        })
    }

    fn ask(&self, command: &str, stop: &Stop) -> Result<Result<(), String>, LabError> {
        let gone = || {
            let why = "the process that runs the setups is gone: somebody sent it a signal";
            failed("could not set the host")(io::Error::other(why))
        };
        stop.check()?;
        let mut orders = &*self.0;
        let patient = orders.set_read_timeout(Some(LOOK));
        patient.map_err(failed("could not set the host"))?;
        send(&mut orders, &command).map_err(|_| gone())?;
        // It says one line to each order, so that nothing is read ahead and lost.
        let (mut reader, mut line) = (BufReader::new(orders), Vec::new());
        while !line.ends_with(b"\n") {
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => return Err(gone()),
                Ok(_) => {}
                Err(error) if is_patience(&error) => {}
                Err(_) => return Err(gone()),
            }
            stop.check()?;
        }
        serde_json::from_slice(&line)
            .map_err(|error| failed("could not understand the setup's end")(error.into()))
    }
}

/// Carries out setups until nobody is left to order one, and then `restore`.
///
/// # Errors
/// [`LabError::Restore`].
pub(super) fn attend(orders: &UnixStream, restore: &str) -> Result<(), LabError> {
    let mut begun = false;
    let mut reader = BufReader::new(orders);
    while let Ok(Some(command)) = receive::<String>(&mut reader) {
        begun = true;
        let outcome = carry_out(&command, LIMIT, || is_forsaken(orders));
        // Where nobody hears it, the next order does not come.
        let _ = send(orders, &outcome);
    }
    if !begun {
        return Ok(());
    }
    carry_out(restore, LIMIT, || false).map_err(|why| LabError::Restore {
        command: restore.to_owned(),
        why,
    })
}

/// Whether nobody waits for the command that is being carried out: its setting will not be
/// used, and restoring it shall not wait.
fn is_forsaken(orders: &UnixStream) -> bool {
    let mut reader = orders;
    let looked = orders.set_nonblocking(true);
    let ended = looked.is_ok() && matches!(reader.read(&mut [0]), Ok(0));
    let _ = orders.set_nonblocking(false);
    ended
}

/// Runs a command to its end, with the environment and the directory of the user; why it
/// failed, if it did. What it leaves behind is left alone, unless the command itself had to
/// be ended.
fn carry_out(command: &str, limit: Duration, forsaken: impl Fn() -> bool) -> Result<(), String> {
    let could_not = |error: io::Error| format!("could not be started: {}", in_words(&error));
    // A file in memory: what it leaves running may write on to it when nobody listens.
    let mut said = memory_file(c"forktax-said", false).map_err(could_not)?;
    let child = Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said.try_clone().map_err(could_not)?)
        .process_group(0)
        .spawn()
        .map_err(could_not)?;
    let pid = child.id().cast_signed();
    let begin = Instant::now();
    let mut cut_short = None;
    while cut_short.is_none() && process::still_runs(pid).unwrap_or(false) {
        cut_short = if begin.elapsed() > limit {
            Some(format!(
                "still ran after {} s and was ended",
                limit.as_secs_f64()
            ))
        } else if floods(&said) {
            Some("wrote more than 1 MiB to stderr and was ended".to_owned())
        } else if forsaken() {
            Some("was ended with the run".to_owned())
        } else {
            std::thread::sleep(LOOK_AT_COMMAND);
            None
        };
    }
    if cut_short.is_some() {
        // The command was not waited for, so that its group is still its own.
        let _ = process::kill(-pid, libc::SIGKILL);
    }
    let (status, _) = usage::reap(pid).map_err(|error| in_words(&error))?;
    let how = match cut_short {
        None if status.success() => return Ok(()),
        None => fate(status),
        Some(how) => how,
    };
    Err(how + &last_line(&mut said))
}

/// The last words of a command, ready to be appended.
fn last_line(said: &mut (impl Read + Seek)) -> String {
    let mut bytes = Vec::new();
    // What cannot be read is as if it had not been said.
    let _ = said.rewind().and_then(|()| said.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().map(str::trim);
    let Some(line) = lines.rfind(|line| !line.is_empty()) else {
        return String::new();
    };
    let plain = line.chars().filter(|c| !c.is_control()).take(SAID);
    format!("; it said: {}", plain.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried_out(command: &str) -> Result<(), String> {
        carry_out(command, Duration::from_secs(10), || false)
    }

    #[test]
    fn a_command_that_fails_tells_how_and_its_last_line() {
        assert_eq!(carried_out("true"), Ok(()));
        let said = carried_out("echo one >&2; echo two >&2; echo >&2; exit 3");
        assert_eq!(said.unwrap_err(), "exited with status 3; it said: two");
        let killed = carried_out("kill -TERM $$").unwrap_err();
        assert_eq!(killed, "was killed by SIGTERM (15)");
    }

    #[test]
    fn what_a_command_leaves_behind_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        carried_out(&format!("sleep 60 & echo $! > {}", pid.display())).unwrap();
        let pid = std::fs::read_to_string(pid).unwrap();
        assert!(process::kill(pid.trim().parse().unwrap(), libc::SIGTERM).is_ok());
    }

    #[test]
    fn a_command_that_takes_too_long_or_says_too_much_is_ended() {
        let late = carry_out(
            "echo still >&2; sleep 60",
            Duration::from_millis(50),
            || false,
        );
        assert_eq!(
            late.unwrap_err(),
            "still ran after 0.05 s and was ended; it said: still"
        );
        let loud = carried_out("while :; do echo 0123456789012345678901234567890 >&2; done");
        assert!(loud.unwrap_err().starts_with("wrote more than 1 MiB"));
        let forsaken = carry_out("sleep 60", Duration::from_secs(10), || true);
        assert_eq!(forsaken.unwrap_err(), "was ended with the run");
    }

    #[test]
    fn nothing_is_restored_where_nothing_was_begun() {
        let dir = tempfile::tempdir().unwrap();
        let trace = dir.path().join("trace");
        let restore = format!("echo >> {}", trace.display());
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(ours);
        attend(&theirs, &restore).unwrap();
        assert!(!trace.exists());
        // An order of which nobody awaits the end is one that was begun.
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(&ours, &"sleep 60").unwrap();
        drop(ours);
        attend(&theirs, &restore).unwrap();
        assert_eq!(std::fs::read_to_string(&trace).unwrap(), "\n");
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(&ours, &"false").unwrap();
        drop(ours);
        let error = attend(&theirs, "exit 7").unwrap_err().to_string();
        assert!(
            error.contains("\"exit 7\"") && error.contains("status 7"),
            "{error}"
        );
    }
}
