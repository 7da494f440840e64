//! Perf events: the one door to the crate that opens them.
//!
//! [`Counters`] count in the measured process, a [`Recorder`] watches processes
//! from the outside. Whatever counts or samples sees kernel mode always: a
//! spawn is kernel work, so an event that had to leave it out would answer with
//! a small and wrong figure. Where the kernel side is not ours to see, opening
//! fails with [`PerfError::NotPermitted`] and no figure is made up. Stamps alone
//! do without it, since what they record is complete.
//! No type of the crate appears in this module's interface.

mod backlog;
mod chains;
mod counters;
mod error;
mod faults;
mod instrument;
mod modes;
mod recorder;
mod ring;
mod stamps;
pub mod tracepoints;

pub use counters::{Counter, Counters, OpenedCounters, Scope};
pub use error::PerfError;
pub use recorder::{Recorder, Target};

use super::filter::Tried;

/// The system call behind all of them.
static CALL: Tried = Tried::new(libc::SYS_perf_event_open);

/// Finds out now what opening an event finds out otherwise: where a filter is in force, by
/// a child, which a process of many pages is dear to fork.
pub fn try_out() {
    CALL.is_deadly();
}

/// Whether a hardware PMU answers. Where cycles may not be counted nobody can
/// tell, and then the answer is no.
pub fn has_pmu() -> bool {
    !Counters::open(Scope::Own, &[Counter::Cycles])
        .counters
        .opened()
        .is_empty()
}
