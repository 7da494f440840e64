//! What one program's address space has more than another's.

use super::Programs;
use crate::model::LoopSystem;
use crate::report::view::number::counted;

/// What there is more of; nothing is less.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) vmas: u64,
    pub(super) ptes: u64,
    pub(super) tables: u64,
}

impl Programs<'_> {
    /// How much larger the first program's address space is in every respect;
    /// `None` if it is smaller in one.
    pub(super) fn growth(&self, larger: LoopSystem, smaller: LoopSystem) -> Option<Growth> {
        let space = |system| self.looped(system)?.parent.measured();
        let (large, small) = (space(larger)?, space(smaller)?);
        let tables = large.page_table_bytes.checked_sub(small.page_table_bytes)?;
        Some(Growth {
            vmas: large.mappings.vmas.checked_sub(small.mappings.vmas)?,
            ptes: large
                .mappings
                .present_ptes
                .checked_sub(small.mappings.present_ptes)?,
            tables: tables / self.document.host.page_size.max(1),
        })
    }
}

impl Growth {
    /// "no VMA, 1,000 present PTEs and 47 page-table pages".
    pub(super) fn in_words(self) -> String {
        format!("{}, {}", some(self.vmas, "VMA"), self.pages())
    }

    /// "1,000 present PTEs and 47 page-table pages".
    pub(super) fn pages(self) -> String {
        let ptes = some(self.ptes, "present PTE");
        format!("{ptes} and {}", some(self.tables, "page-table page"))
    }
}

fn some(count: u64, noun: &str) -> String {
    match count {
        0 => format!("no {noun}"),
        count => counted(count, noun),
    }
}
