//! What copying spawns cost a watched program, and what other ways would take.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Spread;
use crate::model::{Availability, Parent, SpawnMethod};

/// The spawns of one program that copy its address space, and what other ways would take.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Saving {
    /// The program.
    pub program: usize,
    /// Its spawns that copy its address space.
    pub copies: u64,
    /// Of these, those that a way without a copy may take the place of: the child executed a
    /// program, spawned nothing before, and got no namespace of its own. All that follows is of
    /// them.
    pub replaceable: u64,
    /// Nanoseconds in their calls.
    pub call_ns: Availability<Spread>,
    /// The share of the run in which some thread stood in such a call.
    pub standing_share: Availability<f64>,
    /// What they were made from, as far as that was looked at: a size each, that with the most
    /// of them first.
    pub parents: Vec<SpawnParent>,
    /// What the host's card foretells.
    pub by_card: Availability<CardSaving>,
}

/// What spawns of a program were made from. Processes are of one size if their page tables
/// (VmPTE) are at least as large as the same power of two, and not as large as the next.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct SpawnParent {
    /// Which process of the program and the size was looked at.
    pub pid: u32,
    /// When, in nanoseconds since the beginning.
    pub at_ns: u64,
    /// How long that took.
    pub took_ns: u64,
    /// The replaceable spawns of all such processes.
    pub spawns: u64,
    /// Whether it was seen to be forked itself, and to have executed nothing since: then its
    /// mappings have links to its ancestors' `anon_vma` structures, which a fork copies.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_executed: bool,
    /// What it had.
    pub parent: Availability<Parent>,
}

/// What a card foretells of spawns.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct CardSaving {
    /// Of how many: those from processes of sizes that were looked at, and for which it has
    /// prices.
    pub spawns: u64,
    /// What all of them take, way by way: a fork first, as they were made, then what copies
    /// nothing. Their children execute a program that ends at once.
    pub ways: Vec<CardWay>,
    /// What nine of ten of the card's own forecasts of forks' calls are off by at the most, as
    /// a share.
    pub call_error: f64,
    /// The same of their totals.
    pub total_error: f64,
    /// When the card was measured, in seconds since 1970.
    pub measured_unix_s: u64,
}

/// What spawns take by one way, all of them together.
#[derive(Debug, Clone, Copy, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct CardWay {
    /// The way.
    pub method: SpawnMethod,
    /// Nanoseconds until their calls returned.
    pub call_ns: f64,
    /// Nanoseconds until their children had been waited for.
    pub total_ns: f64,
}

impl CardSaving {
    /// What they take by one way.
    pub fn by(&self, method: SpawnMethod) -> Option<&CardWay> {
        self.ways.iter().find(|way| way.method == method)
    }
}
