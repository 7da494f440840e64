//! What a fork costs, term by term.

use super::figures::{self, UNIT, bounds_explained};
use super::names;
use crate::analysis::card::{Charged, FAR, Slice, footprint_bytes};
use crate::model::{Counts, TermPrice};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::grid::Grid;
use crate::report::view::number::integer;
use crate::report::view::table::{Block, Column, Table};

/// Makes the table.
pub(super) fn table(charged: &Charged<'_>, notes: &mut Footnotes) -> Table {
    let unit = |term: &TermPrice| figures::unit(std::iter::once(&term.small));
    let small = |moment| move |term: &&TermPrice| figures::entry(&term.small, moment, unit(term));
    let large = |moment| {
        move |term: &&TermPrice| {
            let differs = term.large != term.small;
            differs.then(|| figures::entry(&term.large, moment, unit(term)))
        }
    };
    let mut grid = Grid::new()
        .placed(|term: &&TermPrice, _| (names::term(term.term).to_owned(), None))
        .column(Column::name("what"), |term| names::term(term.term))
        .column(Column::name(UNIT), move |term| unit(term).name)
        .column(
            Column::number("in the", "call").explained("until the call returned in the parent"),
            small(Slice::Call),
        )
        .column(
            Column::number("after", "it").explained(
                "from then on until the wait for the child returned: exec's switch to another \
                 address space, which tears the copy down, the child's end, and the reaping",
            ),
            small(Slice::After),
        )
        .column(
            Column::number("total", "").explained("in the call and after it"),
            small(Slice::Total),
        );
    let far = format!("at {FAR} knees");
    if charged.prices().knee_bytes.is_some() {
        for (moment, slice) in [("in the call", Slice::Call), ("total", Slice::Total)] {
            grid = grid.column(Column::number(&far, moment), large(slice));
        }
    }
    let table = grid.table("What a fork costs", &charged.prices().terms, notes);
    bounds_explained(table).noting(knee_words(charged))
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
    let further = match charged.prices().levels_off {
        true => ", from where on it goes up no further",
        false => "",
    };
    let [mappings, pages] = [mapping, page].map(|of| knee / footprint_bytes(&of).max(1));
    Some(format!(
        "the knee: once the kernel's structures of parent and copy outgrow {} KiB (those of \
         {} mappings of a page, or of {} pages in one mapping), each unit costs more with each \
         doubling of them, as if they fitted into fewer and fewer caches, and at {FAR} times that \
         size the higher price{further}",
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
