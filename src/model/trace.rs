//! A program that was watched: how, and every spawn that it made.
//!
//! All figures are of what was seen in this run, each spawn of it, and no sample of
//! anything larger: they have no intervals.

mod checks;
mod saving;
mod spawn;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use checks::{Check, Offence, ParseCheckError};
pub use saving::{CardSaving, CardWay, Saving, SpawnParent};
pub use spawn::{Caller, CodePlace, Ending, Spawn};

use super::{Availability, CallName, CardPrices, Document};

/// What is watched, and how.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct TraceOrder {
    /// What is watched, with all its descendants.
    pub target: TraceTarget,
    /// By what it is watched.
    #[serde(default)]
    pub by: TraceMeans,
    /// Whether spawning and executing calls are to be timed: tracepoints always do that, and
    /// by ptrace(2) a seccomp filter is put on the command for it.
    pub call_times: bool,
    /// What is an offence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// What this host charges, if a card is stored.
    #[serde(default = "not_looked_for")]
    pub prices: Availability<CardPrices>,
    /// Whether remedies are tried on the dearest spawner's shape afterwards.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub advise: bool,
}

fn not_looked_for() -> Availability<CardPrices> {
    Availability::not_asked("no card was looked for")
}

impl TraceOrder {
    /// Whether calls are timed, and those that fail are seen.
    pub fn times_calls(&self) -> bool {
        self.call_times || self.by == TraceMeans::Tracepoints
    }
}

/// By what a program is watched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceMeans {
    /// ptrace(2).
    #[default]
    Ptrace,
    /// The kernel's tracepoints, by perf_event_open(2) on every CPU.
    Tracepoints,
}

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceTarget {
    /// A command that is started for it.
    Command {
        /// Its words, as they can be read.
        words: Vec<String>,
    },
    /// A process that runs already.
    Process {
        /// Its number.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// All processes of the host but the one that watches.
    Host,
}

/// What a watched program was seen to do.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Trace {
    /// How it was watched.
    pub watched: TraceBackend,
    /// For how long, in nanoseconds: from its start, or the first moment when it was
    /// watched, to its end or the last.
    pub wall_ns: u64,
    /// How the command ended; missing of one that went on, and of a process that runs.
    pub ended: Availability<Ending>,
    /// Processes that were seen, those that were there at the beginning included.
    pub processes: u64,
    /// Processes that went on when the watching ended.
    pub left_running: u64,
    /// Threads that were created (CLONE_THREAD): they are no spawns.
    pub threads: u64,
    /// Processes whose creation was not seen, or not whole, as whoever created them was killed
    /// in that moment, a record was lost, or the call is one of a 32-bit program: their
    /// spawns are in no figure.
    pub incomplete: u64,
    /// By program, caller and call: the ways in which was spawned, the most spawns first.
    pub paths: Vec<SpawnPath>,
    /// The programs that were executed, the most often first.
    pub executed: Vec<ExecutedProgram>,
    /// Executions that failed, the most frequent first: a search along PATH fails in each
    /// directory before the right one.
    pub failed_execs: Availability<Vec<FailedExec>>,
    /// Calls that were to create a process and did not, by errno.
    pub failed_calls: Availability<Vec<FailedCall>>,
    /// The processes that spawned, the most spawns first; at most [`MOST_SPAWNERS`].
    pub spawners: Vec<Spawner>,
    /// The programs whose copying spawns another way could take the place of, the dearest
    /// first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub savings: Vec<Saving>,
    /// What was tried on the shape of the dearest spawner, as forktax advise does; absent if
    /// that was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advised: Option<Availability<Box<Document>>>,
    /// What the checks found, in the order of the checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offences: Vec<Offence>,
    /// The programs that the rest names by their places here.
    pub programs: Vec<TracedProgram>,
    /// The callers that the rest names by their places here.
    pub callers: Vec<Caller>,
    /// The spawns themselves in the order of their beginnings; at most [`MOST_SPAWNS`].
    pub spawns: Vec<Spawn>,
    /// Spawns that are in every figure and not listed, as there are too many.
    pub unlisted: u64,
}

