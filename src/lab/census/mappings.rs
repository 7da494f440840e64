//! The mappings of a process as its files list them, each with what it is of and where
//! it lies. What that means for a fork is [`crate::analysis::mappings`]' to say.

use super::pages::Vma;
use crate::analysis::mappings::{Fate, Listed, contents, fate_of, holds_anon};
use crate::model::{MappingContent, MappingFlag};

/// A mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::lab) struct Mapping<'a> {
    /// What the file says of it.
    pub(in crate::lab) listed: &'a Listed,
    /// What is mapped.
    pub(in crate::lab) content: MappingContent,
    /// Where it lies.
    pub(in crate::lab) vma: Vma,
}

impl<'a> Mapping<'a> {
    /// A mapping of this content.
    pub(in crate::lab) fn of(listed: &'a Listed, content: MappingContent, page_size: u64) -> Self {
        Self {
            listed,
            content,
            vma: Vma {
                first_page: listed.start / page_size,
                end_page: listed.end / page_size,
                holds_anon: holds_anon(content, listed.is_shared()),
            },
        }
    }

    /// Whether it has this flag.
    pub(in crate::lab) fn has(&self, flag: MappingFlag) -> bool {
        self.listed.has(flag)
    }

    /// What a fork does with its entries, if it has an anon_vma or not.
    pub(super) fn fate(&self, has_anon_vma: bool) -> Fate {
        fate_of(&self.listed.flags, self.listed.is_shared(), has_anon_vma)
    }

    /// Its kind in the words of the tables.
    pub(super) fn kind(&self, has_anon_vma: bool) -> &'static str {
        use MappingContent::{
            Anonymous, File, Heap, Hugetlb, Kernel, Library, Program, SharedMemory, Stack,
            ThreadStack,
        };
        match self.content {
            Program | Library if has_anon_vma => "program and libraries, written to",
            Program | Library => "program and libraries, not written to",
            Heap => "heap",
            Anonymous => "anonymous",
            Stack | ThreadStack => "stack",
            File if self.listed.is_shared() => "file, shared",
            File => "file, private",
            SharedMemory => "shared memory",
            Hugetlb => "huge pages of hugetlbfs",
            Kernel => "the kernel's own",
        }
    }

    /// Permissions and name, as `maps` has them: "rw-p [heap]".
    pub(super) fn label(&self) -> String {
        let Listed {
            permissions, name, ..
        } = self.listed;
        format!("{permissions} {name}").trim_end().to_owned()
    }

    /// Whether `smaps` counts an anonymous page here; `None` if it does not say, as of
    /// hugetlbfs, whose pages are not among those that it adds up.
    pub(super) fn anonymous(&self) -> Option<bool> {
        let counted = self.listed.has_figures && !self.listed.hugetlb;
        counted.then_some(self.listed.anonymous > 0)
    }

    /// Bytes that transparent huge pages map.
    pub(super) fn huge_bytes(&self) -> u64 {
        self.listed.huge_anonymous + self.listed.huge_file
    }
}

/// The mappings of a list, in its order. `program` is where `/proc/PID/exe` leads, where
/// the program is to be told from libraries.
pub(in crate::lab) fn mappings<'a>(
    all: &'a [Listed],
    program: Option<&str>,
    page_size: u64,
) -> Vec<Mapping<'a>> {
    let both = all.iter().zip(contents(all, program));
    both.map(|(listed, content)| Mapping::of(listed, content, page_size))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::mappings::listed;
    use crate::model::SkipReason;

    const SMAPS: &str = include_str!("../../../tests/data/proc/smaps.txt");

    fn parsed(text: &str) -> Vec<Listed> {
        listed(text.as_bytes()).unwrap()
    }

    /// One entry of smaps.
    fn entry(header: &str, figures: &str, flags: &str) -> Vec<Listed> {
        parsed(&format!("{header}\n{figures}VmFlags: {flags} \n"))
    }

    fn only(all: &[Listed]) -> Mapping<'_> {
        mappings(all, None, 4096).remove(0)
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
        let all = parsed(SMAPS);
        let mappings = mappings(&all, None, 4096);
        let count = |kind: &str| {
            let of_kind = |m: &&Mapping| m.kind(m.anonymous() == Some(true)) == kind;
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
        let all = entry(PRIVATE, "Anonymous:  4 kB\n", "rd wr mr mw me ac");
        let mapping = only(&all);
        assert_eq!(mapping.anonymous(), Some(true));
        assert_eq!(mapping.kind(true), "anonymous");
        assert_eq!(mapping.fate(true), Fate::Copied);
        assert_eq!(mapping.fate(false), Fate::Skipped(SkipReason::NoAnonVma));
    }

    #[test]
    fn flags_decide_before_pages_do() {
        let fate =
            |header, flags: &str| only(&entry(header, "", flags)).fate(!flags.contains("sh"));
        let skipped = Fate::Skipped;
        assert_eq!(fate(SHARED, "rd wr sh"), skipped(SkipReason::Shared));
        assert_eq!(fate(SHARED, "rd wr sh mm"), Fate::Copied);
        assert_eq!(fate(SHARED, "rd sh mm dc"), skipped(SkipReason::DontFork));
        assert_eq!(fate(PRIVATE, "rd wr wf"), skipped(SkipReason::WipeOnFork));
        let own = "7f0000000000-7f0000004000 r--p 00000000 00:00 0     [vvar]";
        let own = entry(own, "", "rd mr pf io de dd");
        let own = only(&own);
        assert_eq!(
            (own.kind(false), own.fate(false)),
            ("the kernel's own", Fate::Copied)
        );
    }

    #[test]
    fn huge_pages_of_both_sorts_are_told_apart() {
        let thp = "Anonymous: 4096 kB\nAnonHugePages: 2048 kB\nShmemPmdMapped: 0 kB\n";
        let thp = entry(PRIVATE, thp, "rd wr ac hg");
        assert_eq!((only(&thp).huge_bytes(), thp[0].hugetlb), (2 << 20, false));
        let hugetlb = "KernelPageSize: 2048 kB\nAnonymous: 0 kB\n";
        let all = entry(PRIVATE, hugetlb, "rd wr ht");
        let hugetlb = only(&all);
        assert_eq!(hugetlb.kind(true), "huge pages of hugetlbfs");
        assert_eq!(
            (hugetlb.listed.page_bytes, hugetlb.anonymous()),
            (2 << 20, None)
        );
    }

    #[test]
    fn names_that_are_no_files_are_memory() {
        let kind = |line: &str| only(&parsed(line)).kind(false);
        let line = |perms: &str, name: &str| {
            format!("7f0000000000-7f0000001000 {perms} 00000000 00:01 7      {name}\n")
        };
        let named = line("rw-p", "[anon:arena]").replace("00:01 7", "00:00 0");
        assert_eq!(kind(&named), "anonymous");
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
