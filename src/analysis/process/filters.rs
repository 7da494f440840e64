//! What the seccomp filters of a process may take: as many are tried, each as long as the
//! kernel allows, which its own cannot exceed.

use crate::analysis::replica::Times;
use crate::model::{
    Availability, Filters, Missing, ProcessFacts, ProcessRole, ProcessTrial, SpawnMethod,
};
use crate::stats::{Estimate, Replicates};

/// The most instructions of a filter (`BPF_MAXINSNS`, include/uapi/linux/bpf_common.h).
const LONGEST: u64 = 4_096;
/// The most of all that a process has (`MAX_INSNS_PER_PATH`, kernel/seccomp.c).
const ALL: u64 = 32_768;
/// What each counts more there than it has: a penalty, and what its translation adds.
const PENALTY: u64 = 16;

/// The filters that are tried for those of a process; none for none, and where nobody tells.
pub fn filters(facts: &ProcessFacts) -> Option<Filters> {
    let around = facts.surroundings.as_ref()?;
    let count = around.seccomp_filters.filter(|count| *count > 0)?;
    let longest = (ALL / count).saturating_sub(PENALTY).clamp(2, LONGEST);
    Some(Filters {
        count: u32::try_from(count).ok()?,
        instructions: u16::try_from(longest).ok()?,
    })
}

/// What a fork takes more with them, in nanoseconds.
pub fn filtered(trials: &[ProcessTrial], seed: u64) -> Availability<Estimate> {
    let of = |role| Times::of(trials, role, SpawnMethod::Fork, seed);
    let more = || {
        let (with, without) = (of(ProcessRole::Filtered)?, of(ProcessRole::Whole)?);
        let more = Replicates::combine(&[&with.total, &without.total], |v| Some(v[0] - v[1]))?;
        more.estimate().sound()
    };
    let cells = trials
        .iter()
        .filter(|trial| trial.role == ProcessRole::Filtered);
    let mut missing = cells.filter_map(|trial| trial.cells.first()?.total_ns.missing());
    let why = || {
        let not_tried = || Missing::not_asked("forktax explain tries them");
        missing.next().cloned().unwrap_or_else(not_tried)
    };
    Availability::of(more(), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::replica::tests::trial;
    use crate::analysis::shape::tests::shape;
    use crate::model::Surroundings;

    #[test]
    fn filters_are_as_long_as_the_kernel_allows() {
        let tried = |seccomp_filters| {
            let mut facts = shape(Vec::new()).process;
            facts.surroundings = Some(Surroundings {
                seccomp_filters,
                ..Surroundings::default()
            });
            filters(&facts).map(|filters| (filters.count, filters.instructions))
        };
        assert_eq!(tried(None), None);
        assert_eq!(tried(Some(0)), None);
        assert_eq!(tried(Some(1)), Some((1, 4_096)));
        assert_eq!(tried(Some(8)), Some((8, 4_080)));
        assert_eq!(tried(Some(100)), Some((100, 311)));
        assert_eq!(tried(Some(u64::MAX)), None);
    }

    #[test]
    fn what_they_take_is_what_forks_with_them_take_more() {
        let of = |role, total| trial(role, &[(SpawnMethod::Fork, total / 2, total)], 0);
        let both = [
            of(ProcessRole::Whole, 100_000),
            of(ProcessRole::Filtered, 130_000),
        ];
        let more = filtered(&both, 1);
        let more = more.measured().unwrap();
        assert!((more.value - 30_000.0).abs() < 3_000.0, "{more:?}");
        let none = filtered(&both[..1], 1);
        assert!(none.missing().is_some(), "an advice tries none");
        let mut refused = of(ProcessRole::Filtered, 1);
        let why = Missing::unavailable("too long", None);
        refused.cells[0].samples.clear();
        refused.cells[0].total_ns = Availability::Missing(why.clone());
        let none = filtered(&[both[0].clone(), refused], 1);
        assert_eq!(none.missing(), Some(&why));
    }
}
