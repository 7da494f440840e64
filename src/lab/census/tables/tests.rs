//! Page tables of a captured process and of this one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::*;
use crate::analysis::mappings::listed;
use crate::lab::census::pages::ENTRY_BYTES;
use crate::lab::census::tests::alone;
use crate::model::{Level, TableLevel};
use crate::sys::memory::{Arena, Pages, Source, Touches};
use crate::sys::shared::SharedWords;

const STATUS: &str = include_str!("../../../../tests/data/proc/status-user.txt");
const SMAPS: &str = include_str!("../../../../tests/data/proc/smaps.txt");
const PAGEMAP: &str = include_str!("../../../../tests/data/proc/pagemap.txt");

fn me() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

fn kind<'a>(tables: &'a PageTables, name: &str) -> &'a MappingKind {
    let mut kinds = tables.kinds.iter();
    kinds.find(|kind| kind.kind == name).unwrap()
}

fn level(tables: &PageTables, name: Level) -> &TableLevel {
    let mut levels = tables.levels.iter();
    levels.find(|level| level.level == name).unwrap()
}

/// Captured entries: pages and what pagemap says of them.
fn captured_pages() -> BTreeMap<u64, u64> {
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let lines = PAGEMAP.lines().map(|line| line.split_once(' ').unwrap());
    lines.map(|(page, bits)| (hex(page), hex(bits))).collect()
}

/// A directory such as /proc/PID with the captured process.
pub(in crate::lab::census) fn captured() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fs::write(at("status"), STATUS).unwrap();
    fs::write(at("smaps"), SMAPS).unwrap();
    let pagemap = File::create(at("pagemap")).unwrap();
    pagemap.set_len(8 << (47 - 12)).unwrap();
    for (page, bits) in captured_pages() {
        pagemap
            .write_all_at(&bits.to_ne_bytes(), page * ENTRY_BYTES)
            .unwrap();
    }
    root
}

#[test]
fn a_captured_process_has_the_tables_that_the_kernel_counted() {
    if procfs::page_size() != 4096 {
        println!("skipped: the capture has pages of 4 KiB");
        return;
    }
    let root = captured();
    let tables = page_tables_from(&ProcessFiles::below(root.path()), &[], true, 0).unwrap();
    let below_the_root = tables.levels.iter().take(3);
    let pages: u64 = below_the_root.map(|level| level.tables).sum();
    assert_eq!(pages * 4, 44, "VmPTE of that process: 44 kB");
    assert_eq!(
        level(&tables, Level::Pte).used,
        captured_pages().len() as u64
    );
    let text = kind(&tables, "program and libraries, not written to");
    assert_eq!(
        (text.mappings.vmas, text.mappings.anon_vmas, text.copied),
        (9, 0, 0)
    );
    assert_eq!(text.skip_reasons, [SkipReason::NoAnonVma]);
    let written = kind(&tables, "program and libraries, written to");
    assert_eq!((written.mappings.anon_vmas, written.skipped), (6, 0));
    // "Anonymous" of the captured smaps: 16 KiB of heap, 12 of stack.
    assert_eq!(kind(&tables, "heap").copied, 4);
    assert_eq!(kind(&tables, "stack").copied, 3);
    let shared = kind(&tables, "file, shared");
    assert_eq!((shared.copied, shared.skip_reasons.len()), (0, 1));
    let entries: u64 = tables.kinds.iter().map(|k| k.copied + k.skipped).sum();
    assert_eq!(entries, captured_pages().len() as u64);
    let tree = tables.tree.unwrap();
    assert_eq!(tree.root.level, Level::Pgd);
}

#[test]
fn a_fifth_level_is_there_for_low_addresses_too() {
    if procfs::page_size() != 4096 {
        println!("skipped: the capture has pages of 4 KiB");
        return;
    }
    let root = captured();
    let of = |least_end| {
        page_tables_from(&ProcessFiles::below(root.path()), &[], false, least_end).unwrap()
    };
    let (four, five) = (of(0), of(WIDE_ADDRESS as u64));
    let figures = |tables: &PageTables, name| {
        let level = level(tables, name);
        (level.tables, level.used)
    };
    assert_eq!(figures(&five, Level::P4d), figures(&four, Level::Pgd));
    assert_eq!(figures(&five, Level::Pgd), (1, 1));
    assert_eq!(five.levels[..3], four.levels[..3]);
}

