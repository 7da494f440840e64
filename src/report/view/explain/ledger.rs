//! The ledger: where the time of one spawn goes, phase by phase.
//!
//! The phases are not made to add up: what they leave of the total stands in a
//! row of its own.

use crate::analysis::explain::{Explained, exists_in, time};
use crate::model::{
    Availability, BreakpointCost, ExitOrder, ExitProbe, Ledger, Phase, SpawnMethod,
};
use crate::stats::Estimate;

use super::super::footnotes::Footnotes;
use super::super::number::{Unit, counted, integer, number};
use super::super::table::{Column, Entry, Table};
use super::{Found, names};

/// Takes a row's figure from a method's ledger.
type Pick<'a> = Box<dyn Fn(SpawnMethod, &Ledger) -> Availability<Estimate> + 'a>;

/// A row: its name, and its figure in each method.
struct Row<'a> {
    name: &'static str,
    figure: Pick<'a>,
    /// Whether it is a part of the total with stamps.
    shared: bool,
}

/// Makes the table.
pub(super) fn table(
    explained: &Explained<'_>,
    found: &Found<'_, Ledger>,
    notes: &mut Footnotes,
) -> Table {
    let unit = Unit::of_time(found.iter().map(|(_, ledger)| ledger.total_ns.value));
    let phases: Vec<Phase> = Phase::ALL
        .into_iter()
        .filter(|phase| exists(*phase, found))
        .collect();
    let mut rows: Vec<Row<'_>> = phases.iter().map(|phase| phase_row(*phase)).collect();
    let sums = rows.len();
    rows.extend(sum_rows(explained));
    let rows = rows.iter().map(|row| entries(row, found, unit, notes));
    Table {
        title: "Where the time of one spawn goes".to_owned(),
        columns: columns(found, unit),
        rows: rows.collect(),
        rules: vec![sums, sums + 1],
        notes: remarks(explained, found),
    }
}

fn columns(found: &Found<'_, Ledger>, unit: Unit) -> Vec<Column> {
    let mut columns = vec![Column::name("phase")];
    for (method, _) in found {
        columns.push(Column::number(method.name(), &unit.subheader()));
        let share = Column::number(method.name(), "(%)");
        columns.push(share.explained_as("(%)", "share of the total with stamps"));
    }
    columns
}

/// Whether a phase is worth a row: it is, unless every method says that there
/// was none to be measured.
pub(super) fn exists(phase: Phase, found: &Found<'_, Ledger>) -> bool {
    found.iter().any(|(_, ledger)| exists_in(phase, ledger))
}

fn phase_row<'a>(phase: Phase) -> Row<'a> {
    Row {
        name: names::phase(phase),
        figure: Box::new(move |_, ledger| match time(ledger, phase) {
            Some(time) => time.ns.clone(),
            None => Availability::not_asked("the document lacks it"),
        }),
        shared: true,
    }
}

fn sum_rows<'a>(explained: &'a Explained<'_>) -> [Row<'a>; 4] {
    let row = |name, figure: fn(&Ledger) -> Availability<Estimate>| Row {
        name,
        figure: Box::new(move |_, ledger| figure(ledger)),
        shared: true,
    };
    [
        row("unexplained", |ledger| {
            Availability::Measured(ledger.unexplained_ns)
        }),
        row("total (with stamps)", |ledger| {
            Availability::Measured(ledger.total_ns)
        }),
        Row {
            shared: false,
            ..row("stamping adds", |ledger| ledger.stamping_ns.clone())
        },
        Row {
            name: "total (timed alone)",
            figure: Box::new(|method, _| match explained.cell(method) {
                Some(cell) => cell.total_ns.map(|total| total.median),
                None => Availability::not_asked("it was not timed alone"),
            }),
            shared: false,
        },
    ]
}

fn entries(
    row: &Row<'_>,
    found: &Found<'_, Ledger>,
    unit: Unit,
    notes: &mut Footnotes,
) -> Vec<Entry> {
    let mut entries = vec![Entry::Name(row.name.to_owned())];
    for (method, ledger) in found {
        let figure = (row.figure)(*method, ledger);
        entries.push(notes.named(&figure, unit, row.name, Some(*method)));
        let share = (figure.measured()).map(|found| found.value / ledger.total_ns.value);
        entries.push(match share.filter(|share| share.is_finite()) {
            Some(share) if row.shared => Entry::exact(number(share * 100.0, 1)),
            _ => Entry::Blank,
        });
    }
    entries
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
    if let Availability::Measured(hit) = &explained.explanation.breakpoint {
        remarks.push(breakpoint(hit));
    }
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
    let prose = |ns: f64| Unit::of_time(std::iter::once(ns)).prose(ns);
    let [low, high] = hit.cost_ns.ci95;
    format!(
        "an instruction that no stamp dates is watched by a hardware breakpoint; each hit costs {} \
         ({} to {}), which is taken off",
        prose(hit.cost_ns.value),
        prose(low),
        prose(high)
    )
}

/// How many spawns the figures rest on, and how many were left out.
fn spawns(found: &Found<'_, Ledger>) -> String {
    let of = |count: fn(&Ledger) -> u64| {
        let counts = found
            .iter()
            .map(|(method, ledger)| format!("{} {}", method.name(), integer(count(ledger))));
        counts.collect::<Vec<_>>().join(", ")
    };
    let whole = format!("spawns with every stamp: {}", of(|ledger| ledger.spawns));
    if found.iter().all(|(_, ledger)| ledger.incomplete == 0) {
        return format!("{whole}; none was left out");
    }
    let left_out = of(|ledger| ledger.incomplete);
    format!("{whole}; left out, as a stamp is missing: {left_out}")
}

fn order(probe: &ExitProbe) -> String {
    let side = match probe.order {
        ExitOrder::BeforeTeardown => "before",
        ExitOrder::AfterTeardown => "after",
    };
    let prose = |ns: f64| Unit::of_time(std::iter::once(ns)).prose(ns);
    format!(
        "exit, teardown: this kernel writes its EXIT record {side} it frees the memory: for {} more \
         to free, {} were added before the record and {} after it",
        counted(probe.mappings, "mapping"),
        prose(probe.before_record_ns),
        prose(probe.after_record_ns),
    )
}
