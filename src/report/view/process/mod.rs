//! What was found out in workers of the shape of a process, as tables and sentences:
//! one file an answer.
//!
//! An explanation says what a fork pays for and whose that is. An advice, beside it, shows
//! the same spawns and likeness.

mod bounds;
mod charge;
pub(super) mod chart;
pub(super) mod figures;
mod free;
mod groups;
mod ladder;
pub(super) mod likeness;
mod names;
mod origin;
mod quota;
mod recognised;
pub(in crate::report) mod refusals;
mod reservations;
mod rewriting;
pub(super) mod spawns;
pub(super) mod words;

pub(super) use names::content;
pub(super) use origin::{cpus, has, lines as origin};
pub(super) use recognised::{sentences as recognised, started};
pub(super) use reservations::{around, reservation};

use crate::analysis::sweep::times_as_long;
use crate::model::{
    Availability, Blame, Document, Findings, Missing, ProcessRole, ProcessTrial, Remedy, Replica,
    ReplicaOrder, Rewritten, SpawnMethod, TrialCell,
};
use crate::report::view::footnotes::Footnotes;
use crate::report::view::picture::Picture;
use crate::report::view::table::Table;
use crate::report::view::{Answers, Section};
use crate::stats::Estimate;

/// A rebuilt process with the order for it.
pub(super) struct Rebuilt<'a> {
    pub(super) document: &'a Document,
    pub(super) order: &'a ReplicaOrder,
    replica: &'a Replica,
    /// Whose the cost is, of an explanation.
    blame: Option<&'a Availability<Blame>>,
    /// What writing again costs, of an explanation.
    rewritten: &'a [Rewritten],
    /// What was tried, of an advice.
    pub(super) remedies: &'a [Remedy],
}

impl<'a> Rebuilt<'a> {
    /// `None` if the document rebuilds no process.
    pub(super) fn of(document: &'a Document) -> Option<Self> {
        let (replica, process, remedies) = match &document.findings {
            Findings::Process(process) => (&process.replica, Some(process), &[][..]),
            Findings::Advice(advice) => (&advice.replica, None, advice.remedies.as_slice()),
            Findings::Sweep { .. }
            | Findings::Explanation(_)
            | Findings::Reproduction(_)
            | Findings::Card(_)
            | Findings::Trace(_) => return None,
        };
        Some(Self {
            document,
            order: document.plan.order.replica()?,
            replica,
            blame: process.map(|process| &process.blame),
            rewritten: process.map_or(&[], |process| &process.rewritten),
            remedies,
        })
    }

    /// The tables of an explanation in the order of reading, and what they say in a few
    /// sentences.
    pub(super) fn explained(&self, footnotes: &mut Footnotes) -> Answers {
        let mut sections =
            vec![self.table("spawns", footnotes, |notes| spawns::table(self, notes))];
        if let Some(blame) = self.blame() {
            sections.extend([
                self.table("costs", footnotes, |notes| {
                    ladder::table(self, blame, notes)
                }),
                self.table("charged", footnotes, |notes| {
                    groups::costs(self, blame, notes)
                }),
                self.table("contents", footnotes, |notes| {
                    groups::contents(blame, notes)
                }),
                self.table("free", footnotes, |notes| free::table(blame, notes)),
            ]);
        }
        let rewriting = self.table("rewriting", footnotes, |notes| {
            rewriting::table(self, notes)
        });
        sections.push(rewriting);
        sections.push(self.table("likeness", footnotes, |notes| likeness::table(self, notes)));
        let not_found = self.not_found(footnotes);
        sections.push(Section::lines("not-found", "Not found out", not_found));
        (sections, words::sentences(self))
    }

    /// What a reader must know of the shape before trusting the figures.
    pub(super) fn caveats(&self) -> Vec<String> {
        reservations::lines(self)
    }

    /// Whose the cost is as a picture, or why there is none.
    pub(super) fn picture_of_blame(&self) -> Result<Picture, Missing> {
        chart::blame(self).map(Picture::Bars)
    }

    /// A table with footnotes of its own under its other notes.
    pub(super) fn table(
        &self,
        name: &'static str,
        footnotes: &mut Footnotes,
        make: impl FnOnce(&mut Footnotes) -> Table,
    ) -> Section {
        Section::table(name, footnotes.under(self.document, make))
    }

    /// Why the cost could not be shared out, and writing again not be told, where that was
    /// asked for.
    fn not_found(&self, footnotes: &mut Footnotes) -> Vec<String> {
        let mut absent = Footnotes::default();
        if let Some(missing) = self.blame.and_then(Availability::missing) {
            absent.missing(missing, "what a fork pays for, whose it is", None);
        }
        for row in self.rewritten {
            if let Some(missing) = row.rewriting.missing() {
                absent.missing(missing, "the hidden tax", Some(row.method));
            }
        }
        let told = absent.lines(self.document);
        footnotes.absorb(absent);
        told
    }

    /// Whether the workers have a part of the shape.
    fn is_part(&self) -> bool {
        self.order.scale.is_part()
    }

    fn blame(&self) -> Option<&'a Blame> {
        self.blame?.measured()
    }

    fn trial(&self, role: ProcessRole) -> Option<&'a ProcessTrial> {
        self.replica.trials.iter().find(|trial| trial.role == role)
    }

    /// One method's spawns from the whole shape.
    pub(super) fn whole(&self, method: SpawnMethod) -> Option<&'a TrialCell> {
        let mut cells = self.trial(ProcessRole::Whole)?.cells.iter();
        cells.find(|cell| cell.method == method)
    }

    /// What the total of a method is as a multiple of another's, turn by turn.
    fn multiple(&self, method: SpawnMethod, of: SpawnMethod) -> Option<Estimate> {
        let (cell, base) = (self.whole(method)?, self.whole(of)?);
        times_as_long(&self.document.plan, &cell.samples, &base.samples)?.sound()
    }
}
