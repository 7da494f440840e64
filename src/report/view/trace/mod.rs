//! A watched program as tables and sentences: one file an answer.

mod chart;
mod executed;
mod failed;
pub(in crate::report) mod names;
mod offences;
mod paths;
mod savings;
mod spawners;
mod words;

use super::footnotes::Footnotes;
use super::process::{Rebuilt, started};
use super::{Answers, Section, advise};
use crate::model::{Document, Findings, Trace};

pub(super) use chart::plot;
pub(in crate::report) use offences::sentences as offences;

/// The tables in the order of reading, and what they say in a few sentences.
pub(super) fn answers(document: &Document, trace: &Trace, footnotes: &mut Footnotes) -> Answers {
    let mut table = |name, make: &dyn Fn(&mut Footnotes) -> super::Table| {
        Section::table(name, footnotes.under(document, make))
    };
    let mut sections = vec![
        table("savings", &|notes| savings::table(trace, notes)),
        table("ways", &|notes| paths::times(trace, notes)),
        table("origins", &|notes| paths::origins(trace, notes)),
        table("programs", &|notes| executed::table(trace, notes)),
        table("spawners", &|notes| spawners::table(trace, notes)),
        table("failed", &|notes| failed::table(trace, notes)),
    ];
    sections.push(Section::lines(
        "offences",
        "Offences",
        offences::sentences(trace),
    ));
    let rebuilt = advised(trace).and_then(Rebuilt::of);
    let (tables, tried) = rebuilt
        .map(|rebuilt| remedies(&rebuilt, footnotes))
        .unwrap_or_default();
    sections.extend(tables);
    (sections, words::sentences(document, trace, tried))
}

/// What came of remedies, as an advice tells it; but not what that supposes of how such programs
/// start others, which was watched.
fn remedies(rebuilt: &Rebuilt<'_>, footnotes: &mut Footnotes) -> Answers {
    let (tables, mut words) = advise::answers(rebuilt, footnotes);
    let supposed = started(&rebuilt.order.shape);
    words.retain(|said| Some(said) != supposed.as_ref());
    (tables, words)
}

/// What was tried on the dearest spawner.
pub(super) fn advised(trace: &Trace) -> Option<&Document> {
    Some(trace.advised.as_ref()?.measured()?)
}

/// What of a watched program is told where others tell of their workers.
pub(super) fn run(document: &Document) -> Option<Vec<String>> {
    match &document.findings {
        Findings::Trace(trace) => Some(words::run(document, trace)),
        _ => None,
    }
}

/// How it was watched.
pub(super) fn method(document: &Document) -> Option<String> {
    let order = document.plan.order.trace()?;
    Some(words::method(order))
}
