//! The shape of a live process: what a fork of it has to look at and to copy, without
//! any of its contents. It is a file of its own, which travels from one host to
//! another.

use serde::{Deserialize, Serialize};

use super::Tool;

/// The version of the file's schema.
pub const SHAPE_VERSION: u32 = 1;

/// What was seen of a process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessShape {
    /// [`SHAPE_VERSION`] of the writer.
    pub shape_version: u32,
    /// Who wrote it.
    pub tool: Tool,
    /// The process but for its memory.
    pub process: ProcessFacts,
    /// Its mappings, in ascending order of address.
    pub mappings: Vec<ShapeMapping>,
}

/// A process but for its memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessFacts {
    /// Its name (`/proc/PID/comm`), or what stands for it: of a shape that was taken
    /// without names "process".
    pub name: String,
    /// Its number, where it was taken from a process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// When, in seconds since 1970; 0 for a shape that was made up.
    pub taken_unix_s: u64,
    /// How long the reading took, in seconds.
    pub took_s: f64,
    /// The kernel that it ran on, as `uname -r` says.
    pub kernel: String,
    /// Bytes in a page.
    pub page_size: u64,
    /// Its threads, the first included.
    pub threads: u64,
    /// Open files that an exec keeps.
    pub descriptors: u64,
    /// Open files that an exec closes.
    pub cloexec_descriptors: u64,
    /// Signals that it has a handler for.
    pub handlers: u64,
    /// The CPUs that it may run on; none where that is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_cpus: Vec<usize>,
    /// `VmPTE`: the bytes of all page tables below the top level.
    pub page_table_bytes: u64,
    /// Resident memory, in bytes.
    pub resident_bytes: u64,
    /// What of it changes a fork and cannot be rebuilt, or could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reservations: Vec<ShapeReservation>,
}

/// What a shape does not tell, or tells and no worker can rebuild.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShapeReservation {
    /// Mappings came, went or changed while it was read; the last reading counts.
    ChangedWhileRead,
    /// Its system calls pass a seccomp filter.
    Seccomp,
    /// It is traced (`TracerPid`), and each of its forks stops for the tracer.
    Traced,
    /// It is in another control group, where its page tables and structures are charged.
    OtherControlGroup,
    /// Where its pages lie in physical memory was not to be seen without CAP_SYS_ADMIN.
    NoPhysicalAddresses,
    /// Which pages are the kernel's page of zeros was not to be seen before Linux 6.7
    /// (PAGEMAP_SCAN).
    NoZeroPages,
    /// Which mappings are the stacks of threads was not to be seen, or not of all.
    NoThreadStacks,
    /// The mappings' flags were left out, for the sake of the process: `smaps`, which
    /// alone tells them, makes its calls of mmap(2) wait.
    NoFlags,
}

/// One mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShapeMapping {
    /// The number of its first page: which page table it falls into matters.
    pub first_page: u64,
    /// Its length in pages.
    pub pages: u64,
    /// What is mapped.
    pub content: MappingContent,
    /// The file's path, or `[anon:NAME]`; none without a name, or where names were
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// "rwxs" as in `/proc/PID/maps`, with `-` and `p`.
    pub permissions: String,
    /// Whether a fork sets up an `anon_vma` for it, by all that is seen: whether it has
    /// a page of its own, in memory or swapped out.
    pub anon_vma: bool,
    /// Runs of base pages that are the process's own: first page, counted from the
    /// mapping's start, and how many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<[u64; 2]>,
    /// Runs of base pages that are a file's or shared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file: Vec<[u64; 2]>,
    /// Runs of base pages that are the kernel's page of zeros.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zero: Vec<[u64; 2]>,
    /// Runs of pages that are swapped out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub swapped: Vec<[u64; 2]>,
    /// Runs of pages, whole huge ones, that one entry each of the next table maps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub huge: Vec<[u64; 2]>,
    /// How many of its own pages follow each other in physical memory, on average;
    /// none where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stretch: Option<f64>,
    /// What its flags (`VmFlags`) say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<MappingFlag>,
}

/// What is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MappingContent {
    /// The executable itself.
    Program,
    /// A file with code: a library.
    Library,
    /// The heap that brk(2) moves.
    Heap,
    /// The first thread's stack.
    Stack,
    /// Another thread's stack.
    ThreadStack,
    /// Private memory without a file.
    Anonymous,
    /// Another file.
    File,
    /// Shared memory without a file on a disk: anonymous, memfd, System V.
    SharedMemory,
    /// Pages of hugetlbfs.
    Hugetlb,
    /// The kernel's own pages: vdso, vvar.
    Kernel,
}

/// A flag of a mapping that bears on a fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// Of these, writes are (UFFDIO_WRITEPROTECT): a fork copies its entries always.
    UserfaultWrites,
    /// Huge pages are asked for (MADV_HUGEPAGE).
    HugeAdvised,
    /// Huge pages are forbidden (MADV_NOHUGEPAGE).
    HugeForbidden,
    /// Mapped by page frame number, as devices are: a fork copies its entries always.
    PageFrames,
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
            stretch: None,
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
            flags: self.flags.clone(),
            ..Self::untouched(self.first_page, self.pages, self.content)
        }
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
