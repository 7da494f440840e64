//! The skeleton of a parent: runs of equal mappings, a heap, what another process
//! has, and what is no memory: descriptors, threads and handlers.

use super::{LikenessError, PlacedLikeness};
use crate::model::{Backing, Likeness, SpaceRequest};
use crate::units::thousands;

/// Page-table entries are 8 bytes on every 64-bit architecture.
const ENTRY_BYTES: u64 = 8;
/// The stack of an idle thread: what `ulimit -s` says on most systems, and with it
/// what a program's threads have where it asks for nothing else.
pub const THREAD_STACK_BYTES: u64 = 8 << 20;
/// The mappings of an idle thread at the most: its stack, and the guard below it.
/// It has no guard of its own where libc installs it in the stack's page table
/// (glibc 2.42 on Linux 6.13, MADV_GUARD_INSTALL), and then neighbours may merge.
pub const THREAD_MAPPINGS: u64 = 2;
/// What every process has room for at the most: the user half of 48 bits on x86-64. A
/// process of arm64 has twice as much, or as much where pages have 16 KiB.
const ROOM: u64 = 1 << 47;

/// What the first address of every run of mappings is a multiple of: the reach of one
/// huge page, and of one page table (2 MiB with pages of 4 KiB).
pub const fn arena_align(page_size: u64) -> u64 {
    page_size / ENTRY_BYTES * page_size
}

/// What is to be built on top of an empty worker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    /// Runs of equal mappings, in ascending order of address.
    pub regions: Vec<Region>,
    /// Blocks from malloc.
    pub heap: Option<Heap>,
    /// The mappings of another process.
    pub likeness: Option<PlacedLikeness>,
    /// Open files.
    pub descriptors: Descriptors,
    /// Threads that sleep.
    pub threads: u64,
    /// Signals with a handler.
    pub handlers: u64,
}

/// Open files, each with a `struct file` of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Descriptors {
    /// Those that an exec keeps.
    pub plain: u64,
    /// Those that an exec closes.
    pub cloexec: u64,
    /// The number that one of them has at the least; 0 where any will do.
    pub highest: u64,
    /// How many their table has room for at the least; 0 where any will do.
    pub slots: u64,
}

impl Descriptors {
    /// All of them.
    pub fn count(&self) -> u64 {
        self.plain.saturating_add(self.cloexec)
    }
}

/// A run of equal mappings at equal distances, with a hole after each, so that
/// the kernel cannot merge two of them into one VMA (mm/vma.c, can_vma_merge_*); or with
/// none, where protections keep them apart.
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
    /// The sizes multiply past 64 bits or past the room of an address space.
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
    /// Blocks from malloc in two parts of one parent.
    #[error("a parent has one heap, and two parts grow it: ask for all blocks in one part")]
    TwoHeaps,
    /// Two processes in one parent.
    #[error("a parent can be like one other process, and two are named: leave out one of them")]
    TwoLikenesses,
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
        SpaceRequest::Threads { count } => {
            format!("the stacks of {} threads do", thousands(*count))
        }
        SpaceRequest::Descriptors { count, .. } => {
            format!("{} descriptors do", thousands(*count))
        }
        SpaceRequest::DescriptorTable { .. } => format!("{} do", request.in_words()),
        SpaceRequest::Handlers { count } => format!("{} handlers do", thousands(*count)),
        SpaceRequest::Jobs { count } => format!("{} parents do", thousands(*count)),
        SpaceRequest::Together { .. } => format!("{} together do", request.in_words()),
    }
}

impl Shape {
    /// The shape of a request.
    ///
    /// # Errors
    /// [`ShapeError`] when no address space can hold it.
    pub fn of(request: &SpaceRequest, page_size: u64) -> Result<Self, ShapeError> {
        let mut shape = Self::default();
        shape.add(request, page_size)?;
        // Each part fits by now, and all of them may still not.
        let spans = shape.regions.iter().filter_map(Region::span);
        let stacks = shape.threads.saturating_mul(THREAD_STACK_BYTES);
        if spans.fold(stacks, u64::saturating_add) >= ROOM {
            return Err(ShapeError::TooLarge(request.clone()));
        }
        Ok(shape)
    }

