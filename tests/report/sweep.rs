//! Sweeps: what the report says about them, and what it must not say, also of runs that
//! went wrong or that ask something else.

use forktax::model::{
    Availability, Caveat, Document, HostCourse, Reference, ReferenceReading, SpaceRequest,
    SpawnMethod, Stopped,
};
use forktax::report::{Format, ReportError};
use forktax::stats::Estimate;

use crate::stored::{
    cells, flat, in_short, omits, render, says, section, stored, table, text, with,
};

fn keep(document: &mut Document, methods: &[SpawnMethod]) {
    cells(&mut document.findings).retain(|cell| methods.contains(&cell.method));
    document.plan.methods = methods.to_vec();
}

/// The sweep with a change of the ratio of every cell in `cells`.
fn with_ratio(which: std::ops::Range<usize>, value: f64, ci95: [f64; 2]) -> Document {
    with("sweep", |document| {
        for cell in &mut cells(&mut document.findings)[which] {
            cell.ratio = Availability::Measured(Estimate { value, ci95 });
        }
    })
}

#[test]
fn the_sweep_is_put_in_words() {
    let words = in_short(&stored("sweep"));
    for expected in [
        "With 25 mappings fork takes 1.52 times as long as posix_spawn (",
        "; with 10,025 mappings, 487.1 times (",
        "From 1,025 mappings on, fork costs at least twice",
        "67.4 % (",
    ] {
        says(&words, expected);
    }
}

#[test]
fn one_size_has_no_slope_and_says_why() {
    let document = with("sweep", |document| {
        cells(&mut document.findings).truncate(3)
    });
    let report = table(&document);
    says(&report, "one size, so there is no growth to split");
    omits(&report, "slope");
    let words = in_short(&document);
    assert!(words.starts_with("With 25 mappings fork takes 1.52 times"));
    assert_eq!(words.matches(". ").count(), 0, "one sentence only: {words}");
}

#[test]
fn one_mapping_is_singular() {
    let document = with("sweep", |document| {
        cells(&mut document.findings).truncate(3);
        cells(&mut document.findings)
            .iter_mut()
            .for_each(|cell| cell.space.parent.mappings.vmas = 1);
    });
    assert!(in_short(&document).starts_with("With 1 mapping fork takes"));
}

#[test]
fn an_interval_around_one_is_no_difference() {
    let mut document = with_ratio(0..3, 1.02, [0.99, 1.05]);
    let words = in_short(&document);
    let expected = "With 25 mappings no difference is seen between fork and posix_spawn; \
                    with 10,025 mappings fork takes 487.1 times as long";
    assert!(words.starts_with(expected), "{words}");
    cells(&mut document.findings).truncate(3);
    assert_eq!(
        in_short(&document),
        "With 25 mappings no difference is seen between fork and posix_spawn."
    );
}

#[test]
fn a_ratio_that_never_reaches_two_is_said_so() {
    let mut document = with_ratio(0..9, 1.5, [1.4, 1.9]);
    let words = in_short(&document);
    says(&words, "At no size measured is fork seen to cost twice");
    cells(&mut document.findings)[0].ratio = Availability::not_reached();
    let words = in_short(&document);
    assert!(!words.contains("At no size"), "a size is unknown: {words}");
}

#[test]
fn the_largest_size_alone_is_no_trend() {
    let document = with("sweep", |document| {
        drop(cells(&mut document.findings).drain(3..6))
    });
    let words = in_short(&document);
    says(&words, "Only with 10,025 mappings, the largest size,");
}

#[test]
fn without_fork_the_fastest_is_compared() {
    use SpawnMethod::{PosixSpawn, Vfork};
    let document = with("sweep", |document| keep(document, &[Vfork, PosixSpawn]));
    assert!(!table(&document).contains("What fork costs"));
    let words = in_short(&document);
    let expected = "With 10,025 mappings vfork is the fastest (45.4 us): posix_spawn takes 1.5";
    assert!(words.starts_with(expected), "{words}");
}

#[test]
fn fork_as_the_baseline_is_compared_with_the_fastest() {
    use SpawnMethod::{Fork, Vfork};
    let document = with("sweep", |document| {
        keep(document, &[Fork, Vfork]);
        document.plan.baseline = Fork;
    });
    let words = in_short(&document);
    says(&words, "vfork is the fastest (45.4 us): fork takes ");
}

#[test]
fn one_method_alone_is_not_compared() {
    let document = with("sweep", |document| keep(document, &[SpawnMethod::Vfork]));
    assert_eq!(in_short(&document), "Nothing can be said in short.");
}

