//! The tables of times: a row a program, a run of its loop in milliseconds.

use super::names;
use crate::analysis::reproduce::loops::{BASE, Programs, a_run, published_real};
use crate::model::{Availability, Loop, Looped, SplitSource};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::number::{PLAIN, Unit, counted, number};
use crate::report::view::table::{Column, Entry, Table};
use crate::stats::Estimate;

/// A run's time: of a thousand runs, the same figure is the loop's in seconds.
const MILLISECOND: Unit = Unit {
    name: "ms",
    size: 1e-3,
};

/// Real time, and how the programs compare.
pub(super) fn real(programs: &Programs<'_>, notes: &mut Footnotes) -> Table {
    let year = programs.study.source.year;
    let second = programs.row(BASE).and_then(published_real);
    let mut columns = programs.keys();
    columns.extend([
        Column::number("real", &format!("{year} (ms)")),
        Column::number("real", "here (ms)").explained_as(
            "real",
            "by the clock, a run; a script's with its start and end, a C program's in its loop; of \
             1,000 runs, the loop takes as many seconds",
        ),
        Column::number("runs", "per s")
            .yielding()
            .explained_as("runs per s", "one second by real here"),
        Column::number("times row 2", &year.to_string()),
        Column::number("times row 2", "here").explained_as(
            "times row 2",
            format!(
                "real as a multiple of that of {}, here round by round",
                names::prose(BASE)
            ),
        ),
    ]);
    let rows = programs.rows(|row| {
        let published = published_real(row);
        let ratio = published
            .zip(second)
            .map(|(ours, theirs)| ours / theirs)
            .filter(|ratio| ratio.is_finite());
        let here = here(row, notes, |looped, notes| {
            let exact = row.system == BASE;
            let ratio = match &looped.ratio {
                Availability::Measured(ratio) if exact => PLAIN.bare(ratio.value),
                ratio => figure(looped, ratio, 1.0, PLAIN, "times row 2", notes),
            };
            vec![
                entry(looped, looped.real_s, row.iterations, MILLISECOND),
                entry(looped, looped.per_second, 1, PLAIN),
                ratio,
            ]
        });
        let [real, per_second, times] = take(here);
        vec![
            exact(published),
            real,
            per_second,
            ratio.map_or(Entry::Blank, |ratio| PLAIN.bare(ratio)),
            times,
        ]
    });
    Table {
        title: title(programs),
        columns,
        rules: programs.rules(),
        rows,
        notes: [loops_of(programs), broken_off(programs)].concat(),
    }
}

/// CPU time and its split.
pub(super) fn cpu(programs: &Programs<'_>, notes: &mut Footnotes) -> Table {
    let year = programs.study.source.year;
    let published = format!("{year} (ms)");
    let mut columns = programs.keys();
    columns.extend([
        Column::number("user", &published),
        Column::number("sys", &published),
        Column::number("user", "here (ms)").yielding().explained_as(
            "user, sys",
            "CPU time of program and children in user mode and in the kernel, a run",
        ),
        Column::number("sys", "here (ms)").yielding(),
        Column::number("CPU", "here (ms)")
            .yielding()
            .explained_as("CPU", "both together, as the kernel's run times say"),
    ]);
    let rows = programs.rows(|row| {
        let [user, sys] = match row.published {
            Some(figures) => [figures.user_s, figures.sys_s]
                .map(|seconds| exact(a_run(seconds, figures.iterations))),
            None => [Entry::Blank, Entry::Blank],
        };
        let here = here(row, notes, |looped, notes| {
            let runs = row.iterations as f64;
            vec![
                figure(looped, &looped.user_s, runs, MILLISECOND, "user", notes),
                figure(looped, &looped.sys_s, runs, MILLISECOND, "sys", notes),
                entry(looped, looped.cpu_s, row.iterations, MILLISECOND),
            ]
        });
        let [here_user, here_sys, cpu] = take(here);
        vec![user, sys, here_user, here_sys, cpu]
    });
    Table {
        title: "CPU time of one run".to_owned(),
        columns,
        rules: programs.rules(),
        rows,
        notes: sources(programs),
    }
}

fn title(programs: &Programs<'_>) -> String {
    format!("Time of one run of {}", programs.spawned())
}

/// How long the loops were, where it was longer or shorter than in the study.
fn loops_of(programs: &Programs<'_>) -> Vec<String> {
    let mut lengths: Vec<([u64; 2], Vec<&str>)> = Vec::new();
    for row in &programs.loops.rows {
        let Some(then) = row.published.map(|published| published.iterations) else {
            continue;
        };
        let length = [row.iterations, then];
        match lengths.iter_mut().find(|(known, _)| *known == length) {
            Some((_, keys)) => keys.push(names::key(row.system)),
            None => lengths.push((length, vec![names::key(row.system)])),
        }
    }
    let year = programs.study.source.year;
    let differ = lengths.iter().filter(|([here, then], _)| here != then);
    differ
        .map(|([here, then], keys)| {
            format!(
                "{}: loops of {} here, of {} in {year}",
                keys.join(", "),
                counted(*here, "run"),
                counted(*then, "run")
            )
        })
        .collect()
}

/// Why a row ended before the others.
fn broken_off(programs: &Programs<'_>) -> Vec<String> {
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
fn sources(programs: &Programs<'_>) -> Vec<String> {
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

/// A published figure with the digits that it has.
fn exact(seconds: Option<f64>) -> Entry {
    seconds.map_or(Entry::Blank, |seconds| {
        Entry::exact(number(seconds / MILLISECOND.size, 3))
    })
}

/// The entries of a row that ran, or `None`, and the reason among the notes.
fn here(
    row: &Loop,
    notes: &mut Footnotes,
    entries: impl FnOnce(&Looped, &mut Footnotes) -> Vec<Entry>,
) -> Option<Vec<Entry>> {
    match &row.here {
        Availability::Measured(looped) => Some(entries(looped, notes)),
        Availability::Missing(missing) => {
            notes.missing(missing, names::key(row.system), None);
            None
        }
    }
}

/// Entries in their places; without them, nothing but gaps.
fn take<const N: usize>(entries: Option<Vec<Entry>>) -> [Entry; N] {
    let mut entries = entries.unwrap_or_default().into_iter();
    std::array::from_fn(|_| entries.next().unwrap_or(Entry::Missing))
}

fn figure(
    looped: &Looped,
    estimate: &Availability<Estimate>,
    over: f64,
    unit: Unit,
    name: &str,
    notes: &mut Footnotes,
) -> Entry {
    match estimate {
        Availability::Measured(estimate) => divided(looped, *estimate, over, unit),
        Availability::Missing(missing) => notes.missing(missing, name, None),
    }
}

fn entry(looped: &Looped, estimate: Estimate, iterations: u64, unit: Unit) -> Entry {
    divided(looped, estimate, iterations as f64, unit)
}

/// A single run has no interval, and `±0` would claim one.
fn divided(looped: &Looped, estimate: Estimate, over: f64, unit: Unit) -> Entry {
    match looped.runs.len() > 1 {
        true => unit.entry(estimate.map(|figure| figure / over)),
        false => unit.bare(estimate.value / over),
    }
}
