//! The report on stored documents, as a reader sees it.

#[path = "report/advise.rs"]
mod advise;
#[path = "report/card.rs"]
mod card;
#[path = "report/compare.rs"]
mod compare;
#[path = "report/csv.rs"]
mod csv;
#[path = "report/every.rs"]
mod every;
#[path = "report/explain.rs"]
mod explain;
#[path = "report/fuzz.rs"]
mod fuzz;
#[path = "report/process.rs"]
mod process;
#[path = "report/programs.rs"]
mod programs;
#[path = "report/reproduce.rs"]
mod reproduce;
#[path = "report/shape.rs"]
mod shape;
#[path = "report/shown.rs"]
mod shown;
#[path = "report/stored.rs"]
mod stored;
#[path = "report/sweep.rs"]
mod sweep;
#[path = "report/trace.rs"]
mod trace;
#[path = "report/unusual.rs"]
mod unusual;
#[path = "report/width.rs"]
mod width;

use forktax::model::SCHEMA_VERSION;
use forktax::report::{Format, ReportError, parse};

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
fn findings_that_were_not_ordered_are_refused() {
    let document = stored::with("sweep", |document| {
        document.plan.order = stored::stored("card").plan.order;
    });
    let json = stored::text(&document, Format::Json);
    let error = parse(json.as_bytes()).unwrap_err();
    assert!(matches!(error, ReportError::Unordered), "{error}");
    assert!(error.to_string().contains("not what its plan orders"));
}

#[test]
fn what_is_no_document_is_refused_with_its_place() {
    let whole = &stored::TEXTS["sweep"];
    let cut = parse(&whole.as_bytes()[..whole.len() / 2]).unwrap_err();
    assert!(matches!(cut, ReportError::Broken(_)));
    assert!(cut.to_string().contains("line"), "{cut}");
    let broken = parse("{\n  \"schema_version\": 1,\n  oops".as_bytes()).unwrap_err();
    assert!(broken.to_string().contains("line 3 column 3"), "{broken}");
    for foreign in [
        "[]",
        "{}",
        &format!(r#"{{"schema_version": {SCHEMA_VERSION}}}"#),
        r#"{"schema_version": "one"}"#,
    ] {
        let error = parse(foreign.as_bytes()).unwrap_err();
        assert!(
            matches!(error, ReportError::Foreign(_)),
            "{foreign}: {error}"
        );
    }
}
