//! The promises of a shape, each checked.

use std::fmt;

use super::file::ShapeFileError;
use crate::analysis::mappings::entries_per_table;
use crate::analysis::replica::counts::{common, joined, pages};
use crate::model::{ProcessFacts, ProcessShape, ShapeMapping};
use crate::units::steers;
use crate::vm::{MOST_GENERATIONS, USER_END};

/// No `vm.max_map_count` in use is larger.
const MOST_MAPPINGS: usize = 4 << 20;
/// The longest path is 4096 bytes; what is no UTF-8 in it takes three times as much.
pub(super) const LONGEST_NAME: usize = 16 << 10;
/// The most threads (PID_MAX_LIMIT, include/linux/threads.h).
const MOST_THREADS: u64 = 4 << 20;
/// The most open files of a process (`sysctl_nr_open_max`, fs/file.c).
const MOST_DESCRIPTORS: u64 = 1 << 31;
/// Signals that a process can have handlers for.
const MOST_HANDLERS: u64 = 64;
/// More CPUs than any kernel is built for (NR_CPUS).
const MOST_CPUS: usize = 64 << 10;

/// What is wrong with what is said of the process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcessFault {
    /// A page of a size that no kernel has.
    #[error("has pages of {0} bytes: they must be a power of two from 4 KiB to 64 KiB")]
    PageSize(u64),
    /// A count that no process has.
    #[error("has {count} {what}, more or fewer than a process can have: take it again")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many.
        count: u64,
    },
    /// A text that is too long or that would steer a terminal.
    #[error(
        "has a {0} that is empty, longer than 16 KiB, or holds control characters: take it again"
    )]
    Text(&'static str),
    /// A duration that is none.
    #[error("took no possible time: took_s must be a number from 0 on")]
    Took,
    /// CPUs that are not ascending, or more than there are.
    #[error("lists impossible CPUs: allowed_cpus must be ascending, each below 65536")]
    Cpus,
}

/// The lists of runs of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// The process's own pages.
    Own,
    /// Pages of files and of shared memory.
    File,
    /// The page of zeros.
    Zero,
    /// Pages that are swapped out.
    Swapped,
    /// Huge pages.
    Huge,
    /// The huge page of zeros.
    HugeZero,
    /// Guards.
    Guards,
    /// Pinned pages.
    Pinned,
}

impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Own => "own",
            Self::File => "file",
            Self::Zero => "zero",
            Self::Swapped => "swapped",
            Self::Huge => "huge",
            Self::HugeZero => "huge_zero",
            Self::Guards => "guards",
            Self::Pinned => "pinned",
        })
    }
}

/// What is wrong with a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MappingFault {
    /// No pages, or some beyond user space.
    #[error("is empty or reaches beyond user space (56 bits): take the shape again")]
    Extent,
    /// It begins before the end of the one before.
    #[error("begins before the one before it ends: list the mappings in order of address")]
    Overlap,
    /// No permissions.
    #[error("has no permissions such as \"rw-p\": four letters, as in /proc/PID/maps")]
    Permissions,
    /// A name that is too long or that would steer a terminal.
    #[error(
        "has a name that is empty, longer than 16 KiB, or holds control characters: leave it out"
    )]
    Name,
    /// A flag that is there twice.
    #[error("has a flag twice: list each once")]
    Flags,
    /// A run of no pages, or one that lies before the end of the one before it.
    #[error("has a run in `{0}` that is empty or not in ascending order: list its runs in order")]
    Order(RunKind),
    /// A run that reaches beyond the mapping.
    #[error("has a run in `{0}` that reaches beyond its end: runs count pages from its start")]
    Beyond(RunKind),
    /// A page of two kinds.
    #[error(
        "has a page of two kinds: each page is in one of own, file, zero, swapped, huge, \
         huge_zero and guards"
    )]
    TwoKinds,
    /// A huge page that is none.
    #[error("has a huge page that is not aligned to a whole one: list its pages elsewhere")]
    Huge,
    /// Pages that shared memory does not have.
    #[error("is shared and has pages of its own: list them in `file`")]
    Shared,
    /// An `anon_vma` without what makes one, or the other way round.
    #[error(
        "contradicts itself about `anon_vma`: it is true with pages in own, huge_zero or \
         guards, and false without any in these, swapped and huge"
    )]
    AnonVma,
    /// Pins of what is not there.
    #[error("lists pages in `pinned` that are neither in own nor in huge: only those are copied")]
    Pinned,
    /// A mean length that is none.
    #[error(
        "has an impossible `stretch` or `batch`: each is a mean length from 1 to the mapping's \
         pages"
    )]
    Stretch,
    /// More ancestors than are counted.
    #[error("has more than 64 `generations`: no more ancestors are counted")]
    Generations,
}

