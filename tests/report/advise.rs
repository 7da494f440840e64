//! Advice as a reader sees it: what was tried, what was not, and what is none.

use forktax::model::{Availability, Document, Findings, RemedyKind, RemedyOutcome, RemedyVerdict};
use forktax::report::Format;

use crate::stored::{in_short, omits, render, says, section, stored, table, text, with};

/// The outcomes of what was tried.
fn outcomes(document: &mut Document) -> impl Iterator<Item = (RemedyKind, &mut RemedyOutcome)> {
    let Findings::Advice(advice) = &mut document.findings else {
        panic!("it is no advice");
    };
    let remedies = advice.remedies.iter_mut();
    remedies.filter_map(|remedy| match &mut remedy.outcome {
        Availability::Measured(outcome) => Some((remedy.kind, outcome)),
        Availability::Missing(_) => None,
    })
}

/// A fork that takes twice as long without other threads.
fn harmful() -> Document {
    with("advise-parent", |document| {
        for (kind, outcome) in outcomes(document) {
            if kind == RemedyKind::FewerThreads {
                outcome.verdict = RemedyVerdict::Harms;
                outcome.ratio.value = 2.0;
                outcome.ratio.ci95 = [1.9, 2.1];
            }
        }
    })
}

#[test]
fn an_advice_names_the_best_and_what_it_is_not_told_from() {
    let words = in_short(&stored("advise-parent"));
    for expected in [
        "The best that keeps the fork: MADV_DONTFORK on the dearest mappings, 5.31 times",
        "Instead of a fork: vfork, 39.2 times",
        "posix_spawn, 26.8 times",
        "Several at once: what helps a fork, together, 6.89 times",
        "No difference is seen with: no other threads, huge pages of malloc, O_CLOEXEC",
    ] {
        says(&words, expected);
    }
    let words = in_short(&with("advise-parent", |document| {
        let mut dontfork = None;
        for (kind, outcome) in outcomes(document) {
            match kind {
                RemedyKind::DontFork => dontfork = Some(*outcome),
                RemedyKind::HugePages => *outcome = dontfork.expect("it comes before"),
                RemedyKind::StaticTarget => {
                    outcome.verdict = RemedyVerdict::Helps;
                    (outcome.ratio.value, outcome.ratio.ci95) = (0.55, [0.54, 0.56]);
                }
                _ => {}
            }
        }
    }));
    for expected in [
        "faster; these are not told apart.",
        "Besides: a statically linked program to spawn, 1.82 times",
    ] {
        says(&words, expected);
    }
}

#[test]
fn what_harms_is_said_to() {
    let words = in_short(&harmful());
    says(
        &words,
        "Harmful: no other threads, and no stacks of theirs, 2.00 times",
    );
    let section = section(&table(&harmful()), "Harmful here").unwrap();
    assert!(
        section.starts_with("no other threads, and no stacks of theirs: "),
        "{section}"
    );
}

#[test]
fn where_nothing_helps_nothing_is_recommended() {
    let document = with("advise-parent", |document| {
        for (_, outcome) in outcomes(document) {
            outcome.verdict = RemedyVerdict::NoDifference;
        }
    });
    assert!(!table(&document).contains("How to apply"));
    let words = in_short(&document);
    says(&words, "that were tried none is seen to help.");
    omits(&words, "faster");
}

#[test]
fn what_helps_has_a_recipe_and_what_was_not_tried_a_reason() {
    let report = table(&stored("advise"));
    says(&report, "How to apply: MADV_DONTFORK");
    omits(&report, "How to apply: huge pages");
    let not_tried = section(&report, "Not tried").unwrap();
    says(&not_tried, "no other threads: the process has one thread");
}

#[test]
fn an_advice_misses_no_blame() {
    let report = table(&stored("advise"));
    omits(&report, "Not found out");
    omits(&report, "n/a");
}

#[test]
fn the_picture_has_a_bar_for_each_remedy() {
    let picture = text(&stored("advise-parent"), Format::Svg);
    says(&picture, "What a spawn takes with each remedy");
    says(&picture, "fork as it is");
    for format in [Format::Folded, Format::FlameGraph] {
        let refusal = render(&stored("advise"), format).unwrap_err().to_string();
        assert!(refusal.starts_with("an advice"), "{refusal}");
    }
}
