//! System-wide sampling: what each CPU was doing, tick by tick.
//!
//! One `cpu-clock` event and one ring for each CPU, over all processes, opened
//! by the experimenter and never by the measured process: an event that a
//! child inherits stops before the child's address space is torn down, and
//! that teardown is half of what a fork costs.
//! The rings are not copied to a forked child, so a child that was forked and
//! not executed must neither use nor drop a sampler.

use std::{fs, io, mem};

use perf_event_open::config::{
    Clock, Cpu, ExtraRecord, Opts, Priv as Excluded, Proc, RecordIdFormat, SampleOn,
};
use perf_event_open::count::Counter as Event;
use perf_event_open::event::sw::Software;
use perf_event_open::sample::Sampler;
use perf_event_open::sample::record::{Priv, Record, RecordId};

use super::PerfError;
use super::error::Attempt;
use crate::profile::events::{Mode, SampleEvent};

/// The size of a ring: at 4,000 ticks and 8,000 forks and exits a second it
/// lasts for about two seconds.
const RING_BYTES: u64 = 1 << 20;

/// Below this frequency nothing is worth sampling, so stepping down ends.
const LOWEST_HZ: u64 = 50;

/// Samples what CPUs are doing. Opened stopped.
pub struct CpuSampler {
    rings: Vec<Ring>,
    hz: u64,
    running: bool,
    backlog: Backlog,
}

struct Ring {
    records: Sampler,
    event: Event,
}

impl CpuSampler {
    /// Opens the sampling of these CPUs at `hz` ticks a second, or at what the
    /// kernel allows if that is less, see [`Self::hz`].
    pub fn open(cpus: &[u32], hz: u64) -> Result<Self, PerfError> {
        let mut hz = highest_hz().map_or(hz, |highest| hz.min(highest));
        loop {
            match open_rings(cpus, hz) {
                Ok(rings) => {
                    return Ok(Self {
                        rings,
                        hz,
                        running: false,
                        backlog: Backlog::default(),
                    });
                }
                // The kernel answers EINVAL to a frequency above its limit,
                // which may have sunk since it was read.
                Err(PerfError::Unsupported) if hz / 2 >= LOWEST_HZ => hz /= 2,
                Err(error) => return Err(error),
            }
        }
    }

    /// Ticks a second, as opened.
    pub fn hz(&self) -> u64 {
        self.hz
    }

    /// Starts sampling.
    pub fn start(&mut self) -> io::Result<()> {
        self.running = true;
        self.rings.iter().try_for_each(|ring| ring.event.enable())
    }

    /// Stops sampling; the next [`Self::drain`] gives all that is left.
    pub fn stop(&mut self) -> io::Result<()> {
        // Every CPU is stopped, whatever the others answer.
        let answers: Vec<_> = self.rings.iter().map(|ring| ring.event.disable()).collect();
        answers.into_iter().collect::<io::Result<()>>()?;
        self.running = false;
        Ok(())
    }

    /// Takes the recorded events of all CPUs, in order of time over all calls.
    ///
    /// While sampling runs, events newer than the last call are held back: a
    /// CPU that was read first may yet deliver one that comes before them. To
    /// lose nothing, call it every quarter of a second and once after
    /// [`Self::stop`]; a full ring shows as [`SampleEvent::Lost`].
    pub fn drain(&mut self) -> Vec<SampleEvent> {
        for ring in &self.rings {
            if let Some(records) = ring.records.iter() {
                self.backlog
                    .add(records.filter_map(|(level, record)| stamped(level, record)));
            }
        }
        self.backlog.take(self.running)
    }
}

/// An event and the time that orders it; a loss has no time of its own.
type Stamped = (u64, SampleEvent);

/// Events that were read from the rings and not yet handed out.
#[derive(Default)]
struct Backlog {
    events: Vec<Stamped>,
    /// The newest time that had been read at the last call.
    horizon: u64,
}

impl Backlog {
    fn add(&mut self, events: impl Iterator<Item = Stamped>) {
        self.events.extend(events);
    }

