//! Turns: two methods side by side in the same worker at the same moment. Where several parents
//! spawn at once there are none, and the same is made of the levels of the same workers.

use crate::model::{Plan, WorkerSamples, quiet_workers, times};
use crate::stats::{DRAWS, Estimate, Replicates, cost_replicates};

/// One spawn of one method.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Until the call returned, in nanoseconds; not a number where that is not known.
    pub call: f64,
    /// Until the child was waited for, in nanoseconds.
    pub total: f64,
}

/// What `compute` makes of each turn that both samples have, worker by worker, of the
/// workers that figures are made of.
///
/// Workers are matched by their round, and by their place in it: a run that was broken off
/// may have left one of them with fewer of them, or with fewer turns in the last one.
pub fn by_turn(
    a: &[WorkerSamples],
    b: &[WorkerSamples],
    compute: impl Fn(Turn, Turn) -> f64,
) -> Vec<Vec<f64>> {
    quiet_workers(a)
        .into_iter()
        .filter_map(|ours| {
            let of_round = |worker: &&WorkerSamples| worker.round == ours.round;
            let place = a
                .iter()
                .filter(of_round)
                .position(|it| std::ptr::eq(it, ours))?;
            let theirs = b.iter().filter(of_round).nth(place)?;
            let pairs = turns(ours)
                .zip(turns(theirs))
                .map(|(ours, theirs)| compute(ours, theirs))
                .filter(|value| value.is_finite());
            Some(pairs.collect())
        })
        .collect()
}

/// How many times as long some spawns take as others of the same turns, or of the same workers.
pub fn times_as_long(
    plan: &Plan,
    samples: &[WorkerSamples],
    base: &[WorkerSamples],
) -> Option<Estimate> {
    let ratio = match plan.has_jobs() {
        true => by_worker(
            [samples, base],
            WorkerSamples::totals,
            plan.seed,
            |ours, theirs| ours / theirs,
        ),
        false => {
            let ratios = by_turn(samples, base, |ours, theirs| ours.total / theirs.total);
            cost_replicates(&ratios, plan.seed, DRAWS)
        }
    };
    Some(ratio?.estimate())
}

/// What `compute` makes of the levels of two samples of the same workers, whose luck in being
/// drawn is one.
pub(super) fn by_worker(
    both: [&[WorkerSamples]; 2],
    of: fn(&WorkerSamples) -> &[u64],
    seed: u64,
    compute: impl Fn(f64, f64) -> f64,
) -> Option<Replicates> {
    let [a, b] = both.map(|samples| cost_replicates(&times(samples, of), seed, DRAWS));
    Replicates::combine(&[&a?, &b?], |levels| Some(compute(levels[0], levels[1])))
}

/// A method whose call cannot be told from its total may store no calls.
fn turns(worker: &WorkerSamples) -> impl Iterator<Item = Turn> {
    let calls = worker.without_luck(WorkerSamples::calls).into_iter();
    let calls = calls.chain(std::iter::repeat(f64::NAN));
    let totals = worker.without_luck(WorkerSamples::totals);
    let both = totals.into_iter().zip(calls);
    both.map(|(total, call)| Turn { call, total })
}
