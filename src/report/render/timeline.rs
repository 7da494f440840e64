//! A watched program as a timeline, in the Trace Event format that Perfetto, Chrome and
//! Firefox's profiler open: a track a process, its life and the program that it executed as
//! slices, the spawning calls as slices of who made them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::{Missing, Spawn, Stored, Trace};
use crate::report::view::traced as names;

/// The timeline, one event a line.
pub(in crate::report) fn render(stored: &Stored) -> Result<String, Missing> {
    let trace = match stored {
        Stored::Run(document) => document.findings.trace(),
        Stored::Comparison(_) => None,
    };
    let trace = trace.ok_or_else(|| Missing::not_asked("no program was watched"))?;
    let mut events: Vec<Value> = tracks(trace);
    for spawn in &trace.spawns {
        events.extend(call(trace, spawn));
        events.extend(life(trace, spawn));
    }
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    Ok(format!(
        "{{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n{}\n]}}\n",
        lines.join(",\n")
    ))
}

/// A name for each process: the last program that it is known to have had.
fn tracks(trace: &Trace) -> Vec<Value> {
    let mut known: BTreeMap<u32, usize> = BTreeMap::new();
    for spawn in &trace.spawns {
        known.entry(spawn.by).or_insert(spawn.program);
        known.insert(spawn.child, spawn.executed.unwrap_or(spawn.program));
    }
    known
        .iter()
        .map(|(pid, program)| {
            let name = names::program(trace, *program);
            json!({"ph": "M", "name": "process_name", "pid": pid, "tid": pid, "args": {"name": name}})
        })
        .collect()
}

/// The call, as a slice of who made it; an instant where calls were not timed.
fn call(trace: &Trace, spawn: &Spawn) -> Option<Value> {
    let name = names::call(spawn.call, spawn.flags);
    let args = json!({
        "child": spawn.child,
        "from": names::caller(trace, spawn.caller),
        "copies the address space": spawn.copies(),
    });
    let (pid, ts) = (spawn.by, us(spawn.at_ns));
    Some(match spawn.call_ns {
        Some(call_ns) => json!({
            "ph": "X", "cat": "spawn", "name": name, "pid": pid, "tid": spawn.thread, "ts": ts,
            "dur": us(call_ns), "args": args,
        }),
        None => json!({
            "ph": "i", "s": "p", "cat": "spawn", "name": name, "pid": pid, "tid": spawn.thread, "ts": ts,
            "args": args,
        }),
    })
}

/// The child, as far as its end was seen, and its program within.
fn life(trace: &Trace, spawn: &Spawn) -> Vec<Value> {
    let pid = spawn.child;
    let end_ns = spawn.life_ns;
    let slice = |name: String, cat: &str, from_ns: u64| {
        let begin = json!({
            "ph": "B", "cat": cat, "name": name, "pid": pid, "tid": pid,
            "ts": us(spawn.at_ns.saturating_add(from_ns)),
        });
        let end = end_ns.map(|end_ns| {
            json!({
                "ph": "E", "cat": cat, "name": name, "pid": pid, "tid": pid,
                "ts": us(spawn.at_ns.saturating_add(end_ns)),
                "args": {"ended": spawn.ending.map(names::ending)},
            })
        });
        [Some(begin), end].into_iter().flatten()
    };
    let mut events: Vec<Value> = Vec::new();
    let born = slice(names::program(trace, spawn.program), "copy", 0);
    let program = spawn
        .to_exec_ns
        .zip(spawn.executed)
        .map(|(to_exec_ns, program)| slice(names::program(trace, program), "program", to_exec_ns));
    // Slices nest: the inner one ends first.
    let mut outer: Vec<Value> = born.collect();
    let inner: Vec<Value> = program.into_iter().flatten().collect();
    let closing = outer.split_off(1);
    events.append(&mut outer);
    events.extend(inner);
    events.extend(closing);
    events
}

/// Microseconds, to the nanosecond.
fn us(ns: u64) -> f64 {
    ns as f64 / 1e3
}
