//! From accounting and counting records to what one spawn costs in CPU time,
//! faults and switches, parent and child apart.

use super::assemble::Group;
use super::session::Recording;
use crate::model::{Availability, Caveat, CountSource, Counted, Missing, SpawnMethod};
use crate::profile::modes::ModeTicks;
use crate::stats::{Estimate, Replicates, mean_replicates, median_replicates};
use crate::sys::perf::Counter;
use crate::worker::protocol::{MOST_COUNTERS, Refused, record};

/// Resamples behind an interval.
const DRAWS: usize = 500;
/// Fewer timer ticks than this tell user from system time too badly.
const LEAST_TICKS: u64 = 30;
/// An event that counted less than this share of the time was multiplexed.
const FULL_TIME: f64 = 0.999;

/// CPU time of one spawn.
pub(super) struct Accounts {
    pub(super) cpu_ns: Availability<Estimate>,
    pub(super) sys_ns: Availability<Estimate>,
    pub(super) user_ns: Availability<Estimate>,
}

/// Every counter of one spawn.
pub(super) struct Counts {
    pub(super) minor_faults: Counted,
    pub(super) major_faults: Counted,
    pub(super) context_switches: Counted,
    pub(super) cpu_migrations: Counted,
    pub(super) task_clock_ns: Counted,
    pub(super) cycles: Counted,
    pub(super) instructions: Counted,
    pub(super) dtlb_misses: Counted,
}

/// CPU time from getrusage, split by timer samples. It is a median, as the
/// times are, so that it can be set beside the total; its steps of 1 us are
/// those of getrusage.
pub(super) fn accounts(group: &Group<'_>, method: SpawnMethod) -> Accounts {
    let own = usage(group, method, UsageWord::Cpu, Side::Parent);
    let children = usage(group, method, UsageWord::Cpu, Side::Child);
    let seed = group.plan.seed;
    let cpu: Vec<Vec<f64>> = own
        .iter()
        .zip(&children)
        .map(|(own, children)| {
            own.iter()
                .zip(children)
                .map(|(a, b)| (a + b) * 1e3)
                .collect()
        })
        .collect();
    let Some(cpu) = median_replicates(&cpu, seed, DRAWS) else {
        let missing = || Availability::Missing(group.why_not(method));
        return Accounts {
            cpu_ns: missing(),
            sys_ns: missing(),
            user_ns: missing(),
        };
    };
    let (sys_ns, user_ns) = match kernel_share(group, method) {
        Ok(share) => (
            part(&cpu, &share, |share| share),
            part(&cpu, &share, |share| 1.0 - share),
        ),
        Err(missing) => (
            Availability::Missing(missing.clone()),
            Availability::Missing(missing),
        ),
    };
    Accounts {
        cpu_ns: Availability::Measured(cpu.estimate()),
        sys_ns,
        user_ns,
    }
}

fn part(cpu: &Replicates, share: &Replicates, of: impl Fn(f64) -> f64) -> Availability<Estimate> {
    let part = Replicates::combine(&[cpu, share], |parts| Some(parts[0] * of(parts[1])));
    part.map_or_else(
        || Availability::not_asked("nothing was accounted"),
        |part| Availability::Measured(part.estimate()),
    )
}

