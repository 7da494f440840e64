//! From figures to what may be said of them, and from an order to the trials that
//! answer it. Pure and seeded: nothing here measures or reads a file, and the words that
//! it has are names and reasons which a document keeps.
//!
//! - [`advise`]: what can be done about the cost of a process's forks;
//! - [`card`]: from measured parents to prices;
//! - [`compare`]: two results set side by side;
//! - [`explain`]: what the ledger, the samples and the faults of one address space say;
//! - [`mappings`]: what a mapping is, and what a fork does with it;
//! - [`process`]: whose the cost of a process's forks is;
//! - [`replica`]: a process as workers get it, whole and in parts;
//! - [`reproduce`]: what others have published, and this host's answer beside it;
//! - [`shape`]: a process's shape as a file, read with suspicion;
//! - [`steadiness`]: how steady the host was meanwhile;
//! - [`sweep`]: what fork costs beyond the baseline, and how that grows;
//! - [`trace`]: what a watched program's spawns come to.

pub mod advise;
pub mod card;
pub mod compare;
pub mod explain;
pub mod mappings;
pub mod process;
pub mod replica;
pub mod reproduce;
pub mod shape;
pub mod steadiness;
pub mod sweep;
pub mod trace;

/// The seed of the resamples at a place of several; the first has the run's own.
///
/// Each place has workers of its own, so the same draw of ranks must not strike all.
fn seed_at(seed: u64, place: usize) -> u64 {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    seed.wrapping_add((place as u64).wrapping_mul(GOLDEN))
}
