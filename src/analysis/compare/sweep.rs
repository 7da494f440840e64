//! The lines of a sweep: the call and the total of each method in each address
//! space.

use super::lines::Quantity;
use super::{Absent, Line, Lines, Name, turns};
use crate::model::{
    Availability, Cell, ChildAction, ComparedKind, WorkerSamples, quiet_workers, times,
};
use crate::stats::{Summary, drift, median};

/// A part of a spawn, and where a cell keeps it.
pub struct Part {
    pub(super) name: &'static str,
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
    let mut lines = Lines::none(ComparedKind::Sweeps);
    let drift = drift(&course(cells.iter().map(|cell| &cell.samples)));
    for quantity in quantities(cells, luck, drift) {
        lines.add(quantity.line);
    }
    lines
}

/// The same with the turns that each of them is made of.
pub(super) fn quantities(cells: &[Cell], luck: u64, drift: f64) -> Vec<Quantity> {
    let each = |cell| {
        PARTS
            .iter()
            .map(move |part| of_cell(cell, part, name(cell, part), luck, drift))
    };
    cells.iter().flat_map(each).collect()
}

/// A part of a cell.
pub(super) fn of_cell(cell: &Cell, part: &Part, name: Name, luck: u64, drift: f64) -> Quantity {
    Quantity {
        line: line(cell, part, name.clone(), luck, drift),
        name,
        turns: turns(&cell.samples, part),
    }
}

fn line(cell: &Cell, part: &Part, name: Name, luck: u64, drift: f64) -> Result<Line, Absent> {
    if let Some(missing) = (part.figure)(cell).missing() {
        return Err(Absent::new(name.key, &missing.reason));
    }
    let workers = times(&cell.samples, part.samples);
    Line::of_workers(name.clone(), &workers, luck, drift)
        .ok_or_else(|| Absent::new(name.key, "its samples were not stored"))
}

/// What is the same quantity in another sweep: the order of the address space, not
/// what became of it, the method, and what the child does.
fn name(cell: &Cell, part: &Part) -> Name {
    let (space, method) = (&cell.space.request, cell.method.name());
    Name {
        key: format!(
            "{}/{method}/{}/{}",
            space.key(),
            child(cell.child),
            part.name
        ),
        group: space.in_words(),
        what: format!("{method} {}", part.name),
    }
}

/// What the child does, in a key.
pub(super) fn child(child: ChildAction) -> &'static str {
    match child {
        ChildAction::Exec => "exec",
        ChildAction::Exit => "exit",
    }
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
                let spawns = worker.without_luck(WorkerSamples::totals);
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
