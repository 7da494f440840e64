//! Kernel mode or user mode: which of a worker's time slices were which.
//!
//! The events are those of every CPU in one order of time; `scope` tells whose
//! they are. Pure: no clock, no kernel, no file.

pub use super::scope::Window;
use super::scope::{Scope, methods};
use crate::sys::events::{Mode, SampleEvent};

/// The ticks of one method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModeTicks {
    /// Ticks in kernel mode.
    pub kernel: u64,
    /// Ticks in user mode.
    pub user: u64,
}

impl ModeTicks {
    fn count(&mut self, mode: Mode) {
        match mode {
            Mode::Kernel => self.kernel += 1,
            Mode::User => self.user += 1,
            Mode::Other => {}
        }
    }
}

/// What the events came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// The ticks, indexed by method.
    pub ticks: Vec<ModeTicks>,
    /// Records that are missing: those lost from a full ring, and one for each
    /// time that the kernel paused the sampling, which is the least it can be.
    /// Nobody can tell whose they were, nor whether a fork is among them.
    pub lost: u64,
}

/// Counts the ticks of the worker and of its descendants in each method's
/// windows, and the records that are missing wherever they fell.
///
/// The events are in order of time, and so are the windows, which do not
/// overlap. A descendant is known from its FORK record on, so the events begin
/// no later than the worker's first child.
pub fn split(events: &[SampleEvent], worker_pid: u32, windows: &[Window]) -> Split {
    let mut ticks = vec![ModeTicks::default(); methods(windows)];
    let mut lost = 0_u64;
    let mut scope = Scope::new(worker_pid, windows);
    for event in events {
        match *event {
            SampleEvent::Fork { pid, ppid, .. } => scope.fork(pid, ppid),
            SampleEvent::Tick {
                time_ns, pid, mode, ..
            } => {
                if let Some(place) = scope.place(time_ns, pid) {
                    let (_, _, method) = windows[place];
                    ticks[method].count(mode);
                }
            }
            SampleEvent::Lost { count } => lost = lost.saturating_add(count),
            SampleEvent::Throttled { .. } => lost = lost.saturating_add(1),
            _ => {}
        }
    }
    Split { ticks, lost }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKER: u32 = 100;

    fn tick(time_ns: u64, pid: u32, mode: Mode) -> SampleEvent {
        SampleEvent::Tick { time_ns, pid, mode }
    }

    fn fork(time_ns: u64, pid: u32, ppid: u32) -> SampleEvent {
        SampleEvent::Fork { time_ns, pid, ppid }
    }

    /// Kernel and user ticks of each method, nothing lost.
    fn whole(ticks: &[(u64, u64)]) -> Split {
        let ticks = ticks.iter();
        Split {
            ticks: ticks
                .map(|&(kernel, user)| ModeTicks { kernel, user })
                .collect(),
            lost: 0,
        }
    }

    #[test]
    fn ticks_go_to_the_method_of_their_window() {
        let events = [
            tick(5, WORKER, Mode::User),
            tick(10, WORKER, Mode::Kernel),
            tick(19, WORKER, Mode::User),
            tick(20, WORKER, Mode::Kernel),
            tick(35, WORKER, Mode::Kernel),
            tick(55, WORKER, Mode::Other),
            tick(90, WORKER, Mode::User),
        ];
        let windows = [(10, 20, 2), (30, 40, 0), (40, 50, 1), (50, 60, 2)];
        assert_eq!(
            split(&events, WORKER, &windows),
            whole(&[(1, 0), (0, 0), (1, 1)])
        );
    }

    #[test]
    fn adjacent_windows_share_no_tick() {
        let events = [tick(20, WORKER, Mode::User)];
        let windows = [(10, 20, 0), (20, 30, 1)];
        assert_eq!(split(&events, WORKER, &windows), whole(&[(0, 0), (0, 1)]));
    }

    #[test]
    fn descendants_count_and_strangers_do_not() {
        let events = [
            tick(1, 101, Mode::Kernel),
            fork(2, 101, WORKER),
            fork(3, 102, 101),
            fork(4, 900, 800),
            tick(5, 101, Mode::Kernel),
            tick(6, 102, Mode::User),
            tick(7, 900, Mode::User),
            tick(8, 800, Mode::User),
            tick(9, WORKER, Mode::Kernel),
        ];
        assert_eq!(
            split(&events, WORKER, &[(0, 100, 0)]),
            whole(&[(2, 1)]),
            "one tick each of the worker, its child and its grandchild"
        );
    }

    #[test]
    fn a_fork_before_the_first_window_is_followed() {
        let events = [fork(1, 101, WORKER), tick(15, 101, Mode::User)];
        assert_eq!(split(&events, WORKER, &[(10, 20, 0)]), whole(&[(0, 1)]));
    }

    #[test]
    fn a_number_that_a_stranger_got_is_a_stranger_until_the_worker_forks_it() {
        let events = [
            fork(1, 101, WORKER),
            tick(2, 101, Mode::Kernel),
            fork(3, 101, 800),
            tick(4, 101, Mode::User),
            fork(5, 101, WORKER),
            tick(6, 101, Mode::Kernel),
        ];
        assert_eq!(split(&events, WORKER, &[(0, 100, 0)]), whole(&[(2, 0)]));
    }

    #[test]
    fn the_worker_s_own_fork_record_does_not_strike_it_out() {
        let events = [fork(1, WORKER, 50), tick(2, WORKER, Mode::User)];
        assert_eq!(split(&events, WORKER, &[(0, 100, 0)]), whole(&[(0, 1)]));
    }

    #[test]
    fn no_window_no_method() {
        assert_eq!(
            split(&[tick(1, WORKER, Mode::User)], WORKER, &[]),
            whole(&[])
        );
    }

    #[test]
    fn losses_are_told_and_leave_the_other_ticks_alone() {
        let events = [
            SampleEvent::Lost { count: 7 },
            SampleEvent::Throttled { time_ns: 3 },
            tick(4, WORKER, Mode::Kernel),
            SampleEvent::Lost { count: 2 },
        ];
        let rest = whole(&[(1, 0)]);
        assert_eq!(
            split(&events, WORKER, &[(0, 9, 0)]),
            Split { lost: 10, ..rest }
        );
    }
}
