//! What an instrument is, and the records that all of them share.
//!
//! An instrument names one event, what the kernel is to record with it, and
//! how such a record becomes a [`SampleEvent`]. It opens nothing itself:
//! [`super::ring`] opens one of it on each CPU.

use perf_event_open::config::{Clock, ExtraRecord, Opts, RecordIdFormat};
use perf_event_open::event::Event;
use perf_event_open::event::bp::{Breakpoint, Type};
use perf_event_open::event::sw::Software;
use perf_event_open::sample::record::comm::Comm;
use perf_event_open::sample::record::task::{Exit, Fork};
use perf_event_open::sample::record::{Priv, Record, RecordId};

use super::PerfError;
use super::backlog::Stamped;
use crate::sys::events::{Mode, SampleEvent};

/// What makes an event happen.
#[derive(Clone, Copy)]
pub(super) enum Trigger {
    /// The kernel's own software event.
    Software(Software),
    /// The execution of the instruction at this address.
    Execution(u64),
}

impl TryFrom<Trigger> for Event {
    type Error = std::io::Error;

    fn try_from(trigger: Trigger) -> std::io::Result<Self> {
        match trigger {
            Trigger::Software(event) => event.try_into(),
            Trigger::Execution(addr) => Breakpoint { ty: Type::X, addr }.try_into(),
        }
    }
}

/// One kind of event, the same on every CPU.
pub(super) trait Instrument {
    /// What makes it happen.
    fn trigger(&self) -> Trigger;

    /// What is recorded; whose events these are is not its to say.
    fn opts(&self) -> Opts;

    /// The size of a ring that holds until the next reading.
    fn ring_bytes(&self) -> u64;

    /// What a record of its ring says, if that is of interest. The records of
    /// one CPU come in order.
    fn event(&mut self, level: Priv, record: Record) -> Option<SampleEvent>;

    /// What an errno means for this event in particular.
    fn refusal(&self, _errno: i32) -> Option<PerfError> {
        None
    }
}

/// The part of every instrument: stopped at first, with the process and the
/// time of each record, by the clock that a process reads too.
pub(super) fn stamped_opts() -> Opts {
    Opts {
        record_id_all: true,
        record_id_format: RecordIdFormat {
            task: true,
            time: true,
            ..RecordIdFormat::default()
        },
        timer: Some(Clock::Monotonic),
        ..Opts::default()
    }
}

/// The records of a process's begin and end.
pub(super) fn task_records() -> ExtraRecord {
    ExtraRecord {
        task: true,
        ..ExtraRecord::default()
    }
}

/// What a record of this instrument's ring says. Losses and pauses mean the
/// same in every ring.
pub(super) fn convert(
    instrument: &mut dyn Instrument,
    level: Priv,
    record: Record,
) -> Option<Stamped> {
    match record {
        Record::LostRecords(lost) => Some(loss(lost.record_id.as_ref(), lost.lost_records)),
        Record::LostSamples(lost) => Some(loss(lost.record_id.as_ref(), lost.lost_samples)),
        Record::Throttle(throttle) => {
            let time_ns = throttle.time;
            Some((time_ns, SampleEvent::Throttled { time_ns }))
        }
        record => {
            let event = instrument.event(level, record)?;
            Some((event.time_ns()?, event))
        }
    }
}

fn loss(id: Option<&RecordId>, count: u64) -> Stamped {
    let time = id.and_then(|id| id.time).unwrap_or(0);
    (time, SampleEvent::Lost { count })
}

/// The creation, the exec or the end of a process.
pub(super) fn life(record: &Record) -> Option<SampleEvent> {
    match record {
        Record::Fork(record) => fork(record),
        Record::Comm(record) => exec(record),
        Record::Exit(record) => Some(exit(record)),
        _ => None,
    }
}

