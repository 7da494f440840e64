//! From stamps to phases: where the time of each spawn went.
//!
//! A spawn is cut at the moments that are known of it: the parent's clock, the
//! stamps of child and program, and the records FORK, COMM (exec), EXIT and
//! context switch. Every moment between its begin and its end belongs to one
//! phase and no time is spread: a moment that is not known leaves its phase
//! empty and its time to the next. Only what a stranger takes of the CPU belongs to
//! none. Pure: no clock, no kernel, no file.

mod course;

use crate::model::{ExitOrder, Phase};

use crate::sys::events::SampleEvent;
use course::{Course, Slice};

/// What the clocks of parent, child and program said about one spawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpawnStamps {
    /// Before the call.
    pub begin: u64,
    /// When the call returned.
    pub called: u64,
    /// When the wait returned.
    pub end: u64,
    /// In the child: its first instruction, and the last before exec or exit.
    pub child: Option<[u64; 2]>,
    /// In the program: its first instruction, and one close to its last.
    pub program: Option<[u64; 2]>,
}

/// An instruction that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landmark {
    /// libc's execve.
    Execve,
    /// The program's first: of its loader, if it has one.
    First,
    /// The program's entry, to which its loader jumps.
    Entry,
    /// The function main.
    Main,
}

/// What is to be known of every spawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// Whether the child stamps.
    pub child: bool,
    /// Whether the program stamps.
    pub program: bool,
    /// Whether the child executes a program.
    pub exec: bool,
    /// Whether the call itself waits for the child.
    pub waits: bool,
    /// The watched instructions that it comes to.
    pub landmarks: Vec<Landmark>,
}

/// What holds for all spawns of one recording and one method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The worker's process.
    pub worker: u32,
    /// When the kernel writes EXIT.
    pub order: ExitOrder,
    /// The watched instructions, by the index in their records.
    pub landmarks: Vec<Landmark>,
    /// What is to be known.
    pub known: Knowledge,
    /// What a watched instruction costs whoever comes to it.
    pub hit: HitCost,
}

/// The cost of coming to a watched instruction, which is taken off: the
/// exception, its record, and in a guest the hypervisor's part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HitCost {
    /// All of it.
    pub cost: u64,
    /// Of it, what passes until the record has its time.
    pub lag: u64,
}

/// The phases of one spawn, in nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseTimes {
    /// From begin to end.
    pub total: f64,
    /// By [`Phase`], in order; empty where a phase's end is not known.
    pub phases: [Option<f64>; Phase::ALL.len()],
}

/// Readings of clocks on two CPUs may differ by this much. The cost of a hit is
/// a median, so a moment may seem to step back by as much as that besides.
const SKEW_NS: u64 = 2_000;

/// The phases of every spawn; `None` where something that is to be known is
/// missing. Events and spawns are in order of time, and every event has a time:
/// losses are told apart.
pub fn phases(
    spawns: &[SpawnStamps],
    events: &[SampleEvent],
    rules: &Rules,
) -> Vec<Option<PhaseTimes>> {
    spawns
        .iter()
        .map(|spawn| {
            let within = window(events, spawn);
            Spawn::read(spawn, within, rules)?.cut(rules)
        })
        .collect()
}

/// Of the `wanted` landmarks, those that nearly every spawn came to exactly once. Others tell nothing: the code is not what it was taken for, or
/// this host has no breakpoints.
pub fn reached(
    spawns: &[SpawnStamps],
    events: &[SampleEvent],
    rules: &Rules,
    wanted: &[Landmark],
) -> Vec<Landmark> {
    const NEARLY_ALL: f64 = 0.9;
    let reach = |landmark: Landmark| {
        let once = spawns.iter().filter(|spawn| {
            let within = window(events, spawn);
            let child = child_of(within, rules.worker);
            child.is_some_and(|(_, pid)| hits(within, pid, landmark, rules).count() == 1)
        });
        once.count() as f64 >= NEARLY_ALL * spawns.len() as f64 && !spawns.is_empty()
    };
    wanted.iter().copied().filter(|l| reach(*l)).collect()
}