    /// Hands out, in order, what no later reading can come before.
    fn take(&mut self, running: bool) -> Vec<SampleEvent> {
        self.events.sort_by_key(|&(time, _)| time);
        let newest = self.events.last().map_or(0, |&(time, _)| time);
        let settled = if running {
            self.events
                .partition_point(|&(time, _)| time <= self.horizon)
        } else {
            self.events.len()
        };
        self.horizon = self.horizon.max(newest);
        let rest = self.events.split_off(settled);
        mem::replace(&mut self.events, rest)
            .into_iter()
            .map(|(_, event)| event)
            .collect()
    }
}

fn open_rings(cpus: &[u32], hz: u64) -> Result<Vec<Ring>, PerfError> {
    let opts = recorded(hz);
    let events = cpus
        .iter()
        .map(|&cpu| open_event(cpu, &opts))
        .collect::<Result<Vec<_>, _>>()?;
    let rings = map_rings(&events)?.into_iter().zip(events);
    Ok(rings
        .map(|(records, event)| Ring { records, event })
        .collect())
}

fn open_event(cpu: u32, opts: &Opts) -> Result<Event, PerfError> {
    let attempt = Attempt {
        hardware: false,
        needed: 0,
    };
    Event::new(Software::CpuClock, (Proc::ALL, Cpu(cpu)), opts).map_err(|failure| {
        // A CPU that does not exist gives EINVAL, and so does a frequency that is
        // too high; a CPU that is switched off gives ENODEV.
        if matches!(failure.raw_os_error(), Some(libc::EINVAL | libc::ENODEV)) && !is_online(cpu) {
            PerfError::NoCpu(cpu)
        } else {
            PerfError::of_opening(&failure, attempt)
        }
    })
}

/// Maps rings of [`RING_BYTES`], or the largest that this user may lock; all
/// of one size, so that the first CPUs do not eat up what the last ones need.
fn map_rings(events: &[Event]) -> Result<Vec<Sampler>, PerfError> {
    let pages = (RING_BYTES / procfs::page_size()).max(1);
    let largest = u8::try_from(pages.ilog2()).unwrap_or(u8::MAX);
    for exponent in (0..=largest).rev() {
        let mapped: io::Result<Vec<_>> =
            events.iter().map(|event| event.sampler(exponent)).collect();
        match mapped {
            Ok(rings) => return Ok(rings),
            Err(failure) => match failure.raw_os_error() {
                Some(libc::EPERM | libc::ENOMEM) => {}
                errno => return Err(PerfError::Other(errno.unwrap_or(libc::EIO))),
            },
        }
    }
    Err(PerfError::NoRingMemory)
}

/// What is recorded: ticks but those of the idle task, forks, and the process
/// and the time of each record.
fn recorded(hz: u64) -> Opts {
    Opts {
        exclude: Excluded {
            idle: true,
            ..Excluded::default()
        },
        sample_on: SampleOn::Freq(hz),
        extra_record: ExtraRecord {
            task: true,
            ..ExtraRecord::default()
        },
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

fn stamped(level: Priv, record: Record) -> Option<Stamped> {
    match record {
        Record::Sample(sample) => {
            let time_ns = sample.record_id.time?;
            let event = SampleEvent::Tick {
                time_ns,
                pid: sample.record_id.task?.pid,
                mode: mode(level),
            };
            Some((time_ns, event))
        }
        // A new thread has its creator's process number and is no new process.
        Record::Fork(fork) if fork.task.pid != fork.parent_task.pid => {
            let event = SampleEvent::Fork {
                time_ns: fork.time,
                pid: fork.task.pid,
                ppid: fork.parent_task.pid,
            };
            Some((fork.time, event))
        }
        Record::LostRecords(lost) => Some(loss(lost.record_id.as_ref(), lost.lost_records)),
        Record::LostSamples(lost) => Some(loss(lost.record_id.as_ref(), lost.lost_samples)),
        Record::Throttle(throttle) => {
            let time_ns = throttle.time;
            Some((time_ns, SampleEvent::Throttled { time_ns }))
        }
        _ => None,
    }
}

fn loss(id: Option<&RecordId>, count: u64) -> Stamped {
    let time = id.and_then(|id| id.time).unwrap_or(0);
    (time, SampleEvent::Lost { count })
}

fn mode(level: Priv) -> Mode {
    match level {
        Priv::Kernel => Mode::Kernel,
        Priv::User => Mode::User,
        Priv::Hv | Priv::GuestUser | Priv::GuestKernel | Priv::Unknown => Mode::Other,
    }
}

/// Whether a CPU is in the kernel's list; yes where there is no list to read.
fn is_online(cpu: u32) -> bool {
    fs::read_to_string("/sys/devices/system/cpu/online").map_or(true, |list| lists(&list, cpu))
}

/// Whether a CPU is in a list such as "0-3,8".
fn lists(list: &str, cpu: u32) -> bool {
    list.trim().split(',').any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        matches!((first.parse(), last.parse()), (Ok(first), Ok(last)) if (first..=last).contains(&cpu))
    })
}

