//! The study of programs: the published figures and this host's beside them.

use forktax::model::{
    Answer, Availability, CallName, Caveat, Document, Findings, Interpreter, LoopSystem, Looped,
    Loops, Missing, ObservedCall, Parent, Reproduction, Stopped,
};
use forktax::report::Format;

use crate::stored::{flat, omits, render, says, stored, table, with};

const STUDY: &str = "python-2014";

fn loops(document: &mut Document) -> &mut Loops {
    match &mut document.findings {
        Findings::Reproduction(Reproduction {
            answer: Answer::Programs(loops),
            ..
        }) => loops,
        other => panic!("{other:?} has no loops"),
    }
}

fn measured(document: &mut Document) -> impl Iterator<Item = (LoopSystem, &mut Looped)> {
    let rows = loops(document).rows.iter_mut();
    rows.filter_map(|row| match &mut row.here {
        Availability::Measured(looped) => Some((row.system, looped)),
        Availability::Missing(_) => None,
    })
}

/// Microseconds of a run in the loop where fork by hand is the dearest way.
fn loop_us(system: LoopSystem) -> u64 {
    match system {
        LoopSystem::PythonPopen | LoopSystem::PythonPopenLong => 742,
        LoopSystem::CFork => 521,
        LoopSystem::PythonFork => 1_043,
        LoopSystem::CForkMalloc => 688,
        LoopSystem::PythonPosixSpawn => 495,
        LoopSystem::PythonPopenPreexec => 1_262,
        LoopSystem::CForkLikePython => 898,
        LoopSystem::CPosixSpawn | LoopSystem::CPosixSpawnPlain => 461,
        LoopSystem::CPosixSpawnFloor => 118,
    }
}

/// Rounds that agree, so that each claim can be made or dropped.
fn steady(
    more_us: impl Fn(LoopSystem) -> [u64; 2],
    change: impl FnOnce(&mut Document),
) -> Document {
    with(STUDY, |document| {
        let lengths = loops(document).rows.iter().map(|row| row.iterations);
        let lengths: Vec<u64> = lengths.collect();
        for ((system, looped), iterations) in measured(document).zip(lengths) {
            let [a_run, start] = more_us(system);
            for (round, run) in (0..).zip(&mut looped.runs) {
                let luck = 1_000 + round % 3;
                run.loop_ns = (loop_us(system) + a_run) * luck * iterations;
                run.real_ns = run.loop_ns + start * luck;
            }
        }
        change(document);
    })
}

/// The start of an interpreter in each script, and nothing else.
fn as_usual(system: LoopSystem) -> [u64; 2] {
    [0, if system.is_script() { 3_000 } else { 0 }]
}

fn prose(document: &Document) -> String {
    flat(&table(document))
}

fn call(name: CallName, flags: u64, seen: u64) -> ObservedCall {
    ObservedCall { name, flags, seen }
}

/// A host without an interpreter.
fn without_python() -> Document {
    with(STUDY, |document| {
        let none = Missing::unavailable(
            "python3 is not on the PATH",
            Some("install it, or name another"),
        );
        let found = loops(document);
        found.interpreter = Availability::Missing(none.clone());
        for row in &mut found.rows {
            if row.system.is_script() || row.system == LoopSystem::CForkLikePython {
                row.here = Availability::Missing(none.clone());
            }
        }
    })
}

#[test]
fn the_published_figures_stand_as_they_were_printed() {
    let report = table(&stored(STUDY));
    for figure in [
        "2.466", "1.115", "2.203", "1.962", "1.133", "0.918", "2.436",
    ] {
        says(&report, figure);
    }
}

