//! The rings of CPUs, and the events that write into them.

use std::collections::HashMap;
use std::ffi::CString;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use perf_event_open::config::{
    Cpu, ExtraRecord, Mmap as Mappings, Opts, Proc, RegsMask, SampleFormat, SampleOn, Size,
    UseBuildId, WakeUp, WakeUpOn,
};
use perf_event_open::count::Counter as Event;
use perf_event_open::event::sw::Software;
use perf_event_open::event::tp::Tracepoint;
use perf_event_open::sample::Sampler;
use perf_event_open::sample::record::mmap::{Info, Mmap};
use perf_event_open::sample::record::sample::{Abi, Sample};
use perf_event_open::sample::record::task::Fork;
use perf_event_open::sample::record::{Record as Raw, RecordId};

use super::TracepointError;
use super::point::{Point, Reader};
use super::record::{Fact, FileId, Mapped, Record, Stack};
use crate::sys::check;
use crate::sys::perf::error::Attempt;
use crate::sys::perf::instrument::{stamped_opts, task_records};
use crate::sys::perf::ring::{Fill, drain, is_online, map_all};
use crate::sys::perf::{CALL, PerfError};
use crate::sys::trace::event::Registers;

/// What a CPU's ring holds: at 10,000 forks a second with their stacks, those of a fifth of a
/// second, for which its reader may be without a CPU.
const RING_BYTES: u64 = 16 << 20;
/// The same without stacks.
const PLAIN_BYTES: u64 = 4 << 20;
/// After so much of it the reader is woken. With 0 the kernel takes half of the ring, however
/// small that had to be (`ring_buffer_init()`, kernel/events/ring_buffer.c).
const WATERMARK: u32 = 0;
/// PERF_EVENT_IOC_SET_OUTPUT (include/uapi/linux/perf_event.h).
const SET_OUTPUT: libc::Ioctl = 0x2405;
/// To see the kernel's tracepoints of all processes takes a paranoia of -1 (perf_allow_tracepoint,
/// include/linux/perf_event.h).
const NEEDED: i64 = -1;

/// What comes with the records of a ring: all that it gets are read alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The records alone, and those of mappings, creations and ends: they are cheaper.
    Plain,
    /// Registers and stacks.
    Stacks,
}

/// A ring of a CPU.
pub(super) struct CpuRing {
    records: Sampler,
    fill: Fill,
    /// All that write into it. The first is an event that counts nothing, whose ring it is.
    events: Vec<Event>,
}

impl CpuRing {
    /// How many a CPU has.
    pub(super) const EACH: usize = 2;

    /// Opens all points on all CPUs, stopped. Of a CPU's two rings those without stacks come
    /// first: nothing can be made of a creation without the numbers of who was created.
    pub(super) fn open_all(
        cpus: &[u32],
        points: &[(Point, u16)],
    ) -> Result<Vec<Self>, TracepointError> {
        if CALL.is_deadly() {
            return Err(PerfError::Deadly.into());
        }
        let kinds = [Kind::Plain, Kind::Stacks].into_iter();
        let places: Vec<(Kind, u32)> = kinds
            .flat_map(|kind| cpus.iter().map(move |cpu| (kind, *cpu)))
            .collect();
        let leaders = places.iter().map(|(kind, cpu)| open_leader(*kind, *cpu));
        let leaders: Vec<Event> = leaders.collect::<Result<_, _>>()?;
        let sizes = places.iter().map(|(kind, _)| match kind {
            Kind::Plain => PLAIN_BYTES,
            Kind::Stacks => RING_BYTES,
        });
        let wanted: Vec<_> = leaders.iter().zip(sizes).collect();
        let mapped = map_all(&wanted)?;
        let mut rings = Vec::with_capacity(places.len());
        for (((kind, cpu), leader), (records, size)) in places.into_iter().zip(leaders).zip(mapped)
        {
            let its = points.iter().filter(|(point, _)| kind_of(*point) == kind);
            let its = its.map(|it| open_point(cpu, *it, &leader));
            let its: Vec<Event> = its.collect::<Result<_, _>>()?;
            rings.push(Self {
                records,
                fill: Fill::new(size),
                events: [leader].into_iter().chain(its).collect(),
            });
        }
        Ok(rings)
    }

