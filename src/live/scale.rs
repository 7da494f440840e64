//! A shape with a part of what it has, mapping by mapping.

use super::counts::{copies_entries, fan_out};
use crate::model::{ProcessShape, ShapeMapping, ShapeScale};

/// The part of a shape that a scale leaves.
///
/// Of the mappings one in so many stays, in order of address, and of each mapping's
/// page tables one in so many with all that is in it: so what is in a page table, and
/// how the tables lie in the mappings, stays as it is.
pub fn scaled(shape: &ProcessShape, scale: &ShapeScale) -> ProcessShape {
    let page_size = shape.process.page_size;
    let keep = usize::try_from(scale.mappings_divisor.max(1)).unwrap_or(usize::MAX);
    let mappings = shape.mappings.iter().step_by(keep);
    ProcessShape {
        shape_version: shape.shape_version,
        tool: shape.tool.clone(),
        process: shape.process.clone(),
        mappings: mappings.map(|m| part(m, scale, page_size)).collect(),
    }
}

fn part(mapping: &ShapeMapping, scale: &ShapeScale, page_size: u64) -> ShapeMapping {
    let divisor = scale.pages_divisor.max(1);
    let mut part = mapping.clone();
    if scale.without_file_pages && !copies_entries(mapping) {
        part.file.clear();
        part.zero.clear();
        part.huge.clear();
    }
    if divisor > 1 {
        let thin = Thin {
            divisor,
            fan_out: fan_out(page_size),
            first_page: mapping.first_page,
        };
        for runs in [
            &mut part.own,
            &mut part.file,
            &mut part.zero,
            &mut part.swapped,
            &mut part.huge,
        ] {
            *runs = thin.runs(runs);
        }
        part.anon_vma = part.anon_vma
            && !(part.own.is_empty() && part.swapped.is_empty() && part.huge.is_empty());
        if mapping.anon_vma && !part.anon_vma {
            // It stays a mapping with a page of its own.
            part.own = mapping
                .own
                .first()
                .map(|[page, _]| [*page, 1])
                .into_iter()
                .collect();
            part.anon_vma = !part.own.is_empty();
        }
    }
    part
}

/// Which page tables of a mapping stay.
struct Thin {
    divisor: u64,
    fan_out: u64,
    first_page: u64,
}

impl Thin {
    fn runs(&self, runs: &[[u64; 2]]) -> Vec<[u64; 2]> {
        let mut kept: Vec<[u64; 2]> = Vec::new();
        for [first, count] in runs {
            let (start, end) = (self.first_page + first, self.first_page + first + count);
            for table in start / self.fan_out..=(end - 1) / self.fan_out {
                let ordinal = table - self.first_page / self.fan_out;
                if !ordinal.is_multiple_of(self.divisor) {
                    continue;
                }
                let from = start.max(table * self.fan_out);
                let to = end.min((table + 1) * self.fan_out);
                kept.push([from - self.first_page, to - from]);
            }
        }
        kept
    }
}
