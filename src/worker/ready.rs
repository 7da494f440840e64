//! A worker that is ready: the passes, each the one loop with another probe.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;

use super::measure::{self, Contender, Limits, try_once};
use super::pause::{Cold, Hot};
use super::prepare::setup;
use super::probe::{
    ClockOnly, CounterProbe, GaugeProbe, Probe, RewriteProbe, StampProbe, UsageProbe, WaitProbe,
};
use super::protocol::{
    Assignment, Done, FIRST_RECORD, Failure, LoopUsage, MOST_COUNTERS, Pass, Refused, gauge_words,
    record,
};
use crate::model::{PageKind, Placement, SpawnMethod};
use crate::sys::clock::now_ns;
use crate::sys::gauge::Untouched;
use crate::sys::generations::Leash;
use crate::sys::memory::Pages;
use crate::sys::perf::{Counter, Counters, Scope};
use crate::sys::shared::SharedWords;
use crate::sys::threads::{Alone, Busy};
use crate::sys::usage::{self, Whose};
use crate::sys::userfault::Userfault;
use crate::vm::Shape;

/// The stack of a thread that has a few frames.
const BUSY_STACK: usize = 256 << 10;

/// Where this process stands among generations of itself, and who stands beside it.
#[derive(Default)]
pub(super) struct Line {
    /// What the earlier ones live by; it must stay open.
    pub(super) _leash: Option<Leash>,
    /// Those after the first, this one the last.
    pub(super) later: Vec<u32>,
    /// Who reads of its forks, if they are told to somebody.
    pub(super) helpers: Vec<i32>,
    /// By which they are told, as long as it is open.
    pub(super) _userfault: Option<Userfault>,
}

/// All that the passes need, prepared.
pub(super) struct Ready {
    pub(super) shape: Shape,
    pub(super) pages: Pages,
    pub(super) cold: Option<Cold>,
    pub(super) course: Course,
    pub(super) alone: Alone,
    pub(super) line: Line,
    /// The children's way to the records; it must stay open.
    pub(super) _stamps: Option<Rc<OwnedFd>>,
}

/// What the loop runs over.
pub(super) struct Course {
    pub(super) assignment: Assignment,
    pub(super) shared: Rc<SharedWords>,
    pub(super) contenders: Vec<Contender>,
    pub(super) schedule: Vec<u8>,
    /// Spawns in a turn.
    pub(super) turn: usize,
    /// Spawns that were recorded so far.
    pub(super) spawned: usize,
}

impl Course {
    /// Has one method take as many turns as all have otherwise.
    fn leave_to(&mut self, method: u8) {
        self.schedule.truncate(self.spawned);
        let turns = std::iter::repeat_n(method, self.assignment.turns);
        self.schedule.extend(turns);
        self.turn = 1;
    }

    /// The whole schedule, as far as the slice goes.
    fn record(
        &mut self,
        cold: Option<&mut Cold>,
        probe: &mut impl Probe,
    ) -> Result<usize, Failure> {
        let (turn, left) = (self.turn, self.schedule.len() - self.spawned);
        let extras = left - turn * self.assignment.turns;
        let limits = Limits {
            extras,
            turn,
            behind: self.spawned,
            least_spawns: extras + turn * self.assignment.least_turns,
            slice_ns: self.assignment.slice_ns,
        };
        self.record_within(self.schedule.len(), limits, cold, probe)
    }

    /// So many turns more.
    fn record_turns(
        &mut self,
        turns: usize,
        cold: Option<&mut Cold>,
        probe: &mut impl Probe,
    ) -> Result<usize, Failure> {
        let spawns = turns.saturating_mul(self.contenders.len());
        let limits = Limits {
            extras: 0,
            turn: self.contenders.len(),
            behind: self.spawned,
            least_spawns: spawns,
            slice_ns: u64::MAX,
        };
        let end = self.spawned.saturating_add(spawns).min(self.schedule.len());
        self.record_within(end, limits, cold, probe)
    }

    /// What the probe recorded of the last of so many spawns that was a fork.
    fn last_fork(&self, spawns: usize, stride: usize) -> Option<&[AtomicU64]> {
        let is_fork =
            |choice: &u8| self.contenders[usize::from(*choice)].method == SpawnMethod::Fork;
        let last = self.schedule[..spawns].iter().rposition(is_fork)?;
        let records = self.shared.words()[FIRST_RECORD..].chunks_exact(stride);
        records
            .skip(last)
            .map(|words| &words[record::WORDS..])
            .next()
    }

