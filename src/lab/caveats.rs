//! What a reader must know before trusting the figures: found in the recordings
//! and the cells, worded in `model`.

use super::count;
use super::cpu_time;
use super::group::Group;
use super::kernel::Kernel;
use super::limits::Need;
use super::outcome::Ended;
use super::prospect::{LONGEST_S, needed_s};
use super::runner::AIM_ROUNDS;
use crate::analysis::steadiness::Steadiness;
use crate::model::{
    Availability, Caveat, Cell, CpuQuota, HostCourse, Noise, Obstacle, Parent, Placement, Plan,
    Run, SpawnMethod, Stopped,
};
use crate::stats::Summary;

/// Workers that differ by more than this are worth a word.
const WORTH_A_WORD: f64 = 0.10;
/// Huge pages below this share of what is resident are not worth a word.
const HUGE_SHARE: f64 = 0.01;

/// All caveats of a run.
pub(super) fn caveats(
    plan: &Plan,
    page_size: u64,
    ended: &Ended,
    groups: &[Group<'_>],
    cells: &[Cell],
) -> Vec<Caveat> {
    let count = ended.left_behind;
    let interrupted = ended.run.stopped == Stopped::Interrupted;
    let mut caveats = Vec::new();
    caveats.extend(interrupted.then_some(Caveat::Interrupted));
    caveats.extend(time_exceeded(plan, ended.run.duration_s));
    caveats.extend(unsteady(&ended.run));
    caveats.extend(methods_missing(groups));
    caveats.extend(count::refused(groups));
    let of_group = |group| group_caveats(group, page_size);
    caveats.extend(groups.iter().flat_map(of_group));
    caveats.extend(count::multiplexed(groups));
    caveats.extend(cpu_time::samples_lost(groups));
    caveats.extend((count > 0).then_some(Caveat::Daemons { count }));
    let noisy = |noise| noisy(noise, ended.is_pinned);
    caveats.extend(ended.noise.iter().flat_map(noisy));
    caveats.extend(disagreement(cells));
    caveats.extend(totals_missed(plan, cells, &ended.run, &caveats));
    caveats
}

/// What ran at once on threads of one core: a worker, and others on these CPUs.
pub(super) fn cores_shared(kernel: &dyn Kernel, plan: &Plan, others: &[usize]) -> Option<Caveat> {
    let Placement::Pinned(cpu) = plan.placement else {
        return None;
    };
    let cpus = [&[cpu], others].concat();
    let shares = |a: &usize| cpus.iter().any(|b| a != b && kernel.share_a_core(*a, *b));
    let sharing: Vec<usize> = cpus.iter().copied().filter(shares).collect();
    (!sharing.is_empty()).then_some(Caveat::CoresShared { cpus: sharing })
}

/// A run that took much longer than it was given: one worker of each address
/// space must run whatever it takes.
fn time_exceeded(plan: &Plan, used_s: f64) -> Option<Caveat> {
    const MUCH: f64 = 1.25;
    let asked_s = plan.stop.time_s?;
    (used_s > asked_s * MUCH).then_some(Caveat::TimeExceeded { asked_s, used_s })
}

/// A host that did much else. Others on CPUs between which workers may choose are in
/// nobody's way.
fn noisy(noise: &Noise, is_pinned: bool) -> Vec<Caveat> {
    const MUCH_SHARED: f64 = 0.10;
    const MUCH_STOLEN: f64 = 0.02;
    let more_than = |share: &Availability<f64>, much: f64| {
        let share = share.measured().copied();
        share.filter(|share| *share > much)
    };
    let shared = more_than(&noise.whole.others_share, MUCH_SHARED);
    let stolen = more_than(&noise.whole.steal_share, MUCH_STOLEN);
    let shared = match (noise.cpus.as_slice(), shared) {
        ([cpu], Some(share)) => Some(Caveat::CpuShared { cpu: *cpu, share }),
        (cpus, Some(share)) if is_pinned => Some(Caveat::CpusShared {
            cpus: cpus.to_vec(),
            share,
        }),
        _ => None,
    };
    let stolen = stolen.map(|share| Caveat::Stolen { share });
    let throttled = noise.cpu_quota.as_ref().and_then(throttled);
    [shared, stolen, throttled].into_iter().flatten().collect()
}

fn throttled(quota: &CpuQuota) -> Option<Caveat> {
    const MUCH: f64 = 0.01;
    let share = quota.spent_share().filter(|share| *share > MUCH)?;
    Some(Caveat::Throttled {
        cpus: quota.cpus(),
        share,
        file: quota.file.clone().unwrap_or_default(),
    })
}

fn unsteady(run: &Run) -> Option<Caveat> {
    let reference = run.reference.measured()?;
    let Steadiness { p10_ns, p90_ns, .. } = Steadiness::of(reference)?;
    let is_unsteady = matches!(
        reference.host,
        Some(HostCourse::SeldomQuiet(_) | HostCourse::Restless { .. })
    );
    is_unsteady.then_some(Caveat::Unsteady { p10_ns, p90_ns })
}

fn methods_missing(groups: &[Group<'_>]) -> Vec<Caveat> {
    let timing = groups.iter().flat_map(|group| &group.timing);
    let mut gone: Vec<&(SpawnMethod, String)> =
        timing.flat_map(|r| &r.prepared.unavailable).collect();
    gone.sort();
    gone.dedup();
    let caveat = |(method, reason): &(SpawnMethod, String)| Caveat::MethodUnavailable {
        method: *method,
        reason: reason.clone(),
    };
    gone.into_iter().map(caveat).collect()
}

fn group_caveats(group: &Group<'_>, page_size: u64) -> Vec<Caveat> {
    let space = group.space();
    let mappings = space.parent.mappings.vmas;
    let mut caveats = Vec::new();
    let workers = u32::try_from(group.timing.len()).unwrap_or(u32::MAX);
    if workers < 3 {
        caveats.push(Caveat::FewWorkers { mappings, workers });
    }
    let share = space.parent.huge_bytes as f64 / space.parent.resident_bytes.max(1) as f64;
    let part = group.request.huge_part();
    let is_worth_a_word = match part {
        // What was granted in full is as it was ordered.
        Some(part) => space.parent.huge_bytes < Need::of(part, page_size).resident_bytes,
        None => share > HUGE_SHARE,
    };
    if is_worth_a_word {
        caveats.push(Caveat::HugePages {
            mappings,
            huge_bytes: space.parent.huge_bytes,
            asked: part.is_some(),
        });
    }
    let drifted = group.timings().find_map(|r| drift(&r.inflated, &r.after));
    caveats.extend(drifted.map(|change| Caveat::SpaceDrifted { mappings, change }));
    caveats
}

/// What changed between two censuses, if it is more than a few pages.
fn drift(before: &Parent, after: &Parent) -> Option<String> {
    let changed = |what: &str, of: fn(&Parent) -> u64, allowed: u64| {
        let (before, after) = (of(before), of(after));
        (before.abs_diff(after) > allowed).then(|| format!("{what} {before} -> {after}"))
    };
    let some = 64.max(before.mappings.present_ptes / 50);
    changed("mappings", |parent| parent.mappings.vmas, 2)
        .or_else(|| changed("present PTEs", |parent| parent.mappings.present_ptes, some))
        .or_else(|| changed("bytes in huge pages", |parent| parent.huge_bytes, 0))
}

fn disagreement(cells: &[Cell]) -> Option<Caveat> {
    let spread = |cell: &Cell| cell.worker_spread.measured().copied().unwrap_or(0.0);
    let apart: Vec<&Cell> = cells
        .iter()
        .filter(|cell| spread(cell) > WORTH_A_WORD)
        .collect();
    let most = apart
        .iter()
        .max_by(|a, b| spread(a).total_cmp(&spread(b)))?;
    Some(Caveat::WorkersDisagree {
        cells: apart.len(),
        spread: spread(most),
        mappings: most.space.parent.mappings.vmas,
        method: most.method,
    })
}

fn totals_missed(plan: &Plan, cells: &[Cell], run: &Run, seen: &[Caveat]) -> Option<Caveat> {
    let asked = plan.stop.precision?;
    let width = |total: &Summary| total.median.relative_half_width();
    let totals = cells.iter().filter_map(|cell| cell.total_ns.measured());
    let widths: Vec<f64> = totals.map(width).collect();
    precision_missed(asked, &widths, run, seen)
}

/// What is to be said of intervals that are wider than was aimed at, beside the other
/// caveats.
pub(super) fn precision_missed(
    asked: f64,
    widths: &[f64],
    run: &Run,
    seen: &[Caveat],
) -> Option<Caveat> {
    let wide: Vec<f64> = widths.iter().copied().filter(|it| *it > asked).collect();
    let widest = wide.iter().copied().reduce(f64::max)?;
    let is_out_of_reach = run.stopped == Stopped::OutOfReach;
    let needed_s = needed_s(asked, widest, run.rounds, run.duration_s);
    // The last word is of more resamples than those by which a run ends.
    let is_told = |needed_s: &f64| match run.stopped {
        Stopped::OutOfReach => *needed_s > LONGEST_S,
        ref stopped => *stopped != Stopped::Precision,
    };
    Some(Caveat::PrecisionMissed {
        asked,
        widest,
        cells: wide.len(),
        needed_s: needed_s.filter(is_told),
        obstacle: is_out_of_reach.then(|| obstacle(run.rounds, seen)),
    })
}

/// What stood most in the way of a precision.
fn obstacle(rounds: u32, seen: &[Caveat]) -> Obstacle {
    /// A quota that is spent in fewer of its periods leaves most spawns alone.
    const IN_THE_WAY: f64 = 0.10;
    let is_of_host = |caveat: &Caveat| {
        use Caveat::{CpuShared, CpusShared, Stolen, Unsteady};
        matches!(
            caveat,
            Unsteady { .. } | CpuShared { .. } | CpusShared { .. } | Stolen { .. }
        )
    };
    let is_of_quota =
        |caveat: &Caveat| matches!(caveat, Caveat::Throttled { share, .. } if *share >= IN_THE_WAY);
    let is_of_workers = |caveat: &Caveat| matches!(caveat, Caveat::WorkersDisagree { .. });
    match () {
        // A quota that is spent makes rounds few, too.
        () if seen.iter().any(is_of_quota) => Obstacle::Quota,
        () if rounds < AIM_ROUNDS => Obstacle::Rounds,
        () if seen.iter().any(is_of_host) => Obstacle::Host,
        () if seen.iter().any(is_of_workers) => Obstacle::Workers,
        () => Obstacle::Aim,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NoiseSpan;

    #[test]
    fn others_on_the_cpus_of_pinned_workers_are_told_by_these() {
        let share = 0.5;
        let noise = |cpus: &[usize]| Noise {
            cpus: cpus.to_vec(),
            whole: NoiseSpan {
                duration_s: 1.0,
                others_share: Availability::Measured(share),
                steal_share: Availability::Measured(0.0),
                run_delay_ns: Availability::not_reached(),
                migrations: Availability::not_reached(),
                frequency_hz: Availability::not_reached(),
                cpu_pressure_share: Availability::not_reached(),
                memory_pressure_share: Availability::not_reached(),
            },
            rounds: Vec::new(),
            cpu_quota: None,
        };
        let one = Caveat::CpuShared { cpu: 1, share };
        assert_eq!(noisy(&noise(&[1]), true), [one]);
        let cpus = vec![1, 0];
        let several = Caveat::CpusShared { cpus, share };
        assert_eq!(noisy(&noise(&[1, 0]), true), [several]);
        // Between which they may choose.
        assert_eq!(noisy(&noise(&[1, 0]), false), []);
    }

    #[test]
    fn a_quota_that_is_spent_stands_in_the_way_before_the_host_does() {
        let throttled = |share| Caveat::Throttled {
            cpus: 0.1,
            share,
            file: String::new(),
        };
        let unsteady = Caveat::Unsteady {
            p10_ns: 1.0,
            p90_ns: 9.0,
        };
        let of = |seen: &[Caveat]| obstacle(AIM_ROUNDS, seen);
        assert_eq!(of(&[]), Obstacle::Aim);
        assert_eq!(of(std::slice::from_ref(&unsteady)), Obstacle::Host);
        assert_eq!(of(&[unsteady.clone(), throttled(0.1)]), Obstacle::Quota);
        assert_eq!(of(&[unsteady, throttled(0.09)]), Obstacle::Host);
        assert_eq!(of(&[throttled(0.09)]), Obstacle::Aim);
        let of_few = |share| obstacle(AIM_ROUNDS - 1, &[throttled(share)]);
        assert_eq!(of_few(0.1), Obstacle::Quota);
        assert_eq!(of_few(0.09), Obstacle::Rounds);
    }
}
