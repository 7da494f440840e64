//! Remedies for the dearest spawner of a program that was watched: `forktax advise` tries them,
//! in a process of its own. It ends whatever falls to it, and what was watched may go on.

use std::io::{self, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::analysis::shape::to_json;
use crate::cli::output;
use crate::lab::Dearest;
use crate::lab::linux::Stop;
use crate::model::{Availability, Document, Missing, Stored};
use crate::report;
use crate::sys::process;
use crate::sys::shared::memory_file;

/// What came of them, or why nothing did.
pub(super) fn advised(
    dearest: Result<Dearest, Missing>,
    stop: &Stop,
    quiet: bool,
) -> Availability<Box<Document>> {
    let advised = dearest.and_then(|dearest| {
        let facts = &dearest.shape.process;
        let pid = facts.pid.unwrap_or_default();
        output::tell(
            quiet,
            &format!(
                "remedies are tried on the shape that {} (PID {pid}) had",
                facts.name
            ),
        );
        tried(&dearest, stop, quiet).map_err(|why| {
            Missing::unavailable(
                format!("forktax advise could not try remedies: {why}"),
                Some(
                    "give it the process while it runs, with --pid, or a shape of it that forktax \
                     shape has stored",
                ),
            )
        })
    });
    advised.into()
}

/// Has them tried: a shape goes in, a document comes out, and the talk is on stderr.
fn tried(dearest: &Dearest, stop: &Stop, quiet: bool) -> anyhow::Result<Box<Document>> {
    let mut orders = memory_file(c"forktax-shape", false)?;
    orders.write_all(&to_json(&dearest.shape)?)?;
    orders.rewind()?;
    let mut answer = memory_file(c"forktax-advice", false)?;
    let child = if dearest.executes { "exec" } else { "exit" };
    let mut advise = Command::new("/proc/self/exe");
    advise.args([
        "advise", "--shape", "-", "--format", "json", "--child", child,
    ]);
    advise.args(quiet.then_some("--quiet"));
    advise.stdin(orders).stdout(answer.try_clone()?);
    let advising = process::kill_with_parent(&mut advise).spawn()?;
    let ended = await_end(advising, stop)?;
    answer.rewind()?;
    match report::parse(answer) {
        Ok(Stored::Run(document)) => Ok(document),
        _ => match ended_by(ended) {
            Some(signal) => anyhow::bail!("it was ended by signal {signal}"),
            None => anyhow::bail!("it said why on stderr ({ended})"),
        },
    }
}

/// The signal that ended it; of one that it heard and ended for, its status tells.
fn ended_by(ended: ExitStatus) -> Option<i32> {
    let told = ended.code().and_then(|code| code.checked_sub(128));
    ended.signal().or(told.filter(|signal| *signal > 0))
}

/// Waits for it, and has it hear of what asks for an end.
fn await_end(mut advising: Child, stop: &Stop) -> io::Result<ExitStatus> {
    /// Little beside what it takes.
    const PAUSE: Duration = Duration::from_millis(50);
    loop {
        if let Some(ended) = advising.try_wait()? {
            return Ok(ended);
        }
        let asked = i32::try_from(stop.0.swap(0, Ordering::Relaxed));
        // Those of the keyboard the terminal has delivered to it already.
        if let Ok(signal @ (libc::SIGTERM | libc::SIGHUP)) = asked {
            // It fails for one that has just ended.
            let _ = process::kill(advising.id().cast_signed(), signal);
        }
        std::thread::sleep(PAUSE);
    }
}
