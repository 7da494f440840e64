//! What the host does beside a run: from the kernel's counts at the ends of each round to
//! what others had of the CPUs, and what the run waited.
//!
//! Pure but for the files that `linux` opens and hands to [`counts`]. Nothing here is
//! subtracted from a figure.

pub mod counts;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::counts::CpuTimes;
use super::limits::most_spent;
use crate::model::{Availability, CpuQuota, Missing, Noise, NoiseSpan};

/// The kernel's counts at one moment.
#[derive(Debug, Clone)]
pub struct Reading {
    /// When, on the run's clock.
    pub at: Duration,
    /// The CPUs that workers run on.
    pub cpus: Vec<usize>,
    /// Their times together.
    pub times: Result<CpuTimes, Missing>,
    /// The CPU time that the run's own processes had on them.
    pub own: Duration,
    /// For how long some task had waited for a CPU.
    pub cpu_pressure: Result<Duration, Missing>,
    /// The same for memory.
    pub memory_pressure: Result<Duration, Missing>,
    /// What the pinned CPU runs at.
    pub frequency_hz: Result<u64, Missing>,
    /// The CPU quotas of the run's control groups as they stand, the tightest first.
    pub cpu_quotas: Vec<CpuQuota>,
}

/// What became of one worker, without its children.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// How long it waited for a CPU.
    pub run_delay_ns: Result<u64, Missing>,
    /// How often it was moved to another.
    pub migrations: Result<u64, Missing>,
    /// The CPU time that it, and others beside it, had on CPUs which are not watched.
    pub elsewhere: Duration,
}

/// The rounds of a run, as they end.
#[derive(Debug, Default)]
pub(super) struct NoiseLog {
    /// The quotas before the first round.
    quotas: Vec<CpuQuota>,
    last: Option<Reading>,
    workers: Vec<Waiting>,
    rounds: Vec<Grown>,
}

impl NoiseLog {
    /// Rounds begin.
    pub(super) fn begin(&mut self, reading: Reading) {
        if self.last.is_none() {
            self.quotas.clone_from(&reading.cpu_quotas);
        }
        self.last = Some(reading);
        self.workers.clear();
    }

    /// Hears of a worker that is about to end.
    pub(super) fn worker(&mut self, waiting: Waiting) {
        self.workers.push(waiting);
    }

    /// A round ends, and the next begins.
    pub(super) fn round_ends(&mut self, reading: Reading) {
        let workers = std::mem::take(&mut self.workers);
        let last = self.last.replace(reading.clone());
        let grown = last.map(|last| Grown::between(&last, &reading, &workers));
        self.rounds.extend(grown);
    }

    /// What there was, if a round came to its end.
    pub(super) fn noise(&self) -> Option<Noise> {
        let whole = self.rounds.iter().cloned().reduce(|a, b| a.and(&b))?;
        let last = self.last.as_ref()?;
        let quotas = last.cpu_quotas.iter().filter_map(|last| {
            let mut before = self.quotas.iter();
            Some(last.since(before.find(|first| first.file == last.file)?))
        });
        let quotas: Vec<CpuQuota> = quotas.collect();
        Some(Noise {
            cpus: last.cpus.clone(),
            cpu_quota: most_spent(&quotas).cloned(),
            whole: whole.span(),
            rounds: self.rounds.iter().map(Grown::span).collect(),
        })
    }
}

/// How much the counts grew.
#[derive(Debug, Clone)]
struct Grown {
    took: Duration,
    /// The time of all CPUs that were watched.
    room: Duration,
    times: Result<CpuTimes, Missing>,
    own: Duration,
    cpu_pressure: Result<Duration, Missing>,
    memory_pressure: Result<Duration, Missing>,
    frequency_hz: Result<u64, Missing>,
    /// None without a worker.
    waiting: Option<Waiting>,
}

impl Grown {
    fn between(from: &Reading, to: &Reading, workers: &[Waiting]) -> Self {
        let took = to.at.saturating_sub(from.at);
        let grown = |from: &Result<Duration, Missing>, to: &Result<Duration, Missing>| {
            both(from, to, |from, to| to.saturating_sub(*from))
        };
        let elsewhere: Duration = workers.iter().map(|worker| worker.elsewhere).sum();
        Self {
            took,
            room: took * u32::try_from(to.cpus.len()).unwrap_or(u32::MAX),
            times: both(&from.times, &to.times, |from, to| to.since(from)),
            own: to.own.saturating_sub(from.own + elsewhere),
            cpu_pressure: grown(&from.cpu_pressure, &to.cpu_pressure),
            memory_pressure: grown(&from.memory_pressure, &to.memory_pressure),
            frequency_hz: to.frequency_hz.clone(),
            waiting: workers.iter().cloned().reduce(|a, b| a.and(&b)),
        }
    }

