//! One worker's life, from its launch to its records, with its address space
//! verified before and after the loop.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::LabError;
use super::kernel::{Kernel, Worker};
use super::noise::Waiting;
use super::outlook::{Outlook, Sight, Watch, Watched};
use crate::model::{Availability, HostState, Missing, PageTables, Parent, Placement, SpawnMethod};
use crate::profile::faults::MapRange;
use crate::profile::modes::{ModeTicks, Split, Window, split};
use crate::sys::events::SampleEvent;
use crate::vm::{PlacedLikeness, Shape, THREAD_MAPPINGS};
use crate::worker::protocol::{Assignment, Done, FIRST_RECORD, Pass, Prepared, record};

/// When a worker runs, and for what.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Occasion {
    /// The round.
    pub(super) round: u32,
    /// The index, of the plan's address spaces or of the trials, of what it is run for.
    pub(super) of: usize,
    /// Its place among all visits of the run; `None` without a reference.
    pub(super) visit: Option<usize>,
}

/// All that one worker brought home.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    /// When it ran, and for what.
    pub(super) occasion: Occasion,
    /// The state that the host was in meanwhile.
    pub(super) host: HostState,
    /// Whether it stands in for a quiet one that is lacking.
    pub(super) stands_in: bool,
    /// By how much the logarithms of its times are off because of the host.
    pub(super) luck: f64,
    /// What it recorded.
    pub(super) pass: Pass,
    /// The methods that took turns, in the order of their index.
    pub(super) methods: Vec<SpawnMethod>,
    /// What it said after preparing.
    pub(super) prepared: Prepared,
    /// What it said after the loop.
    pub(super) done: Done,
    /// The worker while it was small.
    pub(super) before: Parent,
    /// What its inflation took.
    pub(super) inflation_ns: u64,
    /// The worker before the loop.
    pub(super) inflated: Parent,
    /// The worker after the loop.
    pub(super) after: Parent,
    /// The records, one after the other.
    pub(super) words: Vec<u64>,
    /// Processes that its children left behind.
    pub(super) left_behind: u64,
    /// What became of it.
    pub(super) waiting: Waiting,
    /// For a sampling pass: the timer ticks of each method, or why none.
    pub(super) ticks: Option<Result<Vec<ModeTicks>, Missing>>,
    /// Records that the sampling lost, at the least.
    pub(super) lost_samples: u64,
    /// For the passes of an explanation: what was recorded from outside.
    pub(super) watched: Option<Result<Watched, Missing>>,
    /// Where page faults were recorded: what was mapped before the loop.
    pub(super) maps: Vec<MapRange>,
    /// Where methods did not take turns, so that others could spawn as this one did: how many
    /// spawns a second of each method all of them came to.
    pub(super) all_per_second: Vec<Availability<f64>>,
    /// Whether others spawned beside it.
    pub(super) has_company: bool,
}

impl Recording {
    /// Whether figures are made of it.
    pub(super) fn counts(&self) -> bool {
        self.host.is_quiet() || self.stands_in
    }

    /// How long the loop took, in seconds.
    pub(super) fn loop_s(&self) -> f64 {
        self.loop_ns() as f64 / 1e9
    }

    /// The same in nanoseconds.
    pub(super) fn loop_ns(&self) -> u64 {
        let windows = self.windows();
        let begin = windows.first().map_or(0, |(begin, ..)| *begin);
        let end = windows.last().map_or(0, |(_, end, _)| *end);
        end.saturating_sub(begin)
    }

    /// How long neither the worker nor a child of it ran, a spawn; nothing where the loop
    /// was not timed as a whole.
    pub(super) fn idle_us_a_spawn(&self) -> Option<f64> {
        let share = self.done.usage.idle_share()?;
        Some(share * self.done.usage.wall_us as f64 / self.done.spawns.max(1) as f64)
    }

    /// The mean logarithm of what spawns took, each of its methods for as much: a few long
    /// ones bear little on it.
    pub(super) fn level(&self) -> f64 {
        let mut logs: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for (start, end, method) in self.windows() {
            let took = end.saturating_sub(start).max(1) as f64;
            logs.entry(method).or_default().push(took.ln());
        }
        let means = logs
            .values()
            .map(|logs| logs.iter().sum::<f64>() / logs.len() as f64);
        means.sum::<f64>() / logs.len().max(1) as f64
    }

