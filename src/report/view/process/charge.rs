//! What a fork is charged for, line by line: a rung, the mappings of one name, all of it.

use super::{figures, names};
use crate::analysis::process::{self, is_extrapolated};
use crate::model::{Blame, Cost, GroupCost, RungCost};
use crate::report::view::grid::Grid;
use crate::report::view::number::{PERCENT, Unit};
use crate::report::view::table::{Column, Entry};
use crate::stats::Estimate;

/// A line of the bill.
pub(super) struct Charge<'a> {
    /// What for.
    pub(super) name: &'a str,
    pub(super) cost: &'a Cost,
    /// Whether that was worked out from a part.
    pub(super) extrapolated: bool,
    /// The rung that it is for, if it is for one.
    pub(super) rung: Option<&'a RungCost>,
    /// What a fork without it was measured to cost less.
    pub(super) without: Option<&'a Cost>,
}

impl<'a> Charge<'a> {
    pub(super) fn of_rung(rung: &'a RungCost) -> Self {
        Self {
            name: names::rung(rung.rung),
            cost: &rung.cost,
            extrapolated: is_extrapolated(rung),
            rung: Some(rung),
            without: None,
        }
    }

    pub(super) fn of_group(group: &'a GroupCost, extrapolated: bool) -> Self {
        Self {
            name: &group.name,
            cost: &group.cost,
            extrapolated,
            rung: None,
            without: group.without.as_ref(),
        }
    }

    /// What all lines add up to.
    pub(super) fn of_fork(blame: &'a Blame, extrapolated: bool) -> Self {
        Self {
            name: "fork",
            cost: &blame.fork,
            extrapolated,
            rung: None,
            without: None,
        }
    }

    pub(super) fn entry(&self, unit: Unit, found: Estimate) -> Entry {
        figures::entry(unit, found, self.extrapolated)
    }
}

/// The unit of all times of a blame, so that they can be compared.
pub(super) fn unit(blame: &Blame) -> Unit {
    Unit::of_one(blame.fork.total_ns.value / 10.0)
}

/// The columns of what charges come to, and of their share in a fork.
pub(super) fn costs<'a>(grid: Grid<'a, Charge<'a>>, blame: &'a Blame) -> Grid<'a, Charge<'a>> {
    let unit = unit(blame);
    let head = |name: &str| Column::number(name, &unit.subheader());
    grid.column(
        head("in call").explained("until the call returned in the parent, which stands still"),
        move |charge| charge.entry(unit, charge.cost.call_ns),
    )
    .column(
        head("after it").explained(
            "from then on until the wait returned: the child runs, and its exec or exit frees the \
             copy",
        ),
        move |charge| charge.entry(unit, charge.cost.after_ns),
    )
    .column(head("total"), move |charge| {
        charge.entry(unit, charge.cost.total_ns)
    })
    .column(
        Column::number("share", "(%)").explained("of the total of a fork"),
        |charge| {
            let share = process::share(charge.cost.total_ns, blame.fork.total_ns)?;
            Some(figures::marked(PERCENT.bare(share), charge.extrapolated))
        },
    )
}
