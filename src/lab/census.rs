//! The census: what the kernel says of a process's address space, from outside.
//!
//! It reads `/proc/PID` and nothing else, and it never stops, traces or changes
//! the process; whoever wants a consistent picture asks while the process
//! waits. Counts come from `pagemap` and not from `smaps`, which takes seconds
//! for tens of thousands of VMAs.

pub(in crate::lab) mod files;
mod levels;
mod likeness;
pub(in crate::lab) mod mappings;
pub(in crate::lab) mod pages;
mod ranges;
mod tables;
mod tree;

pub use likeness::likeness;
pub use ranges::map_ranges;
pub use tables::page_tables;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::analysis::mappings::is_of_file;
use crate::model::Features;
use procfs::ProcError;
use procfs::process::SmapsRollup;

use files::{ProcessFiles, Standing};
use mappings::{Mapping, mappings};
use pages::{ENTRY_BYTES, PageCounts, Vma, count_pages};

/// The shape of an address space, in the terms that a fork pays for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    /// VMAs; `[vsyscall]` is none.
    pub vmas: u64,
    /// Private VMAs that hold at least one anonymous page, in memory or swapped
    /// out: the ones for which a fork sets up an `anon_vma`.
    ///
    /// The zero page, which a read of untouched memory maps, looks the same
    /// from outside and counts as an anonymous page.
    pub anon_vmas: u64,
    /// Present page-table entries of base pages: without those that a huge
    /// page's one PMD entry stands for.
    pub present_ptes: u64,
    /// Of them, those that a fork copies: in private VMAs that hold an anonymous
    /// page. It leaves out the others, which a fault finds again (mm/memory.c,
    /// `vma_needs_copy`).
    pub copied_ptes: u64,
    /// Page-table entries of pages that are swapped out or being migrated.
    pub swapped_ptes: u64,
    /// `VmPTE`: the bytes of all page-table pages below the top level
    /// (PTE, PMD and PUD tables; `mm_pgtables_bytes`, include/linux/mm.h).
    pub page_table_bytes: u64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Of it, mapped by huge pages.
    pub huge_bytes: u64,
    /// Of the present entries, those of private mappings without a page of their own:
    /// the code of programs and libraries, which the kernel maps by the dozen when one
    /// of them is needed (mm/memory.c, `do_fault_around`).
    pub file_ptes: u64,
    /// Open file descriptors.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
    /// Of the VMAs, private ones of a file.
    pub file_vmas: u64,
    /// Of the VMAs, shared ones.
    pub shared_vmas: u64,
    /// Empty entries of the VMAs that hold an anonymous page, in page tables where
    /// they have others that are not: a fork looks at them (mm/memory.c, `copy_pte_range`).
    pub empty_entries: u64,
}

impl Census {
    /// What a fork of this process pays for. Page tables are all that the kernel
    /// counts but those that it keeps in reserve, one for each huge page.
    pub fn features(&self) -> Features {
        let page_size = procfs::page_size();
        let huge_entries = self.huge_bytes / (page_size / ENTRY_BYTES * page_size);
        let tables = self.page_table_bytes / page_size;
        Features {
            vmas: self.vmas,
            anon_vmas: self.anon_vmas,
            file_vmas: self.file_vmas,
            shared_vmas: self.shared_vmas,
            ptes: self.copied_ptes,
            empty_entries: self.empty_entries,
            tables: tables.saturating_sub(huge_entries),
            huge_entries,
        }
    }
}

/// Why there is no census.
#[derive(Debug, thiserror::Error)]
pub enum CensusError {
    /// The process is another user's, or protected from being traced.
    #[error(
        "permission to read {} is refused: run as the owner of process {pid}, or as root",
        file.display()
    )]
    NotPermitted {
        /// The process.
        pid: i32,
        /// The file that could not be read.
        file: PathBuf,
    },
    /// The process ended, or never was.
    #[error(
        "process {pid} does not exist or has ended: name one that runs, and look at it while it does"
    )]
    Gone {
        /// The process.
        pid: i32,
    },
    /// A kernel thread or a zombie.
    #[error(
        "process {pid} has no address space: choose a process that is neither a zombie nor a kernel thread"
    )]
    NoAddressSpace {
        /// The process.
        pid: i32,
    },
    /// A file that cannot be read, or not be understood.
    #[error("cannot read {}: a kernel with CONFIG_PROC_PAGE_MONITOR is needed", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What went wrong.
        source: ProcError,
    },
}

/// Takes the census of a process, without the VMAs that begin in one of the
/// `instrument`'s address ranges: what measures is not what is measured.
pub fn take(pid: i32, instrument: &[[usize; 2]]) -> Result<Census, CensusError> {
    take_below(&Path::new("/proc").join(pid.to_string()), pid, instrument)
}