    /// Start, end and method of every spawn, in order.
    pub(super) fn windows(&self) -> Vec<Window> {
        let window = |words: &[u64]| {
            let method = usize::try_from(words[record::METHOD]).unwrap_or(usize::MAX);
            (words[record::BEFORE], words[record::REAPED], method)
        };
        self.records().map(window).collect()
    }

    /// The same with what was recorded from outside.
    pub(super) fn seen(mut self, watch: &Watch, watched: Option<Result<Watched, Missing>>) -> Self {
        self.watched = watched;
        match watch {
            Watch::Modes => self.reduce_to_ticks(),
            Watch::Moments | Watch::Stamps(_) => self.keep_the_spawns(),
            _ => {}
        }
        self
    }

    /// The same with what was recorded of its moments from outside.
    pub(super) fn with_moments(mut self, watched: Option<Result<Watched, Missing>>) -> Self {
        self.watched = watched;
        self.keep_the_spawns();
        self
    }

    /// Forgets what was recorded outside of the recorded spawns, the rehearsals,
    /// and counts what was lost, which has no time.
    fn keep_the_spawns(&mut self) {
        let windows = self.windows();
        if let Some(Ok(watched)) = &mut self.watched {
            let within = |time: u64| {
                let next = windows.partition_point(|(_, end, _)| *end < time);
                windows.get(next).is_some_and(|(begin, ..)| *begin <= time)
            };
            let losses = watched.events.iter().map(|event| match event {
                SampleEvent::Lost { count } => *count,
                _ => 0,
            });
            watched.lost = losses.fold(0, u64::saturating_add);
            watched
                .events
                .retain(|event| event.time_ns().is_some_and(within));
            watched.events.shrink_to_fit();
        }
    }

    /// Keeps of the timer samples no more than their counts.
    fn reduce_to_ticks(&mut self) {
        let windows = self.windows();
        let split_up = |watched: Watched| {
            let Split { ticks, lost } = split(&watched.events, watched.worker, &windows);
            (ticks, lost)
        };
        let reduced = self.watched.take().map(|watched| watched.map(split_up));
        if let Some(Ok((_, lost))) = &reduced {
            self.lost_samples = *lost;
        }
        self.ticks = reduced.map(|reduced| reduced.map(|(ticks, _)| ticks));
    }

    /// The records of one method; `None` if it took no turns here.
    pub(super) fn of(&self, method: SpawnMethod) -> Option<impl Iterator<Item = &[u64]>> {
        let index = self.methods.iter().position(|m| *m == method)? as u64;
        let mine = move |words: &&[u64]| words[record::METHOD] == index;
        Some(self.records().filter(mine))
    }

    /// How many spawns a second of a method all came to, where several spawned at once.
    pub(super) fn all_per_second(&self, method: SpawnMethod) -> Option<&Availability<f64>> {
        let index = self.methods.iter().position(|m| *m == method)?;
        self.all_per_second.get(index)
    }

    /// The records, each as a slice of words.
    pub(super) fn records(&self) -> impl Iterator<Item = &[u64]> {
        self.words.chunks_exact(self.pass.record_words())
    }
}

/// Runs one worker from beginning to end.
pub(super) fn run(
    kernel: &dyn Kernel,
    assignment: &Assignment,
    watch: &Watch,
    timeout: Duration,
    occasion: Occasion,
) -> Result<Recording, LabError> {
    let mut inflated = Inflated::start(kernel, assignment, timeout)?;
    let maps = match watch {
        Watch::Faults => inflated.worker.map_ranges()?,
        _ => Vec::new(),
    };
    let mut outlook = Outlook::open(kernel, inflated.watched(assignment, watch));
    let done = inflated.worker.run(&mut || outlook.collect())?;
    let watched = outlook.close();
    let recording = inflated.recorded(assignment, done)?.end(occasion);
    Ok(Recording {
        maps,
        ..recording.seen(watch, watched)
    })
}

