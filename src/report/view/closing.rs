//! What closes the report: caveats, how the run went, and the legend.

use crate::model::{Caveat, CountSource, Document, Loops, Stopped, TrialCell};

use super::footnotes::Footnotes;
use super::number::{counted, integer, significant};
use super::table::{Block, Table};

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
        Stopped::Interrupted | Stopped::Failed(_) => None,
        Stopped::Spawns => Some("raise --spawns"),
        _ if document.plan.stop.time_s.is_none() => Some("raise --spawns"),
        _ => Some("raise --time"),
    }
}

/// The facts of the run, and where its figures come from.
pub(super) fn run(document: &Document) -> Vec<String> {
    let run = &document.run;
    let spawns = document
        .cells
        .iter()
        .map(|cell| cell.spawns)
        .fold(0, u64::saturating_add);
    let outliers = document
        .cells
        .iter()
        .map(|cell| cell.outliers)
        .fold(0, u64::saturating_add);
    let mut lines = vec![format!(
        "{} timed in {} ({}) and {} s; {}",
        counted(
            [looped(document), carded(document), rebuilt(document)]
                .into_iter()
                .fold(spawns, u64::saturating_add),
            "spawn"
        ),
        counted(u64::from(run.rounds), "round"),
        if loops(document).is_some() {
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
    lines.extend(cpu_time(document));
    lines.extend(counters(document));
    lines
}

fn loops(document: &Document) -> Option<&Loops> {
    document.reproduction.as_ref()?.loops.as_ref()
}

/// Spawns of the programs that spawn in a loop.
fn looped(document: &Document) -> u64 {
    let rows = loops(document).into_iter().flat_map(|loops| &loops.rows);
    let spawns = rows.filter_map(|row| {
        let runs = row.here.measured()?.runs.len() as u64;
        Some(runs.saturating_mul(row.iterations))
    });
    spawns.fold(0, u64::saturating_add)
}

/// Spawns of the trials of a card.
fn carded(document: &Document) -> u64 {
    let trials = document.card.iter().flat_map(|card| &card.trials);
    let of_cell = |cell: &TrialCell| {
        let spawns = cell
            .samples
            .iter()
            .map(|worker| worker.total_ns.len() as u64);
        spawns.fold(0, u64::saturating_add)
    };
    let spawns = trials.flat_map(|trial| &trial.cells).map(of_cell);
    spawns.fold(0, u64::saturating_add)
}

/// Spawns from the shape of a process.
fn rebuilt(document: &Document) -> u64 {
    let trials = document.live.iter().flat_map(|live| &live.trials);
    let samples = trials
        .flat_map(|trial| &trial.cells)
        .flat_map(|cell| &cell.samples);
    let spawns = samples.map(|worker| worker.total_ns.len() as u64);
    spawns.fold(0, u64::saturating_add)
}

/// Why a run ended.
pub(super) fn stopped(stopped: &Stopped) -> String {
    match stopped {
        Stopped::Precision => "stopped as every interval was as narrow as asked".to_owned(),
        Stopped::Time => "stopped as the time was up".to_owned(),
        Stopped::Spawns => "stopped as the number of spawns was reached".to_owned(),
        Stopped::Interrupted => "stopped by a signal".to_owned(),
        Stopped::Failed(message) => format!("stopped by an error: {message}"),
    }
}

/// Where CPU time comes from, and its split where there is one.
fn cpu_time(document: &Document) -> Option<String> {
    let mut cells = document.cells.iter();
    let split = cells.any(|cell| cell.sys_ns.measured().is_some());
    let mut cells = document.cells.iter();
    let whole = cells.any(|cell| cell.cpu_ns.measured().is_some());
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
    let sources = || {
        document
            .cells
            .iter()
            .flat_map(|cell| [cell.minor_faults.source, cell.context_switches.source])
    };
    let source = match (
        sources().any(|source| source == CountSource::Perf),
        sources().any(|source| source == CountSource::Rusage),
    ) {
        (true, false) => "perf events",
        (false, true) => "getrusage",
        (true, true) => "perf events, and getrusage where those are not permitted",
        (false, false) => return None,
    };
    Some(format!(
        "page faults and context switches come from {source}, in a loop of its own"
    ))
}

/// What figures are, of a run and of a comparison of runs.
pub(super) const OF_RUNS: &str = "times are medians, counts means";

/// The same of a card.
pub(super) const OF_CARDS: &str = "times are medians, prices are fitted or differences of medians";

/// The same of a process that was rebuilt.
pub(super) const OF_SHAPES: &str = "times are medians, costs differences of them";

/// What the columns mean, a line each, after a word on what `figures` are; what several tables share, once.
pub(super) fn legend(figures: &str, answers: &[Block]) -> Block {
    let tables: Vec<&Table> = answers
        .iter()
        .filter_map(|block| match block {
            Block::Table(table) if !table.rows.is_empty() => Some(table),
            _ => None,
        })
        .collect();
    let mut terms: Vec<(String, String)> = Vec::new();
    if !tables.is_empty() {
        terms.push((
            "±".to_owned(),
            format!("farther end of the 95 % interval; {figures}"),
        ));
    }
    let columns = tables.iter().flat_map(|table| &table.columns);
    for term in columns.filter_map(|column| column.legend.clone()) {
        if !terms.contains(&term) {
            terms.push(term);
        }
    }
    Block::Legend {
        title: "Columns".to_owned(),
        terms,
    }
}
