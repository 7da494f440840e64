//! What a watched program did that it must not.

use std::collections::BTreeMap;

use crate::model::{Caller, Check, FailedExec, Offence, Spawn, TracedProgram};

/// All that checks look at.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The spawns.
    pub spawns: &'a [Spawn],
    /// Executions that failed, if they were seen.
    pub failed_execs: &'a [FailedExec],
    /// The programs that these name.
    pub programs: &'a [TracedProgram],
    /// The callers that these name.
    pub callers: &'a [Caller],
}

/// The offences, in the order of the checks; of one check by process and caller.
pub fn offences(checks: &[Check], found: &Found<'_>) -> Vec<Offence> {
    checks
        .iter()
        .flat_map(|check| against(*check, found))
        .collect()
}

fn against(check: Check, found: &Found<'_>) -> Vec<Offence> {
    match check {
        Check::Fork => by_spawner(check, found, is_fork),
        Check::Copies => by_spawner(check, found, Spawn::copies),
        Check::System => by_spawner(check, found, |spawn| is_system(spawn, found)),
        Check::Call { most_ns } => by_spawner(check, found, |spawn| {
            spawn.call_ns.is_some_and(|call_ns| call_ns > most_ns)
        }),
        Check::ExecFailed => {
            let failed = found.failed_execs.iter();
            let failed = failed.filter(|failed| !failed.then_found);
            failed
                .map(|failed| Offence {
                    program: Some(failed.by),
                    path: Some(failed.path.clone()),
                    errno: Some(failed.errno),
                    ..nobodys(check, failed.times)
                })
                .collect()
        }
        Check::Count { most } => {
            let spawns = found.spawns.len() as u64;
            let exceeds = (spawns > most).then(|| nobodys(check, spawns));
            exceeds.into_iter().collect()
        }
    }
}

fn nobodys(check: Check, times: u64) -> Offence {
    Offence {
        check,
        pid: None,
        program: None,
        caller: None,
        path: None,
        errno: None,
        times,
        longest_ns: None,
    }
}

fn by_spawner(check: Check, found: &Found<'_>, offends: impl Fn(&Spawn) -> bool) -> Vec<Offence> {
    let mut by: BTreeMap<(u32, usize, Option<usize>), Offence> = BTreeMap::new();
    for spawn in found.spawns.iter().filter(|spawn| offends(spawn)) {
        let key = (spawn.by, spawn.program, spawn.caller);
        let offence = by.entry(key).or_insert_with(|| Offence {
            pid: Some(spawn.by),
            program: Some(spawn.program),
            caller: spawn.caller,
            ..nobodys(check, 0)
        });
        offence.times += 1;
        offence.longest_ns = offence.longest_ns.max(spawn.call_ns);
    }
    by.into_values().collect()
}

/// Whether a process goes on as two: without a namespace of its own, which a container's
/// start would make.
pub(super) fn is_fork(spawn: &Spawn) -> bool {
    /// CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
    /// (include/uapi/linux/sched.h).
    const NAMESPACES: u64 = 0x80 | 0x2_0000 | 0x7e00_0000;
    spawn.copies() && spawn.flags & NAMESPACES == 0
}

fn is_system(spawn: &Spawn, found: &Found<'_>) -> bool {
    const FUNCTIONS: [&str; 2] = ["system", "popen"];
    let caller = spawn.caller.and_then(|caller| found.callers.get(caller));
    let function = caller
        .and_then(|caller| caller.library.as_ref())
        .and_then(|place| place.function.as_deref());
    let program = spawn.executed.and_then(|at| found.programs.get(at));
    function.is_some_and(|function| FUNCTIONS.contains(&function))
        || program.is_some_and(|program| program.is_shell_command)
}
