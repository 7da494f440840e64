//! How steady the host was: what the readings of a run's reference say together.

use crate::model::Reference;
use crate::stats::quantile;

/// Fewer readings than this have no tenth that is more than one of them.
const FEWEST: usize = 20;

/// What the forks of the reference took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steadiness {
    /// In the middle of all readings.
    pub median_ns: f64,
    /// In one of ten they took less.
    pub p10_ns: f64,
    /// In one of ten they took more.
    pub p90_ns: f64,
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
        })
    }

    /// Whether the host was so unsteady that figures of two moments cannot be set beside
    /// each other without a word.
    pub fn is_unsteady(&self) -> bool {
        /// A fork of an idle host varies by less.
        const MUCH: f64 = 1.25;
        self.p90_ns > MUCH * self.p10_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ReferenceReading;

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
        })
    }

    #[test]
    fn a_few_readings_say_nothing() {
        assert_eq!(of(&[600.0; 19]), None);
        assert_eq!(of(&[600.0; 20]).unwrap().median_ns, 600.0);
    }

    #[test]
    fn a_spell_makes_it_unsteady_and_one_burst_does_not() {
        let mut forks = vec![600.0; 20];
        forks[3] = 6_000.0;
        assert!(!of(&forks).unwrap().is_unsteady());
        forks[4..9].fill(1_000.0);
        let found = of(&forks).unwrap();
        assert!(found.is_unsteady());
        assert_eq!((found.p10_ns, found.median_ns), (600.0, 600.0));
        assert!(found.p90_ns >= 1_000.0);
    }
}
