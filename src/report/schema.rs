//! The contract of what is written as JSON, generated from the types themselves: their
//! fields, and what the comments at the types say of them.

use schemars::{Schema, schema_for};

use crate::model::{Comparison, Document, ProcessShape};

/// What is written as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// The result of a run.
    Document,
    /// Two results side by side.
    Comparison,
    /// The shape of a process.
    Shape,
}

impl Contract {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Document, Self::Comparison, Self::Shape];

    /// Its name, as typed and as the files in `docs/schema` are called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Document => "document",
            Self::Comparison => "comparison",
            Self::Shape => "shape",
        }
    }

    /// Its JSON Schema.
    pub fn schema(self) -> Schema {
        match self {
            Self::Document => schema_for!(Document),
            Self::Comparison => schema_for!(Comparison),
            Self::Shape => schema_for!(ProcessShape),
        }
    }

    /// The same as text.
    pub fn text(self) -> String {
        format!("{:#}\n", self.schema().to_value())
    }
}
