//! What was published, and this host's answer beside it.

mod loops;
mod points;
mod source;

use super::Answers;
use super::footnotes::Footnotes;
use super::picture::Picture;
use crate::analysis::reproduce::loops::Programs;
use crate::analysis::reproduce::spaces::Study;
use crate::model::{Answer, Document, Missing, Reproduction};

/// The tables in the order of reading, and what they say in a few sentences.
pub(super) fn answers(
    document: &Document,
    study: &Reproduction,
    footnotes: &mut Footnotes,
) -> Answers {
    match &study.answer {
        Answer::Programs(loops) => Programs::of(document, study, loops).answers(footnotes),
        Answer::Spaces { points, .. } => {
            points::answers(&Study::of(document, study, points), footnotes)
        }
    }
}

/// The picture, or why there is none.
pub(super) fn picture(document: &Document, study: &Reproduction) -> Result<Picture, Missing> {
    match &study.answer {
        Answer::Programs(loops) => {
            loops::chart(&Programs::of(document, study, loops)).map(Picture::Bars)
        }
        Answer::Spaces { points, .. } => points::figure(&Study::of(document, study, points)),
    }
}
