//! The card's arithmetic: which parents are tried, and what prices follow from
//! what they took. Pure and seeded; it measures nothing and words nothing but names.

mod design;
mod fit;

pub use design::{Design, environment, name};
pub use fit::price_list;
