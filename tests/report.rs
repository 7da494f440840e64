//! The report on stored documents, as a reader sees it.

#[path = "report/build.rs"]
mod build;
#[path = "report/card.rs"]
mod card;
#[path = "report/carded.rs"]
mod carded;
#[path = "report/compared.rs"]
mod compared;
#[path = "report/explained.rs"]
mod explained;
#[path = "report/explanation.rs"]
mod explanation;
#[path = "report/fuzz.rs"]
mod fuzz;
#[path = "report/parents.rs"]
mod parents;
#[path = "report/partial.rs"]
mod partial;
#[path = "report/process.rs"]
mod process;
#[path = "report/rebuilt.rs"]
mod rebuilt;
#[path = "report/remedied.rs"]
mod remedied;
#[path = "report/reproduced.rs"]
mod reproduced;
#[path = "report/shape.rs"]
mod shape;
#[path = "report/studied.rs"]
mod studied;
#[path = "report/studies.rs"]
mod studies;
#[path = "report/width.rs"]
mod width;

use std::fs;
use std::path::PathBuf;

use forktax::model::{Document, SCHEMA_VERSION};
use forktax::report::{Format, ReportError, parse, render};

/// The text of a document's report.
fn text(document: &Document, format: Format) -> String {
    let bytes = render(document, format).expect("every document can be rendered");
    String::from_utf8(bytes).expect("every format is UTF-8")
}

fn stored_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/{name}.json"))
}

fn stored(name: &str) -> Document {
    let file = fs::File::open(stored_path(name)).expect("the document is in tests/data");
    parse(file).expect("the stored document is of this schema")
}

/// Run with `--ignored` after the schema or the builder changed.
#[test]
#[ignore = "writes tests/data"]
fn store_the_documents() {
    for (name, document) in build::documents() {
        fs::write(stored_path(name), render(&document, Format::Json).unwrap()).unwrap();
    }
}

#[test]
fn stored_documents_are_read_and_written_byte_for_byte() {
    for (name, document) in build::documents() {
        assert_eq!(stored(name), document, "{name} as read");
        let bytes = fs::read_to_string(stored_path(name)).unwrap();
        assert_eq!(text(&document, Format::Json), bytes, "{name} as written");
    }
}

#[test]
fn reports_look_like_this() {
    let formats = [
        Format::Table,
        Format::Markdown,
        Format::Csv,
        Format::Svg,
        Format::Folded,
    ];
    for (name, _) in build::documents() {
        let document = stored(name);
        for format in formats {
            // What cannot be shown is refused, and tests/report/explanation.rs
            // looks at the refusal.
            if let Ok(bytes) = render(&document, format) {
                let snapshot = format!("{name}.{}", format.extension());
                let report = String::from_utf8(bytes).expect("every format is UTF-8");
                insta::assert_snapshot!(snapshot, report);
            }
        }
    }
}

#[test]
fn text_fits_a_terminal_of_100_columns() {
    for (name, document) in build::documents() {
        for line in text(&document, Format::Table).lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
            assert_eq!(line.trim_end(), line, "{name}: trailing space");
        }
    }
}

#[test]
fn csv_has_one_header_and_a_record_a_cell() {
    let mut headers = Vec::new();
    for (name, document) in build::documents() {
        let bytes = render(&document, Format::Csv).unwrap();
        if document.explanation.is_some() {
            continue;
        }
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        headers.push(reader.headers().unwrap().clone());
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), document.cells.len(), "{name}");
        assert!(
            records.iter().flatten().all(|field| !field.is_empty()),
            "{name}"
        );
    }
    headers.dedup();
    assert_eq!(headers.len(), 1, "the header depends on the document");
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let mut document = build::sweep();
    document.host.kernel = "6\u{1b}[31m\u{202e}\n\t18".to_owned();
    for format in [Format::Table, Format::Markdown] {
        let report = text(&document, format);
        assert!(report.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(
            report.contains("Linux 6 [31m 18") || report.contains("Linux 6 \\[31m"),
            "{report}"
        );
    }
}

#[test]
fn formats_are_found_by_name_and_extension() {
    for format in Format::ALL {
        assert_eq!(Format::from_name(format.name()), Some(format));
        let name = format!("result.{}", format.extension());
        assert_eq!(Format::from_file_name(&name), Some(format));
    }
    assert_eq!(Format::from_name("xml"), None);
}

#[test]
fn another_schema_is_refused_by_its_version() {
    let newer = SCHEMA_VERSION + 1;
    let json = format!(r#"{{"schema_version": {newer}, "spaces": "elsewhere"}}"#);
    let error = parse(json.as_bytes()).unwrap_err();
    assert!(matches!(error, ReportError::SchemaVersion { .. }));
    let message = error.to_string();
    assert!(
        message.contains(&format!("schema version {newer}")),
        "{message}"
    );
    assert!(
        message.contains(&format!("reads version {SCHEMA_VERSION}")),
        "{message}"
    );
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    let whole = text(&build::sweep(), Format::Json);
    let cut = parse(&whole.as_bytes()[..whole.len() / 2]).unwrap_err();
    assert!(matches!(cut, ReportError::Broken(_)));
    assert!(cut.to_string().contains("line"), "{cut}");
    let broken = parse("{\n  \"schema_version\": 1,\n  oops".as_bytes()).unwrap_err();
    assert!(broken.to_string().contains("line 3 column 3"), "{broken}");
    for foreign in [
        "[]",
        "{}",
        r#"{"schema_version": 2}"#,
        r#"{"schema_version": "one"}"#,
    ] {
        let error = parse(foreign.as_bytes()).unwrap_err();
        assert!(
            matches!(error, ReportError::Foreign(_)),
            "{foreign}: {error}"
        );
    }
}
