//! Several parents that spawn at once: one is measured as a worker always is, and the others,
//! which are built like it, do the same beside it, each on a CPU of its own.
//!
//! All of them spawn by one method at a time, and then by the next, as what a fork costs
//! beside forks is the question. The others begin before the one that is measured and end
//! after it. They are workers, so that whatever ends a worker ends them.

use std::time::Duration;

use super::error::LabError;
use super::kernel::Kernel;
use super::outlook::{Outlook, Watch};
use super::session::{Inflated, Occasion, Recording};
use crate::model::{Placement, Plan};
use crate::profile::modes::Window;
use crate::worker::protocol::{Assignment, Done, Pass, schedule};

/// Where the others run, of so many parents.
pub(super) fn others(plan: &Plan, jobs: u64) -> Vec<Placement> {
    let cpus = plan.other_cpus.iter().copied().map(Placement::Pinned);
    let anywhere = std::iter::repeat(Placement::Free);
    let others = usize::try_from(jobs.saturating_sub(1)).unwrap_or(usize::MAX);
    cpus.chain(anywhere).take(others).collect()
}

/// Runs a worker from beginning to end beside others in these places. Its slice is that of
/// each method.
pub(super) fn run(
    kernel: &dyn Kernel,
    assignment: &Assignment,
    others: &[Placement],
    watch: &Watch,
    timeout: Duration,
    occasion: Occasion,
) -> Result<Recording, LabError> {
    let start = |assignment: &Assignment| Inflated::start(kernel, assignment, timeout);
    let mut measured = start(assignment)?;
    let others = others.iter().map(|placement| {
        start(&Assignment {
            placement: *placement,
            pass: Pass::Timing,
            ..assignment.clone()
        })
    });
    let mut others = others.collect::<Result<Vec<_>, _>>()?;
    let methods = measured.methods(assignment).len();
    let mut outlook = Outlook::open(kernel, measured.watched(assignment, watch));
    let mut done = Done::default();
    let mut ends = vec![Vec::new(); methods];
    for method in schedule(assignment.seed, &vec![0; methods], 1) {
        for other in &mut others {
            other.worker.accompany(method)?;
        }
        let alone = measured.worker.alone(method, &mut || outlook.collect())?;
        done = after(done, alone);
        for other in &mut others {
            ends[usize::from(method)].push(other.worker.halt()?);
        }
    }
    let watched = outlook.close();
    let recording = measured.recorded(assignment, done)?.end(occasion);
    let left_behind: u64 = others.iter_mut().map(|other| other.worker.end()).sum();
    let windows = recording.windows();
    let of = |(method, ends): (usize, &Vec<_>)| together(&windows, method, ends);
    Ok(Recording {
        all_per_second: ends.iter().enumerate().map(of).collect(),
        left_behind: recording.left_behind + left_behind,
        ..recording.seen(watch, watched)
    })
}

/// What the loops came to with one more; the last one counts the spawns of all.
fn after(before: Done, last: Done) -> Done {
    let shares = last.shares.iter().enumerate().map(|(counter, share)| {
        let before = before.shares.get(counter);
        before.map_or(*share, |before| share.min(*before))
    });
    Done {
        shares: shares.collect(),
        usage: before.usage.and(last.usage),
        ..last
    }
}

/// Spawns a second by a method, of the one that was measured and of the others: those that
/// ended while it was.
fn together(windows: &[Window], method: usize, ends: &[Vec<u64>]) -> Option<f64> {
    let mine: Vec<&Window> = windows.iter().filter(|window| window.2 == method).collect();
    let (begin, end) = (mine.first()?.0, mine.last()?.1);
    let a_second = |spawns: usize, until: u64| {
        let took = until.checked_sub(begin).filter(|took| *took > 0)?;
        Some(spawns as f64 * 1e9 / took as f64)
    };
    let of_other = |ends: &Vec<u64>| {
        // Later ones had no room to be written down.
        let until = end.min(*ends.last()?);
        let meanwhile = ends.iter().filter(|at| (begin + 1..=until).contains(at));
        a_second(meanwhile.count(), until)
    };
    let others: Option<Vec<f64>> = ends.iter().map(of_other).collect();
    Some(a_second(mine.len(), end)? + others?.iter().sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spawns of 10 ms each of two methods, one after the other.
    fn windows() -> Vec<Window> {
        let of = |spawn: u64| (spawn * 10_000_000, (spawn + 1) * 10_000_000, spawn / 4);
        let windows = (0..8).map(of);
        windows
            .map(|(begin, end, method)| (begin, end, usize::from(method > 0)))
            .collect()
    }

    #[test]
    fn what_others_did_meanwhile_is_counted_and_nothing_else() {
        let windows = windows();
        assert_eq!(together(&windows, 0, &[]), Some(100.0));
        assert_eq!(together(&windows, 2, &[]), None);
        let ms = |ends: &[u64]| ends.iter().map(|ms| ms * 1_000_000).collect::<Vec<u64>>();
        // Two of its five ended within the 40 ms.
        let slow = ms(&[39, 55, 75, 85, 95]);
        assert_eq!(together(&windows, 1, &[slow]), Some(150.0));
        // Of one with more than it could write down the beginning counts.
        let full = ms(&[42, 44, 46, 48, 50]);
        assert_eq!(together(&windows, 1, &[full]), Some(600.0));
        // One that has done nothing was not there.
        assert_eq!(together(&windows, 1, &[Vec::new()]), None);
    }

    #[test]
    fn a_counter_counted_as_little_as_it_did_once() {
        let done = |spawns, shares: &[f64]| Done {
            spawns,
            shares: shares.to_vec(),
            ..Done::default()
        };
        let first = after(Done::default(), done(3, &[1.0, 0.5]));
        assert_eq!(after(first, done(7, &[0.8, 0.9])), done(7, &[0.8, 0.5]));
    }
}