    /// This and what came after it.
    fn and(self, later: &Self) -> Self {
        let sum = |a: &Result<Duration, Missing>, b: &Result<Duration, Missing>| {
            both(a, b, |a, b| *a + *b)
        };
        Self {
            took: self.took + later.took,
            room: self.room + later.room,
            times: both(&self.times, &later.times, CpuTimes::and),
            own: self.own + later.own,
            cpu_pressure: sum(&self.cpu_pressure, &later.cpu_pressure),
            memory_pressure: sum(&self.memory_pressure, &later.memory_pressure),
            frequency_hz: later.frequency_hz.clone(),
            waiting: match (self.waiting, &later.waiting) {
                (Some(a), Some(b)) => Some(a.and(b)),
                (a, b) => a.or_else(|| b.clone()),
            },
        }
    }

    fn span(&self) -> NoiseSpan {
        let of_time = |grown: &Result<Duration, Missing>| {
            Availability::from(grown.clone()).and_then(|grown| self.share(*grown, self.took))
        };
        let of_workers = |of: fn(&Waiting) -> &Result<u64, Missing>| {
            let none = || Missing::not_asked("no worker came to its end in this time");
            let found = self.waiting.as_ref().map(|waiting| of(waiting).clone());
            Availability::from(found.unwrap_or_else(|| Err(none())))
        };
        NoiseSpan {
            duration_s: self.took.as_secs_f64(),
            others_share: self.of_cpus(|times| Ok(self.others(times))),
            steal_share: self.of_cpus(|times| times.stolen.clone()),
            run_delay_ns: of_workers(|waiting| &waiting.run_delay_ns),
            migrations: of_workers(|waiting| &waiting.migrations),
            frequency_hz: self.frequency_hz.clone().into(),
            cpu_pressure_share: of_time(&self.cpu_pressure),
            memory_pressure_share: of_time(&self.memory_pressure),
        }
    }

    /// What was neither idle, nor stolen, nor the run's.
    fn others(&self, times: &CpuTimes) -> Duration {
        let stolen = times.stolen.clone().unwrap_or_default();
        let accounted = times.idle + stolen + self.own;
        self.room.saturating_sub(accounted)
    }

    /// The share of something in the CPUs' time.
    fn of_cpus(
        &self,
        of: impl FnOnce(&CpuTimes) -> Result<Duration, Missing>,
    ) -> Availability<f64> {
        /// A step of the kernel's counts is 2 % of this.
        const SHORTEST: Duration = Duration::from_millis(500);
        let times = match &self.times {
            Ok(times) => times,
            Err(missing) => return Availability::Missing(missing.clone()),
        };
        if self.took < SHORTEST {
            return Availability::unavailable(
                "it was too short for what the kernel counts in steps of 10 ms",
                Some("raise --time"),
            );
        }
        if times.all.is_zero() {
            return Availability::unavailable(
                "the times of /proc/stat stand still here, as in some containers",
                None,
            );
        }
        Availability::from(of(times)).and_then(|part| self.share(*part, self.room))
    }

    fn share(&self, part: Duration, whole: Duration) -> Availability<f64> {
        let share = part.as_secs_f64() / whole.as_secs_f64();
        Availability::of(share.is_finite().then_some(share.min(1.0)), || {
            Missing::unavailable("it took no time", None)
        })
    }
}

impl Waiting {
    fn and(&self, other: &Self) -> Self {
        let sum = |a: &Result<u64, Missing>, b: &Result<u64, Missing>| {
            both(a, b, |a, b| a.saturating_add(*b))
        };
        Self {
            run_delay_ns: sum(&self.run_delay_ns, &other.run_delay_ns),
            migrations: sum(&self.migrations, &other.migrations),
            elsewhere: self.elsewhere + other.elsewhere,
        }
    }
}

/// What two figures make together, or why one of them is missing.
fn both<A, B>(
    a: &Result<A, Missing>,
    b: &Result<A, Missing>,
    make: impl FnOnce(&A, &A) -> B,
) -> Result<B, Missing> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok(make(a, b)),
        (Err(missing), _) | (_, Err(missing)) => Err(missing.clone()),
    }
}
