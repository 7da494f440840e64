//! Ticks of the CPU clock: in which mode, and in which process.

use perf_event_open::config::{Opts, Priv as Excluded, SampleOn};
use perf_event_open::event::sw::Software;
use perf_event_open::sample::record::{Priv, Record};

use super::instrument::{Instrument, Trigger, fork, mode, stamped_opts, task_records};
use crate::sys::events::SampleEvent;

/// Ticks without the idle task's, and forks.
pub(super) struct Modes {
    pub(super) hz: u64,
}

impl Instrument for Modes {
    fn trigger(&self) -> Trigger {
        Trigger::Software(Software::CpuClock)
    }

    fn opts(&self) -> Opts {
        Opts {
            exclude: Excluded {
                idle: true,
                ..Excluded::default()
            },
            sample_on: SampleOn::Freq(self.hz),
            extra_record: task_records(),
            ..stamped_opts()
        }
    }

    /// At 4,000 ticks and 8,000 forks and exits a second it lasts for about
    /// two seconds.
    fn ring_bytes(&self) -> u64 {
        1 << 20
    }

    fn event(&mut self, level: Priv, record: Record) -> Option<SampleEvent> {
        match record {
            Record::Sample(sample) => Some(SampleEvent::Tick {
                time_ns: sample.record_id.time?,
                pid: sample.record_id.task?.pid,
                mode: mode(level),
            }),
            Record::Fork(record) => fork(&record),
            _ => None,
        }
    }
}
