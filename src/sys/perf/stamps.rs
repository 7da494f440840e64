//! The moments of a spawn: process records, switches and landmarks.
//!
//! Nothing here looks into the kernel, so that a user without privileges may
//! watch his own processes at `kernel.perf_event_paranoid` 2. At that level
//! every event has to leave the kernel side out (perf_event_open,
//! kernel/events/core.c), even one that counts nothing.

use perf_event_open::config::{ExtraRecord, Opts, Priv as Excluded, RecordIdFormat, SampleOn};
use perf_event_open::event::sw::Software;
use perf_event_open::sample::record::ctx::{CtxSwitch, Switch};
use perf_event_open::sample::record::{Priv, Record};

use super::PerfError;
use super::instrument::{Instrument, Trigger, life, stamped_opts, task_records};
use crate::profile::events::SampleEvent;

/// Breakpoints that a CPU has: 4 on x86 (HBP_NUM, asm/hw_breakpoint.h), rarely
/// fewer elsewhere.
pub(super) const MOST_LANDMARKS: usize = 4;

/// The number of a process that is gone (perf_event_pid_type,
/// kernel/events/core.c).
const GONE: u32 = u32::MAX;

/// An event that counts nothing and carries the records.
pub(super) struct Stamps;

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

    fn event(&self, _level: Priv, record: Record) -> Option<SampleEvent> {
        match record {
            Record::CtxSwitch(record) => switch(&record),
            record => life(&record),
        }
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

    fn event(&self, _level: Priv, record: Record) -> Option<SampleEvent> {
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

/// A switch of a process that has a number. The idle task has none, nor has a
/// process of another namespace; one whose parent has already waited for it
/// has lost its own.
fn switch(record: &CtxSwitch) -> Option<SampleEvent> {
    let id = record.record_id.as_ref()?;
    let pid = id.task.as_ref()?.pid;
    (pid != 0 && pid != GONE).then_some(SampleEvent::Switch {
        time_ns: id.time?,
        pid,
        cpu: id.cpu?,
        into: matches!(record.info, Switch::InFrom(_)),
    })
}

#[cfg(test)]
mod tests {
    use perf_event_open::sample::record::{RecordId, Task};

    use super::*;

    fn switched(pid: u32, info: Switch) -> Option<SampleEvent> {
        let id = RecordId {
            id: None,
            stream_id: None,
            cpu: Some(2),
            task: Some(Task { pid, tid: pid }),
            time: Some(5),
        };
        let record = CtxSwitch {
            record_id: Some(id),
            info,
        };
        Stamps.event(Priv::User, Record::CtxSwitch(Box::new(record)))
    }

    fn switch_of_7(into: bool) -> Option<SampleEvent> {
        Some(SampleEvent::Switch {
            time_ns: 5,
            pid: 7,
            cpu: 2,
            into,
        })
    }

    #[test]
    fn switches_of_a_family_and_of_a_cpu_are_alike() {
        let other = Some(Task { pid: 9, tid: 9 });
        for task in [None, other] {
            let out = Switch::OutTo {
                task: task.clone(),
                preempt: false,
            };
            assert_eq!(switched(7, out), switch_of_7(false));
            assert_eq!(switched(7, Switch::InFrom(task)), switch_of_7(true));
        }
    }

    #[test]
    fn the_idle_task_and_the_dead_do_not_switch() {
        assert_eq!(switched(0, Switch::InFrom(None)), None);
        assert_eq!(switched(GONE, Switch::InFrom(None)), None);
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
        assert_eq!(Stamps.refusal(libc::EINVAL), None);
    }
}