    /// How many events it has.
    pub(super) fn events(&self) -> usize {
        self.events.len()
    }

    /// Has the event at this place begin, if there is one.
    pub(super) fn enable(&self, place: usize) -> io::Result<()> {
        self.events.get(place).map_or(Ok(()), Event::enable)
    }

    /// Has all of them end. One that cannot be stopped is closed with this value.
    pub(super) fn disable(&self) {
        for event in &self.events {
            let _ = event.disable();
        }
    }

    /// Takes what was recorded. A ring that was full when it was `stopped` may have lost
    /// something that nothing tells of any more.
    pub(super) fn read(
        &mut self,
        readers: &HashMap<u16, Reader>,
        stopped: bool,
        mut keep: impl FnMut(Record),
    ) {
        let loss = drain(&self.records, &mut self.fill, stopped, |_, record| {
            let record = read(record, readers)?;
            let time_ns = record.time_ns;
            keep(record);
            Some(time_ns)
        });
        if let Some(newest) = loss {
            keep(lost(newest, 1));
        }
    }
}

impl std::fmt::Debug for CpuRing {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("CpuRing")
            .field("events", &self.events())
            .finish_non_exhaustive()
    }
}

/// In which ring the records of a point are.
fn kind_of(point: Point) -> Kind {
    match point.stack_bytes() {
        0 => Kind::Plain,
        _ => Kind::Stacks,
    }
}

/// The options of all events of a ring: as the records of one are read by the options of
/// another, they differ in nothing that the layout of a record follows.
fn opts(kind: Kind, stack_bytes: u32) -> Opts {
    let with_stack = kind == Kind::Stacks;
    Opts {
        sample_on: SampleOn::Count(1),
        sample_format: SampleFormat {
            raw: true,
            user_regs: with_stack.then(|| RegsMask(registers_mask())),
            user_stack: with_stack.then_some(Size(stack_bytes)),
            ..SampleFormat::default()
        },
        wake_up: WakeUp {
            on: WakeUpOn::Bytes(WATERMARK),
            ..WakeUp::default()
        },
        ..stamped_opts()
    }
}

fn open_leader(kind: Kind, cpu: u32) -> Result<Event, TracepointError> {
    let opts = opts(kind, 0);
    let opts = match kind {
        Kind::Stacks => opts,
        Kind::Plain => Opts {
            extra_record: ExtraRecord {
                comm: true,
                mmap: Mappings {
                    code: true,
                    data: false,
                    // With what the file is.
                    ext: Some(UseBuildId(false)),
                },
                ..task_records()
            },
            ..opts
        },
    };
    let opened = Event::new(Software::Dummy, (Proc::ALL, Cpu(cpu)), opts);
    opened.map_err(|failure| refused(&failure, cpu))
}

fn open_point(
    cpu: u32,
    (point, id): (Point, u16),
    leader: &Event,
) -> Result<Event, TracepointError> {
    let tracepoint = Tracepoint { id: id.into() };
    let opts = opts(kind_of(point), point.stack_bytes());
    let opened = Event::new(tracepoint, (Proc::ALL, Cpu(cpu)), opts);
    let event = opened.map_err(|failure| refused(&failure, cpu))?;
    if let Some(filter) = point.filter().map(CString::from) {
        // Without it more is told than is needed.
        let _ = event.with_ftrace_filter(&filter);
    }
    write_into(&event, leader).map_err(|failure| refused(&failure, cpu))?;
    Ok(event)
}

/// Has an event write into another's ring.
fn write_into(event: &Event, leader: &Event) -> io::Result<()> {
    let (from, into) = (event.file().as_raw_fd(), leader.file().as_raw_fd());
    // SAFETY: both descriptors are open for the length of the call, and the request takes the
    // second as a number. Nobody else's memory is written: the ring is the kernel's own, and
    // what the crate reads in it keeps the layout that it takes from the leader, since both
    // have the same kinds of samples and registers (`opts`).
    check(unsafe { libc::ioctl(from, SET_OUTPUT, into) }).map(drop)
}

fn refused(failure: &io::Error, cpu: u32) -> TracepointError {
    let attempt = Attempt {
        hardware: false,
        needed: NEEDED,
    };
    match failure.raw_os_error() {
        Some(libc::EINVAL | libc::ENODEV) if !is_online(cpu) => PerfError::NoCpu(cpu).into(),
        _ => PerfError::of_opening(failure, attempt).into(),
    }
}

