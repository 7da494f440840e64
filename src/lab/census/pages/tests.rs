//! Made-up pagemaps, counted.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Entries of a page table where pages have 4 KiB.
const TABLE: u64 = 512;

/// A pagemap of these entries, all others being zero; and its reads.
struct Fake {
    entries: BTreeMap<u64, u64>,
    reads: Vec<(u64, u64)>,
}

impl Fake {
    fn new(entries: impl IntoIterator<Item = (u64, u64)>) -> Self {
        Self {
            entries: entries.into_iter().collect(),
            reads: Vec::new(),
        }
    }

    fn count(&mut self, vmas: &[Vma]) -> Vec<Found> {
        self.count_in(vmas, TABLE)
    }

    fn count_in(&mut self, vmas: &[Vma], capacity: u64) -> Vec<Found> {
        let read = |first: u64, bytes: &mut [u8]| {
            let pages = bytes.len() as u64 / ENTRY_BYTES;
            self.reads.push((first, pages));
            bytes.fill(0);
            for (page, entry) in self.entries.range(first..first + pages) {
                let at = index((page - first) * ENTRY_BYTES);
                bytes[at..at + 8].copy_from_slice(&entry.to_ne_bytes());
            }
            Ok(())
        };
        count_pages(vmas, read, capacity).unwrap()
    }
}

fn vma(first_page: u64, pages: u64) -> Vma {
    Vma {
        first_page,
        end_page: first_page + pages,
        holds_anon: true,
    }
}

#[test]
fn present_swapped_and_file_pages_are_told_apart() {
    let mut fake = Fake::new([
        (10, PRESENT),
        (11, PRESENT | FILE_OR_SHARED),
        (12, SWAPPED),
        (20, PRESENT | FILE_OR_SHARED),
        (30, SWAPPED | 0x1234),
        (40, PRESENT),
        (45, PRESENT),
    ]);
    let counts = fake.count(&[vma(10, 4), vma(20, 2), vma(30, 1), vma(40, 1)]);
    let found = |present, swapped, empty, anon| Found {
        present,
        swapped,
        empty,
        anon,
        ..Found::default()
    };
    assert_eq!(
        counts,
        [
            Found {
                tables: 1,
                ..found(2, 1, 1, true)
            },
            found(1, 0, 1, false),
            found(0, 1, 0, true),
            found(1, 0, 0, true),
        ],
        "page 45 is in no VMA, and the table is the first one's"
    );
}

#[test]
fn near_vmas_are_read_at_once_and_far_ones_apart() {
    let mut fake = Fake::new([]);
    fake.count(&[vma(1_000, 1), vma(1_002, 1), vma(1_500, 4), vma(1 << 30, 2)]);
    assert_eq!(fake.reads, [(1_000, 504), (1 << 30, 2)]);
}

#[test]
fn a_vma_longer_than_the_buffer_is_one_vma() {
    let end = 100 + 2 * CHUNK;
    let mut fake = Fake::new([(100, PRESENT), (end, PRESENT), (end + 60, PRESENT)]);
    let counts = fake.count(&[vma(100, 2 * CHUNK + 50), vma(end + 55, 10)]);
    let seen = counts.iter().map(|found| (found.present, found.anon));
    assert_eq!(seen.collect::<Vec<_>>(), [(2, true), (1, true)]);
    assert_eq!(fake.reads.len(), 3);
    assert!(fake.reads.iter().all(|(_, pages)| *pages <= CHUNK));
}

#[test]
fn pages_before_the_first_anonymous_one_of_a_vma_count_with_it() {
    let file = PRESENT | FILE_OR_SHARED;
    let far = 100 + CHUNK + 7;
    let mut fake = Fake::new([
        (100, file),
        (far, PRESENT),
        (far + 1, file),
        (far + 90, file),
    ]);
    let counts = fake.count(&[vma(100, CHUNK + 50), vma(far + 80, 20)]);
    let seen = counts.iter().map(|found| (found.present, found.anon));
    assert_eq!(seen.collect::<Vec<_>>(), [(3, true), (1, false)]);
}

