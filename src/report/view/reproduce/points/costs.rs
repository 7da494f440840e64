//! The table of the costs on one scale, whatever the sizes of the parents.

use super::compared::{PARTS, TIMES, here};
use super::names::{line_name, short};
use crate::analysis::reproduce::spaces::{Axis, Cost, Over, Per, Study};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{MICROSECOND, NANOSECOND, Unit};
use crate::report::view::table::{Column, Table};

/// Two names of parents; longer ones would push the figures off the page.
const LONGEST_SPAN: usize = 40;

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
    let mut grid = Grid::new()
        .by_method(|cost: &&Cost<'_>| cost.method)
        .column(Column::name("parents"), |cost| {
            short(&parents(&cost.over), LONGEST_SPAN)
        })
        .column(Column::name("method"), |cost| cost.method.name());
    if study.has_series() {
        // Not repeated where the table is too wide: the rows keep their order.
        grid = grid.column(Column::words("series"), |cost| cost.series.map(line_name));
    }
    let of_one = Column {
        subheader: "of one".to_owned(),
        ..Column::name("cost")
    };
    grid = grid
        .column(of_one.explained(taken_from(study)), |cost| {
            format!("{}/{}", cost.per.unit().name, cost.per.noun())
        })
        .column(Column::number("published", ""), |cost| {
            cost.published.map(|ns| cost.per.unit().bare(*ns))
        });
    for part in PARTS {
        grid = grid.column(here(study, part, "here"), move |cost| {
            cost.per.unit().found(cost.of(part))
        });
    }
    // A column of gaps alone would explain nothing.
    let is_compared = |cost: &Cost<'_>| cost.over_published().measured().is_some();
    if costs.iter().any(is_compared) {
        grid = grid.column(Column::number("here over", "published"), |cost| {
            TIMES.found(&cost.over_published())
        });
    }
    let is_derived = costs.iter().any(|cost| matches!(cost.per, Per::Alone(_)));
    let derived = "PTE alone, table: derived, as dense and scattered parents have as many PTEs in \
                   different numbers of tables";
    grid.table(title(study), costs, notes)
        .noting(is_derived.then(|| derived.to_owned()))
}

fn title(study: &Study<'_>) -> &'static str {
    match study.axis() {
        Axis::Ptes => "On one scale: what a page-table entry adds to a spawn",
        Axis::Vmas => "On one scale: what a VMA adds to a spawn",
        Axis::Pages => "On one scale: the whole spawn, over what the parent has",
    }
}

/// What a cost is a part of.
fn taken_from(study: &Study<'_>) -> &'static str {
    match study.axis() {
        Axis::Pages => "the time of a spawn over the PTEs, or over the memory in huge pages",
        Axis::Ptes | Axis::Vmas => {
            "what the largest parent takes beyond the smallest, over what it has more"
        }
    }
}

/// What a cost was taken over.
pub(super) fn parents(over: &Over<'_>) -> String {
    match over {
        Over::Growth(small, large) => format!("{} to {}", small.name(), large.name()),
        Over::Whole(parent) => parent.name(),
        Over::Layouts => "dense and scattered".to_owned(),
    }
}
