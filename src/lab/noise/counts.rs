//! What the kernel counts, out of the texts in which it tells it. Their forms are described
//! in the kernel's filesystems/proc.rst, accounting/psi.rst and scheduler/sched-stats.rst.

use std::time::Duration;

use super::both;
use crate::model::Missing;

/// A step of /proc/stat in milliseconds: `USER_HZ` is 100 on every machine that this is
/// built for.
const STEP_MS: u64 = 10;

/// What CPUs did since the host was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuTimes {
    /// All that the kernel has booked: less than the time that went by, where it counts
    /// ticks and not time.
    pub all: Duration,
    /// Idle, waiting for a disk or not: exact, wherever idle CPUs have no tick.
    pub idle: Duration,
    /// Given to others by a hypervisor.
    pub stolen: Result<Duration, Missing>,
}

impl CpuTimes {
    /// The times of these CPUs together, out of /proc/stat.
    ///
    /// # Errors
    /// That one of them is not told.
    pub fn of(stat: &str, cpus: &[usize]) -> Result<Self, Missing> {
        let told = each(stat);
        let mut times = cpus.iter().map(|cpu| {
            time_of(*cpu, &told).cloned().ok_or_else(|| {
                Missing::unavailable(format!("/proc/stat does not tell of CPU {cpu}"), None)
            })
        });
        let none = || Err(Missing::unavailable("no CPU is known", None));
        let first = times.next().unwrap_or_else(none)?;
        times.try_fold(first, |sum, one| Ok(sum.and(&one?)))
    }

    /// user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of
    /// these.
    fn of_line(line: &str) -> Option<Self> {
        let words = line.split_ascii_whitespace().take(8);
        let time = |word: &str| {
            let steps: u64 = word.parse().ok()?;
            steps.checked_mul(STEP_MS).map(Duration::from_millis)
        };
        let times: Vec<Duration> = words.map(time).collect::<Option<_>>()?;
        let iowait = times.get(4).copied().unwrap_or_default();
        let stolen = times.get(7).copied();
        Some(Self {
            all: times.iter().sum(),
            idle: *times.get(3)? + iowait,
            stolen: stolen
                .ok_or_else(|| Missing::unavailable("/proc/stat tells no steal time here", None)),
        })
    }

    /// What came since an earlier reading. The kernel's counts may go back by a step.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            all: self.all.saturating_sub(earlier.all),
            idle: self.idle.saturating_sub(earlier.idle),
            stolen: both(&self.stolen, &earlier.stolen, |now, then| {
                now.saturating_sub(*then)
            }),
        }
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        Self {
            all: self.all + other.all,
            idle: self.idle + other.idle,
            stolen: both(&self.stolen, &other.stolen, |a, b| *a + *b),
        }
    }
}

/// The times of each CPU that is told of.
fn each(stat: &str) -> Vec<(usize, CpuTimes)> {
    let of_line = |line: &str| {
        let (cpu, times) = line.strip_prefix("cpu")?.split_once(' ')?;
        Some((cpu.parse().ok()?, CpuTimes::of_line(times)?))
    };
    stat.lines().filter_map(of_line).collect()
}

fn time_of(cpu: usize, told: &[(usize, CpuTimes)]) -> Option<&CpuTimes> {
    let mut told = told.iter();
    told.find(|(told, _)| *told == cpu).map(|(_, times)| times)
}

/// How much of its time a CPU was used by whomever, or a hypervisor kept it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CpuUse {
    /// Which.
    pub cpu: usize,
    /// The share.
    pub share: f64,
}

/// The use of CPUs between two readings of /proc/stat. None if one of them is not told of,
/// or the counts stand still.
pub fn used(stats: [&str; 2], cpus: &[usize], took: Duration) -> Option<Vec<CpuUse>> {
    let told = stats.map(each);
    let of_one = |cpu: &usize| {
        let [from, to] = [&told[0], &told[1]].map(|told| time_of(*cpu, told));
        let times = to?.since(from?);
        if times.all.is_zero() || took.is_zero() {
            return None;
        }
        let idle = times.idle.as_secs_f64() / took.as_secs_f64();
        Some(CpuUse {
            cpu: *cpu,
            share: (1.0 - idle).clamp(0.0, 1.0),
        })
    };
    cpus.iter().map(of_one).collect()
}

/// For how long some task has waited, out of a file of /proc/pressure.
pub fn pressure(text: &str) -> Option<Duration> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let mut words = some.split_ascii_whitespace();
    let total = words.find_map(|word| word.strip_prefix("total="))?;
    total.parse().ok().map(Duration::from_micros)
}

/// How long a task has waited for a CPU, in nanoseconds, out of its schedstat. A kernel
/// that keeps no such account says that the task had never run.
pub fn run_delay_ns(schedstat: &str) -> Option<u64> {
    let words = schedstat.split_ascii_whitespace();
    let words: Option<Vec<u64>> = words.map(|word| word.parse().ok()).collect();
    match words?.as_slice() {
        [_, waited, slices, ..] if *slices > 0 => Some(*waited),
        _ => None,
    }
}

/// How often a task was moved to another CPU, out of its sched.
pub fn migrations(sched: &str) -> Option<u64> {
    let mut lines = sched.lines().filter_map(|line| line.split_once(':'));
    let named = |(name, _): &(&str, &str)| name.trim_end() == "se.nr_migrations";
    lines.find(named)?.1.trim().parse().ok()
}

/// Kilohertz, out of scaling_cur_freq, as hertz.
pub fn frequency_hz(text: &str) -> Option<u64> {
    let khz: u64 = text.trim().parse().ok()?;
    khz.checked_mul(1_000)
}
