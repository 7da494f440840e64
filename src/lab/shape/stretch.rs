//! How a mapping's own pages lie in physical memory.

use std::io;

use super::runs::{Runs, pages};
use crate::lab::census::pages::ENTRY_BYTES;

/// The page frame number of an entry (admin-guide/mm/pagemap.rst); 0 without
/// CAP_SYS_ADMIN.
const FRAME: u64 = (1 << 55) - 1;
const PRESENT: u64 = 1 << 63;

/// Pages in one read.
const PIECE: u64 = 1024;

/// Up to so many pages of a mapping are looked at. Of one that has more, evenly spread
/// pieces are, which together are as many: a mean needs no more, and a process may have
/// a hundred million.
const MOST: u64 = 64 << 10;

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stretch {
    /// There is no page to look at.
    Nothing,
    /// The kernel does not show frame numbers.
    Hidden,
    /// The mean number of pages that follow each other.
    Mean(f64),
}

/// The mean length of runs of own pages that follow each other in virtual and in
/// physical memory. `read` fills bytes with the entries from a page onwards.
pub(super) fn stretch(
    own: &Runs,
    first_page: u64,
    mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<Stretch> {
    let mut walk = Walk::default();
    let mut buffer = Vec::new();
    for [first, count] in sampled(own) {
        let bytes = usize::try_from(count * ENTRY_BYTES).unwrap_or(0);
        buffer.resize(bytes, 0);
        read(first_page + first, &mut buffer)?;
        let (entries, _) = buffer.as_chunks::<8>();
        for (page, entry) in (first..).zip(entries) {
            walk.pass(page, u64::from_ne_bytes(*entry));
            if walk.hidden {
                return Ok(Stretch::Hidden);
            }
        }
    }
    Ok(if walk.pages == 0 {
        Stretch::Nothing
    } else {
        Stretch::Mean(walk.pages as f64 / walk.runs as f64)
    })
}

#[derive(Default)]
struct Walk {
    last: Option<[u64; 2]>,
    pages: u64,
    runs: u64,
    hidden: bool,
}

impl Walk {
    fn pass(&mut self, page: u64, entry: u64) {
        // It may have gone since it was found.
        if entry & PRESENT == 0 {
            self.last = None;
            return;
        }
        let frame = entry & FRAME;
        self.hidden |= frame == 0;
        let follows = self
            .last
            .is_some_and(|last| last[0] + 1 == page && last[1] + 1 == frame);
        self.runs += u64::from(!follows);
        self.pages += 1;
        self.last = Some([page, frame]);
    }
}

/// The runs in pieces; of many pages those that come at even distances.
fn sampled(own: &Runs) -> Vec<[u64; 2]> {
    let total = pages(own);
    // Every so many-th piece.
    let every = total.div_ceil(MOST).max(1) * PIECE;
    let mut pieces = Vec::new();
    // Pages before this run, and where among them the next piece begins.
    let (mut before, mut next) = (0, 0);
    for [first, count] in own.iter().copied() {
        if every == PIECE {
            let starts = (0..count).step_by(1024);
            pieces.extend(starts.map(|at| [first + at, PIECE.min(count - at)]));
            continue;
        }
        while next < before + count {
            let at = next - before;
            pieces.push([first + at, PIECE.min(count - at)]);
            next += every;
        }
        before += count;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries whose frames come in runs of so many.
    fn of(own: &Runs, run: u64) -> Stretch {
        stretch(own, 1 << 20, |first, bytes| {
            let first = first - (1 << 20);
            let (entries, _) = bytes.as_chunks_mut::<8>();
            for (page, entry) in (first..).zip(entries) {
                let frame = 100 + page / run * run * 7 + page % run;
                *entry = (PRESENT | frame).to_ne_bytes();
            }
            Ok(())
        })
        .unwrap()
    }

    #[test]
    fn runs_of_frames_are_measured() {
        assert_eq!(of(&vec![[0, 4096]], 4), Stretch::Mean(4.0));
        assert_eq!(of(&vec![[0, 4096]], 1), Stretch::Mean(1.0));
        // Neighbours in physical memory that are none in virtual memory.
        assert_eq!(of(&vec![[0, 1], [2, 1]], 4), Stretch::Mean(1.0));
        assert_eq!(of(&Runs::new(), 4), Stretch::Nothing);
    }

    #[test]
    fn of_many_pages_a_part_is_read() {
        let many = vec![[0, 5 << 20], [6 << 20, 1 << 20]];
        let read: u64 = sampled(&many).iter().map(|piece| piece[1]).sum();
        assert!((MOST / 2..=MOST + PIECE).contains(&read), "{read}");
        assert_eq!(of(&many, 8), Stretch::Mean(8.0));
        let few = vec![[0, 3000], [4000, 10]];
        assert_eq!(pages(&sampled(&few)), 3010);
        let last = *sampled(&many).last().unwrap();
        assert!(last[0] > 6 << 20, "{last:?}");
    }

    #[test]
    fn hidden_frames_are_no_figure() {
        let hidden = stretch(&vec![[0, 3]], 0, |_, bytes| {
            let (entries, _) = bytes.as_chunks_mut::<8>();
            entries.fill(PRESENT.to_ne_bytes());
            Ok(())
        });
        assert_eq!(hidden.unwrap(), Stretch::Hidden);
    }
}
