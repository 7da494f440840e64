//! The shape of a live process, taken from `/proc` without stopping, tracing or changing
//! it.
//!
//! What it disturbs: the kernel holds the process's mmap_lock for reading while it
//! walks page tables, so that page faults go on and calls such as mmap(2) wait. `smaps`,
//! which alone tells the flags of mappings, is walked one mapping at a time
//! (fs/proc/task_mmu.c, `show_smap`), and for that of the largest mapping such a call may
//! wait: 40 to 50 ns a page, which is less than a fork of it takes. All other walks are
//! cut into pieces of less than a millisecond of CPU time. Nothing else tells the flags,
//! neither `maps` nor PROCMAP_QUERY (Linux 6.11); who cannot have the waiting goes
//! without them. The same is read of ancestors that a process has memory of
//! (`ancestors`).
//!
//! Pages come and go meanwhile, and one that goes between two looks is missed or seen
//! twice as little as in any other count. If mappings came or went, all is read again.

mod ancestors;
mod around;
mod beside;
mod marks;
mod pages;
mod runs;
mod stretch;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use procfs::process::Status;

use super::census::CensusError;
use super::census::files::{Pagemap, ProcessFiles};
use super::census::mappings::{Mapping, mappings};
use super::census::pages::ENTRY_BYTES;
use super::limits;
use crate::analysis::mappings::{Fate, Listed, fate, harmless, kept_name};
use crate::analysis::shape::anonymise;
use crate::model::{
    ProcessFacts, ProcessShape, SHAPE_VERSION, ShapeMapping, ShapeReservation, Tool,
};
use crate::sys::pagemap::{PageRegion, Scanner};
use ancestors::Ancestors;
use beside::OpenFiles;
use pages::{Found, find};
use stretch::{Stretch, stretch};

/// How a shape is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Without the process's name and those of its files.
    pub anonymous: bool,
    /// Without the flags of its mappings, so that none of its calls waits for `smaps`.
    pub without_flags: bool,
}

/// How often a process whose mappings change is read.
const ATTEMPTS: u32 = 3;

/// Takes the shape of a process.
///
/// # Errors
/// [`CensusError`]: the process is gone, has no address space, or may not be looked at;
/// or the kernel lacks a file.
pub fn take(pid: i32, options: Options) -> Result<ProcessShape, CensusError> {
    take_from(&ProcessFiles::of(pid), options)
}

fn take_from(files: &ProcessFiles, options: Options) -> Result<ProcessShape, CensusError> {
    let begin = Instant::now();
    // Says what has no address space before any of its files is missing.
    files.standing()?;
    let first_list = if options.without_flags {
        "maps"
    } else {
        "smaps"
    };
    let (mut reading, changed) = read(files, first_list)?;
    let pointers = beside::stack_pointers(files);
    reading.mark_stacks(&pointers.seen);
    let open = beside::open_files(files)?;
    let mut process = facts(files, &reading, &open)?;
    let ancestors = Ancestors::of(files, first_list);
    ancestors.mark(&mut reading.mappings, process.page_size);
    let pins_told = reading.mark_pins(&open.buffers, process.pinned_bytes);
    let mut note = |holds, reservation| {
        if holds {
            process.reservations.push(reservation);
        }
    };
    note(changed, ShapeReservation::ChangedWhileRead);
    note(reading.frames_hidden, ShapeReservation::NoPhysicalAddresses);
    note(!reading.zeros_seen, ShapeReservation::NoZeroPages);
    note(pointers.incomplete, ShapeReservation::NoThreadStacks);
    note(options.without_flags, ShapeReservation::NoFlags);
    note(!pins_told, ShapeReservation::PinnedElsewhere);
    note(ancestors.unseen, ShapeReservation::NeverExecuted);
    let watched = reading.mark_watched(open.userfault_forks == Some(true));
    let forks = open.userfault_forks;
    note(
        watched && forks == Some(true),
        ShapeReservation::UserfaultForks,
    );
    note(
        watched && forks.is_none(),
        ShapeReservation::UserfaultUnknown,
    );
    process.reservations.sort_unstable();
    process.took_s = begin.elapsed().as_secs_f64();
    let mut shape = ProcessShape {
        shape_version: SHAPE_VERSION,
        tool: Tool::this(),
        process,
        mappings: reading.mappings,
    };
    if options.anonymous {
        anonymise(&mut shape);
    }
    Ok(shape)
}

/// What was read of the memory at one time.
struct Reading {
    mappings: Vec<ShapeMapping>,
    resident_bytes: Option<u64>,
    /// Of what a fork copies and the kernel accounts for the largest, and all.
    accounted: Option<[u64; 2]>,
    zeros_seen: bool,
    frames_hidden: bool,
}

