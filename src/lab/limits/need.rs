//! What a parent will take, estimated from its order alone.
//!
//! Every figure is an upper estimate within reason, in saturating arithmetic:
//! an absurd order must come out as absurdly large, never wrapped to small.

use crate::model::{Backing, Likeness, PageKind, RegionKind, SpaceRequest, SpawnMethod};
use crate::vm::{
    PlacedLikeness, PlacedMapping, Shape, THREAD_MAPPINGS, THREAD_STACK_BYTES, arena_align,
};
use crate::worker::protocol::Assignment;

/// A `vm_area_struct` and its share of a maple-tree node.
const VMA_BYTES: u64 = 320;
/// An `anon_vma` and the chain link that ties it to its VMA.
const ANON_VMA_BYTES: u64 = 192;
/// The same in the fork's copy, which has one more link, to the parent's
/// `anon_vma` (mm/rmap.c, `anon_vma_fork`).
const ANON_VMA_COPY_BYTES: u64 = 256;
/// A link from a VMA to an `anon_vma` (`anon_vma_chain`).
const LINK_BYTES: u64 = 64;
/// Page-table entries are 8 bytes on every 64-bit architecture.
const ENTRY_BYTES: u64 = 8;
/// glibc maps a block of this size on its own, unless it was told otherwise.
const MMAP_THRESHOLD: u64 = 128 << 10;
/// What glibc puts in front of a block; it is also the blocks' alignment.
const BLOCK_HEADER: u64 = 16;
/// The VMAs that a heap ends up in: `[heap]`, and separately mapped blocks,
/// which the kernel merges as they lie side by side with the same protection.
const HEAP_VMAS: u64 = 2;
/// The reference, the worker, the server that one method keeps, their child, and the child's
/// own child where a shell is between.
const PROCESSES: u64 = 5;
/// More than the records of most workers take. Those of some are as large as their task,
/// and checked when they are made.
const RECORDS_BYTES: u64 = 1 << 20;
/// Pages that an idle thread makes resident: the end of its stack, and its share of
/// the heap.
const THREAD_PAGES: u64 = 4;
/// A `task_struct` with its registers, its stack in the kernel, and what hangs on it.
const TASK_BYTES: u64 = 32 << 10;
/// A `struct file`, and its places in the descriptor tables of the worker and of a
/// copy, each of which is as large as the next power of two (fs/file.c,
/// `alloc_fdtable`).
const FILE_BYTES: u64 = 256 + 2 * 2 * 8;

/// What an address space takes of everything that may be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// VMAs, the worker's own not included.
    pub mappings: u64,
    /// Pages of memory, in bytes, that become resident.
    pub resident_bytes: u64,
    /// Of those, in bytes, that are copied as the worker writes to them while a child has them.
    pub copied_bytes: u64,
    /// Page-table pages of the worker and of a fork's copy.
    pub page_tables_bytes: u64,
    /// Virtual memory.
    pub address_space_bytes: u64,
    /// Of it, private and writable: what `RLIMIT_DATA` and overcommit charge.
    pub private_bytes: u64,
    /// The largest single mapping whose memory the kernel accounts for (VM_ACCOUNT).
    pub largest_bytes: u64,
    /// VMAs and `anon_vma` structures of the worker and of a fork's copy, its open
    /// files and its threads.
    pub kernel_bytes: u64,
    /// Processes and threads that are there at the same time.
    pub processes: u64,
    /// Open files, the worker's own not included.
    pub descriptors: u64,
    /// The numbers that their table must reach.
    pub descriptor_table: u64,
    /// Signals with a handler.
    pub handlers: u64,
    /// The largest file in memory.
    pub file_bytes: u64,
    /// Workers like this one that are there at the same time. Memory, page tables and
    /// structures of the kernel are those of all of them, everything else is of one.
    pub jobs: u64,
}

impl Need {
    /// What this order will take on a host with pages of this size.
    pub fn of(request: &SpaceRequest, page_size: u64) -> Self {
        let (one, jobs) = (Self::of_one(request, page_size), request.jobs());
        Self {
            resident_bytes: one.resident_bytes.saturating_mul(jobs),
            page_tables_bytes: one.page_tables_bytes.saturating_mul(jobs),
            kernel_bytes: one.kernel_bytes.saturating_mul(jobs),
            jobs,
            ..one
        }
    }

