//! What copying spawns cost, and what ways that copy nothing would take in their place.
//!
//! What went in is measured where calls are timed; what another way would take is what the
//! host's card foretells for parents of the sizes that were looked at.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::checks::is_fork;
use super::paths::standing;
use super::spread;
use crate::analysis::card::{forecast, forecast_instead};
use crate::model::{
    Availability, CardPrices, CardSaving, CardWay, Counts, Missing, Saving, Spawn, SpawnMethod,
    SpawnParent,
};

/// So many copying spawns of one program from processes of one size have one of them looked at.
/// To look takes about as long as a copy: what is not repeated is not worth it.
pub const MATTERS: u64 = 3;
/// So many processes are looked at in a run at the most.
pub const MOST_LOOKS: u64 = 16;

/// What copying spawns were made from: processes of one program and size are of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Parents<'a> {
    /// The place of the kind that each spawn was made from; nothing of one that copies nothing.
    pub of_spawns: &'a [Option<usize>],
    /// The kinds: which process of each was looked at, if one was, without a count of spawns.
    pub kinds: &'a [Option<SpawnParent>],
}

/// A copying spawn, and the place of its kind.
type Copying<'a> = (&'a Spawn, usize);

/// The programs of which enough copying spawns are replaceable, the dearest first. `calls` says
/// whether calls were timed, or why not.
pub fn savings(
    spawns: &[Spawn],
    parents: Parents<'_>,
    wall_ns: u64,
    calls: &Availability<()>,
    prices: &Availability<CardPrices>,
) -> Vec<Saving> {
    let mut by_program: BTreeMap<usize, Vec<Copying<'_>>> = BTreeMap::new();
    for (spawn, kind) in spawns.iter().zip(parents.of_spawns) {
        if let Some(kind) = kind {
            let of_program = by_program.entry(spawn.program).or_default();
            of_program.push((spawn, *kind));
        }
    }
    let each = by_program.into_iter();
    let mut savings: Vec<Saving> = each
        .filter_map(|(program, copying)| {
            saving(program, &copying, parents.kinds, wall_ns, calls, prices)
        })
        .collect();
    savings.sort_by(|a, b| cost(b).partial_cmp(&cost(a)).unwrap_or(Ordering::Equal));
    savings
}

/// What went in, as measured and by the card, which are 0 where they are not known; then how
/// often.
fn cost(saving: &Saving) -> (f64, f64, u64) {
    let measured = saving.call_ns.measured().map(|calls| calls.total);
    let card = saving.by_card.measured();
    let fork = card.and_then(|card| card.by(SpawnMethod::Fork));
    (
        measured.unwrap_or(0.0),
        fork.map_or(0.0, |fork| fork.total_ns),
        saving.replaceable,
    )
}

/// Whether a way without a copy can do what a spawn was seen to do: its child executed a
/// program, and has no namespace of its own, which posix_spawn(3) makes none of.
fn is_replaceable(spawn: &Spawn) -> bool {
    spawn.executed.is_some() && is_fork(spawn)
}

fn saving(
    program: usize,
    copying: &[Copying<'_>],
    kinds: &[Option<SpawnParent>],
    wall_ns: u64,
    calls: &Availability<()>,
    prices: &Availability<CardPrices>,
) -> Option<Saving> {
    let replaceable = copying.iter().filter(|(spawn, _)| is_replaceable(spawn));
    let replaceable: Vec<Copying<'_>> = replaceable.copied().collect();
    if (replaceable.len() as u64) < MATTERS {
        return None;
    }
    let parents = looked_at(&replaceable, kinds);
    let spawns: Vec<&Spawn> = replaceable.iter().map(|(spawn, _)| *spawn).collect();
    let times = spread(spawns.iter().filter_map(|spawn| spawn.call_ns));
    Some(Saving {
        program,
        copies: copying.len() as u64,
        replaceable: spawns.len() as u64,
        call_ns: calls.and_then(|()| {
            Availability::of(times, || {
                Missing::not_asked("no such call returned before the watching ended")
            })
        }),
        standing_share: calls.map(|()| standing(&spawns, wall_ns)),
        by_card: prices.and_then(|prices| by_card(&parents, prices).into()),
        parents,
    })
}

/// Those of the kinds that were looked at.
fn looked_at(replaceable: &[Copying<'_>], kinds: &[Option<SpawnParent>]) -> Vec<SpawnParent> {
    let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
    for (_, kind) in replaceable {
        *counts.entry(*kind).or_default() += 1;
    }
    let looked_at = counts.into_iter().filter_map(|(kind, spawns)| {
        let parent = kinds.get(kind)?.clone()?;
        Some(SpawnParent { spawns, ..parent })
    });
    let mut parents: Vec<SpawnParent> = looked_at.collect();
    parents.sort_by_key(|parent| std::cmp::Reverse(parent.spawns));
    parents
}

/// What the card foretells of all spawns from parents that are known.
fn by_card(parents: &[SpawnParent], prices: &CardPrices) -> Result<CardSaving, Missing> {
    let known = |parent: &SpawnParent| Some((parent.spawns, parent.parent.measured()?.mappings));
    let known: Vec<(u64, Counts)> = parents.iter().filter_map(known).collect();
    if known.is_empty() {
        let why = parents.iter().find_map(|parent| parent.parent.missing());
        return Err(why.cloned().unwrap_or_else(not_looked_at));
    }
    if known.iter().any(|(_, counts)| counts.pinned_ptes > 0) {
        let why = "the card has no price for pinned pages";
        return Err(Missing::unavailable(why, None));
    }
    let way = |method, foretell: &dyn Fn(&Counts) -> [f64; 2]| {
        let each = known.iter();
        let each = each.map(|(spawns, counts)| foretell(counts).map(|ns| ns * *spawns as f64));
        let [call_ns, total_ns] = each.fold([0.0; 2], |sum, ns| [sum[0] + ns[0], sum[1] + ns[1]]);
        CardWay {
            method,
            call_ns,
            total_ns,
        }
    };
    let fork = way(SpawnMethod::Fork, &|counts| forecast(prices, counts));
    let instead = prices.instead.iter();
    let instead = instead.map(|other| way(other.method, &|counts| forecast_instead(other, counts)));
    Ok(CardSaving {
        spawns: known.iter().map(|(spawns, _)| spawns).sum(),
        ways: [fork].into_iter().chain(instead).collect(),
        error: prices.grade.total.loo_p90,
        measured_unix_s: prices.measured_unix_s,
    })
}

fn not_looked_at() -> Missing {
    Missing::not_asked(format!(
        "no process was looked at: {MATTERS} copying spawns of one program at one size are needed \
         for that, and {MOST_LOOKS} are looked at in a run"
    ))
}

/// Where another way is seen to save something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// In the call already.
    InCall,
    /// By the end of the child.
    InTotal,
}

/// Where another way saves something, if it does by more than what forecasts of the fork may be
/// off by.
pub fn saved(card: &CardSaving, by: SpawnMethod) -> Option<Saved> {
    let (fork, other) = (card.by(SpawnMethod::Fork)?, card.by(by)?);
    let is_less = |other: f64, fork: f64| other < fork * (1.0 - card.error);
    if !is_less(other.total_ns, fork.total_ns) {
        return None;
    }
    Some(match is_less(other.call_ns, fork.call_ns) {
        true => Saved::InCall,
        false => Saved::InTotal,
    })
}

#[cfg(test)]
mod tests;
