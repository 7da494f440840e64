//! Values with heavy tails: what is far off moves a centre, a slope or a scale little.
//!
//! They scatter by Student's t with four degrees of freedom.

const FREEDOM: f64 = 4.0;

/// The logarithm of the density, at a distance from the centre.
pub(super) fn log_density(off: f64, scale: f64) -> f64 {
    let z = off / scale;
    (0.375 / scale).ln() - (FREEDOM + 1.0) / 2.0 * (z * z / FREEDOM).ln_1p()
}

/// What a level weighs where a centre or a scale is made likeliest.
pub(super) fn weight(off: f64, scale: f64) -> f64 {
    let z = off / scale;
    (FREEDOM + 1.0) / (FREEDOM + z * z)
}
