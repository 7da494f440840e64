//! Puts the records of several CPUs into one order of time.
//!
//! A CPU stamps a record before it shows it, and CPUs are read one after another. So a record
//! is handed out once it is older than any that a CPU can still hold back: a virtual CPU that
//! loses its processor between stamp and show is the slowest of them.

use super::record::Record;

/// Records that were read and not yet handed out.
#[derive(Debug, Default)]
pub(super) struct Merge {
    held: Vec<Record>,
}

impl Merge {
    /// Keeps a record. Those of one CPU come in order.
    pub(super) fn add(&mut self, record: Record) {
        self.held.push(record);
    }

    /// Hands out, in order, what happened up to a moment. Records with the same time keep
    /// the order in which they were added.
    pub(super) fn take(&mut self, until_ns: u64) -> Vec<Record> {
        self.held.sort_by_key(|record| record.time_ns);
        let settled = self
            .held
            .partition_point(|record| record.time_ns <= until_ns);
        let rest = self.held.split_off(settled);
        std::mem::replace(&mut self.held, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Fact;
    use super::*;

    fn add(merge: &mut Merge, times: &[(u64, u32)]) {
        for (time_ns, tid) in times {
            merge.add(Record {
                time_ns: *time_ns,
                pid: 1,
                tid: *tid,
                fact: Fact::Ended,
            });
        }
    }

    fn times(records: &[Record]) -> Vec<(u64, u32)> {
        let times = records.iter().map(|record| (record.time_ns, record.tid));
        times.collect()
    }

    #[test]
    fn what_is_not_yet_settled_waits_for_what_may_come_before_it() {
        let mut merge = Merge::default();
        add(&mut merge, &[(10, 1), (20, 1), (5, 2), (30, 2)]);
        assert_eq!(times(&merge.take(4)), []);
        assert_eq!(times(&merge.take(15)), [(5, 2), (10, 1)]);
        // 18 was stamped long ago and is seen only now.
        add(&mut merge, &[(18, 3), (40, 1)]);
        assert_eq!(times(&merge.take(30)), [(18, 3), (20, 1), (30, 2)]);
        assert_eq!(times(&merge.take(u64::MAX)), [(40, 1)]);
    }

    #[test]
    fn what_one_cpu_stamps_alike_stays_in_its_order() {
        let mut merge = Merge::default();
        add(&mut merge, &[(7, 3), (7, 1), (7, 2)]);
        assert_eq!(times(&merge.take(7)), [(7, 3), (7, 1), (7, 2)]);
    }
}
