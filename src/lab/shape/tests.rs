//! Shapes of a captured process and of this one.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use super::*;
use crate::analysis::shape::check;
use crate::model::{MappingContent, MappingFlag};
use crate::sys::gauge::Untouched;
use crate::sys::memory::{Arena, Pages, Source, Touches, page_size};
use crate::sys::shared::SharedWords;

const STATUS: &str = include_str!("../../../tests/data/proc/status-user.txt");
const SMAPS: &str = include_str!("../../../tests/data/proc/smaps.txt");
const PAGEMAP: &str = include_str!("../../../tests/data/proc/pagemap.txt");

/// A directory such as /proc/PID with the captured process.
fn captured(maps: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fs::write(at("status"), STATUS).unwrap();
    fs::write(at("smaps"), SMAPS).unwrap();
    fs::write(at("maps"), maps).unwrap();
    fs::create_dir(at("task")).unwrap();
    fs::create_dir(at("fdinfo")).unwrap();
    fs::write(at("fdinfo/0"), "flags:\t0100002\n").unwrap();
    fs::write(at("fdinfo/300"), "flags:\t02100002\n").unwrap();
    let pagemap = File::create(at("pagemap")).unwrap();
    pagemap.set_len(8 << (47 - 12)).unwrap();
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
    for line in PAGEMAP.lines() {
        let (page, bits) = line.split_once(' ').unwrap();
        let entry = hex(bits).to_ne_bytes();
        pagemap.write_all_at(&entry, hex(page) * 8).unwrap();
    }
    root
}

fn of_captured(maps: &str) -> ProcessShape {
    take_from(
        &ProcessFiles::below(captured(maps).path()),
        Options::default(),
    )
    .unwrap()
}

#[test]
fn a_captured_process_of_an_old_kernel_has_a_shape() {
    if procfs::page_size() != 4096 {
        println!("skipped: the capture has pages of 4 KiB");
        return;
    }
    let shape = of_captured(SMAPS);
    check(&shape).unwrap();
    assert_eq!(shape.mappings.len(), 37, "38 lines, and [vsyscall] is none");
    let process = &shape.process;
    assert_eq!((process.descriptors, process.cloexec_descriptors), (1, 1));
    assert_eq!(process.highest_descriptor, Some(300));
    assert_eq!(process.descriptor_slots, 256, "FDSize of its status");
    assert_eq!(process.page_table_bytes, 48 << 10);
    assert_eq!(process.name, "cat");
    assert_eq!(
        process.resident_bytes,
        1_668 << 10,
        "the sum of Rss in smaps"
    );
    let reserved = |reservation| process.reservations.contains(&reservation);
    assert!(
        reserved(ShapeReservation::NoZeroPages),
        "a file has no scan"
    );
    for other in [
        ShapeReservation::ChangedWhileRead,
        ShapeReservation::Seccomp,
        ShapeReservation::Traced,
        ShapeReservation::OtherControlGroup,
    ] {
        assert!(!reserved(other), "{other:?}");
    }
    let heap = shape
        .mappings
        .iter()
        .find(|m| m.content == MappingContent::Heap);
    let heap = heap.unwrap();
    assert!(heap.anon_vma && heap.name.is_none());
    assert_eq!(runs::pages(&heap.own), 4, "Anonymous of smaps: 16 kB");
    let text = &shape.mappings[0];
    assert_eq!(text.content, MappingContent::Program);
    assert_eq!((text.anon_vma, &text.file[..]), (false, &[[0, 2]][..]));
    let copied = shape.mappings.iter().filter(|mapping| mapping.anon_vma);
    assert!((5..15).contains(&copied.count()));
}

#[test]
fn who_watches_a_process_and_its_group_are_told() {
    let root = captured(SMAPS);
    let status = STATUS.replace("TracerPid:\t0", "TracerPid:\t7");
    let status = status.replace("Seccomp:\t0", "Seccomp:\t2");
    fs::write(root.path().join("status"), status).unwrap();
    let elsewhere = "5:memory:/elsewhere\n0::/elsewhere\n";
    fs::write(root.path().join("cgroup"), elsewhere).unwrap();
    let stat = "7 (a) b) S 1 7 7 0 -1 4194368 102 0 0 0 0 0 0 0 20 0 1 0 5 1 1\n";
    fs::write(root.path().join("stat"), stat).unwrap();
    let shape = take_from(&ProcessFiles::below(root.path()), Options::default()).unwrap();
    for reservation in [
        ShapeReservation::Seccomp,
        ShapeReservation::Traced,
        ShapeReservation::OtherControlGroup,
        ShapeReservation::NeverExecuted,
    ] {
        let told = shape.process.reservations.contains(&reservation);
        assert!(told, "{reservation:?}");
    }
}

#[test]
fn a_process_whose_mappings_change_is_read_again_and_again() {
    let mut lines: Vec<&str> = SMAPS.lines().collect();
    lines.remove(0);
    let first = lines
        .iter()
        .position(|line| line.contains(" r-xp "))
        .unwrap();
    let shape = of_captured(&lines[first..].join("\n"));
    let reservations = &shape.process.reservations;
    assert!(reservations.contains(&ShapeReservation::ChangedWhileRead));
}

#[test]
fn names_are_left_out_if_asked() {
    let root = captured(SMAPS);
    let anonymous = Options {
        anonymous: true,
        ..Options::default()
    };
    let shape = take_from(&ProcessFiles::below(root.path()), anonymous).unwrap();
    assert_eq!(shape.process.name, "process");
    assert!(shape.mappings.iter().all(|mapping| mapping.name.is_none()));
}

