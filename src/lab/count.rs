//! From accounting and counting records to what one spawn costs in faults,
//! switches and cycles, parent and child apart.

use super::group::Group;
use super::session::Recording;
use crate::model::{Availability, Caveat, CountSource, Counted, Missing, SpawnMethod};
use crate::stats::{DRAWS, Estimate, mean_replicates};
use crate::sys::perf::Counter;
use crate::worker::protocol::{MOST_COUNTERS, Refused, record};

/// An event that counted less than this share of the time was multiplexed.
const FULL_TIME: f64 = 0.999;

/// Of the CPU time that getrusage saw, what the perf events must have seen to be
/// believed of the child.
const WHOLE: f64 = 0.85;

/// A counter that grows with the child's time is not the child's whole count
/// where inherited events end before it has freed its address space, as they do
/// on kernels since 2025 (kernel/exit.c, do_exit). That is seen by comparing
/// the CPU time of both sources.
fn without_lost_exit(mut counted: Counted, seen: Option<f64>) -> Counted {
    let Some(seen) = seen.filter(|seen| *seen < WHOLE) else {
        return counted;
    };
    if counted.child.measured().is_some() {
        let why = format!(
            "inherited perf events end before the child has freed its memory: they saw {:.0} % of the CPU time",
            seen * 100.0
        );
        counted.child = Availability::unavailable(why, Some("take the CPU time, which is whole"));
    }
    counted
}

/// Why there is no figure of children that are not the parent's own.
pub(super) fn booked_elsewhere() -> Missing {
    let why = "the children are the fork server's, and the kernel books them there";
    Missing::unavailable(why, None)
}

/// The counters of one spawn of a method.
pub(super) struct Counts<'a> {
    group: &'a Group<'a>,
    method: SpawnMethod,
    /// The share of the CPU time that the perf event task-clock saw.
    seen: Option<f64>,
}

impl<'a> Counts<'a> {
    pub(super) fn new(
        group: &'a Group<'a>,
        method: SpawnMethod,
        cpu_ns: &Availability<Estimate>,
    ) -> Self {
        let clock = perf_counted(group, method, Counter::TaskClock);
        let sides = clock.parent.measured().zip(clock.child.measured());
        let seen = sides.zip(cpu_ns.measured());
        Self {
            group,
            method,
            seen: seen.map(|((parent, child), cpu)| (parent.value + child.value) / cpu.value),
        }
    }

    /// A counter, from perf where it answered and else from getrusage.
    pub(super) fn of(&self, counter: Counter) -> Counted {
        let counted = perf_counted(self.group, self.method, counter);
        match (counter, usage_word(counter)) {
            (Counter::CpuMigrations, _) => counted,
            (_, None) => without_lost_exit(counted, self.seen),
            (_, Some(word)) if counted.parent.measured().is_none() => {
                usage_counted(self.group, self.method, word)
            }
            (_, Some(_)) => counted,
        }
    }
}

/// Where getrusage has a counter, too.
fn usage_word(counter: Counter) -> Option<UsageWord> {
    match counter {
        Counter::MinorFaults => Some(UsageWord::MinorFaults),
        Counter::MajorFaults => Some(UsageWord::MajorFaults),
        Counter::ContextSwitches => Some(UsageWord::ContextSwitches),
        _ => None,
    }
}

#[derive(Clone, Copy)]
pub(super) enum Side {
    Parent,
    Child,
}

#[derive(Clone, Copy)]
pub(super) enum UsageWord {
    Cpu = 0,
    MinorFaults = 1,
    MajorFaults = 2,
    ContextSwitches = 3,
}

/// One figure of getrusage, worker by worker and spawn by spawn.
pub(super) fn usage(
    group: &Group<'_>,
    method: SpawnMethod,
    word: UsageWord,
    side: Side,
) -> Vec<Vec<f64>> {
    let first = match side {
        Side::Parent => record::WORDS,
        Side::Child => record::WORDS + 4,
    };
    // A difference of two truncated figures may be -1, stored as it wrapped.
    let signed = |words: &[u64]| words[first + word as usize].cast_signed() as f64;
    let accounting = group.accounting.iter();
    accounting
        .map(|recording| of_method(recording, method, signed))
        .collect()
}

fn of_method(recording: &Recording, method: SpawnMethod, pick: impl Fn(&[u64]) -> f64) -> Vec<f64> {
    recording
        .of(method)
        .into_iter()
        .flatten()
        .map(pick)
        .collect()
}

fn usage_counted(group: &Group<'_>, method: SpawnMethod, word: UsageWord) -> Counted {
    let side = |side| {
        let workers = usage(group, method, word, side);
        mean_replicates(&workers, group.plan.seed, DRAWS).map(|mean| mean.estimate())
    };
    counted(
        group,
        method,
        side(Side::Parent),
        side(Side::Child),
        CountSource::Rusage,
    )
}

