//! The size of what a fork goes over, and the share of it that is beyond the caches.
//!
//! A price is not one number: as long as the kernel's structures of parent and copy
//! fit into the CPU's nearer caches, a mapping costs about two thirds of what it
//! costs once they do not. The size where that changes is found by the fit; here is
//! only how much each unit adds to it, relative to the others.

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

/// The share of it that lies beyond the knee.
pub(super) fn share_beyond(counts: &Counts, knee_bytes: Option<u64>) -> f64 {
    let size = footprint_bytes(counts) as f64;
    match knee_bytes {
        Some(knee) if size > 0.0 => (1.0 - knee as f64 / size).max(0.0),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_small_has_nothing_beyond() {
        let small = Counts {
            vmas: 100,
            ..Counts::default()
        };
        assert_eq!(footprint_bytes(&small), 50_000);
        assert_eq!(share_beyond(&small, Some(1 << 20)), 0.0);
        assert_eq!(share_beyond(&small, None), 0.0);
        assert_eq!(share_beyond(&Counts::default(), Some(1)), 0.0);
        let large = Counts {
            vmas: 20_000,
            ..Counts::default()
        };
        assert_eq!(share_beyond(&large, Some(1_000_000)), 0.9);
    }
}
