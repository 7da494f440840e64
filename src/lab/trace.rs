//! A program is watched: no workers, no rounds, nothing that is ordered but to look on.
//!
//! Whoever stands still for it waits until the next event is asked for, so that what is
//! read of a process between two events is little; but for what copies are made from
//! (`parents`), of which no time is taken.

mod book;
mod parents;

use std::collections::HashMap;

use self::book::Book;
pub use self::parents::Dearest;
use self::parents::Parents;
use super::error::LabError;
use super::kernel::{Kernel, Step, Watcher};
use super::outcome::{Outcome, Progress};
use super::path::shown;
use crate::analysis::trace::{
    Executed, Found, Sized, executed, offences, paths, savings, spawners,
};
use crate::model::{
    Availability, Caveat, Document, Ending, FailedCall, FailedExec, Findings, Host, MOST_SPAWNS,
    Missing, Plan, Run, SCHEMA_VERSION, Spawn, SpawnParent, Stopped, Tool, Trace, TraceBackend,
    TraceMeans, TraceOrder, TraceTarget,
};
use crate::profile::spawns::{Course, Observed, Sight, Size};
use crate::sys::trace::event::{Followed, What};
use crate::units::about_seconds;

/// Between two readings of the size of one process that spawns without a pause.
const SIZES_APART_NS: u64 = 50_000_000;

/// With so many spawns the watching ends: what is known of them takes some 2 GiB by then.
const MOST_FOLLOWED: usize = 5_000_000;

/// What came of watching a program.
#[derive(Debug)]
pub struct Watched {
    /// The run's end.
    pub outcome: Outcome,
    /// The dearest spawner, if remedies are to be tried on it; or why there is none.
    pub dearest: Result<Dearest, Missing>,
}

/// Carries out a plan that watches a program.
pub fn watch(
    kernel: &dyn Kernel,
    host: Host,
    plan: &Plan,
    order: &TraceOrder,
    progress: &mut dyn Progress,
) -> Watched {
    let watcher = match kernel.follow(order) {
        Ok(watcher) => watcher,
        Err(error) => {
            return Watched {
                outcome: Outcome::nothing(error),
                dearest: Err(Missing::not_reached()),
            };
        }
    };
    if let Some(time_s) = plan.stop.time_s {
        progress.tell(&format!("watching for at most {}", about_seconds(time_s)));
    }
    let begin_ns = watcher.began_ns();
    let mut watch = Watch {
        order,
        begin_ns,
        until_ns: plan
            .stop
            .time_s
            .map(|time_s| begin_ns.saturating_add(ns(time_s))),
        course: Course::new(begin_ns),
        book: Book::default(),
        sized: HashMap::new(),
        parents: Parents::default(),
        ended: None,
        watcher,
    };
    let result = watch.look_on();
    watch.outcome(host, plan, result)
}

/// A program that is being watched.
struct Watch<'a> {
    order: &'a TraceOrder,
    begin_ns: u64,
    until_ns: Option<u64>,
    course: Course,
    book: Book,
    /// The size of a process, and when it was read last.
    sized: HashMap<u32, (u64, Size)>,
    parents: Parents,
    /// How the command ended.
    ended: Option<Ending>,
    watcher: Box<dyn Watcher>,
}

