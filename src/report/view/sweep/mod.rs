//! A sweep as tables and sentences: one file an answer.

mod axis;
mod beyond;
mod counts;
pub(super) mod time;
mod words;

use super::footnotes::Footnotes;
use super::{Answers, Section};
use crate::analysis::sweep::{Extra, Sizes};
use crate::model::Document;

/// The tables in the order of reading, and what they say in a few sentences.
pub(super) fn answers(
    document: &Document,
    sizes: &Sizes<'_>,
    footnotes: &mut Footnotes,
) -> Answers {
    let mut sections = Vec::new();
    if !document.findings.cells().is_empty() {
        let time = time::table(document, sizes, footnotes);
        let mut counts = counts::table(document, sizes, footnotes);
        counts.notes = footnotes.lines(document);
        sections.extend([
            Section::table("time", time),
            Section::table("counts", counts),
        ]);
    }
    let extra = Extra::of(document, sizes);
    let beyond = extra
        .as_ref()
        .map(|extra| beyond::table(extra, &document.plan));
    sections.extend(beyond.map(|table| Section::table("beyond", table)));
    let words = words::sentences(document, sizes, extra.as_ref());
    (sections, words)
}
