//! What costs a fork next to nothing though it looks big.

use super::names;
use crate::model::{Blame, FreeMemory};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::table::{Column, Entry, Table};
use crate::units::bytes;

/// Makes the table, with the reasons below it.
pub(super) fn table(blame: &Blame, notes: &mut Footnotes) -> Table {
    let reason = |free: &FreeMemory| {
        let [name, _, why] = names::free(free.why);
        format!("{name}: {why}")
    };
    Grid::new()
        .column(Column::name("memory"), |free: &&FreeMemory| {
            names::free(free.why)[0]
        })
        .column(Column::number("mappings", ""), |free| free.mappings)
        .column(Column::number("size", ""), |free| {
            Entry::exact(bytes(free.bytes))
        })
        .table(
            "What costs a fork next to nothing, though it looks big",
            &blame.free,
            notes,
        )
        .noting(blame.free.iter().map(reason))
}
