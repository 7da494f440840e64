//! The fields of a record in a CSV table, and the table of many.

use std::io;

use crate::stats::Estimate;

/// What stands where there is no figure; why is said by the other formats.
pub(super) const MISSING: &str = "n/a";

/// A figure, in as many digits as it takes.
pub(super) fn figure(value: Option<f64>) -> String {
    let value = value.filter(|value| value.is_finite());
    value.map_or_else(|| MISSING.to_owned(), |value| value.to_string())
}

/// An estimate's value and bounds, as far as there are any.
pub(super) fn estimate(found: Option<Estimate>) -> [Option<f64>; 3] {
    found.map_or([None; 3], |Estimate { value, ci95 }| {
        [Some(value), Some(ci95[0]), Some(ci95[1])]
    })
}

/// A word, if there is one.
pub(super) fn word(word: &str) -> &str {
    if word.is_empty() { MISSING } else { word }
}

/// The header and all records.
pub(super) fn table<const FIELDS: usize>(
    header: [&str; FIELDS],
    records: impl IntoIterator<Item = [String; FIELDS]>,
) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    for record in records {
        writer.write_record(record)?;
    }
    finish(writer)
}

/// The bytes that were written.
pub(super) fn finish(writer: csv::Writer<Vec<u8>>) -> io::Result<Vec<u8>> {
    let bytes = writer.into_inner();
    bytes.map_err(|error| io::Error::other(error.to_string()))
}
