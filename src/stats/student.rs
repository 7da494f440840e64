//! The quantiles of Student's t distribution: of a 95 % interval, which every
//! figure needs, from the column of the textbooks; and of any other level, which a
//! verdict over many figures needs, from the distribution itself.

use std::f64::consts::FRAC_2_PI;

/// The 97.5 % quantile of the standard normal distribution.
const NORMAL: f64 = 1.959_963_984_540_054;

/// The 97.5 % quantiles for 1 to 9 degrees of freedom.
const FEW: [f64; 9] = [
    12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004,
    2.262_157,
];

/// The 97.5 % quantile of Student's t for `freedom` degrees of freedom.
///
/// From 10 degrees on it is the Cornish-Fisher expansion around the normal
/// quantile (Abramowitz and Stegun 26.7.5), which is right to four digits there.
/// No degree of freedom is treated as one.
pub fn two_sided_95(freedom: usize) -> f64 {
    if let Some(quantile) = FEW.get(freedom.max(1) - 1) {
        return *quantile;
    }
    let z = NORMAL;
    let inverse = 1.0 / freedom as f64;
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0;
    z + inverse * (first + inverse * (second + inverse * third))
}

/// The distance from 0 that Student's t keeps with a probability of `1 - beyond`.
///
/// No degree of freedom is treated as one. The distribution has a closed form for
/// whole degrees of freedom, and is monotone: halving finds the place.
pub(super) fn two_sided(freedom: usize, beyond: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while outside(high, freedom) > beyond && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if outside(middle, freedom) > beyond {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The probability that Student's t lies farther from 0 than `distance` (Abramowitz
/// and Stegun 26.7.3 and 26.7.4).
fn outside(distance: f64, freedom: usize) -> f64 {
    let freedom = freedom.max(1);
    let angle = (distance / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    let mut term = if odd { cosine } else { 1.0 };
    let mut sum = 0.0;
    // One term for each second degree of freedom; the first is that of 2 or 3.
    for step in (2 + usize::from(odd)..=freedom).step_by(2) {
        sum += term;
        let step = step as f64;
        term *= cosine * cosine * (step - 1.0) / step;
    }
    let inside = if odd {
        FRAC_2_PI * (angle + sine * sum)
    } else {
        sine * sum
    };
    1.0 - inside
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ContinuousCDF, StudentsT};

    use super::*;

    #[test]
    fn agrees_with_statrs_for_every_worker_count_that_may_come() {
        for freedom in 1..=300_u32 {
            let exact = StudentsT::new(0.0, 1.0, f64::from(freedom))
                .unwrap()
                .inverse_cdf(0.975);
            let ours = two_sided_95(freedom as usize);
            assert!(
                (ours / exact - 1.0).abs() < 1e-4,
                "{freedom}: {ours} != {exact}"
            );
        }
    }

    #[test]
    fn agrees_with_statrs_at_every_level_that_a_family_asks_for() {
        for freedom in (1..=40).chain([75, 200, 301_u32]) {
            for beyond in [0.05, 1e-3, 5e-5, 1e-6] {
                let exact = StudentsT::new(0.0, 1.0, f64::from(freedom))
                    .unwrap()
                    .inverse_cdf(1.0 - beyond / 2.0);
                let ours = two_sided(freedom as usize, beyond);
                assert!(
                    (ours / exact - 1.0).abs() < 1e-4,
                    "{freedom} at {beyond}: {ours} != {exact}"
                );
            }
        }
    }

    #[test]
    fn no_level_makes_the_search_endless() {
        assert_eq!(two_sided(0, 0.05), two_sided(1, 0.05));
        for beyond in [0.0, -1.0, f64::NAN, 1.0, 2.0] {
            assert!(two_sided(3, beyond).is_finite(), "{beyond}");
        }
    }

    #[test]
    fn ends_in_the_normal_quantile_and_never_panics() {
        assert!((two_sided_95(usize::MAX) - NORMAL).abs() < 1e-12);
        assert_eq!(two_sided_95(0), two_sided_95(1));
    }
}
