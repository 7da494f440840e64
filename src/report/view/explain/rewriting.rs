//! The hidden tax: what the parent pays after a spawn, when it writes to its
//! pages again.

use crate::model::{Availability, Rewriting, SpawnMethod};
use crate::stats::Estimate;

use super::super::footnotes::Footnotes;
use super::super::number::{PLAIN, Unit, counted, integer};
use super::super::table::{Column, Entry, Table};
use super::{Explained, Found};

/// Makes the table.
pub(super) fn table(
    explained: &Explained<'_>,
    found: &Found<'_, Rewriting>,
    notes: &mut Footnotes,
) -> Table {
    let page = Unit {
        name: "ns",
        size: 1.0,
    };
    // What no fork taxed is noise around 0, and must not choose the unit.
    let taxes = found.iter().map(|(_, found)| whole(found).value.abs());
    let all = Unit::of_time(std::iter::once(taxes.fold(0.0, f64::max)));
    let rows = found
        .iter()
        .map(|(method, rewriting)| row(explained, *method, rewriting, [page, all], notes));
    Table {
        title: "The hidden tax: what the parent pays to write to its pages again".to_owned(),
        columns: columns(page, all),
        rows: rows.collect(),
        rules: Vec::new(),
        notes: rounds(found),
    }
}

fn columns(page: Unit, all: Unit) -> Vec<Column> {
    let (page, all) = (page.subheader(), all.subheader());
    vec![
        Column::name("method"),
        Column::number("pages", ""),
        Column::number("after spawn", &page)
            .explained("one page, one byte, after a spawn whose child has ended"),
        Column::number("once more", &page)
            .explained("the same page once more, with no spawn in between"),
        Column::number("tax", &page).explained("after spawn less once more: the fault"),
        Column::number("held", &page)
            .explained("the tax while a child still has the page, so that it must be copied"),
        Column::number("all pages", &all).explained("the tax of all these pages"),
        Column::number("times", "the call")
            .explained("the tax of all these pages over the median call"),
    ]
}

fn row(
    explained: &Explained<'_>,
    method: SpawnMethod,
    rewriting: &Rewriting,
    [page, all]: [Unit; 2],
    notes: &mut Footnotes,
) -> Vec<Entry> {
    let entire = whole(rewriting);
    vec![
        Entry::Name(method.name().to_owned()),
        Entry::exact(integer(rewriting.pages)),
        page.entry(rewriting.after_ns),
        page.entry(rewriting.again_ns),
        page.entry(rewriting.tax_ns),
        notes.named(&rewriting.held_ns, page, "held", Some(method)),
        all.entry(entire),
        times(explained, method, entire, notes),
    ]
}

/// The tax of all pages.
pub(super) fn whole(rewriting: &Rewriting) -> Estimate {
    let pages = rewriting.pages as f64;
    rewriting.tax_ns.map(|ns| ns * pages)
}

/// That tax against the call that caused it.
fn times(
    explained: &Explained<'_>,
    method: SpawnMethod,
    entire: Estimate,
    notes: &mut Footnotes,
) -> Entry {
    match explained.cell(method).map(|cell| &cell.call_ns) {
        Some(Availability::Measured(call)) if call.median.ci95[0] > 0.0 => {
            // The ends of both intervals, which can only make it too wide.
            let [low, high] = entire.ci95;
            let [least, most] = call.median.ci95;
            let low = low / if low < 0.0 { least } else { most };
            let high = high / if high < 0.0 { most } else { least };
            PLAIN.entry(Estimate {
                value: entire.value / call.median.value,
                ci95: [low, high],
            })
        }
        Some(Availability::Missing(missing)) => {
            notes.missing(missing, "times the call", Some(method))
        }
        _ => Entry::Blank,
    }
}

fn rounds(found: &Found<'_, Rewriting>) -> Vec<String> {
    let rounds = found.iter().map(|(method, rewriting)| {
        format!("{} {}", method.name(), counted(rewriting.rounds, "round"))
    });
    let rounds: Vec<String> = rounds.collect();
    if rounds.is_empty() {
        return rounds;
    }
    vec![format!("timed: {}", rounds.join(", "))]
}
