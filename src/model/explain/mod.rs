//! What `explain` finds out about the spawns from one address space: where
//! their time goes, phase by phase and mechanism by mechanism.

mod faults;
mod ledger;
mod mechanism;
mod page_tables;
mod rewriting;
mod waits;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use faults::{FaultCause, FaultCount, FaultPhase, Faults};
pub use ledger::{BreakpointCost, ExitOrder, ExitProbe, Ledger, Phase, PhaseTime, StampedWorker};
pub use mechanism::{
    HotFunction, Mechanism, MechanismShare, Mechanisms, Profile, Reach, Side, Stack,
};
pub use page_tables::{Level, MappingKind, PageTables, SkipReason, TableLevel, Tree, TreeNode};
pub use rewriting::Rewriting;
pub use waits::ThreadWaits;

use super::{Availability, Cell, SpaceRequest, SpawnMethod};

/// What was found out about one address space, the last of the plan's. Each part comes
/// from fresh workers of its own, as stamps, samples and faults would disturb each
/// other.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Explanation {
    /// The address space, one of the plan's.
    pub space: SpaceRequest,
    /// The worker's page tables before it was inflated.
    pub page_tables_before: Availability<PageTables>,
    /// Its page tables once it was.
    pub page_tables: Availability<PageTables>,
    /// Whether this kernel writes its EXIT record before it frees the memory.
    pub exit_probe: Availability<ExitProbe>,
    /// Whether the stamped spawns ran without address-space randomisation
    /// (`personality(2)`, ADDR_NO_RANDOMIZE), so that the program's instructions could
    /// be watched. That alone changes their time.
    pub fixed_addresses: bool,
    /// What a watched instruction costs; not asked for where none had to be watched.
    pub breakpoint: Availability<BreakpointCost>,
    /// One for each of the plan's methods, in its order.
    pub methods: Vec<MethodExplained>,
    /// The same spawns timed alone, from the worker that was not inflated and from the
    /// address space. Their CPU time and counters are not asked for.
    pub cells: Vec<Cell>,
}

/// What was found out about one method.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
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
    /// What another thread of the parent waits for meanwhile.
    #[serde(default = "waits::not_asked")]
    pub waits: Availability<ThreadWaits>,
}
