//! What a CPU quota of the process's control group makes of its forks.

use super::bounds::Bounds;
use super::{Rebuilt, figures, words};
use crate::analysis::process::stretched;
use crate::model::{CpuQuota, ProcessFacts, Surroundings};
use crate::report::view::number::number;
use crate::stats::Estimate;
use crate::units::trimmed;

/// Call and total of a fork where forks follow each other until the quota is spent, worked
/// out from what one takes. Nothing where the workers had to do with the same quota.
pub(super) fn sustained(rebuilt: &Rebuilt<'_>) -> Option<[Estimate; 2]> {
    let quota = quota(rebuilt)?;
    let noise = rebuilt.document.noise.as_ref();
    let own = noise.and_then(|noise| noise.cpu_quota.as_ref());
    // A group of the same path may be another, of another host or container.
    let limit = |of: &CpuQuota| (of.file.clone(), of.quota_us, of.period_us);
    if own.is_some_and(|own| limit(own) == limit(quota) || own.throttled_periods > 0) {
        return None;
    }
    let factor = stretched(quota)?;
    let (both, _) = words::fork(rebuilt)?;
    Some(both.map(|time| time.map(|ns| ns * factor)))
}

/// What a fork takes in the long run.
pub(in crate::report::view) fn sentence(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let quota = quota(rebuilt)?;
    let [_, total] = sustained(rebuilt)?;
    let (one, _) = words::fork(rebuilt)?;
    let so_far = quota.spent_share().map(|share| {
        let share = number(share * 100.0, 0);
        format!("; up to then the quota had been spent in {share} % of its periods")
    });
    let slice_ns = quota.quota_us as f64 * 1e3;
    let bounds = Bounds::of(rebuilt);
    // Where something takes from the figure, what the waits add to it makes it no bound.
    let bound = match bounds.may_be_less() {
        true => "",
        false => "at least ",
    };
    let each = format!("{bound}{}", figures::told(total, true));
    let long = match one[1].value > slice_ns {
        // However much of a period's quota is left, it is spent before the fork is over.
        true if !bounds.may_be_less() => {
            format!("one fork alone spends more than a period gives, and takes {each}")
        }
        false if !bounds.may_be_more() => format!(
            "a fork takes that long while enough is left, and one after the other {each} each"
        ),
        _ => format!("one fork after the other takes {each} each"),
    };
    Some(format!(
        "When it was read, it had {} % of a CPU with all of its control group: with that {long}, if \
         nothing else in there runs and all of a fork's time is CPU time; caches may be colder \
         after each wait, which adds to it{}.",
        cpus(quota),
        so_far.unwrap_or_default()
    ))
}

/// Which quotas there were, and that the workers have none of them.
pub(in crate::report::view) fn caveats(facts: &ProcessFacts) -> Vec<String> {
    let around = facts.surroundings.iter();
    around.flat_map(Surroundings::quotas).map(caveat).collect()
}

fn caveat(quota: &CpuQuota) -> String {
    let file = quota.file.as_deref().unwrap_or("its control group");
    let spent = match quota.spent_share() {
        Some(share) => {
            let share = number(share * 100.0, 0);
            format!("spent in {share} % of the periods up to then")
        }
        None => "with no period that was counted".to_owned(),
    };
    format!(
        "{file} gave the process {} % of a CPU with all of its control group when it was read, \
         {spent}: once it is spent, a fork waits for the next period of {} ms; workers are in \
         forktax's group",
        cpus(quota),
        number(quota.period_us as f64 / 1e3, 0)
    )
}

fn quota<'a>(rebuilt: &Rebuilt<'a>) -> Option<&'a CpuQuota> {
    let around = rebuilt.order.shape.process.surroundings.as_ref()?;
    around.cpu_quota.as_ref()
}

/// In percent of one.
fn cpus(quota: &CpuQuota) -> String {
    trimmed(quota.cpus() * 100.0, 1)
}
