//! The address space of a program, as its records tell it.
//!
//! An exec makes it empty, each mapping that is recorded replaces what it
//! overlaps, and a fork copies it. Nothing is recorded of an munmap or an
//! mremap: what was unmapped stays here, where no address of it faults any
//! more, and what was moved is known at its old place alone.
//!
//! Nor is it recorded whether a fault wrote. A page of a writable private
//! mapping that faults for the second time is taken for a copied one: what was
//! only read is there already. A page that came along with its neighbour's
//! (mm/memory.c, do_fault_around) faults for the first time when it is copied,
//! and so counts as one of the file.

use std::collections::BTreeSet;

use super::{MapRange, Source, range_of};
use crate::model::FaultCause;

/// Mappings, and the pages that faulted in them.
#[derive(Debug, Clone, Default)]
pub(super) struct Space {
    /// In ascending order; none overlaps another.
    ranges: Vec<MapRange>,
    /// Pages, by number, that have contents.
    touched: BTreeSet<u64>,
}

impl Space {
    /// Adds a mapping in the place of what it overlaps.
    pub(super) fn map(&mut self, new: MapRange, page_size: u64) {
        if new.start >= new.end {
            return;
        }
        let first = self.ranges.partition_point(|old| old.end <= new.start);
        let after = self.ranges.partition_point(|old| old.start < new.end);
        let mut pieces = Vec::with_capacity(3);
        let mut emptied = Vec::new();
        for old in &self.ranges[first..after] {
            if old.start < new.start {
                pieces.push(MapRange {
                    end: new.start,
                    ..old.clone()
                });
            }
            if !keeps_contents(old, &new) {
                emptied.push([old.start.max(new.start), old.end.min(new.end)]);
            }
        }
        let beyond = self.ranges[first..after].last();
        let beyond = beyond.filter(|old| old.end > new.end).cloned();
        let end = new.end;
        pieces.push(new);
        pieces.extend(beyond.map(|old| MapRange { start: end, ..old }));
        self.ranges.splice(first..after, pieces);
        for [start, end] in emptied {
            self.empty(start / page_size, end.div_ceil(page_size));
        }
    }

    /// Whether a mapping is known that holds this address.
    pub(super) fn holds(&self, address: u64) -> bool {
        range_of(&self.ranges, address).is_some()
    }

    /// Why this address faults. From then on its page has contents.
    pub(super) fn fault(&mut self, address: u64, page_size: u64) -> FaultCause {
        let again = !self.touched.insert(address / page_size);
        match range_of(&self.ranges, address) {
            None => FaultCause::Unknown,
            Some(range) => match range.source {
                Source::Shared => FaultCause::Shared,
                _ if again && range.writable => FaultCause::CopyOnWrite,
                Source::Anonymous => FaultCause::Anonymous,
                Source::File => FaultCause::File,
            },
        }
    }

    fn empty(&mut self, first: u64, after: u64) {
        let pages: Vec<u64> = self.touched.range(first..after).copied().collect();
        for page in pages {
            self.touched.remove(&page);
        }
    }
}

