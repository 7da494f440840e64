//! What `explain` found out about one address space, as tables and sentences:
//! one file an answer.
//!
//! A part that a method lacks has no column there; why it is missing is told
//! once, below all tables.

mod chart;
mod faults;
mod ledger;
mod mechanisms;
mod names;
mod page_tables;
mod rewriting;
mod tree;
mod words;

pub(super) use chart::chart;

use crate::analysis::explain::Explained;
use crate::analysis::sweep::Sizes;
use crate::model::{Availability, MethodExplained, MissingKind, SpawnMethod};

use super::footnotes::Footnotes;
use super::sweep::time;
use super::table::Table;
use super::{Answers, Section};

/// A part of the explanation, of each method that has it.
type Found<'a, T> = Vec<(SpawnMethod, &'a T)>;

impl<'a> Explained<'a> {
    /// The tables and drawings in the order of reading, and what they say in a
    /// few sentences. All reasons for gaps are among the footnotes afterwards.
    pub(super) fn answers(&self, sizes: &Sizes<'_>, footnotes: &mut Footnotes) -> Answers {
        let mut absent = Footnotes::default();
        let mut sections = Vec::new();
        if !self.explanation.cells.is_empty() {
            let make = |notes: &mut Footnotes| time::table(self.document, sizes, notes);
            sections.push(self.table("time", footnotes, make));
        }
        let ledgers = self.found("where the time goes", |method| &method.ledger, &mut absent);
        if !ledgers.is_empty() {
            let make = |notes: &mut Footnotes| ledger::table(self, &ledgers, notes);
            sections.push(self.table("ledger", footnotes, make));
        }
        let name = "what the kernel does";
        for (method, found) in self.found(name, |method| &method.mechanisms, &mut absent) {
            sections.push(Section::table(
                "mechanisms",
                mechanisms::table(method, found),
            ));
        }
        let faults = self.found("page faults", |method| &method.faults, &mut absent);
        if !faults.is_empty() {
            sections.push(self.table("faults", footnotes, |_| faults::table(&faults)));
        }
        sections.extend(page_tables::sections(self, footnotes, &mut absent));
        let rewritten = self.rewritten(&mut absent);
        if !rewritten.is_empty() {
            let make = |notes: &mut Footnotes| rewriting::table(self, &rewritten, notes);
            sections.push(self.table("rewriting", footnotes, make));
        }
        let not_found = absent.lines(self.document);
        sections.push(Section::lines("not-found", "Not found out", not_found));
        footnotes.absorb(absent);
        (sections, words::sentences(self))
    }

    /// A table with footnotes of its own under its other notes.
    fn table(
        &self,
        name: &'static str,
        footnotes: &mut Footnotes,
        make: impl FnOnce(&mut Footnotes) -> Table,
    ) -> Section {
        let mut own = Footnotes::default();
        let mut table = make(&mut own);
        table.notes.extend(own.lines(self.document));
        footnotes.absorb(own);
        Section::table(name, table)
    }

    /// The methods that have a part; of the others, the reason is noted.
    fn found<T>(
        &self,
        name: &str,
        part: fn(&MethodExplained) -> &Availability<T>,
        absent: &mut Footnotes,
    ) -> Found<'a, T> {
        let mut found = Vec::new();
        for method in &self.explanation.methods {
            match part(method) {
                Availability::Measured(part) => found.push((method.method, part)),
                Availability::Missing(missing) => {
                    absent.missing(missing, name, Some(method.method));
                }
            }
        }
        found
    }

    /// The same for the hidden tax, which is no gap where nobody asked for it.
    fn rewritten(&self, absent: &mut Footnotes) -> Found<'a, crate::model::Rewriting> {
        let plan = self.document.plan.order.explain();
        let unasked = plan.is_some_and(|plan| plan.rewrite_pages == 0)
            && self.explanation.methods.iter().all(|method| {
                let missing = method.rewriting.missing();
                missing.is_some_and(|missing| missing.missing == MissingKind::NotAsked)
            });
        if unasked {
            return Vec::new();
        }
        self.found("the hidden tax", |method| &method.rewriting, absent)
    }
}
