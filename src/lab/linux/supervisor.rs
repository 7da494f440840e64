//! Who ends what a run leaves behind, also where the run itself was killed.
//!
//! Who descends from whom is lost once a process is adopted. So the process that the
//! user started, which may have had children before its exec and as process 1 gets
//! those of others, adopts nobody: it only passes signals on. Below it a supervisor
//! adopts what loses its parent below it; and below that the run, which does so too, and
//! ends what its workers have left while it lives.
//!
//! Where the run sets the host by commands of the user's, an attendant stands beside the
//! supervisor, who carries them out.
//!
//! The supervisor has a session of its own: no signal to the user's group or terminal
//! reaches it, and whether that group may be stopped from the terminal is the same as
//! without it (a process whose parent is in another session holds no group in its).

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use super::attendant::{self, Attendant};
use super::orphans::end_orphans;
use super::{failed, stopping};
use crate::lab::error::LabError;
use crate::lab::limits::LimitError;
use crate::sys::supervision::{self, Held};
use crate::sys::threads::Alone;
use crate::sys::{process, usage};
use crate::units::signal_name;

/// How long the supervisor looks for what a killed run leaves: a large worker lets go of
/// its children only when its memory is free.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs in a process of its own and ends like it; nothing of it is left behind. With a
/// command that restores the host, another process stands by to set it: the run's door to
/// that is handed over.
///
/// # Errors
/// [`LabError::Io`] if there can be no such process, or if it was killed;
/// [`LimitError::NoProcess`]; in the process that restores, and in its parent,
/// [`LabError::Restore`].
pub fn supervised(
    restore: Option<&str>,
    run: impl FnOnce(Option<Attendant>) -> ExitCode,
) -> Result<ExitCode, LabError> {
    let user = std::process::id().cast_signed();
    let passed_on = stopping();
    let could_not = || failed("could not start a supervisor");
    let held = Held::back(&passed_on).map_err(could_not())?;
    let mut attended = None;
    if let Some(restore) = restore {
        let (orders, theirs) = UnixStream::pair().map_err(refused)?;
        let Some(pid) = fork()? else {
            drop(orders);
            stand_beside(&held, &passed_on).map_err(could_not())?;
            return attendant::attend(&theirs, restore).map(|()| ExitCode::SUCCESS);
        };
        attended = Some((pid, orders));
    }
    process::forbid_core_files().map_err(could_not())?;
    // It ends when the last of the run's ends, be the supervisor there or not.
    let (mut end, life) = io::pipe().map_err(refused)?;
    if let Some(supervisor) = fork()? {
        drop(life);
        // It restores once nobody holds the other end.
        let attendant = attended.map(|(pid, _)| pid);
        let status = watch(supervisor, &held, || false).map_err(could_not())?;
        let _ = end.read(&mut [0]);
        if let Some(ended) = restored(attendant, restore)? {
            return Ok(ended);
        }
        return match status.signal() {
            Some(signal) if !passed_on.contains(&signal) => Err(killed(signal)),
            _ => Ok(end_like(status)),
        };
    }
    drop(end);
    adopt(user).map_err(could_not())?;
    let supervisor = std::process::id().cast_signed();
    if let Some(child) = fork()? {
        drop(life);
        stand_apart().map_err(could_not())?;
        let status = watch(child, &held, || supervision::parent() != user);
        end_orphans(&[], PATIENCE);
        drop(attended);
        return Ok(end_like(status.map_err(could_not())?));
    }
    // Without the supervisor it stops and ends by itself what is below it.
    let stop = passed_on.last().copied().unwrap_or(libc::SIGKILL);
    supervision::hear_of_parent(stop).map_err(could_not())?;
    has_parent(supervisor).map_err(could_not())?;
    held.release().map_err(could_not())?;
    let ended = run(attended.map(|(_, orders)| Attendant::of(orders)));
    drop(life);
    Ok(ended)
}

/// Waits for the attendant; how it ended, if that was not well. A failed command it has told
/// of itself.
fn restored(attendant: Option<i32>, restore: Option<&str>) -> Result<Option<ExitCode>, LabError> {
    let Some(attendant) = attendant else {
        return Ok(None);
    };
    let reaped = usage::reap(attendant);
    let (status, _) = reaped.map_err(failed("could not wait for the restoring"))?;
    match status.signal() {
        Some(signal) => Err(LabError::Restore {
            command: restore.unwrap_or_default().to_owned(),
            why: format!("who was to run it was killed by {}", signal_name(signal)),
        }),
        None => Ok((!status.success()).then(|| end_like(status))),
    }
}

/// Leaves the user's group and its name to the others, and is heard of no more in the
/// terminal. No signal that may be caught keeps it from its work. They are caught and not
/// held back, as what it executes would have to do without them, too.
fn stand_beside(held: &Held, signals: &[i32]) -> io::Result<()> {
    supervision::leave_group()?;
    supervision::rename(c"attendant")?;
    for signal in signals {
        signal_hook::flag::register(*signal, Arc::default())?;
    }
    held.release()
}

fn fork() -> Result<Option<i32>, LabError> {
    let copied = Alone::make_sure().and_then(supervision::fork);
    copied.map_err(refused)
}

fn refused(error: io::Error) -> LabError {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => LimitError::NoProcess.into(),
        Some(libc::EMFILE) => LimitError::NoDescriptor.into(),
        _ => failed("could not start a supervisor")(error),
    }
}

/// Becomes the one that gets what loses its parent.
fn adopt(user: i32) -> io::Result<()> {
    // Any signal that is held back has it look around.
    supervision::hear_of_parent(libc::SIGCHLD)?;
    process::adopt_orphans()?;
    has_parent(user)
}

/// Leaves the user's session and its name to the others: whoever ends all processes of
/// that name leaves the supervisor time for its work.
fn stand_apart() -> io::Result<()> {
    supervision::leave_session()?;
    supervision::rename(c"supervisor")
}

/// A parent that died before a signal was asked for sends none.
fn has_parent(parent: i32) -> io::Result<()> {
    match supervision::parent() == parent {
        true => Ok(()),
        false => Err(io::Error::other("whoever started it is gone")),
    }
}

/// Passes signals on to a child until that has ended; kills it once it is `forsaken`.
fn watch(child: i32, held: &Held, forsaken: impl Fn() -> bool) -> io::Result<ExitStatus> {
    while process::still_runs(child)? {
        if forsaken() {
            process::kill(child, libc::SIGKILL)?;
            break;
        }
        match held.wait()? {
            libc::SIGCHLD => {}
            // The child was not waited for, so that its number is still its own. Where a
            // filter refuses the signal, the child's own end is still to come.
            signal => drop(process::kill(child, signal)),
        }
    }
    Ok(usage::reap(child)?.0)
}

/// Ends as another process has ended.
fn end_like(status: ExitStatus) -> ExitCode {
    const OF_SIGNALS: i32 = 128;
    if let Some(signal) = status.signal() {
        // Where it goes on, the status says it.
        let _ = supervision::die_by(signal);
    }
    let code = status
        .code()
        .or(status.signal().map(|signal| OF_SIGNALS + signal));
    let code = code.and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

fn killed(signal: i32) -> LabError {
    let why = match signal {
        libc::SIGSYS => ": a seccomp filter kills whoever makes a system call that it forbids",
        libc::SIGXCPU => ": RLIMIT_CPU is spent",
        _ => ": somebody sent a signal to it or to its supervisor, or memory ran out (see dmesg)",
    };
    let cause = io::Error::other(format!("killed by {}{why}", signal_name(signal)));
    failed("the run is gone")(cause)
}