/// A worker with the address space that was ordered, about to spawn.
pub(super) struct Inflated {
    pub(super) worker: Box<dyn Worker>,
    prepared: Prepared,
    before: Parent,
    inflation_ns: u64,
    inflated: Parent,
}

impl Inflated {
    /// Launches and inflates it, and verifies what came of that.
    pub(super) fn start(
        kernel: &dyn Kernel,
        assignment: &Assignment,
        timeout: Duration,
    ) -> Result<Self, LabError> {
        let worker = kernel.launch(assignment, timeout)?;
        Self::of(worker, kernel, assignment)
    }

    /// The same of one that was launched.
    pub(super) fn of(
        mut worker: Box<dyn Worker>,
        kernel: &dyn Kernel,
        assignment: &Assignment,
    ) -> Result<Self, LabError> {
        let prepared = worker.prepare()?;
        if prepared.unavailable.len() == assignment.methods.len() {
            let why = prepared.unavailable.iter().map(|(_, why)| why.as_str());
            return Err(LabError::Methods(why.collect::<Vec<_>>().join("; ")));
        }
        let before = worker.census(&prepared.instrument)?;
        let inflation_ns = worker.inflate()?;
        let inflated = worker.census(&prepared.instrument)?;
        verify(assignment, kernel.page_size(), &before, &inflated)?;
        Ok(Self {
            worker,
            prepared,
            before,
            inflation_ns,
            inflated,
        })
    }

    /// The methods that work there, in the order of their index.
    pub(super) fn methods(&self, assignment: &Assignment) -> Vec<SpawnMethod> {
        let unavailable = &self.prepared.unavailable;
        let works = |method: &SpawnMethod| unavailable.iter().all(|(gone, _)| gone != method);
        assignment.methods.iter().copied().filter(works).collect()
    }

    /// It as somebody who watches sees it.
    pub(super) fn watched<'a>(&self, assignment: &Assignment, watch: &'a Watch) -> Sight<'a> {
        Sight {
            watch,
            placement: assignment.placement,
            execve: self.prepared.execve,
            worker: self.worker.pid(),
        }
    }

    /// Looks at it once more after its loop, and collects what it recorded.
    pub(super) fn recorded(
        self,
        assignment: &Assignment,
        done: Done,
    ) -> Result<Recorded, LabError> {
        let after = self.worker.census(&self.prepared.instrument)?;
        let stride = assignment.pass.record_words();
        let mut words = self.worker.records(FIRST_RECORD + done.spawns * stride)?;
        let words = words.split_off(FIRST_RECORD);
        let elsewhere = match assignment.beside {
            Some(Placement::Pinned(_)) => Duration::from_micros(done.elsewhere_us),
            _ => Duration::ZERO,
        };
        let waiting = Waiting {
            elsewhere,
            ..self.worker.waiting()
        };
        let methods = self.methods(assignment);
        Ok(Recorded {
            worker: self.worker,
            recording: Recording {
                occasion: Occasion::default(),
                host: HostState::default(),
                stands_in: false,
                luck: 0.0,
                pass: assignment.pass,
                methods,
                prepared: self.prepared,
                done,
                before: self.before,
                inflation_ns: self.inflation_ns,
                inflated: self.inflated,
                after,
                words,
                left_behind: 0,
                waiting,
                ticks: None,
                lost_samples: 0,
                watched: None,
                maps: Vec::new(),
                all_per_second: Vec::new(),
                has_company: false,
            },
        })
    }
}

/// A worker that has nothing more to do, and what it recorded.
pub(super) struct Recorded {
    worker: Box<dyn Worker>,
    recording: Recording,
}

impl Recorded {
    /// Ends it.
    pub(super) fn end(mut self, occasion: Occasion) -> Recording {
        self.recording.occasion = occasion;
        self.recording.left_behind = self.worker.end();
        self.recording
    }
}

/// Builds an address space and looks at its page tables, before and after.
pub(super) fn inspect(
    kernel: &dyn Kernel,
    assignment: &Assignment,
    tree: bool,
    timeout: Duration,
) -> Result<[PageTables; 2], LabError> {
    let mut worker = kernel.launch(assignment, timeout)?;
    let instrument = worker.prepare()?.instrument;
    let before = worker.page_tables(&instrument, false)?;
    worker.inflate()?;
    let after = worker.page_tables(&instrument, tree)?;
    worker.end();
    Ok([before, after])
}

