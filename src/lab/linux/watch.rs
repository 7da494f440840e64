//! Perf events behind the seam: which recorder watches what, and whom; and who
//! needs none.

use crate::lab::kernel::{Sampler, Watching};
use crate::model::{Missing, Placement, Reach};
use crate::sys::events::SampleEvent;
use crate::sys::perf::{PerfError, Recorder, Target};
use crate::sys::process;
use crate::sys::trace::CallTracer;

/// How often timer samples are taken in each second where only the mode is
/// asked for: enough for a share within a few percent in one slice, too few to
/// be felt.
const MODE_SAMPLES_A_SECOND: u64 = 4_000;

/// Opens the recorder of the CPUs that a worker of this placement runs on. What
/// reaches every process is preferred: an event that children inherit costs
/// each spawn some microseconds, and ends before they have freed their memory.
pub(super) fn open(
    watching: &Watching,
    placement: Placement,
    worker: u32,
) -> Result<Box<dyn Sampler>, Missing> {
    let cpus = cpus(placement);
    let wide_or_inherited = |open: &dyn Fn(Target) -> Result<Recorder, PerfError>| {
        open(Target::EveryProcess).or_else(|_| open(Target::Family(worker)))
    };
    let opened = match watching {
        Watching::Modes => Recorder::modes(&cpus, MODE_SAMPLES_A_SECOND),
        Watching::Chains(hz) => wide_or_inherited(&|target| Recorder::chains(target, &cpus, *hz)),
        Watching::Stamps(landmarks) => {
            wide_or_inherited(&|target| Recorder::stamps(target, &cpus, landmarks))
        }
        // Opened, it does nothing yet; whether it may trace shows at its start.
        Watching::Calls => return Ok(Box::new(CallTracer::new(worker))),
        Watching::Faults => wide_or_inherited(&|target| Recorder::faults(target, &cpus)),
    };
    match opened {
        Ok(recorder) => Ok(Box::new(recorder)),
        Err(error) => Err(Missing::unavailable(
            error.to_string(),
            Some(&error.remedy()),
        )),
    }
}

fn cpus(placement: Placement) -> Vec<u32> {
    let cpus = match placement {
        Placement::Pinned(cpu) => vec![cpu],
        Placement::Free => process::allowed_cpus().unwrap_or_default(),
    };
    cpus.into_iter()
        .filter_map(|cpu| u32::try_from(cpu).ok())
        .collect()
}

impl Sampler for Recorder {
    fn hz(&self) -> u64 {
        Recorder::hz(self)
    }

    fn reach(&self) -> Reach {
        match self.target() {
            Target::EveryProcess => Reach::SystemWide,
            Target::Family(_) => Reach::Inherited,
        }
    }

    fn start(&mut self) -> Result<(), Missing> {
        Recorder::start(self).map_err(|error| {
            let reason = format!("the recorder of perf events did not start: {error}");
            Missing::unavailable(reason, None)
        })
    }

    fn drain(&mut self) -> Vec<SampleEvent> {
        Recorder::drain(self)
    }

    fn stop(&mut self) {
        // A recorder that cannot be stopped is closed with this value, and what
        // it records until then falls into no spawn.
        let _ = Recorder::stop(self);
    }
}
