//! Explanations, whole and partial: what the report says of them, and what it must not
//! say.

use forktax::model::{
    Availability, Cell, Document, Explanation, Findings, Ledger, Mechanisms, MethodExplained,
    Order, Phase, Profile, SpawnMethod,
};
use forktax::report::Format;
use forktax::stats::Estimate;

use crate::stored::{
    cells, flat, in_short, omits, render, says, section, stored, table, text, with,
};

fn explanation(document: &mut Document) -> &mut Explanation {
    match &mut document.findings {
        Findings::Explanation(explanation) => explanation,
        other => panic!("{other:?} explains nothing"),
    }
}

fn ledgers(document: &mut Document) -> impl Iterator<Item = &mut Ledger> {
    let methods = explanation(document).methods.iter_mut();
    methods.filter_map(|method| match &mut method.ledger {
        Availability::Measured(ledger) => Some(ledger),
        Availability::Missing(_) => None,
    })
}

fn mechanisms(document: &mut Document) -> impl Iterator<Item = &mut Mechanisms> {
    let methods = explanation(document).methods.iter_mut();
    methods.filter_map(|method| match &mut method.mechanisms {
        Availability::Measured(found) => Some(found),
        Availability::Missing(_) => None,
    })
}

/// All methods, with the figures of fork.
fn all() -> Document {
    with("explain", |document| {
        document.plan.methods = SpawnMethod::ALL.to_vec();
        let forks = document.findings.cells().iter().step_by(2).cloned();
        let forks: Vec<_> = forks.collect();
        let fork = explanation(document).methods[0].clone();
        let every = SpawnMethod::ALL.into_iter();
        explanation(document).methods = every
            .map(|method| MethodExplained {
                method,
                ..fork.clone()
            })
            .collect();
        cells(&mut document.findings).clear();
        for cell in forks {
            let every = SpawnMethod::ALL.into_iter();
            cells(&mut document.findings).extend(every.map(|method| Cell {
                method,
                ..cell.clone()
            }));
        }
    })
}

#[test]
fn the_ledger_has_the_phases_in_their_order_and_none_that_does_not_exist() {
    let document = with("explain", |document| {
        ledgers(document).for_each(|ledger| ledger.incomplete = 4);
    });
    let report = table(&document);
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
    assert!(report.contains("left out, as a stamp is missing: fork 4"));
    assert!(report.contains("writes its EXIT record before it frees"));
    let dynamic = table(&stored("explain-malloc"));
    says(&dynamic, "\ndynamic loader  ");
}

#[test]
fn a_reason_for_gaps_is_told_once() {
    let unprivileged = stored("explain-unprivileged");
    let report = table(&unprivileged);
    assert_eq!(
        flat(&report).matches("run as root, with").count(),
        1,
        "{report}"
    );
    let absent = section(&report, "Not found out").unwrap();
    let expected = "n/a: what the kernel does: the kernel hides the addresses";
    assert!(absent.starts_with(expected), "{absent}");
    assert!(absent.contains("n/a: page faults: kernel.perf_event_paranoid is 2"));
}

/// A phase whose end no record dates lies within the next one.
#[test]
fn a_phase_that_lies_within_the_next_is_named_with_it() {
    let document = with("explain-unprivileged", |document| {
        document.caveats.clear();
        for ledger in ledgers(document) {
            for phase in [Phase::Copy, Phase::Exit] {
                let time = ledger.phases.iter_mut().find(|time| time.phase == phase);
                let time = time.expect("the ledger has every phase");
                let why = "its record is missing; it lies within the next phase";
                time.ns = Availability::unavailable(why, None);
            }
            let next = ledger
                .phases
                .iter_mut()
                .find(|time| time.phase == Phase::Return);
            let next = next.expect("the ledger has every phase");
            next.ns = Availability::Measured(Estimate {
                value: 474_500.0,
                ci95: [464e3, 481e3],
            });
        }
    });
    let report = table(&document);
    assert_eq!(
        flat(&report).matches("its record is missing").count(),
        1,
        "{report}"
    );
    omits(&report, "\nCaveats");
    let words = in_short(&document);
    says(
        &words,
        "\"call, until the copy is made, with return to the parent\": 474.5 us",
    );
}

