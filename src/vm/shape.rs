//! The skeleton of an address space: runs of equal mappings, a heap, or what
//! another process has.

use super::{LikenessError, Replica};
use crate::model::{Backing, SpaceRequest};
use crate::units::thousands;

/// The reach of one huge page, and of one page table of 4 KiB pages.
const HUGE: u64 = 2 << 20;
/// What the first address of every run of mappings is a multiple of.
pub const ARENA_ALIGN: u64 = HUGE;

/// What is to be built on top of an empty worker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    /// Runs of equal mappings, in ascending order of address.
    pub regions: Vec<Region>,
    /// Blocks from malloc.
    pub heap: Option<Heap>,
    /// The mappings of another process.
    pub replica: Option<Replica>,
}

/// A run of equal mappings at equal distances, with a hole after each, so that
/// the kernel cannot merge two of them into one VMA (mm/vma.c, can_vma_merge_*).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// How many mappings.
    pub count: u64,
    /// Bytes of each.
    pub len: u64,
    /// Bytes from the start of one to the start of the next.
    pub stride: u64,
    /// What the first mapping's address is a multiple of.
    pub align: u64,
    /// Pages written to in each.
    pub touches: u64,
    /// Bytes from one of those pages to the next.
    pub distance: u64,
    /// What the mappings are made of.
    pub backing: Backing,
    /// Whether huge pages are asked for.
    pub huge: bool,
}

/// Equal blocks from malloc.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heap {
    /// How many blocks.
    pub count: u64,
    /// Bytes of each.
    pub bytes: u64,
    /// Pages written to in each.
    pub touches: u64,
    /// Bytes from one of those pages to the next.
    pub distance: u64,
}

/// A request that no address space can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// The sizes multiply past 64 bits or past the 47 bits of user space.
    #[error("{} not fit into the address space: ask for fewer or smaller ones", describe(.0))]
    TooLarge(SpaceRequest),
    /// Pages are to be written to that lie beyond the block.
    #[error("a block of {bytes} bytes has no {pages} pages at that spacing: ask for larger blocks")]
    BlockTooSmall {
        /// Bytes of the block.
        bytes: u64,
        /// Pages asked for.
        pages: u64,
    },
    /// The mappings of another process are none.
    #[error(transparent)]
    Likeness(#[from] LikenessError),
}

fn describe(request: &SpaceRequest) -> String {
    match request {
        SpaceRequest::Mappings {
            mappings,
            pages,
            spacing,
            ..
        } => format!(
            "{} mappings of {} pages at a spacing of {} do",
            thousands(*mappings),
            thousands(*pages),
            thousands(*spacing)
        ),
        SpaceRequest::Malloc { count, bytes, .. } => {
            format!(
                "{} blocks of {} bytes do",
                thousands(*count),
                thousands(*bytes)
            )
        }
        SpaceRequest::Likeness(likeness) => format!("the mappings of {} do", likeness.of),
        _ => "these parts do".to_owned(),
    }
}

impl Shape {
    /// The shape of a request.
    ///
    /// # Errors
    /// [`ShapeError`] when no address space can hold it.
    pub fn of(request: &SpaceRequest, page_size: u64) -> Result<Self, ShapeError> {
        let too_large = || ShapeError::TooLarge(request.clone());
        match *request {
            SpaceRequest::Likeness(ref likeness) => Ok(Self {
                replica: Some(Replica::of(likeness, page_size)?),
                ..Self::default()
            }),
            SpaceRequest::Mappings { mappings: 0, .. } => Ok(Self::default()),
            SpaceRequest::Descriptors { .. }
            | SpaceRequest::Threads { .. }
            | SpaceRequest::Handlers { .. }
            | SpaceRequest::Together { .. } => Err(too_large()),
            SpaceRequest::Mappings {
                mappings,
                pages,
                spacing,
                backing,
                huge,
            } => {
                let region = Region::new(mappings, pages, spacing, backing, huge, page_size);
                let region = region.ok_or_else(too_large)?;
                Ok(Self {
                    regions: vec![region],
                    ..Self::default()
                })
            }
            SpaceRequest::Malloc {
                count,
                bytes,
                pages,
                spacing,
            } => {
                let distance = spacing.checked_mul(page_size).ok_or_else(too_large)?;
                count
                    .checked_mul(bytes)
                    .filter(|all| *all < 1 << 47)
                    .ok_or_else(too_large)?;
                let reach = pages.saturating_sub(1).saturating_mul(distance);
                if pages > 0 && reach >= bytes {
                    return Err(ShapeError::BlockTooSmall { bytes, pages });
                }
                let heap = Heap {
                    count,
                    bytes,
                    touches: pages,
                    distance,
                };
                Ok(Self {
                    heap: Some(heap),
                    ..Self::default()
                })
            }
        }
    }

