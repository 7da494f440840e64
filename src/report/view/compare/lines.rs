//! The lines of a comparison: a table for each unit, and those of one result alone.

use crate::analysis::compare::judged;
use crate::model::{ComparedKind, ComparedLine, Comparison, LineUnit, Verdict, Which};
use crate::report::view::Section;
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::grouped::grouped;
use crate::report::view::number::{PERCENT, PLAIN, Unit, counted};
use crate::report::view::table::{Column, Entry};

/// More lines than this that share a reason are not listed one by one.
const LISTED: usize = 4;

/// A table for each unit.
pub(super) fn tables(comparison: &Comparison) -> Vec<Section> {
    let lines = comparison.lines.iter().map(|line| (&line.unit, line));
    let table = |(unit, lines): (&LineUnit, Vec<_>)| table(comparison, unit, &lines);
    grouped(lines).into_iter().map(table).collect()
}

fn table(comparison: &Comparison, unit: &LineUnit, lines: &[&ComparedLine]) -> Section {
    let (scale, sign) = scale(unit, lines);
    let (name, title, group) = match (comparison.compared, unit) {
        (ComparedKind::Sweeps, _) => ("times", "Time of one spawn, B beside A", "address space"),
        (ComparedKind::Cards, LineUnit::Ns) => ("totals", "A fork's total, B beside A", "parents"),
        (ComparedKind::Cards, _) => ("prices", "Prices, B beside A", "prices"),
    };
    let of_group = match group {
        "prices" => "what they are of; docs/card.md tells each",
        _ => "as it was ordered: what was added to the worker's own",
    };
    let turns = comparison.by_turns.as_ref().map(|sides| sides.setups());
    let table = Grid::new()
        .once(
            Column::name(group).explained(of_group),
            |line: &&ComparedLine| line.group.as_str(),
        )
        .column(Column::name("figure"), |line| line.what.as_str())
        .column(Column::number("A", &sign), |line| scale.entry(line.a))
        .column(Column::number("B", &sign), |line| scale.entry(line.b))
        .column(
            Column::number("times", "A").explained(match turns {
                None => "B over A; its interval is that of this line alone",
                Some(None) => {
                    "B over A of the same turns, the level of all pairs of workers; its interval \
                     is that of this line alone"
                }
                Some(Some(_)) => {
                    "B over A of the workers of two slices, the level of all pairs of slices; \
                     its interval is that of this line alone"
                }
            }),
            |line| known(line.ratio.measured().map(|ratio| PLAIN.entry(*ratio))),
        )
        .column(
            Column::number("visible", "(%)").explained(match turns {
                None => {
                    "the smallest difference that would have been called one, by how much workers \
                     differ and the host drifted"
                }
                Some(None) => {
                    "the smallest difference that would have been called one, by how much the \
                     pairs of workers differ"
                }
                Some(Some(_)) => {
                    "the smallest difference that would have been called one, by how much the \
                     pairs of slices differ"
                }
            }),
            |line| known(line.visible_from.map(|ratio| PERCENT.bare(ratio - 1.0))),
        )
        .column(
            Column::list("difference", "").explained(judged_at_once(comparison)),
            |line| verdict(&line.verdict),
        )
        .table(title, lines.iter().copied(), &mut Footnotes::default())
        .noting(not_compared(lines));
    Section::table(name, table)
}

/// How figures of a unit are scaled, and its sign for a column's head.
fn scale(unit: &LineUnit, lines: &[&ComparedLine]) -> (Unit, String) {
    let time = Unit::of_time(lines.iter().flat_map(|line| [line.a.value, line.b.value]));
    match unit {
        LineUnit::Ns => (time, time.subheader()),
        LineUnit::NsPer(what) => (time, format!("({}/{what})", time.name)),
        LineUnit::Other(unit) => (PLAIN, format!("({unit})")),
    }
}

fn judged_at_once(comparison: &Comparison) -> String {
    let judged = judged(comparison).count();
    format!(
        "dearer or cheaper where chance does not explain it. That is judged over all {} at once: \
         two equal runs show any difference in fewer than 5 % of comparisons",
        counted(judged as u64, "line")
    )
}

/// Why there is nothing else is said below the table.
fn known(entry: Option<Entry>) -> Entry {
    entry.unwrap_or(Entry::Missing)
}

fn verdict(verdict: &Verdict) -> Entry {
    let name = match verdict {
        Verdict::Dearer => "dearer",
        Verdict::Cheaper => "cheaper",
        Verdict::NoDifferenceSeen => "none seen",
        Verdict::NotCompared(_) => return Entry::Missing,
    };
    Entry::Name(name.to_owned())
}

/// Why lines have no verdict, each reason once.
fn not_compared(lines: &[&ComparedLine]) -> Vec<String> {
    let untold = lines.iter().filter_map(|line| match &line.verdict {
        Verdict::NotCompared(reason) => Some((reason, format!("{} {}", line.group, line.what))),
        _ => None,
    });
    let told = |(reason, names): (&String, Vec<String>)| {
        let place = if names.len() > LISTED {
            counted(names.len() as u64, "line")
        } else {
            names.join("; ")
        };
        format!("n/a: {place}: {reason}")
    };
    grouped(untold).into_iter().map(told).collect()
}

/// The lines of one side, those of one address space and one reason together.
pub(super) fn lone(comparison: &Comparison) -> Vec<String> {
    let lines = comparison.lone.iter();
    let lines = lines.map(|line| {
        let key = (line.only_in, line.group.as_str(), line.reason.as_str());
        (key, line.what.as_str())
    });
    let told = |((side, group, reason), names): ((Which, &str, &str), Vec<&str>)| {
        let side = match side {
            Which::A => "A",
            Which::B => "B",
        };
        let names = names.join("; ");
        format!("{side} alone, {group}: {names} (in the other: {reason})")
    };
    grouped(lines).into_iter().map(told).collect()
}