    /// Adds what a request, or a part of one, asks for.
    fn add(&mut self, request: &SpaceRequest, page_size: u64) -> Result<(), ShapeError> {
        match *request {
            SpaceRequest::Mappings { mappings: 0, .. } => {}
            SpaceRequest::Mappings { .. } => {
                let region = Region::of(request, page_size);
                let region = region.ok_or_else(|| ShapeError::TooLarge(request.clone()))?;
                self.regions.push(region);
            }
            SpaceRequest::Malloc { .. } if self.heap.is_some() => return Err(ShapeError::TwoHeaps),
            SpaceRequest::Malloc { .. } => self.heap = Heap::of(request, page_size)?,
            SpaceRequest::Likeness(ref likeness) => self.add_likeness(likeness, page_size)?,
            SpaceRequest::Descriptors { count, cloexec } => {
                let held = if cloexec {
                    &mut self.descriptors.cloexec
                } else {
                    &mut self.descriptors.plain
                };
                *held = held.saturating_add(count);
            }
            SpaceRequest::DescriptorTable { highest, slots } => {
                let held = &mut self.descriptors;
                (held.highest, held.slots) = (held.highest.max(highest), held.slots.max(slots));
            }
            SpaceRequest::Threads { count } => self.threads = self.threads.saturating_add(count),
            SpaceRequest::Handlers { count } => self.handlers = self.handlers.saturating_add(count),
            // What others have is no part of this one.
            SpaceRequest::Jobs { .. } => {}
            SpaceRequest::Together { ref parts } => {
                for part in parts {
                    self.add(part, page_size)?;
                }
            }
        }
        Ok(())
    }

    fn add_likeness(&mut self, likeness: &Likeness, page_size: u64) -> Result<(), ShapeError> {
        if self.likeness.is_some() {
            return Err(ShapeError::TwoLikenesses);
        }
        self.likeness = Some(PlacedLikeness::of(likeness, page_size)?);
        Ok(())
    }

    /// The pages that the parent can write to again: those that are touched, or
    /// one of each block from malloc, of which small ones share pages.
    pub fn rewritable_pages(&self, page_size: u64) -> u64 {
        let regions = self.regions.iter();
        let touched: u64 = regions.map(Region::rewritable_pages).sum();
        let heap = self.heap.map_or(0, |heap| {
            let pages = (heap.count * heap.bytes).div_ceil(page_size.max(1));
            (heap.count * heap.touches.max(1)).min(pages)
        });
        let placed = self
            .likeness
            .as_ref()
            .map_or(0, PlacedLikeness::rewritable_pages);
        touched + heap + placed
    }

    /// The mappings that are built.
    pub fn mappings(&self) -> u64 {
        let regions: u64 = self.regions.iter().map(|region| region.count).sum();
        let placed = self.likeness.as_ref();
        regions + placed.map_or(0, |placed| placed.mappings.len() as u64)
    }

    /// The pages that are present once it is built, those of its heap left out.
    pub fn present_pages(&self) -> u64 {
        let regions = self.regions.iter();
        let touched: u64 = regions.map(|region| region.count * region.touches).sum();
        touched
            + self
                .likeness
                .as_ref()
                .map_or(0, PlacedLikeness::present_pages)
    }
}

impl Heap {
    /// The blocks of a request; none if it asks for something else.
    fn of(request: &SpaceRequest, page_size: u64) -> Result<Option<Self>, ShapeError> {
        let SpaceRequest::Malloc {
            count,
            bytes,
            pages,
            spacing,
        } = *request
        else {
            return Ok(None);
        };
        let too_large = || ShapeError::TooLarge(request.clone());
        let distance = spacing.checked_mul(page_size).ok_or_else(too_large)?;
        count
            .checked_mul(bytes)
            .filter(|all| *all < ROOM)
            .ok_or_else(too_large)?;
        let reach = pages.saturating_sub(1).saturating_mul(distance);
        if pages > 0 && reach >= bytes {
            return Err(ShapeError::BlockTooSmall { bytes, pages });
        }
        Ok(Some(Self {
            count,
            bytes,
            touches: pages,
            distance,
        }))
    }
}

