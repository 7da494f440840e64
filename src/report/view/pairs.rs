//! Turns: two methods side by side in the same worker at the same moment.

use crate::model::WorkerSamples;

/// One spawn of one method.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) call: f64,
    pub(super) total: f64,
}

/// What `compute` makes of each turn that both samples have, worker by worker.
///
/// Workers are matched by their round: a run that was broken off may have left
/// one of them with fewer of them, or with fewer turns in the last one.
pub(super) fn by_turn(
    a: &[WorkerSamples],
    b: &[WorkerSamples],
    compute: impl Fn(Turn, Turn) -> f64,
) -> Vec<Vec<f64>> {
    a.iter()
        .filter_map(|ours| {
            let theirs = b.iter().find(|theirs| theirs.round == ours.round)?;
            let pairs = turns(&ours.call_ns, &ours.total_ns)
                .zip(turns(&theirs.call_ns, &theirs.total_ns))
                .map(|(ours, theirs)| compute(ours, theirs))
                .filter(|value| value.is_finite());
            Some(pairs.collect())
        })
        .collect()
}

/// A method whose call cannot be told from its total may store no calls.
fn turns(calls: &[u64], totals: &[u64]) -> impl Iterator<Item = Turn> {
    totals.iter().enumerate().map(|(index, total)| Turn {
        call: calls.get(index).map_or(f64::NAN, |call| *call as f64),
        total: *total as f64,
    })
}