/// The same, from the files of a directory such as `/proc/PID`.
fn take_below(
    directory: &Path,
    pid: i32,
    instrument: &[[usize; 2]],
) -> Result<Census, CensusError> {
    let files = ProcessFiles { directory, pid };
    let Standing {
        page_table_bytes,
        threads,
    } = files.standing()?;
    let maps = files.listed("maps")?;
    let page_size = procfs::page_size();
    let (left_out, mappings) = apart(mappings(&maps, None, page_size), instrument);
    let vmas = vmas(&mappings);
    let pagemap = files.pagemap()?;
    let count = |vmas: &[Vma]| count_pages(vmas, &pagemap).map_err(|error| pagemap.refuse(error));
    let pages = count(&vmas)?;
    let left_out_bytes = count(&self::vmas(&left_out))?.present * page_size;
    let rollup: SmapsRollup = files.read("smaps_rollup")?;
    let rollup = Rollup::of(&rollup).ok_or(CensusError::NoAddressSpace { pid })?;
    let [file_vmas, shared_vmas] = of_files_and_shared(&mappings);
    Ok(Census {
        vmas: vmas.len() as u64,
        anon_vmas: pages.anon_vmas,
        present_ptes: present_ptes(&pages, &rollup, page_size),
        copied_ptes: copied_ptes(&pages, &rollup, page_size),
        swapped_ptes: pages.swapped,
        page_table_bytes: page_table_bytes.saturating_sub(own_tables(&left_out) * page_size),
        resident_bytes: rollup.resident_bytes.saturating_sub(left_out_bytes),
        huge_bytes: rollup.huge_bytes,
        file_vmas,
        shared_vmas,
        empty_entries: pages.empty,
        file_ptes: pages.of_files,
        descriptors: files.descriptors()?,
        threads,
    })
}

/// How many mappings are private ones of a file, and how many are shared.
fn of_files_and_shared(mappings: &[Mapping<'_>]) -> [u64; 2] {
    let count = |is: fn(&Mapping<'_>) -> bool| mappings.iter().filter(|m| is(m)).count() as u64;
    [
        count(|m| is_of_file(m.content, m.listed.is_shared())),
        count(|m| m.listed.is_shared()),
    ]
}

/// Those that begin in one of the instrument's ranges, and the others.
fn apart<'a>(
    mappings: Vec<Mapping<'a>>,
    instrument: &[[usize; 2]],
) -> (Vec<Mapping<'a>>, Vec<Mapping<'a>>) {
    let is_instrument = |mapping: &Mapping<'_>| {
        let within =
            |[from, to]: &[usize; 2]| (*from as u64..*to as u64).contains(&mapping.listed.start);
        instrument.iter().any(within)
    };
    mappings.into_iter().partition(is_instrument)
}

