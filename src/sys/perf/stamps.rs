//! The moments of a spawn: process records, switches and landmarks.
//!
//! Nothing here looks into the kernel, so that a user without privileges may
//! watch his own processes at `kernel.perf_event_paranoid` 2. At that level
//! every event has to leave the kernel side out (perf_event_open,
//! kernel/events/core.c), even one that counts nothing.

use std::collections::BTreeMap;

use perf_event_open::config::{ExtraRecord, Opts, Priv as Excluded, RecordIdFormat, SampleOn};
use perf_event_open::event::sw::Software;
use perf_event_open::sample::record::ctx::{CtxSwitch, Switch};
use perf_event_open::sample::record::{Priv, Record};

use super::PerfError;
use super::instrument::{Instrument, Trigger, life, stamped_opts, task_records};
use crate::sys::events::SampleEvent;

/// Breakpoints that a CPU has: 4 on x86 (HBP_NUM, asm/hw_breakpoint.h), rarely
/// fewer elsewhere.
pub(super) const MOST_LANDMARKS: usize = 4;

/// The number of a process that is gone (perf_event_pid_type,
/// kernel/events/core.c).
const GONE: u32 = u32::MAX;

/// An event that counts nothing and carries the records.
#[derive(Default)]
pub(super) struct Stamps {
    /// The process that each CPU is running.
    on_cpu: BTreeMap<u32, u32>,
}

impl Instrument for Stamps {
    fn trigger(&self) -> Trigger {
        Trigger::Software(Software::Dummy)
    }

    fn opts(&self) -> Opts {
        let opts = stamped_opts();
        Opts {
            exclude: without_kernel(),
            extra_record: ExtraRecord {
                comm: true,
                ctx_switch: true,
                ..task_records()
            },
            record_id_format: RecordIdFormat {
                cpu: true,
                ..opts.record_id_format
            },
            ..opts
        }
    }

    /// A spawn of 3 process records and 7 switches fills 450 bytes: at 40,000
    /// spawns a second it lasts for a fifth of a second.
    fn ring_bytes(&self) -> u64 {
        4 << 20
    }

    fn event(&mut self, _level: Priv, record: Record) -> Option<SampleEvent> {
        match record {
            Record::CtxSwitch(record) => self.switch(&record),
            record => life(&record),
        }
    }
}

impl Stamps {
    /// A switch of a process that has a number: neither the idle task has one
    /// nor a process of another namespace. A process whose parent has waited
    /// for it before it left its CPU has lost its own, but is still the one
    /// that had come.
    fn switch(&mut self, record: &CtxSwitch) -> Option<SampleEvent> {
        let id = record.record_id.as_ref()?;
        let (cpu, named) = (id.cpu?, id.task.as_ref()?.pid);
        let into = matches!(record.info, Switch::InFrom(_));
        let came = self.on_cpu.remove(&cpu);
        let pid = match named {
            GONE if !into => came?,
            0 | GONE => return None,
            pid => pid,
        };
        if into {
            self.on_cpu.insert(cpu, pid);
        }
        Some(SampleEvent::Switch {
            time_ns: id.time?,
            pid,
            cpu,
            into,
        })
    }
}

/// The execution of one instruction of a program.
pub(super) struct Landmark {
    pub(super) address: u64,
    pub(super) index: usize,
}

impl Instrument for Landmark {
    fn trigger(&self) -> Trigger {
        Trigger::Execution(self.address)
    }

    fn opts(&self) -> Opts {
        Opts {
            exclude: without_kernel(),
            sample_on: SampleOn::Count(1),
            ..stamped_opts()
        }
    }

    /// At 40,000 hits of 24 bytes a second it lasts for half a second.
    fn ring_bytes(&self) -> u64 {
        1 << 19
    }

