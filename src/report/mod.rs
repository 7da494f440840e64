//! The report: from a document to text, as a pure function.
