//! The renderers: one file a format, from blocks or the document to bytes.
//!
//! They lay out and escape; what is said was decided by the views. A document's texts may
//! be anybody's: tables and prose pass [`fit`], and each other format sees to its own.

mod csv;
mod fit;
#[cfg(feature = "flamegraph")]
mod flame_graph;
mod folded;
mod json;
mod markdown;
mod svg;
mod text;
mod timeline;

pub(super) use csv::render as csv;
#[cfg(feature = "flamegraph")]
pub(super) use flame_graph::render as flame_graph;
pub(super) use folded::render as folded;
pub(super) use json::render as json;
pub(super) use svg::render as svg;
pub(super) use timeline::render as timeline;

use std::io;

use super::view::Block;

/// The blocks as plain text on a page of some width.
pub(super) fn text(blocks: &[Block], page: usize) -> io::Result<Vec<u8>> {
    text::render(&fit::blocks(blocks), page)
}

/// The blocks as Markdown.
pub(super) fn markdown(blocks: &[Block]) -> String {
    markdown::render(&fit::blocks(blocks))
}

/// Stands in for a renderer that this program was built without; its format was
/// refused before.
#[cfg(not(feature = "flamegraph"))]
pub(super) fn flame_graph(_folded: &str) -> io::Result<Vec<u8>> {
    Err(io::Error::other("built without flame graphs"))
}
