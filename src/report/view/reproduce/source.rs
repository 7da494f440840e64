//! Where the published figures are from, in the report and above the picture.

use crate::model::Reproduction;

use super::super::lines;
use super::super::table::Block;

/// The study in a few lines.
pub(super) fn block(reproduction: &Reproduction) -> Block {
    let source = &reproduction.source;
    let told = vec![
        format!("{}, {} ({})", source.title, source.authors, source.year),
        source.address.clone(),
        source.setting.clone(),
    ];
    lines(&format!("Study {}", reproduction.study.name()), told)
}

/// The same in one line.
pub(super) fn line(reproduction: &Reproduction) -> String {
    let source = &reproduction.source;
    format!(
        "{}, {} ({}): {}",
        source.title, source.authors, source.year, source.address
    )
}
