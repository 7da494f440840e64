//! Every stored document in every format.

use std::fmt::Write;
use std::fs;

use forktax::analysis::shape::to_json;
use forktax::model::Stored;
use forktax::report::{Format, Shown, parse, render_shape};

use crate::stored::{RUNS, TEXTS, comparisons, path, render, shapes, text};

/// Formats that have a snapshot of every document; JSON is compared with what is stored.
const SHOWN: [Format; 4] = [Format::Table, Format::Markdown, Format::Svg, Format::Folded];

/// The smallest document of each kind, of which all records are seen in a snapshot. What
/// holds of the records of every document is in `csv.rs`.
const RECORDED: [&str; 7] = [
    "advise",
    "card",
    "explain-unprivileged",
    "process-scaled",
    "pte-batching-2024",
    "python-2014",
    "sweep-malloc",
];

pub(crate) fn snapshot(name: &str, extension: &str, bytes: Vec<u8>) {
    let report = String::from_utf8(bytes).expect("every format is UTF-8");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(format!("{name}.{extension}"), report);
    });
}

pub(crate) fn fits(name: &str, report: &str) {
    for line in report.lines() {
        assert!(line.chars().count() <= 100, "{name}: {line}");
        assert_eq!(line.trim_end(), line, "{name}: trailing space");
    }
}

#[test]
fn runs_look_like_this() {
    let mut refused = String::new();
    for (name, document) in RUNS.iter() {
        for format in SHOWN {
            match render(document, format) {
                Ok(bytes) => snapshot(name, format.extension(), bytes),
                Err(error) => writeln!(refused, "{name}: {error}").unwrap(),
            }
        }
    }
    snapshot("refused", "txt", refused.into_bytes());
    for name in RECORDED {
        snapshot(name, "csv", render(&RUNS[name], Format::Csv).unwrap());
    }
}

#[test]
fn comparisons_look_like_this() {
    for (name, comparison) in comparisons() {
        for format in [Format::Table, Format::Markdown, Format::Csv] {
            let bytes = render(&comparison, format).unwrap();
            snapshot(&name, format.extension(), bytes);
        }
    }
}

#[test]
fn shapes_look_like_this() {
    for (name, shape) in shapes() {
        for format in [Format::Table, Format::Markdown] {
            let bytes = render_shape(&shape, format, &Shown::default()).unwrap();
            snapshot(&name, format.extension(), bytes);
        }
    }
}

/// Run with `--ignored` after the form of the documents has changed.
#[test]
#[ignore = "writes tests/data"]
fn store_the_documents_as_they_are_written_now() {
    for (name, document) in RUNS.iter() {
        fs::write(path("", name), text(document, Format::Json)).unwrap();
    }
    for (name, comparison) in comparisons() {
        let json = render(&comparison, Format::Json).unwrap();
        fs::write(path("compared", &name), json).unwrap();
    }
    for (name, shape) in shapes() {
        fs::write(path("shapes", &name), to_json(&shape).unwrap()).unwrap();
    }
}

#[test]
fn what_is_stored_is_read_and_written_byte_for_byte() {
    for (name, document) in RUNS.iter() {
        let same = text(document, Format::Json) == TEXTS[name];
        assert!(same, "{name} is written otherwise than it was read");
    }
    for (name, comparison) in comparisons() {
        let json = render(&comparison, Format::Json).unwrap();
        let back = parse(json.as_slice()).unwrap();
        assert_eq!(back, Stored::Comparison(Box::new(comparison)), "{name}");
    }
}

#[test]
fn text_fits_a_terminal_of_100_columns() {
    for (name, document) in RUNS.iter() {
        fits(name, &text(document, Format::Table));
    }
    for (name, comparison) in comparisons() {
        let report = render(&comparison, Format::Table).unwrap();
        fits(&name, str::from_utf8(&report).unwrap());
    }
    for (name, shape) in shapes() {
        let report = render_shape(&shape, Format::Table, &Shown::default()).unwrap();
        fits(&name, str::from_utf8(&report).unwrap());
    }
}
