//! What was tried against the cost: what came of it, what was not tried and why, and
//! how what helps is applied.

use super::{names, recipes};
use crate::analysis::process::per_second;
use crate::model::{Remedy, RemedyBaseline, RemedyKind, RemedyOutcome, RemedyVerdict};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{PERCENT, PLAIN, Unit};
use crate::report::view::process::Rebuilt;
use crate::report::view::table::{Block, Column, Entry, Table};
use crate::units::bytes;

/// The remedies with an outcome, in the order of the document.
pub(super) fn tried<'a>(
    rebuilt: &Rebuilt<'a>,
) -> impl Iterator<Item = (&'a Remedy, &'a RemedyOutcome)> {
    let all = rebuilt.remedies.iter();
    all.filter_map(|remedy| Some((remedy, remedy.outcome.measured()?)))
}

/// What came of each.
pub(super) fn table(rebuilt: &Rebuilt<'_>, notes: &mut Footnotes) -> Table {
    type Row<'a> = (&'a Remedy, &'a RemedyOutcome);
    let mut rows: Vec<Row<'_>> = tried(rebuilt).collect();
    rows.sort_by(|a, b| a.1.ratio.value.total_cmp(&b.1.ratio.value));
    let unit = Unit::of_time(rows.iter().map(|row| row.1.total_ns.value));
    let head = |name: &str| Column::number(name, &unit.subheader());
    Grid::new()
        .column(Column::name("remedy"), |row: &Row<'_>| row.0.kind.name())
        .column(head("call"), |row| unit.entry(row.1.call_ns))
        .column(head("total"), |row| unit.entry(row.1.total_ns))
        .column(
            Column::number("remains", "(%)").explained(
                "the total as a share of the fork's from the whole shape; under 100 it is cheaper",
            ),
            |row| PERCENT.entry(row.1.ratio),
        )
        .column(Column::number("spawns", "per s"), |row| {
            per_second(row.1.total_ns).map(|spawns| PLAIN.entry(spawns))
        })
        .column(
            Column::number("memory", "")
                .explained("resident memory that it takes, or below 0 saves"),
            |row| Entry::exact(memory(row.1.memory_bytes)),
        )
        .column(
            Column::words("verdict").explained(
                "helps or harms: the total is told from that without it, all remedies judged at \
                 once; none seen: no difference is; too few: nor could one be, of so few rounds",
            ),
            |row| names::verdict(row.1.verdict),
        )
        .table("Remedies, tried one at a time, the best first", rows, notes)
        .noting(remarks(rebuilt))
}

/// What each was applied to, in words.
pub(super) fn applied_to(rebuilt: &Rebuilt<'_>) -> Block {
    let applied = tried(rebuilt).filter(|(remedy, _)| is_told(remedy));
    Block::Legend {
        title: "What each was applied to".to_owned(),
        terms: applied
            .map(|(remedy, _)| {
                let name = remedy.kind.name().to_owned();
                (name, remedy.applied_to.clone())
            })
            .collect(),
    }
}

/// Whether what a remedy was applied to says more than its own name.
fn is_told(remedy: &Remedy) -> bool {
    let itself = [
        RemedyKind::PosixSpawn,
        RemedyKind::Vfork,
        RemedyKind::Usevfork,
    ];
    !remedy.applied_to.is_empty() && !itself.contains(&remedy.kind)
}

fn memory(more: i64) -> String {
    let sign = match more {
        0 => return "0".to_owned(),
        more if more < 0 => "-",
        _ => "+",
    };
    format!("{sign}{}", bytes(more.unsigned_abs()))
}

fn remarks(rebuilt: &Rebuilt<'_>) -> Vec<String> {
    let mut remarks: Vec<String> = tried(rebuilt)
        .filter(|(_, outcome)| outcome.against != RemedyBaseline::Fork)
        .map(|(remedy, outcome)| {
            format!(
                "{} is set against {}, and what remains is of that",
                remedy.kind.name(),
                names::baseline(outcome.against)
            )
        })
        .collect();
    if tried(rebuilt).nth(1).is_some() {
        remarks.insert(
            0,
            "in the order of what remains; where the intervals of two overlap, neither is the \
             better one"
                .to_owned(),
        );
    }
    if rebuilt.order.scale.is_part() && tried(rebuilt).next().is_some() {
        remarks.push(
            "tried on the part of the shape that the workers have: what remains of all of it may \
             be less, as what a remedy takes away grows with the shape"
                .to_owned(),
        );
    }
    remarks
}

/// What has no outcome, and why.
pub(super) fn not_tried(rebuilt: &Rebuilt<'_>) -> Vec<String> {
    let all = rebuilt.remedies.iter();
    let missing = all.filter_map(|remedy| Some((remedy.kind, remedy.outcome.missing()?)));
    let mut lines: Vec<(Vec<&str>, String)> = Vec::new();
    for (kind, missing) in missing {
        let why = missing.in_words();
        match lines.iter_mut().find(|(_, known)| *known == why) {
            Some((names, _)) => names.push(kind.name()),
            None => lines.push((vec![kind.name()], why)),
        }
    }
    let lines = lines.into_iter();
    lines
        .map(|(names, why)| format!("{}: {why}", names.join(", ")))
        .collect()
}

/// How the remedies that help are applied, one block each.
pub(super) fn recipes(rebuilt: &Rebuilt<'_>) -> Vec<Block> {
    let helps = tried(rebuilt).filter(|(_, outcome)| outcome.verdict == RemedyVerdict::Helps);
    let block = |(remedy, _): (&Remedy, &RemedyOutcome)| {
        let recipe = recipes::of(remedy.kind)?;
        let mut terms = vec![("asks", recipe.asks), ("risk", recipe.risk)];
        terms.extend(recipe.how);
        Some(Block::Legend {
            title: format!("How to apply: {}", names::in_full(remedy.kind)),
            terms: terms
                .into_iter()
                .map(|(term, text)| (term.to_owned(), text.to_owned()))
                .collect(),
        })
    };
    helps.filter_map(block).collect()
}

/// A word on what makes it worse.
pub(super) fn harmful(rebuilt: &Rebuilt<'_>) -> Vec<String> {
    let harms = tried(rebuilt).filter(|(_, outcome)| outcome.verdict == RemedyVerdict::Harms);
    harms
        .map(|(remedy, _)| {
            let name = names::in_full(remedy.kind);
            match recipes::of(remedy.kind) {
                Some(recipe) => format!("{name}: {}; {}", recipe.asks, recipe.risk),
                None => name.to_owned(),
            }
        })
        .collect()
}
