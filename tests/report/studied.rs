//! Studies of address spaces: what was published beside hand-made cells.

use std::sync::LazyLock;

use fastrand::Rng;
use forktax::model::{Cell, Document, SpawnMethod, Stopped};
use forktax::report::{Format, parse, render};
use proptest::prelude::*;
use serde_json::Value;

use crate::studies::{
    documents, hotos_2019, mt_dup_2023, posix_spawn_2011, pte_batching_2024, reproduction, scaled,
};
use crate::text;

fn section(report: &str, title: &str) -> String {
    let (_, rest) = report.split_once(&format!("\n{title}\n")).expect(title);
    let section = rest.split("\n\n").next().unwrap_or_default();
    section.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn in_short(document: &Document) -> String {
    section(&text(document, Format::Table), "In short")
}

/// The entries of the row that begins with some words.
fn row<'a>(report: &'a str, start: &str) -> &'a str {
    let mut lines = report.lines().filter(|line| line.starts_with(start));
    lines.next().unwrap_or_else(|| panic!("{start}: {report}"))
}

#[test]
fn studies_look_like_this() {
    for (name, document) in documents() {
        for format in [Format::Table, Format::Markdown, Format::Csv, Format::Svg] {
            let report = text(&document, format);
            insta::assert_snapshot!(format!("{name}.{}", format.extension()), report);
        }
    }
    insta::assert_snapshot!(
        "posix-spawn-2011-scaled.txt",
        text(&scaled(), Format::Table)
    );
}

#[test]
fn every_study_fits_a_terminal_of_100_columns() {
    for (name, document) in documents() {
        for line in text(&document, Format::Table).lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
            assert_eq!(line.trim_end(), line, "{name}: trailing space");
        }
    }
}

#[test]
fn a_published_figure_stands_beside_this_hosts_own() {
    let report = text(&posix_spawn_2011(), Format::Table);
    let row = row(&report, "500 MB  fork");
    // 35.49 s of 500 spawns are 70.98 ms each.
    assert!(row.contains("35.49 s of 500     70,980  "), "{row}");
    let report = text(&mt_dup_2023(), Format::Table);
    let row = self::row(&report, "51,221 VMAs  fork");
    assert!(row.contains("before      393 in 10 s     25,445"), "{row}");
    let repeated = report.lines().filter(|line| line.contains("599 in 10 s"));
    assert_eq!(repeated.count(), 1, "{report}");
}

#[test]
fn a_parent_without_the_huge_pages_that_were_asked_for_has_no_time() {
    let mut document = pte_batching_2024();
    for cell in &mut document.cells {
        cell.space.huge_bytes = 0;
    }
    let report = text(&document, Format::Table);
    let sizes = section(&report, "The parents, as published and as built here");
    assert!(sizes.contains("huge"), "{sizes}");
    let times = section(&report, "One spawn, as published and here");
    assert!(
        times.contains("2 MiB pages fork n/a n/a n/a n/a"),
        "{times}"
    );
    let words: Vec<&str> = report.split_whitespace().collect();
    let why = "the kernel gave no huge pages; set /sys";
    assert!(words.join(" ").contains(why), "{report}");
    let picture = text(&document, Format::Svg);
    assert!(!picture.contains("2 MiB pages (25"), "{picture}");
    assert!(!picture.contains("fork, here, 2 MiB pages"), "{picture}");
    let whole = text(&pte_batching_2024(), Format::Svg);
    assert!(whole.contains("fork, here, 2 MiB pages"), "{whole}");
}

#[test]
fn a_cost_is_what_the_largest_parent_adds() {
    let report = text(&posix_spawn_2011(), Format::Table);
    // (35.49 - 5.77) s / 500 / (450 * 256 PTEs).
    let row = row(&report, "50 MB to 500 MB  fork");
    assert!(row.contains("ns/PTE      516.0  "), "{row}");
    let report = text(&mt_dup_2023(), Format::Table);
    let costs: Vec<&str> = report
        .lines()
        .filter(|line| line.starts_with("21 VMAs to 51,221 VMAs"))
        .collect();
    assert!(costs[0].contains("before  us/VMA      0.495"), "{costs:?}");
    assert!(costs[1].contains("after   us/VMA      0.324"), "{costs:?}");
}

#[test]
fn a_study_of_pages_has_the_whole_call() {
    let report = text(&pte_batching_2024(), Format::Table);
    // 14.33 ms of 262,144 PTEs; huge pages have none, but memory.
    assert!(row(&report, "4 KiB pages    fork    before  ns/PTE").contains(" 54.7 "));
    assert!(row(&report, "2 MiB pages    fork            us/GiB").contains(" n/a "));
    assert!(report.contains("the whole fork takes"), "{report}");
    assert_eq!(report.matches("no folios of 64 KiB").count(), 3, "{report}");
}

