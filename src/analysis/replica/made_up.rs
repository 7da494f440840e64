//! The shape of a process that is none: an order of a sweep, as a process would have it.

use super::counts::{fan_out, pages};
use crate::model::{
    Backing, MappingContent, MappingFlag, ProcessFacts, ProcessShape, SHAPE_VERSION, ShapeMapping,
    SpaceRequest, Tool,
};
use crate::vm::{Heap, Region, Shape, ShapeError};

/// Where the mappings begin: far from where any process has some, at the beginning of
/// what the highest table of a page table maps.
const BASE: u64 = 0x4000_0000_0000;
/// Between two runs of mappings.
const GAP: u64 = 1 << 30;

/// The shape of what an order builds.
///
/// # Errors
/// [`ShapeError`] when no address space can hold it.
pub fn made_up(
    request: &SpaceRequest,
    page_size: u64,
    kernel: &str,
) -> Result<ProcessShape, ShapeError> {
    let shape = Shape::of(request, page_size)?;
    let mut mappings = Vec::new();
    let mut at = BASE;
    if let Some(heap) = &shape.heap {
        mappings.push(heap_at(heap, at, page_size));
        at += (heap.count * heap.bytes).next_multiple_of(GAP) + GAP;
    }
    for region in &shape.regions {
        for index in 0..region.count {
            let mut mapping = mapping_at(region, at + index * region.stride, page_size);
            if region.backing == Backing::AnonTouching && index % 2 == 1 {
                "r--p".clone_into(&mut mapping.permissions);
            }
            mappings.push(mapping);
        }
        at += (region.count * region.stride).next_multiple_of(GAP) + GAP;
    }
    let resident = mappings.iter().map(|mapping| {
        let lists = [&mapping.own, &mapping.file, &mapping.huge];
        lists.into_iter().map(|runs| pages(runs)).sum::<u64>()
    });
    let resident_bytes = resident.sum::<u64>() * page_size;
    Ok(ProcessShape {
        shape_version: SHAPE_VERSION,
        tool: Tool::this(),
        process: ProcessFacts {
            name: format!("a process of {}", request.in_words()),
            pid: None,
            taken_unix_s: 0,
            took_s: 0.0,
            kernel: kernel.to_owned(),
            page_size,
            threads: 1 + shape.threads,
            descriptors: shape.descriptors.plain,
            cloexec_descriptors: shape.descriptors.cloexec,
            highest_descriptor: None,
            descriptor_slots: 0,
            handlers: shape.handlers,
            allowed_cpus: Vec::new(),
            page_table_bytes: 0,
            resident_bytes,
            pinned_bytes: 0,
            reservations: Vec::new(),
            surroundings: None,
        },
        mappings,
    })
}

fn mapping_at(region: &Region, start: u64, page_size: u64) -> ShapeMapping {
    let shared = region.backing == Backing::Shared;
    let step = region.distance / page_size;
    let touched: Vec<[u64; 2]> = match step {
        1 if region.touches > 0 => vec![[0, region.touches]],
        _ => (0..region.touches).map(|index| [index * step, 1]).collect(),
    };
    let whole = region.len / page_size;
    let is_huge = region.huge && !shared && region.touches > 0;
    let huge = if is_huge {
        huge_of(&touched, whole, page_size)
    } else {
        Vec::new()
    };
    let content = match region.backing {
        Backing::Anon | Backing::AnonTouching => MappingContent::Anonymous,
        Backing::File => MappingContent::File,
        Backing::Shared => MappingContent::SharedMemory,
    };
    ShapeMapping {
        permissions: if shared { "rw-s" } else { "rw-p" }.to_owned(),
        anon_vma: !shared && region.touches > 0,
        own: if shared || is_huge {
            Vec::new()
        } else {
            touched.clone()
        },
        file: if shared { touched } else { Vec::new() },
        huge,
        flags: if region.huge {
            vec![MappingFlag::HugeAdvised]
        } else {
            Vec::new()
        },
        ..ShapeMapping::untouched(start / page_size, whole, content)
    }
}

/// The whole huge pages that touched pages lie in.
fn huge_of(touched: &[[u64; 2]], pages: u64, page_size: u64) -> Vec<[u64; 2]> {
    let fan_out = fan_out(page_size);
    let mut huge: Vec<[u64; 2]> = Vec::new();
    for [first, count] in touched {
        for slot in first / fan_out..=(first + count - 1) / fan_out {
            let run = [slot * fan_out, fan_out];
            if run[0] + fan_out <= pages && huge.last() != Some(&run) {
                huge.push(run);
            }
        }
    }
    huge
}

/// Blocks from malloc, one after the other in one mapping: of each its first page, which
/// malloc writes to, and those that are asked for.
fn heap_at(heap: &Heap, start: u64, page_size: u64) -> ShapeMapping {
    let mut own: Vec<[u64; 2]> = Vec::new();
    for block in 0..heap.count {
        for touch in 0..heap.touches.max(1) {
            let page = (block * heap.bytes + touch * heap.distance) / page_size;
            match own.last_mut() {
                Some([first, count]) if page < *first + *count => {}
                Some([first, count]) if page == *first + *count => *count += 1,
                _ => own.push([page, 1]),
            }
        }
    }
    let pages = (heap.count * heap.bytes).div_ceil(page_size).max(1);
    ShapeMapping {
        anon_vma: heap.count > 0,
        own,
        ..ShapeMapping::untouched(start / page_size, pages, MappingContent::Heap)
    }
}