#[test]
fn an_error_of_the_reader_is_passed_on() {
    let fails = |_: u64, _: &mut [u8]| Err(io::ErrorKind::UnexpectedEof.into());
    let failed = count_pages(&[vma(1, 1)], fails, TABLE);
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

/// The same pagemap, known by its used entries as a scan would know it.
struct Scanned(Fake);

impl EntrySource for &mut Scanned {
    fn read(&mut self, first: u64, bytes: &mut [u8]) -> io::Result<()> {
        let pages = bytes.len() as u64 / ENTRY_BYTES;
        self.0.reads.push((first, pages));
        bytes.fill(0);
        for (page, entry) in self.0.entries.range(first..first + pages) {
            let at = index((page - first) * ENTRY_BYTES);
            bytes[at..at + 8].copy_from_slice(&entry.to_ne_bytes());
        }
        Ok(())
    }

    fn next_used(&mut self, from: u64, end: u64) -> io::Result<Option<u64>> {
        let used = |(_, entry): &(&u64, &u64)| *entry & (PRESENT | SWAPPED) != 0;
        let mut entries = self.0.entries.range(from..end);
        Ok(entries.find(used).map(|(page, _)| *page))
    }
}

#[test]
fn a_reservation_of_terabytes_takes_few_reads() {
    let reserved = vma(7, 1 << 30);
    let touched = [9, 1 << 20, (1 << 29) + 3];
    let mut scanned = Scanned(Fake::new(touched.map(|page| (page, PRESENT))));
    let counts = count_pages(&[reserved], &mut scanned, TABLE).unwrap();
    let [found] = counts[..] else { panic!() };
    assert_eq!((found.present, found.anon, found.tables), (3, true, 3));
    // Three tables of 512 entries, the first of which it begins within.
    assert_eq!(found.empty, 505 + 2 * 512 - 3);
    assert!(scanned.0.reads.len() < 8, "{:?}", scanned.0.reads);
}

#[test]
fn the_rest_of_a_table_is_counted_where_nothing_follows_it() {
    let vmas = [vma(1_546, 131_073)];
    let entries = || [1_546, 67_072].map(|page| (page, SWAPPED));
    let mut scanned = Scanned(Fake::new(entries()));
    let found = count_pages(&vmas, &mut scanned, TABLE).unwrap();
    assert_eq!(found, Fake::new(entries()).count(&vmas));
    assert_eq!(found[0].empty, 2_048 - 1_546 + 512 - 2);
}

/// Entries of a page table where pages have 4, 16 and 64 KiB.
fn capacity() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![512, 2_048, 8_192])
}

proptest! {
    #[test]
    fn what_is_passed_over_counts_for_nothing(
        shape in prop::collection::vec((0_u64..2_000, 1_u64..300_000), 1..4),
        touched in prop::collection::vec((0_u64..900_000, 1_u64..8), 0..30),
        capacity in capacity(),
    ) {
        let mut end = 0;
        let vmas: Vec<Vma> = shape.iter().map(|(gap, pages)| {
            let first = end + gap;
            end = first + pages;
            vma(first, *pages)
        }).collect();
        let entries = || touched.iter().map(|(page, bits)| (*page, bits << 61));
        let mut scanned = Scanned(Fake::new(entries()));
        let found = count_pages(&vmas, &mut scanned, capacity).unwrap();
        prop_assert_eq!(found, Fake::new(entries()).count_in(&vmas, capacity));
    }

    #[test]
    fn counts_are_those_of_a_walk_page_by_page(
        shape in prop::collection::vec((0_u64..2_000, 1_u64..90_000, any::<bool>()), 1..5),
        touched in prop::collection::vec((0_u64..300_000, 0_u64..8), 0..40),
        capacity in capacity(),
    ) {
        let mut end = 0;
        let vmas: Vec<Vma> = shape.iter().map(|(gap, pages, holds_anon)| {
            let first_page = end + gap;
            end = first_page + pages;
            Vma { first_page, end_page: end, holds_anon: *holds_anon }
        }).collect();
        let mut fake = Fake::new(touched.iter().map(|(page, bits)| (*page, bits << 61)));
        let mut expected = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for vma in &vmas {
            let mut found = Found::default();
            let mut tables = std::collections::BTreeSet::new();
            let mut used = 0;
            for (page, entry) in fake.entries.range(vma.first_page..vma.end_page) {
                found.present += u64::from(entry & PRESENT != 0);
                found.swapped += u64::from(entry & SWAPPED != 0);
                let there = entry & PRESENT != 0 || entry & SWAPPED != 0;
                found.anon |= there && entry & FILE_OR_SHARED == 0;
                if there {
                    tables.insert(page / capacity);
                    used += 1;
                }
            }
            let within = |page: &u64| tables.contains(&(page / capacity));
            let entries = (vma.first_page..vma.end_page).filter(within).count();
            found.empty = entries as u64 - used;
            found.tables = tables.iter().filter(|table| seen.insert(**table)).count() as u64;
            expected.push(found);
        }
        prop_assert_eq!(fake.count_in(&vmas, capacity), expected);
    }
}
