//! The hidden tax: what the parent pays after a spawn, when it writes to its
//! pages again.

use crate::analysis::explain::{Explained, of_all_pages, over_call};
use crate::model::{Availability, Rewriting, SpawnMethod};
use crate::stats::Estimate;

use super::super::footnotes::Footnotes;
use super::super::number::{PLAIN, Unit, counted, integer};
use super::super::table::{Column, Entry, Table};
use super::Found;

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
    let taxes = found
        .iter()
        .map(|(_, found)| of_all_pages(found).value.abs());
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
    let entire = of_all_pages(rewriting);
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

/// That tax against the call that caused it.
fn times(
    explained: &Explained<'_>,
    method: SpawnMethod,
    entire: Estimate,
    notes: &mut Footnotes,
) -> Entry {
    match explained.cell(method).map(|cell| &cell.call_ns) {
        Some(Availability::Measured(call)) => {
            over_call(entire, call).map_or(Entry::Blank, |times| PLAIN.entry(times))
        }
        Some(Availability::Missing(missing)) => {
            notes.missing(missing, "times the call", Some(method))
        }
        None => Entry::Blank,
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
