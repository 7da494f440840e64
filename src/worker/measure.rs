//! The measured loop, the heart of the tool.
//!
//! Between the first stamp and the second there is the call that spawns and
//! nothing else; between the second and the third the wait and nothing else.
//! What varies (the pass, hot or cold) is a type, so that no option is looked
//! at inside the loop, and nothing in it allocates.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};

use super::pause::Pause;
use super::probe::Probe;
use super::protocol::{FIRST_RECORD, Failure, HALT_WORD, PROGRESS_WORD, record};
use crate::model::SpawnMethod;
use crate::sys::clock::now_ns;
use crate::sys::in_words;
use crate::sys::spawn::Spawn;

/// A method that takes turns.
pub(super) struct Contender {
    pub(super) method: SpawnMethod,
    pub(super) spawner: Box<dyn Spawn>,
    /// Spawns without a record before each that has one, so that no method pays
    /// for the one before it. A fork of thousands of pages leaves the caches
    /// without a trace of the next method's code, which would then be found
    /// twice as dear as after a spawn of its own; and it leaves the parent's
    /// pages write-protected, whose faults would be booked on the next method.
    pub(super) rehearsals: u8,
}

/// When the loop ends: at the schedule's end, or after the turn in which the
/// slice is spent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Spawns before the turns begin.
    pub(super) extras: usize,
    /// Spawns in a turn.
    pub(super) turn: usize,
    /// Spawns that were recorded before, in the places of the first records.
    pub(super) behind: usize,
    /// The fewest spawns, however long they take.
    pub(super) least_spawns: usize,
    /// The slice, from the loop's beginning.
    pub(super) slice_ns: u64,
}

/// Spawns in the order of `schedule`, one record a spawn, and returns how many
/// spawns were recorded.
pub(super) fn run(
    contenders: &mut [Contender],
    schedule: &[u8],
    limits: Limits,
    shared: &[AtomicU64],
    probe: &mut impl Probe,
    pause: &mut impl Pause,
) -> Result<usize, Failure> {
    let stride = record::WORDS + probe.words();
    let records = shared[FIRST_RECORD + limits.behind * stride..].chunks_exact(stride);
    let deadline = now_ns().saturating_add(limits.slice_ns);
    let mut spawns = 0;
    for (choice, words) in schedule.iter().zip(records) {
        let contender = &mut contenders[usize::from(*choice)];
        for _ in 0..contender.rehearsals {
            try_once(contender, shared)?;
        }
        let Contender {
            method, spawner, ..
        } = contender;
        pause.pause();
        probe.begin();
        let before = now_ns();
        let (called, status) = match spawner.spawn() {
            Ok(spawned) => (now_ns(), spawned.wait()),
            Err(error) => return Err(call_failed(*method, &error)),
        };
        let reaped = now_ns();
        let (head, rest) = words.split_at(record::WORDS);
        probe.end(rest);
        head[record::METHOD].store(u64::from(*choice), Ordering::Relaxed);
        head[record::BEFORE].store(before, Ordering::Relaxed);
        head[record::CALLED].store(called, Ordering::Relaxed);
        head[record::REAPED].store(reaped, Ordering::Relaxed);
        succeeded(*method, status)?;
        spawns += 1;
        shared[PROGRESS_WORD].fetch_add(1, Ordering::Relaxed);
        let is_enough = spawns >= limits.least_spawns && reaped >= deadline;
        if is_enough && (spawns - limits.extras).is_multiple_of(limits.turn) {
            break;
        }
    }
    Ok(spawns)
}

/// Spawns until the lab has it stop: how many times. When each spawn ended is written in the
/// words of all records, and from the first of them on again once they are full.
pub(super) fn accompany(contender: &mut Contender, shared: &[AtomicU64]) -> Result<usize, Failure> {
    let mut ends = shared[FIRST_RECORD..].iter().cycle();
    let mut spawns = 0;
    while shared[HALT_WORD].load(Ordering::Relaxed) == 0 {
        try_once(contender, shared)?;
        if let Some(end) = ends.next() {
            end.store(now_ns(), Ordering::Relaxed);
        }
        spawns += 1;
    }
    Ok(spawns)
}

/// Spawns once, without a record, and tells how many nanoseconds it took.
pub(super) fn try_once(contender: &mut Contender, shared: &[AtomicU64]) -> Result<u64, Failure> {
    let method = contender.method;
    shared[PROGRESS_WORD].fetch_add(1, Ordering::Relaxed);
    let before = now_ns();
    let status = match contender.spawner.spawn() {
        Ok(spawned) => spawned.wait(),
        Err(error) => return Err(call_failed(method, &error)),
    };
    succeeded(method, status)?;
    Ok(now_ns() - before)
}

fn succeeded(method: SpawnMethod, status: io::Result<ExitStatus>) -> Result<(), Failure> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::Child {
            method,
            status: status.into_raw(),
        }),
        Err(error) => Err(call_failed(method, &error)),
    }
}

/// The failure of a call that spawns, or that prepares for it.
pub(super) fn call_failed(method: SpawnMethod, error: &io::Error) -> Failure {
    Failure::Spawn {
        method,
        why: in_words(error),
        no_room: matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_room_says_nothing_of_a_method() {
        let no_room = |number| match call_failed(
            SpawnMethod::Clone3Vfork,
            &io::Error::from_raw_os_error(number),
        ) {
            Failure::Spawn { no_room, .. } => no_room,
            other => panic!("{other}"),
        };
        assert!(no_room(libc::EAGAIN) && no_room(libc::ENOMEM));
        assert!(!no_room(libc::ENOSYS) && !no_room(libc::EPERM));
    }
}
