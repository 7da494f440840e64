//! One flat table for other programs: a record a figure, the same fields for every
//! command.

use std::io;

use crate::model::Stored;
use crate::report::record::{Record, records};

/// The header and all records.
pub(in crate::report) fn render(stored: &Stored) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    writer.write_record(Record::FIELDS)?;
    for record in records(stored) {
        writer.serialize(record)?;
    }
    let bytes = writer.into_inner();
    bytes.map_err(|error| io::Error::other(error.to_string()))
}