/// Reads until no mapping comes or goes meanwhile, and says whether that failed.
fn read(files: &ProcessFiles, first_list: &str) -> Result<(Reading, bool), CensusError> {
    let mut attempt = 1;
    loop {
        let mut before = files.listed(first_list)?;
        let overlapped = disentangle(&mut before);
        let reading = read_pages(files, &before)?;
        let after = files.listed("maps")?;
        let changed = overlapped || !are_same(&before, &after);
        if !changed || attempt == ATTEMPTS {
            return Ok((reading, changed));
        }
        attempt += 1;
    }
}

/// The lists are made page by page, and a mapping that grew in between is listed twice:
/// the later part counts from where the earlier one ended. Says whether there was one.
fn disentangle(all: &mut Vec<Listed>) -> bool {
    let mut end = 0;
    let mut any = false;
    for mapping in all.iter_mut() {
        any |= mapping.start < end;
        mapping.start = mapping.start.max(end);
        end = end.max(mapping.end);
    }
    all.retain(|mapping| mapping.start < mapping.end);
    any
}

fn are_same(before: &[Listed], after: &[Listed]) -> bool {
    let place = |mapping: &Listed| (mapping.start, mapping.end);
    before.len() == after.len()
        && before
            .iter()
            .zip(after)
            .all(|(a, b)| place(a) == place(b) && a.permissions == b.permissions)
}

/// An open pagemap, and the kernel's scan of it.
struct Opened {
    pagemap: Pagemap,
    scanner: Option<Scanner>,
    /// `/proc/kpageflags`, which root may read.
    frames: Option<File>,
}

impl Opened {
    fn of(pagemap: Pagemap, scanner: Option<Scanner>) -> Self {
        Self {
            pagemap,
            scanner,
            frames: File::open("/proc/kpageflags").ok(),
        }
    }

    /// Fills the bytes with the flags of frames from one onwards.
    fn frame_flags(&self, frame: u64, bytes: &mut [u8]) -> io::Result<()> {
        match &self.frames {
            Some(flags) => flags.read_exact_at(bytes, frame.saturating_mul(ENTRY_BYTES)),
            None => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }
}

impl pages::Source for Opened {
    fn scans(&self) -> Option<bool> {
        self.scanner.as_ref().map(Scanner::knows_guards)
    }

    fn huge_everywhere(&self) -> bool {
        let enabled = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
        enabled.is_ok_and(|enabled| enabled.contains("[always]"))
    }

    fn scan(&mut self, start: u64, end: u64, each: &mut dyn FnMut(PageRegion)) -> io::Result<()> {
        match &mut self.scanner {
            Some(scanner) => scanner.scan(self.pagemap.file(), start, end, each),
            None => Ok(()),
        }
    }

