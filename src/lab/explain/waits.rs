//! From the records of spawns beside a busy thread to how long that was held up.

use super::Inquiry;
use crate::model::{Availability, Missing, SpawnMethod, ThreadWaits};
use crate::stats::{DRAWS, Estimate, cost_replicates};
use crate::sys::threads::Deed;
use crate::worker::protocol::{record, wait_words};

/// How long another thread waits during a spawn of this method.
pub(super) fn waits(inquiry: &Inquiry<'_>, method: SpawnMethod) -> Availability<ThreadWaits> {
    Availability::of(seen(inquiry, method), || match &inquiry.beside {
        Ok(_) => Missing::not_reached(),
        Err(missing) => missing.clone(),
    })
}

fn seen(inquiry: &Inquiry<'_>, method: SpawnMethod) -> Option<ThreadWaits> {
    let recordings = inquiry.evidence.waiting.iter();
    let workers: Vec<Vec<&[u64]>> = recordings
        .filter_map(|recording| Some(recording.of(method)?.collect()))
        .collect();
    let level = |of: &dyn Fn(&[u64]) -> Option<f64>| -> Option<Estimate> {
        let each = |worker: &Vec<&[u64]>| worker.iter().filter_map(|words| of(words)).collect();
        let each: Vec<Vec<f64>> = workers.iter().map(each).collect();
        Some(cost_replicates(&each, inquiry.plan.seed, DRAWS)?.estimate())
    };
    let longest = |deed: Deed| {
        level(&move |words: &[u64]| {
            let words = &words[record::WORDS..];
            let mine = words[wait_words::DEED] == deed as u64;
            mine.then(|| words[wait_words::LONGEST] as f64)
        })
    };
    let call = |words: &[u64]| Some((words[record::CALLED] - words[record::BEFORE]) as f64);
    Some(ThreadWaits {
        spawns: workers.iter().map(|worker| worker.len() as u64).sum(),
        fault_ns: longest(Deed::Faults)?,
        mapping_ns: longest(Deed::Maps)?,
        call_ns: level(&call)?,
    })
}
