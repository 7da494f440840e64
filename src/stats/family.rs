//! Whether a family of verdicts keeps its promise, by simulation: two runs of one
//! host must hardly ever differ in any of thirty lines, and a change that matters
//! must be found.

use fastrand::Rng;

use super::bootstrap::normal;
use super::host::heavy;
use super::{
    Contrast, Direction, Party, Replicates, cost_replicates, drift, level_freedom, median,
};

/// Lines of a family.
const LINES: usize = 30;

/// Spawns of a worker, and how much they differ, as a share.
const SPAWNS: usize = 10;
const WITHIN: f64 = 0.02;

/// Resamples behind a line, of which there are thousands here.
const FEW_DRAWS: usize = 200;

/// How a host behaves under which the lines are measured.
#[derive(Debug, Clone, Copy)]
struct Host {
    workers: usize,
    /// How much workers differ, as a share.
    between: f64,
    /// By how much the host becomes slower or faster in the course of a run, which
    /// strikes all lines of a run at once.
    drift: f64,
    /// How workers are scattered.
    luck: fn(&mut Rng) -> f64,
}

/// What one run knows of its lines.
struct Run {
    lines: Vec<Replicates>,
    drift: f64,
}

impl Host {
    /// One run, whose first line costs `change` times as much as the others.
    fn run(self, change: f64, rng: &mut Rng) -> Run {
        let slope = self.drift * (2.0 * rng.f64() - 1.0);
        let samples: Vec<Vec<Vec<f64>>> = (0..LINES)
            .map(|line| {
                let level = 100.0 * if line == 0 { change } else { 1.0 };
                self.cell(level, slope, rng)
            })
            .collect();
        let level = |worker: usize| {
            let cells = samples.iter().filter_map(|cell| {
                let middle = median(&cell.concat())?;
                Some((median(&cell[worker])? / middle).ln())
            });
            median(&cells.collect::<Vec<f64>>()).unwrap()
        };
        let course: Vec<(f64, f64)> = (0..self.workers).map(|w| (w as f64, level(w))).collect();
        Run {
            lines: samples
                .iter()
                .map(|cell| cost_replicates(cell, rng.u64(..), FEW_DRAWS).unwrap())
                .collect(),
            drift: drift(&course),
        }
    }

    /// The spawns of one line's workers.
    fn cell(self, level: f64, slope: f64, rng: &mut Rng) -> Vec<Vec<f64>> {
        (0..self.workers)
            .map(|worker| {
                let when = worker as f64 / self.workers as f64;
                let luck = level * (self.between * (self.luck)(rng) + slope * when).exp();
                (0..SPAWNS)
                    .map(|_| luck * (1.0 + WITHIN * normal(rng)))
                    .collect()
            })
            .collect()
    }

    /// The verdicts of one comparison.
    fn verdicts(self, change: f64, rng: &mut Rng) -> Vec<Direction> {
        let (first, second) = (self.run(1.0, rng), self.run(change, rng));
        (0..LINES)
            .map(|line| {
                let [a, b] = [&first, &second].map(|run| Party {
                    value: &run.lines[line],
                    freedom: level_freedom(self.workers),
                    spread: Some(level_freedom(self.workers)),
                    drift: run.drift,
                });
                Contrast::of(a, b, 0.0).unwrap().direction(LINES)
            })
            .collect()
    }

    /// The share of comparisons of a host with itself in which any line differs.
    fn alarms(self, comparisons: u64) -> f64 {
        let alarm = |seed: &u64| {
            let mut rng = Rng::with_seed(*seed);
            let verdicts = self.verdicts(1.0, &mut rng);
            verdicts.iter().any(|verdict| *verdict != Direction::Level)
        };
        (0..comparisons).filter(alarm).count() as f64 / comparisons as f64
    }

    /// The share of comparisons in which a line that became dearer by a fifth is
    /// found.
    fn found(self, comparisons: u64) -> f64 {
        let found = |seed: &u64| {
            let mut rng = Rng::with_seed(*seed);
            self.verdicts(1.2, &mut rng)[0] == Direction::Up
        };
        (0..comparisons).filter(found).count() as f64 / comparisons as f64
    }
}

