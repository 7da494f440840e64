//! The table that compares: what was published of a spawn, and what it takes
//! here.

use super::names::line_name;
use crate::analysis::reproduce::spaces::{Row, Study, over_published, published};
use crate::model::{Part, PublishedFigure, PublishedUnit};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{Unit, number};
use crate::report::view::table::{Column, Entry, Table};

/// Ratios, which may be far below 1.
pub(super) const TIMES: Unit = Unit {
    name: "times",
    size: 1.0,
};

/// Both parts of a spawn's time, in the order of their columns.
pub(super) const PARTS: [Part; 2] = [Part::Call, Part::Total];

/// Makes the table.
pub(super) fn table(study: &Study<'_>, notes: &mut Footnotes) -> Table {
    let unit = unit(study);
    let grid = Grid::new()
        .by_method(|row: &Row<'_>| row.asked.method)
        .column(Column::name("parent"), |row| {
            row.first.then(|| row.parent.name())
        })
        .column(Column::name("method"), |row| {
            row.first_of_method.then(|| row.asked.method.name())
        });
    let mut grid = as_published(grid, study, unit);
    for part in PARTS {
        let head = here(study, part, &format!("here {}", unit.subheader()));
        grid = grid.column(head.explained_as(word(part), covers(part)), move |row| {
            let time = || study.here(row.parent, row.asked.method, part);
            row.first_of_method.then(|| unit.found(&time()))
        });
    }
    let over = Column::number("here over", "published").explained(
        "what the study timed, here over there: it compares hosts and programs, not kernels alone",
    );
    grid.column(over, |row| TIMES.found(&over_published(study, row)))
        .table("One spawn, as published and here", study.rows(), notes)
}

/// The times of the table have one unit, so that they can be compared.
fn unit(study: &Study<'_>) -> Unit {
    let published = study.figures().map(PublishedFigure::per_spawn_ns);
    let cells = study.document.findings.cells().iter();
    let here = cells.filter_map(|cell| Some(cell.total_ns.measured()?.median.value));
    Unit::of_time(published.chain(here))
}

/// What the study printed. What is the same in all of its figures has no column.
fn as_published<'a>(
    mut grid: Grid<'a, Row<'a>>,
    study: &Study<'_>,
    unit: Unit,
) -> Grid<'a, Row<'a>> {
    let in_ms = |figure: &PublishedFigure| figure.unit == PublishedUnit::Milliseconds;
    if study.has_series() {
        grid = grid.column(Column::name("series"), |row| {
            row.asked.figure.map(|figure| line_name(&figure.series))
        });
    }
    if !study.figures().all(in_ms) {
        grid = grid.column(Column::number("as published", ""), |row| {
            row.asked.figure.map(|figure| Entry::exact(printed(figure)))
        });
    }
    let mut published_head = Column::number("published", &unit.subheader());
    if study.has_one_part() {
        let legend = format!("one spawn, {}", covers(study.part()));
        published_head = published_head.explained(legend);
    } else {
        grid = grid.column(Column::name("timed"), |row| word(row.asked.part));
    }
    grid.column(published_head, move |row| {
        published(&row.asked).map(|ns| unit.bare(*ns))
    })
}

/// The head of what a part takes here.
pub(super) fn here(study: &Study<'_>, part: Part, subheader: &str) -> Column {
    Column {
        yields: study.has_one_part() && part != study.part(),
        ..Column::number(word(part), subheader)
    }
}

/// A part in a word.
pub(super) fn word(part: Part) -> &'static str {
    match part {
        Part::Call => "call",
        Part::Total => "total",
    }
}

/// A part in full.
fn covers(part: Part) -> &'static str {
    match part {
        Part::Call => "until the spawning call returned",
        Part::Total => "until the wait for the child returned",
    }
}

/// The figure in the study's own unit.
fn printed(figure: &PublishedFigure) -> String {
    let value = figure.value;
    let shown = if value == value.round() || value.abs() >= 1e9 {
        number(value, 0)
    } else {
        // The shortest decimal that is this value: what the study printed.
        value.to_string().chars().take(12).collect()
    };
    match figure.unit {
        PublishedUnit::SpawnsIn10S => format!("{shown} in 10 s"),
        PublishedUnit::SecondsOf500 => format!("{shown} s of 500"),
        PublishedUnit::Milliseconds => format!("{shown} ms"),
    }
}
