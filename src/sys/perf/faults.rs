//! Every page fault, with the address that was touched, and the mappings that
//! such an address may lie in.
//!
//! Kernel mode is part of it: a parent's copied pages are faulted in by
//! system calls that write to them as well as by the program.

use perf_event_open::config::{self, ExtraRecord, Opts, SampleFormat, SampleOn, UseBuildId};
use perf_event_open::event::sw::Software;
use perf_event_open::sample::record::mmap::Mmap;
use perf_event_open::sample::record::{Priv, Record};

use super::instrument::{Instrument, Trigger, life, mode, stamped_opts, task_records};
use crate::sys::events::SampleEvent;

/// What the kernel calls private memory without a file (perf_event_mmap_event,
/// kernel/events/core.c). A path has one slash at its beginning, and mappings
/// of the kernel's own have other names, such as `[vdso]`.
const ANONYMOUS: [&[u8]; 3] = [b"//anon", b"[heap]", b"[stack]"];

/// Faults, and the life and the mappings of processes.
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
                mmap: config::Mmap {
                    code: true,
                    data: true,
                    // Only the extended record tells shared from private.
                    ext: Some(UseBuildId(false)),
                },
                ..task_records()
            },
            ..stamped_opts()
        }
    }

    /// A spawn of 60 faults and 25 mappings fills 6 kB: at 10,000 spawns a
    /// second, which so large a program forbids, it lasts for 130 milliseconds.
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
            Record::Mmap(mmap) => map(&mmap),
            record => life(&record),
        }
    }
}

fn map(mmap: &Mmap) -> Option<SampleEvent> {
    let ext = mmap.ext.as_ref()?;
    let has = |bits: u32, bit: i32| u32::try_from(bit).is_ok_and(|bit| bits & bit != 0);
    Some(SampleEvent::Map {
        time_ns: mmap.record_id.as_ref()?.time?,
        pid: mmap.task.pid,
        start: mmap.addr,
        end: mmap.addr.saturating_add(mmap.len),
        file: !ANONYMOUS.contains(&mmap.file.as_bytes()),
        shared: has(ext.flags, libc::MAP_SHARED),
        writable: has(ext.prot, libc::PROT_WRITE),
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use perf_event_open::sample::record::mmap::{Ext, Info};
    use perf_event_open::sample::record::{RecordId, Task};

    use super::*;

    fn record(file: &str, flags: i32) -> Record {
        let info = Info::Device {
            major: 0,
            minor: 0,
            inode: 0,
            inode_gen: 0,
        };
        let ext = Ext {
            prot: u32::try_from(libc::PROT_READ | libc::PROT_WRITE).unwrap(),
            flags: u32::try_from(flags).unwrap(),
            info,
        };
        Record::Mmap(Box::new(Mmap {
            record_id: Some(RecordId {
                id: None,
                stream_id: None,
                cpu: None,
                task: None,
                time: Some(9),
            }),
            executable: false,
            task: Task { pid: 7, tid: 8 },
            addr: 0x1000,
            len: 0x2000,
            file: CString::new(file).unwrap(),
            page_offset: 0,
            ext: Some(ext),
        }))
    }

    #[test]
    fn the_name_and_the_flags_tell_what_a_mapping_is() {
        let kinds = [
            ("//anon", false),
            ("[heap]", false),
            ("[stack]", false),
            ("[vdso]", true),
            ("/usr/lib/libc.so.6", true),
            ("/[heap]", true),
            ("//toolong", true),
        ];
        for (name, file) in kinds {
            for (flags, shared) in [(libc::MAP_PRIVATE, false), (libc::MAP_SHARED, true)] {
                let expected = SampleEvent::Map {
                    time_ns: 9,
                    pid: 7,
                    start: 0x1000,
                    end: 0x3000,
                    file,
                    shared,
                    writable: true,
                };
                let event = Faults.event(Priv::User, record(name, flags));
                assert_eq!(event, Some(expected), "{name}");
            }
        }
    }
}
