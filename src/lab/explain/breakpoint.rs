//! What a watched instruction costs the child that comes to it: measured with
//! children that stamp the moment before, with and without the breakpoint.

use std::time::Duration;

use super::exit::{self, assignment};
use crate::lab::error::LabError;
use crate::lab::kernel::Kernel;
use crate::lab::outlook::Watch;
use crate::lab::session::{self, Occasion, Recording};
use crate::model::{
    Availability, BreakpointCost, ChildAction, ExitOrder, Missing, Phase, Plan, Program,
    SpawnMethod,
};
use crate::profile::ledger::{HitCost, Knowledge, PhaseTimes, Rules, phases};
use crate::stats::{DRAWS, cost_replicates, quantile};
use crate::sys::events::SampleEvent;
use crate::worker::protocol::{record, stamp_words};

use super::ledger::stamps;

/// Children of each worker.
const CHILDREN: usize = 100;

/// Cost and lag of a hit, as one pair of workers saw them.
pub(in crate::lab) type Pair = Result<Option<[f64; 2]>, Missing>;

/// Measures them. The two workers follow each other, and there is a pair in every
/// round, so that the host's changes of speed hit both.
pub(in crate::lab) fn pair(
    kernel: &dyn Kernel,
    plan: &Plan,
    timeout: Duration,
) -> Result<Pair, LabError> {
    let run = |watch: Watch| {
        let mut assignment = assignment(plan, 0, CHILDREN);
        assignment.child = ChildAction::Exec;
        assignment.program = Program::Embedded;
        // A child in its parent's memory faults on nothing on its way.
        assignment.alone(SpawnMethod::Vfork);
        session::run(kernel, &assignment, &watch, timeout, Occasion::default())
    };
    let marked = match run(Watch::Stamps(Vec::new())) {
        Ok(marked) => marked,
        Err(error) => return exit::refused(error).map(Err),
    };
    if let Some(missing) = refusal(&marked) {
        return Ok(Err(missing));
    }
    let plain = match run(Watch::Moments) {
        Ok(plain) => plain,
        Err(error) => return exit::refused(error).map(Err),
    };
    let cost = exec_ns(&marked).zip(exec_ns(&plain)).map(|(m, p)| m - p);
    let pair = cost.zip(lag_ns(&marked));
    Ok(Ok(pair.map(|(cost, lag)| [cost, lag])))
}

/// The medians of all pairs, or why there are none.
pub(super) fn cost(pairs: &[Pair], seed: u64) -> Availability<BreakpointCost> {
    if let Some(missing) = pairs.iter().find_map(|pair| pair.as_ref().err()) {
        return Availability::Missing(missing.clone());
    }
    // Each pair is a worker's luck of its own.
    let of = |index: usize| {
        let seen = pairs.iter().flatten().flatten();
        let pairs: Vec<Vec<f64>> = seen.map(|pair| vec![pair[index].max(0.0)]).collect();
        cost_replicates(&pairs, seed, DRAWS).map(|median| median.estimate())
    };
    match of(0).zip(of(1)) {
        Some((cost, _)) if cost.value <= 0.0 => Availability::unavailable(
            "a hit of a breakpoint was not seen to cost anything, as on a CPU that is emulated",
            None,
        ),
        Some((cost, lag)) => Availability::Measured(BreakpointCost {
            cost_ns: cost,
            lag_ns: lag.value.min(cost.value),
        }),
        None if pairs.is_empty() => Availability::not_asked("no instruction had to be watched"),
        None => Availability::unavailable("no breakpoint was hit", None),
    }
}

fn refusal(recording: &Recording) -> Option<Missing> {
    match recording.watched.as_ref()? {
        Ok(watched) => watched.unmarked.clone(),
        Err(missing) => Some(missing.clone()),
    }
}

/// Of many times of the same work, the one of a spawn that nothing disturbed:
/// where others want the CPU too, a median tells of them.
fn undisturbed(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    quantile(&times, 0.1)
}

/// The time from the child's last stamp to its exec.
fn exec_ns(recording: &Recording) -> Option<f64> {
    let watched = recording.watched.as_ref()?.as_ref().ok()?;
    let rules = Rules {
        worker: watched.worker,
        order: ExitOrder::BeforeTeardown,
        landmarks: Vec::new(),
        known: Knowledge {
            child: true,
            exec: true,
            ..Knowledge::default()
        },
        hit: HitCost::default(),
    };
    let spawns: Vec<_> = recording.records().map(stamps).collect();
    let cut = phases(&spawns, &watched.events, &rules);
    let of_exec = |times: &PhaseTimes| times.phases[Phase::ExecTeardown as usize];
    undisturbed(cut.iter().flatten().filter_map(of_exec).collect())
}

/// The time from the child's last stamp to its hit, less what writing
/// the stamp takes, which the program measures with its own two.
fn lag_ns(recording: &Recording) -> Option<f64> {
    let watched = recording.watched.as_ref()?.as_ref().ok()?;
    let lag = |words: &[u64]| {
        let begin = words[record::WORDS + stamp_words::CHILD + 1];
        let hit = watched.events.iter().find_map(|event| match *event {
            SampleEvent::Landmark { time_ns, .. } if time_ns > begin => Some(time_ns),
            _ => None,
        })?;
        let [first, last] = stamps(words).program?;
        (hit < words[record::REAPED])
            .then(|| (hit - begin) as f64 - last.saturating_sub(first) as f64)
    };
    undisturbed(recording.records().filter_map(lag).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_that_costs_nothing_was_not_measured() {
        let of = |ns: f64| cost(&[Ok(Some([ns, 3.0])), Ok(Some([ns, 4.0]))], 1);
        assert!(of(0.0).missing().unwrap().reason.contains("emulated"));
        assert!(of(-20.0).missing().is_some());
        assert_eq!(of(900.0).measured().unwrap().cost_ns.value, 900.0);
    }
}
