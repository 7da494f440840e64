//! The page faults of one spawn, by when and why, against what is
//! foretold.

use crate::analysis::explain::{is_parents, side};
use crate::model::{Availability, FaultCause, FaultCount, FaultPhase, Faults};

use super::super::number::{PLAIN, counted, integer};
use super::super::table::{Column, Entry, Table};
use super::{Found, names};

/// Makes the table.
pub(super) fn table(found: &Found<'_, Faults>) -> Table {
    let mut keys: Vec<(FaultPhase, FaultCause)> = found
        .iter()
        .flat_map(|(_, faults)| faults.counts.iter().map(|count| (count.phase, count.cause)))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let mut rows: Vec<Vec<Entry>> = Vec::new();
    for (index, (phase, cause)) in keys.iter().enumerate() {
        let again = index > 0 && keys[index - 1].0 == *phase;
        rows.push(row(*phase, *cause, again, found));
    }
    let rules = vec![rows.len()];
    for (name, parents) in [("parent", true), ("child", false)] {
        if keys.iter().any(|key| is_parents(key.0) == parents) {
            rows.push(sum_row(name, parents, found));
        }
    }
    Table {
        title: "Page faults of one spawn".to_owned(),
        columns: columns(found),
        rows,
        rules,
        notes: remarks(found),
    }
}

fn columns(found: &Found<'_, Faults>) -> Vec<Column> {
    let mut columns = vec![Column::name("when"), Column::name("why")];
    for (method, _) in found {
        columns.push(Column::number(method.name(), "counted"));
        let expected = Column::number(method.name(), "expected");
        columns.push(expected.explained_as(
            "expected",
            "what a rule foretells, or the same spawn from the empty worker",
        ));
    }
    columns
}

fn row(phase: FaultPhase, cause: FaultCause, again: bool, found: &Found<'_, Faults>) -> Vec<Entry> {
    let mut row = vec![
        if again {
            Entry::Blank
        } else {
            Entry::Name(names::fault_phase(phase).to_owned())
        },
        Entry::Name(names::fault_cause(cause).to_owned()),
    ];
    for (_, faults) in found {
        let is_it = |count: &&FaultCount| count.phase == phase && count.cause == cause;
        match faults.counts.iter().find(is_it) {
            Some(count) => {
                row.push(PLAIN.entry(count.counted));
                row.push(expected(count));
            }
            // What no record told of was counted, and is none.
            None => row.extend([Entry::exact("0".to_owned()), Entry::Blank]),
        }
    }
    row
}

/// What was foretold; blank where nothing foretells it.
fn expected(count: &FaultCount) -> Entry {
    let expected = count.expected.measured();
    expected.map_or(Entry::Blank, |expected| PLAIN.bare(*expected))
}

/// The sum of one side.
fn sum_row(name: &str, parents: bool, found: &Found<'_, Faults>) -> Vec<Entry> {
    let mut row = vec![Entry::Name(name.to_owned()), Entry::Name("all".to_owned())];
    for (_, faults) in found {
        let side = side(faults, parents);
        row.push(PLAIN.entry(side.counted));
        row.push(
            side.expected
                .map_or(Entry::Blank, |expected| PLAIN.bare(expected)),
        );
    }
    row
}

fn remarks(found: &Found<'_, Faults>) -> Vec<String> {
    let spawns: Vec<String> = found
        .iter()
        .map(|(method, faults)| format!("{} {}", method.name(), integer(faults.spawns)))
        .collect();
    let lost = found.iter().map(|(_, faults)| faults.lost);
    let lost = lost.fold(0, u64::saturating_add);
    let mut remarks = vec![format!("spawns looked at: {}", spawns.join(", "))];
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
        let name = format!(
            "{}: {}",
            names::fault_phase(count.phase),
            names::fault_cause(count.cause)
        );
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
