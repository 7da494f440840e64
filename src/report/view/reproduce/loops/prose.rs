//! Differences between programs in words.

use std::cmp::Ordering;

use crate::analysis::reproduce::loops::{Growth, sign};
use crate::report::view::number::{Unit, counted, significant};
use crate::stats::Estimate;

/// "183.2 us (180.1 to 186.0)".
pub(super) fn time(ns: Estimate) -> String {
    let unit = Unit::of_time(std::iter::once(ns.value));
    let [low, high] = ns.ci95.map(|bound| significant(bound / unit.size));
    format!("{} ({low} to {high})", unit.prose(ns.value))
}

/// The same of a difference, as words: "183.2 us (180.1 to 186.0) more".
pub(super) fn difference(ns: Estimate) -> Option<String> {
    match sign(ns)? {
        Ordering::Less => Some(format!("{} less", time(ns.turned(|more| -more)))),
        _ => Some(format!("{} more", time(ns))),
    }
}

/// "12.3 % (11.9 to 12.8)".
pub(super) fn percent(share: Estimate) -> String {
    let [low, high] = share.ci95.map(|bound| significant(bound * 100.0));
    format!("{} % ({low} to {high})", significant(share.value * 100.0))
}

impl Growth {
    /// "no VMA, 1,000 present PTEs and 47 page-table pages".
    pub(super) fn in_words(self) -> String {
        format!("{}, {}", some(self.vmas, "VMA"), self.pages())
    }

    /// "1,000 present PTEs and 47 page-table pages".
    pub(super) fn pages(self) -> String {
        let ptes = some(self.ptes, "present PTE");
        format!("{ptes} and {}", some(self.tables, "page-table page"))
    }
}

fn some(count: u64, noun: &str) -> String {
    match count {
        0 => format!("no {noun}"),
        count => counted(count, noun),
    }
}
