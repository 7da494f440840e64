//! What `/proc/PID/smaps` says of each mapping, in the terms of a fork.
//!
//! Pure but for the parsed file that it is given. It decides which kind a
//! mapping is of and what a fork does with its entries; it counts no pages.

use std::collections::HashSet;

use procfs::process::{MMPermissions, MMapPath, MemoryMap, MemoryMaps, VmFlags};

use super::is_kernels_own;
use super::pages::Vma;
use crate::model::SkipReason;

/// A mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mapping {
    /// Where it lies.
    pub(super) vma: Vma,
    /// What is mapped.
    pub(super) content: Content,
    /// Whether it is shared with other processes.
    pub(super) shared: bool,
    /// Whether it may be written to.
    pub(super) writable: bool,
    /// Permissions and name, as `maps` has them: "rw-p [heap]".
    pub(super) label: String,
    /// Whether `smaps` counts an anonymous page here; `None` if it does not say.
    pub(super) anonymous: Option<bool>,
    /// Bytes of anonymous memory that huge pages map.
    pub(super) huge_anon: u64,
    /// Bytes of files and shared memory that huge pages map.
    pub(super) huge_file: u64,
    /// The page size of hugetlbfs, if it is mapped.
    pub(super) hugetlb_page: Option<u64>,
    /// What its flags decide at a fork, whatever pages it holds.
    pub(super) decided: Option<Fate>,
}

/// What a fork does with the entries of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It copies them.
    Copied,
    /// It leaves them out.
    Skipped(SkipReason),
}

/// What is mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    /// The program's and the libraries' own files.
    Program,
    /// The heap that brk(2) moves.
    Heap,
    /// Private memory without a file.
    Anonymous,
    /// The first thread's stack.
    Stack,
    /// Another file.
    File,
    /// Shared memory without a file on a disk: anonymous, memfd, System V.
    SharedMemory,
    /// Pages of hugetlbfs.
    Hugetlb,
    /// The kernel's own pages.
    Kernel,
}

impl Mapping {
    /// What a fork does with its entries (mm/memory.c, vma_needs_copy and
    /// copy_page_range; kernel/fork.c, dup_mmap), if it has an anon_vma or not.
    ///
    /// Kernels before 6.0 copy the entries of shared hugetlbfs mappings too.
    pub(super) fn fate(&self, has_anon_vma: bool) -> Fate {
        self.decided.unwrap_or(match (has_anon_vma, self.shared) {
            (true, _) => Fate::Copied,
            (false, true) => Fate::Skipped(SkipReason::Shared),
            (false, false) => Fate::Skipped(SkipReason::NoAnonVma),
        })
    }

    /// Its kind in the words of the tables.
    pub(super) fn kind(&self, has_anon_vma: bool) -> &'static str {
        match self.content {
            Content::Program if has_anon_vma => "program and libraries, written to",
            Content::Program => "program and libraries, not written to",
            Content::Heap => "heap",
            Content::Anonymous => "anonymous",
            Content::Stack => "stack",
            Content::File if self.shared => "file, shared",
            Content::File => "file, private",
            Content::SharedMemory => "shared memory",
            Content::Hugetlb => "huge pages of hugetlbfs",
            Content::Kernel => "the kernel's own",
        }
    }

    /// Bytes that transparent huge pages map.
    pub(super) fn huge_bytes(&self) -> u64 {
        self.huge_anon + self.huge_file
    }
}

/// The mappings of a parsed `smaps`, in ascending order; `[vsyscall]` is none.
/// From `maps`, which has no figures, everything but flags and figures.
pub(super) fn mappings(maps: &MemoryMaps, page_size: u64) -> Vec<Mapping> {
    let is_code = |map: &&MemoryMap| map.perms.contains(MMPermissions::EXECUTE) && map.inode != 0;
    let program: HashSet<_> = maps.iter().filter(is_code).map(file_of).collect();
    let listed = maps.iter().filter(|map| map.pathname != MMapPath::Vsyscall);
    listed
        .map(|map| mapping(map, program.contains(&file_of(map)), page_size))
        .collect()
}

