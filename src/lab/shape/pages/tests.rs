//! Made-up pagemaps, read by both ways.

use super::*;
use crate::analysis::mappings::Listed;

const PAGE: u64 = 4096;
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const OF_FILE: u64 = 1 << 61;
const GUARD: u64 = 1 << 58;

fn listed(first_page: u64, pages: u64, permissions: &str) -> Listed {
    Listed {
        start: first_page * PAGE,
        end: (first_page + pages) * PAGE,
        permissions: permissions.to_owned(),
        has_figures: true,
        resident: 4096,
        anonymous: 4096,
        ..Listed::default()
    }
}

fn sought(listed: &Listed) -> Mapping<'_> {
    Mapping::of(listed, MappingContent::Anonymous, PAGE)
}

fn region(first_page: u64, pages: u64, categories: u64) -> PageRegion {
    PageRegion {
        start: first_page * PAGE,
        end: (first_page + pages) * PAGE,
        categories,
    }
}

/// A made-up pagemap.
#[derive(Default)]
struct Fake {
    guards: Option<bool>,
    regions: Vec<PageRegion>,
    entries: Vec<(u64, u64)>,
    read: std::cell::Cell<u64>,
}

impl Source for Fake {
    fn scans(&self) -> Option<bool> {
        self.guards
    }

    fn huge_everywhere(&self) -> bool {
        false
    }

    fn scan(&mut self, start: u64, end: u64, each: &mut dyn FnMut(PageRegion)) -> io::Result<()> {
        let inside = |region: &&PageRegion| region.start >= start && region.end <= end;
        self.regions.iter().filter(inside).copied().for_each(each);
        Ok(())
    }

    fn entries(&self, first_page: u64, bytes: &mut [u8]) -> io::Result<()> {
        bytes.fill(0);
        let count = bytes.len() as u64 / 8;
        self.read.set(self.read.get() + count);
        for (page, entry) in &self.entries {
            if (first_page..first_page + count).contains(page) {
                let at = usize::try_from((page - first_page) * 8).unwrap();
                bytes[at..at + 8].copy_from_slice(&entry.to_ne_bytes());
            }
        }
        Ok(())
    }
}

