//! Whether a region is one that a process can have.

use super::USER_END;
use crate::model::{LikeRegion, RegionKind};

/// What is wrong with a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegionFault {
    /// No pages, or some beyond user space.
    #[error("is empty or reaches beyond user space: take the likeness again")]
    Extent,
    /// It begins before the end of the one before.
    #[error("begins before the one before it ends: list the mappings in order of address")]
    Overlap,
    /// A page beyond its end, or listed twice.
    #[error("lists pages twice or beyond its end: list each once, counted from its start")]
    Pages,
    /// Pins of pages that are not its own, or that nobody may write to.
    #[error("pins pages that are not its own or not writable: list those that are")]
    Pins,
    /// Shared memory with pages of its own.
    #[error("is shared but has pages of its own: list them as read")]
    OwnPages,
    /// Huge pages of a file: the process's own ones never are (mm/memory.c, `do_cow_fault`),
    /// and those that are the file's no fork copies.
    #[error(
        "has huge pages and is no anonymous memory: list its own pages as written, others as read"
    )]
    HugeFile,
    /// Huge pages that are no whole ones in their place.
    #[error("has huge pages that begin or end within one: list their pages as written")]
    HugePart,
}

/// Checks a region by itself; the page after its last.
pub(super) fn check(
    region: &LikeRegion,
    page_size: u64,
    huge_page: u64,
) -> Result<u64, RegionFault> {
    let end = region.first_page.checked_add(region.pages);
    let end = end.filter(|end| region.pages > 0 && *end <= USER_END / page_size);
    let end = end.ok_or(RegionFault::Extent)?;
    let has_huge = !region.huge.is_empty() || !region.huge_zero.is_empty();
    match region.backing {
        RegionKind::Shared if !region.written.is_empty() => return Err(RegionFault::OwnPages),
        RegionKind::Shared | RegionKind::File if has_huge => {
            return Err(RegionFault::HugeFile);
        }
        _ => {}
    }
    let mut next = 0;
    for [first, count] in all_runs(region) {
        let stop = first.checked_add(count);
        let stop = stop.filter(|stop| count > 0 && first >= next && *stop <= region.pages);
        next = stop.ok_or(RegionFault::Pages)?;
    }
    if !region.pinned.is_empty() && !may_pin(region) {
        return Err(RegionFault::Pins);
    }
    let is_whole = |[first, count]: &[u64; 2]| {
        (region.first_page + first).is_multiple_of(huge_page) && count.is_multiple_of(huge_page)
    };
    match region.huge.iter().chain(&region.huge_zero).all(is_whole) {
        true => Ok(end),
        false => Err(RegionFault::HugePart),
    }
}

/// Whether all pins of a region that was checked but for these are of its own pages.
fn may_pin(region: &LikeRegion) -> bool {
    let own = in_order(&[&region.written, &region.huge]);
    let mut next = 0;
    let is_own = |[first, count]: [u64; 2]| {
        let Some(end) = first
            .checked_add(count)
            .filter(|_| count > 0 && first >= next)
        else {
            return false;
        };
        next = end;
        let mut at = first;
        let begin = own.partition_point(|[from, many]| from + many <= first);
        for [from, many] in &own[begin..] {
            if *from > at || at >= end {
                break;
            }
            at = from + many;
        }
        at >= end
    };
    region.writable && in_order(&[&region.pinned]).into_iter().all(is_own)
}

/// All runs of a region in ascending order.
pub(super) fn all_runs(region: &LikeRegion) -> Vec<[u64; 2]> {
    let LikeRegion {
        written,
        read,
        huge,
        huge_zero,
        guards,
        ..
    } = region;
    in_order(&[written, read, huge, huge_zero, guards])
}

/// All runs of some lists in ascending order.
pub(super) fn in_order(lists: &[&[[u64; 2]]]) -> Vec<[u64; 2]> {
    let mut runs = lists.concat();
    runs.sort_unstable();
    runs
}
