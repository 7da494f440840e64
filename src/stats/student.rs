//! The quantile of Student's t distribution that a 95 % interval needs.
//!
//! One column of the table in every textbook; nothing else of the distribution.

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
pub(super) fn two_sided_95(freedom: usize) -> f64 {
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
    fn ends_in_the_normal_quantile_and_never_panics() {
        assert!((two_sided_95(usize::MAX) - NORMAL).abs() < 1e-12);
        assert_eq!(two_sided_95(0), two_sided_95(1));
    }
}
