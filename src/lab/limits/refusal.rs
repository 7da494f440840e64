//! The words of a refused order: which limit, by how much, and what to do.
//!
//! Figures are written for reading, except within a command to copy.

use std::path::PathBuf;

use super::{CgroupRoom, Need, OWN_DESCRIPTORS, OWN_VMAS, RECORDED_BYTES, Room};
use crate::units::{bytes, thousands};
use crate::vm::THREAD_MAPPINGS;

/// A need that is more than a limit leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// What is needed, with headroom.
    pub asked: u64,
    /// The limit, and what is used of it.
    pub room: Room,
    /// Threads that only sleep: they, or their stacks, are part of the need.
    pub threads: u64,
    /// Parents that spawn at once: all of them are part of the need where it is one of memory
    /// or of processes.
    pub jobs: u64,
}

impl Short {
    /// What would do.
    fn enough(&self) -> u64 {
        self.asked.saturating_add(self.room.used)
    }

    /// The same in the unit of the shell's `ulimit`.
    fn kibibytes(&self) -> u64 {
        self.enough().div_ceil(1024)
    }
}

/// Why an address space cannot be built on this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Not even the tool's own descriptors.
    #[error("RLIMIT_NOFILE leaves the tool itself no descriptor: raise it with \"ulimit -n 1024\"")]
    NoDescriptor,
    /// Not even the tool's own processes.
    #[error(
        "no process can be started: a limit is reached, RLIMIT_NPROC (ulimit -u) or pids.max of \
         the control group; end some processes, or raise it"
    )]
    NoProcess,
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
    /// More VMAs than `vm.max_map_count`, for the stacks of threads.
    #[error(
        "{} threads, each with a stack and the guard below it, and {} other mappings exceed \
         vm.max_map_count = {}: ask for at most {} threads, or raise it with \
         \"sysctl vm.max_map_count={}\"",
        thousands(*threads), thousands(*others), thousands(*limit),
        thousands(limit.saturating_sub(*others) / THREAD_MAPPINGS),
        threads.saturating_mul(THREAD_MAPPINGS).saturating_add(*others)
    )]
    ThreadMappings {
        /// Threads that were asked for.
        threads: u64,
        /// All other mappings, the worker's own among them.
        others: u64,
        /// `vm.max_map_count`.
        limit: u64,
    },
    /// More handlers than there are signals for.
    #[error(
        "{} signal handlers are too many, for only {limit} signals can have one: ask for at most \
         {limit}",
        thousands(*asked)
    )]
    Handlers {
        /// Handlers that were asked for.
        asked: u64,
        /// Signals that can have one.
        limit: u64,
    },
    /// More descriptors than the hard `RLIMIT_NOFILE`.
    #[error(
        "{} descriptors, {OWN_DESCRIPTORS} for the worker's own and the {} in use exceed the hard \
         RLIMIT_NOFILE = {}: ask for at most {}, or raise it as root with \"ulimit -Hn {}\"",
        thousands(.0.asked), thousands(.0.room.used), thousands(.0.room.limit),
        thousands(.0.room.left().saturating_sub(OWN_DESCRIPTORS)),
        .0.enough().saturating_add(OWN_DESCRIPTORS)
    )]
    Descriptors(Short),
    /// More descriptors of this process itself than the soft `RLIMIT_NOFILE`.
    #[error(
        "{} descriptors and the {} in use exceed RLIMIT_NOFILE = {}: {}raise it with \
         \"ulimit -n {}\"",
        thousands(.0.asked), thousands(.0.room.used), thousands(.0.room.limit),
        fewer_jobs_or(.0.jobs), .0.enough()
    )]
    OpenFiles(Short),
    /// A larger file in memory than `RLIMIT_FSIZE`.
    #[error(
        "a file in memory takes {} ({} bytes), but RLIMIT_FSIZE = {} ({} bytes): ask for less, or \
         raise it with \"ulimit -f unlimited\"",
        bytes(*asked), thousands(*asked), bytes(*limit), thousands(*limit)
    )]
    FileSize {
        /// Its bytes.
        asked: u64,
        /// The limit.
        limit: u64,
    },
    /// More address space than there is.
    #[error(
        "the mappings take {} of address space, but a process has only {}: {}",
        bytes(*asked), bytes(*limit), less(*threads)
    )]
    UserAddressSpace {
        /// Bytes that were asked for.
        asked: u64,
        /// Bytes that a process can map.
        limit: u64,
        /// Threads, whose stacks are among them.
        threads: u64,
    },
    /// More address space than `RLIMIT_AS`.
    #[error(
        "{} of address space and the {} in use exceed RLIMIT_AS = {}: {}raise it with \
         \"ulimit -v {}\"",
        bytes(.0.asked), bytes(.0.room.used), bytes(.0.room.limit), less_or(.0),
        .0.kibibytes()
    )]
    AddressSpace(Short),
    /// More private writable memory than `RLIMIT_DATA`.
    #[error(
        "{} of private memory and the {} in use exceed RLIMIT_DATA = {}: {}raise it with \
         \"ulimit -d {}\"",
        bytes(.0.asked), bytes(.0.room.used), bytes(.0.room.limit), less_or(.0),
        .0.kibibytes()
    )]
    Private(Short),
    /// More private writable memory than a kernel without overcommit grants.
    #[error(
        "{} of private memory{}, counted twice for the fork's copy, and the {} committed exceed \
         CommitLimit = {}: {}, or let the kernel overcommit with \
         \"sysctl vm.overcommit_memory=0\"",
        bytes(.0.asked), of_parents(.0.jobs), bytes(.0.room.used), bytes(.0.room.limit),
        less_of_all(.0)
    )]
    Commit(Short),
    /// A larger mapping than a kernel grants that guesses (mm/util.c,
    /// `__vm_enough_memory`).
    #[error(
        "a mapping of {} is larger than all memory and swap ({}), and vm.overcommit_memory = 0 \
         refuses it: ask for smaller mappings, or let the kernel overcommit with \
         \"sysctl vm.overcommit_memory=1\"",
        bytes(*asked), bytes(*limit)
    )]
    OneMapping {
        /// Bytes of the mapping.
        asked: u64,
        /// Bytes of memory and swap.
        limit: u64,
    },
    /// More memory than is available.
    #[error(
        "the address space{} takes up to {} of memory ({}), but MemAvailable = {}: {}, or free \
         memory",
        of_parents(need.jobs), bytes(*asked), parts(need), bytes(*available), fewer(need)
    )]
    MemAvailable {
        /// Bytes that are needed, with headroom.
        asked: u64,
        /// What they are made of.
        need: Box<Need>,
        /// `MemAvailable`.
        available: u64,
    },
    /// More memory than a control group allows.
    #[error(
        "the address space{} takes up to {} of memory ({}), but {} = {} leaves {}: {}, or raise it \
         with \"echo {} > {}\"",
        of_parents(need.jobs), bytes(*asked), parts(need), group.file.display(), bytes(group.room.limit),
        bytes(group.room.left()), fewer(need), asked.saturating_add(group.room.used), group.file.display()
    )]
    CgroupMemory {
        /// Bytes that are needed, with headroom.
        asked: u64,
        /// What they are made of.
        need: Box<Need>,
        /// The group's limit.
        group: CgroupRoom,
    },
    /// More processes than `RLIMIT_NPROC`.
    #[error(
        "{} and the {} that this user has exceed RLIMIT_NPROC = {}: {}, or raise it with \
         \"ulimit -u {}\"",
        tasks(.0), thousands(.0.room.used), thousands(.0.room.limit), end_some(.0), .0.enough()
    )]
    Processes(Short),
    /// More processes than a control group allows.
    #[error(
        "{} and the {} in the control group exceed {} = {}: {}, or raise it with \
         \"echo {} > {}\"",
        tasks(short), thousands(short.room.used), file.display(), thousands(short.room.limit),
        end_some(short), short.enough(), file.display()
    )]
    CgroupPids {
        /// Processes and threads that are there at the same time.
        short: Short,
        /// The file that holds the limit.
        file: PathBuf,
    },
}