#[test]
fn files_that_are_cut_short_are_refused() {
    let root = captured();
    fs::write(root.path().join("pagemap"), []).unwrap();
    let error = page_tables_from(&ProcessFiles::below(root.path()), &[], false, 0).unwrap_err();
    assert!(matches!(error, CensusError::Gone { pid: 7 }), "{error:?}");
    fs::remove_file(root.path().join("smaps")).unwrap();
    let error = page_tables_from(&ProcessFiles::below(root.path()), &[], false, 0).unwrap_err();
    assert!(error.to_string().contains("/smaps"), "{error}");
}

/// A mapping in which a walk finds these entries.
fn walked(figures: &str, flags: &str, bits: impl Fn(u64) -> u64) -> (MappingKind, Vec<TableLevel>) {
    let text = format!("40000000-40600000 rw-p 00000000 00:00 0 \n{figures}VmFlags: {flags} \n");
    let all = listed(text.as_bytes()).unwrap();
    let mappings = mappings(&all, None, 4096);
    let geometry = Geometry::of(4096, 1 << 47);
    let read = |first: u64, bytes: &mut [u8]| {
        let (entries, _) = bytes.as_chunks_mut::<8>();
        for (page, entry) in (first..).zip(entries) {
            *entry = bits(page - 0x40000).to_ne_bytes();
        }
        Ok(())
    };
    let (entries, found) = walk(&mappings, geometry, read, |_| Ok(0)).unwrap();
    let mut kinds = kinds(&mappings, &found);
    (kinds.remove(0), entries.summary())
}

const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;

#[test]
fn a_huge_page_is_one_entry_of_the_pmd() {
    // The first reach lacks a page, the second is huge, the third is not.
    let figures = "Anonymous: 6140 kB\nAnonHugePages: 2048 kB\n";
    let (kind, levels) = walked(
        figures,
        "rd wr hg",
        |page| if page == 7 { 0 } else { PRESENT },
    );
    assert_eq!(
        (kind.mappings.present_ptes, kind.mappings.huge_entries),
        (511 + 512, 1)
    );
    assert_eq!((kind.copied, kind.skipped), (511 + 512 + 1, 0));
    assert_eq!((levels[0].tables, levels[0].used), (2, 1023));
    assert_eq!((levels[1].tables, levels[1].used), (1, 3));
}

#[test]
fn huge_pages_of_a_file_are_found_again_by_a_fault() {
    let figures = "Anonymous: 4 kB\nFilePmdMapped: 4096 kB\n";
    let (kind, _) = walked(
        figures,
        "rd wr",
        |page| if page < 1025 { PRESENT } else { 0 },
    );
    assert_eq!(
        (kind.mappings.huge_entries, kind.copied, kind.skipped),
        (2, 1, 2)
    );
    assert_eq!(kind.skip_reasons, [SkipReason::NoAnonVma]);
}

#[test]
fn hugetlbfs_has_no_table_of_ptes() {
    let figures = "KernelPageSize: 2048 kB\nAnonymous: 0 kB\n";
    let (kind, levels) = walked(
        figures,
        "rd wr ht",
        |page| if page < 1024 { PRESENT } else { 0 },
    );
    assert_eq!(
        (
            kind.mappings.present_ptes,
            kind.mappings.huge_entries,
            kind.copied
        ),
        (0, 2, 2)
    );
    assert_eq!((levels[0].tables, levels[1].used), (0, 2));
}

#[test]
fn the_zero_page_makes_no_anon_vma_and_a_swapped_page_does() {
    let (kind, _) = walked("Anonymous: 0 kB\n", "rd wr", |page| {
        PRESENT * u64::from(page < 4)
    });
    assert_eq!(
        (kind.mappings.anon_vmas, kind.copied, kind.skipped),
        (0, 0, 4)
    );
    let (kind, _) = walked("Anonymous: 0 kB\n", "rd wr", |page| {
        SWAPPED * u64::from(page < 4)
    });
    assert_eq!(
        (
            kind.mappings.anon_vmas,
            kind.mappings.swapped_ptes,
            kind.copied
        ),
        (1, 4, 4)
    );
}

