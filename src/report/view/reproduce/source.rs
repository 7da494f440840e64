//! Where the published figures are from, in the report and above the picture.

use crate::model::{Document, Reproduction};
use crate::report::view::{Section, header};

/// The study in a few lines, and how it was repeated here in further ones.
pub(super) fn section(reproduction: &Reproduction, here: Vec<String>) -> Section {
    let source = &reproduction.source;
    let mut told = vec![
        citation(reproduction),
        source.address.clone(),
        source.setting.clone(),
    ];
    told.extend(here);
    let title = format!("Study {}", reproduction.study.name());
    Section::lines("study", &title, told)
}

/// The lines above a picture: the study, and so many of where it was repeated.
pub(super) fn of_picture(
    reproduction: &Reproduction,
    document: &Document,
    most: usize,
) -> Vec<String> {
    let cited = citation(reproduction);
    let mut lines = vec![format!("{cited}: {}", reproduction.source.address)];
    let here = header::of_picture(document).into_iter().take(most);
    lines.extend(here.map(|line| format!("here: {line}")));
    lines
}

fn citation(reproduction: &Reproduction) -> String {
    let source = &reproduction.source;
    format!("{}, {} ({})", source.title, source.authors, source.year)
}
