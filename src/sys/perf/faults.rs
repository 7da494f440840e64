//! Every page fault, with the address that was touched.
//!
//! Kernel mode is part of it: a parent's copied pages are faulted in by
//! system calls that write to them as well as by the program.

use perf_event_open::config::{ExtraRecord, Opts, SampleFormat, SampleOn};
use perf_event_open::event::sw::Software;
use perf_event_open::sample::record::{Priv, Record};

use super::instrument::{Instrument, Trigger, life, mode, stamped_opts, task_records};
use crate::profile::events::SampleEvent;

/// Faults, and the life of processes.
pub(super) struct Faults;

impl Instrument for Faults {
    fn trigger(&self) -> Trigger {
        Trigger::Software(Software::PageFault)
    }

    fn opts(&self) -> Opts {
        Opts {
            sample_on: SampleOn::Count(1),
            sample_format: SampleFormat {
                data_addr: true,
                ..SampleFormat::default()
            },
            extra_record: ExtraRecord {
                comm: true,
                ..task_records()
            },
            ..stamped_opts()
        }
    }

    /// A spawn of 30 faults fills 1.2 kB: at 40,000 spawns a second, which the
    /// faults' own recording already forbids, it lasts for 150 milliseconds.
    fn ring_bytes(&self) -> u64 {
        8 << 20
    }

    fn event(&mut self, level: Priv, record: Record) -> Option<SampleEvent> {
        match record {
            Record::Sample(sample) => Some(SampleEvent::Fault {
                time_ns: sample.record_id.time?,
                pid: sample.record_id.task?.pid,
                address: sample.data_addr?,
                mode: mode(level),
            }),
            record => life(&record),
        }
    }
}
