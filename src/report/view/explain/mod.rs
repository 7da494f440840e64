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
pub(super) mod rewriting;
mod tree;
mod waits;
mod words;

pub(super) use chart::chart;

use crate::analysis::explain::Explained;
use crate::analysis::sweep::Sizes;
use crate::model::{
    Availability, MethodExplained, MissingKind, Rewriting, SpawnMethod, ThreadWaits,
};

use super::footnotes::Footnotes;
use super::sweep::time;
use super::table::Table;
use super::{Answers, Section};

/// A part of the explanation, of each method that has it.
type Found<'a, T> = Vec<(SpawnMethod, &'a T)>;

/// "fork 10, vfork 12": a word on each.
fn by_method<T>(found: &Found<'_, T>, word: impl Fn(&T) -> String) -> String {
    let words = found.iter();
    let words = words.map(|(method, part)| format!("{} {}", method.name(), word(part)));
    words.collect::<Vec<_>>().join(", ")
}

impl<'a> Explained<'a> {
    /// The tables and drawings in the order of reading, and what they say in a
    /// few sentences. All reasons for gaps are among the footnotes afterwards.
    pub(super) fn answers(&self, sizes: &Sizes<'_>, footnotes: &mut Footnotes) -> Answers {
        let mut absent = Footnotes::default();
        let ledgers = self.found("where the time goes", |method| &method.ledger, &mut absent);
        let name = "what the kernel does";
        let sampled = self.found(name, |method| &method.mechanisms, &mut absent);
        let faults = self.found("page faults", |method| &method.faults, &mut absent);
        let tables = &self.explanation.page_tables;
        if let Availability::Missing(missing) = tables {
            absent.missing(missing, "page tables", None);
        }
        let rewritten = self.rewritten(&mut absent);
        let waits = self.waited(&mut absent);

        let mut table = |name, make: &dyn Fn(&mut Footnotes) -> Table| {
            Section::table(name, footnotes.under(self.document, make))
        };
        let mut sections = vec![table("time", &|notes| {
            time::table(self.document, sizes, notes)
        })];
        if !ledgers.is_empty() {
            sections.push(table("ledger", &|notes| {
                ledger::table(self, &ledgers, notes)
            }));
        }
        sections.extend(sampled.into_iter().map(|(method, found)| {
            table("mechanisms", &|notes| {
                mechanisms::table(method, found, notes)
            })
        }));
        sections.push(table("faults", &|notes| faults::table(&faults, notes)));
        if let Availability::Measured(tables) = tables {
            let before = &self.explanation.page_tables_before;
            sections.extend([
                table("mapped", &|notes| {
                    page_tables::mapped(tables, before, notes)
                }),
                table("page-tables", &|notes| {
                    page_tables::by_level(tables, before, notes)
                }),
            ]);
            let tree = tables.tree.as_ref();
            sections.extend(tree.map(|tree| Section::new("tree", tree::drawing(tree, tables))));
        }
        sections.push(table("rewriting", &|notes| {
            rewriting::table(self, &rewritten, notes)
        }));
        if !waits.is_empty() {
            sections.push(table("waits", &|notes| waits::table(&waits, notes)));
        }
        let not_found = absent.lines(self.document);
        sections.push(Section::lines("not-found", "Not found out", not_found));
        footnotes.absorb(absent);
        (sections, words::sentences(self))
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

    /// The same for what another thread waits for.
    fn waited(&self, absent: &mut Footnotes) -> Found<'a, ThreadWaits> {
        let mut methods = self.explanation.methods.iter();
        let is_asked = methods.any(|method| {
            let missing = method.waits.missing();
            missing.is_none_or(|missing| missing.missing != MissingKind::NotAsked)
        });
        match is_asked {
            true => self.found("another thread's waits", |method| &method.waits, absent),
            false => Vec::new(),
        }
    }

    /// The same for the hidden tax, which is no gap where nobody asked for it.
    fn rewritten(&self, absent: &mut Footnotes) -> Found<'a, Rewriting> {
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
