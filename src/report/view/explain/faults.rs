//! The page faults of one spawn, by when and why, against what is
//! foretold.

use crate::analysis::explain::FaultLine;
use crate::model::{Availability, FaultCount, Faults};

use super::super::footnotes::Footnotes;
use super::super::grid::Grid;
use super::super::number::{PLAIN, counted, integer};
use super::super::table::{Column, Entry, Table};
use super::{Found, by_method, names};

/// Makes the table.
pub(super) fn table(found: &Found<'_, Faults>, notes: &mut Footnotes) -> Table {
    let mut grid = Grid::new()
        .once(Column::name("when"), |line| names::fault_line(*line)[0])
        .column(Column::name("why"), |line| names::fault_line(*line)[1]);
    for (method, faults) in found.iter().copied() {
        grid = grid
            .column(
                Column::number(method.name(), "counted"),
                |line: &FaultLine| match line.tally(faults) {
                    Some(tally) => PLAIN.entry(tally.counted),
                    // What no record told of was counted, and is none.
                    None => Entry::exact("0".to_owned()),
                },
            )
            .column(
                Column::number(method.name(), "expected").explained_as(
                    "expected",
                    "what a rule foretells, or the same spawn from the empty worker",
                ),
                |line| Some(PLAIN.bare(line.tally(faults)?.expected?)),
            );
    }
    let lines = FaultLine::of(found.iter().map(|(_, faults)| *faults));
    let sums = lines.iter().position(|line| line.is_sum());
    grid.table("Page faults of one spawn", lines, notes)
        .ruled(sums)
        .noting(remarks(found))
}

fn remarks(found: &Found<'_, Faults>) -> Vec<String> {
    let spawns = by_method(found, |faults| integer(faults.spawns));
    let mut remarks = vec![format!("spawns looked at: {spawns}")];
    let lost = found.iter().map(|(_, faults)| faults.lost);
    let lost = lost.fold(0, u64::saturating_add);
    if lost > 0 {
        remarks.push(format!(
            "{} lost, so that counts may be too low",
            counted(lost, "record")
        ));
    }
    remarks.extend(rules(found));
    remarks.extend(unforetold(found));
    remarks
}

/// Why nothing foretells some faults, each reason once.
fn unforetold(found: &Found<'_, Faults>) -> Vec<String> {
    let counts = found.iter().flat_map(|(_, faults)| &faults.counts);
    let mut reasons: Vec<String> = Vec::new();
    for missing in counts.filter_map(|count| count.expected.missing()) {
        let reason = format!("expected, where it is blank: {}", missing.reason);
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons
}

/// What the expectations rest on, each rule once with the faults that it is for.
fn rules(found: &Found<'_, Faults>) -> Vec<String> {
    let mut rules: Vec<(&str, Vec<String>)> = Vec::new();
    let foretold = |count: &&FaultCount| {
        !count.rule.is_empty() && matches!(count.expected, Availability::Measured(_))
    };
    let counts = found.iter().flat_map(|(_, faults)| &faults.counts);
    for count in counts.filter(foretold) {
        let name = names::fault_line(FaultLine::Of(count.phase, count.cause)).join(": ");
        match rules.iter_mut().find(|(rule, _)| *rule == count.rule) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => rules.push((&count.rule, vec![name])),
        }
    }
    rules.sort_by_key(|(_, names)| names.len());
    let last = rules.len().saturating_sub(1);
    let line = |(index, (rule, names)): (usize, (&str, Vec<String>))| {
        // The rule of most faults need not list them.
        if index == last && names.len() > 1 {
            format!("expected elsewhere: {rule}")
        } else {
            format!("expected, {}: {rule}", names.join("; "))
        }
    };
    rules.into_iter().enumerate().map(line).collect()
}
