//! What all processes of the host do to create others and to execute programs, by the
//! kernel's tracepoints, and what code they map: rings on each CPU.
//!
//! Nobody is stopped. Each of these events is written by the thread itself, with its numbers,
//! the time and, where somebody will ask from where it was called, a copy of its stack. They
//! slow down what they tell of, and a little each system call of the host
//! (SYSCALL_WORK_SYSCALL_TRACEPOINT, include/linux/thread_info.h). It is a privilege to see
//! them.
//!
//! The events of a CPU write into two rings, those with a stack into one of their own: to
//! write registers and stacks takes time, even none of them. The kernel's clock is that of
//! all others here. The rings are not copied to a forked child, which must not touch a
//! [`Tracepoints`].

mod error;
mod merge;
mod point;
mod record;
mod ring;
mod tracefs;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use self::error::TracepointError;
pub use self::record::{Fact, FileId, Mapped, Record, Stack};

use self::merge::Merge;
use self::point::{Point, Reader};
use self::ring::CpuRing;
use self::tracefs::{Format, Tracefs};
use crate::sys::{clock, process};

/// For how long a record may have been stamped and not be seen yet.
const SETTLING: Duration = Duration::from_millis(20);
/// For how long it is waited for a ring that fills.
const PATIENCE: Duration = Duration::from_millis(50);

/// The tracepoints on all CPUs that are online. Opened, they record nothing yet.
#[derive(Debug)]
pub struct Tracepoints {
    rings: Vec<CpuRing>,
    readers: HashMap<u16, Reader>,
    merge: Merge,
}

/// A recording that goes on. A thread reads the rings, so that they do not fill while what was
/// recorded is looked at, and ends with this value.
#[derive(Debug)]
pub struct Recording {
    batches: Receiver<Batch>,
    /// Absent once the end was asked for.
    until: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

/// What was recorded next, in order of time.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records.
    pub records: Vec<Record>,
    /// Until when all were handed out, with these.
    pub settled_ns: u64,
}

impl Tracepoints {
    /// How many descriptors it takes on a host with so many CPUs.
    pub fn descriptors(cpus: usize) -> u64 {
        (cpus * (Point::ALL.len() + CpuRing::EACH)) as u64
    }

    /// Opens them.
    ///
    /// # Errors
    /// Why they cannot be had, and what to do about it.
    pub fn open(cpus: &[u32]) -> Result<Self, TracepointError> {
        let tracefs = Tracefs::find()?;
        let mut known: Vec<(Point, Format)> = Vec::new();
        for point in Point::ALL {
            match tracefs.format(&point.name()) {
                Ok(format) => known.push((point, format)),
                Err(TracepointError::Unknown(_)) if point.is_optional() => {}
                Err(error) => return Err(error),
            }
        }
        let mut readers = HashMap::new();
        for (point, format) in &known {
            let reader = Reader::new(*point, format);
            let reader = reader.ok_or_else(|| TracepointError::Unknown(point.name()))?;
            readers.insert(format.id, reader);
        }
        let points: Vec<(Point, u16)> = known.iter().map(|(it, format)| (*it, format.id)).collect();
        Ok(Self {
            rings: CpuRing::open_all(cpus, &points)?,
            readers,
            merge: Merge::default(),
        })
    }

    /// Begins to record. A thread is started: whoever forks does it before.
    ///
    /// # Errors
    /// Those of ioctl(2) and of pthread_create(3).
    pub fn start(self) -> io::Result<Recording> {
        // One event on all CPUs after the other, so that nothing is half a story anywhere.
        for rings in self
            .rings
            .chunks(self.rings.len().div_ceil(CpuRing::EACH).max(1))
        {
            let most = rings.iter().map(CpuRing::events).max().unwrap_or(0);
            for event in 0..most {
                rings.iter().try_for_each(|ring| ring.enable(event))?;
            }
        }
        let (until, asked) = mpsc::channel();
        let (told, batches) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("forktax-points".to_owned())
            .spawn(move || self.run(&asked, &told))?;
        Ok(Recording {
            batches,
            until: Some(until),
            thread: Some(thread),
        })
    }

    /// Reads the rings until the end is asked for, and then what is left in them.
    fn run(mut self, asked: &Receiver<Infallible>, told: &Sender<Batch>) {
        // Who reads late loses records. It takes little of the CPU, and the privilege, if it is
        // not there, is no condition.
        let _ = process::hurry();
        let settling = u64::try_from(SETTLING.as_nanos()).unwrap_or(0);
        while !matches!(asked.try_recv(), Err(TryRecvError::Disconnected)) {
            ring::wait(&self.rings, PATIENCE);
            let settled_ns = clock::now_ns().saturating_sub(settling);
            self.read(false);
            let records = self.merge.take(settled_ns);
            // Nobody listens once the recording is dropped.
            let _ = told.send(Batch {
                records,
                settled_ns,
            });
        }
        for ring in &self.rings {
            ring.disable();
        }
        let settled_ns = clock::now_ns();
        self.read(true);
        let records = self.merge.take(u64::MAX);
        let _ = told.send(Batch {
            records,
            settled_ns,
        });
    }

    fn read(&mut self, stopped: bool) {
        let (merge, readers) = (&mut self.merge, &self.readers);
        for ring in &mut self.rings {
            ring.read(readers, stopped, |record| merge.add(record));
        }
    }
}

impl Recording {
    /// What was recorded next; nothing if that takes longer.
    ///
    /// # Errors
    /// If nobody reads the rings any more.
    pub fn next(&mut self, timeout: Duration) -> io::Result<Option<Batch>> {
        match self.batches.recv_timeout(timeout) {
            Ok(batch) => Ok(Some(batch)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err(io::Error::other("the thread that reads them has ended"))
            }
        }
    }

    /// Stops recording, and gives the rest.
    pub fn finish(&mut self) -> Vec<Batch> {
        self.until = None;
        if let Some(thread) = self.thread.take() {
            // One that panicked has handed out what it could.
            let _ = thread.join();
        }
        self.batches.try_iter().collect()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The CPUs that are online.
pub fn online() -> Vec<u32> {
    let list = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    listed(&list)
}

/// The numbers of a list such as `0-3,8`.
fn listed(list: &str) -> Vec<u32> {
    let ranges = list.trim().split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
#[path = "tracepoints/tests.rs"]
mod tests;
