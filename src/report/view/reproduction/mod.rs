//! What was published, and this host's answer beside it.

mod points;
mod source;

pub use points::{StudyRecord, study_records};

use super::footnotes::Footnotes;
use super::picture::Picture;
use super::spaces::Sizes;
use super::table::Block;
use crate::model::{Document, Loops, Missing, Reproduction};

/// A reproduced study.
pub(super) struct Reproduced<'a> {
    document: &'a Document,
    of: Of<'a>,
}

/// What a study is of.
enum Of<'a> {
    /// Programs that spawn in a loop.
    Programs(&'a Reproduction, &'a Loops),
    /// Address spaces, whose answers are the document's cells.
    Spaces,
}

impl<'a> Reproduced<'a> {
    /// `None` if the document reproduces nothing.
    pub(super) fn of(document: &'a Document) -> Option<Self> {
        let study = document.reproduction.as_ref()?;
        let of = match &study.loops {
            Some(loops) => Of::Programs(study, loops),
            None if study.points.is_empty() => return None,
            None => Of::Spaces,
        };
        Some(Self { document, of })
    }

    /// The tables in the order of reading, and what they say in a few sentences.
    pub(super) fn answers(
        &self,
        sizes: &Sizes<'_>,
        footnotes: &mut Footnotes,
    ) -> (Vec<Block>, Vec<String>) {
        match self.of {
            Of::Programs(_, _) => (Vec::new(), Vec::new()),
            Of::Spaces => points::answers(self.document, sizes, footnotes),
        }
    }

    /// The picture, or why there is none.
    pub(super) fn picture(&self) -> Result<Picture, Missing> {
        match self.of {
            Of::Programs(_, loops) => Err(Missing::not_asked(format!(
                "no program ran of {}",
                loops.rows.len()
            ))),
            Of::Spaces => points::figure(self.document),
        }
    }
}
