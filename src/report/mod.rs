//! The report: from a document to text, as a pure function.
//!
//! A [`view`] answers a question from the document and gives typed tables and
//! lines; a renderer turns those into bytes. Nothing here measures, prints,
//! or opens a file, and no document, however partial, makes it panic.

mod parse;
mod render;
pub mod view;

use std::io;

use crate::model::Document;

pub use parse::parse;

/// What a report can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Plain text for a terminal of 100 columns.
    Table,
    /// GitHub's Markdown.
    Markdown,
    /// One flat table, a row a cell, in base units.
    Csv,
    /// The document itself.
    Json,
}

impl Format {
    /// Every format, in the order in which help texts name them.
    pub const ALL: [Self; 4] = [Self::Table, Self::Markdown, Self::Csv, Self::Json];

    /// The name as typed on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Markdown => "markdown",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// What the names of files in this format end with.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Table => "txt",
            Self::Markdown => "md",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The format of files with that extension, in either case.
    pub fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.extension().eq_ignore_ascii_case(extension))
    }
}

/// Why a document could not be read or a report not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The document's bytes could not be had.
    #[error("cannot read the document")]
    Read(#[source] io::Error),
    /// The bytes are no JSON, or end too early.
    #[error("the document is broken JSON: {0}; was it cut off or edited?")]
    Broken(#[source] serde_json::Error),
    /// The bytes are JSON of another kind.
    #[error("the JSON is not a forktax document: {0}")]
    Foreign(#[source] serde_json::Error),
    /// The document has a schema that this program does not know.
    #[error(
        "the document has schema version {found}, but this program reads version {known}; \
         use the forktax version that wrote it or a newer one"
    )]
    SchemaVersion {
        /// The document's.
        found: u64,
        /// This program's.
        known: u32,
    },
    /// A renderer failed.
    #[error("cannot write the report as {format}")]
    Render {
        /// The format's name.
        format: &'static str,
        /// What failed.
        #[source]
        source: io::Error,
    },
}

/// The whole report of a document, ready to be written.
pub fn render(document: &Document, format: Format) -> Result<Vec<u8>, ReportError> {
    let bytes = match format {
        Format::Table => render::text(&view::blocks(document)),
        Format::Markdown => Ok(render::markdown(&view::blocks(document)).into_bytes()),
        Format::Csv => render::csv(document),
        Format::Json => render::json(document),
    };
    bytes.map_err(|source| ReportError::Render {
        format: format.name(),
        source,
    })
}