/// What a need of memory is made of.
fn parts(need: &Need) -> String {
    let others = match (need.descriptors, need.threads()) {
        (0, 0) => "",
        (_, 0) => " and open files",
        (0, _) => " and threads",
        _ => ", open files and threads",
    };
    let copies = match need.copied_bytes {
        0 => String::new(),
        copied => format!(
            " {} of copies as pages are written to again,",
            bytes(copied)
        ),
    };
    format!(
        "{} resident,{copies} {} of page tables, {} of VMAs{others}, and headroom",
        bytes(need.resident_bytes),
        bytes(need.page_tables_bytes),
        bytes(need.kernel_bytes)
    )
}

/// What to ask for where memory is short.
fn fewer(need: &Need) -> String {
    // Without copies it was found to fit.
    if need.copied_bytes > 0 {
        return "give --rewrite fewer pages".to_owned();
    }
    let others = match (need.descriptors, need.threads()) {
        (0, 0) => " or pages",
        (_, 0) => ", pages or descriptors",
        (0, _) => ", pages or threads",
        _ => ", pages, descriptors or threads",
    };
    format!("ask for fewer mappings{others}{}", or_jobs(need.jobs))
}

/// Whose need it is, where it is that of several parents.
fn of_parents(jobs: u64) -> String {
    match jobs {
        0 | 1 => String::new(),
        _ => format!(" of {} parents", thousands(jobs)),
    }
}

/// What else to ask for less of, where several parents share what is short.
fn or_jobs(jobs: u64) -> &'static str {
    match jobs {
        0 | 1 => "",
        _ => ", or fewer --jobs",
    }
}

/// The same before another remedy.
fn fewer_jobs_or(jobs: u64) -> &'static str {
    match jobs {
        0 | 1 => "",
        _ => "ask for fewer --jobs, or ",
    }
}

/// What to ask for where address space of all parents is short.
fn less_of_all(short: &Short) -> String {
    format!("{}{}", less(short.threads), or_jobs(short.jobs))
}

/// What to ask for before another remedy; nothing where the need is none of the order's.
fn less_or(short: &Short) -> String {
    match short.asked {
        ..=RECORDED_BYTES => String::new(),
        _ => format!("{}, or ", less(short.threads)),
    }
}

/// What to ask for where address space is short.
fn less(threads: u64) -> &'static str {
    match threads {
        0 => "ask for fewer or smaller mappings",
        _ => {
            "ask for fewer threads, whose stacks take 8 MiB each, or for fewer or smaller mappings"
        }
    }
}

/// What is there at the same time.
fn tasks(short: &Short) -> String {
    let threads = match short.threads {
        0 => "",
        _ => " and threads",
    };
    let parents = of_parents(short.jobs);
    format!("{} processes{threads}{parents}", thousands(short.asked))
}

/// What to do where there are too many of them.
fn end_some(short: &Short) -> &'static str {
    match (short.threads, short.jobs) {
        (0, 0 | 1) => "end some",
        (0, _) => "ask for fewer --jobs, end some",
        (_, 0 | 1) => "ask for fewer threads, end some",
        _ => "ask for fewer threads or --jobs, end some",
    }
}