fn vmas(mappings: &[Mapping<'_>]) -> Vec<Vma> {
    mappings.iter().map(|mapping| mapping.vma).collect()
}

/// Page tables that map nothing but these VMAs: one for each whole reach of a
/// table (2 MiB with pages of 4 KiB) in one of them that is populated.
fn own_tables(mappings: &[Mapping<'_>]) -> u64 {
    let reach = procfs::page_size() / ENTRY_BYTES;
    let whole = |Mapping { vma, .. }: &Mapping<'_>| {
        (vma.end_page / reach).saturating_sub(vma.first_page.div_ceil(reach))
    };
    // A library's text is mapped sparsely, but none is as large as a table.
    mappings.iter().map(whole).sum()
}

/// The figures of `smaps_rollup` that the census uses.
struct Rollup {
    resident_bytes: u64,
    huge_bytes: u64,
    /// Of the huge pages, those of anonymous memory.
    huge_anon_bytes: u64,
    /// Pages of hugetlbfs, which are not resident memory to the kernel, but
    /// which pagemap lists as present.
    hugetlb_bytes: u64,
}

impl Rollup {
    /// `None` for a file without its one entry.
    fn of(rollup: &SmapsRollup) -> Option<Self> {
        let figures = &rollup.memory_map_rollup.iter().next()?.extension.map;
        Some(Self {
            resident_bytes: *figures.get("Rss")?,
            huge_bytes: sum(
                figures,
                &["AnonHugePages", "ShmemPmdMapped", "FilePmdMapped"],
            ),
            huge_anon_bytes: sum(figures, &["AnonHugePages"]),
            hugetlb_bytes: sum(figures, &["Shared_Hugetlb", "Private_Hugetlb"]),
        })
    }
}

/// The sum of the figures that this kernel has.
fn sum(figures: &HashMap<String, u64>, names: &[&str]) -> u64 {
    names.iter().filter_map(|name| figures.get(*name)).sum()
}

/// Present entries of base pages: pagemap repeats a huge page's one entry for
/// every base page of it.
fn present_ptes(pages: &PageCounts, rollup: &Rollup, page_size: u64) -> u64 {
    let huge = (rollup.huge_bytes + rollup.hugetlb_bytes) / page_size;
    pages.present.saturating_sub(huge)
}

/// Those of the VMAs that hold an anonymous page. Huge pages of files and of shared
/// memory lie in others, but for a private file mapping with both; and pages of
/// hugetlbfs, which no worker maps, are taken for private ones.
fn copied_ptes(pages: &PageCounts, rollup: &Rollup, page_size: u64) -> u64 {
    let huge = (rollup.huge_anon_bytes + rollup.hugetlb_bytes) / page_size;
    pages.in_anon_vmas.saturating_sub(huge)
}

#[cfg(test)]
pub(in crate::lab) mod tests {
    use super::files::{NO_SUCH_PROCESS, gone_if_short, refuse};
    use super::*;
    use std::io::{Read, Write};
    use std::{fs, io};

    use crate::analysis::mappings::listed;
    use procfs::FromRead;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use crate::sys::memory::{Arena, Source, Touches};
    use crate::sys::shared::SharedWords;

    const MAPS: &str = include_str!("../../tests/data/proc/maps.txt");
    const ROLLUP: &str = include_str!("../../tests/data/proc/smaps_rollup.txt");
    const STATUS: &str = include_str!("../../tests/data/proc/status-user.txt");

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
        let pages = PageCounts {
            present: 1_600,
            in_anon_vmas: 1_550,
            ..PageCounts::default()
        };
        assert_eq!(present_ptes(&pages, &rollup, 4096), 1_600 - 1_536);
        assert_eq!(copied_ptes(&pages, &rollup, 4096), 1_550 - 1_536);
    }

    #[test]
    fn huge_pages_of_shared_memory_are_not_taken_from_what_a_fork_copies() {
        let text = ROLLUP.replace("ShmemPmdMapped:        0 kB", "ShmemPmdMapped:     2048 kB");
        let rollup = Rollup::of(&SmapsRollup::from_read(text.as_bytes()).unwrap()).unwrap();
        assert_eq!(rollup.huge_bytes, 2 << 20);
        let pages = PageCounts {
            present: 600,
            in_anon_vmas: 40,
            ..PageCounts::default()
        };
        assert_eq!(present_ptes(&pages, &rollup, 4096), 600 - 512);
        assert_eq!(copied_ptes(&pages, &rollup, 4096), 40);
    }

    #[test]
    fn touched_memory_shows_in_a_living_process() {
        const PAGES: usize = 4096;
        let _turn = alone();
        let me = i32::try_from(std::process::id()).unwrap();
        let page_size = usize::try_from(procfs::page_size()).unwrap();
        let before = take(me, &[]).unwrap();
        // Not from malloc, which may have touched memory left to give.
        let arena = Arena::find(PAGES * page_size, page_size).unwrap();
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
        let ptes = |census: &Census| {
            census.present_ptes + census.swapped_ptes + census.huge_bytes / procfs::page_size()
        };
        assert!(ptes(&after) >= ptes(&before) + grown / procfs::page_size());
        assert!(after.page_table_bytes > 0);
        assert!(after.copied_ptes >= before.copied_ptes + grown / procfs::page_size() / 2);
        assert!(after.copied_ptes < after.present_ptes);
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
        assert!(rest.present_ptes + 1_024 < whole.present_ptes);
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
        let error = take_below(root.path(), 7, &[]).unwrap_err();
        assert!(matches!(error, CensusError::Unreadable { .. }), "{error:?}");
        assert!(error.to_string().contains("/maps"), "{error}");
    }

    #[test]
    fn refusals_are_typed() {
        let refused = refuse(
            7,
            PathBuf::from("/proc/7/maps"),
            ProcError::PermissionDenied(None),
        );
        assert_eq!(
            refused.to_string(),
            "permission to read /proc/7/maps is refused: run as the owner of process 7, or as root"
        );
        let searched = io::Error::from_raw_os_error(NO_SUCH_PROCESS);
        let gone = refuse(7, PathBuf::from("/proc/self/maps"), searched.into());
        assert!(matches!(gone, CensusError::Gone { pid: 7 }));
        let short = gone_if_short(io::ErrorKind::UnexpectedEof.into());
        let gone = refuse(7, PathBuf::from("/proc/self/pagemap"), short);
        assert!(matches!(gone, CensusError::Gone { pid: 7 }));
    }
}
