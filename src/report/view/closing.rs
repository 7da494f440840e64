//! What closes the report: caveats, how the run went, and the legend.

use std::collections::BTreeMap;

use crate::analysis::steadiness::{Course, Steadiness};
use crate::model::{
    Answer, Caveat, CountSource, Document, Findings, HostState, Loops, Run, Stopped, TrialCell,
};

use super::footnotes::Footnotes;
use super::number::{Unit, counted, integer, percent, significant};
use super::table::{Block, Table};
use super::{LEGEND, Section};

/// The caveats, each once, without those that a footnote has told.
pub(super) fn caveats(document: &Document, footnotes: &Footnotes) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for caveat in &document.caveats {
        let told = match caveat {
            Caveat::Unavailable { reason, .. } | Caveat::MethodUnavailable { reason, .. } => {
                footnotes.names(reason)
            }
            _ => false,
        };
        let mut line = caveat.to_string();
        if let Some(advice) = advice(document, caveat) {
            line = format!("{line}; {advice}");
        }
        if !told && !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// How another run gets more workers and narrower intervals: by more of what
/// ended this one. A run that was broken off had no such limit.
fn advice(document: &Document, caveat: &Caveat) -> Option<&'static str> {
    let short = matches!(
        caveat,
        Caveat::FewWorkers { .. } | Caveat::PrecisionMissed { .. }
    );
    match document.run.stopped {
        _ if !short => None,
        Stopped::Precision | Stopped::Interrupted | Stopped::Failed(_) => None,
        Stopped::OutOfReach => Some("give --time for a longer run"),
        Stopped::Spawns => Some("raise --spawns"),
        _ if document.plan.stop.time_s.is_none() => Some("raise --spawns"),
        _ => Some("raise --time"),
    }
}

/// The facts of the run, and where its figures come from.
pub(super) fn run(document: &Document) -> Vec<String> {
    let run = &document.run;
    let outliers = document.findings.cells().iter().map(|cell| cell.outliers);
    let outliers = outliers.fold(0, u64::saturating_add);
    let mut lines = vec![format!(
        "{} timed in {} ({}) and {} s; {}",
        counted(spawns(&document.findings), "spawn"),
        counted(u64::from(run.rounds), "round"),
        if loops(&document.findings).is_some() {
            "all programs by turns"
        } else {
            "each with fresh workers"
        },
        significant(run.duration_s),
        stopped(&run.stopped)
    )];
    if outliers > 0 {
        lines.push(format!(
            "{} of the totals lie more than three interquartile ranges outside the quartiles; they are kept",
            integer(outliers)
        ));
    }
    lines.extend(steadiness(run));
    lines.extend(spells(run));
    lines.extend(left_out(&document.findings));
    lines.extend(cpu_time(document));
    lines.extend(counters(document));
    lines
}

/// How steady the host was.
fn steadiness(run: &Run) -> Option<String> {
    let reference = run.reference.measured()?;
    let steadiness = Steadiness::of(reference)?;
    let forks = [steadiness.median_ns, steadiness.p10_ns, steadiness.p90_ns];
    let unit = Unit::of_time(forks.into_iter());
    let [median, p10, p90] = forks.map(|ns| significant(ns / unit.size));
    Some(format!(
        "how steady the host was: a fork from {}, always the same, took {median} {} in the median of \
         {} and {p10} to {p90} in eight of ten",
        counted(reference.mappings, "mapping"),
        unit.name,
        counted(reference.readings.len() as u64, "reading")
    ))
}

/// When the host was slow.
fn spells(run: &Run) -> Option<String> {
    let Some(Course::Spells(slow)) = Course::of(run.reference.measured()?) else {
        return None;
    };
    let [times, low, high] = [
        slow.slowdown.value,
        slow.slowdown.ci95[0],
        slow.slowdown.ci95[1],
    ]
    .map(significant);
    Some(format!(
        "the host was slow for {} % of the time, in {}: {times} times as slow ({low} to {high})",
        percent(slow.share_of_time),
        counted(slow.spells as u64, "spell"),
    ))
}

/// Which workers figures are of, if they are not of all.
fn left_out(findings: &Findings) -> Option<String> {
    let (all, quiet, shared) = workers_by_host(findings);
    let slow = all - quiet - shared;
    if all == quiet {
        return None;
    }
    let why = [
        (slow > 0).then(|| format!("the host was slow, or turned, beside {slow}")),
        (shared > 0).then(|| format!("others had the CPU for a good part of {shared}")),
    ];
    let why: Vec<String> = why.into_iter().flatten().collect();
    Some(format!(
        "figures are of {quiet} of {}: {}; where fewer than three of a parent are left they are of \
         all, and spawns a second are of all in any case (--section slow shows the others)",
        counted(all, "worker"),
        why.join(", and ")
    ))
}

/// Workers, those that the host was quiet for, and those that shared their CPU.
fn workers_by_host(findings: &Findings) -> (u64, u64, u64) {
    let cells = findings.cells().iter().map(|cell| &cell.samples);
    let trials = trials(findings).into_iter().map(|cell| &cell.samples);
    let workers = cells.chain(trials).flatten();
    let known: BTreeMap<usize, HostState> = workers
        .filter_map(|worker| Some((worker.visit?, worker.host)))
        .collect();
    let of = |state: HostState| known.values().filter(|own| **own == state).count() as u64;
    (
        known.len() as u64,
        of(HostState::Quiet),
        of(HostState::Shared),
    )
}

