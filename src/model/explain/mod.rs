//! What `explain` finds out about the spawns from one address space: where
//! their time goes, phase by phase and mechanism by mechanism.

mod faults;
mod ledger;
mod mechanism;
mod page_tables;
mod rewriting;

use serde::{Deserialize, Serialize};

pub use faults::{FaultCause, FaultCount, FaultPhase, Faults};
pub use ledger::{BreakpointCost, ExitOrder, ExitProbe, Ledger, Phase, PhaseTime};
pub use mechanism::{
    HotFunction, Mechanism, MechanismShare, Mechanisms, Profile, Reach, Side, Stack,
};
pub use page_tables::{Level, MappingKind, PageTables, SkipReason, TableLevel, Tree, TreeNode};
pub use rewriting::Rewriting;

use super::{Availability, Cell, SpaceRequest, SpawnMethod};

/// What was found out about one address space.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The address space, one of the plan's.
    pub space: SpaceRequest,
    /// The worker's page tables before it was inflated.
    pub page_tables_before: Availability<PageTables>,
    /// Its page tables once it was.
    pub page_tables: Availability<PageTables>,
    /// Whether this kernel writes its EXIT record before it frees the memory.
    pub exit_probe: Availability<ExitProbe>,
    /// Whether the stamped spawns had the program loaded at addresses that do not
    /// change, so that its instructions could be watched. That alone changes
    /// their time.
    pub fixed_addresses: bool,
    /// What a watched instruction costs, if any was.
    pub breakpoint: Availability<BreakpointCost>,
    /// One for each of the plan's methods, in its order.
    pub methods: Vec<MethodExplained>,
    /// The timings of the worker that was not inflated and of the address space.
    pub cells: Vec<Cell>,
}

/// What was found out about one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodExplained {
    /// Which.
    pub method: SpawnMethod,
    /// Where the time goes.
    pub ledger: Availability<Ledger>,
    /// What the kernel does meanwhile.
    pub mechanisms: Availability<Mechanisms>,
    /// Which pages fault.
    pub faults: Availability<Faults>,
    /// What the parent pays afterwards.
    pub rewriting: Availability<Rewriting>,
}
