//! Whether the intervals keep their promise, by simulation.
//!
//! Samples are drawn around a known median; an interval that calls itself a 95 %
//! one must contain it nearly that often, above all where workers differ more
//! than the spawns of one worker, and where workers are few.

use fastrand::Rng;

use super::bootstrap::median_replicates;
use super::bootstrap::normal;
use super::host::heavy;
use super::level_replicates;

/// The median that every simulated worker scatters around.
const TRUTH: f64 = 100.0;

/// How far workers and spawns scatter, and how many of them there are.
#[derive(Clone, Copy)]
struct Design {
    workers: usize,
    spawns: usize,
    between: f64,
    within: f64,
}

impl Design {
    fn draw(self, rng: &mut Rng) -> Vec<Vec<f64>> {
        (0..self.workers)
            .map(|_| {
                let luck = TRUTH + self.between * normal(rng);
                (0..self.spawns)
                    .map(|_| luck + self.within * normal(rng))
                    .collect()
            })
            .collect()
    }

    /// The share of simulated runs whose interval contains the truth, and the mean
    /// width of the intervals.
    fn coverage(self, runs: u32, pooled: bool) -> (f64, f64) {
        let mut rng = Rng::with_seed(self.workers as u64);
        let (mut covered, mut width) = (0_u32, 0.0);
        for run in 0..runs {
            let mut drawn = self.draw(&mut rng);
            if pooled {
                drawn = vec![drawn.concat()];
            }
            let [low, high] = median_replicates(&drawn, u64::from(run), 200)
                .unwrap()
                .estimate()
                .ci95;
            covered += u32::from(low <= TRUTH && TRUTH <= high);
            width += high - low;
        }
        (
            f64::from(covered) / f64::from(runs),
            width / f64::from(runs),
        )
    }
}

#[test]
fn drawing_workers_first_covers_the_truth_and_pooling_does_not() {
    let design = Design {
        workers: 6,
        spawns: 10,
        between: 5.0,
        within: 0.5,
    };
    let (two_stage, _) = design.coverage(200, false);
    let (pooled, _) = design.coverage(200, true);
    assert!(two_stage >= 0.9, "two stages cover {two_stage}");
    assert!(pooled <= 0.6, "pooled spawns cover {pooled}");
}

#[test]
fn few_workers_are_covered_too() {
    for workers in 2..=5 {
        let design = Design {
            workers,
            spawns: 10,
            between: 5.0,
            within: 0.5,
        };
        let (share, _) = design.coverage(200, false);
        assert!(share >= 0.87, "{workers} workers cover {share}");
    }
}

/// The price of the two stages, as the comment on the widening states it.
#[test]
fn workers_that_are_all_alike_cost_little_width() {
    let design = Design {
        workers: 10,
        spawns: 20,
        between: 0.0,
        within: 5.0,
    };
    let (share, two_stage) = design.coverage(200, false);
    let (_, pooled) = design.coverage(200, true);
    assert!(share >= 0.95, "covers {share}");
    let price = two_stage / pooled;
    assert!((1.2..2.0).contains(&price), "{price} times as wide");
}

/// Where workers and spawns differ by all shares of each other, with and without heavy
/// tails, an interval of the level covers the truth as often as it says, up to what some
/// hundred simulated runs are off. One of the two stages covers it oftener: it is wider.
#[test]
fn the_level_is_covered_as_often_as_promised() {
    for workers in [2_u64, 3, 5, 8, 20] {
        let mut widths = [0.0; 2];
        for (between, within) in [(0.0, 0.05), (0.02, 0.05), (0.05, 0.01)] {
            for noise in [normal, heavy] {
                let mut rng = Rng::with_seed(workers);
                let mut covered = 0;
                for seed in 0..400 {
                    let mut worker = || -> Vec<f64> {
                        let luck = between * noise(&mut rng);
                        (0..10).map(|_| luck + within * noise(&mut rng)).collect()
                    };
                    let drawn: Vec<Vec<f64>> = (0..workers).map(|_| worker()).collect();
                    let two_stage = median_replicates(&drawn, seed, 100).unwrap();
                    let level = level_replicates(&drawn, seed, 500).unwrap();
                    let [low, high] = level.estimate().ci95;
                    covered += u32::from(low <= 0.0 && 0.0 <= high);
                    widths[0] += high - low;
                    let [low, high] = two_stage.estimate().ci95;
                    widths[1] += high - low;
                }
                let share = f64::from(covered) / 400.0;
                let design = format!("{workers} workers, {between}, {within}");
                // Two that are odd are rarely odd to the same side.
                let most = if workers == 2 { 0.99 } else { 0.98 };
                assert!((0.91..=most).contains(&share), "{design}: {share}");
            }
        }
        assert!(
            widths[0] < 0.95 * widths[1],
            "{workers} workers: {widths:?}"
        );
    }
}

/// The promise must hold where nothing is doubtful as well: one worker.
#[test]
fn a_single_worker_is_covered_as_far_as_its_own_spawns_go() {
    let design = Design {
        workers: 1,
        spawns: 60,
        between: 0.0,
        within: 5.0,
    };
    let (share, _) = design.coverage(200, false);
    assert!(share >= 0.88, "covers {share}");
}
