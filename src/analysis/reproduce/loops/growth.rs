//! What one program's address space has more than another's.

use super::Programs;
use crate::model::LoopSystem;

/// What there is more of; nothing is less.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Growth {
    /// VMAs.
    pub vmas: u64,
    /// Present page-table entries.
    pub ptes: u64,
    /// Page-table pages.
    pub tables: u64,
}

impl Programs<'_> {
    /// How much larger the first program's address space is in every respect;
    /// `None` if it is smaller in one.
    pub fn growth(&self, larger: LoopSystem, smaller: LoopSystem) -> Option<Growth> {
        let space = |system| self.looped(system)?.parent.measured();
        let (large, small) = (space(larger)?, space(smaller)?);
        let tables = large.page_table_bytes.checked_sub(small.page_table_bytes)?;
        let (more, less) = (&large.mappings, &small.mappings);
        Some(Growth {
            vmas: more.vmas.checked_sub(less.vmas)?,
            ptes: more.present_ptes.checked_sub(less.present_ptes)?,
            tables: tables / self.document.host.page_size.max(1),
        })
    }
}
