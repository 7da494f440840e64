//! How a mapping's own pages lie in physical memory.

use std::io;

use super::runs::{Runs, pages};
use crate::lab::census::pages::ENTRY_BYTES;

/// The page frame number of an entry (admin-guide/mm/pagemap.rst); 0 without
/// CAP_SYS_ADMIN.
const FRAME: u64 = (1 << 55) - 1;
const PRESENT: u64 = 1 << 63;
/// A page of a folio that is not its first (KPF_COMPOUND_TAIL).
const COMPOUND_TAIL: u64 = 1 << 16;

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
    /// Mean numbers of pages.
    Mean {
        /// That follow each other.
        stretch: f64,
        /// That do so in the same large folio as a page does, on average over the pages.
        batch: f64,
        /// How many of all pages do so with at least one other; none where the flags of
        /// frames are not to be seen.
        in_folios: Option<u64>,
    },
}

/// The mean length of runs of own pages that follow each other in virtual and in
/// physical memory, and of what of these is of one folio. `read` fills bytes with the
/// entries from a page onwards, `flags` with the flags of frames (admin-guide/mm/pagemap.rst,
/// kpageflags), if these are to be seen.
pub(super) fn stretch(
    own: &Runs,
    first_page: u64,
    mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    flags: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<Stretch> {
    let mut walk = Walk {
        flags,
        last: None,
        first_frame: 0,
        length: 0,
        pages: 0,
        runs: 0,
        squares: 0,
        in_folios: Some(0),
        buffer: Vec::new(),
    };
    let mut buffer = Vec::new();
    for [first, count] in sampled(own) {
        let bytes = usize::try_from(count * ENTRY_BYTES).unwrap_or(0);
        buffer.resize(bytes, 0);
        read(first_page + first, &mut buffer)?;
        let (entries, _) = buffer.as_chunks::<8>();
        for (page, entry) in (first..).zip(entries) {
            let entry = u64::from_ne_bytes(*entry);
            if entry & PRESENT != 0 && entry & FRAME == 0 {
                return Ok(Stretch::Hidden);
            }
            walk.pass(page, entry);
        }
    }
    walk.end_run();
    let total = pages(own);
    Ok(if walk.pages == 0 {
        Stretch::Nothing
    } else {
        let pages = walk.pages as f64;
        Stretch::Mean {
            stretch: pages / walk.runs as f64,
            batch: walk.squares as f64 / pages,
            in_folios: walk.in_folios.map(|found| found * total / walk.pages),
        }
    })
}

struct Walk<F> {
    flags: F,
    last: Option<[u64; 2]>,
    /// The run under way.
    first_frame: u64,
    length: u64,
    pages: u64,
    runs: u64,
    /// The squares of the lengths of batches: each page counts with that of its own.
    squares: u64,
    /// Pages in batches of more than one; none once flags were not to be seen.
    in_folios: Option<u64>,
    buffer: Vec<u8>,
}

impl<F: FnMut(u64, &mut [u8]) -> io::Result<()>> Walk<F> {
    fn pass(&mut self, page: u64, entry: u64) {
        // It may have gone since it was found.
        if entry & PRESENT == 0 {
            self.last = None;
            return;
        }
        let frame = entry & FRAME;
        let follows = self
            .last
            .is_some_and(|last| last[0] + 1 == page && last[1] + 1 == frame);
        if !follows {
            self.end_run();
            (self.first_frame, self.length) = (frame, 0);
            self.runs += 1;
        }
        self.length += 1;
        self.pages += 1;
        self.last = Some([page, frame]);
    }

    /// Counts the batches of a run: each begins where no folio goes on.
    fn end_run(&mut self) {
        let bytes = usize::try_from(self.length * ENTRY_BYTES).unwrap_or(0);
        self.buffer.resize(bytes, 0);
        // A page alone is a batch; and where no flags are to be seen, each page is.
        let seen = self.length > 1 && (self.flags)(self.first_frame, &mut self.buffer).is_ok();
        if self.length > 1 && !seen {
            self.in_folios = None;
        }
        let (flags, _) = self.buffer.as_chunks::<8>();
        let is_tail = |flags: &[u8; 8]| u64::from_ne_bytes(*flags) & COMPOUND_TAIL != 0;
        if seen {
            for batch in flags.chunk_by(|_, next| is_tail(next)) {
                let pages = batch.len() as u64;
                self.squares += pages.pow(2);
                let together = if pages > 1 { pages } else { 0 };
                self.in_folios = self.in_folios.map(|sum| sum + together);
            }
        } else {
            self.squares += self.length;
        }
        self.length = 0;
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

    /// Entries whose frames come in runs of so many, and folios of so many.
    fn seen(own: &Runs, run: u64, folio: u64) -> Stretch {
        let entries = |first: u64, bytes: &mut [u8]| {
            let first = first - (1 << 20);
            let (entries, _) = bytes.as_chunks_mut::<8>();
            for (page, entry) in (first..).zip(entries) {
                let frame = 1_000 + page / run * run * 7 + page % run;
                *entry = (PRESENT | frame).to_ne_bytes();
            }
            Ok(())
        };
        let flags = |frame: u64, bytes: &mut [u8]| {
            let (flags, _) = bytes.as_chunks_mut::<8>();
            for (frame, flags) in (frame..).zip(flags) {
                let tail = (frame - 1_000) % folio != 0;
                *flags = (if tail { COMPOUND_TAIL } else { 0 }).to_ne_bytes();
            }
            Ok(())
        };
        stretch(own, 1 << 20, entries, flags).unwrap()
    }

    fn of(own: &Runs, run: u64) -> Option<f64> {
        match seen(own, run, 1) {
            Stretch::Mean { stretch, batch, .. } => {
                assert!((batch - 1.0).abs() < 1e-9, "{batch}");
                Some(stretch)
            }
            _ => None,
        }
    }

    #[test]
    fn runs_of_frames_are_measured() {
        assert_eq!(of(&vec![[0, 4096]], 4), Some(4.0));
        assert_eq!(of(&vec![[0, 4096]], 1), Some(1.0));
        // Neighbours in physical memory that are none in virtual memory.
        assert_eq!(of(&vec![[0, 1], [2, 1]], 4), Some(1.0));
        assert_eq!(seen(&Runs::new(), 4, 1), Stretch::Nothing);
    }

    #[test]
    fn pages_of_one_folio_are_a_batch_as_far_as_they_follow_each_other() {
        let batch = |own: &Runs, run, folio| match seen(own, run, folio) {
            Stretch::Mean { batch, .. } => batch,
            other => panic!("{other:?}"),
        };
        assert_eq!(batch(&vec![[0, 4096]], 64, 16), 16.0);
        // The first half of each folio is there.
        let halves: Runs = (0..64).map(|at| [at * 16, 8]).collect();
        assert_eq!(batch(&halves, 64, 16), 8.0);
        assert_eq!(batch(&vec![[0, 64]], 1, 16), 1.0);
        let in_folios = |own: &Runs, run, folio| match seen(own, run, folio) {
            Stretch::Mean { in_folios, .. } => in_folios,
            other => panic!("{other:?}"),
        };
        assert_eq!(in_folios(&halves, 64, 16), Some(512));
        // A page of each folio, and of many pages as many as of those that are read.
        let ones: Runs = (0..64).map(|at| [at * 16, 1]).collect();
        assert_eq!(in_folios(&ones, 64, 16), Some(0));
        assert_eq!(in_folios(&vec![[0, 4 << 20]], 64, 16), Some(4 << 20));
        let blind = stretch(
            &vec![[0, 64]],
            0,
            |first, bytes| {
                let (entries, _) = bytes.as_chunks_mut::<8>();
                for (page, entry) in (first..).zip(entries) {
                    *entry = (PRESENT | (page + 5)).to_ne_bytes();
                }
                Ok(())
            },
            |_, _| Err(io::ErrorKind::PermissionDenied.into()),
        );
        let one = Stretch::Mean {
            stretch: 64.0,
            batch: 1.0,
            in_folios: None,
        };
        assert_eq!(blind.unwrap(), one);
    }

    #[test]
    fn of_many_pages_a_part_is_read() {
        let many = vec![[0, 5 << 20], [6 << 20, 1 << 20]];
        let read: u64 = sampled(&many).iter().map(|piece| piece[1]).sum();
        assert!((MOST / 2..=MOST + PIECE).contains(&read), "{read}");
        assert_eq!(of(&many, 8), Some(8.0));
        let few = vec![[0, 3000], [4000, 10]];
        assert_eq!(pages(&sampled(&few)), 3010);
        let last = *sampled(&many).last().unwrap();
        assert!(last[0] > 6 << 20, "{last:?}");
    }

    #[test]
    fn hidden_frames_are_no_figure() {
        let entries = |_: u64, bytes: &mut [u8]| {
            let (entries, _) = bytes.as_chunks_mut::<8>();
            entries.fill(PRESENT.to_ne_bytes());
            Ok(())
        };
        let hidden = stretch(&vec![[0, 3]], 0, entries, |_, _| Ok(()));
        assert_eq!(hidden.unwrap(), Stretch::Hidden);
    }
}
