//! What closes the report: caveats, how the run went, and the legend.

use crate::analysis::steadiness::{Steadiness, apart};
use crate::model::{
    Answer, Caveat, CountSource, Document, Findings, HostCourse, HostState, Loops, Run, Stopped,
    TrialCell, WorkerSamples, quiet_workers,
};

use super::footnotes::Footnotes;
use super::number::{Unit, counted, integer, percent, significant};
use super::table::{Block, Table};
use super::{LEGEND, Section, trace};

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
        Stopped::Precision | Stopped::Ended | Stopped::Interrupted | Stopped::Failed(_) => None,
        Stopped::OutOfReach => Some("give --time for a longer run"),
        Stopped::Spawns => Some("raise --spawns"),
        _ if document.plan.stop.time_s.is_none() => Some("raise --spawns"),
        _ => Some("raise --time"),
    }
}

/// The facts of the run, and where its figures come from.
pub(super) fn run(document: &Document) -> Vec<String> {
    if let Some(watched) = trace::run(document) {
        return watched;
    }
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
    lines.extend(left_out(document));
    lines.extend(corrected(document));
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
    let Some(HostCourse::Spells(slow)) = run.reference.measured()?.host else {
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
fn left_out(document: &Document) -> Option<String> {
    let parents = parents(&document.findings);
    let of = |state: HostState| {
        let workers = parents.iter().copied().flatten();
        workers.filter(|worker| worker.host == state).count() as u64
    };
    let all: u64 = parents.iter().map(|workers| workers.len() as u64).sum();
    let [quiet, shared] = [HostState::Quiet, HostState::Shared].map(of);
    let slow = all - quiet - shared;
    if all == quiet {
        return None;
    }
    let why = [
        (slow > 0).then(|| format!("the host was slow, or turned, beside {slow}")),
        (shared > 0).then(|| format!("others had the CPU for a good part of {shared}")),
    ];
    let why: Vec<String> = why.into_iter().flatten().collect();
    let is_mixed = |workers: &&&[WorkerSamples]| {
        let has_slow = workers.iter().any(|worker| !worker.host.is_quiet());
        has_slow && quiet_workers(workers.iter()).len() == workers.len()
    };
    let of_some = parents.iter().filter(|workers| !is_mixed(workers));
    let stand_ins = of_some.copied().flatten().filter(|worker| worker.stands_in);
    let stood_in = match stand_ins.count() as u64 {
        0 => String::new(),
        some => format!(
            "; {} more, the least surely slow and of these the quickest, stand in where those are \
             fewer than three",
            integer(some)
        ),
    };
    let mixed = match parents.iter().filter(is_mixed).count() as u64 {
        0 => String::new(),
        some => format!(
            "; of {}, which have fewer than three such workers, figures are of all",
            counted(some, "parent")
        ),
    };
    let where_to = match apart(document).is_empty() {
        true => "",
        false => " (--section slow shows the others)",
    };
    Some(format!(
        "figures are of the {quiet} of {} that the host was quiet for: {}{stood_in}{mixed}{where_to}",
        counted(all, "worker"),
        why.join(", and ")
    ))
}

/// How far workers were off because of a host that wanders, if that is taken out.
fn corrected(document: &Document) -> Option<String> {
    let parents = parents(&document.findings);
    let workers = parents.iter().copied().flatten();
    let off = |worker: &WorkerSamples| worker.slower().max(worker.slower().recip()) - 1.0;
    let corrected: Vec<f64> = workers.map(off).filter(|off| *off > 0.0).collect();
    let most = corrected.iter().copied().reduce(f64::max)?;
    Some(format!(
        "figures are of the run's mean host: what the reference tells of {}, up to {} %, is taken \
         out of their times",
        counted(corrected.len() as u64, "worker"),
        percent(most),
    ))
}

/// The workers of each parent: all methods of one have the same.
fn parents(findings: &Findings) -> Vec<&[WorkerSamples]> {
    let cells = findings.cells();
    let first_of_space = cells.iter().enumerate().filter(|(at, cell)| {
        let before = at.checked_sub(1).map(|before| &cells[before]);
        before.is_none_or(|before| before.space.request != cell.space.request)
    });
    let of_cells = first_of_space.map(|(_, cell)| cell.samples.as_slice());
    let of_trials = trials(findings).into_iter();
    let of_trials = of_trials.filter_map(|cells| Some(cells.first()?.samples.as_slice()));
    of_cells.chain(of_trials).collect()
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
        | Findings::Advice(_)
        | Findings::Trace(_) => None,
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
    let trials = trials(findings).into_iter().flatten();
    let trials = trials.flat_map(|cell| &cell.samples);
    let tried = trials.map(|worker| worker.total_ns.len() as u64);
    cells
        .chain(looped)
        .chain(tried)
        .fold(0, u64::saturating_add)
}

/// What was timed in trials, trial by trial.
fn trials(findings: &Findings) -> Vec<&[TrialCell]> {
    match findings {
        Findings::Card(card) => {
            let trials = card.trials.iter();
            trials.map(|trial| trial.cells.as_slice()).collect()
        }
        Findings::Sweep { .. }
        | Findings::Explanation(_)
        | Findings::Reproduction(_)
        | Findings::Process(_)
        | Findings::Advice(_)
        | Findings::Trace(_) => (findings.replica().into_iter())
            .flat_map(|replica| &replica.trials)
            .map(|trial| trial.cells.as_slice())
            .collect(),
    }
}

/// Why a run ended.
pub(super) fn stopped(stopped: &Stopped) -> String {
    match stopped {
        Stopped::Precision => "stopped as every interval was as narrow as asked".to_owned(),
        Stopped::Time => "stopped as the time was up".to_owned(),
        Stopped::Ended => "stopped as what was watched had ended".to_owned(),
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
pub(super) const OF_RUNS: &str = "times are levels of the workers' medians, counts means";

/// What a result's figures are; nothing of those that have no intervals.
pub(super) fn figures(findings: &Findings) -> Option<&'static str> {
    match findings {
        Findings::Sweep { .. } | Findings::Explanation(_) | Findings::Reproduction(_) => {
            Some(OF_RUNS)
        }
        Findings::Card(_) => {
            Some("times are levels of the workers' medians, prices fitted or differences of them")
        }
        Findings::Process(_) | Findings::Advice(_) => {
            Some("times are levels of the workers' medians, costs differences of them")
        }
        Findings::Trace(_) => None,
    }
}

/// What the columns mean that have an entry in some row, after a word on what `figures`
/// are; what several tables share, once.
pub(super) fn legend<'a>(
    figures: Option<&str>,
    sections: impl IntoIterator<Item = &'a Section>,
) -> Section {
    let tables = sections.into_iter();
    let tables = tables.filter_map(|section| match &section.block {
        Block::Table(table) if !table.rows.is_empty() => Some(table),
        _ => None,
    });
    let mut tables = tables.peekable();
    let mut terms: Vec<(String, String)> = Vec::new();
    if let Some(figures) = figures.filter(|_| tables.peek().is_some()) {
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
