//! Cells of nothing but times.

use super::WHY_NO_MORE;
use crate::model::{Availability, Cell, CountSource, Counted};
use crate::stats::Estimate;

/// A cell that says why it has nothing but times.
pub(super) fn without_counters(cell: Cell) -> Cell {
    fn none<T>() -> Availability<T> {
        Availability::not_asked(WHY_NO_MORE)
    }
    let none_on_both_sides = || Counted {
        parent: none::<Estimate>(),
        child: none(),
        source: CountSource::None,
    };
    Cell {
        cpu_ns: none(),
        sys_ns: none(),
        user_ns: none(),
        minor_faults: none_on_both_sides(),
        major_faults: none_on_both_sides(),
        context_switches: none_on_both_sides(),
        cpu_migrations: none_on_both_sides(),
        task_clock_ns: none_on_both_sides(),
        cycles: none_on_both_sides(),
        instructions: none_on_both_sides(),
        dtlb_misses: none_on_both_sides(),
        counting_slowdown: none(),
        ..cell
    }
}