#[test]
fn one_method_that_lacks_a_part_has_no_column_there() {
    let document = with("explain", |document| {
        let lacks = &mut explanation(document).methods[1];
        lacks.faults = Availability::not_asked("its turn never came");
    });
    let report = table(&document);
    let absent = section(&report, "Not found out").unwrap();
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
    let document = with("explain", |document| {
        if let Order::Explain(order) = &mut document.plan.order {
            order.rewrite_pages = 0;
        }
        for method in &mut explanation(document).methods {
            method.rewriting = Availability::not_asked("no pages were to be rewritten");
        }
    });
    let report = table(&document);
    omits(&report, "hidden tax");
    omits(&report, "Not found out");
    omits(&report, "writes to again");
}

#[test]
fn scattered_page_tables_are_named_as_the_cause() {
    let words = in_short(&stored("explain-malloc"));
    for expected in [
        "the space has no mapping more, but 1,033 present PTEs more in 47 page tables more: what \
         grew is the page tables and their scatter, not the number of mappings. A fork from it \
         takes 307.2 us longer (",
        "is 17.0 % of its CPU time (",
        "dynamic loader and libc's start are 62.1 %",
    ] {
        says(&words, expected);
    }
    let mapped = in_short(&stored("explain"));
    omits(&mapped, "scatter");
    omits(&mapped, "loader");
}

#[test]
fn full_page_tables_are_not_called_scattered() {
    let words = in_short(&with("explain-malloc", |document| {
        let empty = cells(&mut document.findings)[0]
            .space
            .parent
            .page_table_bytes;
        for cell in &mut cells(&mut document.findings)[2..] {
            cell.space.parent.page_table_bytes = empty + 2 * 4096;
        }
    }));
    says(&words, "what grew is the entries of the page tables");
    omits(&words, "scatter");
}

#[test]
fn a_loader_is_named_without_libc_where_libc_is_not_known() {
    let words = in_short(&with("explain-malloc", |document| {
        for ledger in ledgers(document) {
            for time in ledger.phases.iter_mut().filter(|t| t.phase == Phase::Libc) {
                time.ns = Availability::unavailable("no breakpoint", None);
            }
        }
    }));
    says(&words, "The dynamic loader is ");
    omits(&words, "libc's start");
}

#[test]
fn what_switching_saves_and_what_it_cannot() {
    let words = in_short(&stored("explain"));
    let expected = "posix_spawn instead of fork saves 93.5 % of the total (93.3 to 93.7 %); what \
                    both must do from the new program's exec on stays: 24.0 us";
    says(&words, expected);
    // The same totals for both: nothing is saved, and nothing is claimed.
    let words = in_short(&with("explain", |document| {
        let cells = cells(&mut document.findings);
        cells[3].samples = cells[2].samples.clone();
    }));
    says(&words, "No difference is seen between the totals");
    omits(&words, "saves");
}

