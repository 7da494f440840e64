//! What the program and its environment add, and what faults and traps cost.

use super::figures::{self, UNIT, bounds_explained};
use super::names;
use crate::analysis::card::{Charged, Slice};
use crate::model::{Price, PriceKind, Program, Purpose};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::table::{Column, Table};

/// The child's program and its environment.
pub(super) fn programs(charged: &Charged<'_>, notes: &mut Footnotes) -> Table {
    let kinds = [
        PriceKind::RawExec,
        PriceKind::StaticStart,
        PriceKind::Loader,
        PriceKind::Variable,
        PriceKind::VariableByte,
    ];
    let title = "What the child's program and its environment add";
    list(title, charged, &kinds, notes).noting(measured_with(charged))
}

/// Which programs the starts were measured with.
fn measured_with(charged: &Charged<'_>) -> Option<String> {
    let fixed = command(charged, Purpose::StaticProgram);
    let dynamic = command(charged, Purpose::DynamicProgram);
    match (fixed, dynamic) {
        (Some(fixed), Some(dynamic)) => Some(format!(
            "the static program is {fixed}, the dynamic one {dynamic}: what they do themselves \
             is in these prices, and the last one is the loader's as far as both do alike"
        )),
        (Some(fixed), None) => Some(format!(
            "the static program is {fixed}: what it does itself is in its price"
        )),
        (None, _) => None,
    }
}

/// The program of a trial as it was typed, where it was measured.
pub(super) fn command(charged: &Charged<'_>, purpose: Purpose) -> Option<String> {
    let mut tried = charged.tried();
    let tried = tried.find(|tried| tried.trial.purpose == purpose)?;
    match &tried.trial.program {
        Program::Path { argv, .. } if tried.counts().is_some() => {
            Some(format!("\"{}\"", argv.join(" ")))
        }
        _ => None,
    }
}

/// Page faults, a system call, and an instruction that hypervisors answer.
pub(super) fn faults(charged: &Charged<'_>, notes: &mut Footnotes) -> Table {
    let kinds = [
        PriceKind::MinorFault,
        PriceKind::ParentCopy,
        PriceKind::ParentReuse,
        PriceKind::ChildCopy,
        PriceKind::Syscall,
        PriceKind::Cpuid,
    ];
    let trap = "a cpuid of this price traps: a hypervisor answers it, not the CPU".to_owned();
    list("Faults and traps", charged, &kinds, notes).noting(charged.cpuid_traps().then_some(trap))
}

/// One row a kind, each in a unit of its own.
fn list(title: &str, charged: &Charged<'_>, kinds: &[PriceKind], notes: &mut Footnotes) -> Table {
    let unit = |price: &Price| figures::unit(std::iter::once(&price.priced));
    let table = Grid::new()
        .placed(|price: &&Price, _| (names::kind(price.of).to_owned(), None))
        .column(Column::name("what"), |price| names::kind(price.of))
        .column(Column::name(UNIT), |price| unit(price).name)
        .column(Column::number("price", ""), |price| {
            figures::entry(&price.priced, Slice::Total, unit(price))
        })
        .table(
            title,
            kinds.iter().flat_map(|kind| charged.of_kind(*kind)),
            notes,
        );
    bounds_explained(table)
}
