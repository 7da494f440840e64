//! An advice: what is tried against the cost of a fork, and what came of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Availability, Program, Replica, ReplicaOrder};
use crate::stats::Estimate;

/// How remedies are tried.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct AdviseOrder {
    /// What is rebuilt.
    pub replica: ReplicaOrder,
    /// What of this host bears on remedies.
    pub host: RemedyHost,
    /// Programs to set against each other.
    pub targets: Targets,
}

/// What can be done about the cost of a process's forks.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Advice {
    /// What was measured.
    pub replica: Replica,
    /// What was tried, best first.
    pub remedies: Vec<Remedy>,
}

/// What of a host bears on remedies.
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema, Serialize, Deserialize)]
pub struct RemedyHost {
    /// Why no huge page can be had here; absent if some can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_huge_pages: Option<String>,
    /// What `kernel.sched_child_runs_first` is set to; absent where the kernel has
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_runs_first: Option<u64>,
}

/// Programs to set against each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema, Serialize, Deserialize)]
pub struct Targets {
    /// A statically linked one; absent where none was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<Program>,
    /// A dynamically linked one, to set against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamic: Option<Program>,
}

/// Something that was tried against the cost.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Remedy {
    /// What.
    pub kind: RemedyKind,
    /// What it was applied to: "3 mappings of 412 MiB".
    pub applied_to: String,
    /// What a spawn costs with it, and against the fork of the whole shape; or why it
    /// was not tried.
    pub outcome: Availability<RemedyOutcome>,
}

/// What came of a remedy.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct RemedyOutcome {
    /// The call of a spawn with it.
    pub call_ns: Estimate,
    /// The total of a spawn with it.
    pub total_ns: Estimate,
    /// What it is set against.
    pub against: RemedyBaseline,
    /// The total against that: 0.2 for a fifth.
    pub ratio: Estimate,
    /// What may be said of that, all remedies judged at once.
    pub verdict: RemedyVerdict,
    /// Resident memory that it takes; below 0 that it saves.
    pub memory_bytes: i64,
}

/// What a remedy is set against.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RemedyBaseline {
    /// The fork from the whole shape.
    Fork,
    /// posix_spawn from the whole shape.
    PosixSpawn,
    /// The fork of a dynamically linked program.
    DynamicTarget,
    /// The fork of a child that closes each number a descriptor may have.
    ClosingEach,
}

/// What may be said of a remedy.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RemedyVerdict {
    /// It helps.
    Helps,
    /// No difference was seen.
    NoDifference,
    /// No difference was seen, of too few workers to say that there is none.
    TooFew,
    /// It harms.
    Harms,
}

/// A remedy, or what is told as one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum RemedyKind {
    /// posix_spawn instead of fork.
    PosixSpawn,
    /// vfork instead of fork.
    Vfork,
    /// A small process that was forked early and forks instead.
    ForkServer,
    /// MADV_DONTFORK on the dearest mappings.
    DontFork,
    /// Huge pages for heap and anonymous memory.
    HugePages,
    /// The same for the heap alone, as malloc's own switch does.
    HugeHeap,
    /// No huge pages at all, where there are some (THP=never): harmful.
    NoHugePages,
    /// Fewer descriptors: none but those of the worker.
    FewerDescriptors,
    /// All descriptors closed by the exec.
    Cloexec,
    /// close_range(2) in the child, before its exec.
    CloseRange,
    /// The same where the child closed each number below RLIMIT_NOFILE by close(2).
    CloseRangeForEach,
    /// No other threads, their stacks included.
    FewerThreads,
    /// Pages of files no longer mapped.
    NoFilePages,
    /// A statically linked program instead of a dynamically linked one.
    StaticTarget,
    /// A prelinked program: not tried.
    Prelink,
    /// POSIX_SPAWN_USEVFORK beside posix_spawn.
    Usevfork,
    /// kernel.sched_child_runs_first: not tried.
    ChildRunsFirst,
    /// A fork server of AFL's that starts after what all inputs have in common: not tried.
    DeferredStart,
    /// Many inputs in one child of AFL's fork server: not tried.
    PersistentMode,
    /// Less memory in such a target before its first fork: not tried.
    SmallerHeap,
    /// The best of those that keep the fork, together.
    BestForks,
    /// The best of all, together.
    Best,
}

impl RemedyKind {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::PosixSpawn,
        Self::Vfork,
        Self::ForkServer,
        Self::DontFork,
        Self::HugePages,
        Self::HugeHeap,
        Self::NoHugePages,
        Self::FewerDescriptors,
        Self::Cloexec,
        Self::CloseRange,
        Self::CloseRangeForEach,
        Self::FewerThreads,
        Self::NoFilePages,
        Self::StaticTarget,
        Self::Prelink,
        Self::Usevfork,
        Self::ChildRunsFirst,
        Self::DeferredStart,
        Self::PersistentMode,
        Self::SmallerHeap,
        Self::BestForks,
        Self::Best,
    ];

    /// Its name as the row of a table, and in a list of several.
    pub fn name(self) -> &'static str {
        match self {
            Self::PosixSpawn => "posix_spawn",
            Self::Vfork => "vfork",
            Self::ForkServer => "a fork server",
            Self::DontFork => "MADV_DONTFORK",
            Self::HugePages => "huge pages",
            Self::HugeHeap => "huge pages of malloc",
            Self::NoHugePages => "no huge pages",
            Self::FewerDescriptors => "fewer open files",
            Self::Cloexec => "O_CLOEXEC",
            Self::CloseRange => "close_range in the child",
            Self::CloseRangeForEach => "close_range, not each",
            Self::FewerThreads => "no other threads",
            Self::NoFilePages => "no pages of files",
            Self::StaticTarget => "a static program",
            Self::Prelink => "prelink",
            Self::Usevfork => "POSIX_SPAWN_USEVFORK",
            Self::ChildRunsFirst => "sched_child_runs_first",
            Self::DeferredStart => "a deferred start",
            Self::PersistentMode => "persistent mode",
            Self::SmallerHeap => "a smaller heap",
            Self::BestForks => "together, with fork",
            Self::Best => "together, best of all",
        }
    }
}
