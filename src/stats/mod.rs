//! Statistics: pure, seeded, and honest about how workers differ.
//!
//! Spawns of one worker share its luck (where its page tables lie, what its
//! allocator did), so they are not independent draws of the host's cost. Every
//! interval here is a two-stage bootstrap: workers are drawn first, then spawns
//! within each drawn worker.

mod bootstrap;
mod contrast;
mod estimate;
mod nnls;
mod slope;
mod student;
mod summary;

#[cfg(test)]
mod coverage;
#[cfg(test)]
mod family;

/// Resamples behind an interval. What decides during a run may do with fewer, and a
/// verdict far out in their distribution needs more.
pub const DRAWS: usize = 500;

pub use bootstrap::{mean_replicates, median_replicates, seed_of};
pub use contrast::{Contrast, Direction, FAMILY_ERROR, FEWEST_WORKERS, Party, drift};
pub use estimate::{Estimate, Replicates};
pub use nnls::LeastSquares;
pub use slope::theil_sen;
pub use summary::{Summary, median, quantile, summarise};
