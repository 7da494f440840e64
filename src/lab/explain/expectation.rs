//! From the tallies of several workers to the page faults of one spawn, each
//! with its interval and with what was to be expected.
//!
//! An expectation is derived from a rule of the kernel or from a smaller
//! address space, and says which. Where neither tells, there is none: a guess
//! that happens to be right would teach nothing.

use crate::model::{
    Availability, FaultCause, FaultCount, FaultPhase, Faults, Missing, SpawnMethod,
};
use crate::profile::faults::FaultTally;
use crate::stats::{DRAWS, mean_replicates};

/// What an expectation can rest on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expectation<'a> {
    /// The method.
    pub(super) method: SpawnMethod,
    /// Whether the program is the embedded one, and no other comes before it.
    pub(super) embedded: bool,
    /// The faults of the same method from a worker that was not inflated.
    pub(super) small: Option<&'a Faults>,
}

/// The faults of one spawn by the method of that index, from all workers.
pub(super) fn faults(
    workers: &[FaultTally],
    method: usize,
    seed: u64,
    expectation: &Expectation<'_>,
) -> Result<Faults, Missing> {
    let of_method = |tally: &FaultTally| {
        let spawns = tally.spawns.iter();
        spawns.filter(|spawn| spawn.method == method).count() as u64
    };
    let spawns = workers.iter().map(of_method).sum();
    if spawns == 0 {
        return Err(Missing::not_asked("no spawn of this method was looked at"));
    }
    let pairs = FaultPhase::ALL
        .into_iter()
        .flat_map(|phase| FaultCause::ALL.map(|cause| (phase, cause)));
    let counts = pairs.filter_map(|(phase, cause)| {
        let counts: Vec<Vec<f64>> = workers
            .iter()
            .map(|tally| tally.per_spawn(method, phase, cause))
            .collect();
        let counted = mean_replicates(&counts, seed, DRAWS)?.estimate();
        let (expected, rule) = expectation.of(phase, cause);
        let row = FaultCount {
            phase,
            cause,
            counted,
            expected,
            rule,
        };
        is_telling(&row).then_some(row)
    });
    let lost = workers.iter().map(|tally| tally.lost);
    Ok(Faults {
        spawns,
        lost: lost.fold(0, u64::saturating_add),
        counts: counts.collect(),
    })
}

/// Whether there is something to see: a fault, one that should have been, or
/// the copying that a method does without.
fn is_telling(row: &FaultCount) -> bool {
    let foretold = row.expected.measured().is_some_and(|count| *count > 0.0);
    let copies = row.cause == FaultCause::CopyOnWrite
        && matches!(
            row.phase,
            FaultPhase::ParentAfter | FaultPhase::ChildBeforeExec
        );
    row.counted.value > 0.0 || foretold || copies
}

/// Whether the child uses its parent's memory until it executes a program;
/// `None` where that is libc's secret.
fn shares_memory(method: SpawnMethod) -> Option<bool> {
    match method {
        SpawnMethod::Fork | SpawnMethod::ForkPipe => Some(false),
        // Both libcs clone with CLONE_VM, glibc since 2.24.
        SpawnMethod::Vfork
        | SpawnMethod::VforkLibc
        | SpawnMethod::Clone3Vfork
        | SpawnMethod::Clone3IntoCgroup
        | SpawnMethod::PidfdSpawn
        | SpawnMethod::PosixSpawn
        | SpawnMethod::PosixSpawnUsevfork
        | SpawnMethod::PosixSpawnHelper => Some(true),
        SpawnMethod::Std | SpawnMethod::System | SpawnMethod::ForkServer => None,
    }
}

impl Expectation<'_> {
    /// How many faults are to be expected, and by which rule.
    fn of(&self, phase: FaultPhase, cause: FaultCause) -> (Availability<f64>, String) {
        let shares = shares_memory(self.method);
        let of_the_worker = matches!(
            phase,
            FaultPhase::ParentBefore | FaultPhase::ParentAfter | FaultPhase::ChildBeforeExec
        );
        let copies = cause == FaultCause::CopyOnWrite;
        if shares == Some(true) && of_the_worker && copies {
            let rule = "the child uses the parent's memory, so nothing is write-protected";
            return (Availability::Measured(0.0), rule.to_owned());
        }
        if self.embedded && (phase, cause) == (FaultPhase::Program, FaultCause::File) {
            let rule = "the program is one page of text";
            return (Availability::Measured(1.0), rule.to_owned());
        }
        match self.small {
            Some(small) => from_small(small, phase, cause),
            None => missing("nothing foretells the faults of the empty worker itself"),
        }
    }
}

/// What a spawn from the empty worker had. Neither the child before its exec, nor
/// the parent's own stack and heap, nor the program touches the memory that the
/// worker was inflated with.
fn from_small(small: &Faults, phase: FaultPhase, cause: FaultCause) -> (Availability<f64>, String) {
    let mut counts = small.counts.iter();
    let count = counts.find(|count| (count.phase, count.cause) == (phase, cause));
    let base = count.map_or(0.0, |count| count.counted.value);
    let rule = "as many as from the empty worker: no inflated page is touched";
    (Availability::Measured(base), rule.to_owned())
}

