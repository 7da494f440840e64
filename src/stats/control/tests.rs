//! Whether what is corrected by a reference is told better, and its intervals hold what they
//! promise, on simulated hosts.

use fastrand::Rng;
use proptest::prelude::*;

use super::super::host::{COST, Host, Run, SPELLS, STILL};
use super::super::{Estimate, HostCourse, Replicates, level_replicates, seed_of, spells};
use super::*;

const DRAWS: usize = 300;

/// Restless and without states, as hosts are that others share.
const WANDERS: Host = Host {
    wanders: [0.13, 0.5],
    reference: 0.04,
    scatter: [0.08, 0.05],
    ..STILL
};

/// What estimates of many runs come to, raw and corrected.
#[derive(Debug, Default)]
struct Tally {
    count: f64,
    held: [f64; 2],
    off: [f64; 2],
    width: [f64; 2],
}

impl Tally {
    fn add(&mut self, truth: f64, estimates: [Estimate; 2]) {
        self.count += 1.0;
        for (at, estimate) in estimates.into_iter().enumerate() {
            let [low, high] = estimate.ci95;
            self.held[at] += f64::from(u8::from(low <= truth && truth <= high));
            self.off[at] += (estimate.value - truth).abs();
            self.width[at] += high - low;
        }
    }

    fn held(&self) -> [f64; 2] {
        self.held.map(|held| held / self.count)
    }

    /// How far the corrected ones are off, over how far the raw ones are.
    fn worse(&self) -> f64 {
        self.off[1] / self.off[0]
    }

    fn wider(&self) -> f64 {
        self.width[1] / self.width[0]
    }
}

/// The visits that figures are made of; of a host with spells none, where they are not told.
fn taken(host: Host, run: &Run, seed: u64) -> Vec<usize> {
    let visits = 0..run.cells.len();
    if host.lasts[0].is_infinite() {
        return visits.collect();
    }
    let told = spells(&run.sights, seed);
    let are_told = matches!(told.finding, HostCourse::Spells(_));
    visits
        .filter(|at| are_told && told.state(*at).is_quiet())
        .collect()
}

/// The luck of each visit of a run; 0 of those that are not taken.
fn told_lucks(run: &Run, taken: &[usize]) -> Vec<f64> {
    let figures = run.figures();
    let visits: Vec<Visit> = taken
        .iter()
        .map(|at| Visit {
            cell: run.cells[*at],
            level: run.sights[*at].level(),
            figure: figures[*at],
        })
        .collect();
    let course: Vec<f64> = visits.iter().map(|visit| visit.level).collect();
    let mut all = vec![0.0; run.cells.len()];
    for (at, luck) in taken.iter().zip(lucks(&visits, &course)) {
        all[*at] = luck;
    }
    all
}

/// Levels of some of a host's cells, raw and corrected, and differences between neighbours of
/// one kind; of hosts with spells, of runs that tell them.
fn tallies(host: Host, [rounds, cells]: [usize; 2], of: &[usize], runs: u64) -> [Tally; 2] {
    let [mut levels, mut differences] = [Tally::default(), Tally::default()];
    for seed in 0..runs {
        let run = host.run(rounds, cells, &mut Rng::with_seed(seed));
        let taken = taken(host, &run, seed);
        let lucks = told_lucks(&run, &taken);
        let level = |cell: usize, corrected: f64| {
            let of_cell = taken.iter().filter(|at| run.cells[**at] == cell);
            let logs = |at: &usize| -> Vec<f64> {
                let times = run.times[*at].iter();
                times.map(|t| t.ln() - corrected * lucks[*at]).collect()
            };
            let logs: Vec<Vec<f64>> = of_cell.map(logs).collect();
            level_replicates(&logs, seed_of(seed, cell), DRAWS).filter(|_| logs.len() >= 3)
        };
        let truth = |cell: usize| (COST * (cell + 1) as f64).ln();
        let both = |cell| Some([level(cell, 0.0)?, level(cell, 1.0)?]);
        for cell in of.iter().copied() {
            let Some(own) = both(cell) else { continue };
            levels.add(truth(cell), [0, 1].map(|at: usize| own[at].estimate()));
            let Some(other) = both(cell + 2) else {
                continue;
            };
            let less = |at: usize| {
                let parts = [&own[at], &other[at]];
                let less = Replicates::combine(&parts, |v| Some(v[1] - v[0]));
                less.unwrap().estimate()
            };
            let truth = truth(cell + 2) - truth(cell);
            differences.add(truth, [0, 1].map(less));
        }
    }
    [levels, differences]
}

/// Rounds and cells of a run: of a few visits each, of many, and of a card.
const DESIGNS: [[usize; 2]; 3] = [[5, 12], [20, 12], [7, 50]];