#[test]
fn no_sentence_ranks_what_the_intervals_do_not() {
    let words = in_short(&with("explain", |document| {
        for ledger in ledgers(document) {
            for time in &mut ledger.phases {
                if let Availability::Measured(time) = &mut time.ns {
                    time.ci95 = [0.0, 1e9];
                }
            }
        }
        for found in mechanisms(document) {
            for share in &mut found.shares {
                share.share.ci95 = [0.0, 1.0];
            }
        }
        for method in &mut explanation(document).methods {
            if let Availability::Measured(rewriting) = &mut method.rewriting {
                rewriting.tax_ns.ci95 = [-1.0, 1e6];
            }
        }
    }));
    says(&words, "no difference is seen between the two");
    omits(&words, "largest part");
    omits(&words, "writes to again");
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
fn a_picture_of_what_is_missing_is_refused_with_the_reason() {
    let refused = |document: &Document, format| render(document, format).unwrap_err().to_string();
    let words = refused(&stored("explain-unprivileged"), Format::Folded);
    says(&words, "the kernel hides the addresses");
    says(&words, "run as root");
    let mut document = with("explain", |document| {
        mechanisms(document).for_each(|found| found.profile = Profile::default());
    });
    let words = refused(&document, Format::Folded);
    says(&words, "no sample was taken");
    for method in &mut explanation(&mut document).methods {
        method.ledger = Availability::unavailable("no stamps", Some("stamp them"));
    }
    let words = refused(&document, Format::Svg);
    says(&words, "no stamps; stamp them");
}

#[test]
fn the_picture_is_to_scale() {
    let mut document = stored("explain");
    let picture = text(&document, Format::Svg);
    assert_eq!(picture, text(&document, Format::Svg));
    let heights: Vec<f64> = picture
        .lines()
        .filter(|line| line.contains("<title>call, until the copy is made"))
        .map(|line| {
            let (_, rest) = line.split_once(" height=\"").unwrap();
            rest.split('"').next().unwrap().parse().unwrap()
        })
        .collect();
    let times: Vec<f64> = ledgers(&mut document)
        .map(|ledger| ledger.phases[0].ns.measured().unwrap().value)
        .collect();
    let ([fork, posix_spawn], [longer, shorter]) = (heights.as_slice(), times.as_slice()) else {
        panic!("two bars: {picture}");
    };
    assert!((fork / posix_spawn / (longer / shorter) - 1.0).abs() < 0.05);
    says(&picture, ">1,042 us</text>");
    omits(&picture, "dynamic loader");
}

#[test]
fn no_text_of_a_document_becomes_markup() {
    let document = with("explain", |document| {
        document.host.kernel = "<script>&\"\u{1b}".to_owned();
        for found in mechanisms(document) {
            found.profile.functions[0] = "a b;c\nd".to_owned();
        }
    });
    let picture = text(&document, Format::Svg);
    assert!(picture.contains("Linux &lt;script&gt;&amp;&quot; "));
    assert!(!picture.contains("<script>"));
    for line in text(&document, Format::Folded).lines() {
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
    let mut document = stored("explain");
    let folded = text(&document, Format::Folded);
    let counts = folded
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap());
    let stacks = mechanisms(&mut document).flat_map(|found| &found.profile.stacks);
    let samples: u64 = stacks.map(|stack| stack.samples).sum();
    assert_eq!(counts.sum::<u64>(), samples);
    assert!(folded.lines().all(|line| {
        line.starts_with("fork;parent")
            || line.starts_with("fork;child")
            || line.starts_with("posix_spawn;")
    }));
}

#[test]
fn a_flame_graph_is_drawn_or_refused_with_the_feature_to_build() {
    let drawn = render(&stored("explain"), Format::FlameGraph);
    if cfg!(feature = "flamegraph") {
        let picture = String::from_utf8(drawn.unwrap()).unwrap();
        assert!(picture.contains("<svg") && picture.contains("anon_vma_clone"));
    } else {
        let words = drawn.unwrap_err().to_string();
        says(&words, "--features flamegraph");
        says(&words, ".folded");
    }
}

#[test]
fn an_explanation_of_nothing_is_a_report() {
    let mut document = with("explain", |document| {
        for ledger in ledgers(document) {
            ledger.phases.clear();
            ledger.total_ns = Estimate::exact(0.0);
        }
        for found in mechanisms(document) {
            found.shares.clear();
            found.samples = 0;
        }
    });
    let report = table(&document);
    says(&report, "total (with stamps)  ");
    assert!(
        !report.contains("NaN") && !report.contains("inf "),
        "{report}"
    );
    explanation(&mut document).methods.clear();
    cells(&mut document.findings).clear();
    let report = table(&document);
    says(&report, "\n\nHow it was measured\nforktax 0.1.0");
    omits(&report, "Where the time");
    says(&report, "Page tables by level");
}
