//! From rewriting records to the tax of a page.

use super::Inquiry;
use crate::lab::session::Recording;
use crate::model::{Availability, Missing, Rewriting, SpawnMethod};
use crate::stats::{DRAWS, Estimate, Replicates, median_replicates};
use crate::worker::protocol::{record, rewrite_words};

/// What the parent pays after a spawn of this method.
pub(super) fn rewriting(inquiry: &Inquiry<'_>, method: SpawnMethod) -> Availability<Rewriting> {
    if inquiry.order.rewrite_pages == 0 {
        return Availability::not_asked("no pages were to be rewritten: give --rewrite a number");
    }
    let after = a_page(inquiry, method, rewrite_words::AFTER);
    let again = a_page(inquiry, method, rewrite_words::AGAIN);
    let held = a_page(inquiry, method, rewrite_words::HELD);
    let (Some(after), Some(again), Some(held)) = (after, again, held) else {
        return Availability::Missing(why_none(inquiry));
    };
    let less = |what: &Replicates| Replicates::combine(&[what, &again], |v| Some(v[0] - v[1]));
    let (Some(tax), Some(held)) = (less(&after), less(&held)) else {
        return Availability::Missing(why_none(inquiry));
    };
    let [after, again, tax, held] = [&after, &again, &tax, &held].map(Replicates::estimate);
    Availability::Measured(Rewriting {
        pages: pages(inquiry),
        rounds: rounds(inquiry, method),
        after_ns: after,
        again_ns: again,
        tax_ns: tax,
        held_ns: held_ns(method, held),
    })
}

fn held_ns(method: SpawnMethod, held: Estimate) -> Availability<Estimate> {
    if method == SpawnMethod::Fork {
        Availability::Measured(held)
    } else {
        Availability::not_asked("only a forked child keeps a copy of the parent's pages")
    }
}

/// Whether a worker found a page to write to again.
pub(super) fn wrote(recording: &Recording) -> bool {
    let mut records = recording.records();
    let first = records.next();
    first.is_none_or(|words| words[record::WORDS + rewrite_words::PAGES] > 0)
}

/// One of the figures in nanoseconds a page.
fn a_page(inquiry: &Inquiry<'_>, method: SpawnMethod, word: usize) -> Option<Replicates> {
    let recordings = inquiry.evidence.rewriting.iter();
    let workers: Vec<Vec<f64>> = recordings
        .filter_map(|recording| {
            let index = recording.methods.iter().position(|m| *m == method)? as u64;
            let mine = recording.records().filter(|w| w[record::METHOD] == index);
            let a_page = |words: &[u64]| {
                let pages = words[record::WORDS + rewrite_words::PAGES];
                (pages > 0).then(|| words[record::WORDS + word] as f64 / pages as f64)
            };
            Some(mine.filter_map(a_page).collect())
        })
        .collect();
    median_replicates(&workers, inquiry.plan.seed, DRAWS)
}

fn pages(inquiry: &Inquiry<'_>) -> u64 {
    let mut records = inquiry.evidence.rewriting.iter().flat_map(|r| r.records());
    records
        .next()
        .map_or(0, |words| words[record::WORDS + rewrite_words::PAGES])
}

fn rounds(inquiry: &Inquiry<'_>, method: SpawnMethod) -> u64 {
    let recordings = inquiry.evidence.rewriting.iter();
    let of_method = recordings.filter_map(|recording| {
        let index = recording.methods.iter().position(|m| *m == method)? as u64;
        let mine = recording.records().filter(|w| w[record::METHOD] == index);
        Some(mine.count() as u64)
    });
    of_method.sum()
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
