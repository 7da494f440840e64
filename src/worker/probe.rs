//! What a pass records around a spawn, outside of the stamps.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::protocol::{
    MOST_COUNTERS, gauge_words, rewrite_words, stamp_words, usage_words, wait_words,
};
use crate::sys::clock::now_ns;
use crate::sys::gauge::{self, Untouched};
use crate::sys::memory::Pages;
use crate::sys::perf::Counters;
use crate::sys::spawn::{Held, child_writes};
use crate::sys::threads::{Alone, Busy, Deed};
use crate::sys::usage::{self, Usage, Whose};

/// Reads before and after a spawn; must not allocate.
pub(super) trait Probe {
    /// The words that `end` fills.
    fn words(&self) -> usize;
    /// Reads before the first stamp.
    fn begin(&mut self);
    /// Reads after the last stamp and stores what the spawn added.
    fn end(&mut self, words: &[AtomicU64]);
}

/// Nothing: the timing and the sampling pass.
pub(super) struct ClockOnly;

impl Probe for ClockOnly {
    fn words(&self) -> usize {
        0
    }
    #[inline]
    fn begin(&mut self) {}
    #[inline]
    fn end(&mut self, _: &[AtomicU64]) {}
}

/// getrusage(2): the accounting pass.
#[derive(Default)]
pub(super) struct UsageProbe {
    own: Usage,
    children: Usage,
}

impl Probe for UsageProbe {
    fn words(&self) -> usize {
        usage_words::WORDS
    }

    fn begin(&mut self) {
        // The process itself is read next to the stamps, so that it is not
        // charged with the other reading.
        self.children = usage::read(Whose::Children);
        self.own = usage::read(Whose::Own);
    }

    fn end(&mut self, words: &[AtomicU64]) {
        let own = added(self.own, usage::read(Whose::Own));
        let children = added(self.children, usage::read(Whose::Children));
        for (word, value) in words.iter().zip(own.into_iter().chain(children)) {
            word.store(value, Ordering::Relaxed);
        }
    }
}

/// What lies between two readings. CPU time is the sum of two figures that the
/// kernel truncates apart, so it may seem to step back by a microsecond.
fn added(before: Usage, after: Usage) -> [u64; 4] {
    [
        after.cpu_us.wrapping_sub(before.cpu_us),
        after.minor_faults - before.minor_faults,
        after.major_faults - before.major_faults,
        after.context_switches - before.context_switches,
    ]
}

/// perf counters of the process, and of process and children: the counting
/// pass. Its differences are of raw counts; what the counters missed while
/// they shared the PMU shows in their shares once the loop is over.
pub(super) struct CounterProbe {
    own: Counters,
    family: Counters,
    before: [[u64; MOST_COUNTERS]; 2],
    after: [[u64; MOST_COUNTERS]; 2],
    error: Option<io::Error>,
}

impl CounterProbe {
    /// Takes over counters that are open and enabled.
    pub(super) fn new(own: Counters, family: Counters) -> Self {
        let zero = [[0; MOST_COUNTERS]; 2];
        Self {
            own,
            family,
            before: zero,
            after: zero,
            error: None,
        }
    }

    /// The first error of a reading; the records are worthless then.
    pub(super) fn finish(self) -> io::Result<(Counters, Counters)> {
        self.error.map_or(Ok((self.own, self.family)), Err)
    }
}

impl Probe for CounterProbe {
    fn words(&self) -> usize {
        2 * MOST_COUNTERS
    }

    fn begin(&mut self) {
        let open = self.own.opened().len();
        let family = self.family.read(&mut self.before[1][..open]);
        let own = self.own.read(&mut self.before[0][..open]);
        self.error = self.error.take().or(own.err()).or(family.err());
    }

    fn end(&mut self, words: &[AtomicU64]) {
        let open = self.own.opened().len();
        let own = self.own.read(&mut self.after[0][..open]);
        let family = self.family.read(&mut self.after[1][..open]);
        self.error = self.error.take().or(own.err()).or(family.err());
        let pairs = self
            .after
            .iter()
            .flatten()
            .zip(self.before.iter().flatten());
        for (word, (after, before)) in words.iter().zip(pairs) {
            word.store(after.wrapping_sub(*before), Ordering::Relaxed);
        }
    }
}

/// The stamps that the children write: the stamping pass.
pub(super) struct StampProbe<'a> {
    /// The words that they are written to.
    stamps: &'a [AtomicU64],
}

impl<'a> StampProbe<'a> {
    /// Reads the stamps where the children write them.
    pub(super) fn new(shared: &'a [AtomicU64]) -> Self {
        let stamps = stamp_words::START..stamp_words::START + stamp_words::WORDS;
        Self {
            stamps: &shared[stamps],
        }
    }
}

