//! The records of a watched program: its ways to spawn, the programs that were executed,
//! the processes that spawned, and what failed, by their names.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Record, part, run, short};
use crate::model::{Availability, EndingCount, Missing, Trace};
use crate::report::view::traced as names;

/// What was counted over the whole run, and what was not to be seen, by their names in the
/// document.
#[derive(Serialize)]
struct Whole<'a> {
    wall_ns: u64,
    processes: u64,
    left_running: u64,
    threads: u64,
    incomplete: u64,
    unlisted: u64,
    failed_execs: Option<&'a Missing>,
    failed_calls: Option<&'a Missing>,
}

/// All of them, and what was counted over the whole run first.
pub(super) fn records(about: &Record, trace: &Trace, into: &mut Vec<Record>) {
    let about = Record {
        child: String::new(),
        baseline: String::new(),
        ..about.clone()
    };
    let whole = Whole {
        wall_ns: trace.wall_ns,
        processes: trace.processes,
        left_running: trace.left_running,
        threads: trace.threads,
        incomplete: trace.incomplete,
        unlisted: trace.unlisted,
        failed_execs: trace.failed_execs.missing(),
        failed_calls: trace.failed_calls.missing(),
    };
    part(&about, "run", &whole, into);
    let program = |at: usize| short(&names::program(trace, at));
    for path in &trace.paths {
        let call = names::call(path.call, path.flags);
        let about = Record {
            parent: program(path.program),
            method: short(&format!(
                "{call} from {}",
                names::caller(trace, path.caller)
            )),
            ..about.clone()
        };
        part(&about, "ways", path, into);
    }
    for row in &trace.executed {
        let about = Record {
            child: program(row.program),
            ..about.clone()
        };
        part(&about, "programs", row, into);
        for EndingCount { ending, times } in &row.endings {
            let name = names::ending(*ending).replace(' ', "_");
            let ended = BTreeMap::from([(name, times)]);
            let about = Record {
                unit: "count".to_owned(),
                ..about.clone()
            };
            part(&about, "endings", &ended, into);
        }
    }
    for row in &trace.spawners {
        let about = Record {
            parent: short(&format!("{} {}", program(row.program), row.pid)),
            ..about.clone()
        };
        part(&about, "spawners", row, into);
    }
    for row in &trace.savings {
        let about = Record {
            parent: program(row.program),
            ..about.clone()
        };
        part(&about, "savings", row, into);
    }
    failures(&about, trace, into);
    if let Some(advised) = &trace.advised {
        match advised {
            Availability::Measured(advice) => run(advice, into),
            missing => part(&about, "advised", missing, into),
        }
    }
}

fn failures(about: &Record, trace: &Trace, into: &mut Vec<Record>) {
    for offence in &trace.offences {
        let program = offence.program.map(|at| names::program(trace, at));
        let pid = offence
            .pid
            .map_or_else(String::new, |pid| format!(" {pid}"));
        let about = Record {
            parent: short(&format!("{}{pid}", program.unwrap_or_default())),
            child: short(offence.path.as_deref().unwrap_or_default()),
            method: offence
                .caller
                .map_or_else(String::new, |at| short(&names::caller(trace, Some(at)))),
            ..about.clone()
        };
        let named = BTreeMap::from([(offence.check.to_string(), offence)]);
        part(&about, "offences", &named, into);
    }
    for failed in trace.failed_execs.measured().into_iter().flatten() {
        let about = Record {
            parent: short(&names::program(trace, failed.by)),
            child: short(&failed.path),
            verdict: names::error(failed.errno),
            ..about.clone()
        };
        part(&about, "failed_execs", failed, into);
    }
    for failed in trace.failed_calls.measured().into_iter().flatten() {
        let about = Record {
            parent: short(&names::program(trace, failed.program)),
            method: names::call(failed.call, 0),
            verdict: names::error(failed.errno),
            ..about.clone()
        };
        part(&about, "failed_calls", failed, into);
    }
}
