//! Stored documents: from JSON back to what was written, or a clear refusal.
//!
//! The schema version is looked at before anything else, so that a document
//! of another version is refused by its version and not by a missing field.

use std::io::Read;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ReportError;
use crate::analysis::card::price_list;
use crate::model::{Availability, Comparison, Document, Findings, Order, SCHEMA_VERSION, Stored};
use crate::units::{parser_said, read_foreign};

/// The field that every version of the schema has, and the one that only a comparison
/// has.
#[derive(Deserialize)]
struct Envelope {
    schema_version: u64,
    compared: Option<IgnoredAny>,
}

/// Reads what was stored.
///
/// # Errors
/// [`ReportError`].
pub fn parse(reader: impl Read) -> Result<Stored, ReportError> {
    let bytes = read_foreign(reader)?;
    let envelope: Envelope = serde_json::from_slice(&bytes).map_err(refuse)?;
    if envelope.schema_version != u64::from(SCHEMA_VERSION) {
        return Err(ReportError::SchemaVersion {
            found: envelope.schema_version,
            known: SCHEMA_VERSION,
        });
    }
    if envelope.compared.is_some() {
        let comparison: Box<Comparison> = serde_json::from_slice(&bytes).map_err(refuse)?;
        let both = comparison.by_turns.iter();
        both.flat_map(|both| [&both.a, &both.b])
            .try_for_each(check)?;
        return Ok(Stored::Comparison(comparison));
    }
    let document: Document = serde_json::from_slice(&bytes).map_err(refuse)?;
    check(&document)?;
    Ok(refitted(document).into())
}

fn check(document: &Document) -> Result<(), ReportError> {
    if document.schema_version != SCHEMA_VERSION {
        return Err(ReportError::SchemaVersion {
            found: document.schema_version.into(),
            known: SCHEMA_VERSION,
        });
    }
    if !document.plan.order.is_answered_by(&document.findings) {
        return Err(ReportError::Unordered);
    }
    let advice = document
        .findings
        .trace()
        .and_then(|trace| trace.advised.as_ref());
    match advice.and_then(Availability::measured) {
        Some(advice) if !matches!(advice.findings, Findings::Advice(_)) => {
            Err(ReportError::Unordered)
        }
        Some(advice) => check(advice),
        None => Ok(()),
    }
}

/// A card's prices are fitted to its trials anew: whoever reads an old card with a
/// newer program gets what that makes of it.
fn refitted(mut document: Document) -> Document {
    if let (Findings::Card(card), Order::Card(order)) =
        (&mut document.findings, &document.plan.order)
    {
        card.prices = price_list(order, &card.trials, document.plan.seed);
    }
    document
}

/// Both kinds of error name the line and the column.
fn refuse(error: serde_json::Error) -> ReportError {
    let said = parser_said(&error);
    if error.is_data() {
        ReportError::Foreign(said)
    } else {
        ReportError::Broken(said)
    }
}
