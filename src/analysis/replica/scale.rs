//! A shape with a part of what it has, mapping by mapping.

use super::counts::{Counter, common, copies_entries, fan_out, joined};
use super::groups::weight;
use crate::model::{ProcessShape, ShapeMapping, ShapeScale};

/// The part of a shape that a scale leaves.
///
/// Of the mappings one in so many stays: first those that weigh most, and of all others
/// as many as are left, in order of address. Of each mapping's page tables one in so many
/// stays with all that is in it: so what is in a page table, and how the tables lie in the
/// mappings, stays as it is, and a mapping that has some keeps one.
pub fn scaled(shape: &ProcessShape, scale: &ShapeScale) -> ProcessShape {
    let page_size = shape.process.page_size;
    let stays = staying(&shape.mappings, scale.mappings_divisor, page_size);
    let mappings = (shape.mappings.iter().zip(stays))
        .filter(|(_, stays)| *stays)
        .map(|(mapping, _)| part(mapping, scale, page_size))
        .collect();
    let mut process = shape.process.clone();
    if scale.mappings_divisor > 1 || scale.pages_divisor > 1 {
        // What the kernel said of the whole does not hold for a part.
        process.page_table_bytes = 0;
    }
    if let Some(most) = scale.descriptors_up_to {
        process.highest_descriptor = process.highest_descriptor.map(|highest| highest.min(most));
        process.descriptor_slots = process.descriptor_slots.min(most.saturating_add(1));
    }
    ProcessShape {
        shape_version: shape.shape_version,
        tool: shape.tool.clone(),
        process,
        mappings,
    }
}

/// Which of the mappings stay.
fn staying(mappings: &[ShapeMapping], divisor: u64, page_size: u64) -> Vec<bool> {
    let divisor = usize::try_from(divisor.max(1)).unwrap_or(usize::MAX);
    if divisor == 1 {
        return vec![true; mappings.len()];
    }
    let mut counter = Counter::new(page_size);
    let weights: Vec<f64> = mappings.iter().map(|m| weight(&counter.count(m))).collect();
    let mut heavy: Vec<usize> = (0..mappings.len()).collect();
    heavy.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
    let half = mappings.len() / divisor / 2;
    let mut stays = vec![false; mappings.len()];
    for index in &heavy[..half] {
        stays[*index] = true;
    }
    let others: Vec<usize> = (0..mappings.len()).filter(|index| !stays[*index]).collect();
    for index in others.into_iter().step_by(2 * divisor) {
        stays[index] = true;
    }
    stays
}

fn part(mapping: &ShapeMapping, scale: &ShapeScale, page_size: u64) -> ShapeMapping {
    let divisor = scale.pages_divisor.max(1);
    let mut part = mapping.clone();
    if scale.without_file_pages && !copies_entries(mapping) {
        part.file.clear();
        part.zero.clear();
        part.huge.clear();
    }
    part.pinned = match scale.pinned_divisor {
        0 => Vec::new(),
        one_in => {
            let some = |[first, count]: &[u64; 2]| [*first, count.div_ceil(one_in)];
            part.pinned.iter().map(some).collect()
        }
    };
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
            &mut part.huge_zero,
            &mut part.guards,
        ] {
            *runs = thin.runs(runs);
        }
        part.pinned = common(&part.pinned, &joined(&[&part.own, &part.huge]));
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
    /// Of the page tables that these runs lie in, the first one in so many.
    fn runs(&self, runs: &[[u64; 2]]) -> Vec<[u64; 2]> {
        let mut kept: Vec<[u64; 2]> = Vec::new();
        let mut seen: u64 = 0;
        let mut last = None;
        for [first, count] in runs {
            let (start, end) = (self.first_page + first, self.first_page + first + count);
            for table in start / self.fan_out..=(end - 1) / self.fan_out {
                if last != Some(table) {
                    last = Some(table);
                    seen += 1;
                }
                if (seen - 1).is_multiple_of(self.divisor) {
                    let from = start.max(table * self.fan_out);
                    let to = end.min((table + 1) * self.fan_out);
                    kept.push([from - self.first_page, to - from]);
                }
            }
        }
        kept
    }
}
