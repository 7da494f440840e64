//! Whether what is corrected by a reference is told better, and its intervals hold what they
//! promise, on simulated hosts.

use fastrand::Rng;

use super::super::host::{COST, Host, ROUGH, Run, SPELLS, STILL};
use super::super::{Estimate, Replicates, Spells, level_replicates, seed_of, spells};
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

fn taken(run: &Run, told: &Spells) -> Vec<usize> {
    let visits = 0..run.cells.len();
    visits.filter(|at| told.state(*at).is_quiet()).collect()
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

/// Absolute levels of a host's cells, and differences between neighbours of one kind.
fn tallies(host: Host, rounds: usize, cells: usize, runs: u64) -> [Tally; 2] {
    let [mut levels, mut differences] = [Tally::default(), Tally::default()];
    for seed in 0..runs {
        let run = host.run(rounds, cells, &mut Rng::with_seed(seed));
        let taken = taken(&run, &spells(&run.sights, seed));
        let lucks = told_lucks(&run, &taken);
        let level = |cell: usize, corrected: f64| {
            let of_cell = taken.iter().filter(|at| run.cells[**at] == cell);
            let logs: Vec<Vec<f64>> = of_cell
                .map(|at| {
                    let times = run.times[*at].iter();
                    times.map(|t| t.ln() - corrected * lucks[*at]).collect()
                })
                .collect();
            level_replicates(&logs, seed_of(seed, cell), DRAWS).filter(|_| logs.len() >= 3)
        };
        let truth = |cell: usize| (COST * (cell + 1) as f64).ln();
        for cell in 0..cells.min(6) {
            let both = |cell| Some([level(cell, 0.0)?, level(cell, 1.0)?]);
            let Some(own) = both(cell) else { continue };
            let estimates = [own[0].estimate(), own[1].estimate()];
            levels.add(truth(cell), estimates);
            let Some(other) = both(cell + 2) else {
                continue;
            };
            let less = |at: usize| {
                let parts = [&own[at], &other[at]];
                let less = Replicates::combine(&parts, |v| Some(v[1] - v[0]));
                less.unwrap().estimate()
            };
            differences.add(truth(cell + 2) - truth(cell), [less(0), less(1)]);
        }
    }
    [levels, differences]
}

#[test]
fn table() {
    let hosts = [
        ("still", STILL),
        (
            "still noisy ref",
            Host {
                reference: 0.15,
                ..STILL
            },
        ),
        ("wanders", WANDERS),
        (
            "wanders slow",
            Host {
                wanders: [0.13, 5.0],
                ..WANDERS
            },
        ),
        (
            "wanders little",
            Host {
                wanders: [0.05, 0.5],
                ..STILL
            },
        ),
        ("spells", SPELLS),
        (
            "rough",
            Host {
                bursts: [0.0, 0.0],
                ..ROUGH
            },
        ),
        (
            "none follow",
            Host {
                follows: [0.0; 2],
                ..WANDERS
            },
        ),
        (
            "half follow",
            Host {
                follows: [0.0, 0.9],
                ..WANDERS
            },
        ),
        (
            "differ",
            Host {
                follows: [0.4, 1.1],
                ..WANDERS
            },
        ),
    ];
    for (name, host) in hosts {
        for (rounds, cells) in [(4, 12), (8, 12), (20, 12), (7, 60)] {
            let tallies = tallies(host, rounds, cells, 60);
            let told = tallies.map(|t| {
                let [a, b] = t.held();
                format!(
                    "{:4} held {a:.3} {b:.3} off {:.4} x{:.3} width x{:.3}",
                    t.count,
                    t.off[0] / t.count,
                    t.worse(),
                    t.wider()
                )
            });
            println!(
                "{name:16} {rounds:2}x{cells:2} abs {} | diff {}",
                told[0], told[1]
            );
        }
    }
}
