//! The shape as it was rebuilt: how much of each unit the process has, and how much the
//! workers.

use super::{Rebuilt, names};
use crate::analysis::process::deviation;
use crate::model::{LeftOutMapping, ShapeScale, UnitResemblance};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::{PERCENT, counted, integer};
use crate::report::view::table::{Column, Table};
use crate::units::bytes;

/// Makes the table.
pub(in crate::report::view) fn table(rebuilt: &Rebuilt<'_>, notes: &mut Footnotes) -> Table {
    let likeness = &rebuilt.replica.likeness;
    let units = &likeness.units;
    let scaled = units.iter().any(|unit| unit.wanted != unit.process);
    let mut grid = Grid::new()
        .column(Column::name("unit"), |unit: &&UnitResemblance| {
            unit.unit.name()
        })
        .column(Column::number("process", ""), |unit| unit.process);
    if scaled {
        let wanted = Column::number("wanted", "").explained("what the scale leaves of it");
        grid = grid.column(wanted, |unit| unit.wanted);
    }
    grid.column(
        Column::number("built", "").explained("what the kernel shows of the workers, by medians"),
        |unit| unit.built,
    )
    .column(
        Column::number("off by", "(%)").explained(match scaled {
            true => "built against wanted",
            false => "built against the process",
        }),
        |unit| Some(PERCENT.bare(deviation(unit)?)),
    )
    .table("The shape as rebuilt", units, notes)
    .noting(scale(&rebuilt.order.scale))
    .noting(likeness.left_out.iter().map(left_out))
    .noting(stand_ins(likeness.stand_ins))
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
    match scale.pinned_divisor {
        0 => parts.push("none of its pinned pages pinned".to_owned()),
        1 => {}
        divisor => parts.push(format!(
            "one in {} of its pinned pages pinned",
            integer(divisor)
        )),
    }
    if let Some(most) = scale.descriptors_up_to {
        parts.push(format!("descriptors up to number {} only", integer(most)));
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