fn missing(reason: &str) -> (Availability<f64>, String) {
    (Availability::not_asked(reason), String::new())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::faults::{MapRange, Observed, Source, SpawnStamps, tally};
    use crate::stats::Estimate;
    use crate::sys::events::{Mode, SampleEvent};
    use FaultCause::{CopyOnWrite, File};
    use FaultPhase::{ChildBeforeExec, ParentAfter, Program};

    /// A worker of two methods in turn. After each spawn of the first it writes
    /// to `parent` pages of its own, and each child of the first writes to one.
    fn worker(spawns: u64, parent: u64) -> FaultTally {
        let windows: Vec<(u64, u64, usize)> = (0..spawns)
            .flat_map(|turn| {
                let begin = turn * 1_000;
                [(begin, begin + 100, 0), (begin + 500, begin + 600, 1)]
            })
            .collect();
        let fault = |time_ns, pid, address| SampleEvent::Fault {
            time_ns,
            pid,
            address,
            mode: Mode::User,
        };
        let fork = |time_ns| SampleEvent::Fork {
            time_ns,
            pid: 2,
            ppid: 1,
        };
        let mut events = Vec::new();
        for &(begin, end, method) in &windows {
            events.push(fork(begin + 1));
            if method == 0 {
                events.push(fault(begin + 2, 2, 0x1000));
                events.extend((1..=parent).map(|page| fault(end, 1, page << 12)));
            }
        }
        let map = [MapRange {
            start: 0x1000,
            end: 0x100_0000,
            source: Source::Anonymous,
            writable: true,
            own: vec![[0x1000, 0x100_0000]],
        }];
        let observed = Observed {
            worker: 1,
            spawns: &SpawnStamps::in_order(&windows),
            map: &map,
            page_size: 4096,
        };
        tally(&events, &observed)
    }

    fn expectation(method: SpawnMethod) -> Expectation<'static> {
        Expectation {
            method,
            embedded: false,
            small: None,
        }
    }

    fn row(faults: &Faults, phase: FaultPhase, cause: FaultCause) -> &FaultCount {
        let mut rows = faults.counts.iter();
        rows.find(|row| (row.phase, row.cause) == (phase, cause))
            .unwrap()
    }

    #[test]
    fn workers_add_up_to_a_mean_with_its_interval() {
        let workers = [worker(10, 2), worker(10, 4), worker(20, 3)];
        let faults = &faults(&workers, 0, 7, &expectation(SpawnMethod::Fork)).unwrap();
        assert_eq!((faults.spawns, faults.lost), (40, 0));
        let parent = row(faults, ParentAfter, CopyOnWrite);
        let [low, high] = parent.counted.ci95;
        assert_eq!(parent.counted.value, 3.0);
        assert!(low < 3.0 && high > 3.0);
        let child = row(faults, ChildBeforeExec, CopyOnWrite);
        assert_eq!(child.counted, Estimate::exact(1.0));
        assert!(child.expected.missing().is_some() && child.rule.is_empty());
        assert_eq!(faults.counts.len(), 2);
    }

    #[test]
    fn a_child_in_its_parent_s_memory_makes_nothing_to_copy() {
        let alone = expectation(SpawnMethod::Vfork);
        let measured = &faults(&[worker(5, 2)], 1, 7, &alone).unwrap();
        for phase in [ParentAfter, ChildBeforeExec] {
            let row = row(measured, phase, CopyOnWrite);
            assert_eq!(
                (row.counted.value, row.expected.measured()),
                (0.0, Some(&0.0))
            );
        }
    }

    #[test]
    fn the_small_worker_foretells_the_large_one() {
        let fork = expectation(SpawnMethod::Fork);
        let small = faults(&[worker(5, 2)], 0, 7, &fork);
        let large = Expectation {
            small: small.as_ref().ok(),
            ..fork
        };
        let measured = &faults(&[worker(5, 32)], 0, 7, &large).unwrap();
        let parent = row(measured, ParentAfter, CopyOnWrite);
        assert_eq!(
            (parent.counted.value, parent.expected.measured()),
            (32.0, Some(&2.0)),
            "what is counted does not depend on what is foretold"
        );
        let alone = &faults(&[worker(5, 2)], 0, 7, &fork).unwrap();
        let parent = row(alone, ParentAfter, CopyOnWrite);
        assert!(parent.expected.missing().is_some() && parent.rule.is_empty());
    }

    #[test]
    fn what_libc_does_for_std_is_not_guessed() {
        let small = faults(&[worker(5, 2)], 0, 7, &expectation(SpawnMethod::Fork));
        let std = Expectation {
            small: small.as_ref().ok(),
            ..expectation(SpawnMethod::Std)
        };
        let expected = std.of(ParentAfter, CopyOnWrite).0;
        assert_eq!(expected, Availability::Measured(2.0));
    }

    #[test]
    fn the_embedded_program_is_one_page() {
        let embedded = Expectation {
            embedded: true,
            ..expectation(SpawnMethod::Fork)
        };
        let measured = faults(&[worker(1, 0)], 0, 7, &embedded);
        let row = row(measured.as_ref().unwrap(), Program, File);
        assert_eq!(
            (row.counted.value, row.expected.measured()),
            (0.0, Some(&1.0))
        );
    }

    #[test]
    fn a_method_without_spawns_has_no_faults_at_all() {
        let none = faults(&[worker(3, 1)], 2, 7, &expectation(SpawnMethod::Fork));
        assert!(none.is_err());
    }
}
