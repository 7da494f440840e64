//! The size of what a fork goes over, and how far it is beyond the nearest caches.
//!
//! A price is not one number: the larger the kernel's structures of parent and copy are,
//! the fewer of the CPU's caches and TLBs they fit into, and with each doubling a mapping
//! costs more. Here is how much each unit adds to that size, relative to the others.

use crate::model::{Counts, Term};

/// Bytes that one unit adds: for a mapping two `vm_area_struct` (mm_types.h) with
/// their places in the maple trees; for one with pages of its own an `anon_vma` and
/// the links to it (rmap.h); for an entry the entries of both and its part of the
/// `struct page`. Of a page table only the lines count that are used again: the
/// zeros of a fresh one are written past the caches.
const fn bytes(term: Term) -> u64 {
    match term {
        Term::Vma => 500,
        Term::AnonVma => 300,
        Term::Pte => 40,
        Term::Table => 1_000,
        Term::HugeEntry => 500,
        Term::Fixed | Term::FileVma | Term::SharedVma | Term::EmptyEntry => 0,
    }
}

/// The terms whose price depends on the size.
pub(super) const SIZED: [Term; 4] = [Term::Vma, Term::AnonVma, Term::Pte, Term::Table];

/// The size of what a fork of this parent goes over.
pub fn footprint_bytes(counts: &Counts) -> u64 {
    let each = Term::ALL.iter().map(|term| {
        let count = term.count(counts);
        count.saturating_mul(bytes(*term))
    });
    each.fold(0, u64::saturating_add)
}

/// How many times as large as the knee a parent is that pays the second price.
pub const FAR: u64 = 16;

/// From which size on prices go up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knee {
    /// That size.
    pub bytes: u64,
    /// Whether they go up no further from [`FAR`] times that size on, as where no slower memory
    /// is left.
    pub levels_off: bool,
}

/// How far a parent is on the way from the price up to the knee to that at [`FAR`] times its
/// size, where each doubling is as long a part of it: more than 1 if it is larger still and
/// prices do not level off.
pub(super) fn way_beyond(counts: &Counts, knee: Option<Knee>) -> f64 {
    let size = footprint_bytes(counts) as f64;
    let Some(knee) = knee.filter(|knee| size > knee.bytes as f64) else {
        return 0.0;
    };
    let way = (size / knee.bytes as f64).ln() / (FAR as f64).ln();
    if knee.levels_off { way.min(1.0) } else { way }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knee(bytes: u64, levels_off: bool) -> Option<Knee> {
        Some(Knee { bytes, levels_off })
    }

    #[test]
    fn what_is_small_has_nothing_beyond() {
        let small = Counts {
            vmas: 100,
            ..Counts::default()
        };
        assert_eq!(footprint_bytes(&small), 50_000);
        assert_eq!(way_beyond(&small, knee(1 << 20, false)), 0.0);
        assert_eq!(way_beyond(&small, None), 0.0);
        assert_eq!(way_beyond(&Counts::default(), knee(1, false)), 0.0);
    }

    #[test]
    fn each_doubling_is_as_long_a_way() {
        let of = |times: u64, levels_off| {
            let counts = Counts {
                vmas: 1_000 * times,
                ..Counts::default()
            };
            way_beyond(&counts, knee(500_000, levels_off))
        };
        let way = |times| of(times, false);
        assert_eq!(way(1), 0.0);
        assert!((way(2) - way(1) - (way(16) - way(8))).abs() < 1e-12);
        assert!((way(FAR) - 1.0).abs() < 1e-12);
        assert!(way(2 * FAR) > 1.0);
        assert_eq!(of(4, true), way(4));
        assert_eq!(of(2 * FAR, true), 1.0);
    }
}
