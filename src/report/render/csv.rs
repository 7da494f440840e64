//! One flat table for other programs: a record a figure, the same fields for every
//! command.

use std::io;

use crate::model::Stored;
use crate::report::record::{Record, records, short};

/// The header and all records.
pub(in crate::report) fn render(stored: &Stored) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(Record::FIELDS)?;
    for record in records(stored) {
        writer.write_record(record.fields().map(cell))?;
    }
    let bytes = writer.into_inner();
    bytes.map_err(|error| io::Error::other(error.to_string()))
}

/// A field as a spreadsheet takes it for what it is: a text that begins as a formula does,
/// even behind spaces, has an apostrophe before it (OWASP, CSV Injection; wide signs are
/// signs to spreadsheets in East Asia). Numbers stay numbers.
fn cell(field: &str) -> String {
    let text = short(field);
    let formula = text
        .trim_start()
        .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    match formula && !text.parse().is_ok_and(f64::is_finite) {
        true => format!("'{text}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_no_formulas_and_numbers_stay_numbers() {
        for number in ["-1.5", "-2e-7", "+3", "0", "1.5e300"] {
            assert_eq!(cell(number), number);
        }
        for text in [
            "=1+1",
            "+0 mappings",
            "-inf",
            "@a",
            "  =b",
            "－1",
            "-1+cmd|' /C x'!A0",
        ] {
            assert_eq!(cell(text), format!("'{text}"));
        }
        assert_eq!(cell("\t=1\r"), "' =1 ");
        assert_eq!(cell("n/a = none"), "n/a = none");
    }
}
