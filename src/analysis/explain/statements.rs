//! What may be said of an explanation: each finding only where the intervals support
//! it.

use super::Explained;
use super::phases::phase_time;
use crate::analysis::sweep::{Axis, Group, by_turn};
use crate::model::{Mechanism, MechanismShare, Phase, SpawnMethod};
use crate::stats::{DRAWS, Estimate, Replicates, cost_replicates, level_replicates};

/// The work on page tables, in the call and when the copy is freed.
const PAGE_TABLES: [Mechanism; 4] = [
    Mechanism::PageTableCopy,
    Mechanism::PageTableAllocation,
    Mechanism::PteTeardown,
    Mechanism::PageTableFreeing,
];

/// What every way to spawn has to do, once the child has a program of its own.
const AFTER_EXEC: [Phase; 7] = [
    Phase::ExecStart,
    Phase::Loader,
    Phase::Libc,
    Phase::Run,
    Phase::Exit,
    Phase::Teardown,
    Phase::Reap,
];

/// Fork, or what comes first where fork was left out.
pub fn first_to_look_at(explained: &Explained<'_>) -> Option<SpawnMethod> {
    let mut methods = explained.explanation.methods.iter().map(|m| m.method);
    let first = methods.clone().next();
    methods.find(|m| *m == SpawnMethod::Fork).or(first)
}

/// What fork is compared with: posix_spawn, or else the baseline.
pub fn alternative(explained: &Explained<'_>) -> Option<SpawnMethod> {
    explained.cell(SpawnMethod::Fork)?;
    let baseline = explained.document.plan.baseline;
    [SpawnMethod::PosixSpawn, baseline]
        .into_iter()
        .find(|m| *m != SpawnMethod::Fork && explained.cell(*m).is_some())
}

/// The mechanism with the largest share and the next, if it is seen to be the largest.
pub fn largest_mechanism<'a>(
    explained: &Explained<'a>,
    method: SpawnMethod,
) -> Option<[&'a MechanismShare; 2]> {
    let is_sound = |share: &&MechanismShare| share.share.sound().is_some();
    let shares = explained.mechanisms(method)?.shares.iter();
    let mut shares: Vec<&MechanismShare> = shares.filter(is_sound).collect();
    shares.sort_by(|a, b| b.share.value.total_cmp(&a.share.value));
    let [first, second, ..] = shares.as_slice() else {
        return None;
    };
    first
        .share
        .exceeds(&second.share)
        .then_some([*first, *second])
}

/// What the space has more than the empty worker where its entries grew and its
/// mappings did not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grown {
    /// Mappings more.
    pub vmas: u64,
    /// Present page-table entries more.
    pub ptes: u64,
    /// Page tables more.
    pub tables: u64,
    /// Whether these tables hold few entries each: less than half of what they could.
    pub is_scattered: bool,
    /// By how much a fork from it takes longer, in nanoseconds, if it does.
    pub longer: Option<Estimate>,
    /// The share of work on page tables in fork's CPU time, if there is any.
    pub table_work: Option<Estimate>,
}

/// Where the mappings stayed the same and the page-table entries did not, fork's
/// extra is not the mappings'.
pub fn grown(explained: &Explained<'_>) -> Option<Grown> {
    const ENTRY_BYTES: u64 = 8;
    let (space, empty) = (explained.space?.space, explained.empty?.space);
    let (space, empty) = (&space.parent, &empty.parent);
    let (more, own) = (&space.mappings, &empty.mappings);
    let vmas = more.vmas.checked_sub(own.vmas)?;
    let ptes = more.present_ptes.checked_sub(own.present_ptes)?;
    if !Axis::is_of_ptes(vmas, ptes) {
        return None;
    }
    let page_size = explained.document.host.page_size.max(1);
    let bytes = (space.page_table_bytes).checked_sub(empty.page_table_bytes)?;
    let tables = bytes / page_size;
    let capacity = tables.saturating_mul(page_size / ENTRY_BYTES);
    Some(Grown {
        vmas,
        ptes,
        tables,
        is_scattered: ptes < capacity / 2,
        longer: longer(explained),
        table_work: page_table_work(explained),
    })
}

