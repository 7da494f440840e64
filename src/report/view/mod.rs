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
use crate::model::{Document, Findings, Missing, Stored};

use footnotes::Footnotes;
pub use picture::{Bar, Chart, Kind, Picture, Plot, PlotAxis, PlotPoint, Scale, Segment, Series};
use process::Rebuilt;
pub use shape::shape;
pub use table::{Alignment, Block, Column, Entry, Table};

/// The whole report, from the host to the legend.
pub fn blocks(stored: &Stored) -> Vec<Block> {
    let mut blocks = match stored {
        Stored::Run(document) => of_run(document),
        Stored::Comparison(comparison) => compare::blocks(comparison),
    };
    blocks.retain(|block| !is_empty(block));
    blocks
}

fn of_run(document: &Document) -> Vec<Block> {
    let mut footnotes = Footnotes::default();
    let (answers, words) = answers(document, &mut footnotes);
    let rebuilt = Rebuilt::of(document);
    let mut caveats = rebuilt.map(|rebuilt| rebuilt.caveats()).unwrap_or_default();
    caveats.extend(closing::caveats(document, &footnotes));
    let legend = closing::legend(closing::figures(&document.findings), &answers);
    let mut blocks = vec![header::lines(document)];
    blocks.extend(answers);
    blocks.extend([
        lines("In short", words),
        lines("Caveats", caveats),
        lines("Run", closing::run(document)),
        legend,
    ]);
    blocks
}

/// The tables in the order of reading, and what they say in a few sentences. Findings of
/// another kind than was ordered say nothing.
fn answers(document: &Document, footnotes: &mut Footnotes) -> (Vec<Block>, Vec<String>) {
    let sizes = Sizes::of(document);
    match &document.findings {
        Findings::Sweep { .. } => sweep(document, &sizes, footnotes),
        Findings::Explanation(explanation) => {
            Explained::of(document, explanation, &sizes).answers(&sizes, footnotes)
        }
        Findings::Reproduction(study) => reproduce::answers(document, study, footnotes),
        Findings::Card(card) => Charged::of(document, card)
            .map(|charged| charged.answers(footnotes))
            .unwrap_or_default(),
        Findings::Process(process) => {
            let (mut blocks, mut words) = Rebuilt::of(document)
                .map(|rebuilt| rebuilt.explained(footnotes))
                .unwrap_or_default();
            if let Some(ledger) = &process.ledger {
                let explained = Explained::of(document, ledger, &sizes);
                let (apart, more) = explained.answers(&sizes, footnotes);
                blocks.extend(apart);
                words.extend(more);
            }
            (blocks, words)
        }
        Findings::Advice(_) => Rebuilt::of(document)
            .map(|rebuilt| rebuilt.advised(footnotes))
            .unwrap_or_default(),
    }
}

/// The picture of a result, or why there is none.
///
/// # Errors
/// The reason for which what is to be drawn is missing.
pub fn picture(stored: &Stored) -> Result<Picture, Missing> {
    let nothing = || Missing::not_asked("there is no picture of it");
    let document = match stored {
        Stored::Run(document) => document,
        Stored::Comparison(_) => return Err(nothing()),
    };
    match &document.findings {
        Findings::Sweep { .. } => Err(nothing()),
        Findings::Explanation(found) => explain::chart(document, found).map(Picture::Bars),
        Findings::Reproduction(study) => reproduce::picture(document, study),
        Findings::Card(card) => Charged::of(document, card)
            .ok_or_else(nothing)
            .and_then(|charged| charged.picture()),
        Findings::Process(_) => Rebuilt::of(document)
            .ok_or_else(nothing)
            .and_then(|rebuilt| rebuilt.picture_of_blame()),
        Findings::Advice(_) => Rebuilt::of(document)
            .ok_or_else(nothing)
            .and_then(|rebuilt| rebuilt.picture_of_remedies()),
    }
}

/// The tables of a sweep, and what they say in a few sentences.
fn sweep(
    document: &Document,
    sizes: &Sizes<'_>,
    footnotes: &mut Footnotes,
) -> (Vec<Block>, Vec<String>) {
    let mut tables = Vec::new();
    if !document.findings.cells().is_empty() {
        tables.push(time::table(document, sizes, footnotes));
        tables.push(counts::table(document, sizes, footnotes));
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
