//! The document: the one result of a run, and the source of every table.
//!
//! The comments here are its contract: the schemas in `docs/schema` are made from them.
//! A field is added freely; one that goes or changes its meaning raises
//! [`SCHEMA_VERSION`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Availability, Caveat, ChildAction, Findings, Host, Noise, Parent, Plan, Program, Reference,
    SpaceRequest, SpawnMethod, WorkerSamples,
};
use crate::stats::{Estimate, Summary};

/// The version of the document's schema.
pub const SCHEMA_VERSION: u32 = 2;

/// A run's whole result.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Document {
    /// The version of this contract, [`SCHEMA_VERSION`]: a reader refuses one that it
    /// does not know.
    pub schema_version: u32,
    /// Who wrote it.
    pub tool: Tool,
    /// Where it was measured.
    pub host: Host,
    /// What was asked.
    pub plan: Plan,
    /// How the run went.
    pub run: Run,
    /// What else went on meanwhile; absent of a run that was not watched, or had no round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
    /// What was found out: of the kind that the plan's order asks for.
    pub findings: Findings,
    /// What a reader must know before trusting the figures.
    pub caveats: Vec<Caveat>,
}

/// The program that wrote a document.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Tool {
    /// "forktax".
    pub name: String,
    /// Its version.
    pub version: String,
}

impl Tool {
    /// This program.
    pub fn this() -> Self {
        Self {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// How a run went.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Run {
    /// When it began, in seconds since 1970.
    pub started_unix_s: u64,
    /// How long it took.
    pub duration_s: f64,
    /// Rounds that were completed: each has fresh workers of each address space that
    /// still needed some.
    pub rounds: u32,
    /// Why it ended.
    pub stopped: Stopped,
    /// How fast the host was meanwhile.
    #[serde(default = "super::reference::not_read")]
    pub reference: Availability<Reference>,
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// Every interval was as narrow as was asked.
    Precision,
    /// The time budget was spent.
    Time,
    /// The number of spawns was reached.
    Spawns,
    /// What was watched ended.
    Ended,
    /// A run that only its precision was to end would have had to go on for too long.
    OutOfReach,
    /// A signal came.
    Interrupted,
    /// An error broke it off: its message.
    Failed(String),
}

/// One address space and one method.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Cell {
    /// The address space that the spawns were made from.
    pub space: Space,
    /// How was spawned.
    pub method: SpawnMethod,
    /// What the child did.
    pub child: ChildAction,
    /// What it executed.
    pub program: Program,
    /// Spawns that were timed, over all workers.
    pub spawns: u64,
    /// Until the spawning call returned in the parent. Methods differ in what lies
    /// before that: compare them by the total.
    pub call_ns: Availability<Summary>,
    /// Until `waitpid(2)` for the child returned in the parent.
    pub total_ns: Availability<Summary>,
    /// One second by the median total.
    pub spawns_per_second: Availability<Estimate>,
    /// Where several parents spawn at once: spawns a second of all of them, counted while
    /// this one was timed; absent of a run in which none has company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_per_second: Option<Availability<Estimate>>,
    /// Total / baseline's total, turn by turn: the level of the workers' medians. Where
    /// parents spawn at once, by one method after the other: of the two totals.
    pub ratio: Availability<Estimate>,
    /// CPU time of parent and child, a spawn, a median: how much the user plus system
    /// time of `getrusage(2)` grew, of the process and of its waited-for children. It
    /// is the scheduler's exact run time (`sum_exec_runtime`), told in steps of 1 µs.
    pub cpu_ns: Availability<Estimate>,
    /// Of that, in the kernel: by the share of timer samples (perf event `cpu-clock`)
    /// of parent and child that found the CPU in kernel mode.
    pub sys_ns: Availability<Estimate>,
    /// The rest of it, in user mode.
    pub user_ns: Availability<Estimate>,
    /// Page faults without I/O: perf event `minor-faults`, else `ru_minflt`.
    pub minor_faults: Counted,
    /// Page faults with I/O: perf event `major-faults`, else `ru_majflt`.
    pub major_faults: Counted,
    /// Switches away from the process: perf event `context-switches`, else `ru_nvcsw`
    /// and `ru_nivcsw`.
    pub context_switches: Counted,
    /// Moves to another CPU: perf event `cpu-migrations`.
    pub cpu_migrations: Counted,
    /// CPU time in nanoseconds as the perf event `task-clock` saw it.
    pub task_clock_ns: Counted,
    /// CPU cycles, user and kernel: hardware event `cycles`.
    pub cycles: Counted,
    /// Instructions retired, user and kernel: hardware event `instructions`.
    pub instructions: Counted,
    /// Loads that missed the data TLB: hardware event `dTLB-load-misses`.
    pub dtlb_misses: Counted,
    /// Median total with counters open / without: what counting disturbs.
    pub counting_slowdown: Availability<Estimate>,
    /// Standard deviation of the workers' median totals, over their mean.
    pub worker_spread: Availability<f64>,
    /// Totals further than three interquartile ranges outside the quartiles. They are
    /// part of every figure.
    pub outliers: u64,
    /// The timed spawns themselves, worker by worker.
    pub samples: Vec<WorkerSamples>,
}

/// An address space as the kernel reported it, not as it was asked for. Each figure is
/// the median over the workers that were timed, taken from outside between inflation
/// and the loop. What belongs to the instrument and is left out of every fork
/// (MADV_DONTFORK) is not counted.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Space {
    /// The order.
    pub request: SpaceRequest,
    /// Mappings that were ordered, those of all parts; 0 of `malloc`, and of threads,
    /// whose stacks libc maps.
    pub mappings_requested: u64,
    /// What building it took, from the first mapping to the last page.
    pub inflation_ns: u64,
    /// What the worker had before its inflation.
    pub before: Parent,
    /// What it had when its loop began, its own included.
    pub parent: Parent,
    /// How many such parents spawned at once, this one included. All times are of this one,
    /// and the plan tells on which CPUs. Absent of a run in which none has company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u64>,
}

/// A counter, a spawn, on the two sides: means over the spawns of workers of their own,
/// which are not timed. One that shared the PMU with others is scaled by the time that
/// it was counting, and a caveat says so.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Counted {
    /// Of the spawning process: a counter of its own, or `RUSAGE_SELF`.
    pub parent: Availability<Estimate>,
    /// Of the child and its own children: an inherited counter less the one before, or
    /// `RUSAGE_CHILDREN`.
    pub child: Availability<Estimate>,
    /// Where the figure comes from.
    pub source: CountSource,
}

/// Where a counter's figure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountSource {
    /// A perf event.
    Perf,
    /// `getrusage(2)`, where perf events are not permitted.
    Rusage,
    /// Nowhere: both sides are missing.
    None,
}
