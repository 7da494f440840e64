//! What is said below the tables of times.

use super::names;
use crate::analysis::reproduce::loops::Programs;
use crate::model::{Loop, SplitSource};
use crate::report::view::grouped::grouped;
use crate::report::view::number::counted;

/// How long the loops were, where it was longer or shorter than in the study.
pub(super) fn loops_of(programs: &Programs<'_>) -> Vec<String> {
    let rows = programs.loops.rows.iter();
    let lengths = rows.filter_map(|row| {
        let then = row.published?.iterations;
        let differ = row.iterations != then;
        differ.then_some(([row.iterations, then], names::key(row.system)))
    });
    let year = programs.study.source.year;
    let line = |([here, then], keys): ([u64; 2], Vec<&str>)| {
        let [here, then] = [here, then].map(|runs| counted(runs, "run"));
        let keys = keys.join(", ");
        format!("{keys}: loops of {here} here, of {then} in {year}")
    };
    grouped(lengths).into_iter().map(line).collect()
}

/// Why a row ended before the others.
pub(super) fn broken_off(programs: &Programs<'_>) -> Vec<String> {
    let rows = programs.loops.rows.iter();
    rows.filter_map(|row| {
        let (here, failed) = (row.here.measured()?, row.failed.as_ref()?);
        Some(format!(
            "{}: ended after {}: {}",
            names::key(row.system),
            counted(here.runs.len() as u64, "timed run"),
            failed.in_words()
        ))
    })
    .collect()
}

/// Where the split of CPU time is from.
pub(super) fn sources(programs: &Programs<'_>) -> Vec<String> {
    let of = |source: SplitSource| -> Vec<&str> {
        let measured = |row: &&Loop| {
            let looped = row.here.measured();
            looped
                .is_some_and(|looped| looped.split == source && looped.user_s.measured().is_some())
        };
        let rows = programs.loops.rows.iter().filter(measured);
        rows.map(|row| names::key(row.system)).collect()
    };
    let mut lines = Vec::new();
    let samples = of(SplitSource::Samples);
    if !samples.is_empty() {
        lines.push(format!(
            "{}: CPU time is exact; timer samples of a run of its own split it into user and sys",
            samples.join(", ")
        ));
    }
    let rusage = of(SplitSource::Rusage);
    if !rusage.is_empty() {
        let why = programs.loops.unsampled.as_ref();
        lines.push(format!(
            "{}: user and sys are the kernel's own bookkeeping, which is guesswork for children \
             that live shorter than a tick: compare their sum{}",
            rusage.join(", "),
            why.map_or(String::new(), |why| format!("; {}", why.in_words()))
        ));
    }
    let printed = programs
        .loops
        .rows
        .iter()
        .any(|row| row.published.is_some());
    if printed {
        lines.push(format!(
            "{}'s user and sys are those of time(1), which rests on the same bookkeeping; where \
             they exceed real, parent and child ran on two CPUs",
            programs.study.source.year
        ));
    }
    lines
}
