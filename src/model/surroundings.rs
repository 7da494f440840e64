//! What surrounds a process: limits that its spawns meet, and that are none of its shape's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What surrounded a process when it was read, as far as it bears on its spawns.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Surroundings {
    /// Limits that a spawn counts against: those that are set and were to be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<SpawnLimit>,
    /// The soft `RLIMIT_NOFILE`: below it are the numbers that its descriptors may have, and
    /// that some children close one by one; absent if it is unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// The seccomp filters that its system calls pass (`Seccomp_filters` of its status, since
    /// Linux 5.9); absent where that is not told. How long they are only a tracer sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seccomp_filters: Option<u64>,
    /// The tightest CPU quota of its control group and those above it; absent without one, or
    /// where none was to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<CpuQuota>,
    /// Of its control groups the one whose quota was spent in the largest share of its
    /// periods, where that is another than the tightest, which `cpu_quota` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttled_by: Option<CpuQuota>,
}

impl Surroundings {
    /// Its quotas.
    pub fn quotas(&self) -> impl Iterator<Item = &CpuQuota> {
        self.cpu_quota.iter().chain(&self.throttled_by)
    }
}

/// A CPU quota of a control group, or of one above it.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct CpuQuota {
    /// The CPU time that the group's tasks may have together in each period: `cpu.max`, in
    /// version 1 `cpu.cfs_quota_us`.
    pub quota_us: u64,
    /// The length of a period: see there, and `cpu.cfs_period_us`.
    pub period_us: u64,
    /// The file that holds the quota; absent where names were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Periods in which some task of the group ran: `nr_periods` of `cpu.stat`, of a process
    /// since its group was made, of a run those of the run.
    pub periods: u64,
    /// Of them, those in which the quota was spent and the group waited for the next one:
    /// `nr_throttled`.
    pub throttled_periods: u64,
}

impl CpuQuota {
    /// The CPUs that it comes to.
    pub fn cpus(&self) -> f64 {
        self.quota_us as f64 / self.period_us as f64
    }

    /// The share of its periods in which it was spent, if there were any.
    pub fn spent_share(&self) -> Option<f64> {
        let share = self.throttled_periods as f64 / self.periods as f64;
        (self.periods > 0).then_some(share.min(1.0))
    }

    /// The same quota with what was counted since an earlier reading.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            periods: self.periods.saturating_sub(before.periods),
            throttled_periods: self
                .throttled_periods
                .saturating_sub(before.throttled_periods),
            ..self.clone()
        }
    }
}

/// Seccomp filters of one length that every system call passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filters {
    /// How many.
    pub count: u32,
    /// Instructions of each, all of which run.
    pub instructions: u16,
}

/// A limit that a spawn counts against.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct SpawnLimit {
    /// Which.
    pub kind: SpawnLimitKind,
    /// The limit: bytes, or tasks, which are processes and threads.
    pub limit: u64,
    /// What of it was used: of tasks, by others than the forktax that read it.
    pub used: u64,
    /// What one fork more takes.
    pub asked: u64,
    /// By how much the kernel's own count may be off `used`; absent if it is not.
    #[serde(default, skip_serializing_if = "crate::model::is_zero")]
    pub uncertain: u64,
    /// The file of the control group that holds it, for a limit of a group; absent where
    /// names were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl SpawnLimit {
    /// What it leaves.
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// The limits that a spawn may count against.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum SpawnLimitKind {
    /// All memory and swap, where `vm.overcommit_memory` is 0. A fork takes the largest of
    /// the mappings that it copies and that the kernel accounts for (`ac` of `VmFlags`), as
    /// each is looked at by itself (mm/util.c, `__vm_enough_memory`).
    LargestMapping,
    /// `CommitLimit`, less what is kept for root and for other processes of the user, where
    /// `vm.overcommit_memory` is 2. A fork takes all such mappings.
    Commit,
    /// The memory of a control group. A fork takes page tables and the kernel's structures
    /// of the child, by an estimate from above.
    Memory,
    /// The same up to `memory.high`, beyond which the kernel has tasks wait while it takes
    /// memory back.
    MemoryHigh,
    /// The tasks of a control group (`pids.max`), for which the kernel exempts nobody.
    GroupTasks,
    /// `RLIMIT_NPROC`: the tasks of its user.
    UserTasks,
    /// `kernel.threads-max`: the tasks of the host.
    HostTasks,
    /// `kernel.pid_max`, less the numbers that are not given again: each task takes one, and
    /// so do groups and sessions whose first process has ended, which are not counted here.
    /// Told in the initial PID namespace alone: others have numbers of their own.
    ProcessNumbers,
}

impl SpawnLimitKind {
    /// Whether it counts tasks, which every method takes, and not what a fork copies.
    pub fn counts_tasks(self) -> bool {
        matches!(
            self,
            Self::GroupTasks | Self::UserTasks | Self::HostTasks | Self::ProcessNumbers
        )
    }
}
