//! Comparisons as a reader sees them, and what no comparison may do to a report.

use forktax::analysis::compare::{Input, compare};
use forktax::model::{Availability, Comparison, Document, LineUnit, SpawnMethod, Stored, Tool};
use forktax::report::{Format, ReportError, parse};

use crate::stored::{self, cells, omits, render, says, stored, with};

/// The second sweep: another kernel, some days later, with fork dearer where the
/// address space is large, posix_spawn cheaper where it is small, and one method less
/// in the middle.
fn later() -> Document {
    with("sweep", |document| {
        document.tool.version = "0.2.0".to_owned();
        document.host.kernel = "6.19.1".to_owned();
        document.host.thp = Availability::Measured("always".to_owned());
        document.host.boot = Availability::Measured(vec!["mitigations=off".to_owned()]);
        let home = "HOME=/home/somebody".to_owned();
        document.plan.environment.push(home);
        document.run.started_unix_s += 400_000;
        for (index, percent) in [(2, 60), (6, 400)] {
            for worker in &mut cells(&mut document.findings)[index].samples {
                for ns in worker.call_ns.iter_mut().chain(&mut worker.total_ns) {
                    *ns = *ns * percent / 100;
                }
            }
        }
        cells(&mut document.findings)[8].samples.truncate(2);
        cells(&mut document.findings).remove(4);
    })
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
    compared(&stored("sweep"), &later(), Some(10.0))
}

fn text(comparison: &Comparison, format: Format) -> String {
    let bytes = render(comparison, format).expect("every comparison can be rendered");
    String::from_utf8(bytes).expect("every format is UTF-8")
}

fn table(comparison: &Comparison) -> String {
    text(comparison, Format::Table)
}

#[test]
fn what_differs_stands_above_what_became_dearer_and_what_is_in_one_alone() {
    let report = stored::flat(&table(&example()));
    for words in [
        "6.19.1",
        "mitigations=off",
        "HOME",
        "dearer",
        "cheaper",
        "Only in one of them",
        "2 workers in B, and fewer than 3",
    ] {
        says(&report, words);
    }
    omits(&report, "/home/somebody");
    for method in [
        SpawnMethod::Fork,
        SpawnMethod::Vfork,
        SpawnMethod::PosixSpawn,
    ] {
        assert!(report.contains(&format!("{} total", method.name())));
    }
}

#[test]
fn a_comparison_is_told_from_a_run_and_comes_back() {
    let comparison = example();
    let json = text(&comparison, Format::Json);
    let back = parse(json.as_bytes()).unwrap();
    assert_eq!(back, Stored::Comparison(Box::new(comparison)));
    let newer = json.replacen("\"schema_version\": 2", "\"schema_version\": 3", 1);
    let refusal = parse(newer.as_bytes()).unwrap_err();
    assert!(
        matches!(refusal, ReportError::SchemaVersion { found: 3, .. }),
        "{refusal}"
    );
    let run = parse(stored::TEXTS["sweep"].as_bytes()).unwrap();
    assert_eq!(run, Stored::Run(Box::new(stored("sweep"))));
}

#[test]
fn pictures_are_refused() {
    for format in [Format::Svg, Format::Folded, Format::FlameGraph] {
        let refusal = render(&example(), format).unwrap_err();
        assert!(
            matches!(refusal, ReportError::NoPicture { .. }),
            "{refusal}"
        );
    }
}

#[test]
fn equals_are_said_to_be_so_with_what_would_have_been_seen() {
    let report = table(&compared(&stored("sweep"), &stored("sweep"), None));
    for words in [
        "nothing that forktax knows to bear on",
        "No difference is seen in 18 lines; one of ",
        " % would have been in half of them.",
    ] {
        says(&report, words);
    }
    omits(&report, "Only in one of them");
}

#[test]
fn where_nothing_was_judged_nothing_is_said_of_differences() {
    let few = with("sweep", |document| {
        for cell in cells(&mut document.findings) {
            cell.samples.truncate(1);
        }
    });
    let report = table(&compared(&stored("sweep"), &few, None));
    for words in [
        "No line of the two could be compared.",
        "n/a: 18 lines: 1 worker in B, and fewer than 3",
    ] {
        says(&report, words);
    }
    let less = with("sweep", |document| {
        cells(&mut document.findings).retain(|cell| cell.space.mappings_requested > 0);
    });
    let report = table(&compared(&stored("sweep"), &less, None));
    says(&report, "A alone, no mappings: fork call; fork total");
}

#[test]
fn what_one_host_does_not_tell_is_told_as_not_compared() {
    let silent = with("sweep", |document| {
        document.host.machine = Availability::unavailable("not readable here", None);
    });
    let report = table(&compared(&silent, &stored("sweep"), None));
    let told = "known of one of them only, and so not compared: machine";
    says(&report, told);
}

#[test]
fn units_that_differ_have_tables_of_their_own() {
    let mut comparison = example();
    comparison.lines[0].unit = LineUnit::NsPer("VMA".to_owned());
    comparison.lines[1].unit = LineUnit::Other("faults".to_owned());
    let report = table(&comparison);
    assert_eq!(
        report.matches("\nTime of one spawn, B beside A\n").count(),
        3
    );
    for sign in ["/VMA)", "(faults)", "(us)"] {
        says(&report, sign);
    }
}
