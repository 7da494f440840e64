//! What a reference helps, and that it does no harm.

use fastrand::Rng;
use proptest::prelude::*;

use super::*;
use crate::bootstrap::normal;
use crate::host::heavy;

/// Visits of cells in turn whose figures follow the level by a slope of each cell's own,
/// and scatter by a tenth as well.
fn points(visits: usize, slopes: &[f64], spread: f64, rng: &mut Rng) -> Vec<Point> {
    (0..visits)
        .map(|visit| {
            let cell = visit % slopes.len();
            let level = spread * normal(rng);
            Point {
                cell,
                figure: 5.0 + cell as f64 + slopes[cell] * level + 0.1 * heavy(rng),
                level: 11.0 + level,
            }
        })
        .collect()
}

/// The widths of the interval of the first cell, as measured and corrected.
fn widths(points: &[Point], seed: u64) -> [f64; 2] {
    let own: Vec<usize> = (0..points.len())
        .filter(|at| points[*at].cell == 0)
        .collect();
    let logs: Vec<Vec<f64>> = own.iter().map(|at| vec![points[*at].figure]).collect();
    let control = Control::of(points, seed, 200);
    let corrected = control.level_replicates(&own, &logs, seed_of(seed, 1), 200);
    let measured = level_replicates(&logs, seed_of(seed, 1), 200);
    [measured, corrected].map(|level| {
        let [low, high] = level.unwrap().estimate().ci95;
        high - low
    })
}

/// The mean widths of so many simulated runs, the second over the first.
fn price(visits: usize, slopes: &[f64], runs: u64) -> f64 {
    let mut sums = [0.0; 2];
    for seed in 0..runs {
        let run = points(visits, slopes, 0.1, &mut Rng::with_seed(seed));
        let widths = widths(&run, seed);
        sums = [sums[0] + widths[0], sums[1] + widths[1]];
    }
    sums[1] / sums[0]
}

#[test]
fn a_reference_that_tells_nothing_costs_less_than_two_per_cent() {
    for (visits, cells) in [(8, 1), (20, 1), (18, 6), (60, 6), (200, 10)] {
        let price = price(visits, &vec![0.0; cells], 300);
        assert!(price < 1.02, "{visits} visits of {cells} cells: {price}");
    }
}

#[test]
fn a_reference_that_tells_makes_intervals_narrow() {
    for (visits, cells, most) in [(24, 6, 0.9), (60, 6, 0.85), (200, 20, 0.8)] {
        let price = price(visits, &vec![1.0; cells], 100);
        assert!(price < most, "{visits} visits of {cells} cells: {price}");
    }
}

#[test]
fn one_slope_is_told_by_all_cells_and_several_by_each() {
    let mut rng = Rng::with_seed(3);
    let alike = points(120, &[0.8; 20], 0.2, &mut rng);
    let control = Control::of(&alike, 1, 0);
    assert!((0..120).all(|visit| (control.slope(visit) - 0.8).abs() < 0.2));
    let other = points(400, &[0.3, 1.2], 0.2, &mut rng);
    let control = Control::of(&other, 1, 0);
    let expected = |visit| if visit % 2 == 0 { 0.3 } else { 1.2 };
    assert!((0..400).all(|visit| (control.slope(visit) - expected(visit)).abs() < 0.15));
}

#[test]
fn slopes_are_neither_falling_nor_too_steep() {
    let mut rng = Rng::with_seed(4);
    for (slope, bound) in [(-1.0, 0.0), (3.0, STEEPEST)] {
        let points = points(60, &[slope; 3], 0.3, &mut rng);
        let control = Control::of(&points, 1, 0);
        assert!((0..60).all(|visit| control.slope(visit) == bound));
    }
}

#[test]
fn a_visit_has_no_part_in_its_own_slope() {
    let mut rng = Rng::with_seed(5);
    let mut run = points(40, &[0.5; 2], 0.1, &mut rng);
    run[7].level += 1.0;
    run[7].figure += 1.0;
    let control = Control::of(&run, 1, 0);
    let others = (0..40)
        .filter(|visit| *visit != 7)
        .map(|visit| control.slope(visit));
    let least = others.fold(f64::INFINITY, f64::min);
    assert!(control.slope(7) < least, "{} and {least}", control.slope(7));
}

#[test]
fn few_visits_and_none_with_a_reference_are_left_as_they_are() {
    let mut rng = Rng::with_seed(6);
    let few = points(9, &[1.0; 3], 0.5, &mut rng);
    let control = Control::of(&few[..8], 1, 10);
    assert!(
        (0..8).all(|visit| control.luck(visit) == 0.0),
        "5 beyond one a cell"
    );
    let mut lost = points(30, &[1.0; 3], 0.5, &mut rng);
    lost[4].level = f64::NAN;
    let control = Control::of(&lost, 1, 10);
    assert!(control.luck(4) == 0.0 && control.luck(5) != 0.0);
    lost.iter_mut()
        .for_each(|point| point.level = f64::NEG_INFINITY);
    let control = Control::of(&lost, 1, 10);
    let logs = [vec![1.0], vec![2.0], vec![4.0]];
    let plain = level_replicates(&logs, 9, 10);
    assert_eq!(control.level_replicates(&[0, 3, 6], &logs, 9, 10), plain);
    assert_eq!(Control::of(&[], 1, 10).luck(0), 0.0);
}

/// The level of the run is as uncertain in every cell, and in none beside another.
#[test]
fn the_level_of_a_run_cancels_between_its_cells() {
    let mut rng = Rng::with_seed(7);
    let run: Vec<Point> = points(60, &[1.0; 2], 0.3, &mut rng)
        .into_iter()
        .map(|point| Point {
            figure: 5.0 + point.level,
            ..point
        })
        .collect();
    let control = Control::of(&run, 1, 100);
    let level = |cell: usize| {
        let own: Vec<usize> = (cell..60).step_by(2).collect();
        let logs: Vec<Vec<f64>> = own.iter().map(|at| vec![run[*at].figure]).collect();
        control
            .level_replicates(&own, &logs, seed_of(1, cell), 100)
            .unwrap()
    };
    let [first, second] = [level(0), level(1)];
    assert!(first.estimate().half_width() > 0.03);
    let apart = Replicates::combine(&[&first, &second], |v| Some(v[1] - v[0])).unwrap();
    assert!(
        apart.estimate().half_width() < 0.003,
        "{:?}",
        apart.estimate()
    );
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(
        points in proptest::collection::vec((0..4_usize, any::<f64>(), any::<f64>()), 0..40),
    ) {
        let points: Vec<Point> = points
            .iter()
            .map(|(cell, figure, level)| Point { cell: *cell, figure: *figure, level: *level })
            .collect();
        let control = Control::of(&points, 1, 5);
        for visit in 0..points.len() {
            prop_assert!((0.0..=STEEPEST).contains(&control.slope(visit)));
        }
    }
}
