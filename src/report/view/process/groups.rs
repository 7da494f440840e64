//! Whose the cost of a fork is: the mappings of the process by name, and what they have.

use super::{Rebuilt, figures, ladder, names};
use crate::model::{Blame, Cost, GroupCost, Rung};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::number::{Unit, integer};
use crate::report::view::table::{Column, Entry, Table};
use crate::units::bytes;

/// What each group costs.
pub(super) fn costs(rebuilt: &Rebuilt<'_>, _notes: &mut Footnotes) -> Table {
    let blame = rebuilt.blame();
    let unit = ladder::unit(blame);
    let checked = blame.is_some_and(|blame| blame.groups.iter().any(|g| g.without.is_some()));
    let mut rows = blame.map_or(Vec::new(), |blame| rows(rebuilt, blame, unit));
    if !checked {
        rows.iter_mut().for_each(|row| row.truncate(row.len() - 1));
    }
    let rules = vec![rows.len().saturating_sub(1)];
    let mut columns = vec![Column::name("whose")];
    columns.extend(figures::slice_columns(unit));
    columns.push(Column::number("share", "(%)").explained("of the total of a fork"));
    if checked {
        columns.push(
            Column::number("cheaper", &format!("without {}", unit.subheader())).explained_as(
                "cheaper without",
                "by how much less a fork took that was measured without these mappings: what \
                 the total beside it should be, if it was shared out well",
            ),
        );
    }
    Table {
        title: "Whose it is".to_owned(),
        columns,
        rows,
        rules,
        notes: remarks(blame),
    }
}

fn rows(rebuilt: &Rebuilt<'_>, blame: &Blame, unit: Unit) -> Vec<Vec<Entry>> {
    let scaled = rebuilt.order.scale.is_part();
    let mut rows: Vec<Vec<Entry>> = (blame.groups.iter())
        .map(|group| group_row(rebuilt, group, unit, scaled))
        .collect();
    for rung in [Rung::Beside, Rung::Empty] {
        let found = blame.rungs.iter().find(|found| found.rung == rung);
        rows.extend(found.map(|found| {
            let extrapolated = ladder::is_extrapolated(found);
            let name = names::rung(rung).to_owned();
            cost_row(rebuilt, name, &found.cost, unit, extrapolated)
        }));
    }
    rows.push(cost_row(
        rebuilt,
        "fork".to_owned(),
        &blame.fork,
        unit,
        scaled,
    ));
    rows
}

fn group_row(rebuilt: &Rebuilt<'_>, group: &GroupCost, unit: Unit, scaled: bool) -> Vec<Entry> {
    let mut row = cost_row(
        rebuilt,
        names::short(&group.name),
        &group.cost,
        unit,
        scaled,
    );
    // What was measured without it is of the workers, whatever part they are.
    if let (Some(without), Some(last)) = (group.without, row.last_mut()) {
        *last = figures::entry(unit, without.total_ns, false);
    }
    row
}

/// A row whose last column is left blank.
fn cost_row(
    rebuilt: &Rebuilt<'_>,
    name: String,
    cost: &Cost,
    unit: Unit,
    extrapolated: bool,
) -> Vec<Entry> {
    let mut row = vec![Entry::Name(name)];
    row.extend(figures::slices(unit, cost, extrapolated));
    row.push(ladder::share(rebuilt, cost.total_ns, extrapolated));
    row.push(Entry::Blank);
    row
}

fn remarks(blame: Option<&Blame>) -> Vec<String> {
    let shared_out = blame.filter(|blame| !blame.groups.is_empty()).map(|_| {
        "what a rung costs is shared out by units: who has half of the page tables is charged half \
         of what they cost"
            .to_owned()
    });
    shared_out.into_iter().collect()
}

/// What each group has of what a fork pays for.
pub(super) fn contents(rebuilt: &Rebuilt<'_>, _notes: &mut Footnotes) -> Table {
    let groups: &[GroupCost] = rebuilt.blame().map_or(&[], |blame| &blame.groups);
    Table {
        title: "What these mappings have".to_owned(),
        columns: vec![
            Column::name("whose"),
            Column::name("what"),
            Column::number("mappings", ""),
            Column::number("with own", "pages").explained(
                "mappings with a page of their own, for which a fork sets up an anon_vma",
            ),
            Column::number("PTEs", "").explained("page-table entries that a fork copies"),
            Column::number("page", "tables"),
            Column::number("huge", "pages"),
            Column::number("mapped", ""),
        ],
        rows: groups.iter().map(content_row).collect(),
        rules: Vec::new(),
        notes: Vec::new(),
    }
}

fn content_row(group: &GroupCost) -> Vec<Entry> {
    let counts = &group.mappings;
    let what = match group.rest {
        true => Entry::Blank,
        false => Entry::Name(names::content(group.content).to_owned()),
    };
    let mut row = vec![Entry::Name(names::short(&group.name)), what];
    row.extend(
        [
            counts.vmas,
            counts.anon_vmas,
            counts.ptes,
            counts.tables,
            counts.huge_entries,
        ]
        .map(|count| Entry::exact(integer(count))),
    );
    row.push(Entry::exact(bytes(group.mappings.mapped_bytes)));
    row
}
