//! Records of what processes did, read by the experimenter from outside.
//!
//! A [`Recorder`] is one or more instruments with one event and one ring for
//! each CPU. It is never opened in the measured process, and it costs that
//! process less over [`Target::EveryProcess`]: what a family inherits is copied
//! at each of its forks, one event for each CPU, stopped or not, until the
//! recorder is dropped. An inherited event also ends before the child's address
//! space is torn down on kernels since mid-2025.
//! The rings are not copied to a forked child, so a child that was forked and
//! not executed must neither use nor drop a recorder.

use std::{fs, io};

use super::PerfError;
use super::backlog::Backlog;
use super::chains::Chains;
use super::faults::Faults;
use super::instrument::Instrument;
use super::modes::Modes;
use super::ring::Ring;
use super::stamps::{Landmark, MOST_LANDMARKS, Stamps};
use crate::sys::events::SampleEvent;

/// Below this frequency nothing is worth sampling, so stepping down ends.
const LOWEST_HZ: u64 = 50;

/// Whose records are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Every process's on the CPUs; a privilege.
    EveryProcess,
    /// The first thread's of this process, and those of all processes and
    /// threads that it creates after the opening; but not those of a thread
    /// that is there already.
    Family(u32),
}

impl Target {
    /// The highest `kernel.perf_event_paranoid` at which everybody may open
    /// such an event (perf_allow_cpu and perf_allow_kernel,
    /// kernel/events/core.c).
    pub(super) fn needed(self, sees_kernel: bool) -> i64 {
        match self {
            Self::EveryProcess => 0,
            Self::Family(_) if sees_kernel => 1,
            Self::Family(_) => 2,
        }
    }
}

/// Takes records on CPUs. Opened stopped.
pub struct Recorder {
    instruments: Instruments,
    rings: Vec<Ring>,
    target: Target,
    hz: u64,
    running: bool,
    backlog: Backlog,
}

type Instruments = Vec<Box<dyn Instrument + Send>>;

impl Recorder {
    /// What each of these CPUs does, `hz` times a second, and the creation of
    /// processes: [`SampleEvent::Tick`] and [`SampleEvent::Fork`] of all.
    ///
    /// The frequency is what the kernel allows if that is less, see
    /// [`Self::hz`].
    ///
    /// # Errors
    /// Why the kernel refuses.
    pub fn modes(cpus: &[u32], hz: u64) -> Result<Self, PerfError> {
        Self::ticking(Target::EveryProcess, cpus, hz, |hz| Box::new(Modes { hz }))
    }

    /// Where in the kernel each of these CPUs is, `hz` times a second:
    /// [`SampleEvent::Chain`] and [`SampleEvent::Fork`].
    ///
    /// A family's ticks begin anew with each process: what spawns faster than
    /// the clock ticks may get none at all, parent included. Every process's
    /// ticks have no such blind spot.
    ///
    /// # Errors
    /// Why the kernel refuses; its own side must be open to this user.
    pub fn chains(target: Target, cpus: &[u32], hz: u64) -> Result<Self, PerfError> {
        let chains = |hz| -> Box<dyn Instrument + Send> {
            Box::new(Chains {
                ticks: Modes { hz },
            })
        };
        Self::ticking(target, cpus, hz, chains)
    }

    /// When processes began, executed, ended, and got or left one of these
    /// CPUs: [`SampleEvent::Fork`], [`SampleEvent::Exec`],
    /// [`SampleEvent::Exit`], [`SampleEvent::Switch`]; and when they came to
    /// the instructions at `landmarks`, as [`SampleEvent::Landmark`].
    ///
    /// A family's records of a process end with its [`SampleEvent::Exit`];
    /// every process's go on until it has left the CPU for good.
    ///
    /// # Errors
    /// Why the kernel refuses. [`PerfError::NoLandmarks`],
    /// [`PerfError::NoLandmarkLeft`] and [`PerfError::LandmarkAddress`] concern
    /// the landmarks alone.
    pub fn stamps(target: Target, cpus: &[u32], landmarks: &[u64]) -> Result<Self, PerfError> {
        if landmarks.len() > MOST_LANDMARKS {
            return Err(PerfError::NoLandmarkLeft);
        }
        let mut instruments: Instruments = vec![Box::new(Stamps::default())];
        for (index, &address) in landmarks.iter().enumerate() {
            instruments.push(Box::new(Landmark { address, index }));
        }
        Self::open(target, cpus, instruments, 0)
    }

