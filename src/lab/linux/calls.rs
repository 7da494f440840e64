//! The tracer of system calls behind the seam.

use crate::lab::kernel::Sampler;
use crate::model::{Missing, Reach};
use crate::sys::events::SampleEvent;
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
            .map_err(|error| Missing::unavailable(error.to_string(), Some(error.remedy())))
    }

    fn drain(&mut self) -> Vec<SampleEvent> {
        CallTracer::drain(self)
    }

    fn stop(&mut self) {
        CallTracer::stop(self);
    }
}

#[cfg(test)]
mod tests {
    use super::super::watch;
    use crate::lab::kernel::Watching;
    use crate::model::{MissingKind, Placement};

    #[test]
    fn a_process_that_cannot_be_traced_is_missing_with_reason_and_remedy() {
        // No process may trace itself.
        let own = std::process::id();
        let mut sampler = watch::open(&Watching::Calls, Placement::Free, own).unwrap();
        let missing = sampler.start().unwrap_err();
        assert_eq!(missing.missing, MissingKind::Unavailable);
        assert!(missing.reason.contains("trace"), "{missing:?}");
        assert!(missing.remedy.is_some());
        sampler.stop();
        assert_eq!((sampler.hz(), sampler.drain()), (0, Vec::new()));
    }
}
