//! Footnotes: why figures are missing, each reason once.

use crate::model::{Availability, Document, Missing, SpawnMethod};

use super::number::Unit;
use super::table::{Column, Entry};

/// More columns than this are not listed one by one.
const LISTED: usize = 4;

/// Collects the reasons while the tables are made.
#[derive(Default)]
pub(super) struct Footnotes {
    notes: Vec<Note>,
}

/// One reason, and where it applies.
struct Note {
    missing: Missing,
    columns: Vec<String>,
    methods: Vec<SpawnMethod>,
}

impl Footnotes {
    /// The entry of a figure; if it is missing, the reason is noted.
    pub(super) fn entry(
        &mut self,
        figure: &Availability<f64>,
        ci95: Option<[f64; 2]>,
        unit: Unit,
        column: &Column,
        method: SpawnMethod,
    ) -> Entry {
        match figure {
            Availability::Measured(value) => unit.entry(*value, ci95),
            Availability::Missing(missing) => {
                self.note(missing, column.term(), method);
                Entry::Missing
            }
        }
    }

    fn note(&mut self, missing: &Missing, column: String, method: SpawnMethod) {
        let known = self.notes.iter().position(|note| note.missing == *missing);
        let index = known.unwrap_or_else(|| {
            self.notes.push(Note {
                missing: missing.clone(),
                columns: Vec::new(),
                methods: Vec::new(),
            });
            self.notes.len() - 1
        });
        let note = &mut self.notes[index];
        if !note.columns.contains(&column) {
            note.columns.push(column);
        }
        if !note.methods.contains(&method) {
            note.methods.push(method);
        }
    }

    /// Whether a reason is among the footnotes.
    pub(super) fn names(&self, reason: &str) -> bool {
        self.notes.iter().any(|note| note.missing.reason == reason)
    }

    /// One line a reason.
    pub(super) fn lines(&self, document: &Document) -> Vec<String> {
        self.notes.iter().map(|note| note.line(document)).collect()
    }
}

impl Note {
    fn line(&self, document: &Document) -> String {
        let mut line = "n/a: ".to_owned();
        let everywhere = document
            .cells
            .iter()
            .all(|cell| self.methods.contains(&cell.method));
        if !everywhere || document.plan.methods.len() == 1 {
            let names: Vec<&str> = self.methods.iter().map(|method| method.name()).collect();
            line += &format!("{}: ", names.join(", "));
        }
        if everywhere || self.columns.len() <= LISTED {
            line += &format!("{}: ", self.columns.join(", "));
        }
        line += &self.missing.reason;
        if let Some(remedy) = &self.missing.remedy {
            line += &format!("; {remedy}");
        }
        line
    }
}
