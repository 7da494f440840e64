//! The processes that spawned, and how large they were.

use std::collections::HashMap;

use super::spread;
use crate::model::{Availability, MOST_SPAWNERS, Missing, SizeSample, Spawn, Spawner};

/// Sizes of one process that are kept: enough to draw a line by.
const MOST_SIZES: usize = 64;

/// A process with the sizes that were read of it.
#[derive(Debug, Clone, Copy)]
pub struct Sized<'a> {
    /// Its number.
    pub pid: u32,
    /// The program that it executed last.
    pub program: usize,
    /// Its sizes, in order.
    pub sizes: &'a [SizeSample],
}

/// Those of the processes that spawned, the most spawns first. A number that several
/// processes had one after the other is told as the last of them.
pub fn spawners(
    processes: &[Sized<'_>],
    spawns: &[Spawn],
    calls: &Availability<()>,
) -> Vec<Spawner> {
    let mut by_pid: HashMap<u32, Vec<&Spawn>> = HashMap::new();
    for spawn in spawns {
        by_pid.entry(spawn.by).or_default().push(spawn);
    }
    let known: HashMap<u32, &Sized<'_>> = processes.iter().map(|it| (it.pid, it)).collect();
    let mut spawners: Vec<Spawner> = by_pid
        .into_iter()
        .filter_map(|(pid, spawns)| Some(spawner(known.get(&pid)?, &spawns, calls)))
        .collect();
    spawners.sort_by_key(|it| (std::cmp::Reverse(it.spawns), it.pid));
    spawners.truncate(MOST_SPAWNERS);
    spawners
}

fn spawner(process: &Sized<'_>, spawns: &[&Spawn], calls: &Availability<()>) -> Spawner {
    let copies = || spawns.iter().filter(|spawn| spawn.copies());
    Spawner {
        pid: process.pid,
        program: process.program,
        spawns: spawns.len() as u64,
        copies: copies().count() as u64,
        copy_ns: calls.and_then(|()| {
            let times = spread(copies().filter_map(|spawn| spawn.call_ns));
            Availability::of(times, || Missing::not_asked("it copied no address space"))
        }),
        sizes: thinned(process.sizes),
    }
}

/// At most so many, the first and the last among them.
fn thinned(sizes: &[SizeSample]) -> Vec<SizeSample> {
    if sizes.len() <= MOST_SIZES {
        return sizes.to_vec();
    }
    let last = sizes.len() - 1;
    (0..MOST_SIZES)
        .map(|at| sizes[at * last / (MOST_SIZES - 1)])
        .collect()
}
