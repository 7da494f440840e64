//! From sampled call chains to the mechanisms of a method.

use super::Inquiry;
use crate::lab::assemble as cells;
use crate::lab::count::DRAWS;
use crate::lab::session::{Recording, Watched};
use crate::model::{Availability, Mechanisms, Missing, MissingKind, Reach, SpawnMethod};
use crate::profile::attribute::{Tally, attribute, merge};
use crate::profile::shares::{Sampling, shares};
use crate::profile::symbols::Symbols;
use crate::stats::{Estimate, Replicates, median_replicates};

/// What the kernel does while a method spawns, or why nobody can see it.
pub(super) fn mechanisms(inquiry: &Inquiry<'_>, method: SpawnMethod) -> Availability<Mechanisms> {
    match &inquiry.symbols {
        Ok(symbols) => of_symbols(inquiry, method, symbols).unwrap_or_else(Availability::Missing),
        Err(missing) => Availability::Missing(missing.clone()),
    }
}

fn of_symbols(
    inquiry: &Inquiry<'_>,
    method: SpawnMethod,
    symbols: &Symbols,
) -> Result<Availability<Mechanisms>, Missing> {
    let recordings: Vec<&Recording> = inquiry
        .evidence
        .chains
        .iter()
        .filter(|recording| recording.methods == [method])
        .collect();
    let (mut tallies, mut lost, mut spawns) = (Vec::new(), 0, 0);
    let mut last: Option<&Watched> = None;
    for recording in &recordings {
        let Some(watched) = &recording.watched else {
            continue;
        };
        let watched = watched.as_ref().map_err(Clone::clone)?;
        let windows = recording.windows();
        let found = attribute(&watched.events, watched.worker, &windows, symbols);
        lost += found.lost;
        spawns += windows.len() as u64;
        tallies.extend(found.tallies);
        last = Some(watched);
    }
    let Some(watched) = last else {
        return Ok(Availability::not_asked("the run ended before its turn"));
    };
    if let Some(missing) = blind(inquiry, method, watched) {
        return Ok(Availability::Missing(missing));
    }
    let sampling = Sampling {
        hz: watched.hz,
        spawns,
        seed: inquiry.plan.seed,
        draws: DRAWS,
    };
    let slowdown = slowdown(inquiry, method, &recordings);
    Ok(shares(&tallies, &sampling).map_or_else(
        || {
            let is_timed = inquiry.plan.stop.time_s.is_some();
            let remedy = if is_timed {
                "raise --time"
            } else {
                "raise --spawns"
            };
            Availability::unavailable("no sample fell into these spawns", Some(remedy))
        },
        |shares| {
            Availability::Measured(Mechanisms {
                samples: samples(&tallies),
                hz: watched.hz,
                lost,
                reach: watched.reach,
                spawns,
                slowdown_ci95: slowdown.measured().map(|estimate| estimate.ci95),
                slowdown: slowdown.map(|estimate| estimate.value),
                shares,
                profile: merge(&tallies),
            })
        },
    ))
}

/// Why inherited samples tell nothing of short spawns: each child's event
/// begins a whole period of its own, and so does the parent's after each fork
/// (kernel/events/core.c, inherit_event).
fn blind(inquiry: &Inquiry<'_>, method: SpawnMethod, watched: &Watched) -> Option<Missing> {
    const PERIODS: f64 = 5.0;
    if watched.reach == Reach::SystemWide {
        return None;
    }
    let cost = inquiry.clock_cost_ns;
    let timing = inquiry.timings().next()?;
    let total = cells::typical_total(timing, method, cost)?;
    let period = 1e9 / watched.hz.max(1) as f64;
    (total < PERIODS * period).then(|| Missing {
        missing: MissingKind::Unavailable,
        reason: format!(
            "samples that children inherit begin anew with each child, and a spawn is shorter than \
             {PERIODS} of their periods"
        ),
        remedy: Some(
            "run `sysctl kernel.perf_event_paranoid=0` as root, or grant CAP_PERFMON, to sample \
             the whole CPU"
                .to_owned(),
        ),
    })
}

fn samples(tallies: &[Tally]) -> u64 {
    let counts = tallies.iter().flat_map(|tally| &tally.windows);
    counts.flatten().sum()
}

/// What sampling did to the loop's own speed. The workers of the two are not
/// the same, so they are resampled by different seeds. A sampled worker has no
/// other method beside it and needs no rehearsals.
fn slowdown(
    inquiry: &Inquiry<'_>,
    method: SpawnMethod,
    sampled: &[&Recording],
) -> Availability<Estimate> {
    let cost = inquiry.clock_cost_ns;
    let timings: Vec<&Recording> = inquiry.timings().collect();
    let seed = inquiry.plan.seed;
    let plain = median_replicates(&cells::totals(&timings, method, cost), seed ^ 1, DRAWS);
    let with = median_replicates(&cells::totals(sampled, method, cost), seed, DRAWS);
    let ratio = with.zip(plain).and_then(|(with, plain)| {
        Replicates::combine(&[&with, &plain], |v| (v[1] > 0.0).then(|| v[0] / v[1]))
    });
    ratio.map_or_else(
        || Availability::not_asked("the run ended before a spawn was timed alone"),
        |ratio| Availability::Measured(ratio.estimate()),
    )
}
