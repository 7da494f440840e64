//! One event and its ring for each instrument and CPU: opened, mapped, read.
//!
//! Opened by the experimenter on processes from outside, never by a measured
//! process on itself. The kernel marks rings VM_DONTCOPY (perf_mmap,
//! kernel/events/core.c): a forked child has no mapping where its copy of a
//! [`Ring`] believes one, and must neither read nor drop it.

use std::{fs, io};

use perf_event_open::config::{Cpu, Inherit, Proc};
use perf_event_open::count::Counter as Event;
use perf_event_open::sample::Sampler;
use perf_event_open::sample::record::{Priv, Record};

use super::PerfError;
use super::backlog::Stamped;
use super::error::Attempt;
use super::instrument::{Instrument, convert};
use super::recorder::Target;
use crate::sys::events::SampleEvent;
use crate::sys::process::lists;

/// All rings of a recorder together do not go beyond this, so that a host of
/// hundreds of CPUs does not pin gigabytes.
const MOST_BYTES: u64 = 128 << 20;

/// An event on one CPU and what it wrote.
pub(super) struct Ring {
    records: Sampler,
    event: Event,
    fill: Fill,
    /// Which instrument it belongs to.
    pub(super) instrument: usize,
}

impl Ring {
    /// Opens every instrument on every CPU, stopped.
    pub(super) fn open_all(
        target: Target,
        cpus: &[u32],
        instruments: &[Box<dyn Instrument + Send>],
    ) -> Result<Vec<Self>, PerfError> {
        let mut events = Vec::with_capacity(cpus.len() * instruments.len());
        for (index, instrument) in instruments.iter().enumerate() {
            for &cpu in cpus {
                let event = open_event(target, cpu, instrument.as_ref())?;
                events.push((index, event, instrument.ring_bytes()));
            }
        }
        let wanted: Vec<_> = events
            .iter()
            .map(|(_, event, bytes)| (event, *bytes))
            .collect();
        let mapped = map_all(&wanted)?;
        let rings = events.into_iter().zip(mapped);
        Ok(rings
            .map(|((instrument, event, _), (records, bytes))| Self {
                records,
                event,
                fill: Fill::new(bytes),
                instrument,
            })
            .collect())
    }

    /// Starts recording, in the processes that inherited the event as well.
    pub(super) fn enable(&self) -> io::Result<()> {
        self.event.enable()
    }

    /// Stops recording.
    pub(super) fn disable(&self) -> io::Result<()> {
        self.event.disable()
    }

    /// Takes what was recorded.
    ///
    /// A ring that was full and got no record any more until it `stopped` is
    /// itself taken for a loss, and its count of 1 is the least that it can be.
    pub(super) fn read(
        &mut self,
        instrument: &mut dyn Instrument,
        stopped: bool,
        mut keep: impl FnMut(Stamped),
    ) {
        let loss = drain(&self.records, &mut self.fill, stopped, |level, record| {
            let stamped = convert(instrument, level, record)?;
            let time_ns = stamped.0;
            keep(stamped);
            Some(time_ns)
        });
        if let Some(newest) = loss {
            keep((newest, SampleEvent::Lost { count: 1 }));
        }
    }
}

/// Reads what a ring holds, record by record; `take` says when one was written, if it takes it.
/// Of a ring that was `stopped` and hides a loss, the time of the newest.
pub(super) fn drain(
    records: &Sampler,
    fill: &mut Fill,
    stopped: bool,
    mut take: impl FnMut(Priv, Record) -> Option<u64>,
) -> Option<u64> {
    let mut records = records.iter()?.into_cow();
    let (mut held, mut largest, mut newest) = (0, 0, 0);
    while let Some(raw) = records.lending_next() {
        let length = raw.as_raw().len() as u64;
        held += length;
        largest = largest.max(length);
        let (level, record) = raw.parse();
        newest = newest.max(take(level, record).unwrap_or(0));
    }
    fill.was_read(held, largest);
    (stopped && fill.hides_a_loss()).then_some(newest)
}

/// Whether a ring may have lost records that the kernel has not told of: it
/// does so with the next record that fits (__perf_output_begin,
/// kernel/events/ring_buffer.c), and after the last there is none.
pub(super) struct Fill {
    size: u64,
    /// Whether there was no room at the last reading that found anything.
    full: bool,
}

impl Fill {
    /// That of a ring of so many bytes that is empty.
    pub(super) fn new(size: u64) -> Self {
        Self { size, full: false }
    }

    /// Takes note of a reading: all bytes, and those of the largest record.
    pub(super) fn was_read(&mut self, held: u64, largest: u64) {
        if held > 0 {
            // The kernel leaves a byte free (ring_buffer_has_space in the same
            // file).
            self.full = held + largest >= self.size;
        }
    }

    /// Whether a loss is likely to be hidden; told once.
    pub(super) fn hides_a_loss(&mut self) -> bool {
        std::mem::take(&mut self.full)
    }
}

