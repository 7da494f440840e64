//! What an explanation says of one address space: the parts of a spawn's time, what
//! fork costs beyond another method, and what the parent pays afterwards.

mod faults;
mod page_tables;
mod phases;
mod statements;
mod tax;
mod waits;

pub use faults::{FaultLine, Tally};
pub use page_tables::{Inflated, fill, kinds, levels};
pub use phases::{LedgerLine, Span, phases, spans, time};
pub use statements::{
    Grown, Start, Starts, alternative, first_to_look_at, grown, kept, largest_mechanism, saved,
    starts,
};
pub use tax::{HiddenTax, hidden_tax, of_all_pages, of_pages, over_call};
pub use waits::{HeldUp, held_up};

use super::sweep::{Group, Sizes};
use crate::model::{Cell, Document, Explanation, Ledger, Mechanisms, MethodExplained, SpawnMethod};

/// Fewer spawns than this support no statement.
const LEAST_SPAWNS: u64 = 5;

/// An explanation with the timed cells that belong to it.
pub struct Explained<'a> {
    /// The whole document.
    pub document: &'a Document,
    /// What was found out.
    pub explanation: &'a Explanation,
    /// The cells of the address space that is explained.
    pub space: Option<&'a Group<'a>>,
    /// Those of the smallest other one: the worker that was not inflated.
    pub empty: Option<&'a Group<'a>>,
}

impl<'a> Explained<'a> {
    /// An explanation beside the cells of its document.
    pub fn of(document: &'a Document, explanation: &'a Explanation, sizes: &'a Sizes<'a>) -> Self {
        let is_it = |group: &&Group<'_>| group.space.request == explanation.space;
        let others = sizes.groups.iter().filter(|group| !is_it(group));
        Self {
            document,
            explanation,
            space: sizes.groups.iter().rev().find(is_it),
            empty: others.min_by_key(|group| {
                let mappings = &group.space.parent.mappings;
                (mappings.vmas, mappings.present_ptes)
            }),
        }
    }

    /// The timed cell of a method.
    pub fn cell(&self, method: SpawnMethod) -> Option<&'a Cell> {
        self.space?.cell(method)
    }

    fn method(&self, method: SpawnMethod) -> Option<&'a MethodExplained> {
        let mut methods = self.explanation.methods.iter();
        methods.find(|explained| explained.method == method)
    }

    /// The ledger of a method, if its spawns are enough to speak of.
    pub fn ledger(&self, method: SpawnMethod) -> Option<&'a Ledger> {
        let ledger = self.method(method)?.ledger.measured()?;
        (ledger.spawns >= LEAST_SPAWNS).then_some(ledger)
    }

    fn mechanisms(&self, method: SpawnMethod) -> Option<&'a Mechanisms> {
        self.method(method)?.mechanisms.measured()
    }
}
