//! What another thread of the parent waits for while it spawns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Availability;
use crate::stats::Estimate;

/// How long another thread of the parent was held up at the longest in one spawn: a thread
/// on a CPU of its own that is busy with pages of its own. A fork holds the locks of the
/// address space for writing while it copies it (mm/mmap.c, `dup_mmap`), and a fault or a
/// mapping takes one of them. What else ran on its CPU is in it, too. Each figure is the level of
/// the workers' medians.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ThreadWaits {
    /// Spawns beside which it was.
    pub spawns: u64,
    /// The longest that touching a fresh page took.
    pub fault_ns: Estimate,
    /// The longest that mapping a page and unmapping it took.
    pub mapping_ns: Estimate,
    /// The call that spawned beside it.
    pub call_ns: Estimate,
}

/// Of a document in which they do not stand.
pub(super) fn not_asked() -> Availability<ThreadWaits> {
    Availability::not_asked("it was not measured yet when this was written")
}
