//! Differences between programs in words.

use std::cmp::Ordering;

use crate::analysis::reproduce::loops::{Growth, sign};
use crate::report::view::number::counted;
use crate::report::view::prose::time_within;
use crate::stats::Estimate;

/// A difference as words: "183.2 us (180.1 to 186.0) more".
pub(super) fn difference(ns: Estimate) -> Option<String> {
    match sign(ns)? {
        Ordering::Less => Some(format!("{} less", time_within(ns.turned(|more| -more)))),
        _ => Some(format!("{} more", time_within(ns))),
    }
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
