//! The shape as it was rebuilt: how much of each unit the process has, and how much the
//! workers.

use super::{Rebuilt, names};
use crate::model::{LeftOutMapping, ShapeScale, UnitResemblance};
use crate::report::view::number::{PERCENT, counted, integer};
use crate::report::view::table::{Column, Entry, Table};
use crate::units::bytes;

/// Makes the table.
pub(in crate::report::view) fn table(rebuilt: &Rebuilt<'_>) -> Table {
    let likeness = &rebuilt.replica.likeness;
    let scaled = likeness
        .units
        .iter()
        .any(|unit| unit.wanted != unit.process);
    let mut columns = vec![Column::name("unit"), Column::number("process", "")];
    if scaled {
        columns.push(Column::number("wanted", "").explained("what the scale leaves of it"));
    }
    columns.push(
        Column::number("built", "").explained("what the kernel shows of the workers, by medians"),
    );
    columns.push(Column::number("off by", "(%)").explained(if scaled {
        "built against wanted"
    } else {
        "built against the process"
    }));
    let mut notes: Vec<String> = scale(&rebuilt.order.scale).into_iter().collect();
    notes.extend(likeness.left_out.iter().map(left_out));
    notes.extend(stand_ins(likeness.stand_ins));
    Table {
        title: "The shape as rebuilt".to_owned(),
        columns,
        rows: likeness
            .units
            .iter()
            .map(|unit| row(unit, scaled))
            .collect(),
        rules: Vec::new(),
        notes,
    }
}

fn row(unit: &UnitResemblance, scaled: bool) -> Vec<Entry> {
    let count = |count: u64| Entry::exact(integer(count));
    let mut row = vec![
        Entry::Name(names::unit(unit.unit).to_owned()),
        count(unit.process),
    ];
    if scaled {
        row.push(count(unit.wanted));
    }
    row.push(count(unit.built));
    row.push(deviation(unit).map_or(Entry::Blank, |off| PERCENT.bare(off)));
    row
}

/// What was built too much, as a share of what was wanted.
pub(super) fn deviation(unit: &UnitResemblance) -> Option<f64> {
    let off = unit.built as f64 / unit.wanted as f64 - 1.0;
    off.is_finite().then_some(off)
}

/// How much is rebuilt, where that is not all.
pub(super) fn scale(scale: &ShapeScale) -> Option<String> {
    let mut parts = Vec::new();
    if scale.mappings_divisor > 1 {
        parts.push(format!(
            "one in {} of its mappings",
            integer(scale.mappings_divisor)
        ));
    }
    if scale.pages_divisor > 1 {
        parts.push(format!(
            "one in {} of each mapping's page tables, with all that is in them",
            integer(scale.pages_divisor)
        ));
    }
    if scale.without_file_pages {
        parts.push("no page of a file that a fork does not copy".to_owned());
    }
    if parts.is_empty() {
        return None;
    }
    Some(format!("rebuilt: {}", parts.join(", ")))
}

fn left_out(left_out: &LeftOutMapping) -> String {
    let what = counted(left_out.count, "mapping");
    let be = if left_out.count == 1 { "is" } else { "are" };
    format!(
        "{what} of {} {be} not rebuilt: {}",
        bytes(left_out.bytes),
        names::left_out(left_out.why)
    )
}

fn stand_ins(count: u64) -> Option<String> {
    (count > 0).then(|| {
        let (of, stand) = match count {
            1 => ("mapping", "stands one"),
            _ => ("mappings", "stand as many"),
        };
        format!(
            "for {} {of} of the process {stand} of the worker's own, which are there before anything \
             is built: they are part of the fork itself",
            integer(count)
        )
    })
}
