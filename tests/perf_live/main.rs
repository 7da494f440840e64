//! Perf events on the live kernel: orderings with wide margins, no figures.
//!
//! Where the host does not permit an event, the test says so and ends; it then
//! still demands that the refusal comes with a remedy.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test states what must hold by unwrapping, and says why it skips"
)]

mod chains;
mod counters;
mod faults;
mod modes;
mod refusals;
mod stamps;
mod watched;

use std::sync::{Mutex, MutexGuard, PoisonError};

use forktax::sys::events::SampleEvent;
use forktax::sys::perf::PerfError;

/// A refusal by permission ends a test; any other failure fails it.
pub(crate) fn skip(error: &PerfError) {
    assert!(!error.remedy().is_empty());
    assert!(
        matches!(
            error,
            PerfError::NotPermitted { .. } | PerfError::NoSyscall { .. }
        ),
        "{error}"
    );
    println!("skipped: {error}; {}", error.remedy());
}

/// Recorders of this user share what he may lock for rings, and all share the
/// CPU's breakpoints, so their tests run one after another.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn online_cpus() -> Vec<u32> {
    let list = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap();
    list.trim()
        .split(',')
        .flat_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            first.parse().unwrap()..=last.parse().unwrap()
        })
        .collect()
}

fn in_order(events: &[SampleEvent]) -> bool {
    let times: Vec<u64> = events.iter().filter_map(SampleEvent::time_ns).collect();
    times.is_sorted()
}
