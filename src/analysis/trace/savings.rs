//! What copying spawns cost, and what ways that copy nothing would take in their place.
//!
//! What went in is measured where calls are timed; what another way would take is what the
//! host's card foretells for parents of the sizes that were looked at.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use super::checks::is_fork;
use super::paths::standing;
use super::spread;
use crate::analysis::card::{forecast, forecast_instead};
use crate::model::{
    Availability, CardPrices, CardSaving, CardWay, Counts, Missing, Saving, Spawn, SpawnMethod,
    SpawnParent, Term,
};
use crate::units::thousands;

/// So many copying spawns of one program from processes of one size have one of them looked at.
/// To look takes several times as long as a copy: what is not repeated is not worth it.
pub const MATTERS: u64 = 3;
/// So many processes are looked at in a run at the most.
pub const MOST_LOOKS: u64 = 16;
/// A card foretells parents that have at most so many times as much of anything as the largest
/// that it was fitted to.
const BEYOND_LARGEST: u64 = 2;

/// What copying spawns were made from: processes of one program and size are of one kind.
#[derive(Debug, Clone, Copy)]
pub struct Parents<'a> {
    /// The place of the kind that each spawn was made from; nothing of one that copies nothing.
    pub of_spawns: &'a [Option<usize>],
    /// The kinds: which process of each was looked at, if one was, without a count of spawns.
    pub kinds: &'a [Option<SpawnParent>],
}

/// A copying spawn.
#[derive(Debug, Clone, Copy)]
struct Copying<'a> {
    spawn: &'a Spawn,
    /// The place of its kind.
    kind: usize,
    /// Whether a way without a copy may take its place.
    is_replaceable: bool,
}

/// The programs of which enough copying spawns are replaceable, the dearest first. `calls` says
/// whether calls were timed, or why not.
pub fn savings(
    spawns: &[Spawn],
    parents: Parents<'_>,
    wall_ns: u64,
    calls: &Availability<()>,
    prices: &Availability<CardPrices>,
) -> Vec<Saving> {
    let mut made: HashMap<u32, Vec<u64>> = HashMap::new();
    for spawn in spawns {
        made.entry(spawn.by).or_default().push(spawn.at_ns);
    }
    let mut by_program: BTreeMap<usize, Vec<Copying<'_>>> = BTreeMap::new();
    for (spawn, kind) in spawns.iter().zip(parents.of_spawns) {
        if let Some(kind) = kind {
            let by_child = made.get(&spawn.child).map_or(&[][..], Vec::as_slice);
            by_program.entry(spawn.program).or_default().push(Copying {
                spawn,
                kind: *kind,
                is_replaceable: is_replaceable(spawn, by_child),
            });
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
/// program, spawned nothing `by_child` before that, and has no namespace of its own: of these
/// posix_spawn(3) does none.
fn is_replaceable(spawn: &Spawn, by_child: &[u64]) -> bool {
    // Where it is not told when the child executed, all that it spawned may have been before.
    let until_ns = spawn.to_exec_ns.or(spawn.life_ns);
    let until_ns = until_ns.map_or(u64::MAX, |ns| spawn.at_ns.saturating_add(ns));
    // Who had the same number before or after it spawned at another time.
    let before_exec = spawn.at_ns..=until_ns;
    spawn.executed.is_some()
        && is_fork(spawn)
        && !by_child.iter().any(|at_ns| before_exec.contains(at_ns))
}

fn saving(
    program: usize,
    copying: &[Copying<'_>],
    kinds: &[Option<SpawnParent>],
    wall_ns: u64,
    calls: &Availability<()>,
    prices: &Availability<CardPrices>,
) -> Option<Saving> {
    let replaceable = copying.iter().filter(|copying| copying.is_replaceable);
    let replaceable: Vec<Copying<'_>> = replaceable.copied().collect();
    if (replaceable.len() as u64) < MATTERS {
        return None;
    }
    let parents = looked_at(&replaceable, kinds);
    let spawns: Vec<&Spawn> = replaceable.iter().map(|copying| copying.spawn).collect();
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
    for copying in replaceable {
        *counts.entry(copying.kind).or_default() += 1;
    }
    let looked_at = counts.into_iter().filter_map(|(kind, spawns)| {
        let parent = kinds.get(kind)?.clone()?;
        Some(SpawnParent { spawns, ..parent })
    });
    let mut parents: Vec<SpawnParent> = looked_at.collect();
    parents.sort_by_key(|parent| std::cmp::Reverse(parent.spawns));
    parents
}

/// What the card foretells of all spawns from parents that it has prices for.
fn by_card(parents: &[SpawnParent], prices: &CardPrices) -> Result<CardSaving, Missing> {
    let mut known: Vec<(u64, Counts)> = Vec::new();
    let mut why = None;
    for parent in parents {
        match priced(parent, prices) {
            Ok(counts) => known.push((parent.spawns, counts)),
            Err(missing) => why = why.or(Some(missing)),
        }
    }
    if known.is_empty() {
        return Err(why.unwrap_or_else(not_looked_at));
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
        call_error: prices.grade.call.loo_p90,
        total_error: prices.grade.total.loo_p90,
        measured_unix_s: prices.measured_unix_s,
    })
}

/// What a parent has, if the card has prices for all of it.
fn priced(parent: &SpawnParent, prices: &CardPrices) -> Result<Counts, Missing> {
    let counts = match &parent.parent {
        Availability::Measured(parent) => parent.mappings,
        Availability::Missing(missing) => return Err(missing.clone()),
    };
    if parent.never_executed {
        return Err(Missing::unavailable(
            "the process was forked itself and has executed nothing since, and the card has no \
             price for links to its ancestors' anon_vmas",
            None,
        ));
    }
    if counts.pinned_ptes > 0 {
        let why = "the card has no price for pinned pages";
        return Err(Missing::unavailable(why, None));
    }
    let beyond = prices.largest.and_then(|largest| {
        let all = Term::ALL.into_iter();
        let mut all = all.map(|term| (term, term.count(&counts), term.count(&largest)));
        all.find(|(_, count, most)| *count > most.saturating_mul(BEYOND_LARGEST))
    });
    match beyond {
        Some((term, count, most)) => Err(Missing::unavailable(
            format!(
                "the process had {} {}; the card's largest parent had {}",
                thousands(count),
                things(term),
                thousands(most)
            ),
            None,
        )),
        None => Ok(counts),
    }
}

fn things(term: Term) -> &'static str {
    match term {
        Term::Fixed => "forks",
        Term::Vma => "mappings",
        Term::AnonVma => "mappings with pages of their own",
        Term::FileVma => "private mappings of files",
        Term::SharedVma => "shared mappings",
        Term::Pte => "PTEs",
        Term::EmptyEntry => "empty entries beside them",
        Term::Table => "page tables",
        Term::HugeEntry => "huge pages",
    }
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
/// off by: of its call, and of its total.
pub fn saved(card: &CardSaving, by: SpawnMethod) -> Option<Saved> {
    let (fork, other) = (card.by(SpawnMethod::Fork)?, card.by(by)?);
    let is_less = |other: f64, fork: f64, error: f64| other < fork * (1.0 - error);
    if !is_less(other.total_ns, fork.total_ns, card.total_error) {
        return None;
    }
    Some(
        match is_less(other.call_ns, fork.call_ns, card.call_error) {
            true => Saved::InCall,
            false => Saved::InTotal,
        },
    )
}

#[cfg(test)]
mod tests;
