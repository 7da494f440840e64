//! A table in the making: each column says what it shows of a row.

use crate::model::{Availability, Missing, SpawnMethod};

use super::footnotes::Footnotes;
use super::number::integer;
use super::table::{Column, Entry, Table};

/// What a column shows of a row, or why it shows nothing.
pub(super) enum Cell {
    Shown(Entry),
    Missing(Missing, Option<Place>),
}

/// Under which name a footnote tells of a missing figure: the figure's, and the method
/// that it is of.
pub(super) type Place = (String, Option<SpawnMethod>);

impl Cell {
    /// A missing figure that the footnotes know under a name of its own.
    pub(super) fn missing(why: Missing, name: &str, method: Option<SpawnMethod>) -> Self {
        Self::Missing(why, Some((name.to_owned(), method)))
    }

    /// A figure that the footnotes, if it is missing, know under a name of its own.
    pub(super) fn named(
        found: Availability<impl Into<Self>>,
        name: &str,
        method: Option<SpawnMethod>,
    ) -> Self {
        match found {
            Availability::Measured(shown) => shown.into(),
            Availability::Missing(why) => Self::missing(why, name, method),
        }
    }
}

impl From<Entry> for Cell {
    fn from(entry: Entry) -> Self {
        Self::Shown(entry)
    }
}

impl From<&str> for Cell {
    fn from(name: &str) -> Self {
        name.to_owned().into()
    }
}

impl From<String> for Cell {
    fn from(name: String) -> Self {
        Entry::Name(name).into()
    }
}

/// A count.
impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Entry::exact(integer(count)).into()
    }
}

/// Nothing to say is a blank.
impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(shown: Option<T>) -> Self {
        shown.map_or(Self::Shown(Entry::Blank), Into::into)
    }
}

impl<T: Into<Cell>> From<Availability<T>> for Cell {
    fn from(found: Availability<T>) -> Self {
        match found {
            Availability::Measured(shown) => shown.into(),
            Availability::Missing(why) => Self::Missing(why, None),
        }
    }
}

/// Where a figure of a row is missing, by its column.
type Placer<'a, R> = Box<dyn Fn(&R, &Column) -> Place + 'a>;

/// The columns of a table, from left to right.
pub(super) struct Grid<'a, R> {
    columns: Vec<Shower<'a, R>>,
    place: Placer<'a, R>,
}

struct Shower<'a, R> {
    column: Column,
    show: Box<dyn Fn(&R) -> Cell + 'a>,
    /// Whether it is blank where it would repeat the row above.
    once: bool,
}

impl<'a, R> Grid<'a, R> {
    /// Without a column. Footnotes name a missing figure by its column.
    pub(super) fn new() -> Self {
        Self {
            columns: Vec::new(),
            place: Box::new(|_, column| (column.term(), None)),
        }
    }

    /// Footnotes say of which method a figure is missing, too.
    pub(super) fn by_method(self, method: impl Fn(&R) -> SpawnMethod + 'a) -> Self {
        self.placed(move |row, column| (column.term(), Some(method(row))))
    }

    /// Footnotes know what is missing under these names.
    pub(super) fn placed(mut self, place: impl Fn(&R, &Column) -> Place + 'a) -> Self {
        self.place = Box::new(place);
        self
    }

    /// Adds a column.
    pub(super) fn column<C: Into<Cell>>(self, column: Column, show: impl Fn(&R) -> C + 'a) -> Self {
        self.add(column, show, false)
    }

    /// Adds a column that is blank where it would repeat the row above.
    pub(super) fn once<C: Into<Cell>>(self, column: Column, show: impl Fn(&R) -> C + 'a) -> Self {
        self.add(column, show, true)
    }

    fn add<C: Into<Cell>>(
        mut self,
        column: Column,
        show: impl Fn(&R) -> C + 'a,
        once: bool,
    ) -> Self {
        self.columns.push(Shower {
            column,
            show: Box::new(move |row| show(row).into()),
            once,
        });
        self
    }

    /// The table; what is missing from it is noted.
    pub(super) fn table(
        self,
        title: impl Into<String>,
        rows: impl IntoIterator<Item = R>,
        notes: &mut Footnotes,
    ) -> Table {
        let mut above: Vec<Entry> = Vec::new();
        let mut shown = Vec::new();
        for row in rows {
            let entries = self.entries(&row, notes);
            let mut fresh = entries.clone();
            for (index, entry) in fresh.iter_mut().enumerate() {
                if self.columns[index].once && above.get(index) == Some(entry) {
                    *entry = Entry::Blank;
                }
            }
            shown.push(fresh);
            above = entries;
        }
        Table {
            title: title.into(),
            columns: self
                .columns
                .into_iter()
                .map(|shower| shower.column)
                .collect(),
            rows: shown,
            rules: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn entries(&self, row: &R, notes: &mut Footnotes) -> Vec<Entry> {
        let entry = |shower: &Shower<'_, R>| match (shower.show)(row) {
            Cell::Shown(entry) => entry,
            Cell::Missing(why, place) => {
                let (name, method) = place.unwrap_or_else(|| (self.place)(row, &shower.column));
                notes.missing(&why, &name, method)
            }
        };
        self.columns.iter().map(entry).collect()
    }
}
