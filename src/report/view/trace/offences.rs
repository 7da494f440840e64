//! What the checks found, a sentence each.

use super::names;
use crate::model::{Check, Offence, Trace};
use crate::report::view::number::{counted, integer, prose};
use crate::units::harmless;

/// The most characters of a path.
const LONGEST: usize = 200;

/// One line for each offence.
pub(in crate::report) fn sentences(trace: &Trace) -> Vec<String> {
    let lines = trace.offences.iter();
    lines.map(|offence| sentence(trace, offence)).collect()
}

fn sentence(trace: &Trace, offence: &Offence) -> String {
    let by = offence.program.map(|at| names::program(trace, at));
    let by = by.unwrap_or_else(|| "a program".to_owned());
    let by = match offence.pid {
        Some(pid) => format!("{by} (PID {pid})"),
        None => by,
    };
    let from = format!("from {}", names::caller(trace, offence.caller));
    let times = |noun: &str| counted(offence.times, noun);
    let what = match offence.check {
        Check::Fork => format!("{by} made {} {from}", times("fork")),
        Check::Copies => format!(
            "{by} made {} with a copy of its address space {from}",
            times("spawn")
        ),
        Check::System => format!("{by} made {} of a shell's command {from}", times("spawn")),
        Check::Call { .. } => format!(
            "{by} stood in {} for longer, at the most for {} {from}",
            times("call"),
            prose(offence.longest_ns.unwrap_or(0) as f64)
        ),
        Check::ExecFailed => format!(
            "{by} could not execute {} ({}), {} x",
            harmless(offence.path.as_deref().unwrap_or_default(), LONGEST),
            offence.errno.map_or_else(String::new, names::error),
            integer(offence.times)
        ),
        Check::Count { .. } => format!("there were {}", times("spawn")),
    };
    format!("--fail-on '{}': {what}", offence.check)
}
