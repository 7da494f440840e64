//! Page faults by side: the parent's and the child's.

use crate::model::{FaultPhase, Faults};
use crate::stats::Estimate;

/// All faults of one side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Side {
    /// How many were counted. The interval's ends are sums too, which can only make it
    /// wider than it is.
    pub counted: Estimate,
    /// How many were foretold, if all were.
    pub expected: Option<f64>,
}

/// Whether a fault is the parent's.
pub fn is_parents(phase: FaultPhase) -> bool {
    matches!(phase, FaultPhase::ParentBefore | FaultPhase::ParentAfter)
}

/// The sum of one side.
pub fn side(faults: &Faults, parents: bool) -> Side {
    let of_side = || {
        let counts = faults.counts.iter();
        counts.filter(|count| is_parents(count.phase) == parents)
    };
    let expected: Option<Vec<f64>> = of_side()
        .map(|count| count.expected.measured().copied())
        .collect();
    Side {
        counted: of_side()
            .map(|count| count.counted)
            .fold(Estimate::exact(0.0), Estimate::plus),
        expected: expected.map(|expected| expected.iter().sum()),
    }
}