impl Watch<'_> {
    /// Looks on until it is over, one way or another.
    fn look_on(&mut self) -> Result<Stopped, LabError> {
        loop {
            // With a filter on it nobody may be left alone.
            let leaves = !self.watcher.must_stay();
            let until_ns = self.until_ns.filter(|_| leaves);
            if leaves && self.ended.is_some() {
                return Ok(Stopped::Ended);
            }
            if leaves && self.course.spawns.len() >= MOST_FOLLOWED {
                return Ok(Stopped::Spawns);
            }
            match self.watcher.next(until_ns)? {
                Step::Happened(event) => self.take(&event),
                Step::Over => return Ok(Stopped::Ended),
                Step::TimeUp => return Ok(Stopped::Time),
            }
        }
    }

    fn take(&mut self, event: &Followed) {
        let sight = self.sight(event);
        self.course.take(event, sight);
        let size = self.sized.get(&event.pid).map(|(_, size)| *size);
        if let Some(kind) = self.parents.note(event, &self.course, size) {
            self.look_at(event.pid, kind);
        }
        match event.what {
            What::Executed => {
                self.sized.remove(&event.pid);
            }
            What::Ended(end) => {
                self.sized.remove(&event.pid);
                if self.watcher.command() == Some(event.pid) {
                    self.ended = Some(end.into());
                }
            }
            _ => {}
        }
    }

    /// Looks at what copying spawns are made from. What others do meanwhile is heard of late.
    fn look_at(&mut self, pid: u32, kind: usize) {
        let begin_ns = self.watcher.now_ns();
        let parent = self.watcher.counts(pid).into();
        let shape = self.order.advise.then(|| self.watcher.shape(pid));
        let seen = SpawnParent {
            pid,
            at_ns: begin_ns.saturating_sub(self.begin_ns),
            took_ns: self.watcher.now_ns().saturating_sub(begin_ns),
            spawns: 0,
            never_executed: never_executed(&self.course, pid),
            parent,
        };
        match self.order.by {
            TraceMeans::Ptrace => self.course.held_up(),
            TraceMeans::Tracepoints => {
                let end_ns = self.watcher.now_ns();
                self.course.looked_at(pid, begin_ns, end_ns);
            }
        }
        self.parents.saw(kind, seen, shape);
    }

    /// Reads what is to be read of a process while it stands still.
    fn sight(&mut self, event: &Followed) -> Sight {
        match &event.what {
            What::Present | What::Adopted | What::Executed => {
                let program = self.watcher.program(event.pid);
                Sight {
                    program: Some(self.book.program(program)),
                    ..Sight::default()
                }
            }
            What::Created { registers, .. } => {
                let caller = self.watcher.caller(event.pid, registers);
                let due = self
                    .sized
                    .get(&event.pid)
                    .is_none_or(|(last, _)| event.time_ns.saturating_sub(*last) >= SIZES_APART_NS);
                let size = due.then(|| self.watcher.size(event.pid)).flatten();
                if let Some(size) = size {
                    self.sized.insert(event.pid, (event.time_ns, size));
                }
                Sight {
                    program: None,
                    caller: caller.map(|caller| self.book.caller(caller)),
                    size,
                }
            }
            _ => Sight::default(),
        }
    }

    /// Leaves the program alone, and makes a document of what was seen.
    fn outcome(self, host: Host, plan: &Plan, result: Result<Stopped, LabError>) -> Watched {
        let end_ns = self.watcher.now_ns();
        let mut caveats = caveats(self.watcher.as_ref());
        self.watcher.leave();
        let (stopped, error) = match result {
            Ok(stopped) => (stopped, None),
            Err(error @ LabError::Interrupted(_)) => (Stopped::Interrupted, Some(error)),
            Err(error) => (Stopped::Failed(error.to_string()), Some(error)),
        };
        let wall_ns = end_ns.saturating_sub(self.begin_ns);
        let (course, parents) = (self.course, self.parents);
        let trace = findings(
            self.order, &course, self.book, &parents, wall_ns, self.ended,
        );
        caveats.extend(matches!(stopped, Stopped::Interrupted).then_some(Caveat::Interrupted));
        let run = Run {
            started_unix_s: started(wall_ns),
            duration_s: wall_ns as f64 / 1e9,
            rounds: 0,
            stopped,
            reference: Availability::not_asked("a watched program is not measured in rounds"),
        };
        let outcome = Outcome {
            document: Some(Document {
                schema_version: SCHEMA_VERSION,
                tool: Tool::this(),
                host,
                plan: plan.clone(),
                run,
                noise: None,
                findings: Findings::Trace(Box::new(trace)),
                caveats,
            }),
            error,
        };
        Watched {
            outcome,
            dearest: parents.dearest(&course.spawns),
        }
    }
}

/// Whether a process was seen to be made by a copy, and to have executed nothing since.
fn never_executed(course: &Course, pid: u32) -> bool {
    // The last of its number is the one that is there.
    let process = course.processes.iter().rfind(|process| process.pid == pid);
    process.is_some_and(|process| {
        let born = process.born.and_then(|made| course.spawns.get(made));
        process.executions.is_empty() && born.is_some_and(Spawn::copies)
    })
}

/// What is to be known of how it was watched.
fn caveats(watcher: &dyn Watcher) -> Vec<Caveat> {
    let instead = watcher.instead().into_iter();
    let instead = instead.map(|(reason, remedy)| Caveat::WatchedByPtrace { reason, remedy });
    let lost = Some(watcher.lost()).filter(|lost| *lost > 0);
    let lost = lost.map(|lost| Caveat::RecordsLost { lost });
    let unwatched = watcher.refused().into_iter().map(unwatched);
    instead.chain(lost).chain(unwatched).collect()
}

