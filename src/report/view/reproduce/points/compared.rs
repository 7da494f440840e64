//! The table that compares: what was published of a spawn, and what it takes
//! here.

use crate::analysis::reproduce::spaces::{Asked, Parent, Study, over_published, published};
use crate::model::{Availability, Part, PublishedFigure, PublishedUnit, SpawnMethod};
use crate::stats::Estimate;

use super::super::super::footnotes::Footnotes;
use super::super::super::number::{Unit, number};
use super::super::super::table::{Column, Entry, Table};
use super::names::line_name;

/// Ratios, which may be far below 1.
pub(super) const TIMES: Unit = Unit {
    name: "times",
    size: 1.0,
};

/// The times of the table have one unit, so that they can be compared.
struct Layout {
    unit: Unit,
    series: bool,
    raw: bool,
    timed: bool,
}

/// Makes the table.
pub(super) fn table(study: &Study<'_>, notes: &mut Footnotes) -> Table {
    let layout = Layout {
        unit: unit(study),
        series: study.has_series(),
        raw: study
            .figures()
            .any(|f| f.unit != PublishedUnit::Milliseconds),
        timed: !study.has_one_part(),
    };
    let mut rows = Vec::new();
    for parent in &study.parents {
        let mut before: Option<SpawnMethod> = None;
        for asked in study.asked(parent) {
            let same = before.is_some_and(|method| method == asked.method);
            let first = before.is_none();
            rows.push(layout.row(study, parent, &asked, [first, same], notes));
            before = Some(asked.method);
        }
    }
    Table {
        title: "One spawn, as published and here".to_owned(),
        columns: layout.columns(study),
        rows,
        rules: Vec::new(),
        notes: Vec::new(),
    }
}

fn unit(study: &Study<'_>) -> Unit {
    let published = study.figures().map(PublishedFigure::per_spawn_ns);
    let cells = study.document.findings.cells().iter();
    let here = cells.filter_map(|cell| Some(cell.total_ns.measured()?.median.value));
    Unit::of_time(published.chain(here))
}

impl Layout {
    fn columns(&self, study: &Study<'_>) -> Vec<Column> {
        let unit = self.unit.subheader();
        let mut columns = vec![Column::name("parent"), Column::name("method")];
        if self.series {
            columns.push(Column::name("series"));
        }
        if self.raw {
            columns.push(Column::number("as published", ""));
        }
        let mut published = Column::number("published", &unit);
        if self.timed {
            columns.push(Column::name("timed"));
        } else {
            published = published.explained(format!("one spawn, {}", covers(study.part())));
        }
        columns.push(published);
        for part in [Part::Call, Part::Total] {
            let mut column = Column::number(word(part), &format!("here {unit}"))
                .explained_as(word(part), covers(part));
            column.yields = !self.timed && part != study.part();
            columns.push(column);
        }
        columns.push(Column::number("here over", "published").explained(
            "what the study timed, here over there: it compares hosts and programs, not kernels alone",
        ));
        columns
    }

    fn row(
        &self,
        study: &Study<'_>,
        parent: &Parent<'_>,
        asked: &Asked<'_>,
        [first, same]: [bool; 2],
        notes: &mut Footnotes,
    ) -> Vec<Entry> {
        let (method, part) = (asked.method, asked.part);
        let unless = |blank: bool, name: String| {
            if blank {
                Entry::Blank
            } else {
                Entry::Name(name)
            }
        };
        let mut row = vec![
            unless(!first, parent.name()),
            unless(same, method.name().to_owned()),
        ];
        if self.series {
            row.push(asked.figure.map_or(Entry::Blank, |figure| {
                Entry::Name(line_name(&figure.series))
            }));
        }
        if self.raw {
            row.push(
                asked
                    .figure
                    .map_or(Entry::Blank, |figure| Entry::exact(raw(figure))),
            );
        }
        if self.timed {
            row.push(Entry::Name(word(part).to_owned()));
        }
        let published = published(asked);
        row.push(notes.bare(&published, self.unit, "published", Some(method)));
        for part in [Part::Call, Part::Total] {
            row.push(if same {
                Entry::Blank
            } else {
                let here = study.here(parent, method, part);
                time(
                    &here,
                    self.unit,
                    &format!("{} here", word(part)),
                    method,
                    notes,
                )
            });
        }
        let ratio = over_published(study, parent, asked);
        row.push(time(&ratio, TIMES, "here over published", method, notes));
        row
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
fn raw(figure: &PublishedFigure) -> String {
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

/// An estimate's entry, or the reason for its gap among the notes.
pub(super) fn time(
    found: &Availability<Estimate>,
    unit: Unit,
    name: &str,
    method: SpawnMethod,
    notes: &mut Footnotes,
) -> Entry {
    notes.named(found, unit, name, Some(method))
}