/// A file's identity.
fn file_of(map: &MemoryMap) -> ((i32, i32), u64) {
    (map.dev, map.inode)
}

fn mapping(map: &MemoryMap, of_program: bool, page_size: u64) -> Mapping {
    let shared = map.perms.contains(MMPermissions::SHARED);
    let figure = |name: &str| map.extension.map.get(name).copied();
    let bytes = |name: &str| figure(name).unwrap_or(0);
    let is_hugetlb = map.extension.vm_flags.contains(VmFlags::HT);
    Mapping {
        vma: Vma {
            first_page: map.address.0 / page_size,
            end_page: map.address.1 / page_size,
            holds_anon: !shared && !is_kernels_own(map),
        },
        content: if is_hugetlb {
            Content::Hugetlb
        } else {
            content(map, shared, of_program)
        },
        shared,
        writable: map.perms.contains(MMPermissions::WRITE),
        label: label(map),
        // The pages of hugetlbfs are not among those that smaps adds up.
        anonymous: figure("Anonymous")
            .filter(|_| !is_hugetlb)
            .map(|bytes| bytes > 0),
        huge_anon: bytes("AnonHugePages"),
        huge_file: bytes("ShmemPmdMapped") + bytes("FilePmdMapped"),
        hugetlb_page: figure("KernelPageSize").filter(|_| is_hugetlb),
        decided: decided(map.extension.vm_flags),
    }
}

fn content(map: &MemoryMap, shared: bool, of_program: bool) -> Content {
    let path = match &map.pathname {
        _ if is_kernels_own(map) => return Content::Kernel,
        MMapPath::Heap => return Content::Heap,
        MMapPath::Stack => return Content::Stack,
        MMapPath::Vsys(_) => return Content::SharedMemory,
        MMapPath::Path(path) => path.to_string_lossy(),
        _ if shared => return Content::SharedMemory,
        _ => return Content::Anonymous,
    };
    let in_memory = ["/memfd:", "/dev/zero", "/dev/shm/"];
    if shared && in_memory.iter().any(|start| path.starts_with(start)) {
        Content::SharedMemory
    } else if of_program && !shared {
        Content::Program
    } else {
        Content::File
    }
}

/// What the flags alone decide.
fn decided(flags: VmFlags) -> Option<Fate> {
    // A fault could not find these again, or would not know their protection.
    let always_copied = VmFlags::PF | VmFlags::MM | VmFlags::UW;
    if flags.contains(VmFlags::DC) {
        Some(Fate::Skipped(SkipReason::DontFork))
    } else if flags.contains(VmFlags::WF) {
        Some(Fate::Skipped(SkipReason::WipeOnFork))
    } else if flags.intersects(always_copied) {
        Some(Fate::Copied)
    } else {
        None
    }
}