/// Checks everything that is promised of a shape: mappings that are in order, do not
/// overlap and lie in user space; runs inside of them, in order, no page twice; huge
/// pages that are whole; names without control characters; counts that can be.
///
/// # Errors
/// [`ShapeFileError::Process`] and [`ShapeFileError::Mapping`].
pub fn check(shape: &ProcessShape) -> Result<(), ShapeFileError> {
    let texts = [
        ("tool name", &shape.tool.name),
        ("tool version", &shape.tool.version),
    ];
    check_process(&shape.process, &texts).map_err(ShapeFileError::Process)?;
    within(
        "mappings",
        shape.mappings.len() as u64,
        0,
        MOST_MAPPINGS as u64,
    )
    .map_err(ShapeFileError::Process)?;
    let mut end = 0;
    for (index, mapping) in shape.mappings.iter().enumerate() {
        let fault = |fault| ShapeFileError::Mapping {
            number: index + 1,
            fault,
        };
        check_mapping(mapping, end, shape.process.page_size).map_err(fault)?;
        end = mapping.end_page();
    }
    Ok(())
}

fn check_process(
    facts: &ProcessFacts,
    others: &[(&'static str, &String)],
) -> Result<(), ProcessFault> {
    let size = facts.page_size;
    if !size.is_power_of_two() || !(4 << 10..=64 << 10).contains(&size) {
        return Err(ProcessFault::PageSize(size));
    }
    let texts = [("name", &facts.name), ("kernel", &facts.kernel)];
    for (what, text) in texts.iter().chain(others) {
        if !is_harmless(text) {
            return Err(ProcessFault::Text(what));
        }
    }
    if let Some(pid) = facts.pid {
        within("as its pid", u64::from(pid), 1, MOST_THREADS)?;
    }
    within("threads", facts.threads, 1, MOST_THREADS)?;
    within("descriptors", facts.descriptors, 0, MOST_DESCRIPTORS)?;
    let cloexec = facts.cloexec_descriptors;
    within("cloexec_descriptors", cloexec, 0, MOST_DESCRIPTORS)?;
    let highest = facts.highest_descriptor.unwrap_or(0);
    within("as its highest_descriptor", highest, 0, MOST_DESCRIPTORS)?;
    let slots = facts.descriptor_slots;
    within("descriptor_slots", slots, 0, 2 * MOST_DESCRIPTORS)?;
    within("handlers", facts.handlers, 0, MOST_HANDLERS)?;
    within("page_table_bytes", facts.page_table_bytes, 0, USER_END)?;
    within("resident_bytes", facts.resident_bytes, 0, USER_END)?;
    within("pinned_bytes", facts.pinned_bytes, 0, USER_END)?;
    // A second of a year that has four digits.
    within("taken_unix_s", facts.taken_unix_s, 0, 253_402_300_799)?;
    within("reservations", facts.reservations.len() as u64, 0, 64)?;
    check_surroundings(facts)?;
    if !facts.took_s.is_finite() || facts.took_s < 0.0 {
        return Err(ProcessFault::Took);
    }
    let ascending = facts.allowed_cpus.is_sorted_by(|a, b| a < b);
    let last = facts.allowed_cpus.last().copied().unwrap_or(0);
    if !ascending || last >= MOST_CPUS {
        return Err(ProcessFault::Cpus);
    }
    Ok(())
}

fn check_surroundings(facts: &ProcessFacts) -> Result<(), ProcessFault> {
    let Some(around) = &facts.surroundings else {
        return Ok(());
    };
    within("limits", around.limits.len() as u64, 0, 64)?;
    let of_limits = around
        .limits
        .iter()
        .filter_map(|limit| limit.file.as_deref());
    let of_quotas = around.quotas().filter_map(|quota| quota.file.as_deref());
    if !of_limits.chain(of_quotas).all(is_harmless) {
        return Err(ProcessFault::Text("file of a limit"));
    }
    // Neither of a quota's times is 0, nor longer than an hour on any of the CPUs there may be.
    let most = MOST_CPUS as u64 * 3_600_000_000;
    for quota in around.quotas() {
        within("quota_us", quota.quota_us, 1, most)?;
        within("period_us", quota.period_us, 1, most)?;
    }
    Ok(())
}

fn within(what: &'static str, count: u64, least: u64, most: u64) -> Result<(), ProcessFault> {
    if (least..=most).contains(&count) {
        Ok(())
    } else {
        Err(ProcessFault::Count { what, count })
    }
}

fn is_harmless(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_NAME && !text.contains(steers)
}

/// Checks a mapping that follows one with this end.
fn check_mapping(mapping: &ShapeMapping, end: u64, page_size: u64) -> Result<(), MappingFault> {
    let last = mapping.first_page.checked_add(mapping.pages);
    let inside = last.is_some_and(|last| last <= USER_END / page_size);
    if mapping.pages == 0 || !inside {
        return Err(MappingFault::Extent);
    }
    if mapping.first_page < end {
        return Err(MappingFault::Overlap);
    }
    if !are_permissions(&mapping.permissions) {
        return Err(MappingFault::Permissions);
    }
    if !mapping.name.as_deref().is_none_or(is_harmless) {
        return Err(MappingFault::Name);
    }
    let mut flags = mapping.flags.clone();
    flags.sort_unstable();
    flags.dedup();
    if flags.len() < mapping.flags.len() {
        return Err(MappingFault::Flags);
    }
    check_runs(mapping, page_size)?;
    check_ownership(mapping)?;
    let possible = |mean: f64| (1.0..=mapping.pages as f64).contains(&mean);
    let of_files = mapping.file.iter().map(|[_, count]| count).sum();
    let means = [mapping.stretch, mapping.batch];
    let fits = means.into_iter().flatten().all(possible);
    if mapping.generations > MOST_GENERATIONS {
        return Err(MappingFault::Generations);
    }
    match fits && mapping.file_in_folios.is_none_or(|pages| pages <= of_files) {
        true => Ok(()),
        false => Err(MappingFault::Stretch),
    }
}

fn are_permissions(text: &str) -> bool {
    let allowed: [&[u8]; 4] = [b"r-", b"w-", b"x-", b"ps"];
    let letters = text.as_bytes();
    letters.len() == 4 && letters.iter().zip(allowed).all(|(c, set)| set.contains(c))
}

/// The lists of runs with their names.
fn lists(mapping: &ShapeMapping) -> [(RunKind, &[[u64; 2]]); 7] {
    [
        (RunKind::Own, &mapping.own),
        (RunKind::File, &mapping.file),
        (RunKind::Zero, &mapping.zero),
        (RunKind::Swapped, &mapping.swapped),
        (RunKind::Huge, &mapping.huge),
        (RunKind::HugeZero, &mapping.huge_zero),
        (RunKind::Guards, &mapping.guards),
    ]
}

fn check_runs(mapping: &ShapeMapping, page_size: u64) -> Result<(), MappingFault> {
    let mut all = Vec::new();
    for (kind, runs) in lists(mapping) {
        check_order(kind, runs, mapping.pages)?;
        all.extend(runs.iter().map(|[first, count]| [*first, first + count]));
    }
    check_order(RunKind::Pinned, &mapping.pinned, mapping.pages)?;
    all.sort_unstable();
    if all.windows(2).any(|pair| pair[1][0] < pair[0][1]) {
        return Err(MappingFault::TwoKinds);
    }
    let copied = joined(&[&mapping.own, &mapping.huge]);
    if pages(&common(&mapping.pinned, &copied)) < pages(&mapping.pinned) {
        return Err(MappingFault::Pinned);
    }
    let huge = entries_per_table(page_size);
    let is_whole = |[first, count]: &[u64; 2]| {
        (mapping.first_page + first).is_multiple_of(huge) && count.is_multiple_of(huge)
    };
    if mapping.huge.iter().chain(&mapping.huge_zero).all(is_whole) {
        Ok(())
    } else {
        Err(MappingFault::Huge)
    }
}

/// Checks that runs are in order and inside of a mapping of so many pages.
fn check_order(kind: RunKind, runs: &[[u64; 2]], within: u64) -> Result<(), MappingFault> {
    let mut done = 0;
    for [first, count] in runs {
        if *count == 0 || *first < done {
            return Err(MappingFault::Order(kind));
        }
        let end = first.checked_add(*count);
        done = end
            .filter(|end| *end <= within)
            .ok_or(MappingFault::Beyond(kind))?;
    }
    Ok(())
}

fn check_ownership(mapping: &ShapeMapping) -> Result<(), MappingFault> {
    let guarded = !mapping.guards.is_empty();
    let owns = !mapping.own.is_empty() || !mapping.huge_zero.is_empty();
    let claims = owns || mapping.anon_vma && !guarded || !mapping.zero.is_empty();
    if mapping.is_shared() && claims {
        return Err(MappingFault::Shared);
    }
    let must = owns || guarded;
    let may = must || !mapping.swapped.is_empty() || !mapping.huge.is_empty();
    if must && !mapping.anon_vma || mapping.anon_vma && !may {
        return Err(MappingFault::AnonVma);
    }
    Ok(())
}
