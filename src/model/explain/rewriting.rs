//! The hidden tax: what the parent pays when it writes to its pages again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Availability;
use crate::stats::Estimate;

/// Time to write to a sample of the parent's pages, one byte a page. A fork has
/// write-protected them (mm/memory.c, `copy_present_ptes`), so that each write faults
/// once (`do_wp_page`).
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct Rewriting {
    /// Pages that were written to.
    pub pages: u64,
    /// Rounds of writing that were timed.
    pub rounds: u64,
    /// A page, after the child has ended: a fault but no copy, as the page is the
    /// parent's alone and still write-protected.
    pub after_ns: Estimate,
    /// A page, once more without a spawn in between: no fault.
    pub again_ns: Estimate,
    /// The difference: the tax.
    pub tax_ns: Estimate,
    /// The tax of a page while a forked child still has it, so that it must be copied.
    /// Of fork alone.
    pub held_ns: Availability<Estimate>,
}
