//! Page faults line by line: those of one kind, and what each side comes to.

use crate::model::{FaultCause, FaultPhase, Faults};
use crate::stats::Estimate;

/// Faults that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultLine {
    /// Those that happen at one time for one cause.
    Of(FaultPhase, FaultCause),
    /// All of the parent.
    Parent,
    /// All of the child.
    Child,
}

/// Faults of one line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tally {
    /// How many were counted. The interval's ends are sums too, which can only make it
    /// wider than it is.
    pub counted: Estimate,
    /// How many were foretold, if all were.
    pub expected: Option<f64>,
}

impl FaultLine {
    /// All lines that these faults have, the sums last.
    pub fn of<'a>(faults: impl Iterator<Item = &'a Faults>) -> Vec<Self> {
        let counts = faults.flat_map(|faults| &faults.counts);
        let mut lines: Vec<Self> = counts
            .flat_map(|count| {
                let side = match is_parents(count.phase) {
                    true => Self::Parent,
                    false => Self::Child,
                };
                [Self::Of(count.phase, count.cause), side]
            })
            .collect();
        lines.sort_unstable();
        lines.dedup();
        lines
    }

    /// Whether it is the sum of others.
    pub fn is_sum(self) -> bool {
        matches!(self, Self::Parent | Self::Child)
    }

    /// What it comes to; `None` of a kind that no record told of.
    pub fn tally(self, faults: &Faults) -> Option<Tally> {
        let is_in = |phase, cause| match self {
            Self::Of(when, why) => when == phase && why == cause,
            Self::Parent => is_parents(phase),
            Self::Child => !is_parents(phase),
        };
        let counts = faults.counts.iter();
        let mut counts = counts.filter(|count| is_in(count.phase, count.cause));
        let none = Tally {
            counted: Estimate::exact(0.0),
            expected: Some(0.0),
        };
        let tallied = counts.clone().fold(none, |tally, count| Tally {
            counted: tally.counted.plus(count.counted),
            expected: (tally.expected.zip(count.expected.measured()))
                .map(|(expected, more)| expected + more),
        });
        (self.is_sum() || counts.next().is_some()).then_some(tallied)
    }
}

fn is_parents(phase: FaultPhase) -> bool {
    matches!(phase, FaultPhase::ParentBefore | FaultPhase::ParentAfter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Availability, FaultCount};

    #[test]
    fn a_side_is_foretold_if_all_its_faults_are() {
        let count = |phase, expected| FaultCount {
            phase,
            cause: FaultCause::CopyOnWrite,
            counted: Estimate::exact(2.0),
            expected,
            rule: String::new(),
        };
        let faults = Faults {
            spawns: 1,
            lost: 0,
            counts: vec![
                count(FaultPhase::Exec, Availability::not_reached()),
                count(FaultPhase::ParentAfter, Availability::Measured(3.0)),
                count(FaultPhase::Program, Availability::Measured(1.0)),
            ],
        };
        let of = |phase| FaultLine::Of(phase, FaultCause::CopyOnWrite);
        let lines = FaultLine::of([&faults, &faults].into_iter());
        let kinds = [
            FaultPhase::ParentAfter,
            FaultPhase::Exec,
            FaultPhase::Program,
        ];
        assert_eq!(lines[..3], kinds.map(of));
        assert_eq!(lines[3..], [FaultLine::Parent, FaultLine::Child]);
        let child = FaultLine::Child.tally(&faults);
        let counted = Estimate::exact(4.0);
        let expected = None;
        assert_eq!(child, Some(Tally { counted, expected }));
        let parent = FaultLine::Parent.tally(&faults);
        assert_eq!(parent.and_then(|parent| parent.expected), Some(3.0));
        assert_eq!(of(FaultPhase::ParentBefore).tally(&faults), None);
    }
}
