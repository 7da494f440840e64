//! Page faults by phase and cause.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Availability;
use crate::stats::Estimate;

/// Page faults of one spawn.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Faults {
    /// Spawns that were looked at.
    pub spawns: u64,
    /// Records that were lost, at the least.
    pub lost: u64,
    /// Faults by phase and cause, in the order of the phases.
    pub counts: Vec<FaultCount>,
}

/// The faults of one phase and cause, a spawn.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct FaultCount {
    /// When.
    pub phase: FaultPhase,
    /// Why.
    pub cause: FaultCause,
    /// How many, a mean: perf event `page-faults` with its address.
    pub counted: Estimate,
    /// How many were to be expected, by a rule or by the same method's spawns from the
    /// empty worker.
    pub expected: Availability<f64>,
    /// What the expectation rests on, for people; empty without one.
    pub rule: String,
}

/// When a page fault happens.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum FaultPhase {
    /// In the parent, within the call, before the child is made.
    ParentBefore,
    /// In the parent, from then until its wait returned, and until the next
    /// spawn begins.
    ParentAfter,
    /// In the child, before its exec has a new address space.
    ChildBeforeExec,
    /// In the child, from then (the record COMM) until the first fault in user mode.
    Exec,
    /// In the program, with what it spawns itself.
    Program,
}

impl FaultPhase {
    /// Every phase, in order.
    pub const ALL: [Self; 5] = [
        Self::ParentBefore,
        Self::ParentAfter,
        Self::ChildBeforeExec,
        Self::Exec,
        Self::Program,
    ];
}

/// Why a page fault happens.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum FaultCause {
    /// A private page with contents, which a fork has write-protected; in a
    /// program, one that faulted before.
    CopyOnWrite,
    /// Anonymous memory without contents yet, or mapped since: stack, heap, bss.
    Anonymous,
    /// A page of a mapped file, whose entry a fork does not copy.
    File,
    /// Shared memory, whose entry a fork does not copy.
    Shared,
    /// The address is in no mapping that is known.
    Unknown,
}

impl FaultCause {
    /// Every cause.
    pub const ALL: [Self; 5] = [
        Self::CopyOnWrite,
        Self::Anonymous,
        Self::File,
        Self::Shared,
        Self::Unknown,
    ];
}
