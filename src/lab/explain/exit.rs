//! When this kernel writes its EXIT record: before it frees the memory of the
//! process, or after. It is measured, since the order came to old kernels too.

use std::time::Duration;

use crate::lab::error::LabError;
use crate::lab::kernel::Kernel;
use crate::lab::outlook::{Watch, Watched};
use crate::lab::session::{self, Occasion, Recording};
use crate::model::{
    Availability, Backing, ChildAction, ExitOrder, ExitProbe, Missing, Plan, SpaceRequest,
    SpawnMethod, Temperature,
};
use crate::stats::median;
use crate::sys::events::SampleEvent;
use crate::worker::protocol::{Assignment, Pass, record, stamp_words};

/// By how many mappings the two address spaces differ: their teardown takes a
/// hundred times what else may differ.
const MAPPINGS: u64 = 1_000;
/// Children of each.
const CHILDREN: usize = 20;

/// Has children leave at once from a small and a large address space.
pub(in crate::lab) fn probe(
    kernel: &dyn Kernel,
    plan: &Plan,
    timeout: Duration,
) -> Result<Availability<ExitProbe>, LabError> {
    let mut small_and_large = Vec::new();
    for mappings in [0, MAPPINGS] {
        let assignment = assignment(plan, mappings, CHILDREN);
        let watch = Watch::Moments;
        let recording =
            match session::run(kernel, &assignment, &watch, timeout, Occasion::default()) {
                Ok(recording) => recording,
                Err(error) => return refused(error).map(Availability::Missing),
            };
        match gaps(&recording) {
            Ok(Some(gaps)) => small_and_large.push(gaps),
            Ok(None) => return Ok(Availability::unavailable("no EXIT record came", None)),
            Err(missing) => return Ok(Availability::Missing(missing)),
        }
    }
    let [small, large] = [small_and_large[0], small_and_large[1]];
    let before_record_ns = large[0] - small[0];
    let after_record_ns = large[1] - small[1];
    Ok(Availability::Measured(ExitProbe {
        order: if after_record_ns > before_record_ns {
            ExitOrder::BeforeTeardown
        } else {
            ExitOrder::AfterTeardown
        },
        before_record_ns,
        after_record_ns,
        mappings: MAPPINGS,
    }))
}

/// What a probe's failure means: the run goes on without its figure, unless it
/// was to be broken off, or somebody ends its workers.
pub(super) fn refused(error: LabError) -> Result<Missing, LabError> {
    match error {
        LabError::Interrupted(_) | LabError::Died { .. } => Err(error),
        error => Ok(Missing::unavailable(
            format!("a worker that was to find it out failed: {error}"),
            None,
        )),
    }
}

/// So many forked children that leave at once.
pub(super) fn assignment(plan: &Plan, mappings: u64, children: usize) -> Assignment {
    let space = SpaceRequest::Mappings {
        mappings,
        pages: 1,
        spacing: 1,
        backing: Backing::Anon,
        huge: false,
    };
    let mut assignment = Assignment {
        child: ChildAction::Exit,
        temperature: Temperature::Hot,
        turns: children,
        least_turns: children,
        ..Assignment::of_plan(plan, space, Pass::Stamping)
    };
    assignment.alone(SpawnMethod::Fork);
    assignment
}

/// Median nanoseconds from the child's last stamp to its EXIT record, and from
/// there to the return of the wait.
fn gaps(recording: &Recording) -> Result<Option<[f64; 2]>, Missing> {
    let Some(watched) = &recording.watched else {
        return Ok(None);
    };
    let watched = watched.as_ref().map_err(Clone::clone)?;
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for words in recording.records() {
        let (begin, end) = (words[record::BEFORE], words[record::REAPED]);
        let last = words[record::WORDS + stamp_words::CHILD + 1];
        let exit = exit_within(watched, begin, end);
        if let Some(exit) = exit.filter(|exit| *exit >= last && last > 0) {
            before.push((exit - last) as f64);
            after.push((end - exit) as f64);
        }
    }
    Ok(median(&before)
        .zip(median(&after))
        .map(|(before, after)| [before, after]))
}

/// When the worker's child of this stretch of time had its EXIT record.
fn exit_within(watched: &Watched, begin: u64, end: u64) -> Option<u64> {
    let is_within = |event: &&SampleEvent| {
        let time = event.time_ns();
        time.is_some_and(|time| (begin..=end).contains(&time))
    };
    let mut within = watched.events.iter().filter(is_within);
    let child = within.find_map(|event| match *event {
        SampleEvent::Fork { pid, ppid, .. } if ppid == watched.worker => Some(pid),
        _ => None,
    })?;
    within.find_map(|event| match *event {
        SampleEvent::Exit { time_ns, pid } if pid == child => Some(time_ns),
        _ => None,
    })
}
