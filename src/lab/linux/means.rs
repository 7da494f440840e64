//! By what programs can be watched on this machine, found out before anything is started.

use crate::model::TraceMeans;
use crate::sys::descriptors::{self, SoftLimit};
use crate::sys::perf::tracepoints::{TracepointError, Tracepoints, online};

/// Descriptors that are needed beside those of the tracepoints: files that are mapped, and
/// what a process has at all.
const OTHERS: u64 = 512;

/// What watches programs here.
#[derive(Debug)]
pub enum Means {
    /// The kernel's tracepoints, which are open; and the limit of descriptors before that, if
    /// it was raised for them.
    Tracepoints(Tracepoints, Option<SoftLimit>),
    /// ptrace(2), as was asked, or for the reason why there are no tracepoints.
    Ptrace(Option<TracepointError>),
}

impl Means {
    /// Opens the best that there is, or what was asked for.
    ///
    /// # Errors
    /// Why there are no tracepoints, if it was to be these.
    pub fn open(asked: Option<TraceMeans>) -> Result<Self, TracepointError> {
        if asked == Some(TraceMeans::Ptrace) {
            return Ok(Self::Ptrace(None));
        }
        let cpus = online();
        let before = SoftLimit::current().ok();
        let needed = Tracepoints::descriptors(cpus.len()) + OTHERS;
        // Where it may not be raised, the opening says so.
        let _ = descriptors::make_room(needed);
        match (Tracepoints::open(&cpus), asked) {
            (Ok(points), _) => Ok(Self::Tracepoints(points, before)),
            (Err(error), Some(TraceMeans::Tracepoints)) => Err(error),
            (Err(error), _) => {
                // The command is to begin with the limit that it would have without this.
                let _ = before.map(SoftLimit::restore);
                Ok(Self::Ptrace(Some(error)))
            }
        }
    }

    /// Which they are.
    pub fn means(&self) -> TraceMeans {
        match self {
            Self::Tracepoints(..) => TraceMeans::Tracepoints,
            Self::Ptrace(_) => TraceMeans::Ptrace,
        }
    }

    /// Why there are no tracepoints, and what to do about it.
    pub fn obstacle(&self) -> Option<String> {
        match self {
            Self::Ptrace(Some(error)) => Some(format!("{error}; {}", error.remedy())),
            Self::Ptrace(None) | Self::Tracepoints(..) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_had_or_refused_and_the_limit_stays() {
        let ptrace = Means::open(Some(TraceMeans::Ptrace)).unwrap();
        assert_eq!(
            (ptrace.means(), ptrace.obstacle()),
            (TraceMeans::Ptrace, None)
        );
        let best = Means::open(None).unwrap();
        let forced = Means::open(Some(TraceMeans::Tracepoints));
        match best.means() {
            TraceMeans::Tracepoints => assert!(forced.is_ok()),
            TraceMeans::Ptrace => {
                let error = forced.unwrap_err();
                let said = best.obstacle().unwrap();
                assert!(said.contains(&error.to_string()), "{said}");
            }
        }
    }
}