#[test]
fn scattered_pages_take_a_table_each_in_a_living_process() {
    let _turn = alone();
    // Other tests' threads map and unmap memory meanwhile.
    const TABLES: usize = 400;
    const OTHERS: usize = 100;
    let page_size = usize::try_from(procfs::page_size()).unwrap();
    let reach = page_size * (page_size / 8);
    let before = page_tables(me(), &[], false).unwrap();
    let arena = Arena::apart(TABLES * reach, reach);
    let touches = Touches {
        count: TABLES,
        distance: reach,
    };
    arena
        .place(
            0,
            TABLES * reach,
            Source::Anonymous,
            touches,
            &mut Pages::none(),
        )
        .unwrap();
    arena.forbid_huge_pages().unwrap();
    let after = page_tables(me(), &[], false).unwrap();
    let ptes = |tables: &PageTables| level(tables, Level::Pte).tables;
    let more = TABLES - OTHERS;
    assert!(ptes(&after) >= ptes(&before) + more as u64);
    assert!(after.vm_pte_bytes >= before.vm_pte_bytes + (more * page_size) as u64);
    let text = kind(&after, "program and libraries, not written to");
    assert_eq!((text.copied, text.mappings.anon_vmas), (0, 0));
    assert_eq!(text.skip_reasons, [SkipReason::NoAnonVma]);
    assert!(kind(&after, "anonymous").copied >= TABLES as u64);
}

#[test]
fn memory_that_no_fork_copies_says_why() {
    let _turn = alone();
    // More than other tests map meanwhile.
    const WORDS: usize = 4 << 20;
    let page_size = usize::try_from(procfs::page_size()).unwrap();
    let words = SharedWords::anonymous(WORDS).unwrap();
    let arena = Arena::apart(2048 * page_size, page_size);
    let touches = Touches {
        count: 2048,
        distance: page_size,
    };
    arena
        .place(
            0,
            2048 * page_size,
            Source::Shared,
            touches,
            &mut Pages::none(),
        )
        .unwrap();
    let tables = page_tables(me(), &[], false).unwrap();
    let shared = kind(&tables, "shared memory");
    assert_eq!(
        shared.skip_reasons,
        [SkipReason::Shared, SkipReason::DontFork]
    );
    let pages = (2048 + WORDS * 8 / page_size) as u64;
    assert!(shared.skipped + 512 * shared.mappings.huge_entries >= pages);
    assert_eq!((shared.copied, shared.mappings.anon_vmas), (0, 0));

    let rest = page_tables(me(), &[words.range()], false).unwrap();
    let left = kind(&rest, "shared memory");
    assert!(
        left.mappings.present_ptes + left.mappings.huge_entries
            < shared.mappings.present_ptes + shared.mappings.huge_entries
    );
}

#[test]
fn many_mappings_are_drawn_as_one_and_read_in_time() {
    let _turn = alone();
    // Of two pages each: more than any other test touches meanwhile.
    const COUNT: usize = 10_000;
    let page_size = usize::try_from(procfs::page_size()).unwrap();
    let arena = Arena::apart(COUNT * 3 * page_size, page_size);
    let touches = Touches {
        count: 2,
        distance: page_size,
    };
    for index in 0..COUNT {
        let offset = index * 3 * page_size;
        arena
            .place(
                offset,
                2 * page_size,
                Source::Anonymous,
                touches,
                &mut Pages::none(),
            )
            .unwrap();
    }
    let begin = Instant::now();
    let tables = page_tables(me(), &[], true).unwrap();
    let took = begin.elapsed();
    println!("{COUNT} mappings: {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(kind(&tables, "anonymous").mappings.anon_vmas >= COUNT as u64);
    let tree = tables.tree.unwrap();
    let described = tree.mapping.starts_with("10,000 mappings of ");
    assert!(
        described && tree.mapping.ends_with(", rw-p"),
        "{}",
        tree.mapping
    );
}

/// A `cat` that waits for its input, and that ends when its input does.
struct Waiting(std::process::Child);

impl Waiting {
    fn start() -> Self {
        let cat = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let system_call = || fs::read_to_string(format!("/proc/{}/syscall", cat.id()));
        let begin = Instant::now();
        // read(2) of descriptor 0: whoever waits there has started up. A
        // container may hide it, and a second is long enough for a `cat`.
        while begin.elapsed() < Duration::from_secs(1) {
            if system_call().is_ok_and(|call| call.contains(" 0x0 ") && call.starts_with("0 ")) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Self(cat)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_waiting_process_has_as_many_tables_as_the_kernel_counts() {
    let cat = Waiting::start();
    let tables = page_tables(i32::try_from(cat.0.id()).unwrap(), &[], false).unwrap();
    let root = tables.levels.len() - 1;
    let found: u64 = tables.levels[..root].iter().map(|l| l.tables).sum();
    let counted = tables.vm_pte_bytes / procfs::page_size();
    // Tables that have become empty are the kernel's alone.
    assert!(found <= counted, "{found} of {counted}");
    let empty = counted.saturating_sub(found + tables.huge_entries);
    assert!(empty <= 3, "{empty} of {counted}");
}
