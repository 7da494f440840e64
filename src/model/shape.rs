//! The shape of a live process: what a fork of it has to look at and to copy, without
//! any of its contents. It is a file of its own, which travels from one host to
//! another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Surroundings, Tool};

/// The version of the file's schema.
pub const SHAPE_VERSION: u32 = 3;

/// What was seen of a process: the file that a shape is kept in. Pages are numbered
/// from address 0, and a page is in one list of its mapping at most: one that is in
/// none is not there.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ProcessShape {
    /// The version of this contract, [`SHAPE_VERSION`]: a reader refuses one that it
    /// does not know.
    pub shape_version: u32,
    /// Who wrote it.
    pub tool: Tool,
    /// The process but for its memory.
    pub process: ProcessFacts,
    /// Its mappings, in ascending order of address.
    pub mappings: Vec<ShapeMapping>,
}

/// A process but for its memory.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ProcessFacts {
    /// Its name (`/proc/PID/comm`), or what stands for it: of a shape that was taken
    /// without names "process".
    pub name: String,
    /// Its number; absent where the shape was made up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// When the reading ended, in seconds since 1970; 0 for a shape that was made up.
    pub taken_unix_s: u64,
    /// How long the reading took, in seconds.
    pub took_s: f64,
    /// The kernel that it ran on, as `uname -r` says.
    pub kernel: String,
    /// Bytes in a base page: a power of two from 4 KiB to 64 KiB.
    pub page_size: u64,
    /// Its threads, the first included: `Threads` of `/proc/PID/status`.
    pub threads: u64,
    /// Open files that an exec keeps, by the flags in `/proc/PID/fdinfo`.
    pub descriptors: u64,
    /// Open files that an exec closes (O_CLOEXEC).
    pub cloexec_descriptors: u64,
    /// The highest number that it has a file open at: forks copy its table of them up to
    /// there (fs/file.c, `dup_fd`). Absent where it has none open, or was made up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest_descriptor: Option<u64>,
    /// How many files that table has room for: `FDSize` of `/proc/PID/status`; 0 where
    /// the shape was made up.
    pub descriptor_slots: u64,
    /// Signals that it has a handler for: bits of `SigCgt`.
    pub handlers: u64,
    /// The CPUs that it may run on (`Cpus_allowed_list`), ascending; none where that is
    /// not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_cpus: Vec<usize>,
    /// `VmPTE`: the bytes of all page tables below the top level.
    pub page_table_bytes: u64,
    /// Resident memory: the sum of `Rss` in `/proc/PID/smaps`, without it `VmRSS`.
    pub resident_bytes: u64,
    /// Pinned memory: `VmPin` of `/proc/PID/status`; absent without any.
    #[serde(default, skip_serializing_if = "crate::model::is_zero")]
    pub pinned_bytes: u64,
    /// What of it changes a fork and cannot be rebuilt, or could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reservations: Vec<ShapeReservation>,
    /// What it met around it; absent where the shape was made up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surroundings: Option<Surroundings>,
}

/// What a shape does not tell, or tells and no worker can rebuild.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum ShapeReservation {
    /// Mappings came, went or changed each of three times that it was read; the last
    /// reading counts.
    ChangedWhileRead,
    /// Its system calls pass a filter (`Seccomp` of its status).
    Seccomp,
    /// It is traced (`TracerPid`), and each of its forks stops for the tracer.
    Traced,
    /// A security module has it under another label than forktax (`attr/current`).
    OtherLabel,
    /// Its page tables and structures are charged to another control group than
    /// forktax's.
    OtherControlGroup,
    /// Of its control groups and those above them some are not to be seen where forktax runs,
    /// nor are their limits.
    UnseenControlGroups,
    /// It is in another PID, mount or user namespace than forktax.
    OtherNamespaces,
    /// It is a 32-bit program: how its calls enter the kernel is not rebuilt.
    ThirtyTwoBits,
    /// Where its pages lie in physical memory was not to be seen, so that `stretch` is
    /// missing: the pagemap shows no frame numbers without CAP_SYS_ADMIN.
    NoPhysicalAddresses,
    /// Without PAGEMAP_SCAN (before Linux 6.7) how many pages of a mapping are the kernel's
    /// page of zeros is taken from `smaps`, and which of them is a guess; without `smaps`, or
    /// with swapped pages, none are seen.
    NoZeroPages,
    /// The stack of a thread was not to be seen: it ran each time, or the right to
    /// trace it is missing. It is among `anonymous`.
    NoThreadStacks,
    /// It is from a dump of `/proc/PID/smaps`, which does not tell where in a mapping its
    /// pages lie, nor of threads, open files and handlers.
    NoPositions,
    /// It is a fork server of AFL's: descriptors 198 and 199 are pipes, and its program has
    /// AFL's variable `__AFL_SHM_ID`. Its children execute nothing.
    AflForkServer,
    /// The flags of the mappings were not read, for the sake of the process: `smaps`,
    /// which alone tells them, makes its calls of mmap(2) wait. `hugetlb` was not
    /// looked for either, nor, before Linux 6.7, `huge`.
    NoFlags,
    /// More of its memory is pinned than buffers of an io_uring are seen to hold, as by
    /// RDMA or a device: which pages is not known, and none of those are pinned in workers.
    PinnedElsewhere,
    /// Its forks are told to another program (UFFD_FEATURE_EVENT_FORK), which each of them
    /// waits for.
    UserfaultForks,
    /// Whether that is so was not to be seen: userfaultfd watches some of its memory by a
    /// file that it has not open itself.
    UserfaultUnknown,
    /// It was forked and has executed nothing since (PF_FORKNOEXEC in `/proc/PID/stat`), and
    /// of the ancestors that have not done so either some are not to be seen: they have ended,
    /// or are more than 64, or may not be looked at. Its mappings may have links to their
    /// `anon_vma` structures, which a fork copies, beyond those of `generations`.
    NeverExecuted,
}

