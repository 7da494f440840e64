//! What a watched program did in a few sentences, the most useful first.

use std::collections::BTreeMap;

use super::{names, offences, savings};
use crate::model::{
    Document, FailedExec, SpawnPath, Trace, TraceBackend, TraceMeans, TraceOrder, TraceTarget,
};
use crate::report::view::closing;
use crate::report::view::number::{counted, integer, prose, significant};
use crate::units::harmless;

/// The most characters of a command.
const LONGEST: usize = 60;

/// The sentences, with those on what was `tried` on the dearest spawner.
pub(super) fn sentences(document: &Document, trace: &Trace, tried: Vec<String>) -> Vec<String> {
    let mut tried = tried.into_iter();
    let mut words = vec![in_all(document, trace)];
    words.extend(offence(trace));
    words.extend(savings::sentence(trace));
    words.extend(tried.next().or_else(|| untried(trace)));
    words.extend(most(trace));
    words.extend(in_place(trace));
    words.extend(standing(trace));
    words.extend(growth(trace));
    words.extend(failures(trace));
    words.extend(incomplete(trace));
    words.extend(tried);
    words
}

/// Why no remedy was tried, where that was asked for.
fn untried(trace: &Trace) -> Option<String> {
    let missing = trace.advised.as_ref()?.missing()?;
    Some(format!("No remedy was tried: {}.", missing.in_words()))
}

/// All spawns of the run.
fn spawns(paths: &[SpawnPath], which: impl Fn(&SpawnPath) -> bool) -> u64 {
    let spawns = paths.iter().filter(|path| which(path));
    spawns.fold(0, |sum, path| sum.saturating_add(path.spawns))
}

fn in_all(document: &Document, trace: &Trace) -> String {
    let all = spawns(&trace.paths, |_| true);
    let copies = spawns(&trace.paths, |path| path.copies);
    let target = document.plan.order.trace().map(|order| &order.target);
    let who = match target {
        Some(TraceTarget::Command { words }) => harmless(&words.join(" "), LONGEST),
        Some(TraceTarget::Process { pid, name }) => {
            format!("{} (PID {pid})", harmless(name, LONGEST))
        }
        Some(TraceTarget::Host) => "all processes of this host".to_owned(),
        None => "the program".to_owned(),
    };
    let seconds = significant(trace.wall_ns as f64 / 1e9);
    let copied = match (all, copies) {
        (0, _) => String::new(),
        (_, 0) => "; none of them copied an address space".to_owned(),
        (all, copies) if all == copies => "; each copied the address space".to_owned(),
        (_, copies) => format!("; {} of them copied the address space", integer(copies)),
    };
    let made = match all {
        0 => "no spawn".to_owned(),
        all => counted(all, "spawn"),
    };
    let whole = matches!(target, Some(TraceTarget::Host));
    let below = if whole { "" } else { " and its descendants" };
    format!("{who}{below} made {made} in {seconds} s{copied}.")
}

fn offence(trace: &Trace) -> Option<String> {
    let found = trace.offences.len() as u64;
    (found > 0).then(|| {
        let first = offences::sentences(trace).swap_remove(0);
        let more = match found {
            1 => String::new(),
            more => format!(" (and {} more)", integer(more - 1)),
        };
        format!("{first}{more}.")
    })
}

/// From where most copies come.
fn most(trace: &Trace) -> Option<String> {
    let copies = spawns(&trace.paths, |path| path.copies);
    let mut by_caller: BTreeMap<Option<usize>, u64> = BTreeMap::new();
    for path in trace.paths.iter().filter(|path| path.copies) {
        let of_caller = by_caller.entry(path.caller).or_default();
        *of_caller = of_caller.saturating_add(path.spawns);
    }
    let (caller, count) = by_caller.into_iter().max_by_key(|(_, count)| *count)?;
    if count.saturating_mul(2) <= copies {
        return None;
    }
    let programs = trace.paths.iter();
    let programs = programs.filter(|path| path.copies && path.caller == caller);
    let mut programs: Vec<usize> = programs.map(|path| path.program).collect();
    programs.dedup();
    let whose = match programs.as_slice() {
        [one] => format!(" of {}", names::program(trace, *one)),
        _ => String::new(),
    };
    let what = match (count, count == copies) {
        (1, _) => "The copy comes".to_owned(),
        (_, true) => format!("All {} copies come", integer(count)),
        (_, false) => format!("Most copies, {}, come", integer(count)),
    };
    Some(format!(
        "{what} from {}{whose}.",
        names::caller(trace, caller)
    ))
}

/// What could take the place of copies.
fn in_place(trace: &Trace) -> Option<String> {
    let copying = trace.paths.iter().filter(|path| path.copies);
    let (made, executed) = copying.fold((0_u64, 0_u64), |(made, executed), path| {
        (
            made.saturating_add(path.spawns),
            executed.saturating_add(path.executed),
        )
    });
    match (made, executed) {
        (0, _) => None,
        (_, 0) => Some(
            "No child of a copy was seen to execute a program: neither posix_spawn nor vfork can \
             start what works as a copy."
                .to_owned(),
        ),
        (made, executed) if made == executed => Some(
            "Every child of a copy executed a program, which posix_spawn(3) can do without a copy, \
             unless something else must be done in the child before."
                .to_owned(),
        ),
        (made, executed) => Some(format!(
            "Of the children of copies {} executed a program, which posix_spawn(3) can do without a \
             copy, unless something else must be done in the child before; of {} no execution was \
             seen.",
            integer(executed),
            integer(made.saturating_sub(executed))
        )),
    }
}

