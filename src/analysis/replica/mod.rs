//! A process as workers get it: its shape becomes a blueprint that a worker can build,
//! less the mappings that the worker has anyway, and parents with more or less of it are
//! trials. Pure: it reads no process and measures nothing.

mod blueprint;
pub(in crate::analysis) mod counts;
mod effort;
pub(in crate::analysis) mod groups;
mod made_up;
mod scale;
#[cfg(test)]
pub(in crate::analysis) mod tests;
mod times;
mod trial;

pub(in crate::analysis) use blueprint::Beside;
pub use blueprint::{Blueprint, copies_left_out, request_of};
pub use counts::{common, copied_at_once};
pub use effort::enough_s;
pub use groups::{Group, groups};
pub use made_up::made_up;
pub use scale::scaled;
pub(in crate::analysis) use times::Times;
pub use trial::Trial;