#[test]
fn flags_are_left_out_if_asked() {
    let root = captured(SMAPS);
    let plain = take_from(&ProcessFiles::below(root.path()), Options::default()).unwrap();
    let headers: Vec<&str> = SMAPS
        .lines()
        .filter(|line| !line.split(' ').next().unwrap().ends_with(':'))
        .collect();
    fs::write(root.path().join("maps"), headers.join("\n")).unwrap();
    fs::remove_file(root.path().join("smaps")).unwrap();
    let without_flags = Options {
        without_flags: true,
        ..Options::default()
    };
    let shape = take_from(&ProcessFiles::below(root.path()), without_flags).unwrap();
    check(&shape).unwrap();
    let reservations = &shape.process.reservations;
    assert!(reservations.contains(&ShapeReservation::NoFlags));
    assert!(!reservations.contains(&ShapeReservation::ChangedWhileRead));
    assert!(
        shape
            .mappings
            .iter()
            .all(|mapping| mapping.flags.is_empty())
    );
    assert!(shape.process.resident_bytes > 0);
    let own = |shape: &ProcessShape| {
        let of = shape.mappings.iter();
        of.map(|mapping| runs::pages(&mapping.own)).sum::<u64>()
    };
    assert_eq!(own(&shape), own(&plain));
}

#[test]
fn a_mapping_that_grew_while_it_was_listed_counts_once() {
    let listed = |start, end| Listed {
        start,
        end,
        ..Listed::default()
    };
    let mut all = vec![listed(0, 4), listed(0, 8), listed(2, 6), listed(9, 10)];
    assert!(disentangle(&mut all));
    let places: Vec<_> = all
        .iter()
        .map(|mapping| (mapping.start, mapping.end))
        .collect();
    assert_eq!(places, [(0, 4), (4, 8), (9, 10)]);
    assert!(!disentangle(&mut all));
}

fn me() -> i32 {
    i32::try_from(std::process::id()).unwrap()
}

fn at(shape: &ProcessShape, address: usize) -> &ShapeMapping {
    let page = (address / page_size()) as u64;
    let mut mappings = shape.mappings.iter();
    mappings
        .find(|mapping| (mapping.first_page..mapping.end_page()).contains(&page))
        .unwrap()
}

/// Both ways of reading pages, of mappings that hold still.
#[test]
fn the_scan_and_the_entries_find_the_same() {
    let _turn = crate::lab::census::tests::alone();
    let page = page_size();
    let arena = Arena::apart(4_000 * page, page);
    let touches = Touches {
        count: 900,
        distance: 3 * page,
    };
    let len = 4_000 * page;
    arena
        .place(0, len, Source::Anonymous, touches, &mut Pages::none())
        .unwrap();
    arena.forbid_huge_pages().unwrap();
    let shared = SharedWords::anonymous(3 * page / 8).unwrap();
    let untouched = Untouched::map(5).unwrap();
    let files = ProcessFiles::of(me());
    let all = files.listed("smaps").unwrap();
    let pagemap = files.pagemap().unwrap();
    let scanner = Scanner::probe(pagemap.file()).unwrap();
    let mut opened = Opened::of(pagemap, scanner);
    let scanned = shape_of(look(&files, &all, &mut opened).unwrap());
    opened.scanner = None;
    let entered = shape_of(look(&files, &all, &mut opened).unwrap());
    for shape in [&scanned, &entered] {
        check(shape).unwrap();
        let memory = at(shape, arena.start());
        let first = (arena.start() / page) as u64 - memory.first_page;
        let inside = memory
            .own
            .iter()
            .filter(|run| (first..first + 4_000).contains(&run[0]));
        let expected: Vec<_> = (0..900).map(|index| [first + index * 3, 1]).collect();
        assert_eq!(inside.copied().collect::<Vec<_>>(), expected);
        assert!(memory.anon_vma);
        let words = at(shape, shared.range()[0]);
        assert_eq!(words.content, MappingContent::SharedMemory);
        assert!(!words.anon_vma && words.own.is_empty());
        let left_out = at(shape, untouched.range()[0]);
        assert!(left_out.has(MappingFlag::DontFork) && left_out.has(MappingFlag::HugeForbidden));
        assert!(!left_out.anon_vma && left_out.own.is_empty() && left_out.stretch.is_none());
    }
}

fn shape_of(reading: Reading) -> ProcessShape {
    let mut shape = crate::analysis::shape::tests::shape(reading.mappings);
    shape.process.page_size = procfs::page_size();
    shape
}

#[test]
fn this_process_has_a_shape_with_threads() {
    let _turn = crate::lab::census::tests::alone();
    crate::sys::threads::start_sleeping(3, 1 << 20).unwrap();
    let shape = take(me(), Options::default()).unwrap();
    check(&shape).unwrap();
    let stacks = shape
        .mappings
        .iter()
        .filter(|mapping| mapping.content == MappingContent::ThreadStack)
        .count();
    assert!(stacks >= 3, "{stacks}");
    assert!(shape.process.threads >= 4);
    assert!(shape.process.took_s > 0.0);
    assert!(shape.process.resident_bytes > 1 << 20);
    let of = |content| {
        shape
            .mappings
            .iter()
            .filter(|m| m.content == content)
            .count()
    };
    assert!(of(MappingContent::Program) >= 3 && of(MappingContent::Library) >= 3);
    assert_eq!(of(MappingContent::Stack), 1);
    assert!(of(MappingContent::Kernel) >= 1);
}

#[test]
fn a_process_that_is_not_is_gone() {
    let error = take(i32::MAX, Options::default()).unwrap_err();
    assert!(matches!(error, CensusError::Gone { .. }), "{error:?}");
}