/// Whether a mapping that is recorded where there was one is the same with
/// another end or another protection, and not one that took its place.
///
/// A changed protection is reported for the part that it changed, a growth or
/// a merger for the whole that it made (mm/mprotect.c, mprotect_fixup;
/// mm/vma.c, mmap_region and do_brk_flags). A protection that stays as it was
/// reports nothing, so a part reported without a change is new.
fn keeps_contents(old: &MapRange, new: &MapRange) -> bool {
    let within = old.start <= new.start && new.end <= old.end;
    old.source == new.source && !(within && old.writable == new.writable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use FaultCause::{Anonymous, CopyOnWrite, File, Shared, Unknown};
    use proptest::prelude::*;

    const PAGE: u64 = 0x1000;

    fn range(start: u64, end: u64, source: Source, writable: bool) -> MapRange {
        MapRange {
            start: start * PAGE,
            end: end * PAGE,
            source,
            writable,
            own: Vec::new(),
        }
    }

    fn space(ranges: &[MapRange]) -> Space {
        let mut space = Space::default();
        for range in ranges {
            space.map(range.clone(), PAGE);
        }
        space
    }

    fn faults(space: &mut Space, pages: &[u64]) -> Vec<FaultCause> {
        let pages = pages.iter();
        pages.map(|page| space.fault(page * PAGE, PAGE)).collect()
    }

    #[test]
    fn a_library_is_mapped_as_a_whole_and_then_in_its_parts() {
        let mut space = space(&[
            range(10, 20, Source::File, false),
            range(12, 15, Source::File, false),
            range(15, 18, Source::File, true),
            range(18, 20, Source::Anonymous, true),
        ]);
        assert_eq!(faults(&mut space, &[9, 20]), [Unknown, Unknown]);
        assert_eq!(faults(&mut space, &[10, 13, 16]), [File, File, File]);
        assert_eq!(faults(&mut space, &[18, 19]), [Anonymous, Anonymous]);
        assert_eq!(faults(&mut space, &[13, 16]), [File, CopyOnWrite]);
    }

    #[test]
    fn a_second_fault_copies_what_is_private_and_writable() {
        let mut space = space(&[
            range(1, 2, Source::Anonymous, true),
            range(2, 3, Source::Anonymous, false),
            range(3, 4, Source::Shared, true),
        ]);
        assert_eq!(
            faults(&mut space, &[1, 2, 3]),
            [Anonymous, Anonymous, Shared]
        );
        assert_eq!(
            faults(&mut space, &[1, 2, 3]),
            [CopyOnWrite, Anonymous, Shared]
        );
    }

    #[test]
    fn what_grows_or_changes_its_protection_keeps_its_contents() {
        let mut space = space(&[range(1, 3, Source::Anonymous, true)]);
        faults(&mut space, &[1, 2]);
        space.map(range(1, 6, Source::Anonymous, true), PAGE);
        assert_eq!(faults(&mut space, &[2, 5]), [CopyOnWrite, Anonymous]);
        space.map(range(2, 3, Source::Anonymous, false), PAGE);
        space.map(range(2, 3, Source::Anonymous, true), PAGE);
        assert_eq!(faults(&mut space, &[2]), [CopyOnWrite]);
    }

    #[test]
    fn what_is_mapped_anew_is_empty() {
        let mut space = space(&[range(1, 5, Source::Anonymous, true)]);
        faults(&mut space, &[1, 2, 4]);
        space.map(range(2, 4, Source::Anonymous, true), PAGE);
        assert_eq!(
            faults(&mut space, &[1, 2, 4]),
            [CopyOnWrite, Anonymous, CopyOnWrite]
        );
        space.map(range(0, 9, Source::File, true), PAGE);
        assert_eq!(faults(&mut space, &[1, 2, 4]), [File, File, File]);
    }

    proptest! {
        #[test]
        fn the_last_mapping_of_a_page_decides(
            maps in prop::collection::vec((0_u64..30, 0_u64..8, 0_u8..3), 0..20),
        ) {
            let source = |kind| match kind {
                0 => Source::Anonymous,
                1 => Source::File,
                _ => Source::Shared,
            };
            let mut space = Space::default();
            let mut last = [None; 40];
            for &(start, pages, kind) in &maps {
                space.map(range(start, start + pages, source(kind), false), PAGE);
                for page in start..start + pages {
                    last[usize::try_from(page).unwrap()] = Some(source(kind));
                }
            }
            for pair in space.ranges.windows(2) {
                prop_assert!(pair[0].start < pair[0].end && pair[0].end <= pair[1].start);
            }
            for (page, last) in (0_u64..).zip(last) {
                let expected = match last {
                    None => Unknown,
                    Some(Source::Anonymous) => Anonymous,
                    Some(Source::File) => File,
                    Some(Source::Shared) => Shared,
                };
                prop_assert_eq!(space.holds(page * PAGE), last.is_some());
                prop_assert_eq!(faults(&mut space, &[page]), [expected]);
            }
        }
    }
}
