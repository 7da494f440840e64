//! Several parents that spawn at once: one is measured as a worker always is, and the others,
//! which are built like it, do the same beside it.
//!
//! All of them spawn by one method at a time, and then by the next, as what a fork costs
//! beside forks is the question. The others begin before the one that is measured and end
//! after it. They are workers, so that whatever ends a worker ends them.

use std::time::Duration;

use super::error::LabError;
use super::kernel::{Ends, Kernel};
use super::outlook::{Outlook, Watch};
use super::runner::MOST_TURNS;
use super::session::{Inflated, Occasion, Recording};
use crate::model::{Availability, Missing, Placement, Plan, SpawnMethod};
use crate::profile::modes::Window;
use crate::worker::protocol::{Assignment, Done, Failure, Pass, schedule};

/// Turns for whose records one of the others has room. It writes the end of each spawn in a
/// word of these: as many as it comes to until it is told that the one that is timed, which
/// has a tenth of these turns at the most, has ended.
const ROOM: usize = 10 * MOST_TURNS;

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
    let are_elsewhere = others.iter().all(|placement| *placement != Placement::Free);
    let others = others.iter().map(|placement| {
        start(&Assignment {
            placement: *placement,
            pass: Pass::Timing,
            turns: ROOM,
            ..assignment.clone()
        })
    });
    let mut others = others.collect::<Result<Vec<_>, _>>()?;
    let works = measured.methods(assignment);
    let of_others = others.iter().map(|other| other.methods(assignment));
    check_methods(assignment.space.mappings(), &works, of_others)?;
    let methods = works.len();
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
    let of = |(method, ends): (usize, &Vec<Ends>)| together(&windows, method, ends);
    let mut waiting = recording.waiting.clone();
    if are_elsewhere {
        waiting.elsewhere += cpu_time(&ends);
    }
    Ok(Recording {
        waiting,
        all_per_second: ends.iter().enumerate().map(of).collect(),
        has_company: !others.is_empty(),
        left_behind: recording.left_behind + left_behind,
        ..recording.seen(watch, watched)
    })
}

/// Makes sure that the same methods work in all of them, as each knows a method by its number
/// among those that work there.
fn check_methods(
    mappings: u64,
    works: &[SpawnMethod],
    mut others: impl Iterator<Item = Vec<SpawnMethod>>,
) -> Result<(), LabError> {
    let names = |methods: &[SpawnMethod]| {
        let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
        names.join(",")
    };
    match others.find(|other| other != works) {
        None => Ok(()),
        Some(other) => Err(LabError::Worker {
            mappings,
            failure: Failure::Setup {
                what: "parents that spawn at once are not alike".to_owned(),
                why: format!(
                    "{} can be had in one, and {} in another; run again",
                    names(works),
                    names(&other)
                ),
            },
        }),
    }
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

/// The CPU time of all others, who tell it each time that they are told to stop.
fn cpu_time(ends: &[Vec<Ends>]) -> Duration {
    let of = |ends: &Vec<Ends>| ends.iter().map(|ends| ends.cpu_time).sum();
    ends.iter().map(of).max().unwrap_or_default()
}

/// Spawns a second by a method, of the one that was measured and of the others: those that
/// ended while it was.
fn together(windows: &[Window], method: usize, ends: &[Ends]) -> Availability<f64> {
    let mut mine = windows.iter().filter(|window| window.2 == method);
    let Some(first) = mine.next() else {
        return Availability::unavailable("the parent that was timed came to no spawn", None);
    };
    let (begin, end) = (first.0, mine.clone().next_back().unwrap_or(first).1);
    let alone = a_second(1 + mine.count(), begin, end);
    let others = ends.iter().map(|ends| of_other(ends, begin, end));
    let all = std::iter::once(alone).chain(others).sum();
    Availability::of(all, || {
        let reason = "what another parent did meanwhile was not written down";
        Missing::unavailable(reason, Some("run again"))
    })
}

/// The same of one of the others, meanwhile: from when on each of its ends is known.
fn of_other(ends: &Ends, begin: u64, end: u64) -> Option<f64> {
    let oldest = *ends.last.first()?;
    let since = match ends.spawns > ends.last.len() {
        true => begin.max(oldest),
        false => begin,
    };
    let meanwhile = ends.last.iter().filter(|at| since < **at && **at <= end);
    a_second(meanwhile.count(), since, end)
}

fn a_second(spawns: usize, since: u64, until: u64) -> Option<f64> {
    let took = until.checked_sub(since).filter(|took| *took > 0)?;
    Some(spawns as f64 * 1e9 / took as f64)
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
        let all = |method, ends: &[Ends]| together(&windows, method, ends).measured().copied();
        let ends = |ms: &[u64], forgotten: usize| Ends {
            spawns: ms.len() + forgotten,
            last: ms.iter().map(|ms| ms * 1_000_000).collect(),
            ..Ends::default()
        };
        assert_eq!(all(0, &[]), Some(100.0));
        assert_eq!(all(2, &[]), None);
        // Two of its five ended within the 40 ms.
        let slow = || ends(&[39, 55, 75, 85, 95], 0);
        assert_eq!(all(1, &[slow()]), Some(150.0));
        assert_eq!(all(1, &[slow(), slow()]), Some(200.0));
        // It began after the 40 ms had, and its first end counts.
        assert_eq!(all(1, &[ends(&[79, 90], 0)]), Some(125.0));
        // Of one with more than it could write down the end counts.
        let full = ends(&[72, 74, 76, 78, 80, 82], 1);
        assert_eq!(all(1, &[full]), Some(600.0));
        // It began long before, and what it has forgotten is of that time.
        assert_eq!(all(1, &[ends(&[38, 44, 56, 68, 80], 9)]), Some(200.0));
        // One that has done nothing was not there; one forgot it all.
        assert_eq!(all(1, &[Ends::default()]), None);
        assert_eq!(all(1, &[slow(), ends(&[81, 82], 1)]), None);
    }

    #[test]
    fn of_what_others_had_of_their_cpus_the_last_word_counts() {
        let told = |ms| Ends {
            cpu_time: Duration::from_millis(ms),
            ..Ends::default()
        };
        // The second method came first.
        let ends = [vec![told(50), told(60)], vec![told(20), told(30)]];
        assert_eq!(cpu_time(&ends), Duration::from_millis(110));
        assert_eq!(cpu_time(&[Vec::new()]), Duration::ZERO);
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
