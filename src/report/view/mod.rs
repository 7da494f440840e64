//! The views: one file an answer, from the document to typed blocks.
//!
//! A view decides what is said and in which unit; it never lays out. Nothing
//! is said that the intervals do not support.

mod axis;
mod beyond;
mod card;
mod closing;
mod compare;
mod counts;
mod explain;
mod footnotes;
mod header;
mod number;
mod picture;
mod process;
mod reproduce;
mod shape;
mod table;
mod time;
mod words;

use crate::analysis::card::Charged;
use crate::analysis::explain::Explained;
use crate::analysis::sweep::{Extra, Sizes};
use crate::model::{Comparison, Document, Missing};

use footnotes::Footnotes;
pub use picture::{Bar, Chart, Kind, Picture, Plot, PlotAxis, PlotPoint, Scale, Segment, Series};
use process::Rebuilt;
use reproduce::Reproduced;
pub use reproduce::{StudyRecord, study_records};
pub use shape::shape;
pub use table::{Alignment, Block, Column, Entry, Table};

/// The whole report, from the host to the legend.
pub fn blocks(document: &Document) -> Vec<Block> {
    let sizes = Sizes::of(document);
    let mut footnotes = Footnotes::default();
    let mut figures = closing::OF_RUNS;
    let mut caveats = Vec::new();
    let (answers, words) = if let Some(rebuilt) = Rebuilt::of(document) {
        figures = closing::OF_SHAPES;
        caveats = rebuilt.caveats();
        rebuilt_and_apart(&rebuilt, document, &sizes, &mut footnotes)
    } else if let Some(charged) = Charged::of(document) {
        figures = closing::OF_CARDS;
        charged.answers(&mut footnotes)
    } else if let Some(reproduced) = Reproduced::of(document) {
        reproduced.answers(&mut footnotes)
    } else if let Some(explained) = Explained::of(document, &sizes) {
        explained.answers(&sizes, &mut footnotes)
    } else {
        sweep(document, &sizes, &mut footnotes)
    };
    caveats.extend(closing::caveats(document, &footnotes));
    let legend = closing::legend(figures, &answers);
    let mut blocks = vec![header::lines(document)];
    blocks.extend(answers);
    blocks.extend([
        lines("In short", words),
        lines("Caveats", caveats),
        lines("Run", closing::run(document)),
        legend,
    ]);
    blocks.retain(|block| !is_empty(block));
    blocks
}

/// What is said of a process, and where the time of its forks goes, if that was asked for.
fn rebuilt_and_apart(
    rebuilt: &Rebuilt<'_>,
    document: &Document,
    sizes: &Sizes<'_>,
    footnotes: &mut Footnotes,
) -> (Vec<Block>, Vec<String>) {
    let (mut blocks, mut words) = rebuilt.answers(footnotes);
    if let Some(explained) = Explained::of(document, sizes) {
        let (apart, more) = explained.answers(sizes, footnotes);
        blocks.extend(apart);
        words.extend(more);
    }
    (blocks, words)
}

/// The whole report of a comparison, from the two results to the legend.
pub fn comparison(comparison: &Comparison) -> Vec<Block> {
    let mut blocks = compare::blocks(comparison);
    blocks.retain(|block| !is_empty(block));
    blocks
}

/// The picture of a document, or why there is none.
///
/// # Errors
/// The reason for which what is to be drawn is missing.
pub fn picture(document: &Document) -> Result<Picture, Missing> {
    if let Some(rebuilt) = Rebuilt::of(document) {
        return rebuilt.picture();
    }
    if let Some(charged) = Charged::of(document) {
        return charged.picture();
    }
    match Reproduced::of(document) {
        Some(reproduced) => reproduced.picture(),
        None => explain::chart(document).map(Picture::Bars),
    }
}

/// The tables of a sweep, and what they say in a few sentences.
fn sweep(
    document: &Document,
    sizes: &Sizes<'_>,
    footnotes: &mut Footnotes,
) -> (Vec<Block>, Vec<String>) {
    let mut tables = Vec::new();
    if !document.cells.is_empty() {
        tables.push(time::table(document, sizes, footnotes));
        if document.plan.explain.is_none() {
            tables.push(counts::table(document, sizes, footnotes));
        }
    }
    if let Some(last) = tables.last_mut() {
        last.notes = footnotes.lines(document);
    }
    let extra = Extra::of(document, sizes);
    tables.extend(extra.as_ref().and_then(beyond::table));
    let words = words::sentences(document, sizes, extra.as_ref());
    (tables.into_iter().map(Block::Table).collect(), words)
}

fn lines(title: &str, lines: Vec<String>) -> Block {
    Block::Lines {
        title: title.to_owned(),
        lines,
    }
}

fn is_empty(block: &Block) -> bool {
    match block {
        Block::Table(table) => table.rows.is_empty(),
        Block::Lines { lines, .. } | Block::Drawing { lines, .. } => lines.is_empty(),
        Block::Legend { terms, .. } => terms.is_empty(),
    }
}
