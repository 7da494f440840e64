//! Names as long as a table bears them: they are the document's, and longer ones would
//! push the figures off the page.

use crate::analysis::reproduce::spaces::Parent;

const LONGEST_NAME: usize = 28;
const LONGEST_SERIES: usize = 18;

impl Parent<'_> {
    /// Its name, short enough for a table.
    pub(super) fn name(&self) -> String {
        short(&self.point.name, LONGEST_NAME)
    }
}

/// A line's name.
pub(super) fn line_name(series: &str) -> String {
    short(series, LONGEST_SERIES)
}

/// A name as long as a table bears it.
pub(super) fn short(name: &str, longest: usize) -> String {
    if name.chars().count() <= longest {
        return name.to_owned();
    }
    let kept = name.chars().take(longest - 3);
    kept.chain("...".chars()).collect()
}