/// PTEs and mappings that a worker may gain on the side: libc's and Rust's own
/// memory, touched for the first time between the two censuses.
const SLACK_PTES: u64 = 64;
const SLACK_VMAS: u64 = 4;
/// Pages that an idle thread has touched: one at the least, the end of its stack,
/// where libc keeps what it knows of the thread; the frames below it, and a share
/// of the heap, where libc allocates its vector of thread-local storage.
const THREAD_PTES: RangeInclusive<u64> = 1..=8;

/// Compares what the kernel reports with what was ordered.
fn verify(
    assignment: &Assignment,
    page_size: u64,
    before: &Parent,
    inflated: &Parent,
) -> Result<(), LabError> {
    let shape = Shape::of(&assignment.space, page_size)
        .map_err(|error| LabError::Inflation(error.to_string()))?;
    verify_counts(&shape, before, inflated)?;
    verify_mappings(&shape, before, inflated)?;
    verify_pages(&shape, page_size, before, inflated)
}

/// Of descriptors and threads there are as many as were ordered, and not one more.
fn verify_counts(shape: &Shape, before: &Parent, inflated: &Parent) -> Result<(), LabError> {
    let descriptors = [before.descriptors, inflated.descriptors];
    let threads = [before.threads, inflated.threads];
    let with_likeness = shape.likeness.as_ref().map_or(0, PlacedLikeness::files);
    let files = shape.descriptors.count().saturating_add(with_likeness);
    for ([before, inflated], wanted, what) in [
        (descriptors, files, "descriptors"),
        (threads, shape.threads, "threads"),
    ] {
        if inflated != before.saturating_add(wanted) {
            let gained = i128::from(inflated) - i128::from(before);
            return Err(LabError::Inflation(format!(
                "{gained} {what} more instead of {wanted}"
            )));
        }
    }
    Ok(())
}

fn verify_mappings(shape: &Shape, before: &Parent, inflated: &Parent) -> Result<(), LabError> {
    let gained = |of: fn(&Parent) -> u64| of(inflated).saturating_sub(of(before));
    let wanted = shape.mappings();
    // Libc may do without the guards, and the kernel may merge stacks then.
    let most = wanted + shape.threads * THREAD_MAPPINGS + SLACK_VMAS;
    let vmas = gained(|parent| parent.mappings.vmas);
    within(shape, vmas, "mappings more", wanted, wanted..=most)?;
    let Some(likeness) = &shape.likeness else {
        return Ok(());
    };
    let regions = shape.regions.iter();
    let others: u64 = regions.map(|region| region.count).sum();
    let wanted = likeness.anon_mappings();
    // A mapping with pages of zeros alone looks from outside as if it had its own.
    let others = others + likeness.zero_mappings();
    let most = wanted + others + shape.threads + SLACK_VMAS;
    let owning = gained(|parent| parent.mappings.anon_vmas);
    let what = "mappings more with pages of their own";
    within(shape, owning, what, wanted, wanted..=most)
}

fn verify_pages(
    shape: &Shape,
    page_size: u64,
    before: &Parent,
    inflated: &Parent,
) -> Result<(), LabError> {
    let pins = shape.likeness.as_ref();
    let pins = pins.map_or(0, PlacedLikeness::pinned_pages);
    let pinned = |of: &Parent| of.mappings.pinned_ptes;
    let gained = pinned(inflated).saturating_sub(pinned(before));
    // Of a huge page that is pinned in part, all counts.
    within(shape, gained, "pinned pages more", pins, pins..=u64::MAX)?;
    let touched = shape.present_pages();
    // Where no huge page was to be had, small ones stand in its place: all count alike.
    let heap = shape.heap.map_or(0, |heap| heap.count * heap.touches);
    let pages = |of: &Parent| of.mappings.present_ptes + of.huge_bytes / page_size;
    let gained = pages(inflated).saturating_sub(pages(before));
    let exact = shape.heap.is_none() && shape.regions.iter().all(|region| !region.huge);
    // One that goes on as its own child finds pages of files again when it needs them.
    let generations = shape
        .likeness
        .as_ref()
        .map_or(0, |placed| placed.generations);
    let found_again = match generations {
        0 => 0,
        _ => before.file_ptes,
    };
    let least = touched + heap + shape.threads * THREAD_PTES.start();
    let least = least.saturating_sub(found_again);
    // Code that the worker runs for the first time is mapped by the dozen of pages, and
    // is no part of what was ordered.
    let code = inflated.file_ptes.saturating_sub(before.file_ptes);
    // Where the kernel gives no huge page of zeros, a small one stands for each.
    let zeros = shape
        .likeness
        .as_ref()
        .map_or(0, PlacedLikeness::huge_zeros);
    let most = match exact {
        true => touched + zeros + shape.threads * THREAD_PTES.end() + SLACK_PTES + code,
        false => u64::MAX,
    };
    within(
        shape,
        gained,
        "present pages more",
        touched + heap,
        least..=most,
    )
}