/// The share of timer ticks that found the CPU in the kernel.
///
/// Half a tick is added on either side (Jeffreys' prior), since a thousand
/// ticks without one in user mode do not prove that there was no user time.
fn kernel_share(group: &Group<'_>, method: SpawnMethod) -> Result<Replicates, Missing> {
    let mut workers = Vec::new();
    for recording in &group.sampling {
        let index = recording.methods.iter().position(|m| *m == method);
        let (Some(index), Some(ticks)) = (index, &recording.ticks) else {
            continue;
        };
        let ticks = ticks.as_ref().map_err(Clone::clone)?;
        workers.push(ticks.get(index).copied().unwrap_or_default());
    }
    let total = |pick: fn(&ModeTicks) -> u64| workers.iter().map(pick).sum::<u64>();
    let (kernel, user) = (total(|t| t.kernel), total(|t| t.user));
    if kernel + user < LEAST_TICKS {
        let timed = group.plan.stop.time_s.is_some();
        let remedy = if timed {
            "raise --time"
        } else {
            "raise --spawns"
        };
        let why = "too few timer samples fell into these spawns";
        let few: Availability<()> = Availability::unavailable(why, Some(remedy));
        return Err(few
            .missing()
            .cloned()
            .unwrap_or_else(|| group.why_not(method)));
    }
    let ones_and_zeros = |ticks: &ModeTicks| {
        let kernel = std::iter::repeat_n(1.0, usize::try_from(ticks.kernel).unwrap_or(0));
        let user = std::iter::repeat_n(0.0, usize::try_from(ticks.user).unwrap_or(0));
        kernel.chain(user).collect::<Vec<f64>>()
    };
    let mut samples: Vec<Vec<f64>> = workers.iter().map(ones_and_zeros).collect();
    if let Some(first) = samples.first_mut() {
        first.extend([0.5, 0.5]);
    }
    let share = mean_replicates(&samples, group.plan.seed ^ 2, DRAWS);
    Ok(widen_to_wilson(
        share.ok_or_else(|| group.why_not(method))?,
        kernel + user,
    ))
}

/// A bootstrap of ticks that all say the same sees no uncertainty; the score
/// interval of a share does. The draws are stretched to reach it.
fn widen_to_wilson(mut share: Replicates, ticks: u64) -> Replicates {
    let (p, n, z) = (share.value, ticks as f64, 1.96_f64);
    let spread = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let seen = share.estimate().half_width();
    if seen < spread && !share.draws.is_empty() {
        let count = share.draws.len() as f64;
        for (index, draw) in share.draws.iter_mut().enumerate() {
            // Evenly over the interval, which is all that is known of it.
            let place = 2.0 * (index as f64 + 0.5) / count - 1.0;
            *draw = (p + place * spread).clamp(0.0, 1.0);
        }
    }
    // A resample is widened for few workers, past what a share can be.
    for draw in &mut share.draws {
        *draw = draw.clamp(0.0, 1.0);
    }
    share
}

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
        counted.child_ci95 = None;
    }
    counted
}

/// The share of the CPU time that the perf event task-clock saw.
fn seen_share(group: &Group<'_>, method: SpawnMethod) -> Option<f64> {
    let clock = perf_counted(group, method, Counter::TaskClock);
    let seen = clock.parent.measured()? + clock.child.measured()?;
    let all = *accounts(group, method)
        .cpu_ns
        .measured()
        .map(|cpu| &cpu.value)?;
    Some(seen / all)
}

/// All counters, from perf where it answered and else from getrusage.
pub(super) fn counts(group: &Group<'_>, method: SpawnMethod) -> Counts {
    let seen = seen_share(group, method);
    let perf = |counter| perf_counted(group, method, counter);
    let timely = |counter| without_lost_exit(perf_counted(group, method, counter), seen);
    let either = |counter, word| {
        let counted = perf_counted(group, method, counter);
        let refused = counted.parent.measured().is_none();
        if refused {
            usage_counted(group, method, word)
        } else {
            counted
        }
    };
    Counts {
        minor_faults: either(Counter::MinorFaults, UsageWord::MinorFaults),
        major_faults: either(Counter::MajorFaults, UsageWord::MajorFaults),
        context_switches: either(Counter::ContextSwitches, UsageWord::ContextSwitches),
        cpu_migrations: perf(Counter::CpuMigrations),
        task_clock_ns: timely(Counter::TaskClock),
        cycles: timely(Counter::Cycles),
        instructions: timely(Counter::Instructions),
        dtlb_misses: timely(Counter::DtlbMisses),
    }
}

#[derive(Clone, Copy)]
enum Side {
    Parent,
    Child,
}