#[test]
fn dense_and_scattered_tell_entries_from_tables() {
    // By construction: a PTE costs 28 ns and a table 930 ns in the call.
    let words = in_short(&hotos_2019());
    assert!(
        words.contains("the call pays 28.1 ns for a PTE and 930.0 ns for each page-table page"),
        "{words}"
    );
    let mut document = hotos_2019();
    reproduction(&mut document).points.truncate(4);
    let report = text(&document, Format::Table);
    assert!(!report.contains("dense and scattered"), "{report}");
}

#[test]
fn what_is_not_printed_as_a_number_is_a_gap_with_a_reason() {
    let report = text(&hotos_2019(), Format::Table);
    let row = row(&report, "200 MiB             fork");
    assert!(row.contains(" n/a "), "{row}");
    let reason = "fork: published, here over published: the study prints no number for it";
    assert!(report.contains(reason), "{report}");
}

#[test]
fn a_scaled_parent_is_compared_on_the_scale_only() {
    let document = scaled();
    let report = text(&document, Format::Table);
    assert!(report.contains("at 1/4 of their sizes"), "{report}");
    let times = report.lines().filter(|line| line.contains(" s of 500"));
    assert!(times.clone().all(|line| line.ends_with("n/a")), "{report}");
    assert_eq!(times.count(), 6);
    assert!(
        report.contains("built at 1/4 of the published size; compare"),
        "{report}"
    );
    let words = in_short(&document);
    assert!(
        words.contains("(only 1.2 GiB of memory are free)"),
        "{words}"
    );
    assert!(!words.contains("Here over published"), "{words}");
    // A quarter of the pages for a quarter of the time: the cost is the same.
    let cost = |document: &Document| {
        let words = in_short(document);
        let (_, rest) = words
            .split_once("each further PTE costs fork ")
            .expect("it is told");
        let ns = rest.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
        ns.expect("it is a number")
    };
    let (quarter, whole) = (cost(&document), cost(&posix_spawn_2011()));
    assert!((quarter / whole - 1.0).abs() < 0.1, "{quarter} {whole}");
}

#[test]
fn staying_flat_is_said_only_of_what_is() {
    let flat = "posix_spawn stays flat: from 50 MB to 500 MB";
    assert!(in_short(&posix_spawn_2011()).contains(flat));
    let mut document = posix_spawn_2011();
    let calls = |cell: &mut Cell, factor: u64| {
        for worker in &mut cell.samples {
            let times = worker.call_ns.iter_mut().chain(&mut worker.total_ns);
            times.for_each(|ns| *ns *= factor);
        }
    };
    calls(&mut document.cells[5], 3);
    let words = in_short(&document);
    assert!(words.contains("posix_spawn is not flat"), "{words}");
    // Two workers that disagree have nothing to say about either.
    let mut document = posix_spawn_2011();
    document.cells[5].samples.truncate(2);
    document.cells[5].samples[1]
        .total_ns
        .iter_mut()
        .for_each(|ns| *ns *= 2);
    let words = in_short(&document);
    assert!(!words.contains("flat"), "{words}");
}

#[test]
fn a_run_that_was_broken_off_compares_what_it_has() {
    let mut document = posix_spawn_2011();
    document.run.stopped = Stopped::Interrupted;
    document.cells.truncate(4);
    let report = text(&document, Format::Table);
    assert!(report.contains("50 MB to 100 MB"), "{report}");
    let row = row(&report, "500 MB  fork");
    assert!(row.contains("70,980") && row.ends_with("n/a"), "{row}");
    assert!(report.contains("the run ended before its turn"), "{report}");
    let words = in_short(&document);
    assert!(words.contains("From 50 MB to 100 MB,"), "{words}");
}

#[test]
fn a_study_without_cells_shows_what_was_published() {
    for (name, mut document) in documents() {
        document.cells.clear();
        let report = text(&document, Format::Table);
        assert!(
            report.contains("The parents, as published"),
            "{name}: {report}"
        );
        assert!(report.contains("n/a"), "{name}: {report}");
        assert!(!report.contains("In short"), "{name}: {report}");
        assert!(
            text(&document, Format::Svg).contains(", published"),
            "{name}"
        );
        for point in &mut reproduction(&mut document).points {
            point.figures.clear();
        }
        let refusal = render(&document, Format::Svg).unwrap_err().to_string();
        assert!(refusal.contains("nothing was measured"), "{refusal}");
    }
}

#[test]
fn a_method_beyond_the_study_is_a_row_without_a_published_figure() {
    let mut document = mt_dup_2023();
    document.plan.methods.push(SpawnMethod::PosixSpawn);
    let report = text(&document, Format::Table);
    assert!(report.contains("posix_spawn"), "{report}");
    assert!(
        report.contains("the study prints no number for it"),
        "{report}"
    );
}