    /// The same with what a worker that writes to its pages again has copied, while a forked
    /// child is held.
    pub fn of_rewriting(assignment: &Assignment, page_size: u64) -> Self {
        let wanted = match assignment.methods.contains(&SpawnMethod::Fork) {
            true => assignment.rewrite_pages,
            false => 0,
        };
        Self {
            copied_bytes: copied(&assignment.space, assignment.rewritten, wanted, page_size),
            ..Self::of(&assignment.space, page_size)
        }
    }

    /// The same of one worker.
    fn of_one(request: &SpaceRequest, page_size: u64) -> Self {
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
            SpaceRequest::Descriptors { count, .. } => Self {
                descriptors: count,
                kernel_bytes: count.saturating_mul(FILE_BYTES),
                ..Self::NOTHING
            },
            SpaceRequest::DescriptorTable { highest, slots } => Self {
                descriptor_table: highest.saturating_add(1),
                // A pointer and three bits each, in the worker and in a copy.
                kernel_bytes: highest.max(slots).saturating_mul(2 * 9),
                ..Self::NOTHING
            },
            SpaceRequest::Threads { count } => threads(page_size, count),
            SpaceRequest::Handlers { count } => Self {
                handlers: count,
                ..Self::NOTHING
            },
            SpaceRequest::Jobs { .. } => Self::NOTHING,
            SpaceRequest::Together { ref parts } => {
                let needs = parts.iter().map(|part| Self::of_one(part, page_size));
                needs.fold(Self::NOTHING, Self::and)
            }
        }
    }

    /// That of a worker which stays as it is.
    const NOTHING: Self = Self {
        mappings: 0,
        resident_bytes: 0,
        copied_bytes: 0,
        page_tables_bytes: 0,
        address_space_bytes: 0,
        private_bytes: 0,
        largest_bytes: 0,
        kernel_bytes: 0,
        processes: PROCESSES,
        descriptors: 0,
        descriptor_table: 0,
        handlers: 0,
        file_bytes: RECORDS_BYTES,
        jobs: 1,
    };

    /// Both in one worker.
    fn and(self, other: Self) -> Self {
        let sum = |of: fn(&Self) -> u64| of(&self).saturating_add(of(&other));
        Self {
            mappings: sum(|need| need.mappings),
            resident_bytes: sum(|need| need.resident_bytes),
            copied_bytes: sum(|need| need.copied_bytes),
            page_tables_bytes: sum(|need| need.page_tables_bytes),
            address_space_bytes: sum(|need| need.address_space_bytes),
            private_bytes: sum(|need| need.private_bytes),
            largest_bytes: self.largest_bytes.max(other.largest_bytes),
            kernel_bytes: sum(|need| need.kernel_bytes),
            processes: PROCESSES.saturating_add(sum(Self::threads)),
            descriptors: sum(|need| need.descriptors),
            descriptor_table: self.descriptor_table.max(other.descriptor_table),
            handlers: sum(|need| need.handlers),
            file_bytes: self.file_bytes.max(other.file_bytes),
            jobs: self.jobs.max(other.jobs),
        }
    }

    /// Both, each in a worker of its own. The one that waits for its turn has no children.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        let most = |of: fn(&Self) -> u64| of(&self).max(of(&other));
        Self {
            mappings: most(|need| need.mappings),
            address_space_bytes: most(|need| need.address_space_bytes),
            private_bytes: most(|need| need.private_bytes),
            descriptors: most(|need| need.descriptors),
            handlers: most(|need| need.handlers),
            ..self.and(other)
        }
    }

    /// The threads among its processes.
    pub fn threads(&self) -> u64 {
        self.processes.saturating_sub(PROCESSES)
    }

    /// The processes and threads of all such workers. There is one reference.
    pub fn all_processes(&self) -> u64 {
        let others = self.jobs.saturating_sub(1);
        let each = self.processes.saturating_sub(1);
        self.processes.saturating_add(each.saturating_mul(others))
    }

    /// All memory that the kernel must find for it.
    pub fn memory_bytes(&self) -> u64 {
        self.resident_bytes
            .saturating_add(self.copied_bytes)
            .saturating_add(self.page_tables_bytes)
            .saturating_add(self.kernel_bytes)
    }
}

