//! The views: one file an answer, from the document to typed blocks.
//!
//! A view decides what is said and in which unit; it never lays out. Nothing
//! is said that the intervals do not support.

mod advise;
mod calls;
mod card;
mod closing;
mod compare;
mod explain;
mod footnotes;
mod grid;
mod grouped;
mod header;
mod number;
mod picture;
mod process;
mod prose;
mod reproduce;
mod sections;
mod shape;
mod slow;
mod sweep;
mod table;
mod trace;

use crate::analysis::card::Charged;
use crate::analysis::explain::Explained;
use crate::analysis::sweep::Sizes;
use crate::model::{Document, Findings, Missing, Stored};

use footnotes::Footnotes;
pub(super) use header::child;
pub use picture::{Bar, Chart, Kind, Picture, Plot, PlotAxis, PlotPoint, Scale, Segment, Series};
use process::Rebuilt;
pub(super) use process::refusals::sentences as refusals;
use sections::SLOW;
pub(super) use sections::{CAVEATS, IN_SHORT, LEGEND, ON_DEMAND};
pub use sections::{Section, section_names};
pub use shape::shape;
pub use table::{Alignment, Block, Column, Entry, Table};
pub(super) use trace::names as traced;
pub(super) use trace::offences;

/// The sentences that a report begins with; more of them follow its tables.
const IN_FRONT: usize = 3;

/// The verdict where no sentence is supported.
const NOTHING: &str = "Nothing can be said in short.";

/// What a view answers: the tables in the order of reading, and what they say in a few
/// sentences, the most useful first.
type Answers = (Vec<Section>, Vec<String>);

/// The whole report: the verdict, the tables, the method, caveats, run and legend.
/// Sections that have nothing to say are among them, empty.
pub fn sections(stored: &Stored) -> Vec<Section> {
    match stored {
        Stored::Run(document) => of_run(document),
        Stored::Comparison(comparison) => compare::sections(comparison),
    }
}

fn of_run(document: &Document) -> Vec<Section> {
    let mut footnotes = Footnotes::default();
    let (answers, words) = answers(document, &mut footnotes);
    let mut caveats = closing::caveats(document, &footnotes);
    let mut method = header::lines(document);
    let mut run = closing::run(document);
    // What is told of a watched program comes from two runs where remedies were tried.
    let measured = advised(document).unwrap_or(document);
    if let Some(advice) = advised(document) {
        caveats.extend(closing::caveats(advice, &footnotes));
        method.extend(header::lines_beside(advice));
        run.extend(closing::run(advice));
    }
    let rebuilt = Rebuilt::of(measured);
    let of_shape = rebuilt.map(|rebuilt| rebuilt.caveats()).unwrap_or_default();
    caveats.splice(0..0, of_shape);
    let slow = Section::table(SLOW, slow::table(measured));
    let explained = answers.iter().chain([&slow]);
    let legend = closing::legend(closing::figures(&measured.findings), explained);
    let [verdict, further] = in_short(words);
    let mut sections = vec![verdict];
    sections.extend(answers);
    sections.extend([
        further,
        Section::lines("method", "How it was measured", method),
        Section::lines(CAVEATS, "Caveats", caveats),
        Section::lines("run", "Run", run),
        slow,
        legend,
    ]);
    sections
}

/// The result of the remedies that were tried on what a watched program spawns from.
fn advised(document: &Document) -> Option<&Document> {
    trace::advised(document.findings.trace()?)
}

/// The sentences that come first, and those that follow the tables.
fn in_short(mut words: Vec<String>) -> [Section; 2] {
    let further = words.split_off(words.len().min(IN_FRONT));
    if words.is_empty() {
        words.push(NOTHING.to_owned());
    }
    [
        Section::lines(IN_SHORT, "In short", words),
        Section::lines("further", "Further", further),
    ]
}

/// The answers of a run. Findings of another kind than was ordered say nothing.
fn answers(document: &Document, footnotes: &mut Footnotes) -> Answers {
    let sizes = Sizes::of(document);
    match &document.findings {
        Findings::Sweep { .. } => sweep::answers(document, &sizes, footnotes),
        Findings::Explanation(explanation) => {
            Explained::of(document, explanation, &sizes).answers(&sizes, footnotes)
        }
        Findings::Reproduction(study) => reproduce::answers(document, study, footnotes),
        Findings::Card(card) => Charged::of(document, card)
            .map(|charged| charged.answers(footnotes))
            .unwrap_or_default(),
        Findings::Process(process) => {
            let (mut sections, mut words) = Rebuilt::of(document)
                .map(|rebuilt| rebuilt.explained(footnotes))
                .unwrap_or_default();
            if let Some(ledger) = &process.ledger {
                let explained = Explained::of(document, ledger, &sizes);
                let (apart, more) = explained.answers(&sizes, footnotes);
                sections.extend(apart);
                words.extend(more);
            }
            (sections, words)
        }
        Findings::Advice(_) => Rebuilt::of(document)
            .map(|rebuilt| advise::answers(&rebuilt, footnotes))
            .unwrap_or_default(),
        Findings::Trace(trace) => trace::answers(document, trace, footnotes),
    }
}

/// The picture of a result, or why there is none.
///
/// # Errors
/// The reason for which what is to be drawn is missing.
pub fn picture(stored: &Stored) -> Result<Picture, Missing> {
    let nothing = || Missing::not_asked("there is no picture of it");
    let document = match stored {
        Stored::Run(document) => document,
        Stored::Comparison(_) => return Err(nothing()),
    };
    match &document.findings {
        Findings::Sweep { .. } => Err(nothing()),
        Findings::Explanation(found) => explain::chart(document, found).map(Picture::Bars),
        Findings::Reproduction(study) => reproduce::picture(document, study),
        Findings::Card(card) => Charged::of(document, card)
            .ok_or_else(nothing)
            .and_then(|charged| charged.picture()),
        Findings::Process(_) => Rebuilt::of(document)
            .ok_or_else(nothing)
            .and_then(|rebuilt| rebuilt.picture_of_blame()),
        Findings::Advice(_) => Rebuilt::of(document)
            .ok_or_else(nothing)
            .and_then(|rebuilt| advise::picture(&rebuilt)),
        Findings::Trace(trace) => {
            trace::plot(trace, header::of_picture(document)).map(Picture::Lines)
        }
    }
}