fn window<'a>(events: &'a [SampleEvent], spawn: &SpawnStamps) -> &'a [SampleEvent] {
    let before = |limit: u64| move |event: &SampleEvent| event.time_ns().is_none_or(|t| t < limit);
    let from = events.partition_point(before(spawn.begin));
    let upto = events.partition_point(before(spawn.end.saturating_add(1)));
    events.get(from..upto).unwrap_or_default()
}

/// When the worker's child was made, and its number.
fn child_of(events: &[SampleEvent], worker: u32) -> Option<(u64, u32)> {
    events.iter().find_map(|event| match *event {
        SampleEvent::Fork { time_ns, pid, ppid } if ppid == worker => Some((time_ns, pid)),
        _ => None,
    })
}

fn hits<'a>(
    events: &'a [SampleEvent],
    child: u32,
    landmark: Landmark,
    rules: &'a Rules,
) -> impl Iterator<Item = u64> + 'a {
    events.iter().filter_map(move |event| match *event {
        SampleEvent::Landmark {
            time_ns,
            pid,
            index,
        } if pid == child && rules.landmarks.get(index) == Some(&landmark) => Some(time_ns),
        _ => None,
    })
}

/// All that is known of one spawn.
struct Spawn {
    stamps: SpawnStamps,
    forked: u64,
    /// The child's first instruction, or when it first got a CPU.
    started: u64,
    leaving: Option<u64>,
    executed: Option<u64>,
    first: Option<u64>,
    entry: Option<u64>,
    main: Option<u64>,
    last: Option<u64>,
    exited: u64,
    /// When the parent, woken by the child's end, got a CPU.
    back: u64,
    /// Whether the call itself waited for the child.
    waited: bool,
    /// When the parent ran while the child could have, on the same CPU.
    slices: Vec<Slice>,
    /// When a stranger ran on their CPU.
    strangers: Vec<Slice>,
}

impl Spawn {
    fn read(stamps: &SpawnStamps, events: &[SampleEvent], rules: &Rules) -> Option<Self> {
        let known = &rules.known;
        let (forked, child) = child_of(events, rules.worker)?;
        let course = Course::of(events, child, rules.hit);
        let first_run = course.first(events, |event| match *event {
            SampleEvent::Switch {
                time_ns,
                pid,
                into: true,
                ..
            } => Some((time_ns, pid)),
            _ => None,
        });
        let executed = course.first(events, |event| match *event {
            SampleEvent::Exec { time_ns, pid } => Some((time_ns, pid)),
            _ => None,
        });
        // A program of several threads has as many records, and ends with the last.
        let exited = course.last_exit(events)?;
        if known.exec && executed.is_none() {
            return None;
        }
        let landmark = |landmark: Landmark| {
            let hit = hits(events, child, landmark, rules).next();
            let moment = hit.map(|time| course.moment(time).saturating_sub(rules.hit.lag));
            demanded(known.landmarks.contains(&landmark), moment)
        };
        let stamped = demanded(known.child, stamps.child)?;
        let program = demanded(known.program, stamps.program)?;
        let [began, ended] = [0, 1].map(|at| program.map(|stamps| course.moment(stamps[at])));
        let leaving = stamped.map(|[_, last]| course.moment(last));
        let stamps = course.stamps(stamps);
        let back = course.back(events, &stamps, rules.worker, exited);
        Some(Self {
            forked,
            started: stamped.map(|[first, _]| first).or(first_run)?,
            leaving: leaving.or(landmark(Landmark::Execve)?),
            executed: executed.filter(|_| known.exec),
            first: began.or(landmark(Landmark::First)?),
            entry: landmark(Landmark::Entry)?,
            main: landmark(Landmark::Main)?,
            // After its second stamp the program does once more what it did
            // between the two: it writes the stamp. Then it exits.
            last: began
                .zip(ended)
                .map(|(began, ended)| (2 * ended).saturating_sub(began).min(exited)),
            exited,
            back,
            waited: known.waits,
            slices: course.slices(events, rules.worker, forked, back),
            strangers: course.strangers(events, rules.worker),
            stamps,
        })
    }

