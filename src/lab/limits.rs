//! The check before any inflation: will the host let this address space be?
//!
//! [`Need`] is what an order takes, [`Limits`] what the host leaves, and
//! [`check`] compares the two, so that a run is refused in words before it
//! fails half-way or calls the OOM killer. A limit that cannot be read does not
//! limit. Nothing here changes the host or measures anything.

mod cgroup;
mod need;
mod read;
mod refusal;
mod spawns;

pub use cgroup::CgroupRoom;
pub(in crate::lab) use cgroup::periods;
pub use need::Need;
pub(in crate::lab) use need::copy_bytes;
pub(in crate::lab) use read::{is_initial_namespace, read_file_size};
pub use refusal::{LimitError, Short};
pub(in crate::lab) use spawns::{
    CopyNeed, has_unseen_groups, most_spent, own_quotas, room_for_two, surroundings,
};

use crate::sys::handlers::MOST_HANDLERS;
use crate::vm::THREAD_MAPPINGS;
use crate::worker::protocol::OWN_DESCRIPTORS;

/// VMAs that are not the order's: the worker's own image and libraries, its
/// samples, and the stack that posix_spawn maps for its child.
pub const OWN_VMAS: u64 = 48;

/// Descriptors that this process opens besides those that it has: a socket and records of
/// the reference and of two workers, files of `/proc`, of which four stay open, results, and
/// a few for what is recorded from outside, which can do without.
const OPENED: u64 = 20;

/// Bytes that every limit of memory must leave on top of 5 % of the need.
const SPARE_BYTES: u64 = 64 << 20;

/// What this process itself takes for the kernel's symbols and for what is recorded.
const RECORDED_BYTES: u64 = 32 << 20;

/// What a process can map at all, whatever the machine: the user half of 48 bits on
/// x86-64, half of what arm64 gives.
const USER_ADDRESS_SPACE: u64 = 1 << 47;

/// A limit and what is used of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The limit.
    pub limit: u64,
    /// What is used already.
    pub used: u64,
}

impl Room {
    /// What is left, never less than nothing.
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// What the host leaves to a worker; `None` where nothing limits, or nothing
/// that can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// `/proc/sys/vm/max_map_count`, in VMAs a process.
    pub max_map_count: Option<u64>,
    /// `MemAvailable` of `/proc/meminfo`, in bytes.
    pub mem_available: Option<u64>,
    /// The soft `RLIMIT_NOFILE` and the descriptors of this process, which opens some more.
    pub open_files: Option<Room>,
    /// `RLIMIT_FSIZE`, which files in memory count against too.
    pub file_size: Option<u64>,
    /// `RLIMIT_AS` and this process's size, which a worker begins with too.
    pub address_space: Option<Room>,
    /// `RLIMIT_DATA` and this process's private writable memory.
    pub private: Option<Room>,
    /// `CommitLimit` and `Committed_AS`, where the kernel never overcommits.
    pub commit: Option<Room>,
    /// `MemTotal` and `SwapTotal`, more than which the kernel gives to no single mapping
    /// where it guesses how far to overcommit.
    pub one_mapping: Option<u64>,
    /// `RLIMIT_NPROC` and the threads of this real user; not for a process
    /// that the kernel exempts.
    pub processes: Option<Room>,
    /// The hard `RLIMIT_NOFILE`, up to which a worker raises its own, and the
    /// descriptors of this process.
    pub descriptors: Option<Room>,
    /// The tightest memory limit of the control groups.
    pub cgroup_memory: Option<CgroupRoom>,
    /// The tightest limit of processes of the control groups.
    pub cgroup_pids: Option<CgroupRoom>,
}

/// Whether the host leaves what an address space needs.
pub fn check(need: &Need, limits: &Limits) -> Result<(), LimitError> {
    check_mappings(need, limits)?;
    check_handlers(need)?;
    check_descriptors(need, limits)?;
    check_file_size(need.file_bytes, limits.file_size)?;
    check_virtual_memory(need, limits)?;
    check_memory(need, limits)?;
    // Last of memory: it forbids one way to have it, where there may be enough.
    check_one_mapping(need.largest_bytes, limits.one_mapping)?;
    check_processes(need, limits)
}

fn check_mappings(need: &Need, limits: &Limits) -> Result<(), LimitError> {
    let Some(limit) = limits.max_map_count else {
        return Ok(());
    };
    let (asked, threads) = (need.mappings, need.threads());
    let stacks = threads.saturating_mul(THREAD_MAPPINGS);
    let others = asked.saturating_sub(stacks).saturating_add(OWN_VMAS);
    if asked.saturating_add(OWN_VMAS) <= limit {
        Ok(())
    } else if stacks > others && others < limit {
        Err(LimitError::ThreadMappings {
            threads,
            others,
            limit,
        })
    } else {
        Err(LimitError::Mappings { asked, limit })
    }
}

