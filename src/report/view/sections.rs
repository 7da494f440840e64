//! The sections: the blocks of a report under the names that people ask for.
//!
//! A name stays when the words of a heading change. Which names a kind of result has is
//! known before anything is measured, so that a wrong one is refused in time.

use super::table::{Block, Table};
use crate::report::Subject;

/// The verdict.
pub(in crate::report) const IN_SHORT: &str = "in-short";
/// What a reader must know before trusting the figures.
pub(in crate::report) const CAVEATS: &str = "caveats";
/// What the columns mean.
pub(in crate::report) const LEGEND: &str = "legend";

/// What is shown where it is asked for by its name.
pub(in crate::report) const ON_DEMAND: [&str; 1] = [SLOW];
/// What spawns took while the host was slow.
pub(super) const SLOW: &str = "slow";

/// What every report of a run closes with.
const AFTER: [&str; 6] = ["further", "method", CAVEATS, "run", SLOW, LEGEND];
/// What is told of remedies.
const ADVICE: [&str; 7] = [
    "spawns",
    "remedies",
    "applied-to",
    "not-tried",
    "recipes",
    "harmful",
    "likeness",
];
const TRACE: [&str; 7] = [
    "savings", "ways", "origins", "programs", "spawners", "failed", "offences",
];

/// The tables of an explanation.
const EXPLAINED: [&str; 10] = [
    "time",
    "ledger",
    "mechanisms",
    "faults",
    "mapped",
    "page-tables",
    "tree",
    "rewriting",
    "waits",
    "not-found",
];

/// A block with its name. Blocks of one kind, such as one a method, share theirs.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Lower-case words with hyphens between them.
    pub name: &'static str,
    /// What it shows.
    pub block: Block,
}

impl Section {
    pub(super) fn new(name: &'static str, block: Block) -> Self {
        Self { name, block }
    }

    pub(super) fn table(name: &'static str, table: Table) -> Self {
        Self::new(name, Block::Table(table))
    }

    pub(in crate::report) fn lines(name: &'static str, title: &str, lines: Vec<String>) -> Self {
        let title = title.to_owned();
        Self::new(name, Block::Lines { title, lines })
    }
}

/// The names that a report of this subject may have, in the order of the report.
pub fn section_names(subject: Subject) -> Vec<&'static str> {
    let process = [
        "spawns",
        "costs",
        "charged",
        "contents",
        "free",
        "rewriting",
        "likeness",
    ];
    let apart = EXPLAINED.into_iter().filter(|name| *name != "rewriting");
    let (tables, after): (Vec<&str>, &[&str]) = match subject {
        Subject::Sweep => (vec!["time", "counts", "beyond"], &AFTER),
        Subject::Explanation => (EXPLAINED.to_vec(), &AFTER),
        Subject::Reproduction => (
            vec![
                "study",
                "parents",
                "time",
                "costs",
                "cpu",
                "calls",
                "differences",
                "claims",
                "changes",
            ],
            &AFTER,
        ),
        Subject::Card => (
            vec![
                "prices", "work", "beside", "methods", "programs", "faults", "grade", "unseen",
                "design", "left-out",
            ],
            &AFTER,
        ),
        Subject::Process => (process.into_iter().chain(["not-found"]).collect(), &AFTER),
        Subject::ProcessApart => (process.into_iter().chain(apart).collect(), &AFTER),
        Subject::Advice => (ADVICE.to_vec(), &AFTER),
        Subject::Trace => (
            TRACE.into_iter().chain(ADVICE).collect(),
            &["further", "method", CAVEATS, "run", LEGEND],
        ),
        Subject::Comparison => (
            vec![
                "times",
                "phases",
                "rungs",
                "totals",
                "prices",
                "only-in-one",
                "further",
                "differences",
            ],
            &["method", CAVEATS, LEGEND],
        ),
        Subject::Shape => (vec!["mappings", "flags"], &["method", CAVEATS, LEGEND]),
    };
    let names = [IN_SHORT].into_iter().chain(tables);
    names.chain(after.iter().copied()).collect()
}