#[test]
fn what_changed_is_said_as_it_was_seen() {
    let report = prose(&steady(as_usual, |_| {}));
    for words in [
        "subprocess of Python 3.11.2 lends its memory to the child instead of copying it: vfork()",
        "With preexec_fn it falls back to a copy without a word: clone(CHILD_CLEARTID|CHILD_SETTID)",
        "changes no system call: clone3(VM|VFORK) with it and without; no difference",
        "add no mapping to a process, but 989 present PTEs and 48 page-table pages",
        "are the start and the end of /bin/gzip -h itself",
        "beyond row 2: it is the smaller part of that",
        "another way to spawn can save no more than those. A fork server",
        "of what row 3 (Python os.fork + os.execvp) takes beyond row 2, or somewhat less, as row b has \
         9 VMAs, 925 present PTEs and 8 page-table pages more; it is the larger part, and the rest is \
         the interpreter's own work and 126 more minor faults a run, of pages that it writes to after \
         each fork",
        "which add no VMA, 989 present PTEs and 48 page-table pages, a run takes",
        "the module is the cheaper way",
    ] {
        says(&report, words);
    }
}

#[test]
fn a_likeness_says_in_what_it_differs_from_its_model() {
    // VMAs and present PTEs of Python and of its likeness.
    let sized = |python: [u64; 2], likeness: [u64; 2]| {
        prose(&steady(as_usual, |document| {
            for (system, looped) in measured(document) {
                let [vmas, ptes] = match system {
                    LoopSystem::PythonFork => python,
                    LoopSystem::CForkLikePython => likeness,
                    _ => continue,
                };
                let mut parent = Parent::default();
                parent.mappings.vmas = vmas;
                parent.mappings.present_ptes = ptes;
                looped.parent = Availability::Measured(parent);
            }
        }))
    };
    let place = |words: &str| format!("takes beyond row 2{words}");
    let same = sized([39, 2_000], [39, 2_000]);
    says(&same, &place("; it is the larger part"));
    let more = sized([39, 2_000], [42, 2_000]);
    says(&more, &place(", or somewhat less, as row b has 3 VMAs, no"));
    let less = sized([39, 2_000], [39, 1_990]);
    says(
        &less,
        &place(", or somewhat more, as row b has no VMA, 10 present PTEs"),
    );
    let mixed = sized([39, 2_000], [42, 1_990]);
    says(&mixed, &place(", about, as row b has more of one thing"));
}

#[test]
fn what_is_not_told_apart_is_not_claimed() {
    let report = prose(&stored(STUDY));
    for words in [
        "no difference is seen between the module and a fork by hand",
        "neither more nor less, as far as can be seen, than row 5",
    ] {
        says(&report, words);
    }
    omits(&report, "the module is the cheaper way");
}

#[test]
fn a_row_that_failed_on_its_way_says_so() {
    let report = prose(&with(STUDY, |document| {
        let row = &mut loops(document).rows[3];
        row.failed = Some(Missing::unavailable("it exited with status 3", None));
        let Availability::Measured(here) = &mut row.here else {
            panic!("every row of this document ran")
        };
        here.runs.truncate(2);
    }));
    let note = "4: ended after 2 timed runs: it exited with status 3";
    says(&report, note);
    says(&report, "; timed 5 times each");
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
    let report = prose(&stored(STUDY));
    says(&report, "Here, in loops of 100 runs,");
    omits(&report, "in 2014 it was");
    let report = prose(&with(STUDY, |document| {
        for row in &mut loops(document).rows {
            row.iterations *= 10;
        }
    }));
    says(&report, "in 2014 it was");
}