#[test]
fn the_csv_of_a_study_has_a_row_a_figure() {
    for (name, document) in documents() {
        let bytes = render(&document, Format::Csv).unwrap();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert!(
            records.iter().flatten().all(|field| !field.is_empty()),
            "{name}"
        );
        for cell in &document.cells {
            let total = cell.total_ns.measured().unwrap().median.value.to_string();
            let is_it = |record: &&csv::StringRecord| {
                &record[0] == "here" && &record[4] == "total" && record[5] == total
            };
            assert!(
                records.iter().any(|record| is_it(&record)),
                "{name}: {total}"
            );
        }
    }
    let csv = text(&mt_dup_2023(), Format::Csv);
    let figure = "published,\"51,221 VMAs\",fork,before,figure,393,n/a,n/a,spawns_in_10_s";
    assert!(csv.contains(figure), "{csv}");
}

#[test]
fn the_picture_has_a_line_a_method_and_a_published_one() {
    let picture = text(&mt_dup_2023(), Format::Svg);
    assert_eq!(picture.matches("<polyline").count(), 3, "{picture}");
    let dashed = picture.lines().filter(|line| line.starts_with("<polyline"));
    assert_eq!(dashed.filter(|line| line.contains("dasharray")).count(), 2);
    assert!(text(&hotos_2019(), Format::Svg).contains("fork, scattered, here"));
    // Pages of unlike size are no line.
    assert!(!text(&pte_batching_2024(), Format::Svg).contains("<polyline"));
}

#[test]
fn no_text_of_a_study_becomes_markup() {
    let mut document = mt_dup_2023();
    let reproduction = reproduction(&mut document);
    reproduction.source.title = "<script>".to_owned();
    reproduction.points[0].figures[0].series = "</text> & \u{1b}".to_owned();
    let picture = text(&document, Format::Svg);
    assert!(!picture.contains("<script>") && picture.contains("&lt;script&gt;"));
    assert!(picture.contains("&lt;/text&gt; &amp;"), "{picture}");
}

/// A study with figures that make no sense and parts taken away.
fn distorted(seed: u64, template: usize, words: &str) -> Document {
    static TEMPLATES: LazyLock<Vec<(&str, Document)>> = LazyLock::new(documents);
    let document = &TEMPLATES[template].1;
    let mut rng = Rng::with_seed(seed);
    let mut value = serde_json::to_value(document).expect("a document is JSON");
    let severity = rng.u32(1..30);
    distort(&mut value["reproduction"], "", words, severity, &mut rng);
    distort(&mut value["cells"], "", words, severity / 4, &mut rng);
    value["plan"]["spaces"] = serde_json::to_value(&document.plan.spaces).expect("it is JSON");
    let mut distorted: Document = serde_json::from_value(value).expect("only values were changed");
    let spaces = distorted.plan.spaces.len();
    distorted.plan.spaces.truncate(rng.usize(0..=spaces));
    distorted
}

/// Changes about one of so many values: `severity` in a hundred.
fn distort(value: &mut Value, key: &str, words: &str, severity: u32, rng: &mut Rng) {
    let struck = rng.u32(0..100) < severity;
    match value {
        Value::Null => {}
        Value::Object(object) if !["loops", "request"].contains(&key) => {
            if struck && ["call_ns", "total_ns"].contains(&key) {
                *value = serde_json::json!({"missing": "unavailable", "reason": words});
                return;
            }
            for (key, value) in object {
                distort(value, key, words, severity, rng);
            }
        }
        Value::Array(array) => {
            if struck && key != "ci95" {
                array.truncate(rng.usize(0..=array.len()));
            }
            for value in array {
                distort(value, key, words, severity, rng);
            }
        }
        _ if struck && ["vmas", "ptes"].contains(&key) && rng.bool() => {
            *value = [0, 1, u64::MAX][rng.usize(0..3)].into();
        }
        Value::Number(_) if struck && key == "space" => {
            *value = rng.u32(0..9).into();
        }
        Value::Number(number) if struck && !["round", "year"].contains(&key) => {
            *value = if number.is_f64() {
                [0.0, -1.5, 0.25, 1e-300, 1e300, 123_456.5][rng.usize(0..6)].into()
            } else {
                [0, 1, 77, 1 << 40, u64::MAX][rng.usize(0..5)].into()
            };
        }
        Value::String(text) if struck && ["name", "series", "title"].contains(&key) => {
            *text = words.to_owned();
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_study_panics_or_leaves_its_columns(
        seed: u64,
        template in 0_usize..4,
        words in "[a-z\\PC]{0,40}",
    ) {
        let document = distorted(seed, template, &words);
        for format in Format::ALL {
            // A picture may be refused, but never be empty.
            if let Ok(bytes) = render(&document, format) {
                prop_assert!(!bytes.is_empty());
                if format == Format::Svg {
                    let picture = String::from_utf8(bytes).expect("it is UTF-8");
                    prop_assert!(!picture.contains("NaN") && !picture.contains("\"inf"));
                }
            }
        }
        for line in text(&document, Format::Table).lines() {
            prop_assert!(line.chars().count() <= 100, "{}", line);
            prop_assert_eq!(line.trim_end(), line);
        }
        let json = render(&document, Format::Json).unwrap();
        prop_assert_eq!(parse(json.as_slice()).unwrap(), document);
    }
}
