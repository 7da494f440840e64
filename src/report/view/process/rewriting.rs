//! The hidden tax of a process: what it pays after a spawn, when it writes to its pages
//! again.

use super::bounds::Bounds;
use super::{Rebuilt, figures, words};
use crate::analysis::explain::{of_pages, over_call};
use crate::analysis::process::written_again;
use crate::model::{PageKind, Rewriting, Rewritten};
use crate::report::view::explain::rewriting::measured;
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{Unit, counted, significant};
use crate::report::view::prose::listed;
use crate::report::view::table::{Column, Table};

type Row<'a> = (&'a Rewritten, &'a Rewriting);

/// Makes the table.
pub(super) fn table(rebuilt: &Rebuilt<'_>, notes: &mut Footnotes) -> Table {
    let rows: Vec<Row<'_>> = rows(rebuilt).collect();
    let all = |(row, found): &Row<'_>| of_pages(found.tax_ns, row.process);
    let all_held = |(row, found): &Row<'_>| {
        let held = &found.held_ns;
        held.map(|held| of_pages(*held, row.process))
    };
    let unit = rows.iter().map(|row| all(row).value.abs());
    let unit = Unit::of_one(unit.fold(0.0, f64::max));
    let head = |name: &str| Column::number(name, &unit.subheader());
    let grid = Grid::new()
        .by_method(|(row, _): &Row<'_>| row.method)
        .once(Column::name("written to"), |(row, _)| {
            noun(row.of).to_owned() + "s"
        })
        .column(Column::name("method"), |(row, _)| row.method.name());
    measured(grid, |(_, found)| found)
        .column(
            Column::number("of", "").explained(
                "the process's own pages that it may write to and that a fork write-protects",
            ),
            |(row, _)| row.process,
        )
        .column(
            head("all").explained("the tax of all of these, if the process writes to each again"),
            |row| figures::entry(unit, all(row), true),
        )
        .column(
            head("all held").explained("the same while a child still has them"),
            |row| all_held(row).map(|held| figures::entry(unit, *held, true)),
        )
        .table(
            "The hidden tax: what the process pays to write to its pages again",
            rows.iter().copied(),
            notes,
        )
        .noting(remarks(&rows))
}

/// What was measured.
fn rows<'a>(rebuilt: &Rebuilt<'a>) -> impl Iterator<Item = Row<'a>> {
    let rewritten = rebuilt.rewritten.iter();
    rewritten.filter_map(|row| Some((row, row.rewriting.measured()?)))
}

fn noun(of: PageKind) -> &'static str {
    match of {
        PageKind::Small => "page",
        PageKind::Huge => "huge page",
    }
}

fn remarks(rows: &[Row<'_>]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let rounds = rows.iter().map(|(row, found)| {
        let rounds = counted(found.rounds, "round");
        format!("{}, {}s {rounds}", row.method.name(), noun(row.of))
    });
    let mut remarks = vec![
        "pages: a sample of those that the workers have, evenly spread; ~ is worked out from it \
         for all that the process has, of which it may write to few"
            .to_owned(),
        format!("timed: {}", rounds.collect::<Vec<_>>().join(", ")),
    ];
    let has_huge = rows.iter().any(|(row, _)| row.of == PageKind::Huge);
    remarks.extend(has_huge.then(|| {
        "huge pages: one figure is of a whole one, a byte in each page of it; held, once in each \
         worker, it is split and copied page by page"
            .to_owned()
    }));
    remarks
}

/// What it comes to, if all pages are written to again.
pub(super) fn sentence(rebuilt: &Rebuilt<'_>) -> Option<String> {
    let found = written_again(rebuilt.rewritten)?;
    let each = |(row, found): &Row<'_>| {
        let one = significant(found.tax_ns.value);
        let pages = counted(row.process, noun(row.of));
        format!("{one} ns for each of {pages}")
    };
    let each: Vec<String> = found.kinds.iter().map(each).collect();
    // Of a call that is a bound no multiple can be told.
    let calls = words::fork(rebuilt)
        .filter(|_| !Bounds::of(rebuilt).are_there())
        .and_then(|([call, _], _)| over_call(found.after, call)?.sound())
        .map(|calls| format!(", ~{} times the call", significant(calls.value)));
    let held = found.held.map(|held| {
        let held = figures::told(held, true);
        format!("; while a child still has them, up to {held}, as each is copied then")
    });
    let free: Vec<&str> = found.free.iter().map(|method| method.name()).collect();
    let free = match free.as_slice() {
        [] => String::new(),
        free => format!(" After {} no such tax is seen.", listed(free, "and")),
    };
    Some(format!(
        "If it writes to all of its pages again after a fork, the process pays up to {} more for \
         that{}: {}{}.{free}",
        figures::told(found.after, true),
        calls.unwrap_or_default(),
        listed(&each, "and"),
        held.unwrap_or_default(),
    ))
}
