//! What a reader must know before trusting the figures: found in the recordings
//! and the cells, worded in `model`.

use super::assemble::{Group, Setting};
use super::count;
use super::cpu_time;
use crate::model::Parent;
use crate::model::{Caveat, Cell, Plan, SpawnMethod, Stopped};
use crate::stats::Summary;

/// Workers that differ by more than this are worth a word.
const WORTH_A_WORD: f64 = 0.10;
/// Huge pages below this share of what is resident are not worth a word.
const HUGE_SHARE: f64 = 0.01;

/// All caveats of a run.
pub(super) fn caveats(setting: &Setting<'_>, groups: &[Group<'_>], cells: &[Cell]) -> Vec<Caveat> {
    let plan = setting.plan;
    let mut caveats = Vec::new();
    if setting.stopped == Stopped::Interrupted {
        caveats.push(Caveat::Interrupted);
    }
    caveats.extend(time_exceeded(setting));
    caveats.extend(methods_missing(groups));
    caveats.extend(count::refused(groups));
    caveats.extend(groups.iter().flat_map(|group| group_caveats(group)));
    caveats.extend(count::multiplexed(groups));
    caveats.extend(cpu_time::samples_lost(groups));
    caveats.extend(daemons(setting, groups));
    caveats.extend(disagreement(cells));
    caveats.extend(precision_missed(plan, cells));
    caveats
}

/// A run that took much longer than it was given: one worker of each address
/// space must run whatever it takes.
fn time_exceeded(setting: &Setting<'_>) -> Option<Caveat> {
    const MUCH: f64 = 1.25;
    let asked_s = setting.plan.stop.time_s?;
    let used_s = setting.duration_s;
    (used_s > asked_s * MUCH).then_some(Caveat::TimeExceeded { asked_s, used_s })
}

fn daemons(setting: &Setting<'_>, groups: &[Group<'_>]) -> Option<Caveat> {
    let all = groups.iter().flat_map(|group| {
        let passes = [
            &group.timing,
            &group.accounting,
            &group.sampling,
            &group.counting,
        ];
        passes.into_iter().flatten()
    });
    let seen: u64 = all.map(|recording| recording.left_behind).sum();
    let count = seen + setting.left_behind;
    (count > 0).then_some(Caveat::Daemons { count })
}

fn methods_missing(groups: &[Group<'_>]) -> Vec<Caveat> {
    let mut gone: Vec<&(SpawnMethod, String)> = groups
        .iter()
        .flat_map(|group| &group.timing)
        .flat_map(|recording| &recording.prepared.unavailable)
        .collect();
    gone.sort();
    gone.dedup();
    let caveat = |(method, reason): &(SpawnMethod, String)| Caveat::MethodUnavailable {
        method: *method,
        reason: reason.clone(),
    };
    gone.into_iter().map(caveat).collect()
}

fn group_caveats(group: &Group<'_>) -> Vec<Caveat> {
    let space = group.space();
    let mappings = space.parent.mappings.vmas;
    let mut caveats = Vec::new();
    let workers = u32::try_from(group.timing.len()).unwrap_or(u32::MAX);
    if workers < 3 {
        caveats.push(Caveat::FewWorkers { mappings, workers });
    }
    let asked = group.request.asks_for_huge_pages();
    let share = space.parent.huge_bytes as f64 / space.parent.resident_bytes.max(1) as f64;
    if asked || share > HUGE_SHARE {
        caveats.push(Caveat::HugePages {
            mappings,
            huge_bytes: space.parent.huge_bytes,
            asked,
        });
    }
    let drifts = group
        .timing
        .iter()
        .filter_map(|r| drift(&r.inflated, &r.after));
    caveats.extend(
        drifts
            .take(1)
            .map(|change| Caveat::SpaceDrifted { mappings, change }),
    );
    caveats
}

/// What changed between two censuses, if it is more than a few pages.
fn drift(before: &Parent, after: &Parent) -> Option<String> {
    if before.mappings.vmas.abs_diff(after.mappings.vmas) > 2 {
        return Some(format!(
            "mappings {} -> {}",
            before.mappings.vmas, after.mappings.vmas
        ));
    }
    let pages = before
        .mappings
        .present_ptes
        .abs_diff(after.mappings.present_ptes);
    if pages > 64.max(before.mappings.present_ptes / 50) {
        return Some(format!(
            "present PTEs {} -> {}",
            before.mappings.present_ptes, after.mappings.present_ptes
        ));
    }
    let huge = before.huge_bytes != after.huge_bytes;
    huge.then(|| {
        format!(
            "bytes in huge pages {} -> {}",
            before.huge_bytes, after.huge_bytes
        )
    })
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

fn precision_missed(plan: &Plan, cells: &[Cell]) -> Option<Caveat> {
    let asked = plan.stop.precision?;
    let width = |total: &Summary| total.median.relative_half_width();
    let widths: Vec<f64> = cells
        .iter()
        .filter_map(|cell| cell.total_ns.measured().map(width))
        .filter(|width| *width > asked)
        .collect();
    let widest = widths.iter().copied().reduce(f64::max)?;
    Some(Caveat::PrecisionMissed {
        asked,
        widest,
        cells: widths.len(),
    })
}
