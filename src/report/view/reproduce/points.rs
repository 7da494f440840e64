//! A study of address spaces: its published figures beside the document's cells.

mod compared;
mod costs;
mod lines;
mod names;
mod sizes;
mod words;

use super::super::footnotes::Footnotes;
use super::super::header;
use super::super::picture::Picture;
use super::super::table::{Block, Table};
use super::{Answers, Section, source};
use crate::analysis::reproduce::spaces::{self, Study};
use crate::model::Missing;

/// The tables in the order of reading, and what they say in a few sentences.
pub(super) fn answers(study: &Study<'_>, footnotes: &mut Footnotes) -> Answers {
    let found = spaces::costs(study);
    let mut table = |name: &'static str, make: &dyn Fn(&mut Footnotes) -> Table| {
        let mut own = Footnotes::default();
        let mut table = make(&mut own);
        table.notes.extend(own.lines(study.document));
        footnotes.absorb(own);
        Section::table(name, table)
    };
    let sections = vec![
        source::section(study.reproduction),
        table("parents", &|notes| sizes::table(study, notes)),
        table("time", &|notes| compared::table(study, notes)),
        table("costs", &|notes| costs::table(study, &found, notes)),
    ];
    (sections, words::sentences(study, &found))
}

/// The published lines and those of the cells.
///
/// # Errors
/// Why there is nothing to draw.
pub(super) fn figure(study: &Study<'_>) -> Result<Picture, Missing> {
    let mut above = vec![source::line(study.reproduction)];
    if let Block::Lines { lines, .. } = header::lines(study.document) {
        let here = [0, 3, 4].into_iter();
        let here = here.filter_map(|index| lines.get(index));
        above.extend(here.map(|line| format!("here: {line}")));
    }
    lines::plot(study, above).map(Picture::Lines)
}
