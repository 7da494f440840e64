//! From stamped spawns to the ledger of a method.

use super::Inquiry;
use crate::lab::outlook::Watched;
use crate::model::{
    Availability, BreakpointCost, ExitOrder, ExitProbe, Ledger, Missing, Phase, PhaseTime, Program,
    SpawnMethod, StampedWorker,
};
use crate::profile::ledger::{
    HitCost, Knowledge, Landmark, PhaseTimes, Rules, SpawnStamps, phases, reached,
};
use crate::stats::{DRAWS, Estimate, Replicates, cost_replicates, median};
use crate::worker::protocol::{record, stamp_words};

/// The ledger of a method, or why there is none.
pub(super) fn ledger(
    inquiry: &Inquiry<'_>,
    method: SpawnMethod,
    exit: &Availability<ExitProbe>,
    breakpoint: &Availability<BreakpointCost>,
) -> Availability<Ledger> {
    // Without a probe the order is that of the kernels of most years; the
    // document says that it was not seen.
    let order = exit
        .measured()
        .map_or(ExitOrder::AfterTeardown, |probe| probe.order);
    let hit = breakpoint.measured().map(|cost| HitCost {
        cost: whole(cost.cost_ns.value),
        lag: whole(cost.lag_ns),
    });
    let given = Given {
        order,
        hit: hit.unwrap_or_default(),
    };
    stamped(inquiry, method, given)
        .and_then(|stamped| of_workers(inquiry, method, &stamped))
        .into()
}

/// What was found out of this host before.
#[derive(Clone, Copy)]
struct Given {
    order: ExitOrder,
    hit: HitCost,
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cost is a small number of nanoseconds, and not negative"
)]
fn whole(ns: f64) -> u64 {
    ns.round() as u64
}

/// The stamped spawns of a method, worker by worker.
struct Stamped {
    known: Knowledge,
    /// Those of each worker, with its round.
    workers: Vec<(u32, Vec<PhaseTimes>)>,
    incomplete: u64,
    lost: u64,
    unmarked: Option<Missing>,
}

fn stamped(inquiry: &Inquiry<'_>, method: SpawnMethod, given: Given) -> Result<Stamped, Missing> {
    let mut traces = Vec::new();
    let mut unmarked = inquiry.landmarks.as_ref().err().cloned();
    for recording in &inquiry.evidence.stamping {
        let (Some(mine), Some(watched)) = (recording.of(method), &recording.watched) else {
            continue;
        };
        let watched = watched.as_ref().map_err(Clone::clone)?;
        unmarked = unmarked.or_else(|| watched.unmarked.clone());
        let spawns = mine.map(stamps).collect();
        let round = recording.occasion.round;
        traces.push(Trace {
            round,
            watched,
            spawns,
        });
    }
    let known = known(inquiry, method, &traces, given);
    let mut incomplete = 0;
    let mut workers = Vec::new();
    for trace in &traces {
        let rules = trace.rules(given, &known);
        let cut = phases(&trace.spawns, &trace.watched.events, &rules);
        incomplete += cut.iter().filter(|times| times.is_none()).count() as u64;
        workers.push((trace.round, cut.into_iter().flatten().collect()));
    }
    Ok(Stamped {
        known,
        workers,
        incomplete,
        lost: traces.iter().map(|trace| trace.watched.lost).sum(),
        unmarked,
    })
}

/// One worker's stamps of one method.
struct Trace<'a> {
    round: u32,
    watched: &'a Watched,
    spawns: Vec<SpawnStamps>,
}

impl Trace<'_> {
    fn rules(&self, given: Given, known: &Knowledge) -> Rules {
        Rules {
            worker: self.watched.worker,
            order: given.order,
            hit: given.hit,
            landmarks: self.watched.landmarks.clone(),
            known: known.clone(),
        }
    }
}

/// A record's stamps.
pub(super) fn stamps(words: &[u64]) -> SpawnStamps {
    let stamp = |word: usize| words[record::WORDS + word];
    let child = [stamp(stamp_words::CHILD), stamp(stamp_words::CHILD + 1)];
    let moment = |word: usize| stamp(word) * 1_000_000_000 + stamp(word + 1);
    let program = [
        moment(stamp_words::PROGRAM),
        moment(stamp_words::PROGRAM + 2),
    ];
    let written = |stamps: [u64; 2]| (!stamps.contains(&0)).then_some(stamps);
    SpawnStamps {
        begin: words[record::BEFORE],
        called: words[record::CALLED],
        end: words[record::REAPED],
        child: written(child),
        program: written(program),
    }
}