/// More spawners than this are not told one by one.
pub const MOST_SPAWNERS: usize = 1_000;
/// More spawns than this are not listed.
pub const MOST_SPAWNS: usize = 100_000;

/// How a program was watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceBackend {
    /// By ptrace(2), which stops at creations, executions and ends alone.
    Ptrace,
    /// The same, and a seccomp filter that stops before and after spawning and executing
    /// calls.
    PtraceFiltered,
    /// By the kernel's tracepoints on every CPU: nobody is stopped, calls are timed by the
    /// kernel's own records, and those that fail are seen.
    Tracepoints,
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
pub struct TracedProgram {
    /// What tables call it: its file's name, of an interpreter the script's too.
    pub name: String,
    /// Its file; empty of one that could not be read.
    pub path: String,
    /// Whether it is a shell that is given its command by `-c`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_shell_command: bool,
}

/// One way to spawn: the spawns of one program by one call with one set of flags from one
/// caller.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct SpawnPath {
    /// The program that spawned.
    pub program: usize,
    /// From where; absent where that could not be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<usize>,
    /// The system call.
    pub call: CallName,
    /// Its flags, without the signal at the child's end; 0 of those that take none.
    pub flags: u64,
    /// Whether it copies the address space (no CLONE_VM).
    pub copies: bool,
    /// How many spawns.
    pub spawns: u64,
    /// Children that executed a program.
    pub executed: u64,
    /// Nanoseconds in the call.
    pub call_ns: Availability<Spread>,
    /// Nanoseconds from the call (its beginning where that is timed, else the child's
    /// creation) to the child's exec; missing where no child was seen to execute anything.
    pub to_exec_ns: Availability<Spread>,
    /// Nanoseconds from the same moment to the child's end.
    pub life_ns: Availability<Spread>,
    /// The share of the run in which some thread stood in such a call.
    pub standing_share: Availability<f64>,
}

/// A program that was executed.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ExecutedProgram {
    /// Which.
    pub program: usize,
    /// How often.
    pub times: u64,
    /// Nanoseconds from its exec to its end, of those that ended as this program.
    pub life_ns: Availability<Spread>,
    /// How it ended, the most frequent first, and how often.
    pub endings: Vec<EndingCount>,
}

/// How often processes ended in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct EndingCount {
    /// The way.
    pub ending: Ending,
    /// How often.
    pub times: u64,
}

/// An execution that failed.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct FailedExec {
    /// The program that was to be replaced.
    pub by: usize,
    /// The path that was to be executed.
    pub path: String,
    /// The errno.
    pub errno: i32,
    /// Whether the process went on to execute something, as in a search along PATH.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub then_found: bool,
    /// How often.
    pub times: u64,
}

/// A call that created nothing.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct FailedCall {
    /// The program that called.
    pub program: usize,
    /// The call.
    pub call: CallName,
    /// The errno.
    pub errno: i32,
    /// How often.
    pub times: u64,
}

/// A process that spawned.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Spawner {
    /// Its number.
    pub pid: u32,
    /// The program that it executed last.
    pub program: usize,
    /// How many processes it created.
    pub spawns: u64,
    /// Of these, by calls that copy its address space.
    pub copies: u64,
    /// Nanoseconds in those calls.
    pub copy_ns: Availability<Spread>,
    /// Its size at some of its spawns, in order.
    pub sizes: Vec<SizeSample>,
}

/// How large a process was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct SizeSample {
    /// When, in nanoseconds since the beginning.
    pub at_ns: u64,
    /// Bytes of its page tables (VmPTE).
    pub page_table_bytes: u64,
    /// Bytes that it had resident (VmRSS).
    pub resident_bytes: u64,
}

/// All of several times, in short.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Spread {
    /// How many there are.
    pub count: u64,
    /// The middle one.
    pub median: f64,
    /// What nine of ten do not exceed.
    pub p90: f64,
    /// What 99 of 100 do not exceed.
    pub p99: f64,
    /// The largest.
    pub max: f64,
    /// Their sum.
    pub total: f64,
}
