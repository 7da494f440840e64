//! The hidden tax: what the parent pays when it writes to its pages again.

use serde::{Deserialize, Serialize};

use super::super::Availability;
use crate::stats::Estimate;

/// Time to write to pages of the parent, one byte a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rewriting {
    /// Pages that were written to.
    pub pages: u64,
    /// Rounds of writing that were timed.
    pub rounds: u64,
    /// A page, after the child has ended: the page is the parent's alone, but
    /// still write-protected.
    pub after_ns: Estimate,
    /// A page, once more without a spawn in between: no fault.
    pub again_ns: Estimate,
    /// The difference: the tax.
    pub tax_ns: Estimate,
    /// The tax of a page while a forked child still has it, so that it must be
    /// copied.
    pub held_ns: Availability<Estimate>,
}
