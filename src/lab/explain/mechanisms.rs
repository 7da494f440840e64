//! From sampled call chains to the mechanisms of a method.

use super::Inquiry;
use super::ledger::untimed;
use crate::lab::cpu_time::how_to_sample_more;
use crate::lab::outlook::Watched;
use crate::lab::samples::totals;
use crate::lab::session::Recording;
use crate::model::{Availability, Mechanisms, Missing, Reach, SpawnMethod};
use crate::profile::attribute::{Tally, attribute, merge};
use crate::profile::shares::{Sampling, condense, shares};
use crate::profile::symbols::Symbols;
use crate::stats::{DRAWS, Estimate, Replicates, cost_replicates};

/// A worker whose call chains were sampled. They are judged at once, as those of
/// a long run would not fit into memory.
pub(super) struct Chained {
    pub(super) recording: Recording,
    tally: Tally,
    lost: u64,
    spawns: u64,
    /// The time that the spawns took.
    time_ns: u64,
}

impl Chained {
    /// Judges the chains and lets go of them.
    pub(super) fn judge(mut recording: Recording, symbols: &Result<Symbols, Missing>) -> Self {
        let windows = recording.windows();
        let (mut tally, mut lost) = (Tally::default(), 0);
        if let (Some(Ok(watched)), Ok(symbols)) = (&mut recording.watched, symbols) {
            let events = std::mem::take(&mut watched.events);
            let found = attribute(&events, watched.worker, &windows, symbols);
            lost = found.lost;
            // The worker had one method.
            tally = found.tallies.into_iter().next().unwrap_or_default();
            condense(&mut tally);
        }
        Self {
            recording,
            tally,
            lost,
            spawns: windows.len() as u64,
            time_ns: windows.iter().map(|(begin, end, _)| end - begin).sum(),
        }
    }
}

/// Whether its samples tell nothing of its spawns, so that more of them would not.
pub(super) fn is_blind(inquiry: &Inquiry<'_>, chained: &Chained) -> bool {
    let Recording {
        watched, methods, ..
    } = &chained.recording;
    let watched = watched.as_ref().and_then(|watched| watched.as_ref().ok());
    let both = watched.zip(methods.first());
    both.is_some_and(|(watched, method)| blind_to(inquiry, *method, watched).is_some())
}

/// What the kernel does while a method spawns, or why nobody can see it.
pub(super) fn mechanisms(inquiry: &Inquiry<'_>, method: SpawnMethod) -> Availability<Mechanisms> {
    sampled(inquiry, method).into()
}

fn sampled(inquiry: &Inquiry<'_>, method: SpawnMethod) -> Result<Mechanisms, Missing> {
    inquiry.symbols.as_ref().map_err(Clone::clone)?;
    let chains = inquiry.evidence.chains.iter();
    let mine: Vec<&Chained> = chains.filter(|c| c.recording.methods == [method]).collect();
    let mut last: Option<&Watched> = None;
    for watched in mine.iter().filter_map(|c| c.recording.watched.as_ref()) {
        last = Some(watched.as_ref().map_err(Clone::clone)?);
    }
    let tallies: Vec<Tally> = mine.iter().map(|chained| chained.tally.clone()).collect();
    let lost = mine.iter().map(|chained| chained.lost).sum();
    let spawns = mine.iter().map(|chained| chained.spawns).sum();
    let time_ns: u64 = mine.iter().map(|chained| chained.time_ns).sum();
    let Some(watched) = last else {
        return Err(Missing::not_reached());
    };
    if let Some(missing) = blind_to(inquiry, method, watched) {
        return Err(missing);
    }
    let sampling = Sampling {
        hz: watched.hz,
        spawns,
        seed: inquiry.plan.seed,
        draws: DRAWS,
    };
    let Some(shares) = shares(&tallies, &sampling) else {
        let remedy = how_to_sample_more(inquiry.plan);
        let why = "no sample fell into these spawns";
        return Err(Missing::unavailable(why, Some(remedy)));
    };
    let counts = tallies.iter().flat_map(|tally| &tally.windows);
    let samples: u64 = counts.flatten().sum();
    let slowdown = slowdown(
        inquiry,
        method,
        mine.iter().map(|chained| &chained.recording),
    );
    Ok(Mechanisms {
        samples,
        covered: samples as f64 * 1e9 / watched.hz.max(1) as f64 / time_ns.max(1) as f64,
        hz: watched.hz,
        lost,
        reach: watched.reach,
        spawns,
        slowdown: Availability::of(slowdown, untimed),
        shares,
        profile: merge(&tallies),
    })
}

/// Why inherited samples tell nothing of short spawns: each child's event
/// begins a whole period of its own, and so does the parent's after each fork
/// (kernel/events/core.c, inherit_event).
fn blind_to(inquiry: &Inquiry<'_>, method: SpawnMethod, watched: &Watched) -> Option<Missing> {
    const PERIODS: f64 = 5.0;
    if watched.reach == Reach::SystemWide {
        return None;
    }
    let total = inquiry.typical_total(method)?;
    let period = 1e9 / watched.hz.max(1) as f64;
    (total < PERIODS * period).then(|| {
        let reason = format!(
            "samples that children inherit begin anew with each child, and a spawn is shorter than \
             {PERIODS} of their periods"
        );
        let remedy = "run `sysctl kernel.perf_event_paranoid=0` as root, or grant CAP_PERFMON, to \
                      sample the whole CPU";
        Missing::unavailable(reason, Some(remedy))
    })
}

/// What sampling did to the loop's own speed. A sampled worker has no other method
/// beside it and needs no rehearsals.
fn slowdown<'a>(
    inquiry: &Inquiry<'_>,
    method: SpawnMethod,
    sampled: impl IntoIterator<Item = &'a Recording>,
) -> Option<Estimate> {
    let with = totals(sampled, method, inquiry.clock_cost_ns);
    let with = cost_replicates(&with, inquiry.plan.seed, DRAWS)?;
    let plain = inquiry.plain_total(method)?;
    let ratio = Replicates::combine(&[&with, &plain], |v| (v[1] > 0.0).then(|| v[0] / v[1]))?;
    Some(ratio.estimate())
}
