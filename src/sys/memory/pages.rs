//! Pages that are written to again, to see what a fork made of them.

use std::io;
use std::sync::atomic::Ordering;

use super::page_size;
use crate::sys::shared::SharedWords;

/// A sample of the pages that were touched, evenly spread over them, to be
/// written to again. The list itself is left out of forks.
#[derive(Debug)]
pub struct Pages {
    addresses: Option<SharedWords>,
    kept: usize,
    seen: usize,
    of: usize,
    /// The page that was seen last: small blocks share pages.
    last: usize,
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
        let Some(addresses) = &self.addresses else {
            return;
        };
        let number = page as usize / page_size();
        if number == self.last {
            return;
        }
        self.last = number;
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

    /// Writes one byte to each page.
    pub fn write(&self) {
        let Some(addresses) = &self.addresses else {
            return;
        };
        for word in &addresses.words()[..self.kept] {
            let page = word.load(Ordering::Relaxed) as *mut u8;
            // SAFETY: `note` took the address from a mapping or a block of this
            // module that is writable, belongs to nobody else and stays until
            // the process ends; the list is this process's alone.
            unsafe { page.write_volatile(1) };
        }
    }
}
