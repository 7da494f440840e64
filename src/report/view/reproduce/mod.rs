//! What was published, and this host's answer beside it.

mod loops;
mod points;
mod source;

pub use points::{StudyRecord, study_records};

use super::footnotes::Footnotes;
use super::picture::Picture;
use super::table::Block;
use crate::analysis::reproduce::loops::Programs;
use crate::model::{Document, Missing};

/// A reproduced study.
pub(super) struct Reproduced<'a> {
    document: &'a Document,
    of: Of<'a>,
}

/// What a study is of.
enum Of<'a> {
    /// Programs that spawn in a loop.
    Programs(Programs<'a>),
    /// Address spaces, whose answers are the document's cells.
    Spaces,
}

impl<'a> Reproduced<'a> {
    /// `None` if the document reproduces nothing.
    pub(super) fn of(document: &'a Document) -> Option<Self> {
        let study = document.reproduction.as_ref()?;
        let of = match Programs::of(document) {
            Some(programs) => Of::Programs(programs),
            None if study.points.is_empty() => return None,
            None => Of::Spaces,
        };
        Some(Self { document, of })
    }

    /// The tables in the order of reading, and what they say in a few sentences.
    pub(super) fn answers(&self, footnotes: &mut Footnotes) -> (Vec<Block>, Vec<String>) {
        match &self.of {
            Of::Programs(programs) => programs.answers(footnotes),
            Of::Spaces => points::answers(self.document, footnotes),
        }
    }

    /// The picture, or why there is none.
    pub(super) fn picture(&self) -> Result<Picture, Missing> {
        match &self.of {
            Of::Programs(programs) => loops::chart(programs).map(Picture::Bars),
            Of::Spaces => points::figure(self.document),
        }
    }
}
