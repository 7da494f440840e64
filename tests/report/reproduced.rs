//! Studies of programs: the published figures and this host's beside them.

use fastrand::Rng;
use forktax::model::{
    Availability, CallName, Caveat, ChildAction, Counts, Document, Interpreter, Loop, LoopOrder,
    LoopRun, LoopSystem, Looped, Loops, Missing, ObservedCall, Parent, Program, PublishedLoop,
    Reproduce, Reproduction, Source, SpawnMethod, SplitSource, Stopped, StudyId,
};
use forktax::report::{Format, parse, render};
use forktax::stats::{Estimate, median_replicates};

use crate::build;
use crate::text;

const REPEATS: u32 = 5;
const ITERATIONS: u64 = 1_000;

/// Every document with the name of its snapshots.
fn documents() -> Vec<(&'static str, Document)> {
    vec![
        ("reproduce-python", complete()),
        ("reproduce-python-absent", without_python()),
        ("reproduce-python-unprivileged", unprivileged()),
        ("reproduce-python-interrupted", interrupted()),
        ("reproduce-python-opposite", opposite()),
    ]
}

/// What was printed: seconds of real, user and sys time.
fn published(system: LoopSystem) -> Option<PublishedLoop> {
    let (iterations, [real_s, user_s, sys_s]) = match system {
        LoopSystem::PythonPopen => (1_000, [2.466, 0.452, 2.424]),
        LoopSystem::CFork => (1_000, [1.115, 0.072, 1.048]),
        LoopSystem::PythonFork => (1_000, [2.203, 0.271, 2.061]),
        LoopSystem::CForkMalloc => (1_000, [1.962, 0.078, 1.914]),
        LoopSystem::PythonPosixSpawn => (1_000, [1.133, 0.267, 0.912]),
        LoopSystem::CPosixSpawn => (1_000, [0.918, 0.067, 0.856]),
        LoopSystem::PythonPopenLong => (10_000, [24.361, 3.893, 24.462]),
        _ => return None,
    };
    Some(PublishedLoop {
        iterations,
        real_s,
        user_s,
        sys_s,
    })
}

/// Microseconds of a run in the loop, as a virtual machine took them.
fn loop_us(system: LoopSystem) -> f64 {
    match system {
        LoopSystem::PythonPopen | LoopSystem::PythonPopenLong => 742.0,
        LoopSystem::CFork => 521.0,
        LoopSystem::PythonFork => 1_043.0,
        LoopSystem::CForkMalloc => 688.0,
        LoopSystem::PythonPosixSpawn => 495.0,
        LoopSystem::CPosixSpawn => 461.0,
        LoopSystem::PythonPopenPreexec => 1_262.0,
        LoopSystem::CForkLikePython => 898.0,
        LoopSystem::CPosixSpawnPlain => 461.3,
        LoopSystem::CPosixSpawnFloor => 118.0,
    }
}

fn parent(system: LoopSystem) -> Parent {
    let [vmas, anon_vmas, present_ptes, tables] = match system {
        LoopSystem::CFork
        | LoopSystem::CPosixSpawn
        | LoopSystem::CPosixSpawnPlain
        | LoopSystem::CPosixSpawnFloor => [31, 12, 280, 14],
        LoopSystem::CForkMalloc => [31, 12, 1_280, 61],
        LoopSystem::CForkLikePython => [104, 41, 1_912, 22],
        _ => [97, 38, 1_874, 21],
    };
    Parent {
        mappings: Counts {
            vmas,
            anon_vmas,
            present_ptes,
            ..Counts::default()
        },
        page_table_bytes: tables * 4_096,
        resident_bytes: present_ptes * 4_096,
        ..Parent::default()
    }
}

fn call(name: CallName, flags: u64, seen: u64) -> ObservedCall {
    ObservedCall { name, flags, seen }
}