/// One mapping.
#[derive(Debug, Clone, PartialEq, JsonSchema, Serialize, Deserialize)]
pub struct ShapeMapping {
    /// The number of its first page: which page table it falls into matters. Mappings
    /// are in ascending order and do not overlap.
    pub first_page: u64,
    /// Its length in base pages.
    pub pages: u64,
    /// What is mapped.
    pub content: MappingContent,
    /// Its file's path, or what prctl(2) called it (`[anon:NAME]`), with `?` for
    /// control characters; absent without a name, or where names were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// "rwxs" as in `/proc/PID/maps`, with `-` and `p`.
    pub permissions: String,
    /// Whether a fork sets up an `anon_vma` for it and copies its entries, by all that
    /// is seen: whether it is private and has a page of its own, in memory or swapped
    /// out, or a huge page of zeros; or has a guard, private or not (mm/madvise.c,
    /// `madvise_guard_install`). That of one which has none of these any more is not seen.
    pub anon_vma: bool,
    /// Runs of base pages that are the process's own, private and of no file: first
    /// page, counted from the mapping's start, and how many. Absent if there are none,
    /// as the next six.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<[u64; 2]>,
    /// Runs of base pages that are a file's or shared, or that the kernel or a device
    /// put there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file: Vec<[u64; 2]>,
    /// Runs of base pages that are the kernel's page of zeros.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zero: Vec<[u64; 2]>,
    /// Runs of pages that are swapped out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub swapped: Vec<[u64; 2]>,
    /// Runs of base pages of huge pages, transparent or of hugetlbfs, that one entry
    /// each of the next table maps: whole and aligned to it (512 pages with pages of
    /// 4 KiB).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub huge: Vec<[u64; 2]>,
    /// Runs of base pages that are the kernel's huge page of zeros, whole and aligned as
    /// those above: its one entry is copied like theirs, and takes no memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub huge_zero: Vec<[u64; 2]>,
    /// Runs of entries that are guards (MADV_GUARD_INSTALL): markers in the place of
    /// pages, which a fork copies like those of pages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<[u64; 2]>,
    /// Of the pages in `own` and `huge`, runs of those that are pinned as buffers of an
    /// io_uring (`UserBufs` in `/proc/PID/fdinfo`): a fork copies their contents at once
    /// (mm/memory.c, `copy_present_page`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<[u64; 2]>,
    /// How many of its own pages follow each other in virtual and in physical memory,
    /// on average; of more than 65,536 such pages, of a part that is evenly spread.
    /// Absent where that is not known, without CAP_SYS_ADMIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stretch: Option<f64>,
    /// How many pages follow each other in the same large folio (mTHP, or a huge page that
    /// is mapped page by page) as a page of its own, itself included, on average over these:
    /// a fork counts up one reference for so many (mm/memory.c, `copy_present_ptes`). Absent
    /// where none do, or that is not known, without CAP_SYS_ADMIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<f64>,
    /// Of the pages in `file`, how many follow or precede another one in the same large
    /// folio, of more than 65,536 by a part of them: a fork copies the entries of one folio
    /// together (mm/memory.c, `copy_present_ptes`, since Linux 6.9). Absent where a fork copies
    /// none of them, or that is not known, without the right to read `/proc/kpageflags`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_in_folios: Option<u64>,
    /// How many living ancestors of a process that was forked and has executed nothing since
    /// have it as well, with pages of their own by all that is seen, 64 at the most: it has a
    /// link to the `anon_vma` of each, which a fork copies (mm/rmap.c, `anon_vma_clone`).
    #[serde(default, skip_serializing_if = "crate::model::is_zero")]
    pub generations: u64,
    /// What its flags (`VmFlags`) say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<MappingFlag>,
}

