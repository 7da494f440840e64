//! The CPU of the workers, where nobody names one: the quietest.

use super::{PlanError, Surroundings};
use crate::lab::noise::counts::CpuUse;
use crate::model::{Placement, Plan, SpaceRequest};

/// CPUs whose use differs by less than this are as quiet as each other.
const ALIKE: f64 = 0.05;
/// A CPU that others want for more than this share of the time is worth a word.
const WORTH_A_WORD: f64 = 0.10;

/// The CPU that workers are pinned to, of those that this process may use, and what there
/// is to say about the choice.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Choice {
    /// None if no CPU is known.
    pub(in crate::cli) cpu: Option<usize>,
    /// What others take of the CPU that would have been chosen otherwise, if it is much.
    pub(in crate::cli) said: Option<String>,
}

impl Choice {
    /// Chooses from what was seen; without that the last, since the first serves more
    /// interrupts.
    pub(in crate::cli) fn of(allowed: &[usize], seen: Option<&[CpuUse]>) -> Self {
        let last = allowed.last().copied();
        let uses = seen.unwrap_or_default();
        let of_last = uses.iter().find(|seen| Some(seen.cpu) == last);
        let least = uses.iter().min_by(|a, b| a.share.total_cmp(&b.share));
        let (Some(of_last), Some(least)) = (of_last, least) else {
            let said = None;
            return Self { cpu: last, said };
        };
        let as_quiet = |seen: &&CpuUse| seen.share <= least.share + ALIKE;
        let chosen = uses.iter().rfind(as_quiet).unwrap_or(of_last);
        let said = (of_last.share > WORTH_A_WORD).then(|| words(of_last, chosen));
        let cpu = Some(chosen.cpu);
        Self { cpu, said }
    }
}

/// The CPUs of the parents that spawn at once with the one that is timed: of other cores
/// first, and the last of them, as for the one.
pub(super) fn others(plan: &Plan, host: &Surroundings) -> Result<Vec<usize>, PlanError> {
    let most = plan.spaces.iter().map(SpaceRequest::jobs).max();
    let most = usize::try_from(most.unwrap_or(1)).unwrap_or(usize::MAX);
    let allowed = &host.allowed_cpus;
    if most > 1 && most > allowed.len() {
        return Err(PlanError::refused(format!(
            "--jobs {most}: parents that spawn at once need a CPU each, and this process may run on \
             {} only ({}): ask for {0} at the most, or give it more (taskset, cpuset)",
            allowed.len(),
            listed(allowed)
        )));
    }
    let Placement::Pinned(first) = plan.placement else {
        return Ok(Vec::new());
    };
    let mut chosen = vec![first];
    while chosen.len() < most {
        let mut left = allowed.iter().rev().filter(|cpu| !chosen.contains(cpu));
        let is_apart = |cpu: &&usize| chosen.iter().all(|it| !(host.share_a_core)(*it, **cpu));
        let Some(next) = left.clone().find(is_apart).or_else(|| left.next()) else {
            break;
        };
        chosen.push(*next);
    }
    Ok(chosen.split_off(1))
}

/// "0,1,5".
pub(super) fn listed(cpus: &[usize]) -> String {
    let cpus: Vec<String> = cpus.iter().map(usize::to_string).collect();
    cpus.join(",")
}

fn words(of_last: &CpuUse, chosen: &CpuUse) -> String {
    let wanted = format!(
        "CPU {} is wanted by others for {:.0} % of the time",
        of_last.cpu,
        of_last.share * 100.0
    );
    if chosen.cpu == of_last.cpu {
        return format!(
            "{wanted}, and no other is much quieter: stop what else runs, or expect wide intervals"
        );
    }
    format!(
        "{wanted}: CPU {} is quieter, with {:.0} %; pinned there, which --cpu {} prevents",
        chosen.cpu,
        chosen.share * 100.0,
        of_last.cpu
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(shares: &[f64]) -> Choice {
        let cpus: Vec<usize> = (0..shares.len()).map(|cpu| 2 * cpu).collect();
        let seen = cpus.iter().zip(shares);
        let seen: Vec<CpuUse> = seen
            .map(|(cpu, share)| CpuUse {
                cpu: *cpu,
                share: *share,
            })
            .collect();
        Choice::of(&cpus, Some(&seen))
    }

    #[test]
    fn the_last_of_the_quietest_is_chosen() {
        for (shares, cpu) in [
            (vec![0.0, 0.0, 0.0], 4),
            (vec![0.0, 0.0, 0.05], 4),
            (vec![0.0, 0.04, 0.06], 2),
            (vec![0.30, 0.90, 0.31], 4),
            (vec![0.02, 0.90, 0.31], 0),
            (vec![1.0], 0),
        ] {
            assert_eq!(chosen(&shares).cpu, Some(cpu), "{shares:?}");
        }
    }

    #[test]
    fn it_is_said_where_the_usual_one_is_wanted_by_others() {
        assert_eq!(chosen(&[0.5, 0.10]).said, None);
        assert_eq!(chosen(&[0.01, 0.09]).said, None, "another, and no matter");
        assert_eq!(
            chosen(&[0.04, 0.314]).said.unwrap(),
            "CPU 2 is wanted by others for 31 % of the time: CPU 0 is quieter, with 4 %; \
             pinned there, which --cpu 2 prevents"
        );
        assert_eq!(
            chosen(&[0.98, 0.99]).said.unwrap(),
            "CPU 2 is wanted by others for 99 % of the time, and no other is much quieter: stop \
             what else runs, or expect wide intervals"
        );
    }

    #[test]
    fn without_a_look_it_is_the_last() {
        let said = None;
        assert_eq!(Choice::of(&[0, 3], None), Choice { cpu: Some(3), said });
        let none = Choice::of(&[], None);
        assert_eq!((none.cpu, none.said), (None, None));
    }
}