fn calls(system: LoopSystem) -> Vec<ObservedCall> {
    vec![match system {
        LoopSystem::PythonPopen | LoopSystem::PythonPopenLong => call(CallName::Vfork, 0, 20),
        LoopSystem::PythonPosixSpawn
        | LoopSystem::CPosixSpawn
        | LoopSystem::CPosixSpawnPlain
        | LoopSystem::CPosixSpawnFloor => call(CallName::Clone3, 0x1_0000_4100, 20),
        _ => call(CallName::Clone, 0x120_0000, 20),
    }]
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the times above are small and positive"
)]
fn runs(system: LoopSystem, iterations: u64) -> Vec<LoopRun> {
    let mut rng = Rng::with_seed(system as u64);
    let copies = matches!(
        system,
        LoopSystem::PythonFork | LoopSystem::PythonPopenPreexec
    );
    let faults = if copies { 320 } else { 83 };
    (1..=REPEATS)
        .map(|round| {
            let luck = 1.0 + 0.01 * f64::from(round % 3) + 0.004 * rng.f64();
            let loop_ns = (loop_us(system) * 1e3 * luck * iterations as f64) as u64;
            let start = if system.is_script() {
                31_000_000.0 * luck
            } else {
                0.0
            };
            let cpu_us = loop_ns / 1_000 * 98 / 100;
            LoopRun {
                round,
                real_ns: loop_ns + start as u64,
                loop_ns,
                cpu_us,
                user_us: cpu_us / 7,
                minor_faults: faults * iterations + u64::from(round),
            }
        })
        .collect()
}

/// Six decimals: what a decimal reader gives back to the last bit.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn estimate(values: impl Iterator<Item = f64>) -> Estimate {
    let values: Vec<Vec<f64>> = values.map(|value| vec![value]).collect();
    let estimate = median_replicates(&values, 42, 500).expect("there are values");
    let estimate = estimate.estimate();
    Estimate {
        value: rounded(estimate.value),
        ci95: estimate.ci95.map(rounded),
    }
}

fn looped(system: LoopSystem, iterations: u64, runs: Vec<LoopRun>, base: &[LoopRun]) -> Looped {
    let of = |figure: fn(&LoopRun) -> f64| estimate(runs.iter().map(figure));
    let cpu_s = of(|run| run.cpu_us as f64 / 1e6);
    let part = |share: f64| Estimate {
        value: rounded(cpu_s.value * share),
        ci95: cpu_s.ci95.map(|bound| rounded(bound * share)),
    };
    let a_run = |run: &LoopRun, iterations: u64| run.real_ns as f64 / iterations as f64;
    let ratios = runs
        .iter()
        .zip(base)
        .map(|(run, base)| a_run(run, iterations) / a_run(base, ITERATIONS));
    Looped {
        real_s: of(|run| run.real_ns as f64 / 1e9),
        start_s: of(|run| (run.real_ns - run.loop_ns) as f64 / 1e9),
        per_second: estimate(runs.iter().map(|run| 1e9 / a_run(run, iterations))),
        ratio: Availability::Measured(estimate(ratios)),
        cpu_s,
        user_s: Availability::Measured(part(0.11)),
        sys_s: Availability::Measured(part(0.89)),
        split: SplitSource::Samples,
        minor_faults: Availability::Measured(estimate(
            runs.iter()
                .map(|run| run.minor_faults as f64 / iterations as f64),
        )),
        parent: Availability::Measured(parent(system)),
        calls: Availability::Measured(calls(system)),
        runs,
    }
}

fn row(system: LoopSystem) -> Loop {
    let iterations = match system {
        LoopSystem::PythonPopenLong => 10_000,
        _ => ITERATIONS,
    };
    let base = runs(LoopSystem::CFork, ITERATIONS);
    Loop {
        system,
        published: published(system),
        iterations,
        here: Availability::Measured(looped(system, iterations, runs(system, iterations), &base)),
        failed: None,
    }
}

