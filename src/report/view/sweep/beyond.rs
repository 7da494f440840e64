//! The table that explains: fork's extra, where it is paid, and what one more
//! mapping, or whatever else the parents differ in, adds to it.

use super::time::by_turns;
use crate::analysis::sweep::{Axis, Extra, Growth, Point};
use crate::model::Plan;
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{PERCENT, Unit};
use crate::report::view::table::{Column, Entry, Table};
use crate::stats::Estimate;

/// A size, and what the extra grew by up to it: nothing in the first row, as there is
/// nothing to compare it with.
type Row<'a> = (&'a Point, Option<Growth>);

/// Makes the table; with one size it has no growth to show.
pub(super) fn table(extra: &Extra, plan: &Plan) -> Table {
    let points = extra.points.iter();
    let rows: Vec<Row<'_>> = points.map(|point| (point, extra.growth(point))).collect();
    let title = format!(
        "What fork costs beyond {}, and where it is paid",
        extra.baseline.name()
    );
    let mut grid = split(Grid::new(), extra, by_turns(plan));
    let mut slopes = None;
    if extra.has_growth() && extra.unsplit.is_none() {
        let all = extra.slopes();
        let unit = Unit::of_time(all.iter().flatten().map(|slope| slope.value));
        grid = growth(grid, extra, unit);
        slopes = all.map(|slopes| slope_row(slopes, unit));
    }
    let mut growths = rows.iter().filter_map(|(_, growth)| growth.as_ref());
    let some_unshared = growths.any(|growth| growth.share.is_none());
    let notes = [not_split(extra, some_unshared), one_size(extra)];
    let mut table = grid.table(title, rows, &mut Footnotes::default());
    table.rows.extend(slopes);
    table.noting(notes.into_iter().flatten())
}

/// The extra, in the call and after it.
fn split<'a>(grid: Grid<'a, Row<'a>>, extra: &'a Extra, turns: &str) -> Grid<'a, Row<'a>> {
    let baseline = extra.baseline.name();
    let size = match extra.axis {
        Axis::Mappings => Column::key("mappings"),
        Axis::Ptes => Column::key("PTEs"),
        Axis::Descriptors | Axis::Threads | Axis::Jobs => extra.axis.column(),
    };
    let unit = Unit::of_time(extra.points.iter().map(|point| point.extra().value));
    let head = |name| Column::number(name, &unit.subheader());
    let part = move |part: Option<Estimate>| shown(unit, part.filter(|_| extra.unsplit.is_none()));
    grid.column(size, |(point, _)| point.size)
        .column(
            head("extra").explained(format!("fork's total minus {baseline}'s{turns}")),
            move |(point, _)| unit.entry(point.extra()),
        )
        .column(
            head("in call").explained(format!(
                "fork's call minus {baseline}'s; below 0 where that waits longer for the child"
            )),
            move |(point, _)| part(point.in_call()),
        )
        .column(
            head("after call").explained(
                "the rest of extra: fork's child still has to start, and its copy to be freed",
            ),
            move |(point, _)| part(point.after_call()),
        )
}

/// What the extra grew by since the first row.
fn growth<'a>(grid: Grid<'a, Row<'a>>, extra: &Extra, unit: Unit) -> Grid<'a, Row<'a>> {
    let noun = extra.axis.noun();
    let held = extra.axis.held();
    let one = format!("one {noun}");
    let sign = unit.subheader();
    grid.column(
        Column::number("call's share", "of growth (%)").explained_as(
            "call's share",
            "in call, of what extra grew by since the first row: the child's start cancels out",
        ),
        |(_, growth)| growth.as_ref().map(|growth| shown(PERCENT, growth.share)),
    )
    .column(
        Column::number(&one, &format!("in call {sign}")).explained_as(
            &one,
            format!("that growth over the {noun}s added, with {held}; slope: Theil-Sen fit"),
        ),
        move |(_, growth)| growth.as_ref().map(|growth| unit.entry(growth.call)),
    )
    .column(
        Column::number(&one, &format!("after {sign}")),
        move |(_, growth)| growth.as_ref().map(|growth| unit.entry(growth.after)),
    )
}

/// The last row: what one more adds over all sizes.
fn slope_row(slopes: [Estimate; 2], unit: Unit) -> Vec<Entry> {
    let mut row = vec![Entry::Name("slope".to_owned())];
    row.extend([const { Entry::Blank }; 4]);
    row.extend(slopes.map(|slope| unit.entry(slope)));
    row
}

/// Why there is nothing else is said below the table.
fn shown(unit: Unit, estimate: Option<Estimate>) -> Entry {
    estimate.map_or(Entry::Missing, |estimate| unit.entry(estimate))
}

/// Why there is no split, or in some rows no share of the growth.
fn not_split(extra: &Extra, some_unshared: bool) -> Option<String> {
    match &extra.unsplit {
        Some(missing) => Some(format!("n/a: in call, after call: {}", missing.reason)),
        None => some_unshared.then(|| {
            "n/a: call's share: the extra did not grow by more than its interval".to_owned()
        }),
    }
}

fn one_size(extra: &Extra) -> Option<String> {
    let noun = extra.axis.noun();
    (!extra.has_growth()).then(|| {
        format!(
            "one size, so there is no growth to split and no cost of one {noun}: measure several sizes"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_shown_in_percent() {
        let share = Estimate {
            value: 0.531,
            ci95: [0.52, 0.54],
        };
        assert_eq!(shown(PERCENT, Some(share)).plain(), "53.1 ±1.1");
        assert_eq!(shown(PERCENT, None), Entry::Missing);
    }
}
