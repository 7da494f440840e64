//! Cards as a reader sees them: whole ones, and those of runs that went wrong.

use forktax::analysis::card::price_list;
use forktax::model::{
    Availability, Card, Caveat, Document, Findings, LeftOut, Missing, Order, Purpose, Stopped,
    Trial, TrialResult,
};
use forktax::report::{Format, ReportError};

use crate::stored::{flat, in_short, omits, render, row, says, section, stored, table, text, with};

fn card(document: &Document) -> &Card {
    match &document.findings {
        Findings::Card(card) => card,
        other => panic!("{other:?} is no card"),
    }
}

fn results(document: &mut Document) -> &mut Vec<TrialResult> {
    match &mut document.findings {
        Findings::Card(card) => &mut card.trials,
        other => panic!("{other:?} is no card"),
    }
}

/// The card with a change of its trials, and the prices that follow.
fn refitted(change: impl FnOnce(&mut Document)) -> Document {
    with("card", |document| {
        change(document);
        refit(document);
    })
}

fn refit(document: &mut Document) {
    let (Order::Card(order), Findings::Card(card)) = (&document.plan.order, &mut document.findings)
    else {
        panic!("it is no card");
    };
    card.prices = price_list(order, &card.trials, document.plan.seed);
}

#[test]
fn prices_have_their_own_units_and_both_sides_of_the_knee() {
    let mut document = stored("card");
    let report = table(&document);
    assert!(row(&report, "fixed ").contains(" us "), "{report}");
    let mapping = row(&report, "mapping ");
    says(mapping, " ns ");
    // After the call it is not told from 0.
    assert_eq!(mapping.matches('±').count(), 4, "{mapping}");
    assert_eq!(mapping.matches(" < ").count(), 1, "{mapping}");
    // Its price does not depend on the size of the parent.
    assert_eq!(row(&report, "huge page ").matches('±').count(), 3);
    let words = flat(&report);
    says(&words, "the knee: once the kernel's structures");
    says(&words, "the response is not linear: parents");
    if let Findings::Card(card) = &mut document.findings {
        card.prices.knee_bytes = None;
    }
    let words = flat(&table(&document));
    says(&words, "no knee was found");
    omits(&words, "at 16 knees");
    omits(&words, "not linear");
}

#[test]
fn what_is_not_told_from_0_has_a_bound() {
    let report = table(&stored("card"));
    let handler = row(&report, "signal handler");
    assert_eq!(handler.matches(" < ").count(), 4, "{handler}");
    let legend = section(&report, "Columns").unwrap();
    says(&legend, "< 12 not told from 0: it may be nothing");
    let words = in_short(&stored("card"));
    let flat = "Of vfork, posix_spawn and clone3-vfork no dependence on the address space is seen";
    says(&words, flat);
}

#[test]
fn a_dependence_that_is_seen_is_said() {
    let words = in_short(&refitted(|document| {
        let trials = &document.plan.order.card().unwrap().trials;
        let large = trials.iter().rposition(|t| t.purpose == Purpose::Flatness);
        let cells = &mut results(document)[large.unwrap()].cells;
        for worker in &mut cells[0].samples {
            worker.total_ns.iter_mut().for_each(|ns| *ns *= 5);
        }
    }));
    says(&words, "Of posix_spawn and clone3-vfork no dependence");
    says(&words, "; a mapping with a page adds");
}

#[test]
fn a_cpuid_that_is_fast_does_not_trap() {
    assert!(table(&stored("card")).contains("a cpuid of this price traps"));
    let report = table(&refitted(|document| {
        for gauges in results(document)
            .iter_mut()
            .flat_map(|trial| &mut trial.gauges)
        {
            gauges.cpuid_ns.iter_mut().for_each(|ns| *ns /= 400.0);
        }
    }));
    omits(&report, "traps:");
}

#[test]
fn the_parents_foretold_worst_are_named() {
    let words = flat(&table(&stored("card")));
    let (_, worst) = words.split_once("the totals foretold worst: ").unwrap();
    let (worst, _) = worst.split_once(" Further").unwrap();
    assert_eq!(worst.matches(" % too ").count(), 3, "{worst}");
    assert!(
        worst.contains("mappings") || worst.contains("pages"),
        "{worst}"
    );
}

