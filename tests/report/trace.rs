//! What is said of a watched program's copies.

use forktax::model::{Availability, CardSaving, Document, Findings, Missing, SpawnMethod, Trace};
use forktax::report::{Format, ReportError, parse};

use crate::stored::{flat, omits, says, stored, table, text, with};

fn changed(change: impl FnOnce(&mut Trace)) -> String {
    let change = |document: &mut Document| match &mut document.findings {
        Findings::Trace(trace) => change(trace),
        other => panic!("{other:?}"),
    };
    flat(&table(&with("trace-advised", change)))
}

fn with_card(change: impl FnOnce(&mut CardSaving)) -> String {
    changed(|trace| match &mut trace.savings[0].by_card {
        Availability::Measured(card) => change(card),
        Availability::Missing(missing) => panic!("{missing:?}"),
    })
}

#[test]
fn what_went_in_is_measured_and_what_another_way_would_take_is_by_the_card() {
    let report = changed(|_| {});
    says(
        &report,
        "60 copying spawns of python3.11 fuzzer.py (62,027 PTEs) stood in their calls for",
    );
    says(
        &report,
        "forktax's stops included; by this host's card, which is of a host at rest and without these \
         stops, the calls of these take",
    );
    says(&report, "Instead of a fork: ");
    omits(&report, "was not watched");
    let untimed = changed(|trace| {
        let saving = &mut trace.savings[0];
        saving.call_ns = Availability::not_asked("they are not timed");
        saving.standing_share = Availability::not_asked("they are not timed");
    });
    says(
        &untimed,
        "By this host's card the calls of 60 copying spawns of python3.11 fuzzer.py",
    );
    omits(&untimed, "measured calls");
}

#[test]
fn nothing_is_said_to_be_saved_that_forecasts_do_not_tell() {
    let report = with_card(|card| {
        let fork = *card.by(SpawnMethod::Fork).unwrap();
        for way in &mut card.ways {
            (way.call_ns, way.total_ns) = (0.9 * fork.call_ns, 0.9 * fork.total_ns);
        }
    });
    says(&report, "which posix_spawn is not sure to shorten");
    let report = with_card(|card| card.ways.truncate(1));
    says(&report, "what these would take by posix_spawn is not told");
}

#[test]
fn a_call_that_takes_longer_is_said_to() {
    let report = with_card(|card| {
        let fork = *card.by(SpawnMethod::Fork).unwrap();
        for way in card.ways.iter_mut().skip(1) {
            (way.call_ns, way.total_ns) = (1.1 * fork.call_ns, 0.5 * fork.total_ns);
        }
    });
    says(
        &report,
        "by posix_spawn, though the call itself takes longer, if their children",
    );
}

#[test]
fn calls_that_were_not_timed_are_counted() {
    let report = changed(|trace| match &mut trace.savings[0].call_ns {
        Availability::Measured(calls) => calls.count = 58,
        Availability::Missing(missing) => panic!("{missing:?}"),
    });
    says(&report, "(58 of 60 were timed), in");
}

#[test]
fn remedies_are_advice_and_nothing_else() {
    let document = with("trace-advised", |document| match &mut document.findings {
        Findings::Trace(trace) => {
            trace.advised = Some(Availability::Measured(Box::new(stored("sweep"))));
        }
        other => panic!("{other:?}"),
    });
    let error = parse(text(&document, Format::Json).as_bytes()).unwrap_err();
    assert!(matches!(error, ReportError::Unordered), "{error}");
}

#[test]
fn a_card_tells_of_those_that_were_looked_at() {
    let report = with_card(|card| card.spawns = 58);
    says(&report, "stops, the calls of 58 of these take");
    says(&report, "of 58 of 60 by python3.11 fuzzer.py");
}

#[test]
fn without_a_card_or_a_remedy_it_is_said_why() {
    let report = changed(|trace| {
        let why = "no card is stored: measure one with forktax card";
        trace.savings[0].by_card = Availability::unavailable(why, None);
        let gone = Missing::unavailable("process 7 has ended", None);
        trace.advised = Some(Availability::Missing(gone));
    });
    says(
        &report,
        "what another way would take is not told: no card is stored: measure one",
    );
    says(&report, "No remedy was tried: process 7 has ended.");
    omits(&report, "Remedies, tried");
    omits(&report, "posix_spawn calls");
}