/// Asserts that on a host figures are off by no more than a share of how far the raw ones are,
/// intervals as wide as so much of theirs, and hold what they promise, with an allowance for
/// some hundred that go together in each run.
fn holds(host: Host, [worse, wider]: [f64; 2]) {
    for design in DESIGNS {
        for (at, tally) in tallies(host, design, &[0, 1, 2, 3], 50).iter().enumerate() {
            let [raw, held] = tally.held();
            let told = format!(
                "{host:?} {design:?} {at} of {}: held {raw:.3} {held:.3}, off {:.3}, wide {:.3}",
                tally.count,
                tally.worse(),
                tally.wider()
            );
            assert!(held >= (raw - 0.05).min(0.905), "{told}");
            assert!(tally.worse() < worse && tally.wider() < wider, "{told}");
        }
    }
}

#[test]
fn a_steady_host_is_not_corrected() {
    for reference in [0.02, 0.15] {
        let host = Host { reference, ..STILL };
        holds(host, [1.01, 1.01]);
        let corrected = |seed: &u64| {
            let run = host.run(8, 12, &mut Rng::with_seed(*seed));
            let all: Vec<usize> = (0..run.cells.len()).collect();
            told_lucks(&run, &all).iter().any(|luck| *luck != 0.0)
        };
        let corrected = (0..100).filter(corrected).count();
        assert!(corrected < 10, "{corrected}");
    }
}

#[test]
fn a_host_that_wanders_is_told_better() {
    holds(WANDERS, [0.9, 0.9]);
    holds(
        Host {
            wanders: [0.05, 0.5],
            ..STILL
        },
        [0.9, 0.9],
    );
    // One that remembers for much of a run tells no more of what it is else.
    holds(
        Host {
            wanders: [0.13, 5.0],
            ..WANDERS
        },
        [1.02, 1.0],
    );
}

#[test]
fn the_quiet_state_of_a_host_with_spells_is_corrected_within() {
    holds(SPELLS, [1.02, 1.01]);
    let wanders = [0.05, 0.5];
    holds(Host { wanders, ..SPELLS }, [1.0, 1.0]);
}

#[test]
fn cells_that_do_not_follow_the_host_are_left_alone() {
    holds(
        Host {
            follows: [0.0; 2],
            ..WANDERS
        },
        [1.02, 1.01],
    );
    for follows in [[0.0, 0.9], [0.4, 1.1]] {
        holds(Host { follows, ..WANDERS }, [1.0, 1.0]);
    }
}

/// Beside others that do, a few visits do not tell surely that a cell does not; it is off by a
/// few per cent more than it was, where those beside it are by a quarter less.
#[test]
fn one_that_does_not_follow_beside_others_is_hardly_worse() {
    let host = Host {
        follows: [0.0, 0.9],
        ..WANDERS
    };
    for design in DESIGNS {
        let [odd, _] = tallies(host, design, &[0, 2, 4], 100);
        assert!(odd.worse() < 1.08, "{design:?} {}", odd.worse());
    }
}

/// Visits of two cells that follow a course by a slope.
fn visits(course: &[f64], slope: f64) -> Vec<Visit> {
    let visits = course.iter().enumerate();
    let visit = |(at, level): (usize, &f64)| Visit {
        cell: at % 2,
        level: *level,
        figure: slope * level + (at % 2) as f64,
    };
    visits.map(visit).collect()
}

#[test]
fn what_follows_exactly_is_corrected_and_what_is_left_is_the_course_s_own() {
    let course: Vec<f64> = (0..40).map(|at| f64::from(at * 7 % 10) / 50.0).collect();
    let visits = visits(&course, 0.8);
    let (base, _) = huber(&course);
    let lucks = lucks(&visits, &course);
    for (visit, luck) in visits.iter().zip(&lucks) {
        let whole = 0.8 * (visit.level - base);
        assert!((luck - whole).abs() < 0.2 * whole.abs() + 0.01, "{luck}");
    }
}

#[test]
fn few_visits_and_levels_that_are_all_the_same_tell_nothing() {
    assert!(lucks(&[], &[]).is_empty());
    for course in [&[0.1, 0.4, 0.2, 0.3, 0.5, 0.3][..], &[0.2; 30]] {
        let lucks = lucks(&visits(course, 0.8), course);
        assert!(lucks.iter().all(|luck| *luck == 0.0), "{lucks:?}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_a_luck_that_is_none(
        drawn in proptest::collection::vec((0..5_usize, -50.0..50.0_f64, -50.0..50.0_f64), 0..60),
    ) {
        let visit = |(cell, level, figure): &(usize, f64, f64)| Visit {
            cell: *cell,
            level: *level,
            figure: *figure,
        };
        let visits: Vec<Visit> = drawn.iter().map(visit).collect();
        let course: Vec<f64> = visits.iter().map(|visit| visit.level).collect();
        let lucks = lucks(&visits, &course);
        prop_assert_eq!(lucks.len(), visits.len());
        prop_assert!(lucks.iter().all(|luck| luck.is_finite()));
    }
}
