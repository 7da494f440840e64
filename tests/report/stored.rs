//! The stored documents, each made by a real run, and how tests look at reports.
//!
//! A test of a special case takes a stored document and changes what it needs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use forktax::analysis::shape::parse_shape;
use forktax::model::{
    Answer, Availability, Cell, Comparison, Document, Findings, Noise, NoiseSpan, ProcessShape,
    Stored,
};
use forktax::report::{self, Format, ReportError, Shown, parse};

/// Where files of a kind lie: results of runs in the directory itself.
fn directory(kind: &str) -> PathBuf {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    data.join(kind)
}

/// Where one of them lies.
pub(crate) fn path(kind: &str, name: &str) -> PathBuf {
    directory(kind).join(format!("{name}.json"))
}

/// The stored files of a kind, by name.
fn files(kind: &str) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory(kind)).expect("the directory is part of the tests");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    let json = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
    json.map(|path| {
        let name = path.file_stem().expect("it has a name").to_string_lossy();
        (
            name.into_owned(),
            fs::read_to_string(&path).expect("it can be read"),
        )
    })
    .collect()
}

/// The bytes of every stored result of a run.
pub(crate) static TEXTS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| files(""));

/// Every stored result of a run.
pub(crate) static RUNS: LazyLock<BTreeMap<String, Document>> = LazyLock::new(|| {
    let read = |(name, text): (&String, &String)| match parse(text.as_bytes()) {
        Ok(Stored::Run(document)) => (name.clone(), *document),
        other => panic!("{name}: {other:?}"),
    };
    TEXTS.iter().map(read).collect()
});

/// Every stored comparison.
pub(crate) fn comparisons() -> Vec<(String, Comparison)> {
    let read = |(name, text): (String, String)| match parse(text.as_bytes()) {
        Ok(Stored::Comparison(comparison)) => (name, *comparison),
        other => panic!("{name}: {other:?}"),
    };
    files("compared").into_iter().map(read).collect()
}

/// Every stored shape.
pub(crate) fn shapes() -> Vec<(String, ProcessShape)> {
    let read = |(name, text): (String, String)| {
        let shape = parse_shape(text.as_bytes()).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, shape)
    };
    files("shapes").into_iter().map(read).collect()
}

pub(crate) fn stored(name: &str) -> Document {
    RUNS[name].clone()
}

/// What else went on in three rounds: a quiet one, a busy one, and a short one.
pub(crate) fn noise() -> Noise {
    let span = |duration_s, others_share: Availability<f64>| NoiseSpan {
        duration_s,
        others_share,
        steal_share: Availability::Measured(0.004),
        run_delay_ns: Availability::Measured(1_250_000),
        migrations: Availability::Measured(3),
        frequency_hz: Availability::unavailable("no driver of frequencies", None),
        cpu_pressure_share: Availability::unavailable(
            "/proc/pressure/cpu cannot be read: No such file or directory",
            Some("boot with psi=1"),
        ),
        memory_pressure_share: Availability::Measured(0.0),
    };
    Noise {
        cpus: vec![1],
        cpu_quota: None,
        whole: span(3.25, Availability::Measured(0.034)),
        rounds: vec![
            span(1.5, Availability::Measured(0.012)),
            span(1.5, Availability::Measured(0.123)),
            span(0.25, Availability::unavailable("it was too short", None)),
        ],
    }
}

/// A stored document with a change.
pub(crate) fn with(name: &str, change: impl FnOnce(&mut Document)) -> Document {
    let mut document = stored(name);
    change(&mut document);
    document
}

/// The timed cells.
pub(crate) fn cells(findings: &mut Findings) -> &mut Vec<Cell> {
    match findings {
        Findings::Sweep { cells } => cells,
        Findings::Explanation(explanation) => &mut explanation.cells,
        Findings::Reproduction(study) => match &mut study.answer {
            Answer::Spaces { cells, .. } => cells,
            Answer::Programs(_) => panic!("programs have no cells"),
        },
        other => panic!("no cells in {other:?}"),
    }
}

/// The report of a run or of a comparison.
pub(crate) fn render(
    of: &(impl Clone + Into<Stored>),
    format: Format,
) -> Result<Vec<u8>, ReportError> {
    report::render(&of.clone().into(), format, &Shown::default())
}

/// The text of a document's report.
pub(crate) fn text(document: &Document, format: Format) -> String {
    let bytes = render(document, format).expect("this document can be shown so");
    String::from_utf8(bytes).expect("every format is UTF-8")
}

pub(crate) fn table(document: &Document) -> String {
    text(document, Format::Table)
}

/// One line, however a text was wrapped.
pub(crate) fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What a report says under a heading, in one line.
pub(crate) fn section(report: &str, title: &str) -> Option<String> {
    let report = format!("\n{report}");
    let (_, rest) = report.split_once(&format!("\n{title}\n"))?;
    rest.split("\n\n").next().map(flat)
}

/// What the report says in short and further, in one line and without the count of the
/// caveats; nothing where it says nothing.
pub(crate) fn in_short(document: &Document) -> String {
    let report = table(document);
    let [verdict, further] = ["In short", "Further"].map(|title| section(&report, title));
    let verdict = verdict.unwrap_or_default();
    let verdict = match verdict.strip_suffix(" below") {
        Some(counted) => counted.trim_end_matches(|c: char| c != '.'),
        None => &verdict,
    };
    flat(&format!("{verdict} {}", further.unwrap_or_default()))
}

/// The row that begins with some words.
pub(crate) fn row<'a>(report: &'a str, start: &str) -> &'a str {
    let row = report.lines().find(|line| line.starts_with(start));
    row.unwrap_or_else(|| panic!("{start}: {report}"))
}

#[track_caller]
pub(crate) fn says(text: &str, words: &str) {
    assert!(text.contains(words), "it does not say {words:?}: {text}");
}

#[track_caller]
pub(crate) fn omits(text: &str, words: &str) {
    assert!(!text.contains(words), "it says {words:?}: {text}");
}
