//! Whose the cost of a fork is: the mappings of the process by name, and what they have.

use super::charge::{self, Charge};
use super::{Rebuilt, names};
use crate::analysis::process::unshared;
use crate::model::{Blame, GroupCost};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::table::{Column, Entry, Table};
use crate::units::bytes;

/// What each group costs.
pub(super) fn costs(rebuilt: &Rebuilt<'_>, blame: &Blame, notes: &mut Footnotes) -> Table {
    let unit = charge::unit(blame);
    let grid = Grid::new().column(Column::name("whose"), |charge: &Charge<'_>| {
        names::short(charge.name)
    });
    let grid = charge::costs(grid, blame);
    let grid = match blame.groups.iter().any(|group| group.without.is_some()) {
        false => grid,
        true => grid.column(
            Column::number("cheaper", &format!("without {}", unit.subheader())).explained_as(
                "cheaper without",
                "by how much less a fork took that was measured without these mappings: what \
                 the total beside it should be, if it was shared out well",
            ),
            // What was measured without it is of the workers, whatever part they are.
            |charge| Some(unit.entry(charge.without?.total_ns)),
        ),
    };
    let mut charges: Vec<Charge<'_>> = blame
        .groups
        .iter()
        .map(|group| Charge::of_group(group, rebuilt.is_part()))
        .collect();
    charges.extend(unshared(blame).map(Charge::of_rung));
    let sum = charges.len();
    charges.push(Charge::of_fork(blame, rebuilt.is_part()));
    let shared_out = "what a rung costs is shared out by units: who has half of the page tables is \
                      charged half of what they cost";
    grid.table("Whose it is", charges, notes)
        .ruled([sum])
        .noting((!blame.groups.is_empty()).then(|| shared_out.to_owned()))
}

/// What each group has of what a fork pays for.
pub(super) fn contents(blame: &Blame, notes: &mut Footnotes) -> Table {
    Grid::new()
        .column(Column::name("whose"), |group: &&GroupCost| {
            names::short(&group.name)
        })
        .column(Column::name("what"), |group| {
            (!group.rest).then(|| names::content(group.content)[0])
        })
        .column(Column::number("mappings", ""), |group| group.mappings.vmas)
        .column(
            Column::number("with own", "pages").explained(
                "mappings with a page of their own, for which a fork sets up an anon_vma",
            ),
            |group| group.mappings.anon_vmas,
        )
        .column(
            Column::number("PTEs", "").explained("page-table entries that a fork copies"),
            |group| group.mappings.ptes,
        )
        .column(Column::number("page", "tables"), |group| {
            group.mappings.tables
        })
        .column(Column::number("huge", "pages"), |group| {
            group.mappings.huge_entries
        })
        .column(Column::number("mapped", ""), |group| {
            Entry::exact(bytes(group.mappings.mapped_bytes))
        })
        .table("What these mappings have", &blame.groups, notes)
}
