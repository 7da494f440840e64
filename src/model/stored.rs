//! What a file may hold, and what is shown the same way as soon as it was made.

use super::{Comparison, Document};

/// A result.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    /// That of a run.
    Run(Box<Document>),
    /// Two of them side by side.
    Comparison(Box<Comparison>),
}

impl From<Document> for Stored {
    fn from(document: Document) -> Self {
        Self::Run(Box::new(document))
    }
}

impl From<Comparison> for Stored {
    fn from(comparison: Comparison) -> Self {
        Self::Comparison(Box::new(comparison))
    }
}
