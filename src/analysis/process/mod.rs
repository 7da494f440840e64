//! A live process as a set of trials, and from what they took to whose the cost is.
//! Pure: it reads no process and measures nothing.
//!
//! The shape of the process becomes a likeness that a worker can build, less the
//! mappings that the worker has anyway. A ladder of such likenesses leads from the
//! empty worker to the whole: each rung adds one kind of unit, and what it costs more
//! than the rung below is what these units cost. So the rungs add up to the fork, and
//! no price list has to be believed.

mod blame;
mod blueprint;
mod counts;
mod design;
mod groups;
mod made_up;
mod outcome;
mod remedies;
mod rungs;
mod scale;
mod statements;
#[cfg(test)]
mod tests;

pub use blame::blame;
pub use blueprint::{Blueprint, request_of};
pub use design::{Design, Trial};
pub use groups::{Group, groups};
pub use made_up::made_up;
pub use outcome::{Chosen, choose, remedies};
pub use scale::scaled;
pub use statements::{
    beside, checked, dearest_groups, dearest_rungs, error, is_above, is_most, of_one, per_second,
    share,
};
