//! What the host did beside the run, as its kernel tells it: what tells a noisy result from
//! a quiet one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Availability, CpuQuota};

/// What else went on while was measured. Nothing of it is subtracted from any figure.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Noise {
    /// The CPUs that were watched: those that the workers which are timed were pinned to, or
    /// all that they might run on.
    pub cpus: Vec<usize>,
    /// All rounds together.
    pub whole: NoiseSpan,
    /// Each round that was begun, in order: the first is `round` 0 of the samples.
    pub rounds: Vec<NoiseSpan>,
    /// Of the CPU quotas of the control groups that the run was in, workers and all, the one
    /// that was spent in the largest share of its periods, else the tightest, with the
    /// periods of the run; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<CpuQuota>,
}

/// What went on in a stretch of time. It is read between visits, never in a loop.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct NoiseSpan {
    /// How long it was.
    pub duration_s: f64,
    /// The share of the watched CPUs' time that went to others than the run's own
    /// processes: what was neither idle nor stolen (`/proc/stat`, in steps of 10 ms), less
    /// the CPU time of workers, scripts and their children (`RUSAGE_CHILDREN` of the
    /// process that reaps them; its own too, where it may run on these CPUs; without what was
    /// spent on other CPUs beside them) and the time that the reference was read. The kernel's
    /// threads and interrupts are among the others, even those that work for the run. A
    /// worker runs for some milliseconds before it moves to its CPU, so that this is
    /// rather too little than too much.
    pub others_share: Availability<f64>,
    /// The share that the hypervisor gave to others (steal time of `/proc/stat`); 0 as well
    /// where it does not tell.
    pub steal_share: Availability<f64>,
    /// How long workers were ready to run and waited for a CPU, all of them together, from
    /// their start to the end of their loop: `/proc/PID/schedstat`. What their children
    /// waited is not in it: the kernel keeps no account of that beyond their end.
    pub run_delay_ns: Availability<u64>,
    /// How often workers, without their children, were moved to another CPU, the move to
    /// the one that they are pinned to included: `nr_migrations` of `/proc/PID/sched`.
    pub migrations: Availability<u64>,
    /// The frequency of the pinned CPU at the end, `scaling_cur_freq`: with some drivers
    /// what was asked for and not what it ran at.
    pub frequency_hz: Availability<u64>,
    /// The share of time in which some task of the host, the run's own included, waited for
    /// a CPU: `some` of `/proc/pressure/cpu`.
    pub cpu_pressure_share: Availability<f64>,
    /// The same for memory.
    pub memory_pressure_share: Availability<f64>,
}
