//! Stored documents: from JSON back to a [`Document`] or a [`Comparison`], or a
//! clear refusal.
//!
//! The schema version is looked at before anything else, so that a document
//! of another version is refused by its version and not by a missing field.

use std::io::Read;

use serde::Deserialize;

use super::ReportError;
use crate::analysis::card::price_list;
use crate::model::{COMPARISON_VERSION, Comparison, ComparisonMark, Document, SCHEMA_VERSION};

/// The fields that every version of every schema has, and by which they are told
/// apart.
#[derive(Deserialize)]
struct Envelope {
    schema_version: u64,
    document: Option<ComparisonMark>,
}

/// What a file may hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    /// The result of a run.
    Run(Box<Document>),
    /// Two of them side by side.
    Comparison(Box<Comparison>),
}

/// Reads the stored result of a run.
///
/// # Errors
/// [`ReportError`], for a comparison as well.
pub fn parse(reader: impl Read) -> Result<Document, ReportError> {
    match parse_any(reader)? {
        Stored::Run(document) => Ok(*document),
        Stored::Comparison(_) => Err(ReportError::NoRun),
    }
}

/// Reads whatever was stored.
///
/// # Errors
/// [`ReportError`].
pub fn parse_any(mut reader: impl Read) -> Result<Stored, ReportError> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(ReportError::Read)?;
    let envelope: Envelope = serde_json::from_slice(&bytes).map_err(refuse)?;
    let compares = envelope.document.is_some();
    let known = if compares {
        COMPARISON_VERSION
    } else {
        SCHEMA_VERSION
    };
    if envelope.schema_version != u64::from(known) {
        return Err(ReportError::SchemaVersion {
            found: envelope.schema_version,
            known,
        });
    }
    if compares {
        let comparison = serde_json::from_slice(&bytes).map_err(refuse)?;
        return Ok(Stored::Comparison(comparison));
    }
    let document = serde_json::from_slice(&bytes).map_err(refuse)?;
    Ok(Stored::Run(Box::new(refitted(document))))
}

/// A card's prices are fitted to its trials anew: whoever reads an old card with a
/// newer program gets what that makes of it.
fn refitted(mut document: Document) -> Document {
    if let (Some(card), Some(order)) = (&mut document.card, &document.plan.card) {
        card.prices = price_list(order, &card.trials, document.plan.seed);
    }
    document
}

/// Both kinds of error name the line and the column.
fn refuse(error: serde_json::Error) -> ReportError {
    if error.is_data() {
        ReportError::Foreign(error)
    } else {
        ReportError::Broken(error)
    }
}
