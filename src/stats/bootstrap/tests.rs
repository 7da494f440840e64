//! What must hold of every resample, whatever the data.

use fastrand::Rng;
use proptest::prelude::*;

use super::super::estimate::Estimate;
use super::*;

/// Up to six workers of up to thirty spawns; some may have none.
fn any_workers() -> impl Strategy<Value = Vec<Vec<f64>>> {
    let spawns = proptest::collection::vec(0.0..1e6_f64, 0..30);
    proptest::collection::vec(spawns, 1..6)
}

#[test]
fn no_values_give_no_replicates() {
    assert!(median_replicates(&[], 1, 10).is_none());
    assert!(mean_replicates(&[vec![], vec![]], 1, 10).is_none());
    assert!(median_replicates(&[vec![f64::NAN]], 1, 10).is_none());
}

#[test]
fn values_are_the_plain_median_and_mean() {
    let workers = [vec![1.0, 9.0], vec![2.0, 4.0, 8.0], vec![]];
    assert_eq!(median_replicates(&workers, 1, 0).unwrap().value, 4.0);
    assert_eq!(mean_replicates(&workers, 1, 0).unwrap().value, 4.8);
}

#[test]
fn the_median_of_an_even_number_lies_between_the_middle_ones() {
    let pool = Pool::new(&[vec![3.0, 1.0, 2.0, 4.0]]).unwrap();
    assert_eq!(pool.weighted_median(&[1, 1, 1, 1]), 2.5);
    assert_eq!(pool.weighted_median(&[2, 0, 0, 2]), 2.5);
    assert_eq!(pool.weighted_median(&[3, 0, 0, 1]), 1.0);
    assert_eq!(pool.weighted_median(&[0, 0, 0, 4]), 4.0);
    assert_eq!(pool.weighted_mean(&[2, 0, 0, 2]), 2.5);
}

#[test]
fn every_draw_takes_whole_workers() {
    let pool = Pool::new(&[vec![1.0; 3], vec![2.0; 5], vec![3.0; 7]]).unwrap();
    let mut rng = Rng::with_seed(1);
    let mut weights = vec![0; 15];
    for _ in 0..100 {
        pool.draw(&mut rng, &mut weights);
        let mut workers = 0;
        for places in &pool.places {
            let taken = places.iter().map(|place| weights[*place]).sum::<u32>() as usize;
            assert_eq!(taken % places.len(), 0);
            workers += taken / places.len();
        }
        assert_eq!(workers, 3);
    }
}

/// The interval of one normal sample's median is known without a bootstrap:
/// the number of values below the true median is binomial, so that the order
/// statistics of ranks `n/2 ± 1.96 * sqrt(n)/2` are its bounds.
#[test]
fn with_one_worker_it_is_the_ordinary_bootstrap() {
    let mut rng = Rng::with_seed(7);
    let mut sample: Vec<f64> = (0..400).map(|_| 100.0 + normal(&mut rng)).collect();
    let estimate = median_replicates(std::slice::from_ref(&sample), 1, 2000)
        .unwrap()
        .estimate();
    sample.sort_by(f64::total_cmp);
    // 400 values: ranks 200 ± 19.6, here from the 1st.
    let (low, high) = (sample[179], sample[219]);
    let width = high - low;
    let ours = estimate.ci95[1] - estimate.ci95[0];
    assert!((0.7..1.4).contains(&(ours / width)), "{ours} and {width}");
    assert!((estimate.ci95[0] - low).abs() < 0.3 * width);
    assert!((estimate.ci95[1] - high).abs() < 0.3 * width);
}

#[test]
fn the_mean_of_one_worker_has_its_standard_error() {
    let mut rng = Rng::with_seed(7);
    let sample: Vec<f64> = (0..400).map(|_| 100.0 + normal(&mut rng)).collect();
    let estimate = mean_replicates(&[sample], 1, 2000).unwrap().estimate();
    // 1.96 standard errors of 1 / sqrt(400).
    assert!((estimate.half_width() / 0.098 - 1.0).abs() < 0.2);
}

/// What a textbook says of three medians: their mean and Student's t with two degrees of
/// freedom.
#[test]
fn the_level_of_a_few_workers_is_the_mean_of_their_medians_with_students_t() {
    let workers = [vec![1.0, 2.0, 9.0], vec![3.0], vec![7.0, 7.0]];
    let level = level_replicates(&workers, 1, 20_000).unwrap();
    assert_eq!(level.value, 4.0);
    let error = (7.0_f64 / 3.0).sqrt();
    let half_width = level.estimate().half_width() / (4.302_653 * error);
    assert!((half_width - 1.0).abs() < 0.05, "{half_width}");
}