#[test]
fn what_the_host_had_no_room_for_is_listed() {
    let document = refitted(|document| {
        let (Order::Card(order), Findings::Card(Card { trials, .. })) =
            (&mut document.plan.order, &mut document.findings)
        else {
            panic!("it is no card");
        };
        let shared = |trial: &Trial| trial.purpose == Purpose::SharedMappings;
        let mut kept = order.trials.iter().map(|trial| !shared(trial));
        trials.retain(|_| kept.next().expect("each trial has a result"));
        order.trials.retain(|trial| !shared(trial));
        order.left_out = vec![LeftOut {
            purpose: Purpose::SharedMappings,
            what: "300 mappings, shared".to_owned(),
            why: "only 1 GiB of memory is free; free more of it".to_owned(),
        }];
    });
    let report = table(&document);
    let left_out = section(&report, "Left out of the design").unwrap();
    let expected = "shared mappings (300 mappings, shared): only 1 GiB of memory is free";
    assert!(left_out.starts_with(expected), "{left_out}");
    // No parent with one was measured, so its price is not known.
    let words = flat(&report);
    says(&words, "no parent with it was measured");
}

/// Takes away the result of all trials but those of some purposes.
fn only(keep: impl Fn(Purpose) -> bool, why: &Missing) -> Document {
    refitted(|document| {
        let order = document.plan.order.card().expect("it is a card");
        let trials = order.trials.clone();
        for (trial, result) in trials.iter().zip(results(document)) {
            if keep(trial.purpose) {
                continue;
            }
            result.parent = Availability::Missing(why.clone());
            result.gauges.clear();
            for cell in &mut result.cells {
                cell.call_ns = Availability::Missing(why.clone());
                cell.total_ns = Availability::Missing(why.clone());
                cell.samples.clear();
            }
        }
    })
}

#[test]
fn too_few_parents_have_no_prices_and_say_why() {
    let keep = |purpose: Purpose| !purpose.is_fitted() || purpose == Purpose::Empty;
    let document = only(keep, &Missing::not_reached());
    let report = table(&document);
    let words = flat(&report);
    let why = "1 parents were measured, too few to fit prices to; raise --time";
    says(&words, why);
    assert!(row(&report, "mapping ").contains("n/a"), "{report}");
    for absent in ["knee", "How good the card is", "By these prices"] {
        omits(&report, absent);
    }
    says(&report, "A fork of an empty parent takes");
    let refusal = render(&document, Format::Svg).unwrap_err();
    assert!(matches!(&refusal, ReportError::NothingFound { reason, .. } if reason.contains(why)));
}

#[test]
fn a_card_without_any_figure_has_its_reasons() {
    let why = Missing::unavailable("the kernel refused it", Some("ask somebody"));
    let document = only(|_| false, &why);
    let report = table(&document);
    says(&report, "the kernel refused it; ask somebody");
    says(&report, "0 spawns timed");
    says(&report, "In short\nNothing can be said in short.\n");
    for format in [Format::Markdown, Format::Csv, Format::Json] {
        assert!(render(&document, format).is_ok());
    }
    assert!(render(&document, Format::Svg).is_err());
}

#[test]
fn a_card_that_was_broken_off_shows_what_it_has() {
    let mut document = with("card", |document| {
        document.run.stopped = Stopped::Interrupted;
        document.caveats = vec![Caveat::FewRounds { rounds: 1 }, Caveat::Interrupted];
    });
    for count in [20, 12, 1, 0] {
        results(&mut document).truncate(count);
        refit(&mut document);
        let report = table(&document);
        says(&report, "only 1 round of all trials");
        says(&report, "the run ended before its turn");
        says(&report, "stopped by a signal");
    }
}

#[test]
fn a_plan_without_a_result_is_a_header_and_a_run() {
    let document = with("card", |document| {
        document.findings = Findings::Sweep { cells: Vec::new() };
    });
    assert!(table(&document).contains("0 spawns timed"));
    let document = with("card", |document| document.plan.order = Order::Sweep);
    for format in Format::ALL {
        let _ = render(&document, format);
    }
}

#[test]
fn the_picture_has_both_charts() {
    let document = stored("card");
    let picture = text(&document, Format::Svg);
    for title in [
        "What a fork takes, as foretold and as measured",
        "What a fork of these parents is foretold to take, and for what",
    ] {
        says(&picture, title);
    }
    let forecasts = card(&document).prices.forecasts.len();
    // A marker for each, and one in the legend for each of both kinds.
    assert_eq!(picture.matches("<circle").count(), forecasts + 2);
}