    /// Whether the parent came back from the call before the child ran.
    fn returns_first(&self) -> bool {
        self.stamps.called <= self.started
    }

    /// The end of each phase, in order of time; `None` where it is not known.
    fn ends(&self, rules: &Rules) -> Vec<(Phase, Option<u64>)> {
        let returned = self.returns_first().then_some(self.stamps.called);
        let mut ends = vec![
            (Phase::Copy, Some(self.forked)),
            (Phase::Return, returned),
            (Phase::Wake, Some(self.started)),
            (Phase::BeforeExec, self.leaving),
        ];
        let knows_last = self.executed.is_none() || self.last.is_some();
        if self.executed.is_some() {
            ends.extend([
                (Phase::ExecTeardown, self.executed),
                (Phase::ExecStart, self.first),
                (Phase::Loader, self.entry),
                (Phase::Libc, self.main),
                (Phase::Run, self.last.or(Some(self.exited))),
            ]);
        }
        let of_record = match rules.order {
            ExitOrder::BeforeTeardown => Phase::Exit,
            ExitOrder::AfterTeardown => Phase::Teardown,
        };
        let after_record = match rules.order {
            ExitOrder::BeforeTeardown => Phase::Teardown,
            ExitOrder::AfterTeardown => Phase::Exit,
        };
        ends.extend([
            (of_record, knows_last.then_some(self.exited)),
            (after_record, Some(self.back)),
        ]);
        ends
    }

    /// Cuts the spawn into its phases.
    fn cut(&self, rules: &Rules) -> Option<PhaseTimes> {
        let SpawnStamps {
            begin, called, end, ..
        } = self.stamps;
        let mut phases = [None; Phase::ALL.len()];
        let mut cursor = begin;
        let mut carved = 0;
        let tolerance = SKEW_NS + rules.hit.cost;
        for (phase, upto) in self.ends(rules) {
            let Some(upto) = upto else { continue };
            if upto + tolerance < cursor {
                return None;
            }
            let upto = upto.max(cursor);
            let interrupted = overlap(&self.slices, cursor, upto);
            let stolen = overlap(&self.strangers, cursor, upto);
            carved += interrupted;
            let own = (upto - cursor).saturating_sub(interrupted + stolen);
            phases[phase as usize] = Some(own as f64);
            cursor = upto;
        }
        // A parent that comes back from the call after all is over.
        let late = match self.waited {
            true => 0,
            false => called.saturating_sub(cursor),
        };
        let stolen = overlap(&self.strangers, cursor, end);
        phases[Phase::Reap as usize] = Some(end.saturating_sub(cursor + late + stolen) as f64);
        let slot = &mut phases[Phase::Return as usize];
        *slot = Some(slot.unwrap_or(0.0) + (carved + late) as f64);
        Some(PhaseTimes {
            total: (end - begin) as f64,
            phases,
        })
    }
}

/// How much of the time between two moments these slices take.
fn overlap(slices: &[Slice], from: u64, upto: u64) -> u64 {
    let overlap = |slice: &Slice| slice.upto.min(upto).saturating_sub(slice.from.max(from));
    slices.iter().map(overlap).sum()
}

/// A figure where it is demanded, and none where it is not; `None` where it is
/// demanded and missing.
fn demanded<T>(is_demanded: bool, figure: Option<T>) -> Option<Option<T>> {
    match (is_demanded, figure) {
        (true, None) => None,
        (true, figure) => Some(figure),
        (false, _) => Some(None),
    }
}

#[cfg(test)]
mod tests;
