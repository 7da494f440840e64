//! The host as far as it bears on the figures.
//!
//! A document may be published, so that nothing here tells a machine's name: what
//! identifies it is a hash.

mod facts;
mod fingerprint;

use serde::{Deserialize, Serialize};

use super::Availability;
pub use facts::{HostDifference, HostFact, differences};
pub use fingerprint::Fingerprint;

/// What the results were measured on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// The machine, by a [`Fingerprint`] of its id.
    pub machine: Availability<String>,
    /// `uname -r`.
    pub kernel: String,
    /// `uname -v`: two builds of one release differ here.
    pub kernel_build: Availability<String>,
    /// The words of `/proc/cmdline` that bear on what a spawn costs.
    pub boot: Availability<Vec<String>>,
    /// `uname -m`.
    pub arch: String,
    /// The CPU's model name.
    pub cpu: Availability<String>,
    /// CPUs that this process may run on.
    pub cores: usize,
    /// The hypervisor or container, or "none seen".
    pub virtualisation: String,
    /// `/sys/kernel/mm/transparent_hugepage/enabled`, the chosen word.
    pub thp: Availability<String>,
    /// `/sys/devices/system/cpu/vulnerabilities/meltdown`: whether the kernel has
    /// page tables of its own, which every entry then switches to.
    pub meltdown: Availability<String>,
    /// `/proc/sys/kernel/perf_event_paranoid`.
    pub perf_event_paranoid: Availability<i64>,
    /// Bytes in a page.
    pub page_size: u64,
    /// `/proc/sys/vm/max_map_count`.
    pub max_map_count: Availability<u64>,
    /// The smallest step seen between two readings of CLOCK_MONOTONIC.
    pub clock_step_ns: f64,
    /// What one reading of it costs; subtracted from every interval.
    pub clock_cost_ns: f64,
    /// The kernel's clock source.
    pub clocksource: Availability<String>,
    /// Whether a hardware PMU answers.
    pub pmu: bool,
    /// The effective user.
    pub privileged: bool,
}