/// Waits for a ring that wants to be read.
pub(super) fn wait(rings: &[CpuRing], timeout: Duration) {
    let fds = rings.iter().filter_map(|ring| ring.events.first());
    let mut polled: Vec<libc::pollfd> = fds
        .map(|leader| leader.file().as_raw_fd())
        .map(|fd| libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        })
        .collect();
    let (len, most) = (polled.len() as libc::nfds_t, timeout.as_millis());
    let most = libc::c_int::try_from(most).unwrap_or(libc::c_int::MAX);
    // SAFETY: `polled` is live and writable, and has as many elements. What the answer is does
    // not matter: the rings are read next.
    unsafe { libc::poll(polled.as_mut_ptr(), len, most) };
}

/// What a record of a ring says, if that is of interest.
fn read(record: Raw, readers: &HashMap<u16, Reader>) -> Option<Record> {
    match record {
        Raw::Sample(sample) => sampled(*sample, readers),
        Raw::Fork(fork) => Some(born(&fork)),
        Raw::Exit(exit) => Some(Record {
            time_ns: exit.time,
            pid: exit.task.pid,
            tid: exit.task.tid,
            fact: Fact::Ended,
        }),
        Raw::Comm(comm) if comm.by_execve => {
            of_thread(comm.record_id.as_ref()?, Fact::Renews).filter(|record| record.pid != 0)
        }
        Raw::Mmap(mmap) if mmap.executable => mapped(&mmap),
        Raw::LostRecords(lost_ones) => Some(lost(
            time(lost_ones.record_id.as_ref()),
            lost_ones.lost_records,
        )),
        Raw::LostSamples(lost_ones) => Some(lost(
            time(lost_ones.record_id.as_ref()),
            lost_ones.lost_samples,
        )),
        _ => None,
    }
}

fn time(id: Option<&RecordId>) -> u64 {
    id.and_then(|id| id.time).unwrap_or(0)
}

fn lost(time_ns: u64, count: u64) -> Record {
    Record {
        time_ns,
        pid: 0,
        tid: 0,
        fact: Fact::Lost(count),
    }
}

fn of_thread(id: &RecordId, fact: Fact) -> Option<Record> {
    let task = id.task.as_ref()?;
    Some(Record {
        time_ns: id.time?,
        pid: task.pid,
        tid: task.tid,
        fact,
    })
}

fn sampled(sample: Sample, readers: &HashMap<u16, Reader>) -> Option<Record> {
    let raw = sample.raw?;
    let reader = readers.get(&u16::from_ne_bytes(*raw.first_chunk()?))?;
    let stack = sample.user_regs.zip(sample.user_stack);
    let stack = stack.and_then(|((registers, abi), bytes)| {
        // A 32-bit program's cannot be unwound.
        let registers = (abi == Abi::_64).then(|| self::registers(&registers))??;
        Some(Box::new(Stack { registers, bytes }))
    });
    of_thread(&sample.record_id, reader.fact(&raw, stack)?)
}

fn born(fork: &Fork) -> Record {
    Record {
        time_ns: fork.time,
        pid: fork.parent_task.pid,
        tid: fork.parent_task.tid,
        fact: Fact::Bears {
            pid: fork.task.pid,
            tid: fork.task.tid,
        },
    }
}

fn mapped(mmap: &Mmap) -> Option<Record> {
    let Info::Device {
        major,
        minor,
        inode,
        inode_gen,
    } = mmap.ext.as_ref()?.info
    else {
        return None;
    };
    let file = FileId {
        device: (major, minor),
        inode,
        generation: inode_gen,
    };
    let mapped = Mapped {
        start: mmap.addr,
        end: mmap.addr.saturating_add(mmap.len),
        at: mmap.page_offset,
        name: mmap.file.to_string_lossy().into_owned(),
        file,
    };
    Some(Record {
        time_ns: mmap.record_id.as_ref()?.time?,
        pid: mmap.task.pid,
        tid: mmap.task.tid,
        fact: Fact::Maps(mapped),
    })
}

