//! A parent of a study, and how it shrinks for a host that has no room for it.

use crate::model::{Availability, Backing, PublishedFigure, SpaceRequest};

/// Entries in 1 MiB of pages of 4 KiB, which is what the studies count in.
pub(super) const PTES_PER_MIB: u64 = 256;

/// A parent that was published, and the address space that stands for it here.
#[derive(Debug, Clone, PartialEq)]
pub struct Parent {
    /// What the study calls it.
    pub name: String,
    /// Its VMAs, where they are known.
    pub vmas: Option<u64>,
    /// Page-table entries that its fork copies, where they are known.
    pub ptes: Option<u64>,
    /// What was published of it.
    pub figures: Vec<PublishedFigure>,
    /// What stands for it, or why nothing does.
    pub space: Availability<SpaceRequest>,
}

impl Parent {
    /// The same parent with an address space of a size that was halved so often;
    /// what was published of it stays.
    #[must_use]
    pub fn halved(self, halvings: u32) -> Self {
        Self {
            space: self.space.map(|space| halved(space, halvings)),
            ..self
        }
    }
}

/// Of many mappings there are fewer; a single one has fewer pages.
fn halved(space: &SpaceRequest, halvings: u32) -> SpaceRequest {
    let shrink = |count: u64| (count >> halvings).max(count.min(1));
    let mut space = space.clone();
    if let SpaceRequest::Mappings {
        mappings, pages, ..
    } = &mut space
    {
        let size = if *mappings > 1 { mappings } else { pages };
        *size = shrink(*size);
    }
    space
}

/// Private anonymous mappings with pages that were written to.
pub(super) fn mappings(mappings: u64, pages: u64, spacing: u64) -> SpaceRequest {
    SpaceRequest::Mappings {
        mappings,
        pages,
        spacing,
        backing: Backing::Anon,
        huge: false,
    }
}
