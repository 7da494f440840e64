//! A shape from a dump of `/proc/PID/smaps`, as people post them: what is mapped, and how
//! many pages of which kind, but not where in its mapping each page lies.

use std::io::Read;

use super::check::check;
use super::file::ShapeFileError;
use crate::analysis::mappings::{
    Listed, contents, entries_per_table, holds_anon, kept_name, listed,
};
use crate::model::{
    MappingContent, ProcessFacts, ProcessShape, SHAPE_VERSION, ShapeMapping, ShapeReservation, Tool,
};
use crate::units::read_foreign;

/// Base pages where a dump does not tell their size.
const USUAL_PAGE: u64 = 4096;
/// The standard streams.
const DESCRIPTORS: u64 = 3;

/// Reads a dump. Pages are taken to lie side by side from the start of their mapping, huge
/// ones first; what smaps does not tell of the process is what every program has.
///
/// # Errors
/// [`ShapeFileError`]: the text is no such dump, or tells of a process that cannot be.
pub fn of_smaps(reader: impl Read) -> Result<ProcessShape, ShapeFileError> {
    let bytes = read_foreign(reader)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    // What was pasted may have empty lines around it.
    let lines: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    let mut all = listed(lines.join("\n").as_bytes()).map_err(|_| ShapeFileError::NoDump)?;
    // A sum of all mappings (smaps_rollup) looks like one.
    let is_none = |mapping: &Listed| !mapping.has_figures || mapping.name == "[rollup]";
    if all.is_empty() || all.iter().any(is_none) {
        return Err(ShapeFileError::NoDump);
    }
    all.sort_by_key(|mapping| mapping.start);
    let shape = shape(&all);
    check(&shape)?;
    Ok(shape)
}

fn shape(all: &[Listed]) -> ProcessShape {
    let sizes = all.iter().map(|mapping| mapping.page_bytes);
    let page_size = sizes.filter(|bytes| *bytes > 0).min();
    let page_size = page_size.unwrap_or(USUAL_PAGE);
    let kinds = contents(all, None);
    let mappings: Vec<ShapeMapping> = (all.iter().zip(&kinds))
        .map(|(mapping, content)| of_listed(mapping, *content, page_size))
        .collect();
    let program = (mappings.iter()).find(|mapping| mapping.content == MappingContent::Program);
    let program = program.and_then(|mapping| mapping.name.as_deref()?.rsplit('/').next());
    let resident = all.iter().map(|mapping| mapping.resident);
    ProcessShape {
        shape_version: SHAPE_VERSION,
        tool: Tool::this(),
        process: ProcessFacts {
            name: program
                .filter(|name| !name.is_empty())
                .unwrap_or("a process")
                .to_owned(),
            pid: None,
            taken_unix_s: 0,
            took_s: 0.0,
            kernel: "unknown".to_owned(),
            page_size,
            threads: 1,
            descriptors: DESCRIPTORS,
            cloexec_descriptors: 0,
            highest_descriptor: None,
            descriptor_slots: 0,
            handlers: 0,
            allowed_cpus: Vec::new(),
            page_table_bytes: 0,
            resident_bytes: resident.fold(0, u64::saturating_add),
            pinned_bytes: 0,
            reservations: vec![ShapeReservation::NoPositions],
            surroundings: None,
        },
        mappings,
    }
}

fn of_listed(mapping: &Listed, content: MappingContent, page_size: u64) -> ShapeMapping {
    let pages = |bytes: u64| bytes / page_size;
    let anonymous = match holds_anon(content, mapping.is_shared()) {
        true => mapping.anonymous,
        false => 0,
    };
    let huge = mapping.huge_anonymous.saturating_add(mapping.huge_file);
    let mut places = Places::new(mapping, page_size);
    let huge_runs = places.huge(pages(huge));
    let own = places.take(pages(anonymous.saturating_sub(mapping.huge_anonymous)));
    let others = mapping.resident.saturating_sub(anonymous);
    let file = places.take(pages(others.saturating_sub(mapping.huge_file)));
    let swapped = places.take(pages(mapping.swapped));
    let owns = !own.is_empty() || !swapped.is_empty() || mapping.huge_anonymous > 0;
    ShapeMapping {
        name: kept_name(&mapping.name),
        permissions: mapping.permissions.clone(),
        anon_vma: owns && holds_anon(content, mapping.is_shared()),
        own,
        file,
        swapped,
        huge: huge_runs,
        flags: mapping.flags.clone(),
        ..ShapeMapping::untouched(places.first_page, places.pages, content)
    }
}

