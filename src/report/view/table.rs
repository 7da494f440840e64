//! The typed table: what a view says and a renderer lays out.
//!
//! Entries stay structured until a renderer pads them, so that figures line up
//! at their `±` in text and stay free of padding in Markdown.

/// A piece of the report.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// A heading with a table under it.
    Table(Table),
    /// Lines of prose under a heading, each to be wrapped on its own.
    Lines {
        /// The heading; empty for none.
        title: String,
        /// The lines.
        lines: Vec<String>,
    },
    /// Lines that are shown as they are, in type of one width.
    Drawing {
        /// The heading.
        title: String,
        /// The lines.
        lines: Vec<String>,
    },
    /// Terms and what they mean.
    Legend {
        /// The heading.
        title: String,
        /// Each term with its meaning.
        terms: Vec<(String, String)>,
    },
}

impl Block {
    /// Rows, lines or terms; what has none is not shown.
    pub(in crate::report) fn len(&self) -> usize {
        match self {
            Self::Table(table) => table.rows.len(),
            Self::Lines { lines, .. } | Self::Drawing { lines, .. } => lines.len(),
            Self::Legend { terms, .. } => terms.len(),
        }
    }

    /// Adds a line to prose.
    pub(in crate::report) fn say(&mut self, line: String) {
        if let Self::Lines { lines, .. } = self {
            lines.push(line);
        }
    }
}

/// A table with a heading, and footnotes under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The heading.
    pub title: String,
    /// The columns, from left to right.
    pub columns: Vec<Column>,
    /// The rows; each has an entry for every column.
    pub rows: Vec<Vec<Entry>>,
    /// The rows before which a rule is drawn, where the medium has rules.
    pub rules: Vec<usize>,
    /// Lines under the table.
    pub notes: Vec<String>,
}

impl Table {
    /// What its columns mean that have an entry in some row.
    pub(super) fn legend(&self) -> impl Iterator<Item = (String, String)> {
        let is_used = |index: &usize| {
            let mut entries = self.rows.iter().filter_map(|row| row.get(*index));
            entries.any(|entry| *entry != Entry::Blank)
        };
        let columns = self.columns.iter().enumerate();
        let used = columns.filter(move |(index, _)| is_used(index));
        used.filter_map(|(_, column)| column.legend.clone())
    }

    /// The same table with rules before these rows.
    pub(super) fn ruled(mut self, rules: impl IntoIterator<Item = usize>) -> Self {
        self.rules.extend(rules);
        self
    }

    /// The same table with lines under it.
    pub(super) fn noting(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }
}

/// Where the entries of a column stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// Names.
    Left,
    /// Numbers.
    Right,
}

/// A column's head and its behaviour.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The first line of the head.
    pub header: String,
    /// The second line: the unit in parentheses, or the rest of the name.
    pub subheader: String,
    /// Where the entries stand.
    pub alignment: Alignment,
    /// Whether the column names the row, and so is repeated in each part of a
    /// table that is too wide for its medium.
    pub key: bool,
    /// Whether its intervals go first when the table is too wide.
    pub yields: bool,
    /// Whether its entries are lists, which may be broken after a comma when
    /// the table is too wide. Only a last column wraps.
    pub wraps: bool,
    /// A term and what it means, where the head does not say it.
    pub legend: Option<(String, String)>,
}

impl Column {
    /// A column of names that identifies the row.
    pub fn name(header: &str) -> Self {
        Self {
            alignment: Alignment::Left,
            ..Self::key(header)
        }
    }

    /// A column of words that identifies no row.
    pub(super) fn words(header: &str) -> Self {
        Self {
            alignment: Alignment::Left,
            ..Self::number(header, "")
        }
    }

    /// A column of numbers that identifies the row.
    pub(super) fn key(header: &str) -> Self {
        Self {
            key: true,
            ..Self::number(header, "")
        }
    }

    /// A last column of lists.
    pub(super) fn list(header: &str, subheader: &str) -> Self {
        Self {
            alignment: Alignment::Left,
            wraps: true,
            ..Self::number(header, subheader)
        }
    }

    /// A column of numbers.
    pub fn number(header: &str, subheader: &str) -> Self {
        Self {
            header: header.to_owned(),
            subheader: subheader.to_owned(),
            alignment: Alignment::Right,
            key: false,
            yields: false,
            wraps: false,
            legend: None,
        }
    }

    /// The same column, which gives up its intervals where room is short.
    pub(super) fn yielding(mut self) -> Self {
        self.yields = true;
        self
    }

    /// The same column, explained under its own name.
    pub(super) fn explained(self, legend: impl Into<String>) -> Self {
        let term = self.term();
        self.explained_as(&term, legend)
    }

    /// The same column, explained under a name for several columns.
    pub(super) fn explained_as(mut self, term: &str, legend: impl Into<String>) -> Self {
        self.legend = Some((term.to_owned(), legend.into()));
        self
    }

    /// The head in one line.
    pub fn full_header(&self) -> String {
        format!("{} {}", self.header, self.subheader)
            .trim()
            .to_owned()
    }

    /// The head without a unit: what prose calls the column.
    pub fn term(&self) -> String {
        let head = self.full_header();
        match head.split_once(" (") {
            Some((name, _unit)) => name.to_owned(),
            None => head,
        }
    }
}

/// One entry of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Nothing to say here: the row above says it, or it makes no sense.
    Blank,
    /// A name.
    Name(String),
    /// A figure, formatted in its column's unit.
    Figure {
        /// The value.
        value: String,
        /// The farther end of its interval, as a distance.
        half_width: Option<String>,
    },
    /// No figure; the table's notes give the reason.
    Missing,
}

impl Entry {
    /// A figure that is exact.
    pub fn exact(value: String) -> Self {
        Self::Figure {
            value,
            half_width: None,
        }
    }

    /// The entry in one line, without padding.
    pub fn plain(&self) -> String {
        match self {
            Self::Blank => String::new(),
            Self::Name(name) => name.clone(),
            Self::Figure { value, half_width } => half_width
                .as_ref()
                .map_or_else(|| value.clone(), |half| format!("{value} ±{half}")),
            Self::Missing => "n/a".to_owned(),
        }
    }
}