    /// Spawns up to an end of the schedule; how many spawns are recorded by then.
    fn record_within(
        &mut self,
        end: usize,
        limits: Limits,
        cold: Option<&mut Cold>,
        probe: &mut impl Probe,
    ) -> Result<usize, Failure> {
        let schedule = &self.schedule[limits.behind..end];
        let (contenders, shared) = (&mut self.contenders, self.shared.words());
        let spawns = match cold {
            Some(cold) => measure::run(contenders, schedule, limits, shared, probe, cold),
            None => measure::run(contenders, schedule, limits, shared, probe, &mut Hot),
        }?;
        self.spawned = limits.behind + spawns;
        Ok(self.spawned)
    }
}

impl Ready {
    /// Carries out the assignment's pass.
    pub(super) fn run(&mut self) -> Result<Done, Failure> {
        self.warm_up()?;
        self.measure()
    }

    /// The same by one method, beside other workers that do so. No other stands between its
    /// spawns, so that it needs no rehearsals.
    pub(super) fn alone(&mut self, method: u8) -> Result<Done, Failure> {
        let contender = &mut self.course.contenders[usize::from(method)];
        try_once(contender, self.course.shared.words())?;
        self.course.leave_to(method);
        self.measure()
    }

    /// Spawns beside such a worker until it is told to stop.
    pub(super) fn accompany(&mut self, method: u8) -> Result<Done, Failure> {
        let contender = &mut self.course.contenders[usize::from(method)];
        let shared = self.course.shared.words();
        let spawns = measure::accompany(contender, shared)?;
        Ok(Done {
            elsewhere_us: family_usage().cpu_us,
            ..spawns_only(spawns)
        })
    }

    fn measure(&mut self) -> Result<Done, Failure> {
        let before = family_usage();
        let done = match self.course.assignment.pass {
            Pass::Timing | Pass::Sampling => self.record(&mut ClockOnly).map(spawns_only),
            Pass::Accounting => self.record(&mut UsageProbe::default()).map(spawns_only),
            Pass::Counting => self.count(),
            Pass::Stamping => self.stamp().map(spawns_only),
            Pass::Rewriting => self.rewrite().map(spawns_only),
            Pass::Gauging => self.gauge().map(spawns_only),
            Pass::Waiting => self.wait(),
        }?;
        let usage = family_usage().since(before);
        let usage = LoopUsage {
            cpu_us: usage.cpu_us.saturating_sub(done.elsewhere_us),
            ..usage
        };
        Ok(Done { usage, ..done })
    }

    /// So many turns more of a timing, or of stamping. Another worker has spawned meanwhile, so that the
    /// first spawn of each method finds nothing of its own in the caches.
    pub(super) fn turns(&mut self, turns: usize) -> Result<Done, Failure> {
        self.warm_up()?;
        let (shared, cold) = (Rc::clone(&self.course.shared), self.cold.as_mut());
        let spawns = match self.course.assignment.pass {
            Pass::Stamping => {
                let mut probe = StampProbe::new(shared.words());
                self.course.record_turns(turns, cold, &mut probe)
            }
            _ => self.course.record_turns(turns, cold, &mut ClockOnly),
        };
        spawns.map(spawns_only)
    }

    /// One spawn of each method from the inflated space: the first fork after
    /// an inflation pays for what later ones find done.
    fn warm_up(&mut self) -> Result<(), Failure> {
        // A cold spawn shall find nothing that its own method has left, and
        // where there is one method alone the spawn before is its own anyway.
        let rehearses = self.cold.is_none() && self.course.contenders.len() > 1;
        let mut took = Vec::with_capacity(self.course.contenders.len());
        for contender in &mut self.course.contenders {
            took.push(try_once(contender, self.course.shared.words())?);
        }
        let dearest = took.iter().copied().max().unwrap_or_default();
        for (contender, took_ns) in self.course.contenders.iter_mut().zip(took) {
            contender.rehearsals = match rehearses {
                true => rehearsals(took_ns, dearest),
                false => 0,
            };
        }
        Ok(())
    }

    fn record(&mut self, probe: &mut impl Probe) -> Result<usize, Failure> {
        self.course.record(self.cold.as_mut(), probe)
    }

    fn stamp(&mut self) -> Result<usize, Failure> {
        // The stamps lie in the words that the loop writes its records to.
        let shared = Rc::clone(&self.course.shared);
        self.record(&mut StampProbe::new(shared.words()))
    }

    fn rewrite(&mut self) -> Result<usize, Failure> {
        // Of a fork alone what its held child costs is told.
        let holds = self.course.assignment.methods.contains(&SpawnMethod::Fork);
        let holds = holds.then_some(self.alone);
        // A huge page that is copied bit by bit is none any more.
        let once = self.course.assignment.rewritten == PageKind::Huge
            || self.shape.regions.iter().any(|region| region.huge);
        let mut probe = RewriteProbe::new(&self.pages, holds.filter(|_| !once));
        let spawns = self.course.record(self.cold.as_mut(), &mut probe)?;
        let last = self
            .course
            .last_fork(spawns, Pass::Rewriting.record_words());
        if let (true, Some(alone), Some(last)) = (once, holds, last) {
            probe.hold(alone, last);
        }
        setup("could not fork a child that waits", probe.finish())?;
        Ok(spawns)
    }