impl Region {
    /// The mappings of a request, if it asks for some that any address space holds.
    fn of(request: &SpaceRequest, page_size: u64) -> Option<Self> {
        let SpaceRequest::Mappings {
            mappings,
            pages,
            spacing,
            backing,
            huge,
        } = *request
        else {
            return None;
        };
        Self::new(mappings, pages, spacing, backing, huge, page_size)
    }

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
        let (len, stride) = if backing == Backing::AnonTouching {
            let whole = pages.checked_mul(spacing)?.max(1).checked_mul(page_size)?;
            (whole, whole)
        } else if huge {
            // A huge page needs an aligned reach of its own inside of one mapping, and
            // the hole after it keeps the alignment of the next.
            let huge = arena_align(page_size);
            let len = reach
                .checked_mul(page_size)?
                .checked_next_multiple_of(huge)?;
            (len, len.checked_add(huge)?)
        } else {
            (reach.checked_mul(page_size)?, slots.checked_mul(page_size)?)
        };
        let distance = spacing.checked_mul(page_size)?;
        let region = Self {
            count,
            len,
            stride,
            align: arena_align(page_size),
            touches: pages,
            distance,
            backing,
            huge,
        };
        region.span().filter(|span| *span < ROOM).map(|_| region)
    }

    /// The touched pages that can be written to again.
    fn rewritable_pages(&self) -> u64 {
        let writable = match self.backing {
            Backing::AnonTouching => self.count.div_ceil(2),
            _ => self.count,
        };
        writable * self.touches
    }

    /// Bytes from the first mapping's start to the last one's end and hole.
    pub fn span(&self) -> Option<u64> {
        let hole = if self.len == self.stride {
            self.align
        } else {
            0
        };
        self.count.checked_mul(self.stride)?.checked_add(hole)
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

    const HUGE: u64 = 2 << 20;

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
    fn mappings_that_touch_have_their_pages_at_the_same_distance_all_over() {
        let touching = |pages, spacing| {
            let request = SpaceRequest::Mappings {
                mappings: 5,
                pages,
                spacing,
                backing: Backing::AnonTouching,
                huge: false,
            };
            let shape = Shape::of(&request, 4096).unwrap();
            assert_eq!(shape.rewritable_pages(4096), 3 * pages);
            assert_eq!(shape.mappings(), 5);
            let region = &shape.regions[0];
            // The last one touches nothing either.
            assert!(region.span().unwrap() > 5 * region.stride);
            (region.len, region.stride)
        };
        assert_eq!(touching(1, 1), (4096, 4096));
        assert_eq!(touching(0, 1), (4096, 4096));
        assert_eq!(touching(3, 512), (3 * HUGE, 3 * HUGE));
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
        // 2,048 entries of 16 KiB.
        let shape = Shape::of(&request(4, 1, 1, true), 16 << 10).unwrap();
        let [ref region] = shape.regions[..] else {
            panic!("{shape:?}");
        };
        assert_eq!((region.len, region.align), (32 << 20, 32 << 20));
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

    fn blocks(count: u64) -> SpaceRequest {
        SpaceRequest::Malloc {
            count,
            bytes: 1_000,
            pages: 0,
            spacing: 1,
        }
    }

    fn together(parts: Vec<SpaceRequest>) -> SpaceRequest {
        SpaceRequest::Together { parts }
    }

    #[test]
    fn parts_are_built_in_one_parent() {
        let inner = together(vec![
            blocks(5),
            SpaceRequest::Descriptors {
                count: 2,
                cloexec: true,
            },
            SpaceRequest::Handlers { count: 3 },
        ]);
        let request = together(vec![
            request(10, 1, 1, false),
            inner,
            SpaceRequest::Descriptors {
                count: 7,
                cloexec: false,
            },
            request(4, 1, 1, true),
            SpaceRequest::Threads { count: 6 },
            SpaceRequest::Threads { count: 1 },
        ]);
        let shape = Shape::of(&request, 4096).unwrap();
        let counts: Vec<u64> = shape.regions.iter().map(|region| region.count).collect();
        assert_eq!(counts, [10, 4]);
        assert_eq!(shape.heap.map(|heap| heap.count), Some(5));
        let descriptors = Descriptors {
            plain: 7,
            cloexec: 2,
            ..Descriptors::default()
        };
        assert_eq!((shape.descriptors, descriptors.count()), (descriptors, 9));
        assert_eq!((shape.threads, shape.handlers), (7, 3));
    }

    #[test]
    fn a_parent_has_one_heap_and_is_like_one_process() {
        let two = together(vec![blocks(1), together(vec![blocks(1)])]);
        assert_eq!(Shape::of(&two, 4096), Err(ShapeError::TwoHeaps));
        let likeness = || {
            SpaceRequest::Likeness(Likeness {
                generations: 0,
                of: "a process".to_owned(),
                regions: Vec::new(),
            })
        };
        let two = together(vec![likeness(), likeness()]);
        assert_eq!(Shape::of(&two, 4096), Err(ShapeError::TwoLikenesses));
        assert!(Shape::of(&together(vec![likeness(), blocks(1)]), 4096).is_ok());
    }

    #[test]
    fn parts_that_fit_alone_are_refused_where_they_do_not_fit_together() {
        // Each reserves 96 TiB of 128.
        let half = || request(12_000, 1 << 20, 2, false);
        assert!(Shape::of(&half(), 4096).is_ok());
        let both = Shape::of(&together(vec![half(), half()]), 4096).unwrap_err();
        let half = half().in_words();
        let words = format!("{half} + {half} together do not fit into the address space");
        assert!(both.to_string().starts_with(&words), "{both}");
        let threads = SpaceRequest::Threads { count: 1 << 24 };
        let error = Shape::of(&threads, 4096).unwrap_err().to_string();
        assert!(error.starts_with("the stacks of 16,777,216 threads do not fit"));
    }

    /// Requests of all kinds but a likeness, and some inside of others.
    fn any_request() -> impl Strategy<Value = SpaceRequest> {
        let leaf = prop_oneof![
            (0..1_000_u64, 0..50_u64, 0..600_u64, any::<bool>()).prop_map(
                |(mappings, pages, spacing, huge)| request(mappings, pages, spacing, huge)
            ),
            (any::<u64>(), any::<bool>())
                .prop_map(|(count, cloexec)| SpaceRequest::Descriptors { count, cloexec }),
            (0..1_000_u64).prop_map(|count| SpaceRequest::Threads { count }),
            any::<u64>().prop_map(|count| SpaceRequest::Handlers { count }),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop::collection::vec(inner, 0..4).prop_map(together)
        })
    }

    proptest! {
        #[test]
        fn a_whole_is_what_its_parts_are(parts in prop::collection::vec(any_request(), 0..4)) {
            let whole = together(parts.clone());
            let nested = together(vec![together(Vec::new()), whole.clone()]);
            let shape = Shape::of(&whole, 4096).unwrap();
            prop_assert_eq!(&shape, &Shape::of(&nested, 4096).unwrap());
            let each: Vec<Shape> =
                parts.iter().map(|part| Shape::of(part, 4096).unwrap()).collect();
            let regions: Vec<Region> = each.iter().flat_map(|part| part.regions.clone()).collect();
            prop_assert_eq!(&shape.regions, &regions);
            prop_assert_eq!(shape.mappings(), whole.mappings());
            let sum = |of: fn(&Shape) -> u64| each.iter().map(of).fold(0, u64::saturating_add);
            prop_assert_eq!(shape.present_pages(), sum(Shape::present_pages));
            prop_assert_eq!(shape.threads, sum(|part| part.threads));
            prop_assert_eq!(shape.handlers, sum(|part| part.handlers));
            prop_assert_eq!(shape.descriptors.plain, sum(|part| part.descriptors.plain));
            prop_assert_eq!(shape.descriptors.cloexec, sum(|part| part.descriptors.cloexec));
            prop_assert_eq!(whole.threads(), shape.threads);
            prop_assert_eq!(whole.handlers(), shape.handlers);
            prop_assert_eq!(whole.descriptors(), shape.descriptors.count());
        }

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
