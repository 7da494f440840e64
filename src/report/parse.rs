//! Stored documents: from JSON back to a [`Document`], or a clear refusal.
//!
//! The schema version is looked at before anything else, so that a document
//! of another version is refused by its version and not by a missing field.

use std::io::Read;

use serde::Deserialize;

use super::ReportError;
use crate::card::price_list;
use crate::model::{Document, SCHEMA_VERSION};

/// The one field that every version of the schema has.
#[derive(Deserialize)]
struct Envelope {
    schema_version: u64,
}

/// Reads a stored document.
pub fn parse(mut reader: impl Read) -> Result<Document, ReportError> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(ReportError::Read)?;
    let envelope: Envelope = serde_json::from_slice(&bytes).map_err(refuse)?;
    if envelope.schema_version != u64::from(SCHEMA_VERSION) {
        return Err(ReportError::SchemaVersion {
            found: envelope.schema_version,
            known: SCHEMA_VERSION,
        });
    }
    let document: Document = serde_json::from_slice(&bytes).map_err(refuse)?;
    Ok(refitted(document))
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