    /// The pages that the parent can write to again: those that are touched, or
    /// one of each block from malloc, of which small ones share pages.
    pub fn rewritable_pages(&self, page_size: u64) -> u64 {
        let regions = self.regions.iter();
        let touched: u64 = regions.map(|region| region.count * region.touches).sum();
        let heap = self.heap.map_or(0, |heap| {
            let pages = (heap.count * heap.bytes).div_ceil(page_size.max(1));
            (heap.count * heap.touches.max(1)).min(pages)
        });
        let replica = self.replica.as_ref().map_or(0, Replica::rewritable_pages);
        touched + heap + replica
    }

    /// The mappings that are built.
    pub fn mappings(&self) -> u64 {
        let regions: u64 = self.regions.iter().map(|region| region.count).sum();
        let replica = self.replica.as_ref();
        regions + replica.map_or(0, |replica| replica.mappings.len() as u64)
    }

    /// The pages that are present once it is built, those of its heap left out.
    pub fn present_pages(&self) -> u64 {
        let regions = self.regions.iter();
        let touched: u64 = regions.map(|region| region.count * region.touches).sum();
        touched + self.replica.as_ref().map_or(0, Replica::present_pages)
    }
}

impl Region {
    /// Mappings whose touched pages are `spacing` pages apart, also from one
    /// mapping to the next: at 512 each page needs a page table of its own.
    fn new(
        count: u64,
        pages: u64,
        spacing: u64,
        backing: Backing,
        huge: bool,
        page_size: u64,
    ) -> Option<Self> {
        let spacing = spacing.max(1);
        let reach = pages
            .saturating_sub(1)
            .checked_mul(spacing)?
            .checked_add(1)?;
        let slots = reach.checked_add(1)?.max(pages.checked_mul(spacing)?);
        let (len, stride) = if huge {
            // A huge page needs an aligned 2 MiB inside of one mapping, and the
            // hole after it keeps the alignment of the next.
            let len = reach
                .checked_mul(page_size)?
                .checked_next_multiple_of(HUGE)?;
            (len, len.checked_add(HUGE)?)
        } else {
            (reach.checked_mul(page_size)?, slots.checked_mul(page_size)?)
        };
        let distance = spacing.checked_mul(page_size)?;
        let region = Self {
            count,
            len,
            stride,
            align: ARENA_ALIGN,
            touches: pages,
            distance,
            backing,
            huge,
        };
        region.span().filter(|span| *span < 1 << 47).map(|_| region)
    }

    /// Bytes from the first mapping's start to the last one's end and hole.
    pub fn span(&self) -> Option<u64> {
        self.count.checked_mul(self.stride)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(mappings: u64, pages: u64, spacing: u64, huge: bool) -> SpaceRequest {
        SpaceRequest::Mappings {
            mappings,
            pages,
            spacing,
            backing: Backing::Anon,
            huge,
        }
    }

    fn region(mappings: u64, pages: u64, spacing: u64, huge: bool) -> Region {
        Shape::of(&request(mappings, pages, spacing, huge), 4096)
            .unwrap()
            .regions[0]
            .clone()
    }

    #[test]
    fn one_page_each_leaves_a_hole_of_one_page() {
        let region = region(10, 1, 1, false);
        assert_eq!((region.len, region.stride), (4096, 8192));
    }

    #[test]
    fn untouched_mappings_are_one_page_long() {
        let region = region(10, 0, 1, false);
        assert_eq!((region.len, region.stride, region.touches), (4096, 8192, 0));
    }

    #[test]
    fn a_spacing_of_512_puts_every_page_into_a_table_of_its_own() {
        let one = region(10, 1, 512, false);
        assert_eq!((one.len, one.stride, one.align), (4096, HUGE, HUGE));
        let three = region(10, 3, 512, false);
        assert_eq!((three.stride, three.distance), (3 * HUGE, HUGE));
        assert!(three.len < three.stride);
    }

    #[test]
    fn huge_pages_get_whole_aligned_mappings() {
        let region = region(4, 1, 1, true);
        assert_eq!((region.len, region.stride), (HUGE, 2 * HUGE));
    }

    #[test]
    fn what_fits_nowhere_is_refused() {
        assert!(Shape::of(&request(60_000, 1_000_000_000, 1, false), 4096).is_err());
        assert!(Shape::of(&request(u64::MAX, u64::MAX, u64::MAX, true), 4096).is_err());
        let heap = SpaceRequest::Malloc {
            count: 1,
            bytes: 100,
            pages: 2,
            spacing: 1,
        };
        assert!(matches!(
            Shape::of(&heap, 4096),
            Err(ShapeError::BlockTooSmall { .. })
        ));
    }

    proptest! {
        #[test]
        fn a_mapping_ends_before_the_next_and_holds_its_touches(
            mappings in 1..100_000_u64, pages in 0..5_000_u64, spacing in 0..2_000_u64, huge: bool
        ) {
            if let Ok(shape) = Shape::of(&request(mappings, pages, spacing, huge), 4096) {
                let region = &shape.regions[0];
                prop_assert!(region.len < region.stride);
                prop_assert!(region.touches.saturating_sub(1) * region.distance < region.len);
            }
        }
    }
}
