//! Processes that were rebuilt, as a reader sees them.

use forktax::model::Document;
use forktax::report::{Format, parse, render};

use crate::{process, text};

fn table(document: &Document) -> String {
    text(document, Format::Table)
}

#[test]
fn rebuilt_processes_look_like_this() {
    for (name, document) in process::documents() {
        for format in [Format::Table, Format::Markdown, Format::Csv, Format::Svg] {
            // What cannot be drawn is refused.
            if let Ok(bytes) = render(&document, format) {
                let report = String::from_utf8(bytes).expect("every format is UTF-8");
                insta::assert_snapshot!(format!("{name}.{}", format.extension()), report);
            }
        }
    }
}

#[test]
fn they_fit_a_terminal_of_100_columns() {
    for (name, document) in process::documents() {
        for line in table(&document).lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
            assert_eq!(line.trim_end(), line, "{name}: trailing space");
        }
    }
}

#[test]
fn what_is_stored_comes_back() {
    for (name, document) in process::documents() {
        let json = render(&document, Format::Json).unwrap();
        assert_eq!(parse(json.as_slice()).unwrap(), document, "{name}");
    }
}
