//! From the workers' records to the trials of the card.

use super::Experiment;
use crate::card::price_list;
use crate::lab::assemble::{as_floats, middle, samples};
use crate::lab::rounds::Tried;
use crate::lab::session::Recording;
use crate::model::{
    Availability, Card, CardCell, Features, GaugeSamples, Missing, Purpose, SpawnMethod, Trial,
    TrialResult, WorkerSamples,
};
use crate::stats::summarise;
use crate::worker::protocol::{gauge_words, record, rewrite_words};

impl Experiment<'_> {
    /// The card, as far as the trials came.
    pub(super) fn card(&self, clock_cost_ns: f64) -> Card {
        let pairs = self.order.trials.iter().zip(&self.rounds.tried);
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
        features: features(tried),
        cells: match gauges {
            true => Vec::new(),
            false => cells(trial, tried, cost, seed),
        },
        gauges: match gauges {
            true => tried.workers.iter().map(gauge).collect(),
            false => Vec::new(),
        },
    }
}

fn cells(trial: &Trial, tried: &Tried, cost: f64, seed: u64) -> Vec<CardCell> {
    let workers: Vec<&Recording> = tried.workers.iter().collect();
    let methods = trial.methods.iter();
    let cell = |method: &SpawnMethod| {
        let samples = samples(&workers, *method, cost);
        let summary = |pick: fn(&WorkerSamples) -> &Vec<u64>| {
            summarise(&as_floats(&samples, pick), seed).map_or_else(
                || Availability::Missing(why_not(tried, *method)),
                Availability::Measured,
            )
        };
        CardCell {
            method: *method,
            call_ns: summary(|s| &s.call_ns),
            total_ns: summary(|s| &s.total_ns),
            samples,
        }
    };
    methods.map(cell).collect()
}

pub(in crate::lab) fn why_not(tried: &Tried, method: SpawnMethod) -> Missing {
    let mut gone = tried.workers.iter().flat_map(|r| &r.prepared.unavailable);
    match gone.find(|(gone, _)| *gone == method) {
        Some((_, reason)) => Missing::unavailable(reason.clone(), None),
        None => tried.failed.clone().unwrap_or_else(Missing::not_reached),
    }
}

/// Each figure by its median over the workers.
pub(in crate::lab) fn features(tried: &Tried) -> Availability<Features> {
    if tried.workers.is_empty() {
        let missing = tried.failed.clone().unwrap_or_else(Missing::not_reached);
        return Availability::Missing(missing);
    }
    let each: Vec<Features> = tried
        .workers
        .iter()
        .map(|r| r.inflated.features())
        .collect();
    let over = |pick: fn(&Features) -> u64| middle(each.iter().map(pick).collect());
    Availability::Measured(Features {
        vmas: over(|f| f.vmas),
        anon_vmas: over(|f| f.anon_vmas),
        file_vmas: over(|f| f.file_vmas),
        shared_vmas: over(|f| f.shared_vmas),
        ptes: over(|f| f.ptes),
        empty_entries: over(|f| f.empty_entries),
        tables: over(|f| f.tables),
        huge_entries: over(|f| f.huge_entries),
    })
}

fn gauge(recording: &Recording) -> GaugeSamples {
    let mut gauged = GaugeSamples {
        round: recording.round,
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
