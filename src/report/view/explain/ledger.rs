//! The ledger: where the time of one spawn goes, phase by phase.
//!
//! The phases are not made to add up: what they leave of the total stands in a
//! row of its own.

use crate::analysis::explain::{Explained, LedgerLine, phases, time};
use crate::model::{Availability, BreakpointCost, ExitOrder, ExitProbe, Ledger, Phase};

use super::super::footnotes::Footnotes;
use super::super::grid::{Cell, Grid};
use super::super::number::{Unit, counted, integer, percent, prose};
use super::super::table::{Column, Entry, Table};
use super::{Found, by_method, names};

/// Makes the table.
pub(super) fn table(
    explained: &Explained<'_>,
    found: &Found<'_, Ledger>,
    notes: &mut Footnotes,
) -> Table {
    let unit = Unit::of_time(found.iter().map(|(_, ledger)| ledger.total_ns.value));
    let mut grid = Grid::new().column(Column::name("phase"), |line| names::line(*line));
    for (method, ledger) in found.iter().copied() {
        grid = grid
            .column(
                Column::number(method.name(), &unit.subheader()),
                move |line: &LedgerLine| {
                    let time = line.time(ledger, explained.cell(method));
                    Cell::named(unit.found(&time), names::line(*line), Some(method))
                },
            )
            .column(
                Column::number(method.name(), "(%)")
                    .explained_as("(%)", "share of the total with stamps"),
                |line| Some(Entry::exact(percent(line.share(ledger)?))),
            );
    }
    let phases = phases(found.iter().map(|(_, ledger)| *ledger));
    let sums = phases.len();
    let lines = phases.into_iter().map(LedgerLine::Phase);
    let lines = lines.chain(LedgerLine::AFTER_PHASES);
    grid.table("Where the time of one spawn goes", lines, notes)
        .ruled([sums, sums + 1])
        .noting(remarks(explained, found))
}

fn remarks(explained: &Explained<'_>, found: &Found<'_, Ledger>) -> Vec<String> {
    let mut remarks = vec![spawns(found)];
    let lost = found.iter().map(|(_, ledger)| ledger.lost).max();
    if let Some(lost) = lost.filter(|lost| *lost > 0) {
        remarks.push(format!(
            "{} lost: spawns that miss one are left out, but a phase may be off; use fewer methods \
             at a time",
            counted(lost, "record")
        ));
    }
    let tells = |phase| found.iter().any(|(_, l)| time(l, phase).is_some());
    if tells(Phase::Exit) || tells(Phase::Teardown) {
        remarks.push(match &explained.explanation.exit_probe {
            Availability::Measured(probe) => order(probe),
            Availability::Missing(missing) => format!(
                "exit, teardown: when this kernel writes its EXIT record is not known: {}",
                missing.reason
            ),
        });
    }
    remarks.extend(explained.explanation.breakpoint.measured().map(breakpoint));
    if explained.explanation.fixed_addresses {
        remarks.push(
            "stamped spawns load the program without address-space randomisation, so that its \
             instructions can be watched; that alone changes their time"
                .to_owned(),
        );
    }
    remarks
}

/// What watching an instruction costs, and that it is not in the figures.
fn breakpoint(hit: &BreakpointCost) -> String {
    let [low, high] = hit.cost_ns.ci95.map(prose);
    format!(
        "an instruction that no stamp dates is watched by a hardware breakpoint; each hit costs {} \
         ({low} to {high}), which is taken off",
        prose(hit.cost_ns.value)
    )
}

/// How many spawns the figures rest on, and how many were left out.
fn spawns(found: &Found<'_, Ledger>) -> String {
    let whole = by_method(found, |ledger| integer(ledger.spawns));
    let left_out = match found.iter().all(|(_, ledger)| ledger.incomplete == 0) {
        true => "none was left out".to_owned(),
        false => format!(
            "left out, as a stamp is missing: {}",
            by_method(found, |ledger| integer(ledger.incomplete))
        ),
    };
    format!("spawns with every stamp: {whole}; {left_out}")
}

fn order(probe: &ExitProbe) -> String {
    let side = match probe.order {
        ExitOrder::BeforeTeardown => "before",
        ExitOrder::AfterTeardown => "after",
    };
    format!(
        "exit, teardown: this kernel writes its EXIT record {side} it frees the memory: for {} more \
         to free, {} were added before the record and {} after it",
        counted(probe.mappings, "mapping"),
        prose(probe.before_record_ns),
        prose(probe.after_record_ns),
    )
}
