//! One worker's life, from its launch to its records, with its address space
//! verified before and after the loop.

use std::time::Duration;

use super::census::Census;
use super::error::LabError;
use super::kernel::{Kernel, Sampler};
use crate::model::{Missing, SpawnMethod};
use crate::profile::events::SampleEvent;
use crate::profile::modes::{ModeTicks, Split, split};
use crate::vm::Shape;
use crate::worker::protocol::{Assignment, Done, FIRST_RECORD, Pass, Prepared, record};

/// All that one worker brought home.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    /// The round that it ran in.
    pub(super) round: u32,
    /// What it was to do.
    pub(super) assignment: Assignment,
    /// The methods that took turns, in the order of their index.
    pub(super) methods: Vec<SpawnMethod>,
    /// What it said after preparing.
    pub(super) prepared: Prepared,
    /// What it said after the loop.
    pub(super) done: Done,
    /// The worker while it was small.
    pub(super) before: Census,
    /// What its inflation took.
    pub(super) inflation_ns: u64,
    /// The worker before the loop.
    pub(super) inflated: Census,
    /// The worker after the loop.
    pub(super) after: Census,
    /// The records, one after the other.
    pub(super) words: Vec<u64>,
    /// Processes that its children left behind.
    pub(super) left_behind: u64,
    /// For a sampling pass: the timer ticks of each method, or why none.
    pub(super) ticks: Option<Result<Vec<ModeTicks>, Missing>>,
    /// Records that the sampling lost, at the least.
    pub(super) lost_samples: u64,
}

impl Recording {
    /// How long the loop took, in seconds.
    pub(super) fn loop_s(&self) -> f64 {
        let begin = self
            .records()
            .next()
            .map_or(0, |first| first[record::BEFORE]);
        let end = self.records().last().map_or(0, |last| last[record::REAPED]);
        end.saturating_sub(begin) as f64 / 1e9
    }

    /// The records, each as a slice of words.
    pub(super) fn records(&self) -> impl Iterator<Item = &[u64]> {
        self.words.chunks_exact(self.assignment.pass.record_words())
    }
}

/// Runs one worker from beginning to end.
pub(super) fn run(
    kernel: &dyn Kernel,
    assignment: Assignment,
    timeout: Duration,
    round: u32,
) -> Result<Recording, LabError> {
    let mut worker = kernel.launch(&assignment, timeout)?;
    let prepared = worker.prepare()?;
    let before = worker.census(&prepared.instrument)?;
    let inflation_ns = worker.inflate()?;
    let inflated = worker.census(&prepared.instrument)?;
    verify(&assignment, kernel.page_size(), &before, &inflated)?;
    let mut watch = Watch::open(kernel, &assignment);
    let done = worker.run(&mut || watch.collect())?;
    let events = watch.close();
    let after = worker.census(&prepared.instrument)?;
    let stride = assignment.pass.record_words();
    let words = worker
        .records(FIRST_RECORD + done.spawns * stride)?
        .split_off(FIRST_RECORD);
    let methods: Vec<SpawnMethod> = assignment
        .methods
        .iter()
        .copied()
        .filter(|method| prepared.unavailable.iter().all(|(gone, _)| gone != method))
        .collect();
    let pid = worker.pid();
    let left_behind = worker.end();
    let mut lost_samples = 0;
    let mut ticks_of = |events: Vec<SampleEvent>| {
        let Split { ticks, lost } = split(&events, pid, &windows(&words, stride));
        lost_samples = lost;
        ticks
    };
    let ticks = events.map(|events| events.map(&mut ticks_of));
    Ok(Recording {
        left_behind,
        round,
        assignment,
        methods,
        prepared,
        done,
        before,
        inflation_ns,
        inflated,
        after,
        words,
        ticks,
        lost_samples,
    })
}

/// Start, end and method of every spawn, in order.
fn windows(words: &[u64], stride: usize) -> Vec<(u64, u64, usize)> {
    let window = |words: &[u64]| {
        let method = usize::try_from(words[record::METHOD]).unwrap_or(usize::MAX);
        (words[record::BEFORE], words[record::REAPED], method)
    };
    words.chunks_exact(stride).map(window).collect()
}

/// The sampler of a sampling pass.
enum Watch {
    NotAsked,
    Refused(Missing),
    Open {
        sampler: Box<dyn Sampler>,
        events: Vec<SampleEvent>,
    },
}

impl Watch {
    fn open(kernel: &dyn Kernel, assignment: &Assignment) -> Self {
        if assignment.pass != Pass::Sampling {
            return Self::NotAsked;
        }
        let started = kernel
            .sampler(assignment.placement)
            .and_then(|mut sampler| {
                sampler.start()?;
                Ok(sampler)
            });
        match started {
            Ok(sampler) => Self::Open {
                sampler,
                events: Vec::new(),
            },
            Err(missing) => Self::Refused(missing),
        }
    }

    /// Empties the rings before they run over.
    fn collect(&mut self) {
        if let Self::Open { sampler, events } = self {
            events.extend(sampler.drain());
        }
    }

    fn close(mut self) -> Option<Result<Vec<SampleEvent>, Missing>> {
        if let Self::Open { sampler, .. } = &mut self {
            sampler.stop();
        }
        self.collect();
        match self {
            Self::NotAsked => None,
            Self::Refused(missing) => Some(Err(missing)),
            Self::Open { events, .. } => Some(Ok(events)),
        }
    }
}

/// PTEs and mappings that a worker may gain on the side: libc's and Rust's own
/// memory, touched for the first time between the two censuses.
const SLACK_PTES: u64 = 64;
const SLACK_VMAS: u64 = 4;

/// Compares what the kernel reports with what was ordered.
fn verify(
    assignment: &Assignment,
    page_size: u64,
    before: &Census,
    inflated: &Census,
) -> Result<(), LabError> {
    let shape = Shape::of(&assignment.space, page_size)
        .map_err(|error| LabError::Inflation(error.to_string()))?;
    let wanted = shape.mappings();
    let gained = inflated.vmas.saturating_sub(before.vmas);
    if gained < wanted || gained > wanted + SLACK_VMAS {
        return Err(LabError::Inflation(format!(
            "{gained} mappings more instead of {wanted}"
        )));
    }
    let touched: u64 = shape
        .regions
        .iter()
        .map(|region| region.count * region.touches)
        .sum();
    let heap = shape.heap.map_or(0, |heap| heap.count * heap.touches);
    let pages = inflated.present_ptes + inflated.huge_bytes / page_size;
    let pages = pages.saturating_sub(before.present_ptes + before.huge_bytes / page_size);
    let exact = shape.heap.is_none() && shape.regions.iter().all(|region| !region.huge);
    if pages < touched + heap || (exact && pages > touched + SLACK_PTES) {
        let wanted = touched + heap;
        return Err(LabError::Inflation(format!(
            "{pages} present pages more instead of {wanted}"
        )));
    }
    Ok(())
}
