//! The words of a refused order: which limit, by how much, and what to do.
//!
//! Figures are written for reading, except within a command to copy.

use super::{CgroupRoom, Need, OWN_VMAS, Room};
use crate::units::{bytes, thousands};

/// Why an address space cannot be built on this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// More VMAs than `vm.max_map_count`.
    #[error(
        "{} mappings and {OWN_VMAS} of the worker's own exceed vm.max_map_count = {}: ask for at \
         most {}, or raise it with \"sysctl vm.max_map_count={}\"",
        thousands(*asked), thousands(*limit), thousands(limit.saturating_sub(OWN_VMAS)),
        asked.saturating_add(OWN_VMAS)
    )]
    Mappings {
        /// Mappings that were asked for.
        asked: u64,
        /// `vm.max_map_count`.
        limit: u64,
    },
    /// More address space than there is.
    #[error(
        "the mappings take {} of address space, but a process has only {}: ask for fewer or \
         smaller mappings",
        bytes(*asked), bytes(*limit)
    )]
    UserAddressSpace {
        /// Bytes that were asked for.
        asked: u64,
        /// Bytes that a process can map.
        limit: u64,
    },
    /// More address space than `RLIMIT_AS`.
    #[error(
        "{} of address space and the {} in use exceed RLIMIT_AS = {}: ask for fewer or smaller \
         mappings, or raise it with \"ulimit -v {}\"",
        bytes(*asked), bytes(room.used), bytes(room.limit), kibibytes(*asked, *room)
    )]
    AddressSpace {
        /// Bytes that are needed, with headroom.
        asked: u64,
        /// The limit, and what is mapped.
        room: Room,
    },
    /// More private writable memory than `RLIMIT_DATA`.
    #[error(
        "{} of private memory and the {} in use exceed RLIMIT_DATA = {}: ask for fewer or \
         smaller mappings, or raise it with \"ulimit -d {}\"",
        bytes(*asked), bytes(room.used), bytes(room.limit), kibibytes(*asked, *room)
    )]
    Private {
        /// Bytes that are needed, with headroom.
        asked: u64,
        /// The limit, and what is private.
        room: Room,
    },
    /// More private writable memory than a kernel without overcommit grants.
    #[error(
        "{} of private memory, counted twice for the fork's copy, and the {} committed exceed \
         CommitLimit = {}: ask for fewer or smaller mappings, or let the kernel overcommit with \
         \"sysctl vm.overcommit_memory=0\"",
        bytes(*asked), bytes(room.used), bytes(room.limit)
    )]
    Commit {
        /// Bytes that are needed, with headroom.
        asked: u64,
        /// The limit, and what is committed.
        room: Room,
    },
    /// More memory than is available.
    #[error(
        "the address space takes up to {} of memory ({}), but MemAvailable = {}: ask for fewer \
         mappings or pages, or free memory",
        bytes(*asked), parts(need), bytes(*available)
    )]
    MemAvailable {
        /// Bytes that are needed, with headroom.
        asked: u64,
        /// What they are made of.
        need: Need,
        /// `MemAvailable`.
        available: u64,
    },
    /// More memory than a control group allows.
    #[error(
        "the address space takes up to {} of memory ({}), but {} = {} leaves {}: ask for fewer \
         mappings or pages, or raise it with \"echo {} > {}\"",
        bytes(*asked), parts(need), group.file.display(), bytes(group.room.limit),
        bytes(group.room.left()), asked.saturating_add(group.room.used), group.file.display()
    )]
    CgroupMemory {
        /// Bytes that are needed, with headroom.
        asked: u64,
        /// What they are made of.
        need: Need,
        /// The group's limit.
        group: CgroupRoom,
    },
    /// More processes than `RLIMIT_NPROC`.
    #[error(
        "{asked} processes and the {} that this user has exceed RLIMIT_NPROC = {}: end some, or \
         raise it with \"ulimit -u {}\"",
        thousands(room.used), thousands(room.limit), asked.saturating_add(room.used)
    )]
    Processes {
        /// Processes that run at the same time.
        asked: u64,
        /// The limit, and the threads of this user.
        room: Room,
    },
    /// More processes than a control group allows.
    #[error(
        "{asked} processes and the {} in the control group exceed {} = {}: end some, or raise it \
         with \"echo {} > {}\"",
        thousands(group.room.used), group.file.display(), thousands(group.room.limit),
        asked.saturating_add(group.room.used), group.file.display()
    )]
    CgroupPids {
        /// Processes that run at the same time.
        asked: u64,
        /// The group's limit.
        group: CgroupRoom,
    },
}

/// What a need of memory is made of.
fn parts(need: &Need) -> String {
    format!(
        "{} resident, {} of page tables, {} of VMAs, and headroom",
        bytes(need.resident_bytes),
        bytes(need.page_tables_bytes),
        bytes(need.kernel_bytes)
    )
}

/// The limit that would do, in the unit of the shell's `ulimit`.
fn kibibytes(asked: u64, room: Room) -> u64 {
    asked.saturating_add(room.used).div_ceil(1024)
}
