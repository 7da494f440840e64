//! What was tried against the cost of a process's forks, as tables and sentences: one
//! file an answer. What spawns take, and what was rebuilt, is shown as of an explanation.

mod chart;
mod names;
mod recipes;
mod remedies;
mod words;

use super::footnotes::Footnotes;
use super::picture::Picture;
use super::process::{Rebuilt, likeness, spawns};
use super::{Answers, Section};
use crate::model::Missing;

/// The tables in the order of reading, and what they say in a few sentences.
pub(super) fn answers(rebuilt: &Rebuilt<'_>, footnotes: &mut Footnotes) -> Answers {
    let mut sections = vec![
        rebuilt.table("spawns", footnotes, |notes| spawns::table(rebuilt, notes)),
        rebuilt.table("remedies", footnotes, |notes| {
            remedies::table(rebuilt, notes)
        }),
        Section::new("applied-to", remedies::applied_to(rebuilt)),
        Section::lines("not-tried", "Not tried", remedies::not_tried(rebuilt)),
    ];
    let recipes = remedies::recipes(rebuilt).into_iter();
    sections.extend(recipes.map(|recipe| Section::new("recipes", recipe)));
    sections.extend([
        Section::lines("harmful", "Harmful here", remedies::harmful(rebuilt)),
        rebuilt.table("likeness", footnotes, |notes| {
            likeness::table(rebuilt, notes)
        }),
    ]);
    (sections, words::sentences(rebuilt))
}

/// What the remedies leave of a fork as a picture, or why there is none.
pub(super) fn picture(rebuilt: &Rebuilt<'_>) -> Result<Picture, Missing> {
    chart::chart(rebuilt).map(Picture::Bars)
}