#[test]
fn a_baseline_without_calls_leaves_the_extra_whole() {
    let document = with("sweep", |document| {
        document.plan.baseline = SpawnMethod::System;
        for cell in cells(&mut document.findings) {
            if cell.method == SpawnMethod::PosixSpawn {
                cell.method = SpawnMethod::System;
                cell.call_ns =
                    Availability::unavailable("system() waits for the child itself", None);
                cell.samples
                    .iter_mut()
                    .for_each(|worker| worker.call_ns.clear());
            }
        }
    });
    let report = table(&document);
    says(&report, "What fork costs beyond system");
    says(&report, "n/a: in call, after call: system() waits");
    assert!(!in_short(&document).contains("is paid in the call"));
}

#[test]
fn a_run_that_was_broken_off_shows_what_it_has() {
    let reason = "the run was broken off before its turn";
    let document = with("sweep", |document| {
        document.run.stopped = Stopped::Interrupted;
        for cell in &mut cells(&mut document.findings)[6..] {
            cell.samples.clear();
            cell.spawns = 0;
            cell.call_ns = Availability::not_asked(reason);
            cell.total_ns = Availability::not_asked(reason);
            cell.ratio = Availability::not_asked(reason);
        }
        cells(&mut document.findings)[5].samples[5]
            .total_ns
            .truncate(3);
    });
    let report = table(&document);
    assert_eq!(
        report.matches(reason).count(),
        1,
        "each reason once: {report}"
    );
    says(&report, "stopped by a signal");
    let words = in_short(&document);
    says(&words, "with 1,025 mappings, 15.1 times");
    omits(&words, "10,025");
    assert!(
        !words.contains("1,025 mappings on"),
        "the largest size is unknown: {words}"
    );
}

#[test]
fn a_document_without_cells_has_a_method_and_a_run() {
    let report = table(&with("sweep", |document| {
        cells(&mut document.findings).clear()
    }));
    assert!(
        report.starts_with("In short\nNothing can be said in short.\n"),
        "{report}"
    );
    says(&report, "\n\nHow it was measured\nforktax 0.1.0");
    says(&report, "0 spawns timed");
    omits(&report, "mappings  ");
}

/// A method that the kernel refused, and caveats that say the same of several rows.
#[test]
fn reasons_and_caveats_are_told_once() {
    const TOO_OLD: &str = "the kernel does not know CLONE_CLEAR_SIGHAND (Linux 5.5)";
    let disagree = Caveat::WorkersDisagree {
        cells: 3,
        mappings: 10_025,
        method: SpawnMethod::Fork,
        spread: 0.12,
    };
    let document = with("sweep-methods", |document| {
        for cell in cells(&mut document.findings) {
            if cell.method == SpawnMethod::Clone3Vfork {
                cell.samples.clear();
                cell.call_ns = Availability::unavailable(TOO_OLD, None);
                cell.total_ns = Availability::unavailable(TOO_OLD, None);
                cell.ratio = Availability::unavailable(TOO_OLD, None);
            }
        }
        document.caveats = vec![disagree.clone(), disagree];
        document.caveats.push(Caveat::MethodUnavailable {
            method: SpawnMethod::Clone3Vfork,
            reason: TOO_OLD.to_owned(),
        });
    });
    let report = flat(&table(&document));
    assert_eq!(report.matches("differ in 3 row").count(), 1, "{report}");
    assert_eq!(report.matches("CLONE_CLEAR_SIGHAND").count(), 1, "{report}");
}

#[test]
fn advice_names_the_limit_that_ended_the_run() {
    let mut document = with("sweep", |document| {
        document.caveats = vec![
            Caveat::FewWorkers {
                mappings: 25,
                workers: 1,
            },
            Caveat::PrecisionMissed {
                asked: 0.02,
                widest: 0.020_3,
                cells: 2,
                needed_s: Some(5.2),
                obstacle: None,
            },
        ];
        document.run.stopped = Stopped::Time;
        document.plan.stop.time_s = Some(5.0);
    });
    let caveats = |document: &Document| section(&table(document), "Caveats").unwrap();
    let words = caveats(&document);
    says(&words, "only 1 worker, too few");
    says(&words, "aimed at, the widest ±2.03 %");
    assert_eq!(words.matches("; raise --time").count(), 2, "{words}");
    document.plan.stop.spawns = Some(48);
    document.run.stopped = Stopped::Spawns;
    let by_spawns = caveats(&document);
    assert_eq!(by_spawns, words.replace("--time", "--spawns"));
    document.plan.stop.time_s = None;
    assert_eq!(caveats(&document), by_spawns);
    document.run.stopped = Stopped::OutOfReach;
    let out_of_reach = caveats(&document);
    says(
        &out_of_reach,
        "about 5.2 s would do; give --time for a longer run",
    );
    let run = section(&table(&document), "Run").unwrap();
    says(
        &run,
        "stopped as the precision that was asked would have taken too long",
    );
    document.run.stopped = Stopped::Interrupted;
    let broken_off = caveats(&document);
    omits(&broken_off, "raise");
}

