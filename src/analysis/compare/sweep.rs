//! The lines of a sweep: the call and the total of each method in each address
//! space.

use super::{Absent, DRAWS_OF_A_VERDICT, Line, Lines};
use crate::model::{
    Availability, Cell, ChildAction, ComparedKind, Fingerprint, LineUnit, WorkerSamples,
    quiet_workers, times,
};
use crate::stats::{Summary, cost_replicates, drift, level_freedom, median};

/// A part of a spawn, and where a cell keeps it.
pub struct Part {
    name: &'static str,
    figure: fn(&Cell) -> &Availability<Summary>,
    pub(super) samples: fn(&WorkerSamples) -> &[u64],
}

/// Until the spawning call returned.
pub const CALL: Part = Part {
    name: "call",
    figure: |cell| &cell.call_ns,
    samples: WorkerSamples::calls,
};

/// Until the child was waited for.
pub const TOTAL: Part = Part {
    name: "total",
    figure: |cell| &cell.total_ns,
    samples: WorkerSamples::totals,
};

pub(super) const PARTS: [Part; 2] = [CALL, TOTAL];

pub(super) fn lines(cells: &[Cell], luck: u64) -> Lines {
    let mut lines = Lines {
        kind: ComparedKind::Sweeps,
        lines: Vec::new(),
        absent: Vec::new(),
    };
    let drift = drift(&course(cells.iter().map(|cell| &cell.samples)));
    for cell in cells {
        for part in &PARTS {
            let key = key(cell, part);
            if lines.find(&key).is_some() {
                continue;
            }
            match line(cell, part, luck, drift) {
                Ok(line) => lines.lines.push(line),
                Err(reason) => lines.absent.push(Absent { key, reason }),
            }
        }
    }
    lines
}

pub(super) fn line(cell: &Cell, part: &Part, luck: u64, drift: f64) -> Result<Line, String> {
    if let Some(missing) = (part.figure)(cell).missing() {
        return Err(missing.reason.clone());
    }
    let key = key(cell, part);
    let workers = times(&cell.samples, part.samples);
    let seed = Fingerprint::of(&key).and(&luck.to_le_bytes()).number();
    let value = cost_replicates(&workers, seed, DRAWS_OF_A_VERDICT)
        .ok_or_else(|| "its samples were not stored".to_owned())?;
    Ok(Line {
        key,
        group: cell.space.request.in_words(),
        what: what(cell, part),
        unit: LineUnit::Ns,
        value,
        workers: workers.len(),
        freedom: level_freedom(workers.len()),
        spread: Some(level_freedom(workers.len())),
        drift,
    })
}

/// What a part of a cell is, for people.
pub(super) fn what(cell: &Cell, part: &Part) -> String {
    format!("{} {}", cell.method.name(), part.name)
}

/// What is the same quantity in another sweep: the order of the address space, not
/// what became of it, the method, and what the child does.
pub(super) fn key(cell: &Cell, part: &Part) -> String {
    let child = match cell.child {
        ChildAction::Exec => "exec",
        ChildAction::Exit => "exit",
    };
    format!(
        "{}/{}/{child}/{}",
        cell.space.request.key(),
        cell.method.name(),
        part.name
    )
}

/// How the level of the whole run went, round by round: each worker's median over
/// that of its cell, as a logarithm, in the middle of all cells. What strikes one
/// worker alone is lost in the middle; what strikes the host is not.
pub(super) fn course<'a>(cells: impl Iterator<Item = &'a Vec<WorkerSamples>>) -> Vec<(f64, f64)> {
    let mut rounds: Vec<u32> = Vec::new();
    let mut levels: Vec<(u32, f64)> = Vec::new();
    for samples in cells {
        let medians: Vec<(u32, f64)> = quiet_workers(samples)
            .into_iter()
            .filter_map(|worker| {
                let spawns: Vec<f64> = worker.total_ns.iter().map(|ns| *ns as f64).collect();
                Some((worker.round, median(&spawns)?.ln()))
            })
            .collect();
        let logs: Vec<f64> = medians.iter().map(|(_, log)| *log).collect();
        let Some(middle) = median(&logs) else {
            continue;
        };
        levels.extend(medians.iter().map(|(round, log)| (*round, log - middle)));
        rounds.extend(medians.iter().map(|(round, _)| *round));
    }
    rounds.sort_unstable();
    rounds.dedup();
    let level = |round: u32| {
        let of_round = levels.iter().filter(|(other, _)| *other == round);
        let of_round: Vec<f64> = of_round.map(|(_, level)| *level).collect();
        Some((f64::from(round), median(&of_round)?))
    };
    rounds.into_iter().filter_map(level).collect()
}
