//! What a fork costs, term by term.

use super::{figures, names};
use crate::analysis::card::{Charged, Slice, footprint_bytes};
use crate::model::{Counts, TermPrice};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::number::integer;
use crate::report::view::table::{Block, Column, Entry, Table};

/// Makes the table.
pub(super) fn table(charged: &Charged<'_>, notes: &mut Footnotes) -> Table {
    let terms = &charged.prices().terms;
    let knee = charged.prices().knee_bytes.is_some();
    let rows: Vec<_> = terms.iter().map(|term| row(term, knee, notes)).collect();
    let mut columns = vec![
        Column::name("what"),
        figures::unit_column(&rows),
        Column::number("in the", "call").explained("until the call returned in the parent"),
        Column::number("after", "it").explained(
            "from then on until the wait for the child returned: exec's switch to another \
             address space, which tears the copy down, the child's end, and the reaping",
        ),
        Column::number("total", "").explained("in the call and after it"),
    ];
    if knee {
        columns.push(Column::number("beyond the knee", "in the call"));
        columns.push(Column::number("beyond the knee", "total"));
    }
    Table {
        title: "What a fork costs".to_owned(),
        columns,
        rows,
        rules: Vec::new(),
        notes: knee_words(charged).into_iter().collect(),
    }
}

fn row(price: &TermPrice, knee: bool, notes: &mut Footnotes) -> Vec<Entry> {
    let name = names::term(price.term);
    let unit = figures::unit(std::iter::once(&price.small));
    let mut row = vec![
        Entry::Name(name.to_owned()),
        Entry::Name(unit.name.to_owned()),
    ];
    for slice in [Slice::Call, Slice::After, Slice::Total] {
        row.push(figures::entry(&price.small, slice, unit, name, notes));
    }
    if knee {
        let differs = price.large != price.small;
        for slice in [Slice::Call, Slice::Total] {
            row.push(if differs {
                figures::entry(&price.large, slice, unit, name, notes)
            } else {
                Entry::Blank
            });
        }
    }
    row
}

/// What the knee is and which parents lie beyond it; or that there is none.
fn knee_words(charged: &Charged<'_>) -> Option<String> {
    if !charged.is_fitted() {
        return None;
    }
    let Some(knee) = charged.prices().knee_bytes else {
        return Some(
            "no knee was found: the same prices fit parents with few and with many structures"
                .to_owned(),
        );
    };
    let mapping = Counts {
        vmas: 1,
        anon_vmas: 1,
        ptes: 1,
        ..Counts::default()
    };
    let page = Counts {
        ptes: 1,
        ..Counts::default()
    };
    let [mappings, pages] = [mapping, page].map(|of| knee / footprint_bytes(&of).max(1));
    Some(format!(
        "the knee: once the kernel's structures of parent and copy outgrow {} KiB (those of \
         {} mappings of a page, or of {} pages in one mapping), what is beyond costs the \
         higher price, as it would if it no longer fitted into the nearer caches",
        integer(knee >> 10),
        integer(mappings),
        integer(pages),
    ))
}

/// The kernel's work behind each term.
pub(super) fn legend(charged: &Charged<'_>) -> Block {
    let terms = charged.prices().terms.iter();
    Block::Legend {
        title: "What the kernel does for it, in the call and after it".to_owned(),
        terms: terms
            .map(|price| {
                let [name, work] = [names::term(price.term), names::work(price.term)];
                (name.to_owned(), work.to_owned())
            })
            .collect(),
    }
}
