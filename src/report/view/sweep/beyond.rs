//! The table that explains: fork's extra, where it is paid, and what one more
//! mapping, or whatever else the parents differ in, adds to it.

use crate::analysis::sweep::{Axis, Extra, Point};
use crate::stats::Estimate;

use crate::report::view::number::{PERCENT, Unit, integer};
use crate::report::view::table::{Column, Entry, Table};

/// Makes the table; with one size it has no growth to show.
pub(super) fn table(extra: &Extra) -> Option<Table> {
    let baseline = extra.baseline.name();
    let base = extra.points.first()?;
    let grows = extra.points.iter().any(|point| point.size > base.size);
    let unit = Unit::of_time(extra.points.iter().map(|point| point.extra().value));
    let step = Unit::of_time(steps(extra));
    let mut columns = split_columns(extra, unit);
    let mut rows: Vec<Vec<Entry>> = extra
        .points
        .iter()
        .map(|p| split_row(extra, p, unit))
        .collect();
    if grows && extra.unsplit.is_none() {
        columns.extend(growth_columns(extra, step));
        for (row, point) in rows.iter_mut().zip(&extra.points) {
            row.extend(growth_entries(extra, point, step));
        }
        rows.extend(slope_row(extra, step));
    }
    let notes = notes(extra, grows, &rows);
    Some(Table {
        title: format!("What fork costs beyond {baseline}, and where it is paid"),
        columns,
        rows,
        rules: Vec::new(),
        notes,
    })
}

fn steps(extra: &Extra) -> impl Iterator<Item = f64> {
    let slopes = extra.slopes().into_iter().flatten();
    slopes.map(|slope| slope.value)
}

fn split_columns(extra: &Extra, unit: Unit) -> Vec<Column> {
    let baseline = extra.baseline.name();
    let head = match extra.axis {
        Axis::Mappings => Column::key("mappings"),
        Axis::Ptes => Column::key("PTEs"),
        Axis::Descriptors | Axis::Threads => extra.axis.column(),
    };
    let unit = unit.subheader();
    vec![
        head,
        Column::number("extra", &unit)
            .explained(format!("fork's total minus {baseline}'s, turn by turn")),
        Column::number("in call", &unit).explained(format!(
            "fork's call minus {baseline}'s; below 0 where that waits longer for the child"
        )),
        Column::number("after call", &unit).explained(
            "the rest of extra: fork's child still has to start, and its copy to be freed",
        ),
    ]
}

fn growth_columns(extra: &Extra, step: Unit) -> [Column; 3] {
    let noun = extra.axis.noun();
    let header = format!("one {noun}");
    let held = extra.axis.held();
    let unit = step.subheader();
    [
        Column::number("call's share", "of growth (%)").explained_as(
            "call's share",
            "in call, of what extra grew by since the first row: the child's start cancels out",
        ),
        Column::number(&header, &format!("in call {unit}")).explained_as(
            &header,
            format!("that growth over the {noun}s added, with {held}; slope: Theil-Sen fit"),
        ),
        Column::number(&header, &format!("after {unit}")),
    ]
}

fn split_row(extra: &Extra, point: &Point, unit: Unit) -> Vec<Entry> {
    let parts = if extra.unsplit.is_some() {
        [None, None]
    } else {
        [point.in_call(), point.after_call()]
    };
    let mut row = vec![
        Entry::exact(integer(point.size)),
        entry(unit, Some(point.extra())),
    ];
    row.extend(parts.map(|part| entry(unit, part)));
    row
}

/// Blank where there is nothing to compare with: in the first row.
fn growth_entries(extra: &Extra, point: &Point, step: Unit) -> [Entry; 3] {
    let Some(growth) = extra.growth(point) else {
        return [Entry::Blank, Entry::Blank, Entry::Blank];
    };
    [
        entry(PERCENT, growth.share),
        entry(step, Some(growth.call)),
        entry(step, Some(growth.after)),
    ]
}

fn slope_row(extra: &Extra, step: Unit) -> Option<Vec<Entry>> {
    let slopes = extra.slopes()?;
    let mut row = vec![Entry::Name("slope".to_owned())];
    row.extend([const { Entry::Blank }; 4]);
    row.extend(slopes.map(|slope| entry(step, Some(slope))));
    Some(row)
}

fn entry(unit: Unit, estimate: Option<Estimate>) -> Entry {
    estimate.map_or(Entry::Missing, |estimate| unit.entry(estimate))
}

fn notes(extra: &Extra, grows: bool, rows: &[Vec<Entry>]) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(missing) = &extra.unsplit {
        notes.push(format!("n/a: in call, after call: {}", missing.reason));
    } else if rows.iter().any(|row| row.get(4) == Some(&Entry::Missing)) {
        notes
            .push("n/a: call's share: the extra did not grow by more than its interval".to_owned());
    }
    if !grows {
        let noun = extra.axis.noun();
        notes.push(format!(
            "one size, so there is no growth to split and no cost of one {noun}: measure several sizes"
        ));
    }
    notes
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
        assert_eq!(entry(PERCENT, Some(share)).plain(), "53.1 ±1.1");
        assert_eq!(entry(PERCENT, None), Entry::Missing);
    }
}