/// All programs, as root on a machine with Python.
fn complete() -> Document {
    let methods = [SpawnMethod::Fork, SpawnMethod::PosixSpawnUsevfork];
    let mut document = build::empty(&methods, SpawnMethod::Fork, ChildAction::Exec);
    document.plan.program = Program::Path {
        path: "/usr/bin/gzip".to_owned(),
        argv: vec!["gzip".to_owned(), "-h".to_owned()],
    };
    document.plan.reproduce = Some(Reproduce {
        study: StudyId::Python2014,
        scale: 1.0,
        scaled_because: None,
        loops: Some(LoopOrder {
            iterations: ITERATIONS,
            long_iterations: 10_000,
            repeats: REPEATS,
            interpreter: "python3".to_owned(),
            own_interpreter: true,
            own_program: true,
        }),
    });
    document.run.rounds = REPEATS;
    document.run.stopped = Stopped::Spawns;
    document.reproduction = Some(Reproduction {
        study: StudyId::Python2014,
        source: Source {
            title: "Faster fuzzing with Python".to_owned(),
            authors: "MWR Labs".to_owned(),
            year: 2014,
            address: "https://labs.mwrinfosecurity.com/blog/faster-fuzzing-with-python/".to_owned(),
            setting: "time(1) of programs that run gzip -h 1,000 times; machine and kernel are \
                      not stated"
                .to_owned(),
        },
        scale: 1.0,
        scaled_because: None,
        points: Vec::new(),
        loops: Some(Loops {
            interpreter: Availability::Measured(Interpreter {
                asked: "python3".to_owned(),
                path: "/usr/bin/python3.11".to_owned(),
                version: "3.11.7".to_owned(),
            }),
            unsampled: None,
            rows: LoopSystem::ALL.into_iter().map(row).collect(),
        }),
    });
    document
}

fn loops(document: &mut Document) -> &mut Loops {
    let found = document
        .reproduction
        .as_mut()
        .and_then(|r| r.loops.as_mut());
    found.expect("the study has loops")
}

fn measured(document: &mut Document) -> Vec<(LoopSystem, &mut Looped)> {
    let rows = loops(document).rows.iter_mut();
    rows.filter_map(|row| match &mut row.here {
        Availability::Measured(looped) => Some((row.system, looped)),
        Availability::Missing(_) => None,
    })
    .collect()
}

/// A host without an interpreter.
fn without_python() -> Document {
    let mut document = complete();
    let (reason, remedy) = (
        "python3 is not on the PATH",
        Some("install it, or name another"),
    );
    let found = loops(&mut document);
    found.interpreter = Availability::unavailable(reason, remedy);
    for row in &mut found.rows {
        if row.system.is_script() || row.system == LoopSystem::CForkLikePython {
            row.here = Availability::unavailable(reason, remedy);
        }
    }
    document
}

/// A host that permits neither samples nor traces.
fn unprivileged() -> Document {
    let mut document = complete();
    document.host.privileged = false;
    let (reason, remedy) = ("tracing system calls takes root", Some("run as root"));
    loops(&mut document).unsampled = Some(Missing::unavailable(
        "perf_event_paranoid is 2",
        Some("sysctl kernel.perf_event_paranoid=0"),
    ));
    for (_, looped) in measured(&mut document) {
        looped.split = SplitSource::Rusage;
        looped.calls = Availability::unavailable(reason, remedy);
    }
    document
}

/// A run that was broken off in its second round.
fn interrupted() -> Document {
    let mut document = complete();
    document.run.rounds = 1;
    document.run.stopped = Stopped::Interrupted;
    document.caveats = vec![Caveat::Interrupted];
    for (system, looped) in measured(&mut document) {
        let kept = if system < LoopSystem::PythonFork {
            2
        } else {
            1
        };
        looped.runs.truncate(kept);
    }
    for row in &mut loops(&mut document).rows {
        if row.system > LoopSystem::CPosixSpawn {
            row.here = Availability::not_reached();
        }
    }
    document
}

/// An old Python on another libc: everything is otherwise than on a new one.
fn opposite() -> Document {
    let mut document = complete();
    loops(&mut document).interpreter = Availability::Measured(Interpreter {
        asked: "python2".to_owned(),
        path: "/usr/bin/python2.7".to_owned(),
        version: "2.7.6".to_owned(),
    });
    let slow = |run: &mut LoopRun, ns: u64, start: u64| {
        run.real_ns += ns + start;
        run.loop_ns += ns;
    };
    for (system, looped) in measured(&mut document) {
        let slower = |looped: &mut Looped, ns, start| {
            looped.runs.iter_mut().for_each(|run| slow(run, ns, start));
        };
        match system {
            LoopSystem::PythonPopen => {
                looped.calls = Availability::Measured(vec![call(CallName::Fork, 0, 20)]);
                slower(looped, 600_000_000, 4_000_000_000);
            }
            LoopSystem::CPosixSpawnPlain => {
                looped.calls = Availability::Measured(vec![
                    call(CallName::Fork, 0, 18),
                    call(CallName::Clone, 1 << 40, 2),
                ]);
                slower(looped, 90_000_000, 0);
            }
            LoopSystem::CForkMalloc => {
                if let Availability::Measured(space) = &mut looped.parent {
                    space.mappings.vmas += 400;
                }
            }
            _ => {}
        }
    }
    document
}

