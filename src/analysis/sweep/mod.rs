//! A sweep's cells by address space: along what they grow, what fork costs beyond
//! the baseline, and which statements the intervals support.

mod crowd;
mod extra;
mod sizes;
mod statements;
mod turns;

pub use crowd::{Crowded, crowded};
pub use extra::{Extra, Growth, Point};
pub use sizes::{Axis, Group, Row, Sizes};
pub use statements::{Fastest, Twice, added_by_one, fastest, fork_ratios, twice};
pub use turns::{by_turn, times_as_long};
