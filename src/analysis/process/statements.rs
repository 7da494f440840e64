//! What may be said of a blame and of remedies: each finding only where the intervals
//! support it.

use crate::analysis::card::footprint_bytes;
use crate::model::{
    Blame, Cost, Counts, CpuQuota, FreeMemory, GroupCost, ProcessForecast, Rung, RungCost,
    ShapeUnit, TrialCell, UnitResemblance,
};
use crate::stats::{Estimate, FEWEST_WORKERS};

/// What is less than this of a fork is not worth a sentence.
const WORTH: f64 = 0.01;

/// Less memory than this does not look big.
const BIG: u64 = 64 << 20;

/// What was built may be off by so much before it bears on figures, and any part of them
/// be so small.
pub const TOLERATED: f64 = 0.05;

/// Of fewer units nobody can build a share more or less.
const FEWEST: u64 = 20;

/// Spawns in a second, by the time that one takes in nanoseconds.
pub fn per_second(total_ns: Estimate) -> Option<Estimate> {
    total_ns.times_in(1e9)
}

/// By how many times what follows each other takes longer once a quota is spent; none where
/// it leaves one CPU.
pub fn stretched(quota: &CpuQuota) -> Option<f64> {
    (quota.cpus() < 1.0).then(|| 1.0 / quota.cpus())
}

/// What a cost is of another, if both can be spoken of.
pub fn share(part: Estimate, whole: Estimate) -> Option<f64> {
    let share = part.value / whole.value;
    (whole.value > 0.0 && share.is_finite()).then_some(share)
}

/// The dearest rung, and those that it is not told from.
pub fn dearest_rungs(blame: &Blame) -> Vec<&RungCost> {
    leaders(blame.rungs.iter(), |rung| rung.cost.total_ns)
}

/// The dearest of the groups by name, and those that it is not told from.
pub fn dearest_groups(blame: &Blame) -> Vec<&GroupCost> {
    let listed = blame.groups.iter().filter(|group| !group.rest);
    leaders(listed, |group| group.cost.total_ns)
}

/// Of those that cost more than nothing; none where one that may cost nothing may also be
/// the dearest.
fn leaders<'a, T>(all: impl Iterator<Item = &'a T>, total: impl Fn(&T) -> Estimate) -> Vec<&'a T> {
    let is_cost = |one: &&T| total(one).sound().is_some_and(|total| total.is_above(0.0));
    let (mut told, open): (Vec<&T>, Vec<&T>) = all.partition(is_cost);
    told.sort_by(|a, b| total(b).value.total_cmp(&total(a).value));
    let Some(first) = told.first().map(|first| total(first)) else {
        return Vec::new();
    };
    let is_less = |one: &&T| total(one).sound().is_some_and(|one| first.exceeds(&one));
    if !open.iter().all(is_less) {
        return Vec::new();
    }
    told.retain(|one| !first.exceeds(&total(one)));
    told
}

/// Whether a difference that is not seen may be there all the same.
pub fn has_too_few_workers(cell: &TrialCell) -> bool {
    cell.samples.len() < FEWEST_WORKERS
}

/// Whether a part is more than half of a fork with all of its interval.
pub fn is_most(part: Estimate, blame: &Blame) -> bool {
    part.is_above(blame.fork.total_ns.ci95[1] / 2.0)
}

/// What was measured without a group, and whether that agrees with what it is charged.
pub fn checked(charged: &Cost, without: &Cost) -> Option<(Estimate, bool)> {
    let (charged, measured) = (charged.total_ns, without.total_ns.sound()?);
    let apart = charged.exceeds(&measured) || measured.exceeds(&charged);
    Some((measured, !apart))
}

/// What open files, threads and handlers add and their share of a fork, where that
/// matters.
pub fn beside(blame: &Blame) -> Option<(Estimate, f64)> {
    let rung = blame.rungs.iter().find(|rung| rung.rung == Rung::Beside)?;
    let total = rung.cost.total_ns.sound()?;
    let share = share(total, blame.fork.total_ns)?;
    (total.is_above(0.0) && share >= WORTH).then_some((total, share))
}

/// The rungs that no mappings are charged for.
pub fn unshared(blame: &Blame) -> impl Iterator<Item = &RungCost> {
    let of = |rung| blame.rungs.iter().find(move |found| found.rung == rung);
    [Rung::Beside, Rung::Empty].into_iter().filter_map(of)
}

/// Whether the figures of a rung were worked out from a part of its units.
pub fn is_extrapolated(rung: &RungCost) -> bool {
    rung.factor != 1.0
}

/// What one unit of a rung costs.
pub fn of_one(rung: &RungCost) -> Option<Estimate> {
    let units = rung.units as f64;
    rung.cost.total_ns.map(|ns| ns / units).sound()
}

/// The memory that looks big and costs next to nothing, largest first, and no more than
/// two kinds of it.
pub fn looks_big(blame: &Blame) -> Vec<&FreeMemory> {
    let free = blame.free.iter();
    let mut big: Vec<&FreeMemory> = free.filter(|free| free.bytes >= BIG).collect();
    big.sort_by_key(|free| std::cmp::Reverse(free.bytes));
    big.truncate(2);
    big
}

/// What was built too much, as a share of what was wanted.
pub fn deviation(unit: &UnitResemblance) -> Option<f64> {
    let off = unit.built as f64 / unit.wanted as f64 - 1.0;
    off.is_finite().then_some(off)
}

/// Whether the workers have so much more or less of a unit that it bears on figures.
pub fn is_off(unit: &UnitResemblance) -> bool {
    let many = unit.wanted.max(unit.built) >= FEWEST;
    many && deviation(unit).is_none_or(|off| off.abs() > TOLERATED)
}

/// What the workers have too much and what they have too little of the memory that a fork
/// copies, each as a share of what was wanted. Of page tables nobody knows how many are copied.
pub fn apart(units: &[UnitResemblance]) -> [f64; 2] {
    let size = |count: &dyn Fn(&UnitResemblance) -> u64| {
        let of = |unit| units.iter().find(|of| of.unit == unit).map_or(0, count);
        footprint_bytes(&Counts {
            vmas: of(ShapeUnit::Vmas),
            anon_vmas: of(ShapeUnit::AnonVmas),
            ptes: of(ShapeUnit::Ptes),
            huge_entries: of(ShapeUnit::HugeEntries),
            ..Counts::default()
        }) as f64
    };
    let wanted = size(&|of| of.wanted).max(1.0);
    let too_many = size(&|of| of.built.saturating_sub(of.wanted));
    let too_few = size(&|of| of.wanted.saturating_sub(of.built));
    [too_many / wanted, too_few / wanted]
}

/// Whether a forecast is off by no more than nine of ten of the card's own.
pub fn is_as_expected(forecast: &ProcessForecast, error: f64) -> bool {
    error.abs() <= forecast.error
}

/// How far a forecast of the total is off, as a share of what was measured: below 0 if
/// it is too low.
pub fn error(forecast: &ProcessForecast, measured_ns: f64) -> Option<f64> {
    let error = forecast.total_ns / measured_ns - 1.0;
    (measured_ns > 0.0 && error.is_finite()).then_some(error)
}
