//! Statistics: pure, seeded, and honest about how workers differ.
//!
//! Spawns of one worker share its luck (where its page tables lie, what its
//! allocator did), so they are not independent draws of the host's cost. Every
//! interval here knows about workers: of the level of their medians it is Student's t; of
//! a mean of all spawns it is a two-stage bootstrap, in which workers are drawn first, then
//! spawns within each drawn worker.
//!
//! Hosts are slow for seconds at a time: [`spells()`] tells when a host was, from a reference
//! beside each visit, and [`lucks()`] what it did to each visit of one state.

mod bootstrap;
mod contrast;
mod control;
mod estimate;
mod nnls;
mod slope;
mod spells;
mod student;
mod summary;
mod tails;

#[cfg(test)]
mod coverage;
#[cfg(test)]
mod family;
#[cfg(test)]
mod host;
#[cfg(test)]
mod quiet;
#[cfg(test)]
mod recorded;

/// Resamples behind an interval. What decides during a run may do with fewer, and a
/// verdict far out in their distribution needs more.
pub const DRAWS: usize = 500;

pub use bootstrap::{cost_replicates, level_freedom, level_replicates, mean_replicates, seed_of};
pub use contrast::{Contrast, Direction, FAMILY_ERROR, FEWEST_WORKERS, Party, drift, has_ratio};
pub use control::{Visit, lucks};
pub use estimate::{Estimate, Replicates};
pub use nnls::LeastSquares;
pub use slope::theil_sen;
pub use spells::{HostCourse, HostState, Sight, SlowState, Spells, spells, stand_ins};
pub use student::two_sided_95;
pub use summary::{Summary, median, quantile, summarise};
