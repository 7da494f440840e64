//! A child that waits until it is watched, and what was recorded of it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use forktax::sys::events::SampleEvent;
use forktax::sys::perf::{PerfError, Recorder, Target};

use super::{alone, in_order};

/// What became of a watched child.
pub(crate) struct Watched {
    pub(crate) pid: u32,
    pub(crate) events: Vec<SampleEvent>,
    pub(crate) stdout: String,
}

/// Both targets for a child of this number.
pub(crate) fn targets(pid: u32) -> [Target; 2] {
    [Target::EveryProcess, Target::Family(pid)]
}

/// Starts a child that begins its work with reading a line, opens a recorder
/// on it, has it run to its end, and takes all records.
pub(crate) fn watch(
    mut command: Command,
    open: impl FnOnce(u32) -> Result<Recorder, PerfError>,
) -> Result<Watched, PerfError> {
    let _turn = alone();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = child.id();
    let opened = open(pid);
    let mut stdin = child.stdin.take().unwrap();
    let mut recorder = match opened {
        Ok(recorder) => recorder,
        Err(error) => {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(error);
        }
    };
    recorder.start().unwrap();
    stdin.write_all(b"go\n").unwrap();
    let mut events = Vec::new();
    while child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(20));
        events.extend(recorder.drain());
    }
    recorder.stop().unwrap();
    events.extend(recorder.drain());
    assert!(in_order(&events));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let lost = |event: &SampleEvent| matches!(event, SampleEvent::Lost { .. });
    assert!(!events.iter().any(lost), "the rings are too small");
    Ok(Watched {
        pid,
        events,
        stdout,
    })
}

/// A shell that waits for its line and then runs a script.
pub(crate) fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("read line; {script}")]);
    command
}