fn open_event(target: Target, cpu: u32, instrument: &dyn Instrument) -> Result<Event, PerfError> {
    if super::CALL.is_deadly() {
        return Err(PerfError::Deadly);
    }
    let mut opts = instrument.opts();
    let attempt = Attempt {
        hardware: false,
        needed: target.needed(!opts.exclude.kernel),
    };
    let trigger = instrument.trigger();
    let opened = match target {
        Target::EveryProcess => Event::new(trigger, (Proc::ALL, Cpu(cpu)), opts),
        // The kernel takes 0 for the caller and -1 for every process.
        Target::Family(pid) if pid == 0 || i32::try_from(pid).is_err() => {
            return Err(PerfError::NoProcess(pid));
        }
        Target::Family(pid) => {
            opts.inherit = Some(Inherit::NewChild);
            Event::new(trigger, (Proc(pid), Cpu(cpu)), opts)
        }
    };
    opened.map_err(|failure| match (failure.raw_os_error(), target) {
        // A CPU that does not exist gives EINVAL, and so do a frequency that is
        // too high and a bad address; a CPU that is switched off, ENODEV.
        (Some(libc::EINVAL | libc::ENODEV), _) if !is_online(cpu) => PerfError::NoCpu(cpu),
        (Some(libc::ESRCH), Target::Family(pid)) => PerfError::NoProcess(pid),
        (errno, _) => errno
            .and_then(|errno| instrument.refusal(errno))
            .unwrap_or_else(|| PerfError::of_opening(&failure, attempt)),
    })
}

/// Maps rings of the wanted sizes, or the largest that this user may lock: all
/// are halved together, so that the first do not eat up what the last ones
/// need.
pub(super) fn map_all(wanted: &[(&Event, u64)]) -> Result<Vec<(Sampler, u64)>, PerfError> {
    let page = procfs::page_size();
    let sizes: Vec<u64> = wanted.iter().map(|&(_, bytes)| bytes).collect();
    for exponents in steps(&sizes, page) {
        let mapped: io::Result<Vec<_>> = wanted
            .iter()
            .zip(exponents)
            .map(|((event, _), exponent)| Ok((event.sampler(exponent)?, page << exponent)))
            .collect();
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

/// Sizes to try, the largest first, each as the power of two of its pages.
fn steps(sizes: &[u64], page: u64) -> Vec<Vec<u8>> {
    let halved = |shift: u32| -> Vec<u8> {
        let exponent = |size: &u64| (size / page).max(1).ilog2().saturating_sub(shift);
        sizes
            .iter()
            .map(|size| u8::try_from(exponent(size)).unwrap_or(u8::MAX))
            .collect()
    };
    let mut steps: Vec<Vec<u8>> = (0..u64::BITS).map(halved).collect();
    // Beyond a page nothing shrinks.
    steps.dedup();
    let total = |exponents: &[u8]| exponents.iter().map(|&one| page << one).sum::<u64>();
    let last = steps.len().saturating_sub(1);
    let first = steps.iter().position(|step| total(step) <= MOST_BYTES);
    steps.split_off(first.unwrap_or(last))
}

/// Whether a CPU is in the kernel's list; yes where there is no list to read.
pub(super) fn is_online(cpu: u32) -> bool {
    fs::read_to_string("/sys/devices/system/cpu/online").map_or(true, |list| lists(&list, cpu))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_shrink_together_down_to_a_page() {
        let steps = steps(&[1 << 14, 1 << 13], 1 << 12);
        assert_eq!(steps, [[2, 1], [1, 0], [0, 0]]);
    }

    #[test]
    fn pages_that_are_larger_than_a_ring_are_rings_of_a_page() {
        assert_eq!(steps(&[1 << 14], 1 << 16), [[0]]);
    }

    #[test]
    fn many_cpus_share_what_may_be_pinned() {
        let all = steps(&[8 << 20; 512], 1 << 12);
        assert_eq!(all[0][0], 6, "512 rings of 64 pages are 128 MiB");
        // Not even one page for each would fit; it is tried all the same.
        let huge = steps(&[8 << 20; 40_000], 1 << 12);
        assert_eq!(huge.len(), 1);
        assert_eq!(huge[0][0], 0);
    }

    fn after(readings: &[(u64, u64)]) -> Fill {
        let mut fill = Fill::new(4096);
        for &(held, largest) in readings {
            fill.was_read(held, largest);
        }
        fill
    }

    #[test]
    fn a_ring_without_room_for_another_record_hides_a_loss() {
        assert!(!after(&[(0, 0)]).hides_a_loss());
        assert!(!after(&[(4000, 95)]).hides_a_loss());
        let mut full = after(&[(4000, 96)]);
        assert!(full.hides_a_loss());
        assert!(!full.hides_a_loss(), "one loss is told once");
    }

    #[test]
    fn a_later_record_would_have_told_of_it() {
        assert!(after(&[(4000, 96), (0, 0)]).hides_a_loss());
        assert!(!after(&[(4000, 96), (40, 40)]).hides_a_loss());
    }
}