    /// Every page fault on these CPUs, and what became of the processes:
    /// [`SampleEvent::Fault`], [`SampleEvent::Fork`], [`SampleEvent::Exec`],
    /// [`SampleEvent::Map`], [`SampleEvent::Exit`].
    ///
    /// # Errors
    /// Why the kernel refuses; its own side must be open to this user, since
    /// it faults too.
    pub fn faults(target: Target, cpus: &[u32]) -> Result<Self, PerfError> {
        Self::open(target, cpus, vec![Box::new(Faults)], 0)
    }

    /// Opens an instrument at a frequency that the kernel allows.
    fn ticking(
        target: Target,
        cpus: &[u32],
        hz: u64,
        instrument: impl Fn(u64) -> Box<dyn Instrument + Send>,
    ) -> Result<Self, PerfError> {
        let mut hz = highest_hz().map_or(hz, |highest| hz.min(highest));
        loop {
            match Self::open(target, cpus, vec![instrument(hz)], hz) {
                // The kernel answers EINVAL to a frequency above its limit,
                // which may have sunk since it was read.
                Err(PerfError::Unsupported) if hz / 2 >= LOWEST_HZ => hz /= 2,
                answer => return answer,
            }
        }
    }

    fn open(
        target: Target,
        cpus: &[u32],
        instruments: Instruments,
        hz: u64,
    ) -> Result<Self, PerfError> {
        Ok(Self {
            rings: Ring::open_all(target, cpus, &instruments)?,
            instruments,
            target,
            hz,
            running: false,
            backlog: Backlog::default(),
        })
    }

    /// Whose records these are.
    pub fn target(&self) -> Target {
        self.target
    }

    /// Ticks a second, as opened; 0 for an instrument that does not tick.
    pub fn hz(&self) -> u64 {
        self.hz
    }

    /// Starts recording.
    ///
    /// # Errors
    /// Those of ioctl(2).
    pub fn start(&mut self) -> io::Result<()> {
        self.running = true;
        self.rings.iter().try_for_each(Ring::enable)
    }

    /// Stops recording; the next [`Self::drain`] gives all that is left.
    ///
    /// # Errors
    /// Those of ioctl(2).
    pub fn stop(&mut self) -> io::Result<()> {
        // Every CPU is stopped, whatever the others answer.
        let answers: Vec<_> = self.rings.iter().map(Ring::disable).collect();
        answers.into_iter().collect::<io::Result<()>>()?;
        self.running = false;
        Ok(())
    }

    /// Takes the recorded events of all CPUs, in order of time over all calls.
    ///
    /// While recording runs, events newer than the last call are held back: a
    /// CPU that was read first may yet deliver one that comes before them. To
    /// lose nothing, call it every 50 milliseconds and once after
    /// [`Self::stop`]; a full ring shows as [`SampleEvent::Lost`].
    pub fn drain(&mut self) -> Vec<SampleEvent> {
        let backlog = &mut self.backlog;
        for ring in &mut self.rings {
            let instrument = self.instruments[ring.instrument].as_mut();
            ring.read(instrument, !self.running, |event| backlog.add(event));
        }
        self.backlog.take(self.running)
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Recorder")
            .field("target", &self.target)
            .field("hz", &self.hz)
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

fn highest_hz() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/kernel/perf_event_max_sample_rate").ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_times_are_on_the_monotonic_clock() {
        let own = Target::Family(std::process::id());
        let recorders = [
            Recorder::modes(&[0], 1_000),
            Recorder::chains(Target::EveryProcess, &[0], 1_000),
            Recorder::stamps(own, &[0], &[]),
            Recorder::faults(own, &[0]),
        ];
        for recorder in recorders {
            let mut recorder = match recorder {
                Ok(recorder) => recorder,
                Err(error) => {
                    println!("skipped: {error}; {}", error.remedy());
                    continue;
                }
            };
            let before = monotonic_ns();
            recorder.start().unwrap();
            std::process::Command::new("true").status().unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            recorder.stop().unwrap();
            let after = monotonic_ns();
            for event in recorder.drain() {
                if let Some(time_ns) = event.time_ns() {
                    assert!((before..=after).contains(&time_ns), "{event:?}");
                }
            }
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
    fn a_cpu_that_is_not_there_is_named() {
        match Recorder::modes(&[9_999_999], 100) {
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
    fn the_level_that_is_needed_rises_with_what_is_seen() {
        assert_eq!(Target::EveryProcess.needed(true), 0);
        assert_eq!(Target::EveryProcess.needed(false), 0);
        assert_eq!(Target::Family(1).needed(true), 1);
        assert_eq!(Target::Family(1).needed(false), 2);
    }
}
