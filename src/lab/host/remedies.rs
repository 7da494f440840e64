//! What of a host bears on remedies.

use crate::model::{Host, RemedyHost};

/// Where the kernel once let a fork's child run first.
const CHILD_RUNS_FIRST: &str = "/proc/sys/kernel/sched_child_runs_first";

/// Reads it.
pub fn remedies(host: &Host) -> RemedyHost {
    RemedyHost {
        no_huge_pages: no_huge_pages(host),
        child_runs_first: std::fs::read_to_string(CHILD_RUNS_FIRST)
            .ok()
            .and_then(|text| text.trim().parse().ok()),
    }
}

fn no_huge_pages(host: &Host) -> Option<String> {
    match host.thp.measured().map(String::as_str) {
        Some("never") => Some(
            "transparent huge pages are switched off; as root, write madvise to \
             /sys/kernel/mm/transparent_hugepage/enabled"
                .to_owned(),
        ),
        Some(_) => None,
        None => Some("this kernel has no transparent huge pages".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::host::{Probed, read_host};
    use crate::model::Availability;

    #[test]
    fn huge_pages_can_be_had_unless_they_are_switched_off() {
        let mut host = read_host(Probed {
            clock_step_ns: 1.0,
            clock_cost_ns: 1.0,
            pmu: false,
            privileged: false,
        });
        let mut reason = |thp| {
            host.thp = thp;
            remedies(&host).no_huge_pages
        };
        assert_eq!(reason(Availability::Measured("madvise".to_owned())), None);
        assert_eq!(reason(Availability::Measured("always".to_owned())), None);
        let never = reason(Availability::Measured("never".to_owned())).unwrap();
        assert!(never.contains("madvise"), "{never}");
        assert!(reason(Availability::unavailable("no such file", None)).is_some());
    }
}