/// Refuses a gain that is not what was wanted and what may come with it. Threads add to
/// such counts, in no exact number.
fn within(
    shape: &Shape,
    gained: u64,
    what: &str,
    wanted: u64,
    bounds: RangeInclusive<u64>,
) -> Result<(), LabError> {
    if bounds.contains(&gained) {
        return Ok(());
    }
    let threads = match shape.threads {
        0 => String::new(),
        threads => format!(" and those of {threads} threads"),
    };
    Err(LabError::Inflation(format!(
        "{gained} {what} instead of {wanted}{threads}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Counts, LikeRegion, Likeness, RegionKind, SpaceRequest};

    const HUGE: u64 = 512;

    /// Huge pages, zeros alone, and threads.
    fn shape() -> Shape {
        let region = |first_page: u64, huge: &[[u64; 2]], read: &[[u64; 2]]| LikeRegion {
            read: read.to_vec(),
            huge: huge.to_vec(),
            ..LikeRegion::untouched(first_page, 2 * HUGE, RegionKind::Anon)
        };
        let regions = vec![
            region(HUGE, &[[0, 2 * HUGE]], &[]),
            region(4 * HUGE, &[], &[[0, 10]]),
        ];
        let of = "a process".to_owned();
        let parts = vec![
            SpaceRequest::Likeness(Likeness {
                of,
                regions,
                generations: 0,
            }),
            SpaceRequest::Threads { count: 7 },
        ];
        Shape::of(&SpaceRequest::Together { parts }, 4096).unwrap()
    }

    fn inflated(present_ptes: u64, huge_pages: u64) -> Parent {
        Parent {
            mappings: Counts {
                vmas: 2,
                anon_vmas: 2,
                present_ptes,
                ..Counts::default()
            },
            huge_bytes: huge_pages * HUGE * 4096,
            threads: 7,
            ..Parent::default()
        }
    }

    fn verified(inflated: &Parent) -> Result<(), LabError> {
        let before = Parent::default();
        verify_counts(&shape(), &before, inflated)?;
        verify_mappings(&shape(), &before, inflated)?;
        verify_pages(&shape(), 4096, &before, inflated)
    }

    #[test]
    fn huge_pages_that_were_not_to_be_had_are_no_error_and_missing_pages_are() {
        for granted in 0..=2 {
            // Each thread has two pages of its stack, and one at the least.
            let small = (2 - granted) * HUGE + 10 + 2 * 7;
            assert!(verified(&inflated(small, granted)).is_ok(), "{granted}");
            assert!(verified(&inflated(small - 8, granted)).is_err());
            assert!(verified(&inflated(small + 1_000, granted)).is_err());
        }
    }

    #[test]
    fn zeros_may_look_like_pages_of_ones_own_and_every_thread_counts() {
        let good = inflated(10 + 2 * 7, 2);
        let owning = |anon_vmas| Parent {
            mappings: Counts {
                anon_vmas,
                ..good.mappings
            },
            ..good
        };
        let with_zeros_told_apart = owning(1);
        assert!(verified(&with_zeros_told_apart).is_ok());
        assert!(verified(&owning(0)).is_err());
        assert!(verified(&Parent { threads: 6, ..good }).is_err());
    }
}
