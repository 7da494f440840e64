//! What an address space will take, estimated from its order alone.
//!
//! Every figure is an upper estimate within reason, in saturating arithmetic:
//! an absurd order must come out as absurdly large, never wrapped to small.

use crate::model::{Backing, Likeness, RegionKind, SpaceRequest};
use crate::vm::{Replica, ReplicaMapping};

/// A `vm_area_struct` and its share of a maple-tree node.
const VMA_BYTES: u64 = 320;
/// An `anon_vma` and the chain link that ties it to its VMA.
const ANON_VMA_BYTES: u64 = 192;
/// The same in the fork's copy, which has one more link, to the parent's
/// `anon_vma` (mm/rmap.c, `anon_vma_fork`).
const ANON_VMA_COPY_BYTES: u64 = 256;
/// Page-table entries are 8 bytes on every 64-bit architecture.
const ENTRY_BYTES: u64 = 8;
/// glibc maps a block of this size on its own, unless it was told otherwise.
const MMAP_THRESHOLD: u64 = 128 << 10;
/// What glibc puts in front of a block; it is also the blocks' alignment.
const BLOCK_HEADER: u64 = 16;
/// What the start of an arena is a multiple of (vm::Region::align).
const ARENA_ALIGN: u64 = 2 << 20;
/// The VMAs that a heap ends up in: `[heap]`, and separately mapped blocks,
/// which the kernel merges as they lie side by side with the same protection.
const HEAP_VMAS: u64 = 2;
/// The worker, its child, and the child's own child where a shell is between.
const PROCESSES: u64 = 3;

/// What an address space takes of everything that may be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// VMAs, the worker's own not included.
    pub mappings: u64,
    /// Pages of memory, in bytes, that become resident.
    pub resident_bytes: u64,
    /// Page-table pages of the worker and of a fork's copy.
    pub page_tables_bytes: u64,
    /// Virtual memory.
    pub address_space_bytes: u64,
    /// Of it, private and writable: what `RLIMIT_DATA` and overcommit charge.
    pub private_bytes: u64,
    /// VMAs and `anon_vma` structures of the worker and of a fork's copy.
    pub kernel_bytes: u64,
    /// Processes that run at the same time.
    pub processes: u64,
}

impl Need {
    /// What this order will take on a host with pages of this size.
    pub fn of(request: &SpaceRequest, page_size: u64) -> Self {
        match *request {
            SpaceRequest::Likeness(ref likeness) => alike(likeness, page_size),
            SpaceRequest::Mappings {
                mappings,
                pages,
                spacing,
                backing,
                huge,
            } => Layout::new(page_size, pages, spacing, huge).mappings(mappings, backing),
            SpaceRequest::Malloc {
                count,
                bytes,
                pages,
                spacing,
            } => heap(page_size, count, bytes, pages, spacing),
        }
    }

    /// All memory that the kernel must find for it.
    pub fn memory_bytes(&self) -> u64 {
        self.resident_bytes
            .saturating_add(self.page_tables_bytes)
            .saturating_add(self.kernel_bytes)
    }
}

/// One mapping of an order, in pages.
struct Layout {
    page_size: u64,
    /// Pages that the mapping covers.
    span: u64,
    /// Pages from one mapping's start to the next one's.
    stride: u64,
    /// Pages that become resident in it.
    resident: u64,
    /// Page-table entries that point to them: one for a huge page.
    entries: u64,
}

impl Layout {
    fn new(page_size: u64, pages: u64, spacing: u64, huge: bool) -> Self {
        let span = span(pages, spacing);
        if !huge {
            return Self {
                page_size,
                span,
                stride: span.saturating_add(1).max(pages.saturating_mul(spacing)),
                resident: pages,
                entries: pages,
            };
        }
        // A PMD entry maps what a full page table would: 512 pages of 4 KiB.
        let huge_page = page_size / ENTRY_BYTES;
        let huge_pages = pages.min(span.div_ceil(huge_page));
        Self {
            page_size,
            span: round_up(span, huge_page),
            stride: round_up(span, huge_page).saturating_add(huge_page),
            resident: huge_pages.saturating_mul(huge_page),
            entries: huge_pages,
        }
    }