/// The creation of a process. A new thread has its creator's process number
/// and is no new process.
pub(super) fn fork(record: &Fork) -> Option<SampleEvent> {
    (record.task.pid != record.parent_task.pid).then_some(SampleEvent::Fork {
        time_ns: record.time,
        pid: record.task.pid,
        ppid: record.parent_task.pid,
    })
}

/// A name that an exec gave, and none that a program gave itself.
fn exec(record: &Comm) -> Option<SampleEvent> {
    let time_ns = record.record_id.as_ref()?.time?;
    record.by_execve.then_some(SampleEvent::Exec {
        time_ns,
        pid: record.task.pid,
    })
}

/// The end of a thread. The first one of a process need not be the last to go.
fn exit(record: &Exit) -> SampleEvent {
    SampleEvent::Exit {
        time_ns: record.time,
        pid: record.task.pid,
    }
}

/// The mode that the CPU was in.
pub(super) fn mode(level: Priv) -> Mode {
    match level {
        Priv::Kernel => Mode::Kernel,
        Priv::User => Mode::User,
        Priv::Hv | Priv::GuestUser | Priv::GuestKernel | Priv::Unknown => Mode::Other,
    }
}

#[cfg(test)]
mod tests {
    use perf_event_open::sample::record::Task;
    use perf_event_open::sample::record::lost::LostRecords;
    use perf_event_open::sample::record::throttle::Throttle;

    use super::super::faults::Faults;
    use super::*;

    const FIRST: Task = Task { pid: 7, tid: 7 };
    const SECOND: Task = Task { pid: 7, tid: 8 };
    const PARENT: Task = Task { pid: 3, tid: 4 };

    fn id(time: u64) -> Option<RecordId> {
        Some(RecordId {
            id: None,
            stream_id: None,
            cpu: None,
            task: None,
            time: Some(time),
        })
    }

    fn forked(task: Task, parent_task: Task) -> Record {
        Record::Fork(Box::new(Fork {
            record_id: id(11),
            task,
            parent_task,
            time: 10,
        }))
    }

    fn exited(task: Task) -> Record {
        Record::Exit(Box::new(Exit {
            record_id: id(21),
            task,
            parent_task: PARENT,
            time: 20,
        }))
    }

    fn named(by_execve: bool) -> Record {
        Record::Comm(Box::new(Comm {
            record_id: id(15),
            by_execve,
            task: FIRST,
            comm: c"name".to_owned(),
        }))
    }

    #[test]
    fn the_life_of_a_process_is_fork_exec_and_exit() {
        let (pid, ppid) = (7, 3);
        let fork = SampleEvent::Fork {
            time_ns: 10,
            pid,
            ppid,
        };
        assert_eq!(life(&forked(FIRST, PARENT)), Some(fork));
        let exec = SampleEvent::Exec { time_ns: 15, pid };
        assert_eq!(life(&named(true)), Some(exec));
        let exit = SampleEvent::Exit { time_ns: 20, pid };
        assert_eq!(life(&exited(FIRST)), Some(exit.clone()));
        assert_eq!(
            life(&exited(SECOND)),
            Some(exit),
            "whichever thread is last"
        );
    }

    #[test]
    fn threads_and_new_names_are_no_part_of_it() {
        assert_eq!(life(&forked(SECOND, FIRST)), None);
        assert_eq!(life(&named(false)), None);
        assert_eq!(life(&Record::Unknown(Vec::new())), None);
    }

    #[test]
    fn losses_and_pauses_show_in_every_ring() {
        let lost = Record::LostRecords(Box::new(LostRecords {
            record_id: id(30),
            id: 1,
            lost_records: 5,
        }));
        let paused = Record::Throttle(Box::new(Throttle {
            record_id: id(41),
            time: 40,
            id: 1,
            stream_id: 1,
        }));
        let convert = |record| convert(&mut Faults, Priv::Kernel, record);
        assert_eq!(convert(lost), Some((30, SampleEvent::Lost { count: 5 })));
        let throttled = SampleEvent::Throttled { time_ns: 40 };
        assert_eq!(convert(paused), Some((40, throttled)));
    }
}
