//! Lines over an axis.

use std::io;

use crate::report::view::Plot;

/// The picture.
pub(super) fn render(plot: &Plot) -> io::Result<String> {
    Err(io::Error::other(format!(
        "{}: lines cannot be drawn yet; export .csv and draw them with another program",
        plot.title
    )))
}
