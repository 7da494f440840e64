//! The lines of an explanation: call and total of each method from the explained parent, and
//! the phases that such a spawn consists of.
//!
//! An explanation is of one parent, so that another parent is a difference to be told and
//! no reason to compare nothing.

use super::lines::Quantity;
use super::sweep::{self, PARTS, Part, course};
use super::{Absent, Line, Lines, Name, Turns};
use crate::model::{
    Cell, ChildAction, ComparedKind, Explanation, Ledger, MethodExplained, MissingKind, Phase,
    StampedWorker,
};
use crate::stats::drift;

pub(super) fn lines(found: &Explanation, child: ChildAction, luck: u64) -> Lines {
    let mut lines = Lines::none(ComparedKind::Explanations);
    let drift = drift(&course(found.cells.iter().map(|cell| &cell.samples)));
    for quantity in quantities(found, child, luck, drift) {
        lines.add(quantity.line);
    }
    lines
}

/// The same with the turns that each of them is made of.
pub(super) fn quantities(
    found: &Explanation,
    child: ChildAction,
    luck: u64,
    drift: f64,
) -> Vec<Quantity> {
    let mut all = Vec::new();
    for explained in &found.methods {
        let is_it =
            |cell: &&Cell| cell.space.request == found.space && cell.method == explained.method;
        if let Some(cell) = found.cells.iter().find(is_it) {
            let of_part = |part| sweep::of_cell(cell, part, name(cell, part), luck, drift);
            all.extend(PARTS.iter().map(of_part));
        }
        all.extend(phases("explained", explained, child, luck, drift));
    }
    all
}

fn name(cell: &Cell, part: &Part) -> Name {
    let (method, child) = (cell.method.name(), sweep::child(cell.child));
    Name {
        key: format!("explained/{method}/{child}/{}", part.name),
        group: method.to_owned(),
        what: part.name.to_owned(),
    }
}

/// The phases of a method's spawns, under keys that begin with what they are from.
pub(super) fn phases(
    of: &str,
    explained: &MethodExplained,
    child: ChildAction,
    luck: u64,
    drift: f64,
) -> Vec<Quantity> {
    let method = explained.method.name();
    let phase = |(index, phase): (usize, Phase)| {
        let (key, what) = names(phase);
        let ledger = explained.ledger.measured();
        // What has taken over the time of others is another stretch of the spawn than itself
        // alone, and is compared with the like.
        let [with_key, with] = match ledger.and_then(|ledger| taken_over(ledger, index)) {
            Some((key, what)) => [format!("-with-{key}"), format!(", with {what}")],
            None => [const { String::new() }; 2],
        };
        let name = Name {
            key: format!(
                "{of}/{method}/{}/phase/{key}{with_key}",
                sweep::child(child)
            ),
            group: method.to_owned(),
            what: what.to_owned() + &with,
        };
        let turns = ledger.map_or_else(Vec::new, |ledger| medians(ledger, index));
        let workers: Vec<Vec<f64>> = turns.iter().map(|worker| worker.ns.clone()).collect();
        let line = match workers.as_slice() {
            // One median has no interval.
            [_] => Err("one worker was stamped; raise --time or --spawns".to_owned()),
            workers => Line::of_workers(name.clone(), workers, luck, drift)
                .ok_or_else(|| why_not(explained, phase)),
        };
        Quantity {
            line: line.map_err(|why| Absent::new(&name.key, why)),
            name,
            turns,
        }
    };
    Phase::ALL.into_iter().enumerate().map(phase).collect()
}

/// The first of the phases right before this one whose end could not be told, so that their
/// time is a part of this one.
fn taken_over(ledger: &Ledger, phase: usize) -> Option<(&'static str, &'static str)> {
    let before = ledger.phases.get(..phase)?.iter().rev();
    let missing = before.map_while(|time| Some((time.phase, time.ns.missing()?)));
    let untold = missing.filter(|(_, why)| why.missing == MissingKind::Unavailable);
    let (first, _) = untold.last()?;
    let is_told = ledger.phases.get(phase)?.ns.missing().is_none();
    is_told.then(|| names(first))
}

/// What each worker's spawns took in a phase.
fn medians(ledger: &Ledger, phase: usize) -> Vec<Turns> {
    let of_worker = |worker: &StampedWorker| {
        let median = worker.phases_ns.get(phase).copied().flatten()?;
        Some(Turns {
            round: worker.round,
            ns: vec![median],
        })
    };
    ledger.samples.iter().filter_map(of_worker).collect()
}

fn why_not(explained: &MethodExplained, phase: Phase) -> String {
    let ledger = match explained.ledger.measured() {
        Some(ledger) => ledger,
        None => {
            let missing = explained.ledger.missing();
            return missing.map_or_else(String::new, |missing| missing.reason.clone());
        }
    };
    let time = ledger.phases.iter().find(|time| time.phase == phase);
    match time.and_then(|time| time.ns.missing()) {
        Some(missing) => missing.reason.clone(),
        None => "its workers were not stored".to_owned(),
    }
}

fn names(phase: Phase) -> (&'static str, &'static str) {
    match phase {
        Phase::Copy => ("copy", "copy"),
        Phase::Return => ("return", "return"),
        Phase::Wake => ("wake-up", "wake-up"),
        Phase::BeforeExec => ("before-exec", "before exec"),
        Phase::ExecTeardown => ("exec-teardown", "exec: teardown"),
        Phase::ExecStart => ("exec-start", "exec: start"),
        Phase::Loader => ("loader", "loader"),
        Phase::Libc => ("libc", "libc"),
        Phase::Run => ("program", "program"),
        Phase::Exit => ("exit", "exit"),
        Phase::Teardown => ("teardown", "teardown"),
        Phase::Reap => ("reap", "reap"),
    }
}
