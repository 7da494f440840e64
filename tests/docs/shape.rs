//! `docs/shape-format.md` against the types.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use forktax::model::ProcessShape;
use serde_json::{Value, json};

use crate::process::{contents, flags, reservations};

use crate::{rows, walk};

/// A shape with something in every field.
fn shape() -> Value {
    let shape = json!({
        "shape_version": 1,
        "tool": {"name": "forktax", "version": "0.1.0"},
        "process": {
            "name": "x", "pid": 1, "taken_unix_s": 1, "took_s": 0.5, "kernel": "6.18",
            "page_size": 4096, "threads": 1, "descriptors": 1, "cloexec_descriptors": 1,
            "handlers": 1, "allowed_cpus": [0], "page_table_bytes": 1, "resident_bytes": 1,
            "reservations": ["seccomp"],
        },
        "mappings": [{
            "first_page": 1, "pages": 1, "content": "heap", "name": "/x", "permissions": "rw-p",
            "anon_vma": true, "own": [[0, 1]], "file": [[0, 1]], "zero": [[0, 1]],
            "swapped": [[0, 1]], "huge": [[0, 1]], "stretch": 1.0, "flags": ["locked"],
        }],
    });
    let typed: ProcessShape = serde_json::from_value(shape.clone()).unwrap();
    assert_eq!(
        serde_json::to_value(typed).unwrap(),
        shape,
        "a field is not here"
    );
    shape
}

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/shape-format.md");
    fs::read_to_string(path).unwrap()
}

#[test]
fn every_field_of_a_shape_has_a_row_and_every_row_a_field() {
    let mut fields = BTreeSet::new();
    walk("", &shape(), &mut fields);
    let holds = |path: &String| {
        let (inner, element) = (format!("{path}."), format!("{path}[]"));
        let mut others = fields.iter();
        others.any(|other| other.starts_with(&inner) || other.starts_with(&element))
    };
    // Runs are pairs, described as one.
    let named = |path: &String| path.trim_end_matches("[][]").to_owned();
    let leaves: BTreeSet<String> = fields.iter().filter(|p| !holds(p)).map(named).collect();
    assert_eq!(leaves, rows(&page(), "field"));
}

#[test]
fn every_word_of_a_shape_is_named() {
    let page = page();
    let named = |header: &str, words: &mut dyn Iterator<Item = Value>| {
        let words: BTreeSet<String> = words.map(|word| word.to_string()).collect();
        assert_eq!(rows(&page, header), words);
    };
    named("content", &mut contents());
    named("flag", &mut flags());
    named("reservation", &mut reservations());
}
