//! The header's lines on the process that was rebuilt.

use crate::model::{ProcessFacts, ProcessShape, ReplicaOrder};
use crate::report::view::number::{counted, integer, significant};
use crate::units::{bytes, utc};

/// A descriptor's number that no table is worth a word for.
const MOST_PLAIN: u64 = 255;
/// More ranges of CPUs than this are told by their number.
const MOST_RANGES: usize = 8;

/// Where the shape comes from, and what the process has besides its mappings.
pub(in crate::report::view) fn lines(order: &ReplicaOrder) -> Vec<String> {
    let facts = &order.shape.process;
    let resident = bytes(facts.resident_bytes);
    let has = format!("it has {}, {resident} resident", has(&order.shape));
    let mut lines = vec![taken(facts), has];
    lines.extend(cpus(&order.cpus).map(|cpus| format!("the workers run on {cpus} as it does")));
    lines
}

fn taken(facts: &ProcessFacts) -> String {
    if facts.is_of_dump() {
        return format!("rebuilt from a dump of smaps of {}", facts.name);
    }
    let process = match facts.pid {
        Some(pid) => format!("rebuilt from process {pid} ({})", facts.name),
        None => format!("rebuilt from the shape of {}", facts.name),
    };
    let when = match facts.taken_unix_s {
        0 => "made up".to_owned(),
        when => {
            let took = match facts.took_s > 0.0 {
                true => format!(" in {} s", significant(facts.took_s)),
                false => String::new(),
            };
            format!("taken {}{took}", utc(when))
        }
    };
    let cpus = cpus(&facts.allowed_cpus);
    let cpus = cpus.map_or(String::new(), |cpus| format!("; it may run on {cpus}"));
    format!("{process}, {when} on Linux {}{cpus}", facts.kernel)
}

/// "30 mappings, 2 threads, 5 open files (1 closed by an exec), 1 signal handler"; and the
/// highest number of a file, where the table of them is much longer than they are many.
pub(in crate::report::view) fn has(shape: &ProcessShape) -> String {
    let facts = &shape.process;
    let closed = match facts.cloexec_descriptors {
        0 => String::new(),
        count => format!(" ({} closed by an exec)", integer(count)),
    };
    let highest = facts.highest_descriptor.unwrap_or(0);
    let reach = match highest > MOST_PLAIN && highest / 2 > facts.open_files() {
        true => format!(" up to number {}", integer(highest)),
        false => String::new(),
    };
    let ancestors = match shape.generations() {
        0 => String::new(),
        count => format!(
            ", {} that it has memory of",
            counted(count, "living ancestor")
        ),
    };
    format!(
        "{}, {}, {}{reach}{closed}, {}{ancestors}",
        counted(shape.mappings.len() as u64, "mapping"),
        counted(facts.threads, "thread"),
        counted(facts.open_files(), "open file"),
        counted(facts.handlers, "signal handler"),
    )
}

/// "CPUs 0-3,8", or how many; `None` if they are not known.
pub(in crate::report::view) fn cpus(allowed: &[usize]) -> Option<String> {
    let mut sorted = allowed.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut ranges: Vec<[usize; 2]> = Vec::new();
    for cpu in &sorted {
        match ranges.last_mut() {
            Some(last) if last[1].checked_add(1) == Some(*cpu) => last[1] = *cpu,
            _ => ranges.push([*cpu, *cpu]),
        }
    }
    let shown = |[first, last]: &[usize; 2]| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    let words: Vec<String> = ranges.iter().map(shown).collect();
    match sorted.as_slice() {
        [] => None,
        [one] => Some(format!("CPU {one}")),
        _ if words.len() > MOST_RANGES => Some(counted(sorted.len() as u64, "CPU")),
        _ => Some(format!("CPUs {}", words.join(","))),
    }
}

#[cfg(test)]
mod tests {
    use super::cpus;

    #[test]
    fn neighbouring_cpus_are_ranges() {
        assert_eq!(cpus(&[]), None);
        assert_eq!(cpus(&[3]).as_deref(), Some("CPU 3"));
        assert_eq!(cpus(&[8, 0, 1, 2, 8]).as_deref(), Some("CPUs 0-2,8"));
        let odd: Vec<usize> = (0..20).map(|cpu| 2 * cpu + 1).collect();
        assert_eq!(cpus(&odd).as_deref(), Some("20 CPUs"));
        assert_eq!(cpus(&[usize::MAX, 0]).map(|words| words.len()), Some(27));
    }
}