#[test]
fn what_all_parents_have_stands_in_the_header() {
    let mut document = with("sweep", |document| {
        for (space, cells) in document
            .plan
            .spaces
            .iter_mut()
            .zip(cells(&mut document.findings).chunks_mut(3))
        {
            let more = [
                SpaceRequest::Descriptors {
                    count: 1_000,
                    cloexec: true,
                },
                SpaceRequest::Threads { count: 1 },
            ];
            let parts = [space.clone()].into_iter().chain(more).collect();
            *space = SpaceRequest::Together { parts };
            for cell in cells {
                cell.space.request = space.clone();
                cell.space.parent.descriptors += 1_000;
                cell.space.parent.threads += 1;
            }
        }
    });
    let report = table(&document);
    let header = "each parent has 1,000 more descriptors and 1 more idle thread; an exec closes \
                  the descriptors";
    says(&report, header);
    says(&report, "one mapping");
    omits(&report, "  fds  ");
    let one = SpaceRequest::Descriptors {
        count: 1,
        cloexec: false,
    };
    let parts = vec![one, SpaceRequest::Handlers { count: 20 }];
    document.plan.spaces = vec![SpaceRequest::Together { parts }];
    let report = table(&document);
    let header = "each parent has 1 more descriptor and 20 more signal handlers; an exec keeps";
    says(&report, header);
}

#[test]
fn along_descriptors_and_threads_nothing_is_a_cost_of_a_mapping() {
    for (name, column, noun) in [
        ("sweep-fds", "fds", "descriptor"),
        ("sweep-threads", "threads", "thread"),
    ] {
        let report = table(&stored(name));
        says(&report, &format!("one {noun}"));
        omits(&report, "one mapping");
        says(&report, column);
        omits(&report, "each parent has");
    }
    let words = in_short(&stored("sweep-threads"));
    says(&words, "none is seen to be added to posix_spawn");
}

#[test]
fn how_steady_the_host_was_is_told_by_the_reference() {
    let reading = |at: u32| ReferenceReading {
        at_s: f64::from(at),
        fork_ns: if at < 16 { 600_000.0 } else { 1_100_000.0 },
        vfork_ns: 70_000.0,
    };
    let document = with("sweep", |document| {
        document.run.reference = Availability::Measured(Reference {
            mappings: 300,
            readings: (0..24).map(reading).collect(),
            ended_by: None,
            host: Some(HostCourse::Restless { spread: 1.8 }),
        });
        let (p10_ns, p90_ns) = (600_000.0, 1_100_000.0);
        document.caveats.push(Caveat::Unsteady { p10_ns, p90_ns });
    });
    let report = flat(&text(&document, Format::Table));
    says(
        &report,
        "a fork from 300 mappings, always the same, took 600.0 us in the median of 24 readings and \
         600.0 to 1,100 in eight of ten",
    );
    says(
        &report,
        "took less than 600 us at one time and more than 1,100 us at another",
    );
    omits(&text(&stored("sweep"), Format::Table), "how steady");
}

#[test]
fn a_sweep_has_no_picture_and_is_told_so() {
    for format in [Format::Svg, Format::Folded, Format::FlameGraph] {
        let refusal = render(&stored("sweep"), format).unwrap_err();
        assert!(matches!(refusal, ReportError::NoPicture { .. }));
        let words = refusal.to_string();
        assert!(words.contains("a sweep cannot be shown") && words.contains("forktax explain"));
    }
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let document = with("sweep", |document| {
        document.host.kernel = "6\u{1b}[31m\u{202e}\n\t18".to_owned();
    });
    for format in [Format::Table, Format::Markdown] {
        let report = text(&document, format);
        assert!(report.chars().all(|c| c == '\n' || !c.is_control()));
        assert!(
            report.contains("Linux 6 [31m 18") || report.contains("Linux 6 \\[31m"),
            "{report}"
        );
    }
}