    fn mappings(&self, count: u64, backing: Backing) -> Need {
        let size = self.page_size;
        let private_bytes = count.saturating_mul(self.span).saturating_mul(size);
        let mut resident = count.saturating_mul(self.resident);
        if count > 0 && backing == Backing::File {
            // The pages of the file itself, which all mappings share.
            resident = resident.saturating_add(self.resident);
        }
        let anon = backing != Backing::Shared && self.entries > 0;
        let structures = if anon {
            2 * VMA_BYTES + ANON_VMA_BYTES + ANON_VMA_COPY_BYTES
        } else {
            2 * VMA_BYTES
        };
        Need {
            mappings: count,
            resident_bytes: resident.saturating_mul(size),
            page_tables_bytes: self.tables(count).saturating_mul(2).saturating_mul(size),
            // The arena of all mappings and their gaps is found as a whole.
            address_space_bytes: match count {
                0 => 0,
                _ => count
                    .saturating_mul(self.stride)
                    .saturating_mul(size)
                    .saturating_add(ARENA_ALIGN),
            },
            private_bytes: match backing {
                Backing::Shared => 0,
                Backing::Anon | Backing::File => private_bytes,
            },
            kernel_bytes: count.saturating_mul(structures),
            processes: PROCESSES,
        }
    }

    /// Page-table pages: those of the whole length that the mappings are spread
    /// over; but no entry needs more than one of each level.
    fn tables(&self, count: u64) -> u64 {
        let entries = count.saturating_mul(self.entries);
        let fan_out = self.page_size / ENTRY_BYTES;
        let length = count.saturating_mul(self.stride);
        let mut pages = length;
        let mut tables = 0_u64;
        // PTE, PMD and PUD tables; VmPTE counts no more than these either.
        for _ in 0..3 {
            pages = pages.div_ceil(fan_out);
            tables = tables.saturating_add(pages.saturating_add(1).min(entries));
        }
        tables
    }
}

/// Blocks from `malloc`: which pages a block begins in is not known, so each
/// has one page more than was asked for, but all have no more than there is.
fn heap(page_size: u64, count: u64, bytes: u64, pages: u64, spacing: u64) -> Need {
    let chunk = if bytes >= MMAP_THRESHOLD {
        round_up(bytes.saturating_add(BLOCK_HEADER), page_size)
    } else {
        round_up(bytes.saturating_add(BLOCK_HEADER), BLOCK_HEADER)
    };
    let address_space_bytes = round_up(count.saturating_mul(chunk), page_size);
    // Pages beyond the block's end cannot be written.
    let written = pages.min(chunk.div_ceil(page_size).div_ceil(spacing.max(1)));
    let resident_bytes = count
        .saturating_mul(written.saturating_add(1))
        .saturating_mul(page_size)
        .min(address_space_bytes);
    let region = Layout {
        page_size,
        span: address_space_bytes / page_size,
        stride: address_space_bytes / page_size,
        resident: resident_bytes / page_size,
        entries: resident_bytes / page_size,
    };
    Need {
        mappings: HEAP_VMAS,
        kernel_bytes: HEAP_VMAS * (2 * VMA_BYTES + ANON_VMA_BYTES + ANON_VMA_COPY_BYTES),
        address_space_bytes,
        ..region.mappings(1, Backing::Anon)
    }
}

/// Another process's mappings. What is none of any process has no layout, and
/// needs more than there is.
fn alike(likeness: &Likeness, page_size: u64) -> Need {
    let mappings = likeness.regions.len() as u64;
    let Ok(replica) = Replica::of(likeness, page_size) else {
        return Need {
            mappings,
            resident_bytes: u64::MAX,
            page_tables_bytes: u64::MAX,
            address_space_bytes: u64::MAX,
            private_bytes: u64::MAX,
            kernel_bytes: u64::MAX,
            processes: PROCESSES,
        };
    };
    let of_kind = |kind| replica.mappings.iter().filter(move |m| m.backing == kind);
    // Below a page of its own that a file mapping has is the file's page.
    let below: u64 = of_kind(RegionKind::File).map(|m| m.written_pages()).sum();
    let charged = |m: &&ReplicaMapping| {
        m.backing != RegionKind::Shared && (m.writable || !m.written.is_empty())
    };
    let private = replica.mappings.iter().filter(charged);
    let anon = replica.anon_mappings();
    // And one table of each of the two highest levels.
    let tables = replica.tables.saturating_add(2);
    Need {
        mappings,
        resident_bytes: replica
            .present_pages()
            .saturating_add(below)
            .saturating_mul(page_size),
        page_tables_bytes: tables.saturating_mul(2).saturating_mul(page_size),
        // The arena is found as a whole.
        address_space_bytes: match mappings {
            0 => 0,
            _ => replica.span.saturating_add(replica.align),
        },
        private_bytes: private.map(|m| m.len).sum(),
        kernel_bytes: (mappings * 2 * VMA_BYTES)
            .saturating_add(anon * (ANON_VMA_BYTES + ANON_VMA_COPY_BYTES)),
        processes: PROCESSES,
    }
}