fn by_regions(sought: &[Mapping<'_>], regions: &[PageRegion], knows_guards: bool) -> Vec<Found> {
    let mut fake = Fake {
        guards: Some(knows_guards),
        regions: regions.to_vec(),
        ..Fake::default()
    };
    find(sought, &mut fake, PAGE).unwrap()
}

fn scanned(sought: &[Mapping<'_>], regions: &[PageRegion]) -> Vec<Found> {
    by_regions(sought, regions, true)
}

#[test]
fn a_region_over_several_mappings_is_cut_at_their_ends() {
    let [a, b] = [listed(10, 5, "rw-p"), listed(15, 5, "rw-s")];
    let c = listed(30, 5, "r--p");
    let all = [&a, &b, &c].map(sought);
    let present = pagemap::PRESENT;
    let regions = [
        region(12, 6, present),
        region(19, 1, present | pagemap::FILE),
        region(31, 1, present | pagemap::ZERO),
        region(33, 1, present | pagemap::FILE),
    ];
    let found = scanned(&all, &regions);
    assert_eq!(found[0].own, [[2, 3]]);
    assert_eq!(
        found[1].file,
        [[0, 3], [4, 1]],
        "shared: not the process's own"
    );
    assert_eq!(found[2].zero, [[1, 1]]);
    assert_eq!(found[2].file, [[3, 1]]);
    assert!(found[2].own.is_empty() && found[1].own.is_empty());
}

#[test]
fn huge_pages_are_whole_or_are_none() {
    let mut memory = listed(1_000, 3_000, "rw-p");
    memory.huge_anonymous = 4 << 20;
    let huge = pagemap::PRESENT | pagemap::HUGE;
    // 1024 is the first multiple of 512; two calls met within the second huge page.
    let regions = [
        region(1_024, 700, huge),
        region(1_724, 324, huge),
        region(2_560, 100, huge),
        region(2_700, 2, pagemap::PRESENT),
    ];
    let found = &scanned(&[sought(&memory)], &regions)[0];
    assert_eq!(found.huge, [[24, 1024]]);
    assert!(found.huge_anonymous);
    assert_eq!(found.own, [[1_560, 100], [1_700, 2]]);
    let of_file = [region(1_024, 512, huge | pagemap::FILE)];
    let found = &scanned(&[sought(&memory)], &of_file)[0];
    assert_eq!(
        (&found.huge[..], found.huge_anonymous),
        (&[[24, 512]][..], false)
    );
}

#[test]
fn swap_is_told_from_markers_and_from_pages_on_their_way() {
    let mut memory = listed(10, 10, "rw-p");
    let regions = [
        region(10, 1, pagemap::SWAPPED),
        region(12, 1, pagemap::SWAPPED | pagemap::GUARD),
    ];
    let found = &scanned(&[sought(&memory)], &regions)[0];
    assert_eq!((&found.own[..], found.swapped.len()), (&[[0, 1]][..], 0));
    assert_eq!(found.guards, [[2, 1]]);
    let unaware = [10, 12].map(|page| region(page, 1, pagemap::SWAPPED));
    let old = by_regions(&[sought(&memory)], &unaware, false);
    assert_eq!(old[0], Found::default(), "guards that nobody tells of");
    memory.swapped = 4096;
    let found = &scanned(&[sought(&memory)], &regions)[0];
    assert_eq!((found.own.len(), &found.swapped[..]), (0, &[[0, 1]][..]));
    let many = [region(10, 5, pagemap::SWAPPED)];
    let found = &scanned(&[sought(&memory)], &many)[0];
    assert_eq!(found.swapped, [[0, 1]], "no more than smaps counts");
    memory.has_figures = false;
    assert_eq!(scanned(&[sought(&memory)], &regions)[0].swapped, [[0, 1]]);
    memory.has_figures = true;
    memory.swapped = 0;
    memory.flags = vec![MappingFlag::Userfault];
    let found = &scanned(&[sought(&memory)], &regions)[0];
    assert_eq!((&found.guards[..], found.own.len()), (&[[2, 1]][..], 0));
}

#[test]
fn huge_pages_of_zeros_are_told_by_the_kernel_or_by_the_figures_of_smaps() {
    let mut memory = listed(1_024, 3 * 512, "rw-p");
    memory.huge_anonymous = 2 << 20;
    let huge = pagemap::PRESENT | pagemap::HUGE;
    let told = [
        region(1_024, 512, huge | pagemap::ZERO),
        region(1_536, 512, huge),
        region(2_048, 9, pagemap::PRESENT | pagemap::ZERO),
    ];
    let found = &scanned(&[sought(&memory)], &told)[0];
    assert_eq!(found.huge_zero, [[0, 512]]);
    assert_eq!(
        (&found.huge[..], &found.zero[..]),
        (&[[512, 512]][..], &[[1_024, 9]][..])
    );
    let untold = [region(1_024, 3 * 512, huge)];
    let found = &scanned(&[sought(&memory)], &untold)[0];
    assert_eq!(
        (&found.huge[..], &found.huge_zero[..]),
        (&[[0, 512]][..], &[[512, 1_024]][..])
    );
    memory.has_figures = false;
    let found = &scanned(&[sought(&memory)], &untold)[0];
    assert_eq!(
        (&found.huge[..], found.huge_zero.len()),
        (&[[0, 1_536]][..], 0)
    );
}

#[test]
fn without_the_scan_the_figures_of_smaps_help() {
    let mut memory = listed(1_000, 2_000, "rw-p");
    memory.huge_anonymous = 2 << 20;
    memory.anonymous = (512 + 2) * 4096;
    memory.flags = vec![MappingFlag::HugeAdvised];
    let mut zeros = listed(4_000, 10, "rw-p");
    zeros.anonymous = 0;
    let mut empty = listed(5_000, 1 << 40, "---p");
    empty.resident = 0;
    let mut small = listed(3_072, 600, "rw-p");
    small.anonymous = 3 * 4096;
    let all = [&memory, &small, &zeros, &empty].map(sought);
    let mut entries: Vec<(u64, u64)> = (1_024..2_050).map(|page| (page, PRESENT)).collect();
    entries.extend([
        (2_600, SWAPPED | GUARD),
        (2_601, PRESENT | OF_FILE),
        (4_003, PRESENT),
    ]);
    entries.extend((3_072..3_672).map(|page| (page, PRESENT)));
    let mut fake = Fake {
        entries,
        ..Fake::default()
    };
    let found = find(&all, &mut fake, PAGE).unwrap();
    assert_eq!(found[0].huge, [[24, 512]], "as many as smaps counts");
    assert_eq!(found[0].own, [[1_048, 2]]);
    assert_eq!(found[0].huge_zero, [[536, 512]], "more than are anonymous");
    assert_eq!(found[0].file, [[1_601, 1]]);
    assert_eq!(found[0].guards, [[1_600, 1]]);
    assert!(found[0].huge_anonymous && found[0].swapped.is_empty());
    assert_eq!(
        (&found[1].own[..], found[1].huge_zero.len()),
        (&[[0, 3]][..], 0)
    );
    assert_eq!(found[1].zero, [[3, 597]], "nobody asked for huge pages");
    assert_eq!((&found[2].zero[..], found[2].own.len()), (&[[3, 1]][..], 0));
    assert!(fake.read.get() < 10_000, "the reservation was read");
}

#[test]
fn mappings_by_frame_number_are_read_by_entry_beside_the_scan() {
    let mut device = listed(10, 4, "rw-s");
    device.flags = vec![MappingFlag::PageFrames];
    let mut fake = Fake {
        guards: Some(true),
        entries: vec![(11, PRESENT)],
        ..Fake::default()
    };
    let found = find(&[sought(&device)], &mut fake, PAGE).unwrap();
    assert_eq!(found[0].file, [[1, 1]]);
}
