//! From the workers' records to what the spawns of a method took.

use super::runner::AIM_ROUNDS;
use super::session::Recording;
use crate::model::{Missing, Plan, SpawnMethod, Stopped, WorkerSamples, times};
use crate::stats::{Summary, cost_replicates, median, summarise};
use crate::worker::protocol::record;

/// Resamples behind a decision to go on.
const DRAWS_TO_DECIDE: usize = 200;

/// The timed spawns of one method, worker by worker, the clock's cost taken off.
pub(super) fn samples<'a>(
    recordings: impl IntoIterator<Item = &'a Recording>,
    method: SpawnMethod,
    cost: f64,
) -> Vec<WorkerSamples> {
    let of_worker = |recording: &Recording| {
        let mine: Vec<&[u64]> = recording.of(method)?.collect();
        // Between the first stamp and the second lies one reading of the clock,
        // between the first and the third lie two.
        let net = |upto: usize, readings: f64| {
            let each = |words: &&[u64]| less(words[upto] - words[record::BEFORE], cost * readings);
            mine.iter().map(each).collect()
        };
        Some(WorkerSamples {
            round: recording.occasion.round,
            visit: recording.occasion.visit,
            host: recording.host,
            stands_in: recording.stands_in,
            luck: recording.luck,
            idle_share: recording.done.usage.idle_share(),
            all_per_second: recording
                .all_per_second(method)
                .and_then(|all| all.measured().copied()),
            call_ns: net(record::CALLED, 1.0),
            total_ns: net(record::REAPED, 2.0),
        })
    };
    recordings.into_iter().filter_map(of_worker).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the clock's cost is a small positive number of nanoseconds"
)]
fn less(interval: u64, cost: f64) -> u64 {
    interval.saturating_sub(cost.round() as u64)
}

/// The totals of one method, worker by worker.
pub(super) fn totals<'a>(
    recordings: impl IntoIterator<Item = &'a Recording>,
    method: SpawnMethod,
    cost: f64,
) -> Vec<Vec<f64>> {
    times(&samples(recordings, method, cost), WorkerSamples::totals)
}

/// Calls and totals summed up; `None` without any.
pub(super) fn summaries(samples: &[WorkerSamples], seed: u64) -> [Option<Summary>; 2] {
    [WorkerSamples::calls, WorkerSamples::totals].map(|of| summarise(&times(samples, of), seed))
}

/// The median total of one method in one recording.
pub(super) fn typical_total(timing: &Recording, method: SpawnMethod, cost: f64) -> Option<f64> {
    median(totals([timing], method, cost).first()?)
}

/// Why a method took no turns in these recordings, if the host lacks it.
pub(super) fn unavailable<'a>(
    recordings: impl IntoIterator<Item = &'a Recording>,
    method: SpawnMethod,
) -> Option<Missing> {
    let gone = |recording: &'a Recording| &recording.prepared.unavailable;
    let mut gone = recordings.into_iter().flat_map(gone);
    let (_, reason) = gone.find(|(gone, _)| *gone == method)?;
    Some(Missing::unavailable(reason.clone(), None))
}

/// The spawns of each method in these recordings.
pub(super) fn spawns<'a>(recordings: impl IntoIterator<Item = &'a Recording>) -> u64 {
    recordings.into_iter().map(fewest).sum()
}

/// The spawns of the method that has the fewest: where each spawns for its own share of the
/// time, they differ.
fn fewest(recording: &Recording) -> u64 {
    let of = |method: &SpawnMethod| recording.of(*method).map_or(0, Iterator::count);
    recording.methods.iter().map(of).min().unwrap_or(0) as u64
}

/// How many spawns of this length fit into a time.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "both are positive, and the cast saturates"
)]
pub(super) fn spawns_within(time_ns: f64, total_ns: f64) -> usize {
    (time_ns / total_ns) as usize
}

/// Of the parents that are open those that need more workers, and why none does.
pub(super) fn still_open(
    open: &[usize],
    enough: impl Fn(usize) -> Option<Stopped>,
) -> (Vec<usize>, Option<Stopped>) {
    let mut ended = None;
    let mut left = open.to_vec();
    left.retain(|parent| match enough(*parent) {
        None => true,
        why => {
            ended = why;
            false
        }
    });
    let ended = ended.filter(|_| left.is_empty());
    (left, ended)
}

/// Why these timings of one parent are enough, if they are.
pub(super) fn enough(
    timings: &[&Recording],
    plan: &Plan,
    rounds: u32,
    clock_cost_ns: f64,
) -> Option<Stopped> {
    let (stop, all) = (&plan.stop, || timings.iter().copied());
    if stop.spawns.is_some_and(|asked| spawns(all()) >= asked) {
        return Some(Stopped::Spawns);
    }
    let precision = stop.precision.filter(|_| rounds >= AIM_ROUNDS)?;
    (widest(timings, plan, clock_cost_ns)? <= precision).then_some(Stopped::Precision)
}

/// The relative half-width of the widest interval of these timings' totals.
pub(super) fn widest(timings: &[&Recording], plan: &Plan, clock_cost_ns: f64) -> Option<f64> {
    let methods = timings.first().into_iter().flat_map(|first| &first.methods);
    let width = |method: &SpawnMethod| {
        let totals = totals(timings.iter().copied(), *method, clock_cost_ns);
        let total = cost_replicates(&totals, plan.seed, DRAWS_TO_DECIDE)?;
        Some(total.estimate().relative_half_width())
    };
    methods.filter_map(width).reduce(f64::max)
}
