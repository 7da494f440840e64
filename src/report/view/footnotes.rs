//! Footnotes: why figures are missing, each reason once.

use crate::model::{Document, Missing, SpawnMethod};

use super::table::{Entry, Table};

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
    /// The entry of a figure that is missing; the reason is noted.
    pub(super) fn missing(
        &mut self,
        missing: &Missing,
        name: &str,
        method: Option<SpawnMethod>,
    ) -> Entry {
        let known = self.notes.iter().position(|note| note.missing == *missing);
        let index = known.unwrap_or_else(|| {
            self.notes.push(Note {
                missing: missing.clone(),
                columns: Vec::new(),
                methods: Vec::new(),
            });
            self.notes.len() - 1
        });
        let Note {
            columns, methods, ..
        } = &mut self.notes[index];
        if !columns.iter().any(|column| column == name) {
            columns.push(name.to_owned());
        }
        methods.extend(method.filter(|method| !methods.contains(method)));
        Entry::Missing
    }

    /// A table with the reasons for its gaps under its other notes.
    pub(super) fn under(
        &mut self,
        document: &Document,
        make: impl FnOnce(&mut Self) -> Table,
    ) -> Table {
        self.noted(make, |own, _| own.lines(document))
    }

    /// The same of a table that follows others of the same rows: what was told below
    /// those is not told again.
    pub(super) fn under_next(
        &mut self,
        document: &Document,
        make: impl FnOnce(&mut Self) -> Table,
    ) -> Table {
        self.noted(make, |own, told| own.lines_after(told, document))
    }

    fn noted(
        &mut self,
        make: impl FnOnce(&mut Self) -> Table,
        lines: impl FnOnce(&Self, &Self) -> Vec<String>,
    ) -> Table {
        let mut own = Self::default();
        let table = make(&mut own);
        let lines = lines(&own, self);
        self.absorb(own);
        table.noting(lines)
    }

    /// Takes in the reasons of another table, so that [`Self::names`] knows them.
    pub(super) fn absorb(&mut self, other: Self) {
        self.notes.extend(other.notes);
    }

    /// Whether a reason is among the footnotes.
    pub(super) fn names(&self, reason: &str) -> bool {
        self.notes.iter().any(|note| note.missing.reason == reason)
    }

    /// One line a reason.
    pub(super) fn lines(&self, document: &Document) -> Vec<String> {
        self.lines_after(&Self::default(), document)
    }

    /// The same below a table that follows others of the same rows: what was told
    /// below those is not told again.
    fn lines_after(&self, told: &Self, document: &Document) -> Vec<String> {
        let is_told = |note: &Note| {
            let mut told = told
                .notes
                .iter()
                .filter(|told| told.missing == note.missing);
            told.any(|told| note.columns.iter().all(|name| told.columns.contains(name)))
        };
        let line = |note: &Note| {
            if is_told(note) {
                note.place(document) + "as above"
            } else {
                note.place(document) + &note.missing.in_words()
            }
        };
        self.notes.iter().map(line).collect()
    }
}

impl Note {
    /// Where it applies, as the beginning of a line.
    fn place(&self, document: &Document) -> String {
        let mut line = "n/a: ".to_owned();
        let nobodys = self.methods.is_empty();
        let everywhere = nobodys
            || document
                .findings
                .cells()
                .iter()
                .all(|cell| self.methods.contains(&cell.method));
        if !nobodys && (!everywhere || document.plan.methods.len() == 1) {
            let names: Vec<&str> = self.methods.iter().map(|method| method.name()).collect();
            line += &format!("{}: ", names.join(", "));
        }
        if everywhere || self.columns.len() <= LISTED {
            line += &format!("{}: ", self.columns.join(", "));
        }
        line
    }
}
