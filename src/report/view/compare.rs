//! Two results side by side: line by line, what may be said of it, and what differs
//! around them.

mod around;
mod lines;
mod words;

use super::{CAVEATS, Section, closing, in_short};
use crate::model::Comparison;

/// The whole report.
pub(super) fn sections(comparison: &Comparison) -> Vec<Section> {
    let tables = lines::tables(comparison);
    let legend = closing::legend(Some(closing::OF_RUNS), &tables);
    let [mut verdict, further] = in_short(words::sentences(comparison));
    if let Some(line) = words::around(comparison) {
        verdict.block.say(line);
    }
    let mut sections = vec![verdict];
    sections.extend(tables);
    sections.extend([
        Section::lines(
            "only-in-one",
            "Only in one of them",
            lines::lone(comparison),
        ),
        further,
        Section::lines(
            "differences",
            "What differs around them",
            around::differences(comparison),
        ),
        Section::lines("method", "What was compared", around::sides(comparison)),
        Section::lines(CAVEATS, "Caveats", around::caveats(comparison)),
        legend,
    ]);
    sections
}
