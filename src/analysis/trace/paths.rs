//! The ways in which was spawned: by program, caller and call.

use std::collections::HashMap;

use super::spread;
use crate::model::{Availability, CallName, Missing, Spawn, SpawnPath};

/// What the spawns of a way have in common.
type Key = (usize, Option<usize>, CallName, u64);

/// The ways, the most spawns first. `calls` says whether calls were timed, or why not.
pub fn paths(spawns: &[Spawn], wall_ns: u64, calls: &Availability<()>) -> Vec<SpawnPath> {
    let mut by_key: HashMap<Key, Vec<&Spawn>> = HashMap::new();
    for spawn in spawns {
        let key = (spawn.program, spawn.caller, spawn.call, spawn.flags);
        by_key.entry(key).or_default().push(spawn);
    }
    let mut paths: Vec<SpawnPath> = by_key
        .into_iter()
        .map(|(key, spawns)| path(key, &spawns, wall_ns, calls))
        .collect();
    // Ways of as many spawns have an order of their own, whatever the table's was.
    paths.sort_by_key(|path| {
        let SpawnPath {
            program,
            caller,
            call,
            flags,
            ..
        } = *path;
        (
            std::cmp::Reverse(path.spawns),
            program,
            caller,
            call as u8,
            flags,
        )
    });
    paths
}

fn path(key: Key, spawns: &[&Spawn], wall_ns: u64, calls: &Availability<()>) -> SpawnPath {
    let (program, caller, call, flags) = key;
    let times = |of: fn(&Spawn) -> Option<u64>| spread(spawns.iter().filter_map(|it| of(it)));
    let unseen = |what: &'static str| move || Missing::not_asked(what);
    let call_ns = calls.and_then(|()| {
        let seen = times(|spawn| spawn.call_ns);
        Availability::of(
            seen,
            unseen("no such call returned before the watching ended"),
        )
    });
    SpawnPath {
        program,
        caller,
        call,
        flags,
        copies: spawns.first().is_some_and(|spawn| spawn.copies()),
        spawns: spawns.len() as u64,
        executed: spawns.iter().filter(|it| it.executed.is_some()).count() as u64,
        call_ns,
        to_exec_ns: Availability::of(
            times(|spawn| spawn.to_exec_ns),
            unseen("no child executed a program"),
        ),
        life_ns: Availability::of(
            times(|spawn| spawn.life_ns),
            unseen("no child ended before the watching did"),
        ),
        standing_share: calls.map(|()| standing(spawns, wall_ns)),
    }
}

/// The share of the time in which some thread stood in one of these calls.
pub(super) fn standing(spawns: &[&Spawn], wall_ns: u64) -> f64 {
    let mut calls: Vec<(u64, u64)> = spawns
        .iter()
        .filter_map(|spawn| Some((spawn.at_ns, spawn.at_ns.saturating_add(spawn.call_ns?))))
        .collect();
    calls.sort_unstable();
    let mut stood = 0;
    let mut until = 0;
    for (begin, end) in calls {
        stood += end.saturating_sub(begin.max(until));
        until = until.max(end);
    }
    stood as f64 / wall_ns.max(1) as f64
}
