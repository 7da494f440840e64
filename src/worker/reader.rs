//! The reader: a process beside a worker whose forks are told by a userfaultfd. It answers
//! at once. A thread of the worker would be one more in what is measured.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::sys::supervision::parent;
use crate::sys::{process, userfault};

/// The name (`argv[0]`) under which the tool starts itself as a reader; whose is the one
/// argument.
const NAME: &str = "forktax-reader";

/// Whether this process was started as a reader.
pub fn is_reader() -> bool {
    std::env::args_os().next().is_some_and(|name| name == NAME)
}

/// Reads of forks on stdin until the worker is gone.
///
/// # Errors
/// Those of reading, and of a worker that is gone already.
pub fn read() -> io::Result<()> {
    process::die_with_parent()?;
    let worker = std::env::args().nth(1).and_then(|pid| pid.parse().ok());
    // A parent that died before the first line sends no signal any more.
    if worker != Some(parent()) {
        return Err(io::ErrorKind::NotFound.into());
    }
    userfault::answer(io::stdin().as_fd())
}

/// Starts one that reads here; its number.
pub(super) fn start(forks: OwnedFd) -> io::Result<i32> {
    let reader = Command::new("/proc/self/exe")
        .arg0(NAME)
        .arg(std::process::id().to_string())
        .env_clear()
        .stdin(forks)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(reader.id().cast_signed())
}