fn perf_counted(group: &Group<'_>, method: SpawnMethod, counter: Counter) -> Counted {
    let refused = group.counting.iter().flat_map(|r| &r.done.refused);
    if let Some(refused) = refused
        .clone()
        .find(|refused| refused.counter == counter.name())
    {
        return uncounted(&refused.reason, refused.remedy.as_deref());
    }
    let share = share(group, counter);
    if share <= 0.0 {
        return uncounted(
            "the event never had its turn on the PMU",
            Some("run with fewer perf users on this host"),
        );
    }
    let mean = |pick: fn(u64, u64) -> f64| {
        let of_worker = |recording: &&Recording| {
            let Some(place) = place(recording, counter) else {
                return Vec::new();
            };
            let own = record::WORDS + place;
            let family = own + MOST_COUNTERS;
            let scaled = |words: &[u64]| pick(words[own], words[family]) / share;
            of_method(recording, method, scaled)
        };
        let workers: Vec<Vec<f64>> = group.counting.iter().map(of_worker).collect();
        mean_replicates(&workers, group.plan.seed, DRAWS).map(|mean| mean.estimate())
    };
    let parent = mean(|own, _| own.cast_signed() as f64);
    // What the family counted beyond the process itself is its children's. The
    // two are read one after the other, so the difference may dip below zero.
    let child = mean(|own, family| family.wrapping_sub(own).cast_signed() as f64);
    counted(group, method, parent, child, CountSource::Perf)
}

/// Where a recording keeps a counter, if it was open.
fn place(recording: &Recording, counter: Counter) -> Option<usize> {
    let mut counters = recording.done.counters.iter();
    counters.position(|name| name == counter.name())
}

/// The share of the loops in which a counter was counting, 1 if it was not
/// open. It scales the mean as a whole: within one spawn an event may have
/// counted all of the time or none, and only the average of many tells.
fn share(group: &Group<'_>, counter: Counter) -> f64 {
    let of_worker = |recording: &&Recording| {
        let shares = &recording.done.shares;
        shares.get(place(recording, counter)?).copied()
    };
    let shares: Vec<f64> = group.counting.iter().filter_map(of_worker).collect();
    if shares.is_empty() {
        return 1.0;
    }
    shares.iter().sum::<f64>() / shares.len() as f64
}

fn uncounted(reason: &str, remedy: Option<&str>) -> Counted {
    let missing = || Availability::unavailable(reason, remedy);
    Counted {
        parent: missing(),
        child: missing(),
        source: CountSource::None,
    }
}

fn counted(
    group: &Group<'_>,
    method: SpawnMethod,
    parent: Option<Estimate>,
    child: Option<Estimate>,
    source: CountSource,
) -> Counted {
    let side = |estimate| Availability::of(estimate, || group.why_not(method));
    Counted {
        source: if parent.is_some() {
            source
        } else {
            CountSource::None
        },
        parent: side(parent),
        child: match method.has_own_children() {
            true => side(child),
            false => Availability::Missing(booked_elsewhere()),
        },
    }
}

/// The figures that permissions or hardware refused, one caveat a reason.
pub(super) fn refused(groups: &[Group<'_>]) -> Vec<Caveat> {
    let caveat = |figures: String, reason: &str, remedy: Option<&str>| Caveat::Unavailable {
        figures,
        reason: reason.to_owned(),
        remedy: remedy.map(str::to_owned),
    };
    let sampling = groups.iter().flat_map(|group| &group.sampling);
    let mut no_ticks = sampling.filter_map(|r| r.ticks.as_ref()?.as_ref().err());
    let no_ticks = no_ticks.next().map(|missing| {
        let figures = "system and user time".to_owned();
        caveat(figures, &missing.reason, missing.remedy.as_deref())
    });
    let counting = groups.iter().flat_map(|group| &group.counting).next();
    // What getrusage counts as well is not missing.
    let missing = counting.map_or(&[][..], |first| &first.done.refused).iter();
    let missing = missing.filter(|refused| !usage_counts(refused));
    let mut reasons: Vec<(&str, Option<&str>)> = Vec::new();
    for refused in missing.clone() {
        let reason = (refused.reason.as_str(), refused.remedy.as_deref());
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let uncounted = reasons.into_iter().map(|(reason, remedy)| {
        let of_reason = missing.clone().filter(|refused| refused.reason == reason);
        let names: Vec<&str> = of_reason.map(|r| r.counter.as_str()).collect();
        caveat(names.join(", "), reason, remedy)
    });
    no_ticks.into_iter().chain(uncounted).collect()
}

fn usage_counts(refused: &Refused) -> bool {
    let mut counted = Counter::ALL
        .into_iter()
        .filter(|c| usage_word(*c).is_some());
    counted.any(|counter| counter.name() == refused.counter)
}

/// Whether perf events shared the hardware.
pub(super) fn multiplexed(groups: &[Group<'_>]) -> Option<Caveat> {
    let shares = groups
        .iter()
        .flat_map(|g| &g.counting)
        .flat_map(|r| r.done.shares.iter().copied());
    let share = shares.reduce(f64::min).filter(|share| *share < FULL_TIME)?;
    Some(Caveat::Multiplexed { share })
}
