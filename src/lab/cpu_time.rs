//! What one spawn costs in CPU time, and how much of that in the kernel.

use super::count::{Side, UsageWord, booked_elsewhere, usage};
use super::group::Group;
use crate::model::{Availability, Caveat, Missing, Plan, SpawnMethod};
use crate::profile::modes::ModeTicks;
use crate::stats::{DRAWS, Estimate, Replicates, cost_replicates, mean_replicates};

/// Fewer timer ticks than this tell user from system time too badly.
const LEAST_TICKS: u64 = 30;

/// CPU time of one spawn, and of it that in the kernel and in user mode.
///
/// It is from getrusage, split by timer samples, and a median, as the times are, so that
/// it can be set beside the total; its steps of 1 us are those of getrusage.
pub(super) fn accounts(group: &Group<'_>, method: SpawnMethod) -> [Availability<Estimate>; 3] {
    if !method.has_own_children() {
        return [(); 3].map(|()| Availability::Missing(booked_elsewhere()));
    }
    let own = usage(group, method, UsageWord::Cpu, Side::Parent);
    let children = usage(group, method, UsageWord::Cpu, Side::Child);
    let of_worker = |(own, children): (&Vec<f64>, &Vec<f64>)| {
        let both = own.iter().zip(children);
        both.map(|(a, b)| (a + b) * 1e3).collect()
    };
    let cpu: Vec<Vec<f64>> = own.iter().zip(&children).map(of_worker).collect();
    let Some(cpu) = cost_replicates(&cpu, group.plan.seed, DRAWS) else {
        return [(); 3].map(|()| Availability::Missing(group.why_not(method)));
    };
    let share = kernel_share(group, method);
    let part = |of: fn(f64) -> f64| match &share {
        Ok(share) => part(&cpu, share, of),
        Err(missing) => Availability::Missing(missing.clone()),
    };
    let (sys_ns, user_ns) = (part(|share| share), part(|share| 1.0 - share));
    [Availability::Measured(cpu.estimate()), sys_ns, user_ns]
}

fn part(cpu: &Replicates, share: &Replicates, of: fn(f64) -> f64) -> Availability<Estimate> {
    let part = Replicates::combine(&[cpu, share], |parts| Some(parts[0] * of(parts[1])));
    let part = part.map(|part| part.estimate());
    Availability::of(part, || Missing::not_asked("nothing was accounted"))
}

/// The share of timer ticks that found the CPU in the kernel.
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
    share_of_kernel(&workers, group.plan.seed).ok_or_else(|| {
        let why = "too few timer samples fell into these spawns";
        Missing::unavailable(why, Some(how_to_sample_more(group.plan)))
    })
}

/// What brings more samples of the spawns that a plan orders.
pub(super) fn how_to_sample_more(plan: &Plan) -> &'static str {
    match plan.stop.time_s {
        Some(_) => "raise --time",
        None => "raise --spawns",
    }
}

/// The same of the ticks of some workers; `None` if they are too few.
///
/// Half a tick is added on either side (Jeffreys' prior), since a thousand
/// ticks without one in user mode do not prove that there was no user time.
pub(super) fn share_of_kernel(workers: &[ModeTicks], seed: u64) -> Option<Replicates> {
    let total = |pick: fn(&ModeTicks) -> u64| workers.iter().map(pick).sum::<u64>();
    let (kernel, user) = (total(|t| t.kernel), total(|t| t.user));
    if kernel + user < LEAST_TICKS {
        return None;
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
    let share = mean_replicates(&samples, seed ^ 2, DRAWS)?;
    Some(widen_to_wilson(share, kernel + user))
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

/// Timer samples that did not reach the lab.
pub(super) fn samples_lost(groups: &[Group<'_>]) -> Option<Caveat> {
    let recordings = || groups.iter().flat_map(|group| &group.sampling);
    let lost = recordings().map(|recording| recording.lost_samples).sum();
    let ticks = recordings().filter_map(|r| r.ticks.as_ref()?.as_ref().ok());
    let kept = ticks.flatten().map(|ticks| ticks.kernel + ticks.user).sum();
    (lost > 0).then_some(Caveat::SamplesLost { lost, kept })
}