#[test]
fn a_host_compared_with_itself_hardly_ever_differs_in_any_line() {
    let mut alarms = 0.0;
    let mut hosts = 0.0;
    for workers in [3, 8, 20] {
        for between in [0.05, 0.1] {
            for drift in [0.0, 0.05] {
                for luck in [normal, heavy] {
                    let host = Host {
                        workers,
                        between,
                        drift,
                        luck,
                    };
                    let own = host.alarms(40);
                    assert!(own < 0.1, "{host:?}: {own}");
                    alarms += own;
                    hosts += 1.0;
                }
            }
        }
    }
    assert!(alarms / hosts < 0.05, "{alarms} of {hosts}");
}

#[test]
fn a_line_that_became_dearer_by_a_fifth_is_found() {
    for (workers, between, drift) in [(5, 0.01, 0.0), (8, 0.03, 0.02), (20, 0.05, 0.05)] {
        let host = Host {
            workers,
            between,
            drift,
            luck: normal,
        };
        let found = host.found(40);
        assert!(found > 0.9, "{host:?}: {found}");
    }
}

/// Why the level of the whole run is part of the error: without it a host that
/// becomes warmer differs from itself.
#[test]
fn without_the_drift_of_the_runs_a_host_would_differ_from_itself() {
    let host = Host {
        workers: 20,
        between: 0.02,
        drift: 0.1,
        luck: normal,
    };
    let mut rng = Rng::with_seed(1);
    let mut alarms = [0, 0];
    for _ in 0..20 {
        let (first, second) = (host.run(1.0, &mut rng), host.run(1.0, &mut rng));
        for (count, kept) in alarms.iter_mut().zip([1.0, 0.0]) {
            let differs = (0..LINES).any(|line| {
                let [a, b] = [&first, &second].map(|run| Party {
                    value: &run.lines[line],
                    freedom: level_freedom(host.workers),
                    spread: Some(level_freedom(host.workers)),
                    drift: kept * run.drift,
                });
                Contrast::of(a, b, 0.0).unwrap().direction(LINES) != Direction::Level
            });
            *count += i32::from(differs);
        }
    }
    assert!(alarms[0] <= 1 && alarms[1] >= 5, "{alarms:?}");
}

/// Lines of a comparison by turns, and its pairs of workers.
const LINES_OF_PAIRS: usize = 6;

/// The verdicts on lines of pairs that differ by 3 % for luck, in turns that differ by 18 %
/// with a burst now and then, the first line dearer by so much.
fn verdicts_of_pairs(pairs: usize, change: f64, rng: &mut Rng) -> Vec<Direction> {
    let line = |line: usize, rng: &mut Rng| {
        let level = if line == 0 { change.ln() } else { 0.0 };
        let pairs: Vec<Vec<[f64; 2]>> = (0..pairs)
            .map(|_| {
                let luck = level + 0.03 * normal(rng);
                let turn = |rng: &mut Rng| {
                    let burst = if rng.f64() < 0.05 { 1.0 } else { 0.0 };
                    luck + 0.18 * normal(rng) + burst * normal(rng)
                };
                (0..SPAWNS).map(|_| [1.0, turn(rng).exp()]).collect()
            })
            .collect();
        let contrast = Contrast::of_pairs(&pairs, rng.u64(..), FEW_DRAWS);
        contrast.unwrap().direction(LINES_OF_PAIRS)
    };
    (0..LINES_OF_PAIRS).map(|index| line(index, rng)).collect()
}

#[test]
fn pairs_find_what_is_there_and_hardly_ever_what_is_not() {
    for (pairs, visible) in [(5, 1.35), (12, 1.12), (32, 1.06), (100, 1.04)] {
        let mut rng = Rng::with_seed(pairs as u64);
        let comparisons = 300;
        let (mut alarms, mut found) = (0, 0);
        for _ in 0..comparisons {
            let equal = verdicts_of_pairs(pairs, 1.0, &mut rng);
            alarms += i32::from(equal.iter().any(|verdict| *verdict != Direction::Level));
            let dearer = verdicts_of_pairs(pairs, visible, &mut rng);
            found += i32::from(dearer[0] == Direction::Up);
        }
        // 5 % at the most, and what chance makes of that in so many.
        assert!(alarms <= 25, "{pairs} pairs: {alarms} of {comparisons}");
        assert!(found >= 270, "{pairs} pairs: {found} of {comparisons}");
    }
}