impl Probe for StampProbe<'_> {
    fn words(&self) -> usize {
        stamp_words::WORDS
    }

    fn begin(&mut self) {
        for stamp in self.stamps {
            stamp.store(0, Ordering::Relaxed);
        }
    }

    fn end(&mut self, words: &[AtomicU64]) {
        for (word, stamp) in words.iter().zip(self.stamps) {
            word.store(stamp.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// What writing to the parent's pages costs after a spawn: the rewriting pass.
pub(super) struct RewriteProbe<'a> {
    pages: &'a Pages,
    /// Where a forked child is held as well, after each spawn: one of the methods is fork.
    holds: Option<Alone>,
    error: Option<io::Error>,
}

impl<'a> RewriteProbe<'a> {
    /// Writes to these pages.
    pub(super) fn new(pages: &'a Pages, holds: Option<Alone>) -> Self {
        Self {
            pages,
            holds,
            error: None,
        }
    }

    /// The first error of a held child.
    pub(super) fn finish(self) -> io::Result<()> {
        self.error.map_or(Ok(()), Err)
    }

    fn timed(&self) -> u64 {
        let begin = now_ns();
        self.pages.write();
        now_ns() - begin
    }

    /// Writes while a forked child still has the pages, which are its own no more afterwards.
    pub(super) fn hold(&mut self, alone: Alone, words: &[AtomicU64]) {
        if self.pages.is_empty() {
            return;
        }
        match self.held(alone) {
            Ok(took) => words[rewrite_words::HELD].store(took, Ordering::Relaxed),
            Err(error) => self.error = self.error.take().or(Some(error)),
        }
    }

    fn held(&self, alone: Alone) -> io::Result<u64> {
        let held = Held::fork(alone)?;
        let took = self.timed();
        held.release()?;
        Ok(took)
    }
}

/// What small things cost, beside the rewriting: the gauging pass.
pub(super) struct GaugeProbe<'a> {
    rewriting: RewriteProbe<'a>,
    untouched: &'a Untouched,
    alone: Alone,
}

impl<'a> GaugeProbe<'a> {
    /// Takes over the probe of the pages.
    pub(super) fn new(rewriting: RewriteProbe<'a>, untouched: &'a Untouched, alone: Alone) -> Self {
        Self {
            rewriting,
            untouched,
            alone,
        }
    }

    /// The first error of a child or of the memory.
    pub(super) fn finish(self) -> io::Result<()> {
        self.rewriting.finish()
    }

    fn gauge(&self, words: &[AtomicU64]) -> io::Result<()> {
        let store = |word: usize, value: u64| words[word].store(value, Ordering::Relaxed);
        let (took, pages) = child_writes(self.rewriting.pages, self.alone)?;
        store(gauge_words::CHILD, took);
        store(gauge_words::CHILD_PAGES, pages as u64);
        store(gauge_words::FAULTS, self.untouched.touch()?);
        let cpuids = gauge::cpuids(gauge_words::CPUID_COUNT);
        store(gauge_words::CPUIDS, cpuids.unwrap_or(0));
        let syscalls = gauge::syscalls(gauge_words::SYSCALL_COUNT);
        store(gauge_words::SYSCALLS, syscalls);
        Ok(())
    }
}

impl Probe for GaugeProbe<'_> {
    fn words(&self) -> usize {
        gauge_words::WORDS
    }

    fn begin(&mut self) {
        self.rewriting.begin();
    }

    fn end(&mut self, words: &[AtomicU64]) {
        self.rewriting.end(words);
        if let Err(error) = self.gauge(words) {
            self.rewriting.error.get_or_insert(error);
        }
    }
}

/// How long a busy thread is held up: the waiting pass. It does one thing beside one spawn
/// and the other beside the next, as one that waits for the one cannot wait for the other.
/// A pair of turns is mirrored, so that in it each method has both.
pub(super) struct WaitProbe<'a> {
    busy: &'a Busy,
    deed: Deed,
    error: Option<io::Error>,
}

impl<'a> WaitProbe<'a> {
    /// Looks at this one.
    pub(super) fn new(busy: &'a Busy) -> Self {
        Self {
            busy,
            deed: Deed::Maps,
            error: None,
        }
    }

    /// The first error of the thread's.
    pub(super) fn finish(self) -> io::Result<()> {
        self.error.map_or(Ok(()), Err)
    }
}

impl Probe for WaitProbe<'_> {
    fn words(&self) -> usize {
        wait_words::WORDS
    }

    fn begin(&mut self) {
        self.deed = match self.deed {
            Deed::Maps => Deed::Faults,
            Deed::Faults => Deed::Maps,
        };
        // One that does nothing is waited for once.
        if self.error.is_none() {
            self.error = self.busy.turn_to(self.deed).err();
        }
    }

    fn end(&mut self, words: &[AtomicU64]) {
        if self.error.is_some() {
            return;
        }
        words[wait_words::DEED].store(self.deed as u64, Ordering::Relaxed);
        match self.busy.longest() {
            Ok(longest) => words[wait_words::LONGEST].store(longest, Ordering::Relaxed),
            Err(error) => self.error = Some(error),
        }
    }
}

impl Probe for RewriteProbe<'_> {
    fn words(&self) -> usize {
        rewrite_words::WORDS
    }

    fn begin(&mut self) {
        // What an earlier spawn left behind is not this one's.
        self.pages.write();
    }

    fn end(&mut self, words: &[AtomicU64]) {
        let store = |word: usize, value: u64| words[word].store(value, Ordering::Relaxed);
        store(rewrite_words::AFTER, self.timed());
        store(rewrite_words::AGAIN, self.timed());
        store(rewrite_words::PAGES, self.pages.len() as u64);
        if let Some(alone) = self.holds {
            self.hold(alone, words);
        }
    }
}
