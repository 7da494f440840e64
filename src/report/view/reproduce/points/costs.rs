//! The table of the costs on one scale, whatever the sizes of the parents.

use crate::analysis::reproduce::spaces::{Axis, Cost, Over, Per, Study};
use crate::model::Part;

use super::super::super::footnotes::Footnotes;
use super::super::super::number::Unit;
use super::super::super::table::{Column, Entry, Table};
use super::compared::{TIMES, time, word};
use super::names::{line_name, short};

/// Two names of parents; longer ones would push the figures off the page.
const LONGEST_SPAN: usize = 40;

/// Costs of small things.
const NANOSECOND: Unit = Unit {
    name: "ns",
    size: 1.0,
};

/// Costs of larger ones.
const MICROSECOND: Unit = Unit {
    name: "us",
    size: 1e3,
};

impl Per {
    /// The unit of its figures.
    pub(super) fn unit(self) -> Unit {
        match self {
            Self::Pte | Self::BasePage | Self::Alone(_) => NANOSECOND,
            Self::Vma | Self::Gib => MICROSECOND,
        }
    }
}

/// Makes the table.
pub(super) fn table(study: &Study<'_>, costs: &[Cost<'_>], notes: &mut Footnotes) -> Table {
    // A column of gaps alone would explain nothing.
    let shown = [
        study.has_series(),
        costs
            .iter()
            .any(|cost| cost.over_published().measured().is_some()),
    ];
    let rows = costs.iter().map(|cost| row(cost, shown, notes)).collect();
    let mut lines = Vec::new();
    if costs.iter().any(|cost| matches!(cost.per, Per::Alone(_))) {
        lines.push(
            "PTE alone, table: derived, as dense and scattered parents have as many PTEs in \
             different numbers of tables"
                .to_owned(),
        );
    }
    Table {
        title: title(study).to_owned(),
        columns: columns(study, shown),
        rows,
        rules: Vec::new(),
        notes: lines,
    }
}

fn title(study: &Study<'_>) -> &'static str {
    match study.axis() {
        Axis::Ptes => "On one scale: what a page-table entry adds to a spawn",
        Axis::Vmas => "On one scale: what a VMA adds to a spawn",
        Axis::Pages => "On one scale: the whole spawn, over what the parent has",
    }
}

fn columns(study: &Study<'_>, [series, compared]: [bool; 2]) -> Vec<Column> {
    let cost = match study.axis() {
        Axis::Pages => "the time of a spawn over the PTEs, or over the memory in huge pages",
        Axis::Ptes | Axis::Vmas => {
            "what the largest parent takes beyond the smallest, over what it has more"
        }
    };
    let mut columns = vec![Column::name("parents"), Column::name("method")];
    if series {
        // Not repeated where the table is too wide: the rows keep their order.
        columns.push(Column {
            key: false,
            ..Column::name("series")
        });
    }
    let unit = Column {
        subheader: "of one".to_owned(),
        ..Column::name("cost")
    };
    columns.push(unit.explained(cost));
    columns.push(Column::number("published", ""));
    for part in [Part::Call, Part::Total] {
        let mut column = Column::number(word(part), "here");
        column.yields = study.has_one_part() && part != study.part();
        columns.push(column);
    }
    if compared {
        columns.push(Column::number("here over", "published"));
    }
    columns
}

fn row(cost: &Cost<'_>, [series, compared]: [bool; 2], notes: &mut Footnotes) -> Vec<Entry> {
    let (unit, method) = (cost.per.unit(), cost.method);
    let mut row = vec![
        Entry::Name(short(&parents(&cost.over), LONGEST_SPAN)),
        Entry::Name(method.name().to_owned()),
    ];
    if series {
        row.push(
            cost.series
                .map_or(Entry::Blank, |series| Entry::Name(line_name(series))),
        );
    }
    row.push(Entry::Name(format!("{}/{}", unit.name, cost.per.noun())));
    row.push(notes.bare(&cost.published, unit, "published", Some(method)));
    for (part, here) in [Part::Call, Part::Total].into_iter().zip(&cost.here) {
        let name = format!("{} here", word(part));
        row.push(time(here, unit, &name, method, notes));
    }
    if compared {
        let name = "here over published";
        row.push(time(&cost.over_published(), TIMES, name, method, notes));
    }
    row
}

/// What a cost was taken over.
pub(super) fn parents(over: &Over<'_>) -> String {
    match over {
        Over::Growth(small, large) => format!("{} to {}", small.name(), large.name()),
        Over::Whole(parent) => parent.name(),
        Over::Layouts => "dense and scattered".to_owned(),
    }
}