/// What is mapped.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum MappingContent {
    /// Private mappings of the executable: where `/proc/PID/exe` leads, or the first
    /// file with code.
    Program,
    /// Private mappings of another file that is mapped with code somewhere.
    Library,
    /// The heap that brk(2) moves.
    Heap,
    /// The first thread's stack.
    Stack,
    /// Private memory without a file that another thread's stack pointer leads into.
    ThreadStack,
    /// Other private memory without a file.
    Anonymous,
    /// Other mappings of files, and private ones of memory files.
    File,
    /// Shared memory that is no file on a disk: anonymous, memfd, System V, `/dev/shm`.
    SharedMemory,
    /// Pages of hugetlbfs.
    Hugetlb,
    /// The kernel's own pages: vdso, vvar.
    Kernel,
}

/// A flag of a mapping that bears on a fork.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum MappingFlag {
    /// A fork leaves it out (MADV_DONTFORK).
    DontFork,
    /// A child gets it empty (MADV_WIPEONFORK).
    WipeOnFork,
    /// Its pages are kept in memory (mlock(2)).
    Locked,
    /// Its pages may be merged with equal ones (MADV_MERGEABLE).
    Mergeable,
    /// Its faults are another program's business (userfaultfd).
    Userfault,
    /// Of these, writes are (UFFDIO_WRITEPROTECT).
    UserfaultWrites,
    /// Of the former, the other program is told of forks as well (UFFD_FEATURE_EVENT_FORK,
    /// by the features in `/proc/PID/fdinfo`): each waits until that has read of it, and
    /// if writes are watched the entries are copied always.
    UserfaultForks,
    /// Huge pages are asked for (MADV_HUGEPAGE).
    HugeAdvised,
    /// Huge pages are forbidden (MADV_NOHUGEPAGE).
    HugeForbidden,
    /// Mapped by page frame number, as devices are (VM_PFNMAP, VM_MIXEDMAP): a fork
    /// copies its entries always.
    PageFrames,
    /// Not charged against the limit of committed memory (MAP_NORESERVE): of any other
    /// private mapping that can be written to, a fork charges the copy, mapping by mapping.
    NotReserved,
}

impl ProcessFacts {
    /// Whether it is of a dump of smaps, which tells neither when nor on which kernel.
    pub fn is_of_dump(&self) -> bool {
        self.reservations.contains(&ShapeReservation::NoPositions)
    }

    /// All its open files, whether an exec closes them or not.
    pub fn open_files(&self) -> u64 {
        self.descriptors.saturating_add(self.cloexec_descriptors)
    }
}

impl ProcessShape {
    /// How many living ancestors have some of its memory.
    pub fn generations(&self) -> u64 {
        let mappings = self.mappings.iter();
        mappings
            .map(|mapping| mapping.generations)
            .max()
            .unwrap_or(0)
    }
}

impl ShapeMapping {
    /// A private mapping that can be read and written to, with nothing in it yet.
    pub fn untouched(first_page: u64, pages: u64, content: MappingContent) -> Self {
        Self {
            first_page,
            pages,
            content,
            name: None,
            permissions: "rw-p".to_owned(),
            anon_vma: false,
            own: Vec::new(),
            file: Vec::new(),
            zero: Vec::new(),
            swapped: Vec::new(),
            huge: Vec::new(),
            huge_zero: Vec::new(),
            guards: Vec::new(),
            pinned: Vec::new(),
            stretch: None,
            batch: None,
            file_in_folios: None,
            generations: 0,
            flags: Vec::new(),
        }
    }

    /// The same mapping with none of its pages.
    #[must_use]
    pub fn without_pages(&self) -> Self {
        Self {
            name: self.name.clone(),
            permissions: self.permissions.clone(),
            stretch: self.stretch,
            batch: self.batch,
            generations: self.generations,
            flags: self.flags.clone(),
            ..Self::untouched(self.first_page, self.pages, self.content)
        }
    }

    /// The lists of what has an entry of the lowest page tables.
    pub fn entries(&self) -> [&[[u64; 2]]; 5] {
        [
            &self.own,
            &self.file,
            &self.zero,
            &self.swapped,
            &self.guards,
        ]
    }

    /// The page after its last.
    pub fn end_page(&self) -> u64 {
        self.first_page.saturating_add(self.pages)
    }

    /// Whether it has this flag.
    pub fn has(&self, flag: MappingFlag) -> bool {
        self.flags.contains(&flag)
    }

    /// Whether it is shared with other processes.
    pub fn is_shared(&self) -> bool {
        self.permissions.ends_with('s')
    }

    /// Whether it may be read.
    pub fn is_readable(&self) -> bool {
        self.permissions.starts_with('r')
    }

    /// Whether it may be written to.
    pub fn is_writable(&self) -> bool {
        self.permissions.as_bytes().get(1) == Some(&b'w')
    }
}
