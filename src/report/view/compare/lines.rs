//! The lines of a comparison: a table for each unit, and those of one result alone.

use crate::analysis::compare::{Figure, figure, judged};
use crate::model::{ComparedKind, ComparedLine, Comparison, LineUnit, Verdict, Which};
use crate::report::view::Section;
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::grouped::grouped;
use crate::report::view::number::{PERCENT, PLAIN, Unit, counted};
use crate::report::view::table::{Column, Entry};

/// More lines than this that share a reason are not listed one by one.
const LISTED: usize = 4;

/// A table for each unit, and for the parts of a spawn.
pub(super) fn tables(comparison: &Comparison) -> Vec<Section> {
    let lines = comparison.lines.iter().map(|line| {
        let head = Head::of(comparison.compared, line);
        ((head, &line.unit), line)
    });
    let table =
        |((head, unit), lines): ((Head, &LineUnit), Vec<_>)| table(comparison, head, unit, &lines);
    grouped(lines).into_iter().map(table).collect()
}

/// What a table is of.
#[derive(Clone, Copy, PartialEq)]
struct Head {
    section: &'static str,
    title: &'static str,
    /// What the lines belong to, and what that is.
    group: [&'static str; 2],
    /// What the lines are, where that is told elsewhere.
    told: Option<&'static str>,
}

const SPACE: [&str; 2] = [
    "address space",
    "as it was ordered: what was added to the worker's own",
];
const METHOD: [&str; 2] = ["method", "how was spawned from the explained parent"];

impl Head {
    fn of(kind: ComparedKind, line: &ComparedLine) -> Self {
        let [section, title] = match (kind, figure(line), &line.unit) {
            (ComparedKind::Cards, _, LineUnit::Ns) => ["totals", "A fork's total, B beside A"],
            (ComparedKind::Cards, ..) => ["prices", "Prices, B beside A"],
            (_, Figure::Phase, _) => ["phases", "Where the time of one spawn goes, B beside A"],
            (_, Figure::Rung, _) => ["rungs", "What each rung adds to a fork, B beside A"],
            (_, Figure::Call | Figure::Total, _) => ["times", "Time of one spawn, B beside A"],
        };
        let group = match (kind, section) {
            (ComparedKind::Cards, "prices") => {
                ["prices", "what they are of; docs/card.md tells each"]
            }
            (ComparedKind::Cards, _) => ["parents", SPACE[1]],
            (ComparedKind::Sweeps, _) => SPACE,
            (ComparedKind::Explanations | ComparedKind::Processes, _) => METHOD,
        };
        let told = match section {
            "phases" => Some("a phase of the spawns that were stamped; docs/explain.md tells each"),
            "rungs" => Some("a rung of the ladder from an empty worker; docs/live.md tells each"),
            _ => None,
        };
        Self {
            section,
            title,
            group,
            told,
        }
    }
}

fn table(comparison: &Comparison, head: Head, unit: &LineUnit, lines: &[&ComparedLine]) -> Section {
    let (scale, sign) = scale(unit, lines);
    let [group, of_group] = head.group;
    let what = Column::name("figure");
    let sides = [Column::number("A", &sign), Column::number("B", &sign)];
    let adds_up = lines.iter().any(|line| line.difference.is_some());
    let [a, b] = match adds_up {
        true => sides.map(Column::yielding),
        false => sides,
    };
    let less = Column::number("B less A", &sign);
    let grid = Grid::new()
        .once(
            Column::name(group).explained(of_group),
            |line: &&ComparedLine| line.group.as_str(),
        )
        .column(
            match head.told {
                Some(told) => what.explained(told),
                None => what,
            },
            |line| line.what.as_str(),
        )
        .column(a, |line| scale.entry(line.a))
        .column(b, |line| scale.entry(line.b));
    let grid = match adds_up {
        true => grid.column(less, |line| {
            known(line.difference.map(|it| scale.entry(it)))
        }),
        false => grid,
    };
    let [times, visible] = meanings(comparison);
    let table = grid
        .column(Column::number("times", "A").explained(times), |line| {
            known(line.ratio.measured().map(|ratio| PLAIN.entry(*ratio)))
        })
        .column(
            Column::number("visible", "(%)").explained(visible),
            |line| known(line.visible_from.map(|ratio| PERCENT.bare(ratio - 1.0))),
        )
        .column(
            Column::list("difference", "").explained(judged_at_once(comparison)),
            |line| verdict(&line.verdict),
        )
        .table(head.title, lines.iter().copied(), &mut Footnotes::default())
        .noting(not_compared(lines));
    Section::table(head.section, table)
}

/// What a ratio is of, and what the smallest visible one rests on.
fn meanings(comparison: &Comparison) -> [String; 2] {
    let turns = comparison.by_turns.as_ref().map(|sides| sides.setups());
    let [of, apart] = match turns {
        None => ["", "how much workers differ and the host drifted"],
        Some(Some(_)) => [
            " of the workers of two slices, the level of all pairs of slices",
            "how much the pairs of slices differ",
        ],
        Some(None) if comparison.compared == ComparedKind::Explanations => [
            " of the same turns, of a phase of their medians, the level of all pairs of workers",
            "how much the pairs of workers differ",
        ],
        Some(None) => [
            " of the same turns, the level of all pairs of workers",
            "how much the pairs of workers differ",
        ],
    };
    [
        format!("B over A{of}; its interval is that of this line alone"),
        format!("the smallest difference that would have been called one, by {apart}"),
    ]
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