/// Pages from the first to the last that is written; a mapping has at least one.
fn span(pages: u64, spacing: u64) -> u64 {
    pages
        .saturating_sub(1)
        .saturating_mul(spacing.max(1))
        .saturating_add(1)
}

/// The next multiple, or the largest number there is.
fn round_up(value: u64, multiple: u64) -> u64 {
    value.checked_next_multiple_of(multiple).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LikeRegion;
    use crate::vm::Shape;
    use proptest::prelude::*;

    const PAGE: u64 = 4096;

    fn mappings(mappings: u64, pages: u64, spacing: u64, backing: Backing, huge: bool) -> Need {
        let request = SpaceRequest::Mappings {
            mappings,
            pages,
            spacing,
            backing,
            huge,
        };
        Need::of(&request, PAGE)
    }

    fn malloc(count: u64, bytes: u64, pages: u64) -> Need {
        let request = SpaceRequest::Malloc {
            count,
            bytes,
            pages,
            spacing: 1,
        };
        Need::of(&request, PAGE)
    }

    #[test]
    fn one_page_mappings_take_a_page_each_and_share_page_tables() {
        let need = mappings(1_000, 1, 1, Backing::Anon, false);
        assert_eq!(need.mappings, 1_000);
        assert_eq!(need.resident_bytes, 1_000 * PAGE);
        assert_eq!(need.private_bytes, 1_000 * PAGE);
        // With a gap of a page after each, and what the start may be moved.
        assert_eq!(need.address_space_bytes, 2_000 * PAGE + (2 << 20));
        // 2,000 pages with the gaps: 4 PTE tables and one more at the edge,
        // a PMD and a PUD table with one more each; twice for the copy.
        assert_eq!(need.page_tables_bytes, 2 * 9 * PAGE);
        assert_eq!(need.kernel_bytes, 1_000 * (320 + 192 + 320 + 256));
    }

    #[test]
    fn spread_pages_take_a_page_table_each() {
        let need = mappings(1, 1_000, 512, Backing::Anon, false);
        assert_eq!(need.private_bytes, (999 * 512 + 1) * PAGE);
        assert_eq!(need.address_space_bytes, 1_000 * 512 * PAGE + (2 << 20));
        assert_eq!(need.resident_bytes, 1_000 * PAGE);
        assert!(need.page_tables_bytes >= 2 * 1_000 * PAGE);
        assert!(need.page_tables_bytes <= 2 * 1_010 * PAGE);
    }

    #[test]
    fn untouched_mappings_take_no_memory_but_the_vmas() {
        let need = mappings(10_000, 0, 1, Backing::Anon, false);
        assert_eq!((need.resident_bytes, need.page_tables_bytes), (0, 0));
        assert_eq!(need.memory_bytes(), need.kernel_bytes);
        assert_eq!(need.kernel_bytes, 10_000 * 640);
    }

    #[test]
    fn huge_pages_are_resident_as_a_whole() {
        let need = mappings(10, 1, 1, Backing::Anon, true);
        assert_eq!(need.private_bytes, 10 * (2 << 20));
        assert_eq!(need.address_space_bytes, 21 * (2 << 20));
        assert_eq!(need.resident_bytes, 10 * (2 << 20));
        let spread = mappings(1, 4, 1024, Backing::Anon, true);
        assert_eq!(spread.private_bytes, 7 * (2 << 20));
        assert_eq!(spread.resident_bytes, 4 * (2 << 20));
    }

    #[test]
    fn shared_mappings_have_no_anon_vma_and_are_not_private() {
        let need = mappings(100, 1, 1, Backing::Shared, false);
        assert_eq!(need.kernel_bytes, 100 * 640);
        assert_eq!(need.private_bytes, 0);
    }

    #[test]
    fn a_file_is_resident_once_besides_its_copies() {
        let need = mappings(100, 3, 1, Backing::File, false);
        assert_eq!(need.resident_bytes, 303 * PAGE);
        assert_eq!(mappings(0, 3, 1, Backing::File, false).memory_bytes(), 0);
    }

    #[test]
    fn a_heap_has_no_mappings_to_speak_of() {
        let need = malloc(1_000, 100_000, 0);
        assert_eq!(need.mappings, 2);
        assert_eq!(need.address_space_bytes, round_up(1_000 * 100_016, PAGE));
        assert_eq!(need.resident_bytes, 1_000 * PAGE);
        assert_eq!(malloc(1_000, 100_000, 2).resident_bytes, 3_000 * PAGE);
    }

    fn like(regions: Vec<LikeRegion>) -> Need {
        let of = "a process".to_owned();
        Need::of(&SpaceRequest::Likeness(Likeness { of, regions }), PAGE)
    }

    fn region(first_page: u64, pages: u64, backing: RegionKind) -> LikeRegion {
        LikeRegion {
            first_page,
            pages,
            backing,
            writable: false,
            readable: true,
            written: Vec::new(),
            read: Vec::new(),
        }
    }

    #[test]
    fn a_likeness_takes_what_its_process_has() {
        let none = like(Vec::new());
        assert_eq!((none.mappings, none.address_space_bytes), (0, 0));
        let mut heap = region(512, 1_000, RegionKind::Anon);
        heap.writable = true;
        heap.written = vec![[0, 600]];
        let mut text = region(2_000, 10, RegionKind::File);
        text.read = vec![[0, 3]];
        let mut data = region(2_010, 4, RegionKind::File);
        data.written = vec![[1, 2]];
        let need = like(vec![heap, text, data, region(2_020, 7, RegionKind::Shared)]);
        assert_eq!(need.mappings, 4);
        assert_eq!(need.resident_bytes, (600 + 3 + 2 + 2) * PAGE);
        assert_eq!(need.private_bytes, 1_004 * PAGE);
        assert_eq!(need.address_space_bytes, 2_027 * PAGE + (1 << 30));
        // Tables of the pages 512 to 1111, and of 2000 to 2012; one above; two at the top.
        assert_eq!(need.page_tables_bytes, 2 * (3 + 1 + 2) * PAGE);
        assert_eq!(need.kernel_bytes, 4 * 640 + 2 * (192 + 256));
    }

    #[test]
    fn what_is_no_likeness_never_fits() {
        let need = like(vec![region(u64::MAX, 2, RegionKind::Anon)]);
        assert_eq!(need.memory_bytes(), u64::MAX);
    }

    #[test]
    fn small_blocks_share_their_pages() {
        let need = malloc(1_000_000, 16, 0);
        assert_eq!(need.resident_bytes, 32_002_048);
    }

    #[test]
    fn absurd_orders_stay_absurd() {
        let need = mappings(60_000, 1_000_000_000, 1, Backing::Anon, false);
        assert_eq!(need.resident_bytes, 60_000 * 1_000_000_000 * PAGE);
        assert_eq!(
            malloc(u64::MAX, u64::MAX, u64::MAX).memory_bytes(),
            u64::MAX
        );
    }

    /// What the builder reserves at once (sys::memory::Arena::find).
    fn reserved(request: &SpaceRequest) -> u64 {
        let shape = Shape::of(request, PAGE).unwrap();
        let regions = shape.regions.iter();
        regions.map(|r| r.span().unwrap() + r.align).sum()
    }

    proptest! {
        #[test]
        fn the_arena_that_is_reserved_is_counted(
            mappings in 0_u64..70_000, pages in 0_u64..600, spacing in 1_u64..600, huge: bool,
            backing in prop::sample::select(vec![Backing::Anon, Backing::Shared, Backing::File]),
        ) {
            let request = SpaceRequest::Mappings { mappings, pages, spacing, backing, huge };
            let need = Need::of(&request, PAGE);
            prop_assert_eq!(need.address_space_bytes, reserved(&request));
        }

        #[test]
        fn a_need_never_panics_and_never_wraps(
            count: u64, pages: u64, spacing: u64, huge: bool, bytes: u64,
        ) {
            let need = mappings(count, pages, spacing, Backing::Anon, huge);
            let floor = u128::from(count) * u128::from(pages.min(1)) * u128::from(PAGE);
            prop_assert!(u128::from(need.resident_bytes) >= floor.min(u128::from(u64::MAX)));
            prop_assert!(need.memory_bytes() >= need.resident_bytes);
            let heap = malloc(count, bytes, pages);
            prop_assert!(heap.address_space_bytes >= heap.resident_bytes);
        }

        #[test]
        fn more_mappings_never_need_less(count in 0_u64..100_000, pages in 0_u64..2_000) {
            let few = mappings(count, pages, 3, Backing::Anon, false);
            let more = mappings(count + 1, pages, 3, Backing::Anon, false);
            prop_assert!(more.memory_bytes() > few.memory_bytes());
            prop_assert!(more.address_space_bytes > few.address_space_bytes);
        }
    }
}