#[test]
fn of_many_workers_a_single_one_moves_the_level_by_little() {
    let workers = |last: f64| -> Vec<Vec<f64>> {
        let medians = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, last];
        medians.iter().map(|median| vec![*median]).collect()
    };
    let level = level_replicates(&workers(8.0), 1, 100).unwrap();
    assert!((level.value - 4.5).abs() < 1e-9, "{level:?}");
    let odd = level_replicates(&workers(1e9), 1, 100).unwrap();
    assert!((odd.value - level.value).abs() < 0.5, "{}", odd.value);
    assert_eq!(
        odd.value,
        level_replicates(&workers(1e12), 1, 0).unwrap().value
    );
    let width = |of: &Replicates| of.estimate().half_width();
    assert!(width(&odd) < 1.5 * width(&level), "{odd:?}");
}

#[test]
fn workers_without_spawns_leave_the_luck_of_the_others_as_it_is() {
    let all = [vec![1.0], vec![2.0], vec![4.0]];
    let gap = [vec![1.0], vec![2.0], vec![f64::NAN], vec![4.0]];
    let level = level_replicates(&all, 1, 20).unwrap();
    assert_eq!(level.value, level_replicates(&gap, 1, 20).unwrap().value);
    let both = [&gap, &gap].map(|workers| level_replicates(workers, 1, 20).unwrap());
    assert_eq!(both[0], both[1]);
    assert!(level_replicates(&[vec![], vec![f64::NAN]], 1, 20).is_none());
}

#[test]
fn the_level_of_one_worker_has_the_interval_of_its_spawns() {
    let workers = [vec![1.0, 2.0, 3.0, 9.0], vec![]];
    assert_eq!(
        level_replicates(&workers, 1, 50),
        median_replicates(&workers, 1, 50)
    );
}

#[test]
fn few_workers_are_spread_and_many_hardly() {
    assert_eq!(widening(1), 1.0);
    assert!((widening(3) - 1.5_f64.sqrt() * 4.302_653 / 1.959_964).abs() < 1e-6);
    assert!(widening(200) < 1.01);
    for workers in 2..100 {
        assert!(widening(workers + 1) < widening(workers));
    }
}

/// Call and total of a turn go together, and a difference of their medians must
/// know it. Here they go exactly against each other.
#[test]
fn one_seed_draws_the_same_turns_from_two_samples() {
    let mut rng = Rng::with_seed(3);
    let mut worker = || (0..9).map(|_| normal(&mut rng)).collect::<Vec<f64>>();
    let ups = [worker(), worker(), worker()];
    let downs = ups
        .clone()
        .map(|w| w.iter().map(|v| -v).collect::<Vec<_>>());
    for replicates in [median_replicates, level_replicates] {
        let ups = replicates(&ups, 5, 50).unwrap();
        let downs = replicates(&downs, 5, 50).unwrap();
        let sum = Replicates::combine(&[&ups, &downs], |v| Some(v[0] + v[1])).unwrap();
        assert!(sum.draws.iter().all(|draw| draw.abs() < 1e-12), "{sum:?}");
    }
}

#[test]
fn no_resample_of_times_is_negative() {
    let workers = [vec![1.0; 10], vec![100.0; 10]];
    let replicates = median_replicates(&workers, 1, 200).unwrap();
    assert!(replicates.draws.iter().all(|draw| *draw >= 0.0));
    let differences = [vec![-1.0; 10], vec![100.0; 10]];
    let replicates = median_replicates(&differences, 1, 200).unwrap();
    assert!(replicates.draws.iter().any(|draw| *draw < 0.0));
}

proptest! {
    #[test]
    fn the_same_seed_gives_the_same_draws(workers in any_workers(), seed in any::<u64>()) {
        let once = median_replicates(&workers, seed, 20);
        prop_assert_eq!(&once, &median_replicates(&workers, seed, 20));
        if let Some(replicates) = once {
            prop_assert_eq!(replicates.draws.len(), 20);
        }
        let mean = mean_replicates(&workers, seed, 20);
        prop_assert_eq!(mean, mean_replicates(&workers, seed, 20));
    }

    #[test]
    fn the_interval_contains_the_value_and_is_finite(workers in any_workers(), seed in any::<u64>()) {
        for replicates in [
            median_replicates(&workers, seed, 50),
            mean_replicates(&workers, seed, 50),
            level_replicates(&workers, seed, 50),
        ].into_iter().flatten() {
            let Estimate { value, ci95: [low, high] } = replicates.estimate();
            prop_assert!(low <= value && value <= high);
            prop_assert!(low.is_finite() && high.is_finite());
        }
    }

    #[test]
    fn the_order_of_workers_and_of_spawns_does_not_matter(
        workers in any_workers(),
        seed in any::<u64>(),
    ) {
        let mut rng = Rng::with_seed(seed);
        let mut shuffled = workers.clone();
        shuffled.iter_mut().for_each(|spawns| rng.shuffle(spawns));
        rng.shuffle(&mut shuffled);
        let value = |data: &[Vec<f64>]| median_replicates(data, seed, 0).map(|r| r.value);
        prop_assert_eq!(value(&workers), value(&shuffled));
        let mean = |data: &[Vec<f64>]| mean_replicates(data, seed, 0).map(|r| r.value);
        prop_assert_eq!(mean(&workers), mean(&shuffled));
    }
}
