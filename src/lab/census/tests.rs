//! The census of captured processes, of this one and of its children.

use super::files::{NO_SUCH_PROCESS, gone_if_short, refuse};
use super::*;
use std::io::{Read, Write};
use std::{fs, io};

use crate::analysis::mappings::listed;
use procfs::FromRead;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sys::memory::{Arena, Source, Touches};
use crate::sys::shared::SharedWords;

const MAPS: &str = include_str!("../../../tests/data/proc/maps.txt");
const ROLLUP: &str = include_str!("../../../tests/data/proc/smaps_rollup.txt");
const STATUS: &str = include_str!("../../../tests/data/proc/status-user.txt");

/// Keeps the tests apart that map much and look at this process meanwhile.
pub(in crate::lab) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn vsyscall_is_no_vma_and_the_kernels_own_pages_are_not_anonymous() {
    let maps = listed(MAPS.as_bytes()).unwrap();
    let vmas = vmas(&mappings(&maps, None, 4096));
    assert_eq!(vmas.len(), MAPS.lines().count() - 1);
    assert_eq!(vmas[0].end_page - vmas[0].first_page, 2);
    let shared_or_own = vmas.iter().filter(|vma| !vma.holds_anon).count();
    assert_eq!(shared_or_own, 4, "r--s, [vvar], [vvar_vclock], [vdso]");
}

#[test]
fn huge_pages_are_taken_from_the_present_entries() {
    let text = ROLLUP
        .replace("AnonHugePages:         0 kB", "AnonHugePages:      4096 kB")
        .replace("Private_Hugetlb:       0 kB", "Private_Hugetlb:    2048 kB");
    let rollup = Rollup::of(&SmapsRollup::from_read(text.as_bytes()).unwrap()).unwrap();
    assert_eq!(rollup.resident_bytes, 1756 << 10);
    assert_eq!(rollup.huge_bytes, 4 << 20);
    assert_eq!(rollup.huge_pages(4096), 1_536);
    assert_eq!(rollup.huge_pages_copied(4096), 1_536);
    let private = "10000000-10800000 rw-p 00000000 00:00 0 \n";
    let counted = of(private, 1_600, &rollup);
    assert_eq!((counted.present_ptes, counted.ptes), (64, 64));
    assert_eq!((counted.huge_entries, counted.tables), (2, 9));
    assert_eq!((counted.vmas, counted.mapped_bytes), (1, 8 << 20));
}

/// What a mapping has with so many present pages, and 11 page tables.
fn of(line: &str, present: u64, rollup: &Rollup) -> Counts {
    let listed = listed(line.as_bytes()).unwrap();
    let found = Found {
        present,
        anon: true,
        ..Found::default()
    };
    let mappings = mappings(&listed, None, 4096);
    whole(&mappings, &[found], rollup, 0, 11 * 4096, 4096)
}

#[test]
fn huge_pages_of_shared_memory_are_not_taken_from_what_a_fork_copies() {
    let text = ROLLUP.replace("ShmemPmdMapped:        0 kB", "ShmemPmdMapped:     2048 kB");
    let rollup = Rollup::of(&SmapsRollup::from_read(text.as_bytes()).unwrap()).unwrap();
    assert_eq!(rollup.huge_bytes, 2 << 20);
    assert_eq!(rollup.huge_pages(4096), 512);
    assert_eq!(rollup.huge_pages_copied(4096), 0);
    let shared = of(
        "10000000-10800000 rw-s 00000000 00:01 9    /dev/zero\n",
        600,
        &rollup,
    );
    assert_eq!((shared.present_ptes, shared.ptes), (600 - 512, 0));
    assert_eq!((shared.shared_vmas, shared.anon_vmas), (1, 0));
}

#[test]
fn touched_memory_shows_in_a_living_process() {
    const PAGES: usize = 4096;
    let _turn = alone();
    let me = i32::try_from(std::process::id()).unwrap();
    let page_size = usize::try_from(procfs::page_size()).unwrap();
    let before = take(me, &[]).unwrap();
    // Not from malloc, which may have touched memory left to give.
    let arena = Arena::apart(PAGES * page_size, page_size);
    let touches = Touches {
        count: PAGES,
        distance: page_size,
    };
    arena
        .place(
            0,
            PAGES * page_size,
            Source::Anonymous,
            touches,
            &mut crate::sys::memory::Pages::none(),
        )
        .unwrap();
    let after = take(me, &[]).unwrap();
    // Other tests' threads give memory back between the two.
    let grown = (PAGES / 2 * page_size) as u64;
    assert!(after.resident_bytes >= before.resident_bytes + grown);
    let ptes = |parent: &Parent| {
        let of = &parent.mappings;
        of.present_ptes + of.swapped_ptes + parent.huge_bytes / procfs::page_size()
    };
    assert!(ptes(&after) >= ptes(&before) + grown / procfs::page_size());
    assert!(after.page_table_bytes > 0);
    let (before, after) = (before.mappings, after.mappings);
    assert!(after.ptes >= before.ptes + grown / procfs::page_size() / 2);
    assert!(after.ptes < after.present_ptes + after.swapped_ptes);
    assert!(after.vmas > 10 && after.anon_vmas > 2 && after.anon_vmas < after.vmas);
}

