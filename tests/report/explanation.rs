//! What the report says of explained documents, whole and partial, and what it
//! must not say.

use forktax::model::{
    Availability, Document, Explanation, Ledger, Mechanisms, Phase, Profile, SpawnMethod,
};
use forktax::report::{Format, ReportError, render};
use forktax::stats::Estimate;

use crate::{build, explained, text};

fn table(document: &Document) -> String {
    text(document, Format::Table)
}

/// What the report says under a heading, in one line.
fn section(report: &str, title: &str) -> String {
    let (_, rest) = report
        .split_once(&format!("\n{title}\n"))
        .unwrap_or_else(|| panic!("no {title}: {report}"));
    let section = rest.split("\n\n").next().expect("a split has a first part");
    section.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn in_short(document: &Document) -> String {
    section(&table(document), "In short")
}

fn explanation(document: &mut Document) -> &mut Explanation {
    document.explanation.as_mut().expect("it is explained")
}

fn ledgers(document: &mut Document) -> Vec<&mut Ledger> {
    let methods = explanation(document).methods.iter_mut();
    methods
        .filter_map(|method| match &mut method.ledger {
            Availability::Measured(ledger) => Some(ledger),
            Availability::Missing(_) => None,
        })
        .collect()
}

fn mechanisms(document: &mut Document) -> Vec<&mut Mechanisms> {
    let methods = explanation(document).methods.iter_mut();
    methods
        .filter_map(|method| match &mut method.mechanisms {
            Availability::Measured(found) => Some(found),
            Availability::Missing(_) => None,
        })
        .collect()
}

/// All methods, with the same figures.
fn all() -> Document {
    let mut document = build::methods();
    let template = explained::explain();
    document.plan.explain = template.plan.explain.clone();
    document.cells.iter_mut().for_each(build::only_timed);
    let mut found = template.explanation.expect("it is explained");
    found.space = document
        .cells
        .last()
        .expect("there are cells")
        .space
        .request
        .clone();
    let fork = found.methods[0].clone();
    found.methods = SpawnMethod::ALL
        .into_iter()
        .map(|method| {
            let mut explained = fork.clone();
            explained.method = method;
            explained
        })
        .collect();
    document.explanation = Some(found);
    document
}

#[test]
fn the_ledger_has_the_phases_in_their_order_and_none_that_does_not_exist() {
    let report = table(&explained::explain());
    let place = |phase: &str| report.find(&format!("\n{phase}  "));
    let rows = [
        "call, until the copy is made",
        "return to the parent",
        "wake-up, until the child's first instruction",
        "child before exec",
        "exec, until the old address space is gone",
        "exec, until the program's first instruction",
        "program",
        "exit",
        "teardown of the program's memory",
        "reap",
        "unexplained",
        "total (with stamps)",
        "stamping adds",
        "total (timed alone)",
    ];
    let places: Vec<usize> = rows
        .iter()
        .map(|row| place(row).unwrap_or_else(|| panic!("no {row}: {report}")))
        .collect();
    assert!(places.is_sorted(), "{report}");
    assert_eq!(place("dynamic loader"), None, "{report}");
    assert_eq!(place("libc's start"), None, "{report}");
    let dynamic = table(&explained::malloc());
    assert!(dynamic.contains("\ndynamic loader  "), "{dynamic}");
    assert!(report.contains("left out, as a stamp is missing: fork 4"));
    assert!(report.contains("writes its EXIT record before it frees"));
}

#[test]
fn a_reason_for_gaps_is_told_once() {
    let report = table(&explained::unprivileged());
    let flat = report.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(flat.matches("its record is missing").count(), 1, "{report}");
    assert_eq!(flat.matches("run as root, with").count(), 1, "{report}");
    let absent = section(&report, "Not found out");
    let expected = "n/a: what the kernel does, page faults: perf_event_paranoid is 3";
    assert!(absent.starts_with(expected), "{absent}");
    assert!(!report.contains("\nCaveats"), "told above: {report}");
    let words = in_short(&explained::unprivileged());
    assert!(
        words.contains("\"call, until the copy is made, with return to the parent\": 843.4 us"),
        "a phase that lies within the next is named with it: {words}"
    );
}

#[test]
fn one_method_that_lacks_a_part_has_no_column_there() {
    let mut document = explained::explain();
    explanation(&mut document).methods[1].faults = Availability::not_asked("its turn never came");
    let report = table(&document);
    let absent = section(&report, "Not found out");
    assert_eq!(absent, "n/a: posix_spawn: page faults: its turn never came");
    let (_, faults) = report.split_once("\nPage faults of one spawn\n\n").unwrap();
    let head = faults.lines().next().unwrap();
    assert!(
        head.contains("fork") && !head.contains("posix_spawn"),
        "{head}"
    );
}

#[test]
fn what_nobody_asked_for_is_no_gap() {
    let mut document = explained::explain();
    document.plan.explain.as_mut().unwrap().rewrite_pages = 0;
    for method in &mut explanation(&mut document).methods {
        method.rewriting = Availability::not_asked("no pages were to be rewritten");
    }
    let report = table(&document);
    assert!(!report.contains("hidden tax"), "{report}");
    assert!(!report.contains("Not found out"), "{report}");
    assert!(!report.contains("writes to again"), "{report}");
}

#[test]
fn scattered_page_tables_are_named_as_the_cause() {
    let words = in_short(&explained::malloc());
    let expected = "the space has no mapping more, but 1,000 present PTEs more in 47 page tables \
                    more: what grew is the page tables and their scatter, not the number of \
                    mappings. A fork from it takes 316.1 us longer (";
    assert!(words.contains(expected), "{words}");
    assert!(words.contains("is 82.2 % of its CPU time ("), "{words}");
    assert!(words.contains("dynamic loader and libc's start are 36.8 %"));
    let mapped = in_short(&explained::explain());
    assert!(!mapped.contains("scatter"), "{mapped}");
    assert!(!mapped.contains("loader"), "{mapped}");
}

#[test]
fn full_page_tables_are_not_called_scattered() {
    let mut document = explained::malloc();
    let empty = document.cells[0].space.page_table_bytes;
    for cell in &mut document.cells[2..] {
        cell.space.page_table_bytes = empty + 2 * 4096;
    }
    let words = in_short(&document);
    assert!(
        words.contains("what grew is the entries of the page tables"),
        "{words}"
    );
    assert!(!words.contains("scatter"), "{words}");
}

#[test]
fn a_loader_is_named_without_libc_where_libc_is_not_known() {
    let mut document = explained::malloc();
    for method in &mut document.explanation.as_mut().unwrap().methods {
        let Availability::Measured(ledger) = &mut method.ledger else {
            continue;
        };
        for time in ledger.phases.iter_mut().filter(|t| t.phase == Phase::Libc) {
            time.ns = Availability::unavailable("no breakpoint", None);
        }
    }
    let words = in_short(&document);
    assert!(words.contains("The dynamic loader is "), "{words}");
    assert!(!words.contains("libc's start"), "{words}");
}

#[test]
fn what_switching_saves_and_what_it_cannot() {
    let mut document = explained::explain();
    let words = in_short(&document);
    let expected = "posix_spawn instead of fork saves 93.2 % of the total (93.2 to 93.3 %); what \
                    both must do from the new program's exec on stays: 58.1 us";
    assert!(words.contains(expected), "{words}");
    // The same totals for both: nothing is saved, and nothing is claimed.
    let samples = document.cells[2].samples.clone();
    document.cells[3].samples = samples;
    let words = in_short(&document);
    assert!(
        words.contains("No difference is seen between the totals"),
        "{words}"
    );
    assert!(!words.contains("saves"), "{words}");
}

#[test]
fn no_sentence_ranks_what_the_intervals_do_not() {
    let mut document = explained::explain();
    for ledger in ledgers(&mut document) {
        for time in &mut ledger.phases {
            if let Availability::Measured(time) = &mut time.ns {
                time.ci95 = [0.0, 1e9];
            }
        }
    }
    for found in mechanisms(&mut document) {
        for share in &mut found.shares {
            share.share.ci95 = [0.0, 1.0];
        }
    }
    for method in &mut explanation(&mut document).methods {
        if let Availability::Measured(rewriting) = &mut method.rewriting {
            rewriting.tax_ns.ci95 = [-1.0, 1e6];
        }
    }
    let words = in_short(&document);
    assert!(
        words.contains("no difference is seen between the two"),
        "{words}"
    );
    assert!(!words.contains("largest part"), "{words}");
    assert!(!words.contains("writes to again"), "{words}");
}

#[test]
fn all_methods_fit_under_the_same_keys() {
    let report = table(&all());
    for line in report.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    let (_, rest) = report
        .split_once("\nWhere the time of one spawn goes\n\n")
        .unwrap();
    let parts: Vec<&str> = rest
        .split("\n\n")
        .take_while(|part| part.starts_with("phase"))
        .collect();
    assert!(parts.len() > 1, "{report}");
    for part in &parts {
        assert_eq!(part.matches("\ncall, until").count(), 1, "{part}");
        assert_eq!(part.matches("\n---").count(), 3, "{part}");
    }
    for method in SpawnMethod::ALL {
        let heads = parts.iter().map(|part| part.lines().next().unwrap());
        let named = heads.flat_map(str::split_whitespace);
        assert_eq!(named.filter(|word| *word == method.name()).count(), 2);
    }
}

#[test]
fn a_sweep_has_no_picture_and_is_told_so() {
    for format in [Format::Svg, Format::Folded, Format::FlameGraph] {
        let refusal = render(&build::sweep(), format).unwrap_err();
        assert!(matches!(refusal, ReportError::NoPicture { .. }));
        let words = refusal.to_string();
        assert!(words.contains("a sweep cannot be shown") && words.contains("forktax explain"));
    }
}

#[test]
fn a_picture_of_what_is_missing_is_refused_with_the_reason() {
    let refusal = render(&explained::unprivileged(), Format::Folded).unwrap_err();
    let words = refusal.to_string();
    assert!(words.contains("perf_event_paranoid is 3"), "{words}");
    assert!(words.contains("run as root"), "{words}");
    let mut document = explained::explain();
    for found in mechanisms(&mut document) {
        found.profile = Profile::default();
    }
    let words = render(&document, Format::Folded).unwrap_err().to_string();
    assert!(words.contains("no sample was taken"), "{words}");
    for method in &mut explanation(&mut document).methods {
        method.ledger = Availability::unavailable("no stamps", Some("stamp them"));
    }
    let words = render(&document, Format::Svg).unwrap_err().to_string();
    assert!(words.contains("no stamps; stamp them"), "{words}");
}

#[test]
fn the_picture_is_to_scale() {
    let picture = text(&explained::explain(), Format::Svg);
    assert_eq!(picture, text(&explained::explain(), Format::Svg));
    let heights: Vec<f64> = picture
        .lines()
        .filter(|line| line.contains("<title>call, until the copy is made"))
        .map(|line| {
            let (_, rest) = line.split_once(" height=\"").unwrap();
            rest.split('"').next().unwrap().parse().unwrap()
        })
        .collect();
    let [fork, posix_spawn] = heights.as_slice() else {
        panic!("two bars: {picture}");
    };
    let ratio = fork / posix_spawn;
    assert!((ratio - 831.0 / 23.9).abs() < 0.5, "{ratio}");
    assert!(picture.contains(">1,690 us</text>"), "{picture}");
    assert!(!picture.contains("dynamic loader"), "{picture}");
}

#[test]
fn no_text_of_a_document_becomes_markup() {
    let mut document = explained::explain();
    document.host.kernel = "<script>&\"\u{1b}".to_owned();
    let picture = text(&document, Format::Svg);
    assert!(picture.contains("Linux &lt;script&gt;&amp;&quot; "));
    assert!(!picture.contains("<script>"));
    for found in mechanisms(&mut document) {
        found.profile.functions[0] = "a b;c\nd".to_owned();
    }
    let folded = text(&document, Format::Folded);
    for line in folded.lines() {
        let (frames, count) = line.rsplit_once(' ').unwrap();
        assert!(count.parse::<u64>().is_ok(), "{line}");
        assert!(
            !frames.contains(' ') || frames.contains("[user mode]"),
            "{line}"
        );
    }
}

#[test]
fn folded_stacks_hold_every_sample_of_the_profiles() {
    let mut document = explained::explain();
    let folded = text(&document, Format::Folded);
    let counts = folded
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
    let found = mechanisms(&mut document);
    let stacks = found.iter().flat_map(|found| &found.profile.stacks);
    let all: u64 = stacks.map(|stack| stack.samples).sum();
    assert_eq!(counts.sum::<u64>(), all);
    assert!(folded.lines().all(|line| {
        line.starts_with("fork;parent")
            || line.starts_with("fork;child")
            || line.starts_with("posix_spawn;")
    }));
}

#[test]
fn a_flame_graph_is_drawn_or_refused_with_the_feature_to_build() {
    let drawn = render(&explained::explain(), Format::FlameGraph);
    if cfg!(feature = "flamegraph") {
        let picture = String::from_utf8(drawn.unwrap()).unwrap();
        assert!(picture.contains("<svg") && picture.contains("anon_vma_clone"));
    } else {
        let words = drawn.unwrap_err().to_string();
        assert!(words.contains("--features flamegraph"), "{words}");
        assert!(words.contains(".folded"), "{words}");
    }
}

#[test]
fn the_csv_of_an_explanation_has_a_row_a_figure() {
    let mut headers = Vec::new();
    for document in [explained::explain(), explained::unprivileged(), all()] {
        let bytes = render(&document, Format::Csv).unwrap();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        headers.push(reader.headers().unwrap().clone());
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert!(records.iter().flatten().all(|field| !field.is_empty()));
        let methods = document.explanation.unwrap().methods.len();
        let phases = |phase: Phase| {
            let word = serde_json::to_value(phase).unwrap();
            let of_it = |r: &&csv::StringRecord| &r[0] == "ledger" && r[2] == word;
            records.iter().filter(of_it).count()
        };
        assert!(Phase::ALL.into_iter().all(|phase| phases(phase) == methods));
        let keys = records.iter().map(|r| (&r[0], &r[1], &r[2]));
        let mut unique: Vec<_> = keys.collect();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), records.len(), "a figure stands there twice");
    }
    headers.dedup();
    assert_eq!(headers.len(), 1, "the header depends on the document");
}

#[test]
fn an_explanation_of_nothing_is_a_report() {
    let mut document = explained::explain();
    for ledger in ledgers(&mut document) {
        ledger.phases.clear();
        ledger.total_ns = Estimate::exact(0.0);
    }
    for found in mechanisms(&mut document) {
        found.shares.clear();
        found.samples = 0;
    }
    let report = table(&document);
    assert!(report.contains("total (with stamps)  "), "{report}");
    assert!(
        !report.contains("NaN") && !report.contains("inf "),
        "{report}"
    );
    explanation(&mut document).methods.clear();
    document.cells.clear();
    let report = table(&document);
    assert!(report.starts_with("forktax 0.1.0"), "{report}");
    assert!(!report.contains("Where the time"), "{report}");
    assert!(report.contains("Page tables by level"), "{report}");
}