fn loops(findings: &Findings) -> Option<&Loops> {
    match findings {
        Findings::Reproduction(reproduction) => match &reproduction.answer {
            Answer::Programs(loops) => Some(loops),
            Answer::Spaces { .. } => None,
        },
        Findings::Sweep { .. }
        | Findings::Explanation(_)
        | Findings::Card(_)
        | Findings::Process(_)
        | Findings::Advice(_) => None,
    }
}

/// All spawns that were timed.
fn spawns(findings: &Findings) -> u64 {
    let cells = findings.cells().iter().map(|cell| cell.spawns);
    let rows = loops(findings).into_iter().flat_map(|loops| &loops.rows);
    let looped = rows.filter_map(|row| {
        let runs = row.here.measured()?.runs.len() as u64;
        Some(runs.saturating_mul(row.iterations))
    });
    let trials = trials(findings).into_iter().flat_map(|cell| &cell.samples);
    let tried = trials.map(|worker| worker.total_ns.len() as u64);
    cells
        .chain(looped)
        .chain(tried)
        .fold(0, u64::saturating_add)
}

/// What was timed in trials.
fn trials(findings: &Findings) -> Vec<&TrialCell> {
    match findings {
        Findings::Card(card) => (card.trials.iter())
            .flat_map(|trial| &trial.cells)
            .collect(),
        Findings::Sweep { .. }
        | Findings::Explanation(_)
        | Findings::Reproduction(_)
        | Findings::Process(_)
        | Findings::Advice(_) => (findings.replica().into_iter())
            .flat_map(|replica| &replica.trials)
            .flat_map(|trial| &trial.cells)
            .collect(),
    }
}

/// Why a run ended.
pub(super) fn stopped(stopped: &Stopped) -> String {
    match stopped {
        Stopped::Precision => "stopped as every interval was as narrow as asked".to_owned(),
        Stopped::Time => "stopped as the time was up".to_owned(),
        Stopped::Spawns => "stopped as the number of spawns was reached".to_owned(),
        Stopped::OutOfReach => {
            "stopped as the precision that was asked would have taken too long".to_owned()
        }
        Stopped::Interrupted => "stopped by a signal".to_owned(),
        Stopped::Failed(message) => format!("stopped by an error: {message}"),
    }
}

/// Where CPU time comes from, and its split where there is one.
fn cpu_time(document: &Document) -> Option<String> {
    let cells = document.findings.cells();
    let split = cells.iter().any(|cell| cell.sys_ns.measured().is_some());
    let whole = cells.iter().any(|cell| cell.cpu_ns.measured().is_some());
    let source = "CPU time is the scheduler's exact run time (getrusage)";
    if split {
        Some(format!(
            "{source}; its split into system and user comes from timer samples of the CPU \
             (perf cpu-clock), as rusage only guesses it for so short a child"
        ))
    } else {
        whole.then(|| source.to_owned())
    }
}

/// Where the page faults and the switches come from.
fn counters(document: &Document) -> Option<String> {
    let is_from = |source| {
        let mut cells = document.findings.cells().iter();
        cells.any(|cell| [cell.minor_faults.source, cell.context_switches.source].contains(&source))
    };
    let source = match [CountSource::Perf, CountSource::Rusage].map(is_from) {
        [true, false] => "perf events",
        [false, true] => "getrusage",
        [true, true] => "perf events, and getrusage where those are not permitted",
        [false, false] => return None,
    };
    Some(format!(
        "page faults and context switches come from {source}, in a loop of its own"
    ))
}

/// What figures are, of a run and of a comparison of runs.
pub(super) const OF_RUNS: &str = "times are medians, counts means";

/// What a result's figures are.
pub(super) fn figures(findings: &Findings) -> &'static str {
    match findings {
        Findings::Sweep { .. } | Findings::Explanation(_) | Findings::Reproduction(_) => OF_RUNS,
        Findings::Card(_) => "times are medians, prices are fitted or differences of medians",
        Findings::Process(_) | Findings::Advice(_) => {
            "times are medians, costs differences of them"
        }
    }
}

/// What the columns mean that have an entry in some row, after a word on what `figures`
/// are; what several tables share, once.
pub(super) fn legend(figures: Option<&str>, sections: &[Section]) -> Section {
    let tables = sections.iter().filter_map(|section| match &section.block {
        Block::Table(table) if !table.rows.is_empty() => Some(table),
        _ => None,
    });
    let mut terms: Vec<(String, String)> = Vec::new();
    if let Some(figures) = figures.filter(|_| tables.clone().next().is_some()) {
        terms.push((
            "±".to_owned(),
            format!("farther end of the 95 % interval; {figures}"),
        ));
    }
    for term in tables.flat_map(Table::legend) {
        if !terms.contains(&term) {
            terms.push(term);
        }
    }
    let title = "Columns".to_owned();
    Section::new(LEGEND, Block::Legend { title, terms })
}
