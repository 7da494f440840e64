//! The CSV of a study of address spaces: a row a figure, in base units.

use std::io;

use super::csv::MISSING;
use crate::report::view::StudyRecord;

/// The fields' names.
const HEADER: [&str; 9] = [
    "part",
    "parent",
    "method",
    "series",
    "item",
    "value",
    "ci95_low",
    "ci95_high",
    "unit",
];

/// The header and a record for each figure.
pub(super) fn render(records: &[StudyRecord]) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    for record in records {
        writer.write_record([
            record.part,
            word(&record.parent),
            word(record.method),
            word(&record.series),
            &record.item,
            &shown(record.value),
            &shown(record.ci95.map(|ci95| ci95[0])),
            &shown(record.ci95.map(|ci95| ci95[1])),
            record.unit,
        ])?;
    }
    let bytes = writer.into_inner();
    bytes.map_err(|error| io::Error::other(error.to_string()))
}

fn word(word: &str) -> &str {
    if word.is_empty() { MISSING } else { word }
}

fn shown(value: Option<f64>) -> String {
    let value = value.filter(|value| value.is_finite());
    value.map_or_else(|| MISSING.to_owned(), |value| value.to_string())
}