fn table(document: &Document) -> String {
    text(document, Format::Table)
}

/// The report with its line breaks undone.
fn prose(document: &Document) -> String {
    table(document)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn reproductions_look_like_this() {
    for (name, document) in documents() {
        for format in [Format::Table, Format::Markdown, Format::Csv, Format::Svg] {
            let report = text(&document, format);
            insta::assert_snapshot!(format!("{name}.{}", format.extension()), report);
        }
    }
}

#[test]
fn reproductions_fit_and_come_back() {
    for (name, document) in documents() {
        for line in table(&document).lines() {
            assert!(line.chars().count() <= 100, "{name}: {line}");
            assert_eq!(line.trim_end(), line, "{name}: trailing space");
        }
        let json = text(&document, Format::Json);
        assert_eq!(parse(json.as_bytes()).unwrap(), document, "{name}");
    }
}

#[test]
fn the_published_figures_stand_as_they_were_printed() {
    let report = table(&complete());
    for figure in [
        "2.466", "1.115", "2.203", "1.962", "1.133", "0.918", "2.436",
    ] {
        assert!(report.contains(figure), "{figure}: {report}");
    }
}

#[test]
fn what_changed_is_said_as_it_was_seen() {
    let report = prose(&complete());
    for words in [
        "subprocess of Python 3.11.7 lends its memory to the child instead of copying it: vfork()",
        "With preexec_fn it falls back to a copy without a word: clone(CHILD_CLEARTID|CHILD_SETTID)",
        "changes no system call: clone3(VM|VFORK|CLEAR_SIGHAND) with it and without; no difference",
        "add no mapping to a process, but 1,000 present PTEs and 47 page-table pages",
        "are the start and the end of gzip -h itself",
        "beyond row 2: it is the smaller part of that",
        "another way to spawn can save no more than those. A fork server",
        "of what row 3 (Python os.fork + os.execvp) takes beyond row 2, or somewhat less, as row b has \
         7 VMAs, 38 present PTEs and 1 page-table page more; it is the larger part, and the rest is \
         the interpreter's own work and 237 more minor faults a run, of pages that it writes to after \
         each fork",
        "which add no VMA, 1,000 present PTEs and 47 page-table pages, a run takes",
        "the module is the cheaper way",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
}

#[test]
fn a_row_that_failed_on_its_way_says_so() {
    let mut document = complete();
    let row = &mut loops(&mut document).rows[3];
    row.failed = Some(Missing::unavailable("it exited with status 3", None));
    let Availability::Measured(here) = &mut row.here else {
        panic!("every row of this document ran")
    };
    here.runs.truncate(2);
    let report = prose(&document);
    let note = "4: ended after 2 timed runs: it exited with status 3";
    assert!(report.contains(note), "{report}");
    assert!(report.contains("; timed 5 times each"), "{report}");
}

#[test]
fn a_reason_is_told_once() {
    let report = prose(&without_python());
    let told = report
        .matches("n/a: 1, 3, 5, 7, a, b: python3 is not")
        .count();
    let referred = report.matches("n/a: 1, 3, 5, 7, a, b: as above").count();
    assert_eq!((told, referred), (1, 3), "{report}");
}

#[test]
fn loops_of_another_length_are_not_compared_with_the_study_s() {
    let mut document = complete();
    loops(&mut document).rows[0].iterations = 500;
    let report = prose(&document);
    assert!(report.contains("Here, in loops of 500 runs,"), "{report}");
    assert!(!report.contains("in 2014 it was"), "{report}");
}

#[test]
fn what_is_otherwise_is_not_claimed() {
    let report = prose(&opposite());
    for words in [
        "subprocess of Python 2.7.6 still copies its memory, as in the study: fork()",
        "With preexec_fn it copies its memory as it does without",
        "(POSIX_SPAWN_USEVFORK) changes the system call",
        "add 400 mappings to a process",
        "beyond row 2: it is most of that",
        "the module costs more than to fork by hand",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
    assert!(!report.contains("lends its memory") && !report.contains("falls back"));
}

#[test]
fn nothing_is_said_of_programs_that_did_not_run() {
    let report = prose(&without_python());
    assert!(!report.contains("subprocess of Python") && !report.contains("With preexec_fn"));
    assert!(report.contains("n/a: 1, 3, 5, 7, a, b: python3 is not on the PATH; install it"));
    assert!(report.contains("add no mapping to a process"), "{report}");
    let none = prose(&unprivileged());
    assert!(!none.contains("0x40 (POSIX_SPAWN_USEVFORK)"), "{none}");
    assert!(none.contains("guesswork for children that live shorter than a tick"));
}

#[test]
fn one_round_has_no_interval() {
    let mut document = complete();
    for (_, looped) in measured(&mut document) {
        looped.runs.truncate(1);
    }
    let report = prose(&document);
    assert!(!report.contains('±') || !report.contains("±0"), "{report}");
    assert!(!report.contains("more than one of row"), "{report}");
    assert!(report.contains("were not timed in two rounds"), "{report}");
}

#[test]
fn the_csv_has_the_same_figures_of_every_program() {
    for (name, document) in documents() {
        let bytes = render(&document, Format::Csv).unwrap();
        let mut reader = csv::Reader::from_reader(bytes.as_slice());
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert!(records.iter().flatten().all(|field| !field.is_empty()));
        for figure in ["real", "user", "sys", "vmas", "minor_faults_a_run"] {
            let here = |r: &&csv::StringRecord| &r[2] == "here" && &r[4] == figure;
            let count = records.iter().filter(here).count();
            assert_eq!(count, LoopSystem::ALL.len(), "{name}: {figure}");
        }
        let printed = |r: &&csv::StringRecord| &r[2] == "published" && &r[4] == "real";
        assert_eq!(records.iter().filter(printed).count(), 7, "{name}");
    }
}

#[test]
fn stacks_are_refused_and_a_study_that_did_not_run_is_no_picture() {
    let refusal = render(&complete(), Format::Folded).unwrap_err().to_string();
    assert!(refusal.starts_with("a reproduction cannot be shown as folded"));
    let mut document = complete();
    for row in &mut loops(&mut document).rows {
        row.here = Availability::not_reached();
    }
    let refusal = render(&document, Format::Svg).unwrap_err().to_string();
    assert!(
        refusal.contains("the run ended before its turn"),
        "{refusal}"
    );
    let report = table(&document);
    assert!(!report.contains("What the study supposed"), "{report}");
}

#[test]
fn no_study_panics_or_leaves_its_columns() {
    let mut rng = Rng::with_seed(7);
    for _ in 0..200 {
        let mut document = complete();
        loops(&mut document).rows.retain(|_| rng.u8(..4) > 0);
        rng.shuffle(&mut loops(&mut document).rows);
        for (_, looped) in measured(&mut document) {
            let scale = [0.0, 1e-12, 1.0, 1e6, 1e15, -1.0, f64::NAN][rng.usize(..7)];
            looped.real_s.value *= scale;
            looped.cpu_s.ci95[1] *= scale;
            looped.runs.truncate(rng.usize(..=5));
            for run in &mut looped.runs {
                if rng.bool() {
                    (run.real_ns, run.loop_ns) = (rng.u64(..), rng.u64(..));
                }
            }
            if rng.bool() {
                looped.parent = Availability::not_reached();
                looped.ratio = Availability::unavailable("no base", None);
            }
            if let Availability::Measured(calls) = &mut looped.calls {
                calls.resize(rng.usize(..3), call(CallName::Clone3, rng.u64(..), 1));
            }
        }
        for row in &mut loops(&mut document).rows {
            row.iterations *= rng.u64(..3);
        }
        for line in table(&document).lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        for format in [Format::Markdown, Format::Csv, Format::Svg] {
            if let Ok(bytes) = render(&document, format) {
                let report = String::from_utf8(bytes).unwrap();
                assert!(
                    !report.contains("NaN") && !report.contains("inf "),
                    "{report}"
                );
            }
        }
    }
}