/// The bytes of as many pages of a kind as are wanted and can be written to again.
fn copied(space: &SpaceRequest, kind: PageKind, wanted: u64, page_size: u64) -> u64 {
    // What has no layout needs more than there is by itself.
    let Ok(shape) = Shape::of(space, page_size) else {
        return 0;
    };
    let likeness = shape.likeness.as_ref();
    let (there, each) = match kind {
        PageKind::Small => (shape.rewritable_pages(page_size), 1),
        PageKind::Huge => (
            likeness.map_or(0, PlacedLikeness::rewritable_huge_pages),
            page_size / ENTRY_BYTES,
        ),
    };
    product([wanted.min(there), each, page_size])
}

/// What a fork takes of memory that the kernel charges to a control group: page tables and
/// structures of the child, for so many mappings, `anon_vma` structures and page tables.
pub(in crate::lab) fn copy_bytes(vmas: u64, anon_vmas: u64, tables: u64, page_size: u64) -> u64 {
    // The three levels above the lowest have a table or two each, unless memory is vast.
    const UPPER: u64 = 6;
    let of = |count: u64, each: u64| count.saturating_mul(each);
    of(vmas, VMA_BYTES)
        .saturating_add(of(anon_vmas, ANON_VMA_COPY_BYTES))
        .saturating_add(of(tables.saturating_add(UPPER), page_size))
        .saturating_add(TASK_BYTES)
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
        // A PMD entry maps what a full page table would.
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
        let mapped = product([count, self.span, size]);
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
            page_tables_bytes: product([self.tables(count), 2, size]),
            // The arena of all mappings and their gaps is found as a whole.
            address_space_bytes: match count {
                0 => 0,
                _ => product([count, self.stride, size]).saturating_add(arena_align(size)),
            },
            private_bytes: match backing {
                Backing::Shared => 0,
                Backing::Anon | Backing::AnonTouching | Backing::File => mapped,
            },
            largest_bytes: self.span.saturating_mul(size),
            kernel_bytes: count.saturating_mul(structures),
            file_bytes: match backing {
                Backing::File => self.span.saturating_mul(size).max(RECORDS_BYTES),
                Backing::Anon | Backing::AnonTouching | Backing::Shared => RECORDS_BYTES,
            },
            ..Need::NOTHING
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
    let resident_bytes = product([count, written.saturating_add(1), page_size]);
    let resident_bytes = resident_bytes.min(address_space_bytes);
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
        largest_bytes: chunk,
        ..region.mappings(1, Backing::Anon)
    }
}