fn highest_hz() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/kernel/perf_event_max_sample_rate").ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fork(time_ns: u64) -> Stamped {
        let event = SampleEvent::Fork {
            time_ns,
            pid: 2,
            ppid: 1,
        };
        (time_ns, event)
    }

    fn times(events: &[SampleEvent]) -> Vec<u64> {
        events
            .iter()
            .filter_map(|event| match event {
                SampleEvent::Fork { time_ns, .. } => Some(*time_ns),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn rings_that_are_read_one_after_another_come_out_in_order_of_time() {
        let mut backlog = Backlog::default();
        // The first CPU is read up to 20; the second, a moment later, up to 30.
        backlog.add([fork(10), fork(20), fork(5), fork(30)].into_iter());
        let first = backlog.take(true);
        // 25 came on the first CPU after it had been read.
        backlog.add([fork(25), fork(40), fork(45)].into_iter());
        let second = backlog.take(true);
        let last = backlog.take(false);
        assert_eq!(times(&first), Vec::<u64>::new());
        assert_eq!(times(&second), [5, 10, 20, 25, 30]);
        assert_eq!(times(&last), [40, 45]);
    }

    #[test]
    fn record_times_are_on_the_monotonic_clock() {
        let mut sampler = match CpuSampler::open(&[0], 1_000) {
            Ok(sampler) => sampler,
            Err(error) => return println!("skipped: {error}; {}", error.remedy()),
        };
        let before = monotonic_ns();
        sampler.start().unwrap();
        std::process::Command::new("true").status().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        sampler.stop().unwrap();
        let after = monotonic_ns();
        for event in sampler.drain() {
            let (SampleEvent::Tick { time_ns, .. }
            | SampleEvent::Fork { time_ns, .. }
            | SampleEvent::Throttled { time_ns }) = event
            else {
                continue;
            };
            assert!((before..=after).contains(&time_ns), "{event:?}");
        }
    }

    fn monotonic_ns() -> u64 {
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `now` is a live timespec that the kernel may write to for
        // the length of the call, and the clock exists on every Linux.
        let answer = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        assert_eq!(answer, 0);
        u64::try_from(now.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap()
    }

    #[test]
    fn a_list_of_cpus_is_ranges_and_numbers() {
        assert!(lists("0-3,8\n", 0) && lists("0-3,8\n", 3) && lists("0-3,8\n", 8));
        assert!(!lists("0-3,8\n", 4) && !lists("0-3,8\n", 9) && !lists("", 0));
    }

    #[test]
    fn a_cpu_that_is_not_there_is_named() {
        match CpuSampler::open(&[9_999_999], 100) {
            Ok(_) => panic!("no machine has that many CPUs"),
            Err(error @ PerfError::NoCpu(cpu)) => {
                assert_eq!(cpu, 9_999_999);
                assert!(error.to_string().contains("9999999"));
            }
            // Permission is looked at first.
            Err(error) => println!("skipped: {error}; {}", error.remedy()),
        }
    }

    #[test]
    fn a_stopped_sampler_gives_everything_at_once() {
        let mut backlog = Backlog::default();
        backlog.add([fork(7), fork(3)].into_iter());
        assert_eq!(times(&backlog.take(false)), [3, 7]);
        assert_eq!(backlog.take(false), []);
    }
}
