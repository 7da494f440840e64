//! From rewriting records to the tax of a page.

use super::Inquiry;
use crate::lab::session::Recording;
use crate::model::{Availability, Missing, Rewriting, SpawnMethod};
use crate::stats::{DRAWS, Estimate, Replicates, cost_replicates};
use crate::worker::protocol::{record, rewrite_words};

/// What the parent pays after a spawn of this method.
pub(super) fn rewriting(inquiry: &Inquiry<'_>, method: SpawnMethod) -> Availability<Rewriting> {
    if inquiry.order.rewrite_pages == 0 {
        return Availability::not_asked("no pages were to be rewritten: give --rewrite a number");
    }
    let recordings: Vec<&Recording> = inquiry.evidence.rewriting.iter().collect();
    let seen = of_workers(&recordings, method, inquiry.plan.seed);
    Availability::of(seen, || why_none(inquiry))
}

/// What these workers' writing comes to.
pub(in crate::lab) fn of_workers(
    recordings: &[&Recording],
    method: SpawnMethod,
    seed: u64,
) -> Option<Rewriting> {
    let [after, again, held] = [
        rewrite_words::AFTER,
        rewrite_words::AGAIN,
        rewrite_words::HELD,
    ]
    .map(|word| a_page(recordings, method, seed, word));
    let (after, again) = (after?, again?);
    let less = |what: &Replicates| {
        let difference = Replicates::combine(&[what, &again], |v| Some(v[0] - v[1]))?;
        Some(difference.estimate())
    };
    let mine = recordings.iter().filter_map(|r| r.of(method));
    Some(Rewriting {
        pages: recordings.first().map_or(0, |first| pages(first)),
        rounds: mine.map(|records| records.count() as u64).sum(),
        after_ns: after.estimate(),
        again_ns: again.estimate(),
        tax_ns: less(&after)?,
        held_ns: held_ns(method, held.and_then(|held| less(&held))),
    })
}

fn held_ns(method: SpawnMethod, held: Option<Estimate>) -> Availability<Estimate> {
    match method {
        SpawnMethod::Fork => Availability::of(held, Missing::not_reached),
        _ => Availability::not_asked(
            "only a child of a plain fork has a copy of the parent's pages while the parent goes on",
        ),
    }
}

/// Whether a worker found a page to write to again.
pub(super) fn wrote(recording: &Recording) -> bool {
    recording.words.is_empty() || pages(recording) > 0
}

/// How many pages a worker wrote to.
fn pages(recording: &Recording) -> u64 {
    let first = recording.records().next();
    first.map_or(0, |words| words[record::WORDS + rewrite_words::PAGES])
}

/// One of the figures in nanoseconds a page.
fn a_page(
    recordings: &[&Recording],
    method: SpawnMethod,
    seed: u64,
    word: usize,
) -> Option<Replicates> {
    let a_page = |words: &[u64]| {
        let pages = words[record::WORDS + rewrite_words::PAGES];
        let took = words[record::WORDS + word];
        (pages > 0 && took > 0).then(|| took as f64 / pages as f64)
    };
    let mine = recordings.iter().filter_map(|r| r.of(method));
    let workers: Vec<Vec<f64>> = mine
        .map(|records| records.filter_map(a_page).collect())
        .collect();
    cost_replicates(&workers, seed, DRAWS)
}

fn why_none(inquiry: &Inquiry<'_>) -> Missing {
    if inquiry.evidence.rewriting.is_empty() {
        return Missing::not_reached();
    }
    Missing::unavailable(
        "no page of this address space was written to, so there is none to write to again",
        Some("give --mappings and --pages numbers above 0"),
    )
}
