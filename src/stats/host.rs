//! A simulated host: spells, a level that wanders, tails, and visits to it.

use fastrand::Rng;

use super::bootstrap::normal;
use super::{Sight, median};

/// A step of the host's course in seconds: a spawn, or the reference between two visits.
const STEP: f64 = 0.02;

/// Spawns of a visit.
const SPAWNS: usize = 10;

/// What a spawn of the first cell takes on the quiet host; one of the next takes as much
/// more.
pub(super) const COST: f64 = 100.0;

/// How a host behaves. Standard deviations are those of logarithms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host {
    /// How long it is quiet and how long slow in the mean, in seconds.
    pub(super) lasts: [f64; 2],
    /// How much slower: the least and the most that a spell is.
    pub(super) slower: [f64; 2],
    /// The deviation of a level that wanders, and how long it remembers.
    pub(super) wanders: [f64; 2],
    /// How much higher the level is at the end than at the start.
    pub(super) drifts: f64,
    /// The share of measurements that a burst hits, and how high it is in the mean.
    pub(super) bursts: [f64; 2],
    /// How far one median of the reference is off.
    pub(super) reference: f64,
    /// How much of the host's level a figure follows, of every second cell as the second says.
    pub(super) follows: [f64; 2],
    /// How much workers differ, and spawns of one worker.
    pub(super) scatter: [f64; 2],
}

/// A host on which nothing happens.
pub(super) const STILL: Host = Host {
    lasts: [f64::INFINITY, 1.0],
    slower: [1.5, 1.5],
    wanders: [0.0, 1.0],
    drifts: 0.0,
    bursts: [0.0, 0.0],
    reference: 0.02,
    follows: [0.9; 2],
    scatter: [0.03, 0.05],
};

/// One with spells of some seconds.
pub(super) const SPELLS: Host = Host {
    lasts: [4.0, 3.0],
    ..STILL
};

/// One on which everything happens.
pub(super) const ROUGH: Host = Host {
    slower: [1.3, 2.2],
    wanders: [0.03, 1.0],
    bursts: [0.02, 0.3],
    ..SPELLS
};

/// A run: what is seen of each visit, and what is not.
pub(super) struct Run {
    pub(super) sights: Vec<Sight>,
    pub(super) cells: Vec<usize>,
    pub(super) times: Vec<Vec<f64>>,
    /// Whether any part of it was slow.
    pub(super) slow: Vec<bool>,
}

/// Student's t with four degrees of freedom, of a standard deviation of 1.
pub(super) fn heavy(rng: &mut Rng) -> f64 {
    let squares: f64 = (0..4).map(|_| normal(rng).powi(2)).sum();
    normal(rng) * (2.0 / squares).sqrt()
}

/// The host's spell and its level else, as logarithms, step by step.
type Course = Vec<[f64; 2]>;

impl Host {
    /// A run of so many rounds, in each of which each cell is visited once.
    pub(super) fn run(self, rounds: usize, cells: usize, rng: &mut Rng) -> Run {
        let course = self.course(rounds * cells * (SPAWNS + 1) + 1, rng);
        let mut run = Run {
            sights: Vec::new(),
            cells: Vec::new(),
            times: Vec::new(),
            slow: Vec::new(),
        };
        for _ in 0..rounds {
            let mut order: Vec<usize> = (0..cells).collect();
            rng.shuffle(&mut order);
            for cell in order {
                let start = run.cells.len() * (SPAWNS + 1);
                self.visit(&mut run, cell, &course[start..start + SPAWNS + 2], rng);
            }
        }
        run
    }

    /// A visit between the first step and the last.
    fn visit(self, run: &mut Run, cell: usize, course: &[[f64; 2]], rng: &mut Rng) {
        let ends = [course[0], course[course.len() - 1]];
        let reference = ends.map(|[spell, level]| {
            let off = self.reference * heavy(rng) + self.burst(rng);
            (spell + level + off).exp()
        });
        let during = &course[1..=SPAWNS];
        let luck = self.scatter[0] * heavy(rng) + self.burst(rng);
        let cost = COST * (cell + 1) as f64;
        let spawn = |[spell, level]: &[f64; 2]| {
            let host = self.follows[cell % 2] * (spell + level);
            cost * (host + luck + self.scatter[1] * heavy(rng)).exp()
        };
        run.times.push(during.iter().map(spawn).collect());
        run.cells.push(cell);
        run.slow.push(during.iter().any(|[spell, _]| *spell > 0.0));
        run.sights.push(Sight {
            lasted: SPAWNS as f64 * STEP,
            reference,
        });
    }

    fn burst(self, rng: &mut Rng) -> f64 {
        let [share, height] = self.bursts;
        if rng.f64() < share {
            -height * (1.0 - rng.f64()).ln()
        } else {
            0.0
        }
    }

    fn course(self, steps: usize, rng: &mut Rng) -> Course {
        let [quiet, slow] = self.lasts.map(f64::recip);
        let mut is_slow = rng.f64() < quiet / (quiet + slow);
        let depth = |rng: &mut Rng| {
            let [least, most] = self.slower;
            (least + (most - least) * rng.f64()).ln()
        };
        let mut spell = depth(rng);
        let [size, memory] = self.wanders;
        let kept = (-STEP / memory).exp();
        let mut level = size * normal(rng);
        (0..steps)
            .map(|step| {
                if rng.f64() < STEP / self.lasts[usize::from(is_slow)] {
                    is_slow = !is_slow;
                    spell = depth(rng);
                }
                level = kept * level + size * (1.0 - kept * kept).sqrt() * normal(rng);
                let drift = self.drifts * (step as f64 / steps as f64 - 0.5);
                [if is_slow { spell } else { 0.0 }, level + drift]
            })
            .collect()
    }
}

impl Run {
    /// The logarithms of the times of the visits that are asked for.
    pub(super) fn logs(&self, asked: impl Fn(usize) -> bool) -> Vec<Vec<f64>> {
        let visits = (0..self.times.len()).filter(|visit| asked(*visit));
        let logs = |visit: usize| self.times[visit].iter().map(|time| time.ln()).collect();
        visits.map(logs).collect()
    }

    /// The median logarithm of each visit.
    pub(super) fn figures(&self) -> Vec<f64> {
        let logs = self.logs(|_| true);
        logs.iter().map(|logs| median(logs).unwrap()).collect()
    }
}
