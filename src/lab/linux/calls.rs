//! The tracer of system calls behind the seam.

use crate::lab::kernel::Sampler;
use crate::model::{Missing, Reach};
use crate::profile::events::SampleEvent;
use crate::sys::trace::CallTracer;

impl Sampler for CallTracer {
    /// Nothing ticks.
    fn hz(&self) -> u64 {
        0
    }

    /// One process, whatever else the CPUs run; what its children call is not
    /// seen.
    fn reach(&self) -> Reach {
        Reach::Inherited
    }

    fn start(&mut self) -> Result<(), Missing> {
        CallTracer::start(self)
            .map_err(|error| Missing::unavailable(error.to_string(), Some(&error.remedy())))
    }

    fn drain(&mut self) -> Vec<SampleEvent> {
        CallTracer::drain(self)
    }

    fn stop(&mut self) {
        CallTracer::stop(self);
    }
}
