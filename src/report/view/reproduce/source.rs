//! Where the published figures are from, in the report and above the picture.

use crate::model::Reproduction;

use super::Section;

/// The study in a few lines.
pub(super) fn section(reproduction: &Reproduction) -> Section {
    let source = &reproduction.source;
    let told = vec![
        format!("{}, {} ({})", source.title, source.authors, source.year),
        source.address.clone(),
        source.setting.clone(),
    ];
    let title = format!("Study {}", reproduction.study.name());
    Section::lines("study", &title, told)
}

/// The same in one line.
pub(super) fn line(reproduction: &Reproduction) -> String {
    let source = &reproduction.source;
    format!(
        "{}, {} ({}): {}",
        source.title, source.authors, source.year, source.address
    )
}
