//! A process explained: what was ordered, and whose the cost of its forks is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Availability, Counts, ExplainOrder, Explanation, MappingContent, Replica, ReplicaOrder,
    Rewriting, Rung, SpawnMethod,
};
use crate::stats::Estimate;

/// How a process is explained.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ProcessOrder {
    /// What is rebuilt.
    pub replica: ReplicaOrder,
    /// How it is explained where the time of its forks goes, if that is wanted too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<ExplainOrder>,
    /// Pages that the workers write to again after a spawn; absent for none.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub rewrite_pages: u64,
}

/// What forks from a process cost, and why.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Process {
    /// What was measured.
    pub replica: Replica,
    /// Whose the cost is.
    pub blame: Availability<Blame>,
    /// Where the time of such a fork goes; absent unless it was asked for and reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Explanation>,
    /// What the process pays afterwards, when it writes to its pages again; absent unless it
    /// was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewritten: Vec<Rewritten>,
}

/// What writing again to pages of one kind costs after a spawn, in workers of the shape.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Rewritten {
    /// Of which pages. To a huge page means to each of its pages, one byte.
    pub of: PageKind,
    /// After which spawns.
    pub method: SpawnMethod,
    /// How many of them the process has: its own ones in private mappings that it may write
    /// to and that forks copy. If it writes to all of them again, each costs the tax once.
    pub process: u64,
    /// What a sample of those that the workers have took, each by itself.
    pub rewriting: Availability<Rewriting>,
}

/// A kind of pages.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum PageKind {
    /// Mapped one by one, whether parts of a large folio or not.
    Small,
    /// Transparent huge pages, by one entry each.
    Huge,
}

/// Whose the cost of a fork is.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Blame {
    /// A fork of the whole: what was measured, or where a part of the shape was rebuilt
    /// what that leads to expect. The rungs add up to it, and so do the two lowest
    /// rungs and the groups.
    pub fork: Cost,
    /// What each rung adds. A rung that adds no units is not there, but for the lowest.
    pub rungs: Vec<RungCost>,
    /// The mappings by name, dearest first; the last may be the rest of them. Those
    /// that the worker's own ones stand for are in the lowest rung and not here.
    pub groups: Vec<GroupCost>,
    /// What costs next to nothing though it looks big: memory that no rung and no group is
    /// charged for.
    pub free: Vec<FreeMemory>,
}

/// A cost in nanoseconds a fork, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Cost {
    /// In the call.
    pub call_ns: Estimate,
    /// From then on until the child was waited for.
    pub after_ns: Estimate,
    /// Both.
    pub total_ns: Estimate,
}

/// What a rung adds.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct RungCost {
    /// Which.
    pub rung: Rung,
    /// How many units it adds in the process: mappings, page tables, pages; 1 for the
    /// lowest.
    pub units: u64,
    /// By how much more than was built: 1 where all was.
    pub factor: f64,
    /// What it adds, times the factor.
    pub cost: Cost,
}

/// A group of mappings and its cost.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct GroupCost {
    /// Its name: a path, `[heap]`, "anonymous memory"; "the rest" is told by `rest`.
    pub name: String,
    /// What is mapped.
    pub content: MappingContent,
    /// Whether it stands for all groups that are not listed.
    pub rest: bool,
    /// What it has of what a fork pays for.
    pub mappings: Counts,
    /// Its cost, by its share in each rung.
    pub cost: Cost,
    /// What the fork was cheaper by without these mappings; absent where that was not
    /// measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without: Option<Cost>,
}

/// Memory that looks big and costs next to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct FreeMemory {
    /// Why.
    pub why: FreeReason,
    /// Mappings.
    pub mappings: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Why memory costs a fork next to nothing.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum FreeReason {
    /// Nothing was ever there: no page table maps it.
    Untouched,
    /// Shared pages, which a fault finds again.
    Shared,
    /// Pages of files in mappings without a page of their own.
    FilePages,
    /// The kernel's page of zeros, in mappings without a page of their own.
    ZeroPages,
    /// Left out of forks (MADV_DONTFORK).
    DontFork,
}