/// The pages of a mapping that nothing was put to yet.
struct Places {
    first_page: u64,
    pages: u64,
    per_huge: u64,
    /// Runs, in ascending order.
    free: Vec<[u64; 2]>,
}

impl Places {
    fn new(mapping: &Listed, page_size: u64) -> Self {
        let pages = mapping.end.saturating_sub(mapping.start) / page_size;
        Self {
            first_page: mapping.start / page_size,
            pages,
            per_huge: entries_per_table(page_size).max(1),
            free: vec![[0, pages]],
        }
    }

    /// Takes whole huge pages of so many base pages, as far as there is room.
    fn huge(&mut self, pages: u64) -> Vec<[u64; 2]> {
        let first = self.first_page.next_multiple_of(self.per_huge) - self.first_page;
        let room = self.pages.saturating_sub(first) / self.per_huge;
        let count = (pages / self.per_huge).min(room) * self.per_huge;
        if count == 0 {
            return Vec::new();
        }
        let after = first + count;
        self.free = vec![[0, first], [after, self.pages - after]];
        vec![[first, count]]
    }

    /// Takes so many base pages, as far as there is room.
    fn take(&mut self, mut pages: u64) -> Vec<[u64; 2]> {
        let mut taken = Vec::new();
        for [first, count] in &mut self.free {
            let part = pages.min(*count);
            if part > 0 {
                taken.push([*first, part]);
            }
            *first += part;
            *count -= part;
            pages -= part;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::mappings::MappingSum;

    const SMAPS: &str = include_str!("../../../tests/data/proc/smaps.txt");

    #[test]
    fn a_posted_dump_becomes_a_shape_with_as_many_pages() {
        let posted = format!("\n{}\n\n", SMAPS.replace('\n', "  \n"));
        let shape = of_smaps(posted.as_bytes()).unwrap();
        assert_eq!(shape.process.name, "cat");
        assert_eq!(shape.process.reservations, [ShapeReservation::NoPositions]);
        let all: Vec<&ShapeMapping> = shape.mappings.iter().collect();
        let sum = MappingSum::of(&all, 4096);
        let anonymous: u64 = listed(SMAPS.as_bytes())
            .unwrap()
            .iter()
            .map(|mapping| mapping.anonymous)
            .sum();
        assert_eq!(sum.own * 4096, anonymous);
        assert_eq!(sum.count, shape.mappings.len() as u64);
    }

    #[test]
    fn huge_pages_lie_where_they_may_and_the_rest_around_them() {
        let text = "7f0000100000-7f0000900000 rw-p 0 00:00 0 \nRss: 4100 kB\nAnonymous: 4100 kB\n\
                    AnonHugePages: 2048 kB\nSwap: 8 kB\nKernelPageSize: 4 kB\nVmFlags: rd wr hg \n";
        let shape = of_smaps(text.as_bytes()).unwrap();
        let [mapping] = shape.mappings.as_slice() else {
            panic!("one mapping");
        };
        assert_eq!(mapping.huge, [[256, 512]]);
        assert_eq!(mapping.own, [[0, 256], [768, 257]]);
        assert_eq!(mapping.swapped, [[1025, 2]]);
        assert!(mapping.anon_vma && mapping.pages == 2048);
    }

    #[test]
    fn figures_that_no_process_has_are_refused_and_overflow_nothing() {
        let most = u64::MAX;
        let text = format!(
            "7f0000100000-7f0000900000 rw-p 0 00:00 0 \nRss: {most} kB\nAnonymous: {most} kB\n\
             AnonHugePages: {most} kB\nShmemPmdMapped: {most} kB\nFilePmdMapped: {most} kB\n\
             Swap: {most} kB\nKernelPageSize: 3 kB\n"
        );
        assert!(of_smaps(text.as_bytes()).is_err());
    }

    #[test]
    fn what_is_no_dump_is_refused() {
        let maps = include_str!("../../../tests/data/proc/maps.txt");
        let rollup = "55d3c0000000-7ffd00000000 ---p 00000000 00:00 0 [rollup]\nRss: 4 kB\n";
        for text in [maps, "", "{}", "Rss: 4 kB", rollup] {
            let refused = of_smaps(text.as_bytes()).unwrap_err().to_string();
            assert!(refused.contains("/proc/PID/smaps"), "{refused}");
        }
    }
}
