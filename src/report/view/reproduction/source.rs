//! Where the published figures are from, for the reports of all studies.

use crate::model::Reproduction;

use super::super::lines;
use super::super::table::Block;

/// The study in a few lines.
pub(super) fn block(reproduction: &Reproduction) -> Block {
    lines("The study", told(reproduction))
}

/// The same without a heading, for pictures.
pub(super) fn told(reproduction: &Reproduction) -> Vec<String> {
    let source = &reproduction.source;
    vec![
        format!(
            "{}: \"{}\", {}, {}; {}",
            reproduction.study.name(),
            source.title,
            source.authors,
            source.year,
            source.address
        ),
        format!("its setting: {}", source.setting),
    ]
}