    fn gauge(&mut self) -> Result<usize, Failure> {
        let memory = Untouched::map(gauge_words::FAULT_COUNT);
        let memory = setup("could not map the memory for page faults", memory)?;
        let rewriting = RewriteProbe::new(&self.pages, Some(self.alone));
        let mut probe = GaugeProbe::new(rewriting, &memory, self.alone);
        let spawns = self.course.record(self.cold.as_mut(), &mut probe)?;
        setup("could not gauge what small things cost", probe.finish())?;
        Ok(spawns)
    }

    fn wait(&mut self) -> Result<Done, Failure> {
        let cpu = match self.course.assignment.beside {
            Some(Placement::Pinned(cpu)) => Some(cpu),
            _ => None,
        };
        let busy = Busy::start(cpu, BUSY_STACK, self.alone);
        let busy = setup("could not start a thread", busy)?;
        let mut probe = WaitProbe::new(&busy);
        let spawns = self.record(&mut probe)?;
        setup("a thread of the worker failed", probe.finish())?;
        Ok(Done {
            elsewhere_us: busy.rest() / 1_000,
            ..spawns_only(spawns)
        })
    }

    /// Opens the counters only now, so that nothing before is disturbed.
    fn count(&mut self) -> Result<Done, Failure> {
        let own = Counters::open(Scope::Own, &Counter::ALL);
        let opened: Vec<Counter> = own.counters.opened().to_vec();
        let family = Counters::open(Scope::Family, &opened);
        let mut refused: Vec<Refused> = Vec::new();
        for (counter, error) in own.failures.iter().chain(&family.failures) {
            refused.push(Refused {
                counter: counter.name().to_owned(),
                reason: error.to_string(),
                remedy: Some(error.remedy()),
            });
        }
        if let Some((_, error)) = family.failures.first() {
            // One side alone cannot be told apart into parent and child.
            let (reason, remedy) = (error.to_string(), Some(error.remedy()));
            refused.extend(opened.iter().map(|counter| Refused {
                counter: counter.name().to_owned(),
                reason: reason.clone(),
                remedy: remedy.clone(),
            }));
        }
        if opened.is_empty() || !family.failures.is_empty() {
            return Ok(Done {
                refused,
                ..Done::default()
            });
        }
        let (own, family) = (own.counters, family.counters);
        assert!(
            opened.len() <= MOST_COUNTERS,
            "a record has room for every counter"
        );
        setup(
            "could not start the counters",
            own.enable().and_then(|()| family.enable()),
        )?;
        let mut probe = CounterProbe::new(own, family);
        let spawns = self.record(&mut probe)?;
        let (own, family) = setup("could not read the counters", probe.finish())?;
        let shares = own.shares().into_iter().zip(family.shares());
        Ok(Done {
            spawns,
            counters: opened
                .iter()
                .map(|counter| counter.name().to_owned())
                .collect(),
            refused,
            shares: shares.map(|(own, family)| own.min(family)).collect(),
            ..Done::default()
        })
    }
}

/// Rehearsals of a method that took so long, where the dearest took so long.
///
/// Of a posix_spawn after a fork from 10,000 mappings the first takes a third longer than
/// the tenth, the second 7 per cent and the fifth 2: what the child of the fork had is
/// still given back, and evicts what the next ones need. Beside such a fork they take no
/// time. A fork is as dear after its first rehearsal as after its fifth.
fn rehearsals(took_ns: u64, dearest_ns: u64) -> u8 {
    const MUCH_CHEAPER: u64 = 8;
    match took_ns.saturating_mul(MUCH_CHEAPER) < dearest_ns {
        true => 4,
        false => 1,
    }
}

/// What the kernel has booked on this process and its reaped children so far.
fn family_usage() -> LoopUsage {
    let (own, children) = (usage::read(Whose::Own), usage::read(Whose::Children));
    LoopUsage {
        wall_us: now_ns() / 1_000,
        user_us: own.user_us + children.user_us,
        cpu_us: own.cpu_us + children.cpu_us,
        minor_faults: own.minor_faults + children.minor_faults,
    }
}

fn spawns_only(spawns: usize) -> Done {
    Done {
        spawns,
        ..Done::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cheap_beside_the_dearest_is_rehearsed_more_often() {
        assert_eq!(rehearsals(100, 100), 1);
        assert_eq!(rehearsals(100, 800), 1);
        assert_eq!(rehearsals(100, 801), 4);
        assert_eq!(rehearsals(0, 0), 1);
        assert_eq!(rehearsals(u64::MAX, u64::MAX), 1);
    }
}
