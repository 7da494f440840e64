//! The renderers: one file a format, from blocks or the document to bytes.
//!
//! They lay out and escape; what is said was decided by the views.

mod csv;
#[cfg(feature = "flamegraph")]
mod flame_graph;
mod folded;
mod json;
mod markdown;
mod svg;
mod text;

pub(super) use csv::render as csv;
#[cfg(feature = "flamegraph")]
pub(super) use flame_graph::render as flame_graph;
pub(super) use folded::render as folded;
pub(super) use json::render as json;
pub(super) use markdown::render as markdown;
pub(super) use svg::render as svg;
pub(super) use text::render as text;

use crate::units::steers;

/// Text that cannot steer a terminal: control and bidirectional characters
/// become spaces.
pub(super) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if steers(c) { ' ' } else { c })
        .collect()
}

/// Stands in for a renderer that this program was built without; its format was
/// refused before.
#[cfg(not(feature = "flamegraph"))]
pub(super) fn flame_graph(_folded: &str) -> std::io::Result<Vec<u8>> {
    Err(std::io::Error::other("built without flame graphs"))
}
