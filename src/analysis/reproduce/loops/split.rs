//! A run's time, and which part of it was spent where.

use crate::model::Loop;

/// Sums of medians are not medians of sums: by so much they may exceed them.
const SLACK: f64 = 1.02;

/// Seconds of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// By the clock.
    pub real: f64,
    /// Of the CPUs, in user mode and in the kernel, where both fit into that.
    pub cpu: Option<[f64; 2]>,
}

impl Split {
    /// As it was published.
    pub fn published(row: &Loop) -> Option<Self> {
        let figures = row.published?;
        let cpu = [figures.user_s, figures.sys_s];
        Self::of_a_run(figures.real_s, Some(cpu), figures.iterations)
    }

    /// As it was measured here.
    pub fn here(row: &Loop) -> Option<Self> {
        let looped = row.here.measured()?;
        let cpu = looped.user_s.measured().zip(looped.sys_s.measured());
        let cpu = cpu.map(|(user, sys)| [user.value, sys.value]);
        Self::of_a_run(looped.real_s.value, cpu, row.iterations)
    }

    /// `None` if the real time is no time.
    fn of_a_run(real: f64, cpu: Option<[f64; 2]>, iterations: u64) -> Option<Self> {
        let runs = iterations as f64;
        let real = real / runs;
        let cpu = cpu.map(|parts| parts.map(|seconds| seconds / runs));
        let fits = |parts: &[f64; 2]| {
            parts.iter().all(|part| part.is_finite() && *part >= 0.0)
                && parts.iter().sum::<f64>() <= real * SLACK
        };
        (real.is_finite() && real > 0.0).then_some(Self {
            real,
            cpu: cpu.filter(fits),
        })
    }
}
