//! From the workers' records to the trials of the card.

use super::Experiment;
use crate::analysis::card::price_list;
use crate::lab::session::Recording;
use crate::lab::tried::Tried;
use crate::model::{Card, GaugeSamples, Purpose, Trial, TrialResult, keep_quiet};
use crate::worker::protocol::{gauge_words, record, rewrite_words};

impl Experiment<'_> {
    /// The card, as far as the trials came.
    pub(super) fn card(&self, clock_cost_ns: f64) -> Card {
        let pairs = self.order.trials.iter().zip(self.rounds.tried());
        let trials: Vec<TrialResult> = pairs
            .map(|(trial, tried)| result(trial, tried, clock_cost_ns, self.plan.seed))
            .collect();
        let prices = price_list(self.order, &trials, self.plan.seed);
        Card { trials, prices }
    }
}

fn result(trial: &Trial, tried: &Tried, cost: f64, seed: u64) -> TrialResult {
    let gauges = trial.purpose == Purpose::Gauges;
    TrialResult {
        parent: tried.parent(),
        cells: match gauges {
            true => Vec::new(),
            false => tried.cells(&trial.methods, cost, seed),
        },
        gauges: match gauges {
            true => quiet_gauges(&tried.workers),
            false => Vec::new(),
        },
    }
}

fn quiet_gauges(workers: &[Recording]) -> Vec<GaugeSamples> {
    let mut workers: Vec<&Recording> = workers.iter().collect();
    keep_quiet(&mut workers, |worker| worker.counts());
    workers.into_iter().map(gauge).collect()
}

fn gauge(recording: &Recording) -> GaugeSamples {
    let mut gauged = GaugeSamples {
        round: recording.occasion.round,
        ..GaugeSamples::default()
    };
    for words in recording.records().map(|words| &words[record::WORDS..]) {
        let each = |word: usize, count: usize| words[word] as f64 / count as f64;
        gauged
            .syscall_ns
            .push(each(gauge_words::SYSCALLS, gauge_words::SYSCALL_COUNT));
        gauged
            .fault_ns
            .push(each(gauge_words::FAULTS, gauge_words::FAULT_COUNT));
        if words[gauge_words::CPUIDS] > 0 {
            let cpuid_ns = each(gauge_words::CPUIDS, gauge_words::CPUID_COUNT);
            gauged.cpuid_ns.push(cpuid_ns);
        }
        writes(words, &mut gauged);
    }
    gauged
}

/// What a write to a page costs beyond the write itself.
fn writes(words: &[u64], gauged: &mut GaugeSamples) {
    let a_page = |word: usize, pages: usize| {
        let pages = words[pages];
        (pages > 0).then(|| words[word] as f64 / pages as f64)
    };
    let parent = |word| a_page(word, rewrite_words::PAGES);
    if let Some(again) = parent(rewrite_words::AGAIN) {
        let beyond = |ns: f64| (ns - again).max(0.0);
        let held = parent(rewrite_words::HELD).map(beyond);
        gauged.parent_copy_ns.extend(held);
        let after = parent(rewrite_words::AFTER).map(beyond);
        gauged.parent_reuse_ns.extend(after);
        let child = a_page(gauge_words::CHILD, gauge_words::CHILD_PAGES).map(beyond);
        gauged.child_copy_ns.extend(child);
    }
}