/// The registers that unwinding begins with, as a mask (`enum perf_event_x86_regs`,
/// arch/x86/include/uapi/asm/perf_regs.h, and `perf_event_arm_regs` of arm64). They are written
/// in the order of their numbers.
fn registers_mask() -> u64 {
    let numbers: &[u32] = match cfg!(target_arch = "x86_64") {
        // DX, DI, BP, SP, IP, R12
        true => &[3, 5, 6, 7, 8, 20],
        // X29, LR, SP, PC
        false => &[29, 30, 31, 32],
    };
    numbers.iter().fold(0, |mask, number| mask | 1 << number)
}

/// What such registers are.
fn registers(values: &[u64]) -> Option<Registers> {
    match (cfg!(target_arch = "x86_64"), values) {
        (true, &[dx, di, fp, sp, ip, r12]) => Some(Registers {
            ip,
            sp,
            fp,
            lr: 0,
            vfork: di,
            others: [dx, r12],
        }),
        (false, &[fp, lr, sp, ip]) => Some(Registers {
            ip,
            sp,
            fp,
            lr,
            vfork: lr,
            others: [0; 2],
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use perf_event_open::sample::record::Task;
    use perf_event_open::sample::record::comm::Comm;
    use perf_event_open::sample::record::lost::LostRecords;
    use perf_event_open::sample::record::mmap::Ext;

    use super::*;

    fn id() -> Option<RecordId> {
        Some(RecordId {
            id: None,
            stream_id: None,
            cpu: None,
            task: Some(Task { pid: 7, tid: 8 }),
            time: Some(5),
        })
    }

    fn fact(raw: Raw) -> Option<(u64, u32, u32, Fact)> {
        let record = read(raw, &HashMap::new())?;
        Some((record.time_ns, record.pid, record.tid, record.fact))
    }

    #[test]
    fn a_new_name_is_of_interest_only_by_an_execution() {
        let comm = |by_execve| {
            Raw::Comm(Box::new(Comm {
                record_id: id(),
                by_execve,
                task: Task { pid: 7, tid: 8 },
                comm: c"x".to_owned(),
            }))
        };
        assert_eq!(fact(comm(true)), Some((5, 7, 8, Fact::Renews)));
        assert_eq!(fact(comm(false)), None);
    }

    #[test]
    fn a_mapping_of_code_is_told_with_the_file_that_it_is_of() {
        let mmap = |executable| {
            Raw::Mmap(Box::new(Mmap {
                record_id: id(),
                executable,
                task: Task { pid: 7, tid: 8 },
                addr: 0x1000,
                len: 0x2000,
                file: c"/lib/x.so".to_owned(),
                page_offset: 0x3000,
                ext: Some(Ext {
                    prot: 5,
                    flags: 2,
                    info: Info::Device {
                        major: 8,
                        minor: 1,
                        inode: 99,
                        inode_gen: 4,
                    },
                }),
            }))
        };
        let expected = Mapped {
            start: 0x1000,
            end: 0x3000,
            at: 0x3000,
            name: "/lib/x.so".to_owned(),
            file: FileId {
                device: (8, 1),
                inode: 99,
                generation: 4,
            },
        };
        assert_eq!(fact(mmap(true)), Some((5, 7, 8, Fact::Maps(expected))));
        assert_eq!(fact(mmap(false)), None);
    }

    #[test]
    fn a_creation_is_its_creator_s_and_a_loss_is_nobody_s() {
        let fork = Raw::Fork(Box::new(Fork {
            record_id: id(),
            task: Task { pid: 9, tid: 9 },
            parent_task: Task { pid: 7, tid: 8 },
            time: 6,
        }));
        let bears = Fact::Bears { pid: 9, tid: 9 };
        assert_eq!(fact(fork), Some((6, 7, 8, bears)));
        let lost = Raw::LostRecords(Box::new(LostRecords {
            record_id: id(),
            id: 1,
            lost_records: 3,
        }));
        assert_eq!(fact(lost), Some((5, 0, 0, Fact::Lost(3))));
    }

    #[test]
    fn registers_come_in_the_order_of_their_numbers() {
        let all: Vec<u64> = (1..=u64::from(registers_mask().count_ones())).collect();
        let found = registers(&all).unwrap();
        assert_eq!(found.ip, found.sp + 1);
        assert_eq!(registers(&all[1..]), None);
    }
}
