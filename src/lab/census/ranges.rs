//! The mappings of a process as the rules of page faults need them: what is
//! mapped where, and which pages are the process's own.
//!
//! All of them, the instrument's too: a fault there is a fault all the same.

use super::files::ProcessFiles;
use super::mappings::{Mapping, mappings};
use super::pages::{ENTRY_BYTES, Page, visit_pages};
use super::{CensusError, vmas};
use crate::analysis::mappings::region_kind;
use crate::model::{MappingContent, RegionKind};
use crate::profile::faults::{MapRange, Source};

/// The mappings of a process in ascending order, with the pages that are
/// anonymous now, in memory or swapped out.
///
/// The zero page, which a read of untouched memory maps, looks the same from
/// outside and counts as one of them.
pub fn map_ranges(pid: i32) -> Result<Vec<MapRange>, CensusError> {
    let files = ProcessFiles::of(pid);
    let maps = files.listed("maps")?;
    let pagemap = files.pagemap()?;
    let page_size = procfs::page_size();
    let capacity = page_size / ENTRY_BYTES;
    let mappings = mappings(&maps, None, page_size);
    let vmas = vmas(&mappings);
    let mut ranges: Vec<MapRange> = mappings.iter().map(|m| range(m, page_size)).collect();
    visit_pages(&vmas, &pagemap, capacity, |index, first_page, entries| {
        for (page, entry) in (first_page..).zip(entries) {
            if vmas[index].holds_anon && Page::of(entry).is_anon() {
                let own = page * page_size;
                push(&mut ranges[index].own, [own, own + page_size]);
            }
        }
    })
    .map_err(|error| pagemap.refuse(error))?;
    Ok(ranges)
}

fn range(mapping: &Mapping<'_>, page_size: u64) -> MapRange {
    let source = match region_kind(mapping.content, mapping.listed.is_shared()) {
        _ if mapping.content == MappingContent::Kernel => Source::File,
        RegionKind::Shared => Source::Shared,
        RegionKind::File => Source::File,
        RegionKind::Anon => Source::Anonymous,
    };
    MapRange {
        start: mapping.vma.first_page * page_size,
        end: mapping.vma.end_page * page_size,
        source,
        writable: mapping.listed.is_writable(),
        own: Vec::new(),
    }
}

/// Adds a stretch, to the one before it if they touch.
fn push(stretches: &mut Vec<[u64; 2]>, next: [u64; 2]) {
    match stretches.last_mut() {
        Some(last) if last[1] == next[0] => last[1] = next[1],
        _ => stretches.push(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::{Arena, Pages, Source as Backing, Touches};
    use crate::sys::shared::SharedWords;

    fn me() -> i32 {
        i32::try_from(std::process::id()).unwrap()
    }

    fn at(ranges: &[MapRange], address: usize) -> &MapRange {
        let address = address as u64;
        let mut ranges = ranges.iter();
        ranges
            .find(|range| (range.start..range.end).contains(&address))
            .unwrap()
    }

    #[test]
    fn touched_pages_are_the_process_s_own() {
        let page = usize::try_from(procfs::page_size()).unwrap();
        let arena = Arena::apart(16 * page, page);
        let touches = Touches {
            count: 2,
            distance: 5 * page,
        };
        arena
            .place(
                page,
                10 * page,
                Backing::Anonymous,
                touches,
                &mut Pages::none(),
            )
            .unwrap();
        arena.forbid_huge_pages().unwrap();
        let shared = SharedWords::anonymous(page / 8).unwrap();
        let ranges = map_ranges(me()).unwrap();
        assert!(ranges.is_sorted_by_key(|range| range.start));

        let first = arena.start() + page;
        let placed = at(&ranges, first);
        assert_eq!((placed.source, placed.writable), (Source::Anonymous, true));
        let inside =
            |stretch: &&[u64; 2]| (first as u64..(first + 10 * page) as u64).contains(&stretch[0]);
        let own: Vec<[u64; 2]> = placed.own.iter().filter(inside).copied().collect();
        let expected = [first, first + 5 * page].map(|own| [own as u64, (own + page) as u64]);
        assert_eq!(own, expected);

        let shared = at(&ranges, shared.range()[0]);
        assert_eq!((shared.source, shared.own.len()), (Source::Shared, 0));
        let text = at(
            &ranges,
            touched_pages_are_the_process_s_own as fn() as usize,
        );
        assert_eq!((text.source, text.writable), (Source::File, false));
        assert_eq!(text.own, [[0_u64; 2]; 0]);
    }

    #[test]
    fn a_process_that_is_not_is_gone() {
        let error = map_ranges(i32::MAX).unwrap_err();
        assert!(matches!(error, CensusError::Gone { .. }), "{error:?}");
    }
}
