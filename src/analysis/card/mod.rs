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
