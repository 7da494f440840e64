//! A slope that one odd point cannot move.

use super::summary::median;

/// The Theil-Sen slope: the median of the slopes between all pairs of points.
///
/// Points that are not finite are left out. `None` if no two points differ in
/// `x`.
pub fn theil_sen(points: &[(f64, f64)]) -> Option<f64> {
    let finite: Vec<&(f64, f64)> = points
        .iter()
        .filter(|(x, y)| x.is_finite() && y.is_finite())
        .collect();
    let slopes: Vec<f64> = finite
        .iter()
        .enumerate()
        .flat_map(|(index, a)| finite[index + 1..].iter().map(move |b| (a, b)))
        .filter(|(a, b)| a.0 != b.0)
        .map(|(a, b)| (b.1 - a.1) / (b.0 - a.0))
        .collect();
    median(&slopes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_wild_point_does_not_move_the_slope() {
        let mut points: Vec<(f64, f64)> = (0..9).map(f64::from).map(|x| (x, 2.0 * x)).collect();
        points[4].1 = 1e9;
        assert_eq!(theil_sen(&points), Some(2.0));
    }

    #[test]
    fn is_the_median_and_not_the_mean_of_the_pairs() {
        // The pairs have the slopes 1, 5 and 9.
        let points = [(0.0, 0.0), (1.0, 1.0), (2.0, 10.0)];
        assert_eq!(theil_sen(&points), Some(5.0));
    }

    #[test]
    fn there_is_no_slope_without_two_places() {
        assert_eq!(theil_sen(&[]), None);
        assert_eq!(theil_sen(&[(1.0, 1.0)]), None);
        assert_eq!(theil_sen(&[(1.0, 1.0), (1.0, 2.0)]), None);
    }

    #[test]
    fn points_that_are_not_finite_are_left_out() {
        let points = [
            (0.0, 0.0),
            (f64::NAN, 1.0),
            (f64::INFINITY, 1.0),
            (1.0, f64::NEG_INFINITY),
            (2.0, 6.0),
        ];
        assert_eq!(theil_sen(&points), Some(3.0));
    }

    proptest! {
        #[test]
        fn a_line_has_its_own_slope(
            slope in -1e3..1e3_f64,
            offset in -1e3..1e3_f64,
            places in proptest::collection::btree_set(-1000..1000_i32, 2..20),
        ) {
            let points: Vec<(f64, f64)> = places
                .into_iter()
                .map(f64::from)
                .map(|x| (x, offset + slope * x))
                .collect();
            let found = theil_sen(&points).unwrap();
            prop_assert!((found - slope).abs() < 1e-6, "{found} != {slope}");
        }

        #[test]
        fn nothing_makes_it_panic_or_not_finite(
            points in proptest::collection::vec((any::<f64>(), any::<f64>()), 0..20),
        ) {
            prop_assert!(theil_sen(&points).is_none_or(f64::is_finite));
        }
    }
}
