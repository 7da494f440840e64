//! Whether a process's spawns are refused where it was when it was read.

use crate::model::{ProcessFacts, SpawnLimit, SpawnLimitKind};

/// A limit that one fork more exceeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refusal<'a> {
    /// Which.
    pub limit: &'a SpawnLimit,
    /// Of which kind.
    pub kind: SpawnLimitKind,
    /// Whether that is sure, and not only likely.
    pub is_sure: bool,
}

/// The limits that refuse this process's forks, those first that surely do.
pub fn refusals(facts: &ProcessFacts) -> Vec<Refusal<'_>> {
    let limits = facts.surroundings.iter().flat_map(|found| &found.limits);
    let exceeded = limits.filter(|limit| limit.asked > limit.left());
    let mut refusals: Vec<Refusal<'_>> = exceeded
        .map(|limit| Refusal {
            limit,
            kind: kind(limit),
            is_sure: is_sure(limit),
        })
        .collect();
    refusals.sort_by_key(|refusal| !refusal.is_sure);
    refusals
}

/// Earlier captures call a limit of `memory.high` one of memory.
fn kind(limit: &SpawnLimit) -> SpawnLimitKind {
    let file = limit.file.as_deref().unwrap_or_default();
    match limit.kind {
        SpawnLimitKind::Memory if file.ends_with("/memory.high") => SpawnLimitKind::MemoryHigh,
        kind => kind,
    }
}

fn is_sure(limit: &SpawnLimit) -> bool {
    use SpawnLimitKind::{Commit, Memory, MemoryHigh, ProcessNumbers};
    let all = limit.used.saturating_add(limit.asked);
    match limit.kind {
        // Some of it may be taken back, and some tasks have a number that is not given again.
        Memory | MemoryHigh | ProcessNumbers => false,
        // Earlier captures do not tell by how much.
        Commit if limit.uncertain == 0 => false,
        _ => all.saturating_sub(limit.limit) > limit.uncertain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::shape::tests::shape;
    use crate::model::{ProcessShape, Surroundings};

    fn limited(limit: SpawnLimit) -> ProcessShape {
        let mut shape = shape(Vec::new());
        shape.process.surroundings = Some(Surroundings {
            limits: vec![limit],
            ..Surroundings::default()
        });
        shape
    }

    #[test]
    fn memory_high_of_an_earlier_capture_is_told_by_its_file() {
        let of = |name: &str| {
            let shape = limited(SpawnLimit {
                kind: SpawnLimitKind::Memory,
                limit: 10,
                used: 10,
                asked: 1,
                uncertain: 0,
                file: Some(format!("/sys/fs/cgroup/job/{name}")),
            });
            refusals(&shape.process)[0].kind
        };
        assert_eq!(of("memory.high"), SpawnLimitKind::MemoryHigh);
        assert_eq!(of("memory.max"), SpawnLimitKind::Memory);
    }

    #[test]
    fn what_a_limit_does_not_leave_is_refused_and_what_is_close_is_not_sure() {
        let of = |kind, limit, used, asked| SpawnLimit {
            kind,
            limit,
            used,
            asked,
            uncertain: 0,
            file: None,
        };
        let judged = |limit: SpawnLimit| {
            let shape = limited(limit);
            let refusals = refusals(&shape.process);
            refusals.first().map(|refusal| refusal.is_sure)
        };
        let (tasks, commit) = (SpawnLimitKind::GroupTasks, SpawnLimitKind::Commit);
        assert_eq!(judged(of(tasks, 10, 9, 1)), None);
        assert_eq!(judged(of(tasks, 10, 10, 1)), Some(true));
        assert_eq!(judged(of(tasks, 10, 30, 1)), Some(true));
        assert_eq!(judged(of(commit, 1_000, 0, 1_000)), None);
        assert_eq!(judged(of(commit, 1_000, 0, 9_000)), Some(false), "untold");
        let off = |limit| SpawnLimit {
            uncertain: 8,
            ..limit
        };
        assert_eq!(judged(off(of(commit, 1_000, 0, 1_005))), Some(false));
        assert_eq!(judged(off(of(commit, 1_000, 500, 511))), Some(true));
        assert_eq!(judged(off(of(commit, 1_000, 1_500, 2))), Some(true));
        let numbers = SpawnLimitKind::ProcessNumbers;
        assert_eq!(judged(of(numbers, 10, 30, 1)), Some(false));
        assert_eq!(judged(of(SpawnLimitKind::Memory, 10, 9, 90)), Some(false));
        assert_eq!(
            judged(of(SpawnLimitKind::LargestMapping, 10, 0, 11)),
            Some(true)
        );
        assert_eq!(refusals(&shape(Vec::new()).process), []);
    }
}
