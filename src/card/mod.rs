//! The card's arithmetic: which parents are tried, and what prices follow from
//! what they took. Pure and seeded; it measures nothing and words nothing but names.

mod design;
mod differences;
mod fit;
mod footprint;
mod prices;
#[cfg(test)]
mod tests;

pub use design::{Design, environment, name, words};
pub use fit::{Fit, forecast};
pub use footprint::footprint_bytes;
pub use prices::{PriceLine, Slice, fit, lines, price_list};

/// Resamples behind an interval.
const DRAWS: usize = 500;

/// A seed of its own for each of several statistics: with one for all, the same luck
/// would strike different workers at once and cancel out of their differences.
fn seed_of(seed: u64, index: usize) -> u64 {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    seed.wrapping_add((index as u64 + 1).wrapping_mul(GOLDEN))
}
