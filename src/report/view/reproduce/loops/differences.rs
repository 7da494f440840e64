//! The differences between programs that the study's claims are about.

use super::names::key;
use crate::analysis::reproduce::loops::{Programs, published_real};
use crate::model::LoopSystem::{
    self, CFork, CForkLikePython, CForkMalloc, CPosixSpawn, CPosixSpawnFloor, CPosixSpawnPlain,
    PythonFork, PythonPopen, PythonPopenPreexec, PythonPosixSpawn,
};
use crate::report::view::number::{Unit, number};
use crate::report::view::table::{Column, Entry, Table};

const MICROSECOND: Unit = Unit {
    name: "us",
    size: 1e3,
};

/// Two programs, and what the first does that the second does not.
const PAIRS: [(LoopSystem, LoopSystem, &str); 9] = [
    (PythonFork, CFork, "Python and os.fork, not C and fork"),
    (CForkLikePython, CFork, "Python's mappings in a C program"),
    (
        PythonFork,
        CForkLikePython,
        "Python's own work, mappings alike",
    ),
    (CForkMalloc, CFork, "1,000 blocks from malloc"),
    (PythonPopen, PythonFork, "subprocess, not os.fork"),
    (PythonPopen, PythonPosixSpawn, "subprocess, not posix_spawn"),
    (PythonPopenPreexec, PythonPopen, "a preexec_fn"),
    (CPosixSpawn, CPosixSpawnPlain, "the flag 0x40"),
    (
        CPosixSpawn,
        CPosixSpawnFloor,
        "the program's own start and end",
    ),
];

/// The table, with a row for each pair that ran.
pub(super) fn table(programs: &Programs<'_>) -> Table {
    let year = programs.study.source.year;
    let rows = PAIRS.iter().filter_map(|(first, second, what)| {
        let more = programs.more(*first, *second)?;
        Some(vec![
            Entry::Name(format!("{} - {}", key(*first), key(*second))),
            Entry::Name((*what).to_owned()),
            published(programs, *first, *second),
            MICROSECOND.entry(more),
        ])
    });
    Table {
        title: "What makes the difference".to_owned(),
        columns: vec![
            Column::name("rows"),
            Column::name("what the first does"),
            Column::number("more", &format!("{year} (us)")),
            Column::number("more", "here (us)").explained(
                "a run of the first row minus one of the second, round by round; here in the \
                 loop, so that no start of an interpreter is in it",
            ),
        ],
        rows: rows.collect(),
        rules: Vec::new(),
        notes: Vec::new(),
    }
}

/// What the published figures say, which have no interval.
fn published(programs: &Programs<'_>, first: LoopSystem, second: LoopSystem) -> Entry {
    let real = |system| published_real(programs.row(system)?);
    let more = real(first).zip(real(second)).map(|(a, b)| (a - b) * 1e6);
    more.filter(|us| us.is_finite())
        .map_or(Entry::Blank, |us| Entry::exact(number(us, 0)))
}
