//! The differences between programs that the study's claims are about.

use super::names::key;
use crate::analysis::reproduce::loops::Programs;
use crate::model::LoopSystem::{
    self, CFork, CForkLikePython, CForkMalloc, CPosixSpawn, CPosixSpawnFloor, CPosixSpawnPlain,
    PythonFork, PythonPopen, PythonPopenPreexec, PythonPosixSpawn,
};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{MICROSECOND, number};
use crate::report::view::table::{Column, Entry, Table};
use crate::stats::Estimate;

/// Two programs, and what the first does that the second does not.
type Pair = (LoopSystem, LoopSystem, &'static str);

const PAIRS: [Pair; 9] = [
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
pub(super) fn table(programs: &Programs<'_>, notes: &mut Footnotes) -> Table {
    let year = programs.study.source.year;
    let ran = |pair: Pair| Some((pair, programs.more(pair.0, pair.1)?));
    Grid::new()
        .column(
            Column::name("rows"),
            |((first, second, _), _): &(Pair, Estimate)| {
                format!("{} - {}", key(*first), key(*second))
            },
        )
        .column(Column::name("what the first does"), |(pair, _)| pair.2)
        .column(
            Column::number("more", &format!("{year} (us)")),
            |((first, second, _), _)| {
                let published = programs.published_more(*first, *second);
                published.map(|seconds| Entry::exact(number(seconds * 1e6, 0)))
            },
        )
        .column(
            Column::number("more", "here (us)").explained(
                "a run of the first row minus one of the second, round by round; here in the \
                 loop, so that no start of an interpreter is in it",
            ),
            |(_, more)| MICROSECOND.entry(*more),
        )
        .table(
            "What makes the difference",
            PAIRS.into_iter().filter_map(ran),
            notes,
        )
}
