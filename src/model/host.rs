//! The host as far as it bears on the figures.
//!
//! A document may be published, so that nothing here tells a machine's name: what
//! identifies it is a hash.

mod facts;
mod fingerprint;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Availability;
pub use facts::{HostDifference, HostFact, differences};
pub use fingerprint::Fingerprint;

/// What the results were measured on.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Host {
    /// Which machine, by a [`Fingerprint`] of its id: 16 hex digits, the 64-bit FNV-1a
    /// hash of `/etc/machine-id`, or of the host name (`/proc/sys/kernel/hostname`)
    /// where that holds no id. It tells nobody the name of a machine, and lets those
    /// who know it recognise it. Copies of one image may share an id, and a container
    /// often has only a name that lasts as long as itself.
    pub machine: Availability<String>,
    /// The kernel's release: `/proc/sys/kernel/osrelease`, as `uname -r` prints.
    pub kernel: String,
    /// `/proc/sys/kernel/version`, as `uname -v` prints: two builds of one release
    /// differ here.
    pub kernel_build: Availability<String>,
    /// The words of `/proc/cmdline` that bear on what a spawn costs: mitigations and
    /// features of the CPU, checks of memory and of the slab caches, huge pages,
    /// control groups, security modules and audit, isolated and sleeping CPUs, the
    /// clock. All others are left out. Missing where the file cannot be read.
    pub boot: Availability<Vec<String>>,
    /// The architecture: `/proc/sys/kernel/arch` (since Linux 6.1), else what the
    /// program was built for.
    pub arch: String,
    /// `model name` of `/proc/cpuinfo`; arm64 has none.
    pub cpu: Availability<String>,
    /// CPUs that this process may run on: `Cpus_allowed_list` of `/proc/self/status`. A
    /// control group's quota does not show here.
    pub cores: usize,
    /// Hypervisor and container, as far as signs of them were seen (DMI, CPUID flag,
    /// clock source, `/.dockerenv` and the like), or "none seen".
    pub virtualisation: String,
    /// The word in force in `/sys/kernel/mm/transparent_hugepage/enabled`.
    pub thp: Availability<String>,
    /// `/sys/devices/system/cpu/vulnerabilities/meltdown`: whether the kernel has
    /// page tables of its own, which every entry then switches to.
    pub meltdown: Availability<String>,
    /// `/proc/sys/kernel/perf_event_paranoid`.
    pub perf_event_paranoid: Availability<i64>,
    /// Bytes in a base page: `sysconf(_SC_PAGESIZE)`.
    pub page_size: u64,
    /// The most VMAs in one process: `/proc/sys/vm/max_map_count`.
    pub max_map_count: Availability<u64>,
    /// The smallest step seen between two readings of CLOCK_MONOTONIC.
    pub clock_step_ns: f64,
    /// What one reading of it costs, measured before the run. It has been subtracted
    /// from every call (once) and every total (twice).
    pub clock_cost_ns: f64,
    /// The kernel's clock source:
    /// `/sys/devices/system/clocksource/clocksource0/current_clocksource`.
    pub clocksource: Availability<String>,
    /// Whether a hardware PMU answers `perf_event_open(2)`.
    pub pmu: bool,
    /// Whether the effective user is root.
    pub privileged: bool,
}
