//! The report: from a document to text, as a pure function.
//!
//! A [`view`] answers a question from the document and gives typed tables and
//! lines; a renderer turns those into bytes. Nothing here measures, prints,
//! or opens a file, and no document, however partial, makes it panic.

mod format;
mod parse;
mod record;
mod render;
mod schema;
mod shown;
pub mod view;

use std::io;

use crate::model::{Missing, ProcessShape, Stored};
use crate::units::ForeignError;

pub use format::{Format, Subject};
pub use parse::parse;
pub use record::{Record, records};
pub use schema::Contract;
pub use shown::{Legend, Shown, WIDTH};

/// Why a document could not be read or a report not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// What is read from no file.
    #[error(transparent)]
    Refused(#[from] ForeignError),
    /// The bytes are no JSON, or end too early.
    #[error("the document is broken JSON: {0}; was it cut off or edited?")]
    Broken(String),
    /// The bytes are JSON of another kind.
    #[error("the JSON is not a forktax document: {0}")]
    Foreign(String),
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
    /// The document's findings are not those that its plan orders.
    #[error("the document's findings are not what its plan orders; was it edited?")]
    Unordered,
    /// A picture was asked of a result that has no such one.
    #[error(
        "{subject} cannot be shown as {format}: {made_by} makes results that can; \
         write {subject} as {others}"
    )]
    NoPicture {
        /// What the result is.
        subject: &'static str,
        /// The format's name.
        format: &'static str,
        /// The command whose results can be.
        made_by: &'static str,
        /// What it can be written as.
        others: &'static str,
    },
    /// The part of the explanation that is to be drawn is missing.
    #[error("nothing to write as {format}: {reason}")]
    NothingFound {
        /// The format's name.
        format: &'static str,
        /// Why it is missing, and what to do about it.
        reason: String,
    },
    /// A report of this subject has no section of that name.
    #[error("{subject} has no section {name:?}: there are {names}")]
    NoSection {
        /// The name.
        name: String,
        /// What the result is.
        subject: &'static str,
        /// Those that it has.
        names: String,
    },
    /// What has no sections can only be shown as a whole.
    #[error(
        "--brief, --section and --legend choose among what a table or Markdown shows, and \
         {format} has all of it: leave them out"
    )]
    Whole {
        /// The format's name.
        format: &'static str,
    },
    /// This program was built without the renderer.
    #[error(
        "this forktax draws no flame graphs: build it with --features flamegraph, or export \
         .folded for a tool that draws them"
    )]
    NoFlameGraphs,
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

/// The report of a result, ready to be written.
///
/// # Errors
/// All of [`ReportError`] that say why something could not be written.
pub fn render(stored: &Stored, format: Format, shown: &Shown) -> Result<Vec<u8>, ReportError> {
    let subject = Subject::of(stored);
    format.check(subject)?;
    shown.check(subject, format)?;
    let blocks = || shown.choose(view::sections(stored));
    let nothing = |missing: Missing| ReportError::NothingFound {
        format: format.name(),
        reason: missing.in_words(),
    };
    let bytes = match format {
        Format::Table => render::text(&blocks(), shown.width),
        Format::Markdown => Ok(render::markdown(&blocks()).into_bytes()),
        Format::Csv => render::csv(stored),
        Format::Json => render::json(stored),
        Format::Svg => {
            render::svg(&view::picture(stored).map_err(nothing)?).map(String::into_bytes)
        }
        Format::Timeline => Ok(render::timeline(stored).map_err(nothing)?.into_bytes()),
        Format::Folded => Ok(render::folded(stored).map_err(nothing)?.into_bytes()),
        Format::FlameGraph => render::flame_graph(&render::folded(stored).map_err(nothing)?),
    };
    bytes.map_err(|source| ReportError::Render {
        format: format.name(),
        source,
    })
}

/// The report of a shape as Markdown, or else as plain text.
///
/// # Errors
/// [`ReportError::NoSection`], [`ReportError::Whole`] and [`ReportError::Render`].
pub fn render_shape(
    shape: &ProcessShape,
    format: Format,
    shown: &Shown,
) -> Result<Vec<u8>, ReportError> {
    shown.check(Subject::Shape, format)?;
    let blocks = shown.choose(view::shape(shape));
    match format {
        Format::Markdown => Ok(render::markdown(&blocks).into_bytes()),
        _ => text(&blocks, shown.width),
    }
}

/// What the checks of a watched program found: a sentence an offence.
pub fn offences(stored: &Stored) -> Vec<String> {
    match stored {
        Stored::Run(document) => document.findings.trace().map(view::offences),
        Stored::Comparison(_) => None,
    }
    .unwrap_or_default()
}

/// Why spawns of a process are refused where it is: a sentence a limit.
pub fn refusals(shape: &ProcessShape) -> Vec<String> {
    view::refusals(&shape.process)
}

/// Tables and lines that are of no document, as plain text.
///
/// # Errors
/// [`ReportError::Render`].
pub fn text(blocks: &[view::Block], width: usize) -> Result<Vec<u8>, ReportError> {
    render::text(blocks, width).map_err(|source| ReportError::Render {
        format: Format::Table.name(),
        source,
    })
}