/// By how much a fork from the space takes longer than from the empty worker,
/// if it does. Their workers differ, so they are resampled with two seeds.
fn longer(explained: &Explained<'_>) -> Option<Estimate> {
    let seed = explained.document.plan.seed;
    let totals = |group: &Group<'_>, seed| {
        let cell = group.cell(SpawnMethod::Fork)?;
        let totals = by_turn(&cell.samples, &cell.samples, |turn, _| turn.total);
        cost_replicates(&totals, seed, DRAWS)
    };
    let after = totals(explained.space?, seed)?;
    let before = totals(explained.empty?, seed.wrapping_add(1))?;
    let longer = Replicates::combine(&[&after, &before], |v| Some(v[0] - v[1]))?.estimate();
    longer.is_above(0.0).then_some(longer)
}

/// The share of all work on page tables in fork's samples. The intervals' ends
/// are added, which can only make the sum's wider than it is.
fn page_table_work(explained: &Explained<'_>) -> Option<Estimate> {
    let shares = explained.mechanisms(SpawnMethod::Fork)?.shares.iter();
    let of_tables = shares.filter(|share| PAGE_TABLES.contains(&share.mechanism));
    let whole = sum(of_tables.map(|share| share.share))?;
    let ci95 = whole.ci95.map(|end| end.clamp(0.0, 1.0));
    (ci95[0] > 0.0).then_some(Estimate { ci95, ..whole })
}

/// The share of fork's total that another method saves, turn by turn.
pub fn saved(explained: &Explained<'_>, other: SpawnMethod) -> Option<Estimate> {
    let fork = explained.cell(SpawnMethod::Fork)?;
    let other = explained.cell(other)?;
    let shares = by_turn(&other.samples, &fork.samples, |other, fork| {
        1.0 - other.total / fork.total
    });
    let seed = explained.document.plan.seed;
    level_replicates(&shares, seed, DRAWS)?.estimate().sound()
}

/// The time of the phases after the exec that both methods have, if there is any.
pub fn kept(explained: &Explained<'_>, other: SpawnMethod) -> Option<Estimate> {
    let fork = explained.ledger(SpawnMethod::Fork)?;
    let other = explained.ledger(other)?;
    let shared = AFTER_EXEC
        .into_iter()
        .filter(|phase| phase_time(fork, *phase).is_some());
    sum(shared.filter_map(|phase| phase_time(other, phase))).filter(|kept| kept.is_above(0.0))
}

/// A sum whose interval is the sum of the intervals: no narrower than it is.
fn sum(parts: impl Iterator<Item = Estimate>) -> Option<Estimate> {
    parts.reduce(Estimate::plus)?.sound()
}

/// The start of a program by method.
#[derive(Debug, PartialEq)]
pub struct Starts {
    /// Each method of which a start is seen.
    pub methods: Vec<Start>,
    /// Whether libc's part is known of all, and is in the shares.
    pub with_libc: bool,
}

/// The share of a method's total that is the dynamic loader's, and libc's as far as it
/// is known apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    /// The spawn method.
    pub method: SpawnMethod,
    /// The share. Its interval is of the ends of both, so no narrower than it is.
    pub share: Estimate,
}

/// Which share of each total the start of the program is.
pub fn starts(explained: &Explained<'_>) -> Starts {
    let mut with_libc = true;
    let methods = explained.explanation.methods.iter();
    let ledgers = methods.filter_map(|m| Some((m.method, m.ledger.measured()?)));
    let found = ledgers.filter_map(|(method, ledger)| {
        let loader = phase_time(ledger, Phase::Loader)?;
        let libc = phase_time(ledger, Phase::Libc);
        with_libc &= libc.is_some();
        let start = libc.map_or(loader, |libc| loader.plus(libc)).sound()?;
        let total = ledger
            .total_ns
            .sound()
            .filter(|total| total.is_above(0.0))?;
        let ends = [
            start.ci95[0] / total.ci95[1],
            (start.ci95[1] / total.ci95[0]).min(1.0),
        ];
        start.is_above(0.0).then_some(Start {
            method,
            share: Estimate {
                value: start.value / total.value,
                ci95: ends,
            },
        })
    });
    let methods = found.collect();
    Starts { methods, with_libc }
}
