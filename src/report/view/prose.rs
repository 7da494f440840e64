//! Phrases that several answers share.

use crate::stats::Estimate;

use super::number::{Unit, significant};

/// A time with its interval: "183.2 us (180.1 to 186.0)".
pub(super) fn time_within(ns: Estimate) -> String {
    let unit = Unit::of_one(ns.value);
    let scaled = ns.map(|bound| bound / unit.size);
    format!("{} ({})", unit.prose(ns.value), interval(scaled))
}

/// A share with its interval: "12.3 % (11.9 to 12.8)".
pub(super) fn percent_within(share: Estimate) -> String {
    let percent = share.map(|share| share * 100.0);
    format!("{} % ({})", significant(percent.value), interval(percent))
}

/// From where to where it may be: "1.42 to 1.44".
pub(super) fn interval(found: Estimate) -> String {
    let [low, high] = found.ci95.map(significant);
    format!("{low} to {high}")
}

/// "vfork, posix_spawn and clone3-vfork".
pub(super) fn listed<S: AsRef<str>>(words: &[S], last: &str) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        Some((end, rest)) if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        _ => words.concat(),
    }
}