/// An old Python on another libc: everything is otherwise than on a new one.
#[test]
fn what_is_otherwise_is_not_claimed() {
    let more = |system| match system {
        LoopSystem::PythonPopen => [600, 400_000],
        LoopSystem::CPosixSpawnPlain => [90, 0],
        system => as_usual(system),
    };
    let report = prose(&steady(more, |document| {
        loops(document).interpreter = Availability::Measured(Interpreter {
            asked: "python2".to_owned(),
            path: "/usr/bin/python2.7".to_owned(),
            version: "2.7.6".to_owned(),
        });
        for (system, looped) in measured(document) {
            match system {
                LoopSystem::PythonPopen => {
                    looped.calls = Availability::Measured(vec![call(CallName::Fork, 0, 20)]);
                }
                LoopSystem::CPosixSpawnPlain => {
                    let other = call(CallName::Clone, 1 << 40, 2);
                    looped.calls = Availability::Measured(vec![call(CallName::Fork, 0, 18), other]);
                }
                LoopSystem::CForkMalloc => {
                    if let Availability::Measured(space) = &mut looped.parent {
                        space.mappings.vmas += 400;
                    }
                }
                _ => {}
            }
        }
    }));
    for words in [
        "subprocess of Python 2.7.6 still copies its memory, as in the study: fork()",
        "With preexec_fn it copies its memory as it does without",
        "(POSIX_SPAWN_USEVFORK) changes the system call",
        "add 400 mappings to a process",
        "beyond row 2: it is most of that",
        "the module costs more than to fork by hand",
    ] {
        says(&report, words);
    }
    assert!(!report.contains("lends its memory") && !report.contains("falls back"));
}

#[test]
fn nothing_is_said_of_programs_that_did_not_run() {
    let report = prose(&without_python());
    assert!(!report.contains("subprocess of Python") && !report.contains("With preexec_fn"));
    assert!(report.contains("n/a: 1, 3, 5, 7, a, b: python3 is not on the PATH; install it"));
    says(&report, "add no mapping to a process");
}

/// A host that permits neither samples nor traces.
#[test]
fn what_was_neither_sampled_nor_traced_is_not_claimed() {
    let report = prose(&with(STUDY, |document| {
        document.host.privileged = false;
        loops(document).unsampled = Some(Missing::unavailable(
            "perf_event_paranoid is 2",
            Some("sysctl kernel.perf_event_paranoid=0"),
        ));
        for (_, looped) in measured(document) {
            looped.split = forktax::model::SplitSource::Rusage;
            let why = "tracing system calls takes root";
            looped.calls = Availability::unavailable(why, Some("run as root"));
        }
    }));
    omits(&report, "0x40 (POSIX_SPAWN_USEVFORK)");
    assert!(report.contains("guesswork for children that live shorter than a tick"));
    says(&report, "tracing system calls takes root; run as root");
}

#[test]
fn a_run_that_was_broken_off_says_what_it_lacks() {
    let report = prose(&with(STUDY, |document| {
        document.run.stopped = Stopped::Interrupted;
        document.caveats = vec![Caveat::Interrupted];
        for row in &mut loops(document).rows {
            if row.system > LoopSystem::CPosixSpawn {
                row.here = Availability::not_reached();
            } else if let Availability::Measured(looped) = &mut row.here {
                let kept = if row.system < LoopSystem::PythonFork {
                    2
                } else {
                    1
                };
                looped.runs.truncate(kept);
            }
        }
    }));
    for words in [
        "n/a: 7, a, b, c, d: the run ended before its turn",
        "The address space: the rows that it takes were not timed in two rounds.",
        "the run was broken off: these are the figures up to then",
        "stopped by a signal",
    ] {
        says(&report, words);
    }
    omits(&report, "With preexec_fn");
}

#[test]
fn one_round_has_no_interval() {
    let report = prose(&with(STUDY, |document| {
        measured(document).for_each(|(_, looped)| looped.runs.truncate(1));
    }));
    assert!(!report.contains('±') || !report.contains("±0"), "{report}");
    omits(&report, "more than one of row");
    says(&report, "were not timed in two rounds");
}

#[test]
fn stacks_are_refused_and_a_study_that_did_not_run_is_no_picture() {
    let refused = |document: &Document, format| render(document, format).unwrap_err().to_string();
    let refusal = refused(&stored(STUDY), Format::Folded);
    assert!(refusal.starts_with("a reproduction cannot be shown as folded"));
    let document = with(STUDY, |document| {
        for row in &mut loops(document).rows {
            row.here = Availability::not_reached();
        }
    });
    let refusal = refused(&document, Format::Svg);
    says(&refusal, "the run ended before its turn");
    let report = table(&document);
    omits(&report, "What the study supposed");
}