    fn entries(&self, first_page: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.pagemap.entries(first_page, bytes)
    }
}

fn read_pages(files: &ProcessFiles, all: &[Listed]) -> Result<Reading, CensusError> {
    let pagemap = files.pagemap()?;
    let scanner = Scanner::probe(pagemap.file()).map_err(|error| pagemap.refuse(error))?;
    let mut opened = Opened::of(pagemap, scanner);
    let read = look(files, all, &mut opened);
    read.map_err(|error| opened.pagemap.refuse(error))
}

fn look(files: &ProcessFiles, all: &[Listed], opened: &mut Opened) -> io::Result<Reading> {
    let page_size = procfs::page_size();
    let program = std::fs::read_link(files.directory.join("exe")).ok();
    let program = program.map(|path| path.to_string_lossy().into_owned());
    let mappings = mappings(all, program.as_deref(), page_size);
    let found = find(&mappings, opened, page_size)?;
    let mut reading = Reading {
        mappings: Vec::new(),
        resident_bytes: resident(all),
        accounted: around::accounted(all),
        zeros_seen: opened.scanner.is_some(),
        frames_hidden: false,
    };
    for (mapping, found) in mappings.iter().zip(found) {
        let mut mapping = of_shape(mapping, found);
        let entries = |first, bytes: &mut [u8]| opened.pagemap.entries(first, bytes);
        let flags = |frame, bytes: &mut [u8]| opened.frame_flags(frame, bytes);
        // Where one frame is hidden all are.
        if !reading.frames_hidden {
            match stretch(&mapping.own, mapping.first_page, entries, flags)? {
                Stretch::Nothing => {}
                Stretch::Hidden => reading.frames_hidden = true,
                Stretch::Mean { stretch, batch, .. } => {
                    mapping.stretch = Some(stretch);
                    mapping.batch = Some(batch).filter(|batch| *batch > 1.0);
                }
            }
        }
        // Of others a fork copies no entry of a file's page.
        if mapping.anon_vma && fate(&mapping) == Fate::Copied {
            let lie = stretch(&mapping.file, mapping.first_page, entries, flags)?;
            mapping.file_in_folios = match lie {
                Stretch::Mean { in_folios, .. } => in_folios,
                Stretch::Nothing | Stretch::Hidden => None,
            };
        }
        reading.mappings.push(mapping);
    }
    Ok(reading)
}

/// What `smaps` counts, at the same time as the rest; nothing from `maps`.
fn resident(all: &[Listed]) -> Option<u64> {
    let figures = all.iter().all(|listed| listed.has_figures);
    figures.then(|| all.iter().map(|listed| listed.resident).sum())
}

fn of_shape(mapping: &Mapping<'_>, found: Found) -> ShapeMapping {
    let Mapping { listed, vma, .. } = mapping;
    let owns = found.huge_anonymous
        || [&found.own, &found.swapped, &found.huge_zero]
            .iter()
            .any(|runs| !runs.is_empty());
    ShapeMapping {
        first_page: vma.first_page,
        pages: vma.end_page - vma.first_page,
        content: mapping.content,
        name: kept_name(&listed.name),
        permissions: listed.permissions.clone(),
        anon_vma: owns && vma.holds_anon || !found.guards.is_empty(),
        own: found.own,
        file: found.file,
        zero: found.zero,
        swapped: found.swapped,
        huge: found.huge,
        huge_zero: found.huge_zero,
        guards: found.guards,
        pinned: Vec::new(),
        stretch: None,
        batch: None,
        file_in_folios: None,
        generations: 0,
        flags: listed.flags.clone(),
    }
}

/// The process but for its memory, as it is after that was read: what has ended
/// meanwhile is an error.
fn facts(
    files: &ProcessFiles,
    reading: &Reading,
    open: &OpenFiles,
) -> Result<ProcessFacts, CensusError> {
    /// Longer than any name of a process.
    const LONGEST: usize = 64;
    let page_table_bytes = files.standing()?.page_table_bytes;
    let status: Status = files.read("status")?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(ProcessFacts {
        name: or_unknown(harmless(status.name.trim(), LONGEST)),
        pid: u32::try_from(files.pid).ok(),
        taken_unix_s: since.map_or(0, |since| since.as_secs()),
        took_s: 0.0,
        kernel: or_unknown(harmless(kernel.trim(), LONGEST)),
        page_size: procfs::page_size(),
        threads: status.threads,
        descriptors: open.plain,
        cloexec_descriptors: open.cloexec,
        highest_descriptor: open.highest,
        descriptor_slots: u64::from(status.fdsize),
        handlers: u64::from(status.sigcgt.count_ones()),
        allowed_cpus: cpus(&status),
        page_table_bytes,
        resident_bytes: reading
            .resident_bytes
            .unwrap_or_else(|| status.vmrss.unwrap_or(0) << 10),
        pinned_bytes: status.vmpin.unwrap_or(0) << 10,
        reservations: reservations(files, &status),
        surroundings: Some(around::surroundings(
            files,
            &status,
            &reading.mappings,
            reading.accounted,
        )),
    })
}

/// A process may have called itself nothing.
fn or_unknown(name: String) -> String {
    if name.is_empty() {
        "unknown".to_owned()
    } else {
        name
    }
}

fn cpus(status: &Status) -> Vec<usize> {
    let ranges = status.cpus_allowed_list.iter().flatten();
    let cpus = ranges.flat_map(|(first, last)| *first..=*last);
    cpus.filter_map(|cpu| usize::try_from(cpu).ok()).collect()
}

fn reservations(files: &ProcessFiles, status: &Status) -> Vec<ShapeReservation> {
    let held = [
        (status.seccomp.unwrap_or(0) > 0, ShapeReservation::Seccomp),
        (status.tracerpid > 0, ShapeReservation::Traced),
        (
            beside::is_in_other_group(files),
            ShapeReservation::OtherControlGroup,
        ),
        (
            beside::is_afl_fork_server(files),
            ShapeReservation::AflForkServer,
        ),
        (around::has_other_label(files), ShapeReservation::OtherLabel),
        (
            limits::has_unseen_groups(Path::new("/"), &files.directory),
            ShapeReservation::UnseenControlGroups,
        ),
        (
            around::is_in_other_namespace(files),
            ShapeReservation::OtherNamespaces,
        ),
        (
            around::is_of_32_bits(files),
            ShapeReservation::ThirtyTwoBits,
        ),
    ];
    let held = held.into_iter().filter(|(holds, _)| *holds);
    held.map(|(_, reservation)| reservation).collect()
}
