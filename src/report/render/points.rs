//! The CSV of a study of address spaces: a row a figure, in base units.

use std::io;

use super::record::{figure, finish, word};
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
            &figure(record.value),
            &figure(record.ci95.map(|ci95| ci95[0])),
            &figure(record.ci95.map(|ci95| ci95[1])),
            record.unit,
        ])?;
    }
    finish(writer)
}
