//! How far a replica is from the process.

use crate::model::UnitResemblance;

/// What was built may be off by so much before it bears on the figures.
const TOLERATED: f64 = 0.05;

/// Of fewer units nobody can build a share more or less.
const FEWEST: u64 = 20;

/// What was built too much, as a share of what was wanted.
pub fn deviation(unit: &UnitResemblance) -> Option<f64> {
    let off = unit.built as f64 / unit.wanted as f64 - 1.0;
    off.is_finite().then_some(off)
}

/// Whether the workers have so much more or less than they should that a reader must know.
pub fn is_off(unit: &UnitResemblance) -> bool {
    let many = unit.wanted.max(unit.built) >= FEWEST;
    many && deviation(unit).is_none_or(|off| off.abs() > TOLERATED)
}