/// How long all stood in calls that copy, unless that was said of the dearest of them, which
/// were all.
fn standing(trace: &Trace) -> Option<String> {
    let copies = spawns(&trace.paths, |path| path.copies);
    if trace
        .savings
        .first()
        .is_some_and(|first| first.replaceable == copies)
    {
        return None;
    }
    let copying = trace.paths.iter().filter(|path| path.copies);
    let calls = copying.filter_map(|path| path.call_ns.measured());
    let total: f64 = calls.map(|call| call.total).sum();
    (total > 0.0).then(|| {
        format!(
            "The calls that copied took {} in all, of all processes together{}.",
            prose(total),
            match trace.watched {
                TraceBackend::Tracepoints => "",
                TraceBackend::Ptrace | TraceBackend::PtraceFiltered => {
                    ", with forktax's stops in them"
                }
            }
        )
    })
}

/// Whether the one that copies most grew.
fn growth(trace: &Trace) -> Option<String> {
    const GREW: u64 = 2;
    let spawner = trace.spawners.iter().max_by_key(|it| it.copies)?;
    let [first, .., last] = spawner.sizes.as_slice() else {
        return None;
    };
    let tables = |bytes: u64| integer(bytes >> 10);
    let grew = first.page_table_bytes > 0
        && last.page_table_bytes >= first.page_table_bytes.saturating_mul(GREW);
    (spawner.copies > 0 && grew).then(|| {
        format!(
            "{} (PID {}) grew while it spawned: its page tables, of which a fork copies those of its \
             own pages, from {} to {} KiB.",
            names::program(trace, spawner.program),
            spawner.pid,
            tables(first.page_table_bytes),
            tables(last.page_table_bytes)
        )
    })
}

fn failures(trace: &Trace) -> Option<String> {
    let failed = trace.failed_execs.measured()?;
    let sum = |which: &dyn Fn(&&FailedExec) -> bool| {
        let times = failed.iter().filter(which).map(|failed| failed.times);
        times.fold(0, u64::saturating_add)
    };
    let (all, found) = (sum(&|_| true), sum(&|failed| failed.then_found));
    (all > 0).then(|| {
        let found = match found {
            0 => String::new(),
            found => format!(
                ", {} of them of processes that then executed something, as in a search along PATH",
                integer(found)
            ),
        };
        format!("{} failed{found}.", counted(all, "execution"))
    })
}

fn incomplete(trace: &Trace) -> Option<String> {
    (trace.incomplete > 0).then(|| {
        format!(
            "Of {} the creation was not seen{}: they are in no row of ways.",
            processes(trace.incomplete),
            match trace.watched {
                TraceBackend::Tracepoints => {
                    ", or not whole: it had begun before, a record was lost, or the caller is a \
                     32-bit program"
                }
                TraceBackend::Ptrace | TraceBackend::PtraceFiltered => {
                    ", as who created them was killed in that moment"
                }
            }
        )
    })
}

/// What there is to tell of the run.
pub(super) fn run(document: &Document, trace: &Trace) -> Vec<String> {
    let mut lines = vec![format!(
        "{} seen in {} s, and {} created; {}",
        processes(trace.processes),
        significant(trace.wall_ns as f64 / 1e9),
        counted(trace.threads, "thread"),
        closing::stopped(&document.run.stopped)
    )];
    if let Some(ended) = trace.ended.measured() {
        lines.push(format!("the command ended: {}", names::ending(*ended)));
    }
    if trace.left_running > 0 {
        lines.push(format!(
            "{} went on unwatched",
            processes(trace.left_running)
        ));
    }
    lines.extend(looks(trace));
    if trace.unlisted > 0 {
        lines.push(format!(
            "the document lists the first {} of the spawns one by one; all are in the tables",
            integer(trace.spawns.len() as u64)
        ));
    }
    lines
}

/// What it took to look at those that copying spawns were made from.
fn looks(trace: &Trace) -> Option<String> {
    let parents = || trace.savings.iter().flat_map(|row| &row.parents);
    let took_ns = parents().fold(0, |sum: u64, parent| sum.saturating_add(parent.took_ns));
    let count = parents().count() as u64;
    (count > 0).then(|| {
        format!(
            "what forks of {} copy was looked at, which took {}: calls and ways to exec that were \
             under way meanwhile have no time",
            processes(count),
            prose(took_ns as f64)
        )
    })
}

fn processes(count: u64) -> String {
    match count {
        1 => "1 process".to_owned(),
        count => format!("{} processes", integer(count)),
    }
}

/// How it was watched.
pub(super) fn method(order: &TraceOrder) -> String {
    if order.by == TraceMeans::Tracepoints {
        return "by the kernel's tracepoints on every CPU, which stop nobody and make spawns and \
                executions, and a little all system calls of the host, slower: times are \
                those of the kernel's records"
            .to_owned();
    }
    match order.call_times {
        false => "by ptrace(2), which stops a process where it creates another, \
                            executes a program, or gets a signal: times from there on hold the \
                            stops in them; calls are not timed"
            .to_owned(),
        true => "by ptrace(2), with a seccomp filter that stops a process \
                                    before and after calls that create processes or execute \
                                    programs: all times hold the stops in them"
            .to_owned(),
    }
}