/// What was not seen of a descendant.
fn unwatched((pid, reason, remedy): (u32, String, &'static str)) -> Caveat {
    Caveat::Unavailable {
        figures: format!("spawns of PID {pid} and below it"),
        reason,
        remedy: Some(remedy.to_owned()),
    }
}

/// All that was found out.
fn findings(
    order: &TraceOrder,
    course: &Course,
    book: Book,
    parents: &Parents,
    wall_ns: u64,
    ended: Option<Ending>,
) -> Trace {
    let calls = calls(order);
    let failed_execs = failed_execs(course);
    let found = Found {
        spawns: &course.spawns,
        failed_execs: &failed_execs,
        programs: &book.programs,
        callers: &book.callers,
    };
    let offences = offences(&order.checks, &found);
    let processes: Vec<Sized<'_>> = course.processes.iter().map(sized).collect();
    let executions: Vec<Executed> = course.processes.iter().flat_map(executions).collect();
    let mut spawns = course.spawns.clone();
    spawns.sort_by_key(|spawn| spawn.at_ns);
    let unlisted = spawns.len().saturating_sub(MOST_SPAWNS) as u64;
    spawns.truncate(MOST_SPAWNS);
    Trace {
        watched: match (order.by, order.call_times) {
            (TraceMeans::Tracepoints, _) => TraceBackend::Tracepoints,
            (TraceMeans::Ptrace, true) => TraceBackend::PtraceFiltered,
            (TraceMeans::Ptrace, false) => TraceBackend::Ptrace,
        },
        wall_ns,
        ended: Availability::of(ended, || match order.target {
            TraceTarget::Command { .. } => {
                Missing::not_asked("the command went on when the watching ended")
            }
            TraceTarget::Process { .. } | TraceTarget::Host => {
                Missing::not_asked("no command was started")
            }
        }),
        processes: course.processes.len() as u64,
        left_running: course.running(),
        threads: course.threads,
        incomplete: course.processes.iter().filter(|it| it.incomplete).count() as u64,
        paths: paths(&course.spawns, wall_ns, &calls),
        executed: executed(&executions),
        failed_calls: calls.map(|()| failed_calls(course)),
        failed_execs: calls.map(|()| failed_execs),
        spawners: spawners(&processes, &course.spawns, &calls),
        savings: savings(
            &course.spawns,
            parents.seen(),
            wall_ns,
            &calls,
            &order.prices,
        ),
        advised: None,
        offences,
        programs: book.programs,
        callers: book.callers,
        spawns,
        unlisted,
    }
}

/// Whether calls are timed, and failed ones seen; or why not.
fn calls(order: &TraceOrder) -> Availability<()> {
    match (&order.target, order.times_calls()) {
        (_, true) => Availability::Measured(()),
        (TraceTarget::Command { .. }, false) => Availability::Missing(Missing {
            remedy: Some("give --call-times".to_owned()),
            ..Missing::not_asked("spawning calls are not stopped at their beginning")
        }),
        (TraceTarget::Process { .. } | TraceTarget::Host, false) => Availability::unavailable(
            "ptrace(2) stops at no call's beginning in a process that runs already",
            Some("watch by tracepoints, as root, or the command from its start, with --call-times"),
        ),
    }
}

fn sized(process: &Observed) -> Sized<'_> {
    Sized {
        pid: process.pid,
        program: process.program,
        sizes: &process.sizes,
    }
}

/// What a process executed one after the other.
fn executions(process: &Observed) -> impl Iterator<Item = Executed> + '_ {
    let last = process.executions.len().saturating_sub(1);
    let all = process.executions.iter().enumerate();
    all.map(move |(at, (begin_ns, program))| Executed {
        program: *program,
        ended: process
            .ended
            .filter(|_| at == last && !process.late)
            .map(|(end_ns, ending)| (end_ns.saturating_sub(*begin_ns), ending)),
    })
}

/// Each kind once, the most frequent first.
fn counted<K: std::hash::Hash + Eq + Ord + Clone>(all: &[K]) -> Vec<(K, u64)> {
    let mut counts: HashMap<&K, u64> = HashMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    let mut counts: Vec<(K, u64)> = counts
        .into_iter()
        .map(|(one, times)| (one.clone(), times))
        .collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}

fn failed_execs(course: &Course) -> Vec<FailedExec> {
    let failed = counted(&course.failed_execs).into_iter();
    failed
        .map(|(failed, times)| FailedExec {
            by: failed.program,
            path: shown(&failed.path),
            errno: failed.errno,
            then_found: failed.then_found,
            times,
        })
        .collect()
}

fn failed_calls(course: &Course) -> Vec<FailedCall> {
    let failed = counted(&course.failed_calls).into_iter();
    failed
        .map(|((program, call, errno), times)| FailedCall {
            program,
            call,
            errno,
            times,
        })
        .collect()
}

/// When a run began that lasted until now.
fn started(wall_ns: u64) -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    since.as_secs().saturating_sub(wall_ns / 1_000_000_000)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time is a non-negative number of seconds, and the cast saturates"
)]
fn ns(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CallName;
    use crate::sys::trace::event::Registers;

    #[test]
    fn who_was_copied_and_has_executed_nothing_is_known_by_its_creation() {
        let mut course = Course::new(0);
        let mut take = |pid, what| {
            let (time_ns, tid) = (1, pid);
            let program = Some(0);
            let sight = Sight {
                program,
                ..Sight::default()
            };
            course.take(
                &Followed {
                    time_ns,
                    pid,
                    tid,
                    what,
                },
                sight,
            );
        };
        let created = |call, child| What::Created {
            call,
            flags: 0,
            child,
            registers: Registers::default(),
        };
        take(1, What::Present);
        take(1, created(CallName::Fork, 2));
        take(1, created(CallName::Fork, 3));
        take(3, What::Executed);
        take(1, created(CallName::Vfork, 4));
        let never = [1, 2, 3, 4].map(|pid| never_executed(&course, pid));
        assert_eq!(never, [false, true, false, false]);
    }
}
