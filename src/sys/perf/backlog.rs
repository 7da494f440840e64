//! Puts what several rings hold into one order of time.
//!
//! Rings are read one after another while the kernel goes on writing, so what
//! was read last may be newer than what the first ring got meanwhile. Nothing
//! is handed out that a later reading could still come before; nothing is
//! dropped. Knows neither rings nor the crate.

use std::mem;

use crate::sys::events::SampleEvent;

/// An event and the time that orders it; a loss has no time of its own.
pub(super) type Stamped = (u64, SampleEvent);

/// Events that were read from the rings and not yet handed out.
#[derive(Default)]
pub(super) struct Backlog {
    events: Vec<Stamped>,
    /// The newest time that had been read at the last call.
    horizon: u64,
}

impl Backlog {
    /// Keeps one event.
    pub(super) fn add(&mut self, event: Stamped) {
        self.events.push(event);
    }

    /// Hands out, in order, what no later reading can come before; all of it
    /// once nothing is `running` any more.
    pub(super) fn take(&mut self, running: bool) -> Vec<SampleEvent> {
        self.events.sort_by_key(|&(time, _)| time);
        let newest = self.events.last().map_or(0, |&(time, _)| time);
        let settled = if running {
            self.events
                .partition_point(|&(time, _)| time <= self.horizon)
        } else {
            self.events.len()
        };
        self.horizon = self.horizon.max(newest);
        let rest = self.events.split_off(settled);
        mem::replace(&mut self.events, rest)
            .into_iter()
            .map(|(_, event)| event)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(backlog: &mut Backlog, times: &[u64]) {
        for &time_ns in times {
            let event = SampleEvent::Fork {
                time_ns,
                pid: 2,
                ppid: 1,
            };
            backlog.add((time_ns, event));
        }
    }

    fn times(events: &[SampleEvent]) -> Vec<u64> {
        events.iter().filter_map(SampleEvent::time_ns).collect()
    }

    #[test]
    fn rings_that_are_read_one_after_another_come_out_in_order_of_time() {
        let mut backlog = Backlog::default();
        // The first CPU is read up to 20; the second, a moment later, up to 30.
        with(&mut backlog, &[10, 20, 5, 30]);
        let first = backlog.take(true);
        // 25 came on the first CPU after it had been read.
        with(&mut backlog, &[25, 40, 45]);
        let second = backlog.take(true);
        let last = backlog.take(false);
        assert_eq!(times(&first), Vec::<u64>::new());
        assert_eq!(times(&second), [5, 10, 20, 25, 30]);
        assert_eq!(times(&last), [40, 45]);
    }

    #[test]
    fn once_stopped_everything_comes_at_once() {
        let mut backlog = Backlog::default();
        with(&mut backlog, &[7, 3]);
        assert_eq!(times(&backlog.take(false)), [3, 7]);
        assert_eq!(backlog.take(false), []);
    }

    #[test]
    fn a_loss_keeps_its_place_among_the_others() {
        let mut backlog = Backlog::default();
        with(&mut backlog, &[9, 4]);
        backlog.add((6, SampleEvent::Lost { count: 3 }));
        assert_eq!(backlog.take(false)[1], SampleEvent::Lost { count: 3 });
    }
}
