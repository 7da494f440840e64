//! Whose the cost of a live process's forks is.
//!
//! A ladder of blueprints leads from the empty worker to the whole shape: each rung adds
//! one kind of unit, and what it costs more than the rung below is what these units cost.
//! So the rungs add up to the fork, and no price list has to be believed.

mod blame;
mod design;
mod filters;
mod folios;
mod recognised;
mod refusals;
mod rewriting;
mod rungs;
mod statements;
#[cfg(test)]
mod tests;

pub use blame::blame;
pub use design::{Design, unpinned};
pub use filters::{filtered, filters};
pub use folios::FileEntries;
pub use recognised::{Runtime, fork_handlers, is_embedded, is_fork_server, runtime};
pub use refusals::{Refusal, refusals};
pub use rewriting::{WrittenAgain, rewritable, sampled, written_again};
pub use statements::{
    TOLERATED, apart, beside, checked, dearest_groups, dearest_rungs, deviation, error,
    has_too_few_workers, is_as_expected, is_extrapolated, is_most, is_off, looks_big, of_one,
    per_second, share, stretched, unshared,
};