#[test]
fn the_instrument_is_left_out() {
    let _turn = alone();
    const WORDS: usize = 2 << 20;
    let me = i32::try_from(std::process::id()).unwrap();
    let instrument = SharedWords::anonymous(WORDS).unwrap();
    let whole = take(me, &[]).unwrap();
    let rest = take(me, &[instrument.range()]).unwrap();
    // Other tests' threads map and touch memory between the two.
    assert!(rest.resident_bytes + (4 << 20) < whole.resident_bytes);
    assert!(rest.mappings.present_ptes + 1_024 < whole.mappings.present_ptes);
    assert!(rest.page_table_bytes < whole.page_table_bytes);
}

#[test]
fn descriptors_and_threads_are_counted() {
    use std::process::{Command, Stdio};
    let mut command = Command::new("cat");
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (stdin, stdout) = (child.stdin.as_mut(), child.stdout.as_mut());
    stdin.unwrap().write_all(b".").unwrap();
    // Once it answers, its loader has closed what it had opened.
    stdout.unwrap().read_exact(&mut [0]).unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let census = take(pid, &[]);
    let fds = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64;
    child.kill().unwrap();
    child.wait().unwrap();
    let census = census.unwrap();
    assert_eq!((census.threads, census.descriptors), (1, fds));
    assert!(fds >= 3, "{fds}");
}

/// State and blocked signals of each thread of this process.
fn threads() -> Vec<(String, u64)> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let of = |task: io::Result<fs::DirEntry>| {
        // A thread of another test may end meanwhile.
        let status = fs::read_to_string(task.ok()?.path().join("status")).ok()?;
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
        let blocked = u64::from_str_radix(field("SigBlk:")?.trim(), 16).ok()?;
        Some((field("State:")?.trim().to_owned(), blocked))
    };
    tasks.filter_map(of).collect()
}

#[test]
fn idle_threads_sleep_and_block_signals_and_this_one_goes_on_as_before() {
    let _turn = alone();
    // SIGHUP, SIGINT and SIGTERM.
    let blocks = |mask: u64| mask & 0x4003 == 0x4003;
    let asleep = || {
        let sleeps = |(state, mask): &(String, u64)| state.starts_with('S') && blocks(*mask);
        threads().iter().filter(|thread| sleeps(thread)).count()
    };
    let before = asleep();
    crate::sys::threads::start_sleeping(5, 1 << 20).unwrap();
    assert!(asleep() >= before + 5, "{:?}", threads());
    let me = i32::try_from(std::process::id()).unwrap();
    assert!(take(me, &[]).unwrap().threads >= 6);
    let own = fs::read_to_string("/proc/thread-self/status").unwrap();
    let mask = own.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    assert!(!blocks(
        u64::from_str_radix(mask.unwrap().trim(), 16).unwrap()
    ));
}

#[test]
fn a_process_that_is_not_is_gone() {
    let error = take(i32::MAX, &[]).unwrap_err();
    assert!(
        matches!(error, CensusError::Gone { pid: i32::MAX }),
        "{error:?}"
    );
    assert!(error.to_string().contains("process 2147483647"));
}

#[test]
fn an_ended_child_has_no_address_space_until_it_is_waited_for() {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let status = format!("/proc/{pid}/status");
    while !fs::read_to_string(&status).unwrap().contains("State:\tZ") {
        std::thread::yield_now();
    }
    let error = take(pid, &[]).unwrap_err();
    assert!(
        matches!(error, CensusError::NoAddressSpace { .. }),
        "{error:?}"
    );
    child.wait().unwrap();
    assert!(matches!(take(pid, &[]), Err(CensusError::Gone { .. })));
}

#[test]
fn a_kernel_without_pagemap_is_told_apart_from_a_process_that_is_gone() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("status"), STATUS).unwrap();
    let error = take_from(&ProcessFiles::below(root.path()), "maps", &[]).unwrap_err();
    assert!(matches!(error, CensusError::Unreadable { .. }), "{error:?}");
    assert!(error.to_string().contains("/maps"), "{error}");
}

#[test]
fn refusals_are_typed() {
    // No process has this number, so that nothing is known of it.
    let pid = i32::MAX;
    let file = PathBuf::from(format!("/proc/{pid}/maps"));
    let refused = refuse(pid, file, ProcError::PermissionDenied(None));
    assert_eq!(
        refused.to_string(),
        format!(
            "permission to read /proc/{pid}/maps is refused: run as the owner of process {pid}, \
             or as root"
        )
    );
    let searched = io::Error::from_raw_os_error(NO_SUCH_PROCESS);
    let gone = refuse(7, PathBuf::from("/proc/self/maps"), searched.into());
    assert!(matches!(gone, CensusError::Gone { pid: 7 }));
    let short = gone_if_short(io::ErrorKind::UnexpectedEof.into());
    let gone = refuse(7, PathBuf::from("/proc/self/pagemap"), short);
    assert!(matches!(gone, CensusError::Gone { pid: 7 }));
}
