//! The census: what the kernel says of a process's address space, from outside.
//!
//! It reads `/proc/PID` and nothing else, and it never stops, traces or changes
//! the process; whoever wants a consistent picture asks while the process
//! waits. Counts come from `pagemap` and not from `smaps`, which takes seconds
//! for tens of thousands of VMAs.

pub(in crate::lab) mod files;
mod levels;
pub(in crate::lab) mod mappings;
pub(in crate::lab) mod pages;
mod ranges;
mod refused;
mod tables;
mod tree;

pub use ranges::map_ranges;
pub use tables::page_tables;

use std::collections::HashMap;
use std::path::PathBuf;

use crate::analysis::mappings::{Fate, Listed, is_of_file};
use crate::model::{Counts, MappingFlag, Parent};
use crate::sys::pagemap::huge_pages;
use procfs::ProcError;
use procfs::process::SmapsRollup;

use files::{Pagemap, ProcessFiles, Standing};
use mappings::{Mapping, mappings};
use pages::{ENTRY_BYTES, Found, Vma, count_pages};

/// Why there is no census.
#[derive(Debug, thiserror::Error)]
pub enum CensusError {
    /// The process is another user's, or protected from being traced.
    #[error(
        "permission to read {} is refused: {remedy}",
        file.display()
    )]
    NotPermitted {
        /// The file that could not be read.
        file: PathBuf,
        /// What to do about it.
        remedy: String,
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
pub fn take(pid: i32, instrument: &[[usize; 2]]) -> Result<Parent, CensusError> {
    take_from(&ProcessFiles::of(pid), "maps", instrument)
}

/// The same of a process whose forks are told to a userfaultfd: `smaps` tells of which
/// mappings that is told the writes, whose entries a fork copies.
pub fn take_watched(pid: i32, instrument: &[[usize; 2]]) -> Result<Parent, CensusError> {
    take_from(&ProcessFiles::of(pid), "smaps", instrument)
}

fn take_from(
    files: &ProcessFiles,
    list: &str,
    instrument: &[[usize; 2]],
) -> Result<Parent, CensusError> {
    let Standing {
        page_table_bytes,
        threads,
        pinned_bytes,
    } = files.standing()?;
    let mut maps = files.listed(list)?;
    // Without flags there are none.
    for listed in maps.iter_mut().filter(|it| it.has(MappingFlag::Userfault)) {
        listed.flags.push(MappingFlag::UserfaultForks);
    }
    let page_size = procfs::page_size();
    let (left_out, mappings) = apart(mappings(&maps, None, page_size), instrument);
    let pagemap = files.pagemap()?;
    let count = |mappings: &[Mapping<'_>]| {
        count_pages(&vmas(mappings), &pagemap, page_size / ENTRY_BYTES)
            .map_err(|error| pagemap.refuse(error))
    };
    let found = count(&mappings)?;
    let left_out_ptes: u64 = count(&left_out)?.iter().map(|found| found.present).sum();
    let rollup: SmapsRollup = files.read("smaps_rollup")?;
    let pid = files.pid;
    let rollup = Rollup::of(&rollup).ok_or(CensusError::NoAddressSpace { pid })?;
    let present: u64 = found.iter().map(|found| found.present).sum();
    let zeros = huge_zeros(&pagemap, &maps, &rollup, present + left_out_ptes)
        .map_err(|error| pagemap.refuse(error))?;
    let page_table_bytes = page_table_bytes.saturating_sub(own_tables(&left_out) * page_size);
    Ok(Parent {
        mappings: Counts {
            pinned_ptes: pinned_bytes / page_size,
            ..whole(
                &mappings,
                &found,
                &rollup,
                zeros,
                page_table_bytes,
                page_size,
            )
        },
        file_ptes: file_ptes(&mappings, &found),
        page_table_bytes,
        resident_bytes: rollup
            .resident_bytes
            .saturating_sub(left_out_ptes * page_size),
        huge_bytes: rollup.huge_bytes,
        descriptors: files.descriptors()?,
        threads,
    })
}

/// How often the kernel's huge page of zeros is mapped. The kernel does not count it as
/// resident, and it is looked for where more is present than is resident.
fn huge_zeros(
    pagemap: &Pagemap,
    maps: &[Listed],
    rollup: &Rollup,
    present: u64,
) -> std::io::Result<u64> {
    let page_size = procfs::page_size();
    let fan_out = page_size / ENTRY_BYTES;
    let resident = (rollup.resident_bytes + rollup.hugetlb_bytes) / page_size;
    let (Some(first), Some(last)) = (maps.first(), maps.last()) else {
        return Ok(0);
    };
    if present < resident + fan_out {
        return Ok(0);
    }
    let huge = huge_pages(pagemap.file(), first.start, last.end)?;
    Ok(huge.saturating_sub(rollup.huge_pages(page_size)) / fan_out)
}

/// What all mappings have. `maps` tells no flags and no huge pages, which pagemap shows
/// as so many base pages; and of page tables all are that the kernel counts but those
/// that it keeps in reserve, one for each huge page.
fn whole(
    mappings: &[Mapping<'_>],
    found: &[Found],
    rollup: &Rollup,
    zeros: u64,
    page_table_bytes: u64,
    page_size: u64,
) -> Counts {
    let fan_out = page_size / ENTRY_BYTES;
    let huge_entries = rollup.huge_bytes / (fan_out * page_size) + zeros;
    let zero_pages = zeros * fan_out;
    let each = mappings.iter().zip(found);
    let all: Counts = each
        .map(|(mapping, found)| {
            let has_anon_vma = has_anon(mapping, found) || found.guards > 0;
            counts(mapping, found, has_anon_vma)
        })
        .sum();
    let tables = page_table_bytes / page_size;
    Counts {
        present_ptes: all
            .present_ptes
            .saturating_sub(rollup.huge_pages(page_size) + zero_pages),
        ptes: all
            .ptes
            .saturating_sub(rollup.huge_pages_copied(page_size) + zero_pages),
        tables: tables.saturating_sub(huge_entries),
        huge_entries,
        ..all
    }
}

/// The entries of private mappings that hold no anonymous page.
fn file_ptes(mappings: &[Mapping<'_>], found: &[Found]) -> u64 {
    let each = mappings.iter().zip(found);
    let of_files =
        each.filter(|(mapping, found)| mapping.vma.holds_anon && !has_anon(mapping, found));
    of_files.map(|(_, found)| found.present).sum()
}

/// Whether an anonymous page is there. To the pagemap the huge page of zeros is one of a file
/// since Linux 6.11 (fs/proc/task_mmu.c, `pagemap_pmd_range`), also where there is none.
fn has_anon(mapping: &Mapping<'_>, found: &Found) -> bool {
    let without_file = found.present > 0 && !mapping.listed.has_file();
    mapping.vma.holds_anon && (found.anon || without_file)
}

/// What one mapping has, if it has an anon_vma or not.
fn counts(mapping: &Mapping<'_>, found: &Found, has_anon_vma: bool) -> Counts {
    let shared = mapping.listed.is_shared();
    let copied = mapping.fate(has_anon_vma) == Fate::Copied;
    let when = |holds: bool, count: u64| if holds { count } else { 0 };
    Counts {
        vmas: 1,
        anon_vmas: u64::from(has_anon_vma),
        file_vmas: u64::from(is_of_file(mapping.content, shared)),
        shared_vmas: u64::from(shared),
        mapped_bytes: mapping.listed.end - mapping.listed.start,
        present_ptes: found.present,
        swapped_ptes: found.swapped,
        ptes: when(copied, found.present + found.swapped + found.guards),
        empty_entries: when(has_anon_vma, found.empty),
        tables: found.tables,
        huge_entries: found.huge,
        pinned_ptes: 0,
    }
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

    /// Base pages that huge ones stand for: pagemap repeats a huge page's one entry for
    /// each of them.
    fn huge_pages(&self, page_size: u64) -> u64 {
        (self.huge_bytes + self.hugetlb_bytes) / page_size
    }

    /// Those of the VMAs that hold an anonymous page. Huge pages of files and of shared
    /// memory lie in others, but for a private file mapping with both; and pages of
    /// hugetlbfs, which no worker maps, are taken for private ones.
    fn huge_pages_copied(&self, page_size: u64) -> u64 {
        (self.huge_anon_bytes + self.hugetlb_bytes) / page_size
    }
}

/// The sum of the figures that this kernel has.
fn sum(figures: &HashMap<String, u64>, names: &[&str]) -> u64 {
    names.iter().filter_map(|name| figures.get(*name)).sum()
}

#[cfg(test)]
pub(in crate::lab) mod tests;