    fn event(&mut self, _level: Priv, record: Record) -> Option<SampleEvent> {
        let Record::Sample(sample) = record else {
            return None;
        };
        Some(SampleEvent::Landmark {
            time_ns: sample.record_id.time?,
            pid: sample.record_id.task?.pid,
            index: self.index,
        })
    }

    fn refusal(&self, errno: i32) -> Option<PerfError> {
        match errno {
            // An address of the kernel's half (hw_breakpoint_parse,
            // kernel/events/hw_breakpoint.c) or one that the CPU cannot watch.
            libc::EINVAL => Some(PerfError::LandmarkAddress(self.address)),
            // All taken (__reserve_bp_slot in the same file).
            libc::ENOSPC => Some(PerfError::NoLandmarkLeft),
            // Neither the kernel nor the CPU knows this kind of event.
            libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP => Some(PerfError::NoLandmarks),
            _ => None,
        }
    }
}

fn without_kernel() -> Excluded {
    Excluded {
        kernel: true,
        ..Excluded::default()
    }
}

#[cfg(test)]
mod tests {
    use perf_event_open::sample::record::{RecordId, Task};

    use super::*;

    fn record(pid: u32, info: Switch) -> Record {
        let id = RecordId {
            id: None,
            stream_id: None,
            cpu: Some(2),
            task: Some(Task { pid, tid: pid }),
            time: Some(5),
        };
        Record::CtxSwitch(Box::new(CtxSwitch {
            record_id: Some(id),
            info,
        }))
    }

    fn into(pid: u32) -> Record {
        record(pid, Switch::InFrom(None))
    }

    fn out_of(pid: u32) -> Record {
        let info = Switch::OutTo {
            task: Some(Task { pid: 9, tid: 9 }),
            preempt: false,
        };
        record(pid, info)
    }

    /// The processes of the switches, and whether they got the CPU.
    fn switches(records: Vec<Record>) -> Vec<(u32, bool)> {
        let mut stamps = Stamps::default();
        let switch = |record| match stamps.event(Priv::User, record)? {
            SampleEvent::Switch {
                time_ns: 5,
                pid,
                cpu: 2,
                into,
            } => Some((pid, into)),
            other => panic!("{other:?}"),
        };
        records.into_iter().filter_map(switch).collect()
    }

    #[test]
    fn switches_of_a_family_and_of_a_cpu_are_alike() {
        let cpu_wide = record(7, Switch::InFrom(Some(Task { pid: 9, tid: 9 })));
        let family = Switch::OutTo {
            task: None,
            preempt: true,
        };
        assert_eq!(
            switches(vec![cpu_wide, record(7, family), into(8), out_of(8)]),
            [(7, true), (7, false), (8, true), (8, false)]
        );
    }

    #[test]
    fn the_idle_task_does_not_switch() {
        assert_eq!(switches(vec![into(0), out_of(0)]), []);
    }

    #[test]
    fn a_process_that_was_waited_for_leaves_by_the_number_that_it_came_with() {
        assert_eq!(
            switches(vec![into(7), out_of(GONE)]),
            [(7, true), (7, false)]
        );
        // Nobody knows who that was.
        assert_eq!(switches(vec![out_of(GONE)]), []);
        let after_idling = vec![into(7), out_of(7), into(0), out_of(GONE)];
        assert_eq!(switches(after_idling), [(7, true), (7, false)]);
    }

    #[test]
    fn an_errno_about_landmarks_is_told_apart() {
        let landmark = Landmark {
            address: 64,
            index: 0,
        };
        let refusal = |errno| landmark.refusal(errno);
        assert_eq!(refusal(libc::EINVAL), Some(PerfError::LandmarkAddress(64)));
        assert_eq!(refusal(libc::ENOSPC), Some(PerfError::NoLandmarkLeft));
        assert_eq!(refusal(libc::ENOENT), Some(PerfError::NoLandmarks));
        assert_eq!(refusal(libc::EACCES), None);
        assert_eq!(Stamps::default().refusal(libc::EINVAL), None);
    }
}
