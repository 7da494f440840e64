//! The course of one spawn: when what happened, had nothing been watched.

use super::{HitCost, SpawnStamps};
use crate::sys::events::SampleEvent;

/// A stretch of time on a CPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slice {
    pub(super) from: u64,
    pub(super) upto: u64,
}

/// The time of one spawn without what its child's hits of watched instructions
/// took.
pub(super) struct Course {
    child: u32,
    hits: Vec<u64>,
    cost: u64,
}

impl Course {
    pub(super) fn of(events: &[SampleEvent], child: u32, hit: HitCost) -> Self {
        let hits = events.iter().filter_map(|event| match *event {
            SampleEvent::Landmark { time_ns, pid, .. } if pid == child => Some(time_ns),
            _ => None,
        });
        Self {
            child,
            hits: hits.collect(),
            cost: hit.cost,
        }
    }

    /// A moment, had there been no hits before it.
    pub(super) fn moment(&self, time_ns: u64) -> u64 {
        let before = self.hits.partition_point(|hit| *hit < time_ns) as u64;
        time_ns.saturating_sub(before * self.cost)
    }

    /// The child's first event of a kind.
    pub(super) fn first(
        &self,
        events: &[SampleEvent],
        kind: impl Fn(&SampleEvent) -> Option<(u64, u32)>,
    ) -> Option<u64> {
        let mut times = events.iter().filter_map(kind);
        let found = times.find(|(_, pid)| *pid == self.child);
        found.map(|(time_ns, _)| self.moment(time_ns))
    }

    /// The last of the child's threads to end.
    pub(super) fn last_exit(&self, events: &[SampleEvent]) -> Option<u64> {
        let last = events.iter().rev().find_map(|event| match *event {
            SampleEvent::Exit { time_ns, pid } if pid == self.child => Some(time_ns),
            _ => None,
        });
        last.map(|time_ns| self.moment(time_ns))
    }

    /// When a process that has nothing to do with the spawn ran on the CPU that
    /// parent, child or a descendant of it had last.
    pub(super) fn strangers(&self, events: &[SampleEvent], worker: u32) -> Vec<Slice> {
        let mut family = vec![worker, self.child];
        let (mut cpu_of_family, mut since) = (None, None);
        let mut strangers = Vec::new();
        for event in events {
            match *event {
                SampleEvent::Fork { pid, ppid, .. } if family.contains(&ppid) => family.push(pid),
                SampleEvent::Switch {
                    time_ns,
                    pid,
                    cpu,
                    into,
                } => {
                    let time = self.moment(time_ns);
                    if family.contains(&pid) {
                        cpu_of_family = Some(cpu);
                    } else if into && cpu_of_family == Some(cpu) {
                        since = Some((time, pid));
                    } else if let Some((from, _)) = since.take_if(|(_, who)| *who == pid) {
                        strangers.push(Slice { from, upto: time });
                    }
                }
                _ => {}
            }
        }
        strangers
    }

    /// The parent's clock.
    pub(super) fn stamps(&self, stamps: &SpawnStamps) -> SpawnStamps {
        SpawnStamps {
            called: self.moment(stamps.called),
            end: self.moment(stamps.end),
            ..*stamps
        }
    }

    /// When the parent got a CPU after the child's end; where it never slept, the
    /// later of the child's end and the call's.
    pub(super) fn back(
        &self,
        events: &[SampleEvent],
        stamps: &SpawnStamps,
        worker: u32,
        exited: u64,
    ) -> u64 {
        let last = events.iter().rev().find_map(|event| match *event {
            SampleEvent::Switch {
                time_ns,
                pid,
                into: true,
                ..
            } if pid == worker => Some(self.moment(time_ns)),
            _ => None,
        });
        last.filter(|time| *time >= exited)
            .unwrap_or(exited.max(stamps.called))
            .min(stamps.end)
    }

    /// When the parent ran between the child's making and its own return from
    /// the wait, having left the CPU before, on the CPU that the child had last.
    pub(super) fn slices(
        &self,
        events: &[SampleEvent],
        worker: u32,
        forked: u64,
        back: u64,
    ) -> Vec<Slice> {
        let mut slices = Vec::new();
        let mut childs_cpu = None;
        let mut since = None;
        for event in events {
            let SampleEvent::Switch {
                time_ns,
                pid,
                cpu,
                into,
            } = *event
            else {
                continue;
            };
            let time = self.moment(time_ns);
            if time < forked || time >= back {
                continue;
            }
            match (pid, into) {
                (pid, true) if pid == self.child => childs_cpu = Some(cpu),
                (pid, true) if pid == worker && childs_cpu == Some(cpu) => since = Some(time),
                (pid, false) if pid == worker => {
                    slices.extend(since.take().map(|from| Slice { from, upto: time }));
                }
                _ => {}
            }
        }
        slices
    }
}
