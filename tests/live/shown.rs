//! What of a report is printed, and how wide.

use crate::{failure, forktax};

const STORED: &str = "show tests/data/sweep.json";

/// The result that lies in the tree, printed on a page of some width.
fn show(words: &str, columns: &str) -> String {
    let mut command = forktax(&format!("{STORED} {words}"));
    let output = command.env("COLUMNS", columns).output().unwrap();
    assert!(output.status.success(), "{words}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_report_is_as_wide_as_columns_say_from_80_to_200() {
    let longest = |columns| {
        let report = show("", columns);
        report.lines().map(|line| line.chars().count()).max()
    };
    let widths = ["20", "80", "", "200", "1000"].map(longest);
    assert_eq!(widths[0], widths[1]);
    assert!(widths[1] <= Some(80) && widths[2] <= Some(100) && widths[3] <= Some(200));
    assert!(widths[1] < widths[2] && widths[2] < widths[3], "{widths:?}");
    assert_eq!(widths[3], widths[4]);
}

#[test]
fn sections_are_printed_and_exports_are_whole() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("whole.md");
    let words = format!("--section time --export {}", file.display());
    assert!(show(&words, "").starts_with("Time of one spawn\n"));
    let whole = std::fs::read_to_string(&file).unwrap();
    assert!(whole.contains("### In short") && whole.contains("### Columns"));
    assert!(!show("--brief", "").contains("\nTime of one spawn\n"));
}

#[test]
fn what_a_report_does_not_have_is_refused_before_anything_is_measured() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("never.json");
    let measure = format!("sweep --section ledger --export {}", file.display());
    for (words, said) in [
        (
            &*measure,
            "a sweep has no section \"ledger\": there are in-short, time, counts",
        ),
        ("card --brief --format csv", "csv has all of it"),
        (
            "shape --pid 1 --section time",
            "a shape has no section \"time\"",
        ),
        (
            "show tests/data/sweep.json --section ledger",
            "there are in-short",
        ),
    ] {
        let failed = failure(words, 2);
        assert!(failed.contains(said), "{words}: {failed}");
    }
    assert!(!file.exists());
}
