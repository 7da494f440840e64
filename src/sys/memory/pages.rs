//! Pages that are written to again, to see what a fork made of them.

use std::io;
use std::sync::atomic::Ordering;

use super::page_size;
use crate::sys::shared::SharedWords;

/// A page that can be written to again. Only a list of pages makes one.
#[derive(Debug, Clone, Copy)]
pub struct Page(*mut u8);

impl Page {
    /// No page at all, to be replaced.
    pub const NONE: Self = Self(std::ptr::null_mut());

    /// Writes one byte to it.
    #[inline]
    pub fn write(self) {
        if self.0.is_null() {
            return;
        }
        // SAFETY: a page that is not null was noted, by itself or as one of a huge page's,
        // in a mapping or a block of this module that is writable, belongs to nobody else
        // and stays until the process ends; a forked child has it as a copy of its own.
        unsafe { self.0.write_volatile(1) };
    }
}

/// A sample of the pages that were touched, or of the huge ones among them, evenly spread
/// over them, to be written to again. The list itself is left out of forks.
#[derive(Debug)]
pub struct Pages {
    addresses: Option<SharedWords>,
    kept: usize,
    seen: usize,
    of: usize,
    /// The page that was seen last: small blocks share pages.
    last: usize,
    /// Pages of each that is kept, from its first on: those of a huge one, or 1.
    each: usize,
    /// Pages of huge ones that were noted one after the other, with the last.
    row: usize,
}

impl Pages {
    /// Keeps nothing.
    pub fn none() -> Self {
        Self {
            addresses: None,
            kept: 0,
            seen: 0,
            of: 1,
            last: 0,
            each: 1,
            row: 0,
        }
    }

    /// Will keep `wanted` of the `of` pages that are going to be touched, or all
    /// of them if there are fewer.
    ///
    /// # Errors
    /// Those of mapping the list.
    pub fn sample(wanted: usize, of: usize) -> io::Result<Self> {
        let wanted = wanted.min(of);
        if wanted == 0 {
            return Ok(Self::none());
        }
        Ok(Self {
            addresses: Some(SharedWords::anonymous(wanted)?),
            of,
            ..Self::none()
        })
    }

    /// The same of huge pages.
    ///
    /// # Errors
    /// Those of mapping the list.
    pub fn sample_huge(wanted: usize, of: usize) -> io::Result<Self> {
        Ok(Self {
            each: page_size() / size_of::<u64>(),
            ..Self::sample(wanted, of)?
        })
    }

    /// How many were kept.
    pub fn len(&self) -> usize {
        self.kept
    }

    /// Whether none were kept.
    pub fn is_empty(&self) -> bool {
        self.kept == 0
    }

    /// Where the list lies, if there is one.
    pub fn range(&self) -> Option<[usize; 2]> {
        self.addresses.as_ref().map(SharedWords::range)
    }

    /// Takes a page into the sample if it is its turn. For the parent module only,
    /// which knows that the page stays writable until the process ends.
    pub(super) fn note(&mut self, page: *mut u8) {
        let number = page as usize / page_size();
        if self.each > 1 || number == self.last {
            return;
        }
        self.last = number;
        self.take(page);
    }

    /// The same of a page of a huge one, which is taken with the last of its pages.
    pub(super) fn note_huge(&mut self, page: *mut u8) {
        if self.each == 1 {
            return;
        }
        let number = page as usize / page_size();
        self.row = if number == self.last + 1 {
            self.row + 1
        } else {
            1
        };
        self.last = number;
        if (number + 1).is_multiple_of(self.each) && self.row >= self.each {
            self.take(page.wrapping_byte_sub((self.each - 1) * page_size()));
        }
    }

    fn take(&mut self, page: *mut u8) {
        let Some(addresses) = &self.addresses else {
            return;
        };
        let words = addresses.words();
        let is_due = self.seen * words.len() / self.of >= self.kept;
        self.seen += 1;
        if let Some(word) = words.get(self.kept).filter(|_| is_due) {
            word.store(page as u64, Ordering::Relaxed);
            self.kept += 1;
        }
    }

    /// The pages' addresses.
    #[cfg(test)]
    pub(super) fn addresses(&self) -> impl Iterator<Item = u64> {
        let words = self.addresses.iter().flat_map(SharedWords::words);
        words
            .take(self.kept)
            .map(|word| word.load(Ordering::Relaxed))
    }

    /// Writes one byte to each page, of huge ones to each of their pages.
    pub fn write(&self) {
        let size = page_size();
        for Page(first) in self.pages() {
            for index in 0..self.each {
                Page(first.wrapping_byte_add(index * size)).write();
            }
        }
    }

    /// Copies pages into a list that a forked child has too, as far as both reach;
    /// how many.
    pub fn copy_to(&self, list: &mut [Page]) -> usize {
        let pairs = list.iter_mut().zip(self.pages());
        pairs.map(|(place, page)| *place = page).count()
    }

    fn pages(&self) -> impl Iterator<Item = Page> {
        let words = self.addresses.iter().flat_map(SharedWords::words);
        words
            .take(self.kept)
            .map(|word| Page(word.load(Ordering::Relaxed) as *mut u8))
    }
}
