//! Studies of address spaces: what was published beside what was measured here.

use forktax::model::{
    Answer, Cell, Document, Findings, Reproduction, SpawnMethod, Stopped, StudyId, StudyPoint,
};
use forktax::report::Format;

use crate::stored::{
    RUNS, cells, flat, in_short, omits, render, row, says, section, stored, table, text, with,
};

fn reproduction(document: &mut Document) -> &mut Reproduction {
    match &mut document.findings {
        Findings::Reproduction(reproduction) => reproduction,
        other => panic!("{other:?} reproduces nothing"),
    }
}

fn points(document: &mut Document) -> &mut Vec<StudyPoint> {
    match &mut reproduction(document).answer {
        Answer::Spaces { points, .. } => points,
        Answer::Programs(_) => panic!("it is a study of programs"),
    }
}

/// The studies of address spaces.
fn studies() -> impl Iterator<Item = (&'static String, &'static Document)> {
    let is_one = |document: &Document| {
        let Findings::Reproduction(reproduction) = &document.findings else {
            return false;
        };
        reproduction.study != StudyId::Python2014
    };
    RUNS.iter().filter(move |(_, document)| is_one(document))
}

/// All workers of a cell agree on a call and a total.
fn steady(cell: &mut Cell, call: u64, total: u64) {
    for (round, worker) in (0..).zip(&mut cell.samples) {
        worker.call_ns.fill(call + call * round / 1_000);
        worker.total_ns.fill(total + total * round / 1_000);
    }
}

/// The study whose fork pays 20 ns for each page in the call, as much after it, and
/// whose posix_spawn pays for nothing.
fn flat_spawns() -> Document {
    with("posix-spawn-2011", |document| {
        for cell in cells(&mut document.findings) {
            match cell.method {
                SpawnMethod::Fork => {
                    let pages = cell.space.parent.mappings.present_ptes;
                    steady(cell, 20 * pages, 40 * pages);
                }
                _ => steady(cell, 40_000, 60_000),
            }
        }
    })
}

#[test]
fn a_published_figure_stands_beside_this_hosts_own() {
    let report = table(&stored("posix-spawn-2011"));
    let fork = row(&report, "500 MB  fork");
    // 35.49 s of 500 spawns are 70.98 ms each.
    says(fork, "35.49 s of 500     70,980  ");
    let report = table(&stored("mt-dup-2023"));
    let fork = row(&report, "51,221 VMAs  fork");
    says(fork, "before      393 in 10 s     25,445");
    let repeated = report.lines().filter(|line| line.contains("599 in 10 s"));
    assert_eq!(repeated.count(), 1, "{report}");
}

#[test]
fn a_parent_without_the_huge_pages_that_were_asked_for_has_no_time() {
    let document = with("pte-batching-2024", |document| {
        for cell in cells(&mut document.findings) {
            cell.space.parent.huge_bytes = 0;
        }
    });
    let report = table(&document);
    let sizes = section(&report, "The parents, as published and as built here").unwrap();
    says(&sizes, "huge");
    let words = flat(&report);
    says(&words, "2 MiB pages fork n/a n/a n/a n/a");
    assert!(words.contains("the kernel gave no huge pages; set /sys"));
    let picture = text(&document, Format::Svg);
    omits(&picture, "2 MiB pages (25");
    omits(&picture, "fork, here, 2 MiB pages");
    let whole = text(&stored("pte-batching-2024"), Format::Svg);
    says(&whole, "fork, here, 2 MiB pages");
}

#[test]
fn a_cost_is_what_the_largest_parent_adds() {
    let report = table(&stored("posix-spawn-2011"));
    // (35.49 - 5.77) s / 500 / (450 * 256 PTEs).
    let row = row(&report, "50 MB to 500 MB  fork");
    says(row, "ns/PTE      516.0  ");
    let report = table(&stored("mt-dup-2023"));
    let costs: Vec<&str> = report
        .lines()
        .filter(|line| line.starts_with("21 VMAs to 51,221 VMAs"))
        .collect();
    assert!(costs[0].contains("before  us/VMA      0.495"), "{costs:?}");
    assert!(costs[1].contains("after   us/VMA      0.324"), "{costs:?}");
}

#[test]
fn a_study_of_pages_has_the_whole_call() {
    let report = table(&stored("pte-batching-2024"));
    // 14.33 ms of 262,144 PTEs; huge pages have none, but memory.
    assert!(row(&report, "4 KiB pages    fork    before  ns/PTE").contains(" 54.7 "));
    assert!(row(&report, "2 MiB pages    fork            us/GiB").contains(" n/a "));
    says(&report, "the whole fork takes");
    assert_eq!(
        report.matches("folios of 64 KiB are the kernel's").count(),
        3,
        "{report}"
    );
}