#[derive(Clone, Copy)]
enum UsageWord {
    Cpu = 0,
    MinorFaults = 1,
    MajorFaults = 2,
    ContextSwitches = 3,
}

/// One figure of getrusage, worker by worker and spawn by spawn.
fn usage(group: &Group<'_>, method: SpawnMethod, word: UsageWord, side: Side) -> Vec<Vec<f64>> {
    let first = match side {
        Side::Parent => record::WORDS,
        Side::Child => record::WORDS + 4,
    };
    // A difference of two truncated figures may be -1, stored as it wrapped.
    let signed = |words: &[u64]| words[first + word as usize].cast_signed() as f64;
    group
        .accounting
        .iter()
        .map(|recording| of_method(recording, method, signed))
        .collect()
}

fn of_method(recording: &Recording, method: SpawnMethod, pick: impl Fn(&[u64]) -> f64) -> Vec<f64> {
    let Some(index) = recording.methods.iter().position(|m| *m == method) else {
        return Vec::new();
    };
    let mine = recording
        .records()
        .filter(|words| words[record::METHOD] == index as u64);
    mine.map(pick).collect()
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
        parent_ci95: None,
        child: missing(),
        child_ci95: None,
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
    let side = |estimate: Option<Estimate>| {
        estimate.map_or_else(
            || Availability::Missing(group.why_not(method)),
            |estimate| Availability::Measured(estimate.value),
        )
    };
    Counted {
        parent_ci95: parent.map(|estimate| estimate.ci95),
        child_ci95: child.map(|estimate| estimate.ci95),
        source: if parent.is_some() {
            source
        } else {
            CountSource::None
        },
        parent: side(parent),
        child: side(child),
    }
}

/// The figures that permissions or hardware refused, one caveat a reason.
pub(super) fn refused(groups: &[Group<'_>]) -> Vec<Caveat> {
    let mut caveats: Vec<Caveat> = Vec::new();
    let ticks = groups
        .iter()
        .flat_map(|group| &group.sampling)
        .filter_map(|r| r.ticks.as_ref());
    if let Some(missing) = ticks
        .clone()
        .filter_map(|ticks| ticks.as_ref().err())
        .next()
    {
        caveats.push(Caveat::Unavailable {
            figures: "system and user time".to_owned(),
            reason: missing.reason.clone(),
            remedy: missing.remedy.clone(),
        });
    }
    let Some(first) = groups.iter().flat_map(|group| &group.counting).next() else {
        return caveats;
    };
    // What getrusage counts as well is not missing.
    let missing = || {
        first
            .done
            .refused
            .iter()
            .filter(|refused| !usage_counts(refused))
    };
    let mut reasons: Vec<(&str, Option<&str>)> = Vec::new();
    for refused in missing() {
        let reason = (refused.reason.as_str(), refused.remedy.as_deref());
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    for (reason, remedy) in reasons {
        let of_reason = missing().filter(|refused| refused.reason == reason);
        let names: Vec<&str> = of_reason.map(|r| r.counter.as_str()).collect();
        caveats.push(Caveat::Unavailable {
            figures: names.join(", "),
            reason: reason.to_owned(),
            remedy: remedy.map(str::to_owned),
        });
    }
    caveats
}

fn usage_counts(refused: &Refused) -> bool {
    let counted = [
        Counter::MinorFaults,
        Counter::MajorFaults,
        Counter::ContextSwitches,
    ];
    counted
        .iter()
        .any(|counter| counter.name() == refused.counter)
}

/// Timer samples that did not reach the lab.
pub(super) fn samples_lost(groups: &[Group<'_>]) -> Option<Caveat> {
    let recordings = || groups.iter().flat_map(|group| &group.sampling);
    let lost = recordings().map(|recording| recording.lost_samples).sum();
    let ticks = recordings().filter_map(|r| r.ticks.as_ref()?.as_ref().ok());
    let kept = ticks.flatten().map(|ticks| ticks.kernel + ticks.user).sum();
    (lost > 0).then_some(Caveat::SamplesLost { lost, kept })
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