fn check_handlers(need: &Need) -> Result<(), LimitError> {
    let (asked, limit) = (need.handlers, MOST_HANDLERS);
    match asked > limit {
        true => Err(LimitError::Handlers { asked, limit }),
        false => Ok(()),
    }
}

fn check_descriptors(need: &Need, limits: &Limits) -> Result<(), LimitError> {
    // A socket and records of each.
    let opened = OPENED.saturating_add(need.jobs.saturating_sub(1).saturating_mul(2));
    fits(need, opened, limits.open_files).map_err(LimitError::OpenFiles)?;
    if need.descriptors == 0 {
        return Ok(()); // A worker's own are as many as this process has.
    }
    let all = need.descriptors.saturating_add(OWN_DESCRIPTORS);
    let (asked, all) = match need.descriptor_table > all {
        true => (need.descriptor_table, need.descriptor_table),
        false => (need.descriptors, all),
    };
    fits(need, all, limits.descriptors)
        .map_err(|short| LimitError::Descriptors(Short { asked, ..short }))
}

/// Whether a file in memory may be so large.
pub(super) fn check_file_size(asked: u64, limit: Option<u64>) -> Result<(), LimitError> {
    match limit {
        Some(limit) if asked > limit => Err(LimitError::FileSize { asked, limit }),
        _ => Ok(()),
    }
}

fn check_virtual_memory(need: &Need, limits: &Limits) -> Result<(), LimitError> {
    if need.address_space_bytes == 0 {
        // An empty worker is no larger than this process, which grows by what is recorded.
        fits(need, RECORDED_BYTES, limits.address_space).map_err(LimitError::AddressSpace)?;
        return fits(need, RECORDED_BYTES, limits.private).map_err(LimitError::Private);
    }
    // What is reserved is known to the byte, but for a heap's last few.
    let asked = need.address_space_bytes.saturating_add(SPARE_BYTES);
    if asked > USER_ADDRESS_SPACE {
        return Err(LimitError::UserAddressSpace {
            asked: need.address_space_bytes,
            limit: USER_ADDRESS_SPACE,
            threads: need.threads(),
        });
    }
    fits(need, asked, limits.address_space).map_err(LimitError::AddressSpace)?;
    let asked = with_headroom(need.private_bytes);
    fits(need, asked, limits.private).map_err(LimitError::Private)?;
    // dup_mmap() charges the private memory once more, for the fork's copy.
    let all = need.private_bytes.saturating_mul(need.jobs);
    let asked = with_headroom(all.saturating_mul(2));
    fits(need, asked, limits.commit).map_err(LimitError::Commit)
}

fn check_one_mapping(asked: u64, limit: Option<u64>) -> Result<(), LimitError> {
    match limit {
        Some(limit) if asked > limit => Err(LimitError::OneMapping { asked, limit }),
        _ => Ok(()),
    }
}

fn check_memory(need: &Need, limits: &Limits) -> Result<(), LimitError> {
    if need.memory_bytes() == 0 {
        return Ok(());
    }
    let (asked, need) = (with_headroom(need.memory_bytes()), Box::new(*need));
    if let Some(available) = limits.mem_available.filter(|left| asked > *left) {
        return Err(LimitError::MemAvailable {
            asked,
            need,
            available,
        });
    }
    match limits.cgroup_memory.clone() {
        Some(group) if asked > group.room.left() => {
            Err(LimitError::CgroupMemory { asked, need, group })
        }
        _ => Ok(()),
    }
}

fn check_processes(need: &Need, limits: &Limits) -> Result<(), LimitError> {
    let asked = need.all_processes();
    fits(need, asked, limits.processes).map_err(LimitError::Processes)?;
    let Some(CgroupRoom { room, file }) = &limits.cgroup_pids else {
        return Ok(());
    };
    fits(need, asked, Some(*room)).map_err(|short| LimitError::CgroupPids {
        short,
        file: file.clone(),
    })
}

/// Whether a limit leaves what is asked.
fn fits(need: &Need, asked: u64, room: Option<Room>) -> Result<(), Short> {
    let threads = need.threads();
    match room {
        Some(room) if asked > room.left() => Err(Short {
            asked,
            room,
            threads,
            jobs: need.jobs,
        }),
        _ => Ok(()),
    }
}

/// A need of memory with what an estimate may be short of.
fn with_headroom(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 20).saturating_add(SPARE_BYTES)
}

#[cfg(test)]
mod tests;
