//! The timed spawns of workers, and which of them figures are made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stats::{FEWEST_WORKERS, HostState};

/// No luck is more, as a logarithm.
const MOST_LUCK: f64 = 9.0;

/// The timed spawns of one worker, in order; all methods of a space have the
/// same workers, and the same index is the same turn.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct WorkerSamples {
    /// The round in which the worker ran.
    pub round: u32,
    /// Its place among all visits of the run: the readings of the reference of this index
    /// and of the next were taken right before it and right after it. Absent where there
    /// was no reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visit: Option<usize>,
    /// The state that the host was in meanwhile; absent of the quiet one or the only one.
    #[serde(default, skip_serializing_if = "HostState::is_quiet")]
    pub host: HostState,
    /// Whether figures are made of it although the host was not surely quiet: its parent has
    /// fewer than three workers that it was quiet for, and this is one of those that make
    /// them three. Absent if not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stands_in: bool,
    /// By how much the logarithms of its times are off because the host was slower meanwhile
    /// than in the mean of the run, as the reference tells; figures are made of times without
    /// it. Absent of 0.
    #[serde(default, skip_serializing_if = "is_none")]
    pub luck: f64,
    /// The share of its time in which neither it nor a child of it ran, because they slept
    /// or others had the CPU: by `RUSAGE_SELF` and `RUSAGE_CHILDREN` around the loop. Absent
    /// where the loop was not timed as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_share: Option<f64>,
    /// Of a run in which several parents spawn at once: spawns a second of this method of all
    /// of them, this worker's among them, counted while it was timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_per_second: Option<f64>,
    /// Call times, without the clock's cost. Of `system` the time until it had waited
    /// itself.
    pub call_ns: Vec<u64>,
    /// Total times, without the clock's cost.
    pub total_ns: Vec<u64>,
}

impl WorkerSamples {
    /// Whether figures are made of it, where there are enough of those.
    pub fn counts(&self) -> bool {
        self.host.is_quiet() || self.stands_in
    }

    /// Its times in nanoseconds, without its luck.
    pub fn without_luck(&self, of: fn(&Self) -> &[u64]) -> Vec<f64> {
        let slower = self.slower();
        of(self).iter().map(|ns| *ns as f64 / slower).collect()
    }

    /// By what factor it was slower than it would have been on the mean host. A document may
    /// have been forged: no host is off by thousands.
    pub fn slower(&self) -> f64 {
        self.luck.clamp(-MOST_LUCK, MOST_LUCK).exp()
    }

    /// Its call times.
    pub fn calls(&self) -> &[u64] {
        &self.call_ns
    }

    /// Its total times.
    pub fn totals(&self) -> &[u64] {
        &self.total_ns
    }
}

/// Keeps the workers that figures are made of: those that the host was quiet for, where
/// they tell how workers differ, and otherwise all.
pub fn keep_quiet<T>(workers: &mut Vec<T>, counts: impl Fn(&T) -> bool) {
    let counting = workers.iter().filter(|worker| counts(worker)).count();
    if counting >= FEWEST_WORKERS {
        workers.retain(counts);
    }
}

/// Those of a sample that have spawned.
pub fn quiet_workers<'a>(
    samples: impl IntoIterator<Item = &'a WorkerSamples>,
) -> Vec<&'a WorkerSamples> {
    let samples = samples.into_iter();
    let mut workers: Vec<&WorkerSamples> = samples.filter(|w| !w.total_ns.is_empty()).collect();
    keep_quiet(&mut workers, |worker| worker.counts());
    workers
}

/// Their times in nanoseconds without their luck, worker by worker.
pub fn times(samples: &[WorkerSamples], of: fn(&WorkerSamples) -> &[u64]) -> Vec<Vec<f64>> {
    times_of(&quiet_workers(samples), of)
}

/// Spawns a second of all parents that spawned at once, worker by worker; none where one of
/// them lacks it, or of a worker alone, whose one figure does not tell how far off it may be.
pub fn rates(samples: &[WorkerSamples]) -> Vec<Vec<f64>> {
    let rate = |worker: &WorkerSamples| {
        worker
            .all_per_second
            .map(|rate| vec![rate * worker.slower()])
    };
    let workers = quiet_workers(samples).into_iter();
    let rates: Option<Vec<Vec<f64>>> = workers.map(rate).collect();
    rates.filter(|rates| rates.len() > 1).unwrap_or_default()
}

/// The times of some workers, without their luck.
pub fn times_of(workers: &[&WorkerSamples], of: fn(&WorkerSamples) -> &[u64]) -> Vec<Vec<f64>> {
    let times = workers.iter().map(|worker| worker.without_luck(of));
    times.collect()
}

fn is_none(luck: &f64) -> bool {
    *luck == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(host: HostState, total: u64) -> WorkerSamples {
        WorkerSamples {
            round: 0,
            visit: None,
            host,
            stands_in: false,
            luck: 0.0,
            idle_share: None,
            all_per_second: None,
            call_ns: vec![1],
            total_ns: vec![total],
        }
    }

    #[test]
    fn workers_of_a_slow_host_count_where_too_few_others_are() {
        use HostState::{Between, Quiet, Slow};
        let totals = |samples: &[WorkerSamples]| times(samples, WorkerSamples::totals).concat();
        let mut samples = [(Quiet, 1), (Slow, 9), (Quiet, 2), (Between, 5), (Quiet, 3)]
            .map(|(host, total)| worker(host, total))
            .to_vec();
        assert_eq!(totals(&samples), [1.0, 2.0, 3.0]);
        assert_eq!(times(&samples, WorkerSamples::calls).concat(), [1.0; 3]);
        samples.pop();
        assert_eq!(totals(&samples), [1.0, 9.0, 2.0, 5.0]);
    }

    #[test]
    fn a_rate_that_one_worker_lacks_is_none() {
        let with = |rate| WorkerSamples {
            all_per_second: rate,
            ..worker(HostState::Quiet, 1)
        };
        let told = [with(Some(8.0)), with(Some(9.0))];
        assert_eq!(rates(&told), [[8.0], [9.0]]);
        assert!(rates(&told[..1]).is_empty());
        assert!(rates(&[with(Some(8.0)), with(None), with(Some(9.0))]).is_empty());
    }

    #[test]
    fn luck_is_in_no_time_and_no_rate_and_in_the_samples() {
        let lucky = |luck: f64| WorkerSamples {
            luck,
            all_per_second: Some(100.0),
            ..worker(HostState::Quiet, 150)
        };
        let samples = [lucky(1.5_f64.ln()), lucky(0.0)];
        let told = times(&samples, WorkerSamples::totals).concat();
        assert!(
            (told[0] - 100.0).abs() < 1e-9 && told[1] == 150.0,
            "{told:?}"
        );
        assert!((rates(&samples)[0][0] - 150.0).abs() < 1e-9);
        assert_eq!(samples[0].totals(), [150]);
        let forged = lucky(1e300).without_luck(WorkerSamples::totals);
        assert!(forged[0] > 0.0, "{forged:?}");
    }
}