fn label(map: &MemoryMap) -> String {
    let name = match &map.pathname {
        MMapPath::Path(path) => path.to_string_lossy().into_owned(),
        MMapPath::Heap => "[heap]".to_owned(),
        MMapPath::Stack => "[stack]".to_owned(),
        MMapPath::Other(name) => format!("[{name}]"),
        _ => String::new(),
    };
    format!("{} {name}", map.perms.as_str())
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::FromRead;

    const SMAPS: &str = include_str!("../../../tests/data/proc/smaps.txt");

    fn parsed(text: &str) -> Vec<Mapping> {
        mappings(&MemoryMaps::from_read(text.as_bytes()).unwrap(), 4096)
    }

    /// One entry of smaps.
    fn entry(header: &str, figures: &str, flags: &str) -> Mapping {
        let text = format!("{header}\n{figures}VmFlags: {flags} \n");
        parsed(&text).remove(0)
    }

    const PRIVATE: &str = "7f0000000000-7f0000400000 rw-p 00000000 00:00 0 ";
    const SHARED: &str = "7f0000000000-7f0000400000 rw-s 00000000 00:01 9    /memfd:x (deleted)";

    /// What a `cat` with its libraries and locale files consists of.
    const CAPTURED: [(&str, usize); 8] = [
        ("program and libraries, not written to", 9),
        ("program and libraries, written to", 6),
        ("heap", 1),
        ("anonymous", 4),
        ("stack", 1),
        ("file, private", 12),
        ("file, shared", 1),
        ("the kernel's own", 3),
    ];

    #[test]
    fn a_captured_process_falls_into_kinds() {
        let mappings = parsed(SMAPS);
        let count = |kind: &str| {
            let of_kind = |m: &&Mapping| m.kind(m.anonymous == Some(true)) == kind;
            mappings.iter().filter(of_kind).count()
        };
        for (kind, expected) in CAPTURED {
            assert_eq!(count(kind), expected, "{kind}");
        }
        let all: usize = CAPTURED.iter().map(|(_, count)| count).sum();
        assert_eq!(mappings.len(), all);
    }

    #[test]
    fn private_memory_is_copied_once_it_holds_a_page() {
        let mapping = entry(PRIVATE, "Anonymous:  4 kB\n", "rd wr mr mw me ac");
        assert_eq!(mapping.anonymous, Some(true));
        assert_eq!(mapping.kind(true), "anonymous");
        assert_eq!(mapping.fate(true), Fate::Copied);
        assert_eq!(mapping.fate(false), Fate::Skipped(SkipReason::NoAnonVma));
    }

    #[test]
    fn flags_decide_before_pages_do() {
        let fate = |header, flags| entry(header, "", flags).fate(!flags.contains("sh"));
        let skipped = Fate::Skipped;
        assert_eq!(fate(SHARED, "rd wr sh"), skipped(SkipReason::Shared));
        assert_eq!(fate(SHARED, "rd wr sh mm"), Fate::Copied);
        assert_eq!(fate(SHARED, "rd sh mm dc"), skipped(SkipReason::DontFork));
        assert_eq!(fate(PRIVATE, "rd wr wf"), skipped(SkipReason::WipeOnFork));
        let own = "7f0000000000-7f0000004000 r--p 00000000 00:00 0     [vvar]";
        let own = entry(own, "", "rd mr pf io de dd");
        assert_eq!(
            (own.kind(false), own.fate(false)),
            ("the kernel's own", Fate::Copied)
        );
    }

    #[test]
    fn huge_pages_of_both_sorts_are_told_apart() {
        let thp = "Anonymous: 4096 kB\nAnonHugePages: 2048 kB\nShmemPmdMapped: 0 kB\n";
        let thp = entry(PRIVATE, thp, "rd wr ac hg");
        assert_eq!((thp.huge_bytes(), thp.hugetlb_page), (2 << 20, None));
        let hugetlb = "KernelPageSize: 2048 kB\nAnonymous: 0 kB\n";
        let hugetlb = entry(PRIVATE, hugetlb, "rd wr ht");
        assert_eq!(hugetlb.kind(true), "huge pages of hugetlbfs");
        assert_eq!(
            (hugetlb.hugetlb_page, hugetlb.anonymous),
            (Some(2 << 20), None)
        );
    }

    #[test]
    fn names_that_are_no_files_are_memory() {
        let kind = |line: &str| parsed(line).remove(0).kind(false);
        let line = |perms: &str, name: &str| {
            format!("7f0000000000-7f0000001000 {perms} 00000000 00:01 7      {name}\n")
        };
        assert_eq!(kind(&line("rw-p", "[anon:arena]")), "anonymous");
        assert_eq!(kind(&line("rw-s", "/dev/zero (deleted)")), "shared memory");
        assert_eq!(
            kind(&line("rw-s", "/SYSV00000000 (deleted)")),
            "shared memory"
        );
        assert_eq!(kind(&line("rw-p", "/memfd:x (deleted)")), "file, private");
        assert_eq!(kind(&line("rw-s", "/var/lib/x.db")), "file, shared");
        assert_eq!(
            kind(&line("r-xp", "/usr/bin/x")),
            "program and libraries, not written to"
        );
    }
}