/// What is to be known of this method's spawns: which stamps its child and its
/// program write, and which instructions all workers' children came to.
fn known(
    inquiry: &Inquiry<'_>,
    method: SpawnMethod,
    traces: &[Trace<'_>],
    given: Given,
) -> Knowledge {
    let is_own = inquiry.executes() && method != SpawnMethod::System;
    let mut known = Knowledge {
        child: method.copies() || method == SpawnMethod::Vfork,
        program: is_own && inquiry.plan.program == Program::Embedded,
        exec: inquiry.executes(),
        waits: !method.call_is_apart(),
        landmarks: Vec::new(),
    };
    let mut wanted: Vec<Landmark> = Vec::new();
    if !known.child && known.exec {
        wanted.push(Landmark::Execve);
    }
    if is_own {
        wanted.extend([Landmark::First, Landmark::Entry, Landmark::Main]);
    }
    for trace in traces {
        let rules = trace.rules(given, &known);
        wanted = reached(&trace.spawns, &trace.watched.events, &rules, &wanted);
    }
    known.landmarks = wanted;
    known
}

fn of_workers(
    inquiry: &Inquiry<'_>,
    method: SpawnMethod,
    stamped: &Stamped,
) -> Result<Ledger, Missing> {
    let seed = inquiry.plan.seed;
    let median_of = |pick: &dyn Fn(&PhaseTimes) -> Option<f64>| {
        let spawns = stamped.workers.iter().map(|(_, spawns)| spawns);
        let workers: Vec<Vec<f64>> = spawns
            .map(|spawns| spawns.iter().filter_map(pick).collect())
            .collect();
        cost_replicates(&workers, seed, DRAWS)
    };
    let total = median_of(&|times| Some(times.total));
    let total = total.ok_or_else(|| nothing_stamped(inquiry, stamped))?;
    let medians: Vec<Option<Replicates>> = (0..Phase::ALL.len())
        .map(|phase| median_of(&|times| times.phases[phase]))
        .collect();
    let mut parts: Vec<&Replicates> = vec![&total];
    parts.extend(medians.iter().flatten());
    let unexplained = Replicates::combine(&parts, |v| Some(v[0] - v[1..].iter().sum::<f64>()));
    let unexplained_ns = unexplained.map_or(Estimate::exact(0.0), |rest| rest.estimate());
    let phase_times = Phase::ALL.into_iter().zip(medians).map(|(phase, median)| {
        let median = median.map(|median| median.estimate());
        let ns = Availability::of(median, || why_not(phase, method, inquiry, stamped));
        PhaseTime { phase, ns }
    });
    Ok(Ledger {
        spawns: stamped
            .workers
            .iter()
            .map(|(_, spawns)| spawns.len() as u64)
            .sum(),
        incomplete: stamped.incomplete,
        lost: stamped.lost,
        phases: phase_times.collect(),
        total_ns: total.estimate(),
        unexplained_ns,
        stamping_ns: Availability::of(stamping(inquiry, method, &total), untimed),
        samples: stamped.workers.iter().filter_map(medians_of).collect(),
    })
}

/// What one worker's spawns took, if one of them has all of its stamps.
fn medians_of((round, spawns): &(u32, Vec<PhaseTimes>)) -> Option<StampedWorker> {
    let middle = |pick: &dyn Fn(&PhaseTimes) -> Option<f64>| {
        median(&spawns.iter().filter_map(pick).collect::<Vec<f64>>())
    };
    (!spawns.is_empty()).then(|| StampedWorker {
        round: *round,
        phases_ns: (0..Phase::ALL.len())
            .map(|phase| middle(&|times| times.phases[phase]))
            .collect(),
    })
}

/// What stamping adds to a spawn that is only timed. The workers are others, so
/// they are resampled by another seed.
fn stamping(inquiry: &Inquiry<'_>, method: SpawnMethod, total: &Replicates) -> Option<Estimate> {
    let plain = inquiry.plain_total(method)?;
    let added = Replicates::combine(&[total, &plain], |v| Some(v[0] - v[1]))?;
    Some(added.estimate())
}

/// Why there is nothing to set beside a spawn that was watched.
pub(super) fn untimed() -> Missing {
    Missing::not_asked("the run ended before a spawn was timed alone")
}

fn nothing_stamped(inquiry: &Inquiry<'_>, stamped: &Stamped) -> Missing {
    if inquiry.evidence.stamping.is_empty() {
        Missing::not_reached()
    } else if stamped.incomplete > 0 {
        let none = format!(
            "of {} spawns not one has all of its stamps",
            stamped.incomplete
        );
        Missing::unavailable(none, Some("see whether another profiler is running"))
    } else {
        Missing::unavailable("the method does not work here", None)
    }
}

/// Why a phase has no time of its own: it does not exist here, or its end is
/// not known and its time lies within the next.
fn why_not(phase: Phase, method: SpawnMethod, inquiry: &Inquiry<'_>, stamped: &Stamped) -> Missing {
    let absent = |reason: &str| Missing::not_asked(reason);
    let merged = |reason: &str| {
        let remedy = stamped.unmarked.as_ref().and_then(|m| m.remedy.clone());
        let why = stamped
            .unmarked
            .as_ref()
            .map(|m| format!(" ({})", m.reason));
        let reason = format!(
            "{reason}{}; its time is in the next row",
            why.unwrap_or_default()
        );
        Missing::unavailable(reason, remedy.as_deref())
    };
    let is_embedded = inquiry.plan.program == Program::Embedded;
    match phase {
        Phase::ExecTeardown | Phase::ExecStart | Phase::Run if !stamped.known.exec => {
            absent("the child executes nothing")
        }
        // The shell that runs first is a program of its own.
        Phase::Loader | Phase::Libc if method == SpawnMethod::System => {
            absent("the shell's own start is not told apart from what it runs")
        }
        Phase::ExecStart if method == SpawnMethod::System => Missing::unavailable(
            "the shell runs first, and does not stamp; its time is in the next row",
            None,
        ),
        Phase::Loader | Phase::Libc if is_embedded || !stamped.known.exec => {
            absent("the program has neither a dynamic loader nor a libc")
        }
        Phase::Loader if stamped.known.landmarks.contains(&Landmark::First) => {
            absent("the program has no dynamic loader")
        }
        Phase::BeforeExec if !stamped.known.child && !method.runs_libc() => {
            absent("the child makes one system call and nothing before it")
        }
        Phase::BeforeExec => merged("no stamp and no breakpoint at libc's execve shows its end"),
        Phase::ExecStart => merged("no breakpoint shows the program's first instruction"),
        Phase::Loader => merged("no breakpoint shows where the loader ends"),
        Phase::Libc => merged("no breakpoint shows where main begins"),
        Phase::Exit | Phase::Teardown if !is_embedded || method == SpawnMethod::System => {
            absent("the program's last instruction is not known: what follows it is in its own row")
        }
        _ => absent("nothing was stamped"),
    }
}
