//! What a CPU quota of the process's control group makes of its forks.

use super::{Rebuilt, figures, words};
use crate::analysis::process::stretched;
use crate::model::{CpuQuota, ProcessFacts};
use crate::report::view::number::number;
use crate::stats::Estimate;
use crate::units::trimmed;

/// Call and total of a fork where forks follow each other until the quota is spent, and
/// whether they were worked out from a part of the shape.
pub(super) fn sustained(rebuilt: &Rebuilt<'_>) -> Option<([Estimate; 2], bool)> {
    let factor = stretched(quota(rebuilt)?)?;
    let (both, extrapolated) = words::fork(rebuilt)?;
    Some((both.map(|time| time.map(|ns| ns * factor)), extrapolated))
}

/// What a fork takes in the long run.
pub(in crate::report::view) fn sentence(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let quota = quota(rebuilt)?;
    let ([_, total], extrapolated) = sustained(rebuilt)?;
    let so_far = quota.spent_share().map(|share| {
        let share = number(share * 100.0, 0);
        format!("; so far the quota was spent in {share} % of its periods")
    });
    Some(format!(
        "It may use {} % of a CPU with all of its control group: a fork takes that long while \
         some of it is left, and forks that follow each other up to {} each{}.",
        cpus(quota),
        figures::told(total, extrapolated),
        so_far.unwrap_or_default()
    ))
}

/// Which quota it is, and that the workers have none of it.
pub(in crate::report::view) fn caveat(facts: &ProcessFacts) -> Option<String> {
    let quota = facts.surroundings.as_ref()?.cpu_quota.as_ref()?;
    let file = quota.file.as_deref().unwrap_or("its control group");
    let spent = match quota.spent_share() {
        Some(share) => {
            let share = number(share * 100.0, 0);
            format!("spent in {share} % of the periods so far")
        }
        None => "with no period that is counted".to_owned(),
    };
    Some(format!(
        "{file} gives the process {} % of a CPU with all of its control group, {spent}: then a \
         fork waits for the next period of {} ms; workers are in forktax's group",
        cpus(quota),
        number(quota.period_us as f64 / 1e3, 0)
    ))
}

fn quota<'a>(rebuilt: &Rebuilt<'a>) -> Option<&'a CpuQuota> {
    let around = rebuilt.order.shape.process.surroundings.as_ref()?;
    around.cpu_quota.as_ref()
}

/// In percent of one.
fn cpus(quota: &CpuQuota) -> String {
    trimmed(quota.cpus() * 100.0, 1)
}
