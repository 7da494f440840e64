//! CLOCK_MONOTONIC, what one reading costs, and how fine its steps are.

/// Readings that the calibration takes.
const READINGS: u32 = 20_000;

/// What the clock itself contributes to a measured interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClockFigures {
    /// The smallest step between two readings that differ.
    pub step_ns: f64,
    /// The mean cost of one reading.
    pub cost_ns: f64,
}

/// CLOCK_MONOTONIC in nanoseconds (clock_gettime(2), answered by the vDSO).
#[inline]
pub fn now_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// A clock that every Linux has, in nanoseconds.
#[inline]
pub(super) fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a live, writable timespec of this frame, which the call fills; for a
    // clock that does not exist it would stay 0.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * 1_000_000_000 + nanos
}

/// Measures the clock with itself, as lmbench does: the best of several runs,
/// since nothing but an interruption makes a reading slower.
pub fn calibrate() -> ClockFigures {
    let runs = (0..5).map(|_| calibrate_once());
    runs.fold(
        ClockFigures {
            step_ns: f64::INFINITY,
            cost_ns: f64::INFINITY,
        },
        |best, run| ClockFigures {
            step_ns: best.step_ns.min(run.step_ns),
            cost_ns: best.cost_ns.min(run.cost_ns),
        },
    )
}

fn calibrate_once() -> ClockFigures {
    let begin = now_ns();
    let mut last = begin;
    let mut step = u64::MAX;
    for _ in 0..READINGS {
        let now = now_ns();
        if now > last {
            step = step.min(now - last);
        }
        last = now;
    }
    ClockFigures {
        step_ns: step as f64,
        cost_ns: (last - begin) as f64 / f64::from(READINGS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_moves_forward_and_costs_something() {
        let before = now_ns();
        let figures = calibrate();
        assert!(now_ns() > before);
        assert!(figures.cost_ns > 0.0 && figures.cost_ns < 1e6);
        assert!(figures.step_ns >= 1.0 && figures.step_ns < 1e8);
    }
}
