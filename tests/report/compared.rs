//! Comparisons as a reader sees them, and what no comparison may do to a report.

use forktax::analysis::compare::{Input, compare};
use forktax::model::{
    Availability, Comparison, Document, HostDifference, LineUnit, SpawnMethod, Tool, Verdict,
};
use forktax::report::{Format, ReportError, Stored, parse, parse_any, render_comparison};
use proptest::prelude::*;

use crate::build;

/// The second sweep: another kernel, some days later, with fork dearer where the
/// address space is large, posix_spawn cheaper where it is small, and one method less
/// in the middle.
fn later() -> Document {
    let mut document = build::sweep();
    document.tool.version = "0.2.0".to_owned();
    document.host.kernel = "6.19.1".to_owned();
    document.host.thp = Availability::Measured("always".to_owned());
    document.host.boot = Availability::Measured(vec!["mitigations=off".to_owned()]);
    document
        .plan
        .environment
        .push("HOME=/home/somebody".to_owned());
    document.run.started_unix_s += 400_000;
    for (index, percent) in [(2, 80), (6, 125)] {
        for worker in &mut document.cells[index].samples {
            for ns in worker.call_ns.iter_mut().chain(&mut worker.total_ns) {
                *ns = *ns * percent / 100;
            }
        }
    }
    document.cells[8].samples.truncate(2);
    document.cells.remove(4);
    document
}

fn compared(a: &Document, b: &Document, fail_above: Option<f64>) -> Comparison {
    let input = |file, document| Input { file, document };
    let tool = Tool {
        name: "forktax".to_owned(),
        version: "0.2.0".to_owned(),
    };
    compare(
        tool,
        input("before.json", a),
        input("after.json", b),
        fail_above,
    )
    .expect("two sweeps can be compared")
}

fn example() -> Comparison {
    compared(&build::sweep(), &later(), Some(10.0))
}

fn text(comparison: &Comparison, format: Format) -> String {
    let bytes = render_comparison(comparison, format).expect("every comparison can be rendered");
    String::from_utf8(bytes).expect("every format is UTF-8")
}

#[test]
fn comparisons_look_like_this() {
    let comparison = example();
    for format in [Format::Table, Format::Markdown, Format::Csv, Format::Json] {
        let snapshot = format!("compared.{}", format.extension());
        insta::assert_snapshot!(snapshot, text(&comparison, format));
    }
}

#[test]
fn a_comparison_is_told_from_a_run_and_comes_back() {
    let comparison = example();
    let json = text(&comparison, Format::Json);
    let back = parse_any(json.as_bytes()).unwrap();
    assert_eq!(back, Stored::Comparison(Box::new(comparison)));
    let refusal = parse(json.as_bytes()).unwrap_err();
    assert!(matches!(refusal, ReportError::NoRun), "{refusal}");
    let newer = json.replacen("\"schema_version\": 1", "\"schema_version\": 2", 1);
    let refusal = parse_any(newer.as_bytes()).unwrap_err();
    assert!(
        matches!(refusal, ReportError::SchemaVersion { found: 2, .. }),
        "{refusal}"
    );
    let run = crate::text(&build::sweep(), Format::Json);
    assert_eq!(
        parse_any(run.as_bytes()).unwrap(),
        Stored::Run(Box::new(build::sweep()))
    );
}

#[test]
fn pictures_are_refused() {
    for format in [Format::Svg, Format::Folded, Format::FlameGraph] {
        let refusal = render_comparison(&example(), format).unwrap_err();
        assert!(
            matches!(refusal, ReportError::NoPicture { .. }),
            "{refusal}"
        );
    }
}

#[test]
fn equals_are_said_to_be_so_with_what_would_have_been_seen() {
    let report = text(
        &compared(&build::sweep(), &build::sweep(), None),
        Format::Table,
    );
    assert!(
        report.contains("nothing that forktax knows to bear on"),
        "{report}"
    );
    assert!(
        report.contains("No difference is seen in 18 lines; one of "),
        "{report}"
    );
    assert!(
        report.contains(" % would have been in half of them."),
        "{report}"
    );
    assert!(!report.contains("Only in one of them"), "{report}");
}

#[test]
fn where_nothing_was_judged_nothing_is_said_of_differences() {
    let mut few = build::sweep();
    for cell in &mut few.cells {
        cell.samples.truncate(1);
    }
    let report = text(&compared(&build::sweep(), &few, None), Format::Table);
    assert!(
        report.contains("No line of the two could be compared."),
        "{report}"
    );
    assert!(
        report.contains("n/a: 18 lines: 1 worker in B, and fewer than 3"),
        "{report}"
    );
    let nothing = compared(
        &build::sweep(),
        &Document {
            cells: Vec::new(),
            ..build::sweep()
        },
        None,
    );
    let report = text(&nothing, Format::Table);
    assert!(
        report.contains("A alone, +0 mappings: fork call; fork total"),
        "{report}"
    );
}

#[test]
fn what_one_host_does_not_tell_is_told_as_not_compared() {
    let mut silent = build::sweep();
    silent.host.machine = Availability::unavailable("not readable here", None);
    let report = text(&compared(&silent, &build::sweep(), None), Format::Table);
    let told = "known of one of them only, and so not compared: machine";
    assert!(report.contains(told), "{report}");
}

#[test]
fn units_that_differ_have_tables_of_their_own() {
    let mut comparison = example();
    comparison.lines[0].unit = LineUnit::NsPer("VMA".to_owned());
    comparison.lines[1].unit = LineUnit::Other("faults".to_owned());
    let report = text(&comparison, Format::Table);
    assert_eq!(
        report.matches("\nTime of one spawn, B beside A\n").count(),
        3
    );
    for sign in ["/VMA)", "(faults)", "(us)"] {
        assert!(report.contains(sign), "{sign}: {report}");
    }
}

/// A comparison with figures that make no sense, of lines that were measured.
fn distorted(values: &[f64], words: &str) -> Comparison {
    let mut comparison = example();
    for (line, figures) in comparison.lines.iter_mut().zip(values.chunks(4)) {
        line.a.value = figures[0];
        line.b.ci95 = [figures[1 % figures.len()]; 2];
        line.visible_from = figures.get(2).copied();
        line.verdict = if figures[0] > 1e3 {
            Verdict::NotCompared(words.to_owned())
        } else {
            Verdict::Dearer
        };
        line.group = words.to_owned();
    }
    comparison.host_differences = vec![HostDifference {
        fact: forktax::model::HostFact::Kernel,
        a: words.to_owned(),
        b: String::new(),
    }];
    comparison.a.file = words.to_owned();
    comparison
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_comparison_panics_or_leaves_its_columns(
        values in prop::collection::vec(any::<f64>(), 0..60),
        words in "[a-z\\PC]{0,30}",
    ) {
        let comparison = distorted(&values, &words);
        for format in [Format::Markdown, Format::Csv, Format::Json] {
            prop_assert!(!render_comparison(&comparison, format).unwrap().is_empty());
        }
        for line in text(&comparison, Format::Table).lines() {
            prop_assert!(line.chars().count() <= 100, "{}", line);
            prop_assert_eq!(line.trim_end(), line);
        }
    }
}

#[test]
fn a_comparison_names_every_method_by_its_name() {
    let report = text(&example(), Format::Table);
    for method in [
        SpawnMethod::Fork,
        SpawnMethod::Vfork,
        SpawnMethod::PosixSpawn,
    ] {
        assert!(
            report.contains(&format!("{} total", method.name())),
            "{report}"
        );
    }
}
