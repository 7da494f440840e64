//! How steady the host was: what the readings of a run's reference say together, and what
//! spawns took while it was slow.

use crate::model::{Cell, Document, Reference, ReferenceReading, WorkerSamples, times_of};
use crate::stats::{
    DRAWS, Estimate, Replicates, Sight, Spells, cost_replicates, median, quantile, seed_of, spells,
};

/// Fewer readings than this have no tenth.
const FEWEST: usize = 10;

/// What the readings say of each visit between them, and of the host: the spells in which
/// it was slow, if there were any.
pub fn spells_of(reference: &Reference, seed: u64) -> Spells {
    let sights: Vec<Sight> = reference
        .readings
        .windows(2)
        .map(|pair| Sight {
            lasted: pair[1].at_s - pair[0].at_s,
            reference: [0, 1].map(|at: usize| level_ns(&pair[at])),
        })
        .collect();
    spells(&sights, seed)
}

/// What a reading says of the host: of both methods, each by its own measure.
fn level_ns(reading: &ReferenceReading) -> f64 {
    (reading.fork_ns * reading.vfork_ns).sqrt()
}

/// What the forks of the reference took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steadiness {
    /// In the middle of all readings.
    pub median_ns: f64,
    /// In one of ten they took less.
    pub p10_ns: f64,
    /// In one of ten they took more.
    pub p90_ns: f64,
    /// Forks and vforks, each by its own measure, in the middle of all readings.
    pub level_ns: f64,
}

impl Steadiness {
    /// What so many readings say; nothing if they are too few.
    pub fn of(reference: &Reference) -> Option<Self> {
        let readings = reference.readings.iter();
        let forks = readings.map(|reading| reading.fork_ns);
        let mut forks: Vec<f64> = forks.filter(|ns| ns.is_finite()).collect();
        forks.sort_by(f64::total_cmp);
        if forks.len() < FEWEST {
            return None;
        }
        Some(Self {
            median_ns: quantile(&forks, 0.5)?,
            p10_ns: quantile(&forks, 0.1)?,
            p90_ns: quantile(&forks, 0.9)?,
            level_ns: median(&reference.readings.iter().map(level_ns).collect::<Vec<_>>())?,
        })
    }
}

/// What a cell's spawns took in total, as the host was quiet and as it was slow.
pub struct Apart<'a> {
    /// The cell.
    pub cell: &'a Cell,
    /// Workers that the host was quiet for, and slow for.
    pub workers: [usize; 2],
    /// What they took, in nanoseconds.
    pub totals: [Estimate; 2],
    /// How many times as long as the quiet ones the slow ones took.
    pub ratio: Estimate,
}

/// The cells that have workers of both kinds.
pub fn apart(document: &Document) -> Vec<Apart<'_>> {
    let cells = document.findings.cells().iter().enumerate();
    cells
        .filter_map(|(at, cell)| Apart::of(cell, seed_of(document.plan.seed, at)))
        .collect()
}

impl<'a> Apart<'a> {
    fn of(cell: &'a Cell, seed: u64) -> Option<Self> {
        let is_quiet = |worker: &WorkerSamples| worker.host.is_quiet();
        let is_left_out = |worker: &WorkerSamples| !worker.counts();
        let [quiet, slow] =
            [&is_quiet as &dyn Fn(&WorkerSamples) -> bool, &is_left_out].map(|of_it| {
                let workers = cell.samples.iter().filter(|worker| of_it(worker));
                times_of(&workers.collect::<Vec<_>>(), WorkerSamples::totals)
            });
        // Other workers have another luck.
        let of_quiet = cost_replicates(&quiet, seed, DRAWS)?;
        let of_slow = cost_replicates(&slow, seed_of(seed, 0), DRAWS)?;
        let ratio = Replicates::combine(&[&of_slow, &of_quiet], |v| Some(v[0] / v[1]))?;
        Some(Self {
            cell,
            workers: [quiet.len(), slow.len()],
            totals: [of_quiet.estimate(), of_slow.estimate()],
            ratio: ratio.estimate().sound()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(forks: &[f64]) -> Option<Steadiness> {
        let reading = |(at, fork_ns): (usize, &f64)| ReferenceReading {
            at_s: at as f64,
            fork_ns: *fork_ns,
            vfork_ns: 70.0,
        };
        Steadiness::of(&Reference {
            mappings: 300,
            readings: forks.iter().enumerate().map(reading).collect(),
            ended_by: None,
            host: None,
        })
    }

    #[test]
    fn a_few_readings_say_nothing() {
        assert_eq!(of(&[600.0; 9]), None);
        assert_eq!(of(&[600.0; 10]).unwrap().median_ns, 600.0);
    }

    #[test]
    fn a_spell_shows_and_one_burst_does_not() {
        let mut forks = vec![600.0; 20];
        forks[3] = 6_000.0;
        assert_eq!(of(&forks).unwrap().p90_ns, 600.0);
        forks[4..9].fill(1_000.0);
        let found = of(&forks).unwrap();
        assert_eq!((found.p10_ns, found.median_ns), (600.0, 600.0));
        assert!(found.p90_ns >= 1_000.0);
    }
}
