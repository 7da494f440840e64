//! The likeness of a process: its mappings and where their pages lie, without
//! any of their contents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The mappings of a process, as a worker can build them.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Likeness {
    /// Whose: a name for people.
    pub of: String,
    /// In ascending order of address, without those that every process of the
    /// C library has: libc, the loader, the stack, the kernel's own.
    pub regions: Vec<LikeRegion>,
    /// How many ancestors with the same memory it is to have, which live on beside it.
    #[serde(default, skip_serializing_if = "crate::model::is_zero")]
    pub generations: u64,
}

impl Likeness {
    /// Whether a userfaultfd is told of its forks.
    pub fn is_watched(&self) -> bool {
        self.regions.iter().any(|region| region.watched.is_some())
    }
}

/// One mapping.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct LikeRegion {
    /// The number of its first page, in ascending order: which page table it falls into
    /// matters.
    pub first_page: u64,
    /// Its length.
    pub pages: u64,
    /// What it is made of.
    pub backing: RegionKind,
    /// Whether it may be written to.
    pub writable: bool,
    /// Whether it may be accessed at all.
    pub readable: bool,
    /// Runs of pages that are the process's own: first page, counted from the
    /// mapping's start, and how many.
    pub written: Vec<[u64; 2]>,
    /// Runs of pages that are present and still the file's; of anonymous memory, that
    /// are the kernel's page of zeros.
    pub read: Vec<[u64; 2]>,
    /// Runs of pages, whole huge ones, that are the process's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub huge: Vec<[u64; 2]>,
    /// Runs of pages, whole huge ones, that are the kernel's huge page of zeros.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub huge_zero: Vec<[u64; 2]>,
    /// Runs of entries that are guards (MADV_GUARD_INSTALL), in the place of pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<[u64; 2]>,
    /// Of the pages that are the process's own, runs of those that are pinned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<[u64; 2]>,
    /// Whether a fork leaves it out (MADV_DONTFORK).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dontfork: bool,
    /// Whether it is not charged as committed memory (MAP_NORESERVE).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub noreserve: bool,
    /// How many of its own pages follow each other in physical memory, on average; 0
    /// where that is not known.
    #[serde(default, skip_serializing_if = "crate::model::is_zero")]
    pub stretch: u64,
    /// How many of them are to be parts of one large folio, a power of two; 0 for none.
    #[serde(default, skip_serializing_if = "crate::model::is_zero")]
    pub batch: u64,
    /// How many of the ancestors, from the last one on, have it as well, so that it has links
    /// to their `anon_vma` structures.
    #[serde(default, skip_serializing_if = "crate::model::is_zero")]
    pub generations: u64,
    /// What of it a userfaultfd is told, which is told of forks besides; absent for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<Watched>,
}

impl LikeRegion {
    /// One that may be read and written to, and has no page yet.
    pub fn untouched(first_page: u64, pages: u64, backing: RegionKind) -> Self {
        Self {
            first_page,
            pages,
            backing,
            writable: true,
            readable: true,
            written: Vec::new(),
            read: Vec::new(),
            huge: Vec::new(),
            huge_zero: Vec::new(),
            guards: Vec::new(),
            pinned: Vec::new(),
            dontfork: false,
            noreserve: false,
            stretch: 0,
            batch: 0,
            generations: 0,
            watched: None,
        }
    }

    /// Of its own pages, those that are to be in large folios and cannot be: all, if there are
    /// no folios of that size, and else those outside of whole ones if they are most. Of some
    /// that were cut by mprotect(2) no mapping holds a whole one.
    pub(in crate::model) fn out_of_folios(&self, gives: fn(u64) -> bool) -> u64 {
        let size = self.batch;
        if size <= 2 {
            return 0;
        }
        let whole = |[first, count]: &[u64; 2]| {
            let begin = self.first_page + first;
            let end = (begin + count) / size * size;
            end.saturating_sub(begin.next_multiple_of(size))
        };
        let all: u64 = self.written.iter().map(|run| run[1]).sum();
        let within: u64 = self.written.iter().map(whole).sum();
        match gives(size) {
            true if 2 * within >= all => 0,
            true => all - within,
            false => all,
        }
    }
}

/// What a userfaultfd is told of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watched {
    /// First faults.
    Faults,
    /// And writes.
    Writes,
}

/// What a mapping is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegionKind {
    /// Private anonymous memory.
    Anon,
    /// A private mapping of a file.
    File,
    /// Shared memory, of a file or anonymous.
    Shared,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_out_of_folios_that_are_not_to_be_had_or_that_no_mapping_holds() {
        let region = |first_page, batch, written: &[[u64; 2]]| LikeRegion {
            written: written.to_vec(),
            batch,
            ..LikeRegion::untouched(first_page, 4096, RegionKind::Anon)
        };
        let out = |first_page, batch, written: &[[u64; 2]]| {
            region(first_page, batch, written).out_of_folios(|_| true)
        };
        // A huge page whose first page mprotect(2) made a mapping of its own.
        assert_eq!(out(1, 512, &[[0, 511]]), 511);
        assert_eq!(out(512, 512, &[[0, 1024]]), 0);
        assert_eq!(out(500, 512, &[[0, 700]]), 0);
        assert_eq!(out(500, 512, &[[0, 24], [600, 400]]), 424);
        assert_eq!(out(0, 16, &[[3, 13], [20, 4]]), 17);
        assert_eq!(out(1, 0, &[[0, 511]]), 0);
        let none = region(512, 512, &[[0, 1024]]).out_of_folios(|_| false);
        assert_eq!(none, 1024);
    }
}
