//! What a watched instruction costs the child that comes to it: measured with
//! children that stamp the moment before, with and without the breakpoint.

use std::time::Duration;

use super::exit::assignment;
use crate::lab::error::LabError;
use crate::lab::kernel::Kernel;
use crate::lab::session::{self, Recording, Watch};
use crate::model::{
    Availability, BreakpointCost, ChildAction, ExitOrder, Missing, Phase, Plan, SpawnMethod,
};
use crate::profile::events::SampleEvent;
use crate::profile::ledger::{HitCost, Knowledge, PhaseTimes, Rules, phases};
use crate::stats::median;
use crate::worker::protocol::{record, stamp_words};

use super::ledger::stamps;

/// Pairs of workers, and children of each.
const PAIRS: usize = 3;
const CHILDREN: usize = 60;

/// Measures it.
pub(super) fn cost(
    kernel: &dyn Kernel,
    plan: &Plan,
    timeout: Duration,
) -> Result<Availability<BreakpointCost>, LabError> {
    let (mut costs, mut lags) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let run = |watch: Watch| {
            let mut assignment = assignment(plan, 0, CHILDREN);
            assignment.child = ChildAction::Exec;
            // A child in its parent's memory faults on nothing on its way.
            assignment.methods = vec![SpawnMethod::Vfork];
            session::run(kernel, assignment, &watch, timeout, 0)
        };
        let marked = run(Watch::Stamps(Vec::new()))?;
        let plain = run(Watch::Moments)?;
        if let Some(missing) = refusal(&marked) {
            return Ok(Availability::Missing(missing));
        }
        let cost = exec_ns(&marked).zip(exec_ns(&plain)).map(|(m, p)| m - p);
        costs.extend(cost);
        lags.extend(lag_ns(&marked));
    }
    let both = median(&costs).zip(median(&lags));
    Ok(both.map_or_else(
        || Availability::unavailable("no breakpoint was hit", None),
        |(cost_ns, lag_ns)| {
            let cost_ns = cost_ns.max(0.0);
            Availability::Measured(BreakpointCost {
                cost_ns,
                lag_ns: lag_ns.clamp(0.0, cost_ns),
            })
        },
    ))
}

fn refusal(recording: &Recording) -> Option<Missing> {
    match recording.watched.as_ref()? {
        Ok(watched) => watched.unmarked.clone(),
        Err(missing) => Some(missing.clone()),
    }
}

/// The median time from the child's last stamp to its exec.
fn exec_ns(recording: &Recording) -> Option<f64> {
    let watched = recording.watched.as_ref()?.as_ref().ok()?;
    let rules = Rules {
        worker: watched.worker,
        order: ExitOrder::BeforeTeardown,
        landmarks: Vec::new(),
        methods: vec![Knowledge {
            child: true,
            exec: true,
            ..Knowledge::default()
        }],
        hit: HitCost::default(),
    };
    let spawns: Vec<_> = recording.records().map(stamps).collect();
    let cut = phases(&spawns, &watched.events, &rules);
    let of_exec = |times: &_| phase(times, Phase::ExecTeardown);
    median(&cut.iter().flatten().filter_map(of_exec).collect::<Vec<_>>())
}

fn phase(times: &PhaseTimes, phase: Phase) -> Option<f64> {
    times.phases[phase as usize]
}

/// The median time from the child's last stamp to its hit, less what writing
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
    median(&recording.records().filter_map(lag).collect::<Vec<_>>())
}
