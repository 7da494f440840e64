//! Pages in an order in which neighbours do not follow each other, so that the kernel,
//! which gives memory as it is touched, gives them frames that do not either. In an old
//! heap frames lie like that, and a fork, which counts up a reference of each one
//! (mm/memory.c, `copy_present_ptes`), misses the cache at each.
//!
//! The order is computed and not drawn: a list of it would be as long as the pages.

use std::io;
use std::sync::atomic::Ordering;

use crate::sys::shared::SharedWords;

/// Where so many pages follow each other, what lies beyond makes no difference: their
/// structures (64 bytes each) fill a page, at whose end the CPU stops reading ahead.
pub(super) const LONGEST_STRETCH: u64 = 64;

/// Shows `each` every page of `runs` once: in ascending order within each stretch of so
/// many pages, and stretch after stretch in an order that is mixed by `seed`; in plain
/// ascending order if `stretch` is 0 or beyond [`LONGEST_STRETCH`].
///
/// # Errors
/// ENOMEM.
pub(super) fn visit(
    runs: &[[u64; 2]],
    stretch: u64,
    seed: u64,
    mut each: impl FnMut(u64),
) -> io::Result<()> {
    if stretch == 0 || stretch > LONGEST_STRETCH {
        let pages = runs.iter().flat_map(|[first, count]| *first..first + count);
        pages.for_each(each);
        return Ok(());
    }
    let index = Index::of(runs)?;
    let stretches = index.total.div_ceil(stretch);
    for turn in 0..stretches {
        let begin = mixed(turn, stretches, seed) * stretch;
        index.visit(begin, index.total.min(begin + stretch), &mut each);
    }
    Ok(())
}

/// Finds the pages of runs by their number among all of them.
struct Index<'a> {
    runs: &'a [[u64; 2]],
    /// Pages before each run; none where there is one run. They lie in a mapping of
    /// their own, which is gone before the process is looked at.
    before: Option<SharedWords>,
    total: u64,
}

impl<'a> Index<'a> {
    fn of(runs: &'a [[u64; 2]]) -> io::Result<Self> {
        let before = match runs.len() {
            0 | 1 => None,
            several => Some(SharedWords::anonymous(several)?),
        };
        let words = before.iter().flat_map(SharedWords::words);
        let mut total = 0;
        for ([_, count], word) in runs.iter().zip(words) {
            word.store(total, Ordering::Relaxed);
            total += count;
        }
        Ok(Self {
            runs,
            before,
            total: runs.iter().map(|[_, count]| count).sum(),
        })
    }

    /// Shows the pages of these numbers.
    fn visit(&self, begin: u64, end: u64, each: &mut impl FnMut(u64)) {
        let words = self.before.as_ref().map_or(&[][..], SharedWords::words);
        let after = words.partition_point(|word| word.load(Ordering::Relaxed) <= begin);
        let mut run = after.saturating_sub(1);
        let mut skip = begin
            - words
                .get(run)
                .map_or(0, |word| word.load(Ordering::Relaxed));
        let mut left = end - begin;
        while let Some([first, count]) = self.runs.get(run).filter(|_| left > 0) {
            let here = left.min(count - skip);
            (first + skip..first + skip + here).for_each(&mut *each);
            left -= here;
            (run, skip) = (run + 1, 0);
        }
    }
}

/// A permutation of the numbers below `of`: a Feistel network over the next power of 4,
/// repeated until it comes back below.
fn mixed(number: u64, of: u64, seed: u64) -> u64 {
    const ROUNDS: u64 = 4;
    let bits = (u64::BITS - of.saturating_sub(1).leading_zeros()).div_ceil(2);
    let mask = (1_u64 << bits) - 1;
    let mut number = number;
    loop {
        for round in 0..ROUNDS {
            let (left, right) = (number >> bits, number & mask);
            number = right << bits | (left ^ hash(right ^ (seed << 3 | round)) & mask);
        }
        if number < of {
            return number;
        }
    }
}

/// The last step of SplitMix64 (Steele, Lea and Flood 2014).
fn hash(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visited(runs: &[[u64; 2]], stretch: u64, seed: u64) -> Vec<u64> {
        let mut pages = Vec::new();
        visit(runs, stretch, seed, |page| pages.push(page)).unwrap();
        pages
    }

    #[test]
    fn every_page_comes_once() {
        let runs = [[3, 1], [5, 20], [26, 4], [1_000, 300]];
        let all = visited(&runs, 0, 1);
        assert!(all.is_sorted());
        assert_eq!(all.len(), 325);
        assert_eq!(visited(&runs, LONGEST_STRETCH + 1, 1), all);
        for stretch in [1, 2, 7, 64] {
            let mut mixed = visited(&runs, stretch, 1);
            assert_eq!(mixed, visited(&runs, stretch, 1));
            assert_ne!(mixed, visited(&runs, stretch, 2));
            mixed.sort_unstable();
            assert_eq!(mixed, all, "{stretch}");
        }
        assert_eq!(visited(&[], 1, 1), [0; 0]);
        assert_eq!(visited(&[[9, 1]], 1, 1), [9]);
    }

    #[test]
    fn a_stretch_stays_together_and_the_next_is_elsewhere() {
        let pages = visited(&[[0, 4_000]], 4, 7);
        let (stretches, _) = pages.as_chunks::<4>();
        assert!(stretches.iter().all(|s| s.is_sorted() && s[3] - s[0] == 3));
        let follow = |two: &[[u64; 4]]| two[0][3] + 1 == two[1][0];
        let followed = stretches.windows(2).filter(|two| follow(two)).count();
        assert!(followed < 20, "{followed} of 1,000");
    }
}