/// Another process's mappings. What is none of any process has no layout, and
/// needs more than there is.
fn alike(likeness: &Likeness, page_size: u64) -> Need {
    let mappings = likeness.regions.len() as u64;
    let Ok(placed) = PlacedLikeness::of(likeness, page_size) else {
        return Need {
            mappings,
            resident_bytes: u64::MAX,
            page_tables_bytes: u64::MAX,
            address_space_bytes: u64::MAX,
            private_bytes: u64::MAX,
            kernel_bytes: u64::MAX,
            ..Need::NOTHING
        };
    };
    let of_kind = |kind| placed.mappings.iter().filter(move |m| m.backing == kind);
    // Below a page of its own that a file mapping has is the file's page.
    let below: u64 = of_kind(RegionKind::File).map(|m| m.own_pages()).sum();
    let charged =
        |m: &&PlacedMapping| m.backing != RegionKind::Shared && (m.writable || m.has_own());
    let private = placed.mappings.iter().filter(charged);
    let anon = placed.anon_mappings();
    // The kernel's page of zeros is there anyway.
    let zeros = of_kind(RegionKind::Anon).flat_map(|m| &m.read);
    let zeros: u64 = zeros.map(|[_, count]| count).sum();
    // One table of each of the two highest levels; and for each huge page one in
    // reserve, or in use where there is no huge page left.
    let tables = placed.tables.saturating_add(2);
    let tables = tables.saturating_add(placed.huge_pages() + placed.huge_zeros());
    let ancestors = ancestors(&placed, page_size);
    Need {
        mappings,
        descriptors: placed.files(),
        resident_bytes: placed
            .present_pages()
            .saturating_sub(zeros)
            .saturating_add(below)
            // The copies in a child.
            .saturating_add(placed.pinned_pages())
            .saturating_mul(page_size),
        page_tables_bytes: product([tables, 2, page_size])
            .saturating_add(ancestors.page_tables_bytes),
        // The arena is found as a whole.
        address_space_bytes: match mappings {
            0 => 0,
            _ => placed.span.saturating_add(placed.align),
        },
        private_bytes: private.map(|m| m.len).sum(),
        kernel_bytes: (mappings * 2 * VMA_BYTES)
            .saturating_add(anon * (ANON_VMA_BYTES + ANON_VMA_COPY_BYTES))
            .saturating_add(ancestors.kernel_bytes),
        processes: ancestors.processes,
        file_bytes: placed.file_len.max(RECORDS_BYTES),
        ..Need::NOTHING
    }
}

/// The processes that it descends from. Each has the structures of what it has handed down, and
/// of a page table what one page in each mapping takes; a mapping has a link to each generation
/// before it, in each of them.
fn ancestors(placed: &PlacedLikeness, page_size: u64) -> Need {
    let mut need = Need {
        processes: PROCESSES.saturating_add(placed.generations),
        kernel_bytes: placed.generations.saturating_mul(TASK_BYTES),
        ..Need::NOTHING
    };
    for mapping in placed.mappings.iter().filter(|m| m.generations > 0) {
        let older = mapping.generations;
        // In each of the older, in the worker, and in its copy.
        let links = (older + 1) * (older + 2) / 2 + older + 1;
        let structures = older * (VMA_BYTES + ANON_VMA_BYTES) + links * LINK_BYTES;
        need.kernel_bytes = need.kernel_bytes.saturating_add(structures);
    }
    // No more than there are tables, nor than a page in each mapping takes.
    let handed_down = placed.mappings.iter().filter(|m| m.generations > 0).count() as u64;
    let tables = placed.tables.min(handed_down.saturating_mul(2));
    need.page_tables_bytes = product([tables, placed.generations, page_size]);
    need
}

/// Idle threads: each with a stack and its guard, and a page table for the end of
/// the stack, in the worker and in a fork's copy.
fn threads(page_size: u64, count: u64) -> Need {
    // Guards are mapped as part of what is reserved, and not writable.
    let reserved = THREAD_STACK_BYTES.saturating_add(page_size);
    let structures = THREAD_MAPPINGS * 2 * VMA_BYTES + ANON_VMA_BYTES + ANON_VMA_COPY_BYTES;
    Need {
        mappings: count.saturating_mul(THREAD_MAPPINGS),
        resident_bytes: product([count, THREAD_PAGES, page_size]),
        page_tables_bytes: product([count, 2, page_size]),
        address_space_bytes: count.saturating_mul(reserved),
        private_bytes: count.saturating_mul(THREAD_STACK_BYTES),
        kernel_bytes: count.saturating_mul(structures + TASK_BYTES),
        processes: PROCESSES.saturating_add(count),
        ..Need::NOTHING
    }
}

/// Pages from the first to the last that is written; a mapping has at least one.
fn span(pages: u64, spacing: u64) -> u64 {
    let apart = pages.saturating_sub(1).saturating_mul(spacing.max(1));
    apart.saturating_add(1)
}

/// All of them multiplied, or the largest number there is.
fn product(factors: [u64; 3]) -> u64 {
    factors.into_iter().fold(1, u64::saturating_mul)
}

/// The next multiple, or the largest number there is.
fn round_up(value: u64, multiple: u64) -> u64 {
    value.checked_next_multiple_of(multiple).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