#[test]
fn dense_and_scattered_tell_entries_from_tables() {
    let document = with("hotos-2019", |document| {
        for cell in cells(&mut document.findings) {
            let space = &cell.space;
            let ns = 28 * space.parent.mappings.present_ptes
                + 930 * space.parent.page_table_bytes / 4_096;
            steady(cell, 40_000 + ns, 60_000 + ns);
        }
    });
    let words = in_short(&document);
    says(
        &words,
        "the call pays 28.1 ns for a PTE and 932.3 ns for each page-table page",
    );
    let document = with("hotos-2019", |document| {
        points(document).truncate(4);
    });
    let report = table(&document);
    omits(&report, "dense and scattered");
}

#[test]
fn what_is_not_printed_as_a_number_is_a_gap_with_a_reason() {
    let report = table(&stored("hotos-2019"));
    let row = row(&report, "200 MiB dense      fork");
    says(row, " n/a ");
    let reason = "fork: published, here over published: the study prints no number for it";
    says(&report, reason);
}

#[test]
fn a_scaled_parent_is_compared_on_the_scale_only() {
    let document = stored("posix-spawn-2011-scaled");
    let report = table(&document);
    says(&report, "at 1/4 of their sizes");
    let times = report.lines().filter(|line| line.contains(" s of 500"));
    assert!(times.clone().all(|line| line.ends_with("n/a")), "{report}");
    assert_eq!(times.count(), 20);
    says(&report, "built at 1/4 of the published size; compare");
    let words = in_short(&document);
    says(&words, "(the address space takes up to ");
    omits(&words, "Here over published");
    // A quarter of the pages for a quarter of the time: the cost is the same.
    says(&words, "each further PTE costs fork ");
}

#[test]
fn staying_flat_is_said_only_of_what_is() {
    let mut document = flat_spawns();
    let flat = "posix_spawn-usevfork stays flat: from 50 MB to 500 MB";
    let words = in_short(&document);
    says(&words, flat);
    let last = cells(&mut document.findings)
        .last_mut()
        .expect("there are cells");
    steady(last, 120_000, 180_000);
    let words = in_short(&document);
    says(&words, "posix_spawn-usevfork is not flat");
    // Two workers that disagree have nothing to say about either.
    let last = cells(&mut document.findings)
        .last_mut()
        .expect("there are cells");
    steady(last, 40_000, 60_000);
    last.samples.truncate(2);
    last.samples[1].total_ns.fill(120_000);
    let words = in_short(&document);
    omits(&words, "flat");
}

#[test]
fn a_run_that_was_broken_off_compares_what_it_has() {
    let mut document = flat_spawns();
    document.run.stopped = Stopped::Interrupted;
    cells(&mut document.findings).truncate(4);
    let report = table(&document);
    says(&report, "50 MB to 100 MB");
    let row = row(&report, "500 MB  fork");
    assert!(row.contains("70,980") && row.ends_with("n/a"), "{row}");
    says(&report, "the run ended before its turn");
    let words = in_short(&document);
    says(&words, "From 50 MB to 100 MB,");
}

#[test]
fn a_study_without_cells_shows_what_was_published() {
    for (name, document) in studies() {
        let mut document = document.clone();
        cells(&mut document.findings).clear();
        let report = table(&document);
        says(&report, "The parents, as published");
        says(&report, "n/a");
        let scaled = reproduction(&mut document).scaled_because.is_some();
        let nothing = in_short(&document) == "Nothing can be said in short.";
        assert_eq!(nothing, !scaled, "{name}: {report}");
        // Figures without a size that was published are no picture.
        match render(&document, Format::Svg) {
            Ok(picture) => assert!(String::from_utf8(picture).unwrap().contains(", published")),
            Err(refusal) => assert!(refusal.to_string().contains("nothing was measured")),
        }
        for point in points(&mut document) {
            point.figures.clear();
        }
        let refusal = render(&document, Format::Svg).unwrap_err().to_string();
        says(&refusal, "nothing was measured");
    }
}

#[test]
fn a_method_beyond_the_study_is_a_row_without_a_published_figure() {
    let report = table(&with("mt-dup-2023", |document| {
        document.plan.methods.push(SpawnMethod::PosixSpawn);
    }));
    says(&report, "posix_spawn");
    says(&report, "the study prints no number for it");
}

#[test]
fn the_picture_has_a_line_a_method_and_a_published_one() {
    let picture = text(&stored("mt-dup-2023"), Format::Svg);
    assert_eq!(picture.matches("<polyline").count(), 3, "{picture}");
    let dashed = picture.lines().filter(|line| line.starts_with("<polyline"));
    assert_eq!(dashed.filter(|line| line.contains("dasharray")).count(), 2);
    assert!(text(&stored("hotos-2019"), Format::Svg).contains("fork, scattered, here"));
    // Pages of unlike size are no line.
    assert!(!text(&stored("pte-batching-2024"), Format::Svg).contains("<polyline"));
}

#[test]
fn no_text_of_a_study_becomes_markup() {
    let document = with("mt-dup-2023", |document| {
        let reproduction = reproduction(document);
        reproduction.source.title = "<script>".to_owned();
        points(document)[0].figures[0].series = "</text> & \u{1b}".to_owned();
    });
    let picture = text(&document, Format::Svg);
    assert!(!picture.contains("<script>") && picture.contains("&lt;script&gt;"));
    says(&picture, "&lt;/text&gt; &amp;");
}
