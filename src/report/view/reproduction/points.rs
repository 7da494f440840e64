//! A study of address spaces: its published figures beside the document's cells.

use super::super::footnotes::Footnotes;
use super::super::picture::Picture;
use super::super::spaces::Sizes;
use super::super::table::Block;
use crate::model::{Document, Missing};

/// The tables in the order of reading, and what they say in a few sentences.
pub(super) fn answers(
    _document: &Document,
    _sizes: &Sizes<'_>,
    _footnotes: &mut Footnotes,
) -> (Vec<Block>, Vec<String>) {
    (Vec::new(), Vec::new())
}

/// The published lines and those of the cells.
///
/// # Errors
/// Why there is nothing to draw.
pub(super) fn figure(_document: &Document) -> Result<Picture, Missing> {
    Err(Missing::not_asked(
        "no address space of the study was measured",
    ))
}
