//! A study of address spaces: its published figures beside the document's cells.

mod compared;
mod costs;
mod lines;
mod names;
mod sizes;
mod words;

use super::source;
use crate::analysis::reproduce::spaces::{self, Study};
use crate::model::Missing;
use crate::report::view::footnotes::Footnotes;
use crate::report::view::picture::Picture;
use crate::report::view::{Answers, Section};

/// The tables in the order of reading, and what they say in a few sentences.
pub(super) fn answers(study: &Study<'_>, footnotes: &mut Footnotes) -> Answers {
    let found = spaces::costs(study);
    let document = study.document;
    let parents = footnotes.under(document, |notes| sizes::table(study, notes));
    let time = footnotes.under(document, |notes| compared::table(study, notes));
    let costs = footnotes.under(document, |notes| costs::table(study, &found, notes));
    let sections = vec![
        source::section(study.reproduction, Vec::new()),
        Section::table("parents", parents),
        Section::table("time", time),
        Section::table("costs", costs),
    ];
    (sections, words::sentences(study, &found))
}

/// The published lines and those of the cells.
///
/// # Errors
/// Why there is nothing to draw.
pub(super) fn figure(study: &Study<'_>) -> Result<Picture, Missing> {
    let above = source::of_picture(study.reproduction, study.document, usize::MAX);
    lines::plot(study, above).map(Picture::Lines)
}
