//! What `/proc/PID/smaps` and `/proc/PID/maps` say of each mapping, line by line.
//!
//! A parser of its own, as the files of processes with tens of thousands of mappings
//! have megabytes and most of their lines are of no use here.

use std::io::{self, BufRead};

use crate::model::MappingFlag;

/// A mapping as it is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// The address of its first byte.
    pub start: u64,
    /// The address after its last.
    pub end: u64,
    /// "rw-p".
    pub permissions: String,
    /// Its file's device, as it is written, and inode; 0 without a file.
    pub device: String,
    /// See there.
    pub inode: u64,
    /// A path, or a name in brackets; empty without one.
    pub name: String,
    /// Whether the figures and flags below are known, as they are from `smaps`.
    pub has_figures: bool,
    /// Resident bytes.
    pub resident: u64,
    /// Of them, anonymous ones.
    pub anonymous: u64,
    /// Bytes that are swapped out.
    pub swapped: u64,
    /// Bytes that huge pages map: of anonymous memory; of files and shared memory.
    pub huge_anonymous: u64,
    /// See there.
    pub huge_file: u64,
    /// The size of its pages: that of hugetlbfs, where it is of that.
    pub page_bytes: u64,
    /// `VmFlags`, as far as they matter.
    pub flags: Vec<MappingFlag>,
    /// Whether it is of hugetlbfs.
    pub hugetlb: bool,
    /// Whether its memory is charged to what may be committed (VM_ACCOUNT).
    pub accounted: bool,
}

impl Listed {
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

    /// Whether it has this flag.
    pub fn has(&self, flag: MappingFlag) -> bool {
        self.flags.contains(&flag)
    }

    /// Whether it is of a file, or of memory that the kernel keeps as one.
    pub fn has_file(&self) -> bool {
        self.inode != 0
    }
}

/// The mappings of `smaps`, or of `maps`, which has no figures and no flags.
/// `[vsyscall]` is none.
///
/// # Errors
/// Those of reading; and `InvalidData` for what is no such file.
pub fn listed(mut lines: impl BufRead) -> io::Result<Vec<Listed>> {
    let mut all: Vec<Listed> = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        // Names are any bytes; what they are not is UTF-8 by law.
        let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line));
        match text.split_once(':') {
            Some((field, rest)) if !field.contains(' ') => {
                if let Some(last) = all.last_mut() {
                    note(last, field, rest);
                }
            }
            _ => all.push(header(&text).ok_or(io::ErrorKind::InvalidData)?),
        }
    }
    all.retain(|mapping| mapping.name != "[vsyscall]");
    Ok(all)
}

/// "7f0000000000-7f0000001000 rw-p 00000000 fe:00 123    /lib/x.so".
fn header(line: &str) -> Option<Listed> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?.to_owned();
    let _offset = fields.next()?;
    let device = fields.next()?.to_owned();
    let inode = fields.next()?.parse().ok()?;
    let address = |text| u64::from_str_radix(text, 16).ok();
    Some(Listed {
        start: address(start)?,
        end: address(end)?,
        permissions,
        device,
        inode,
        name: fields.next().unwrap_or_default().trim_start().to_owned(),
        ..Listed::default()
    })
}

/// Takes a line below a header into account.
fn note(mapping: &mut Listed, field: &str, rest: &str) {
    let bytes = || {
        let kib = rest.trim().trim_end_matches(" kB").parse::<u64>();
        kib.map_or(0, |kib| kib.saturating_mul(1024))
    };
    mapping.has_figures = true;
    match field {
        "Rss" => mapping.resident = bytes(),
        "Anonymous" => mapping.anonymous = bytes(),
        "Swap" => mapping.swapped = bytes(),
        "AnonHugePages" => mapping.huge_anonymous = bytes(),
        "ShmemPmdMapped" | "FilePmdMapped" => {
            mapping.huge_file = mapping.huge_file.saturating_add(bytes());
        }
        "KernelPageSize" => mapping.page_bytes = bytes(),
        "VmFlags" => {
            let words = || rest.split_whitespace();
            mapping.hugetlb = words().any(|word| word == "ht");
            mapping.accounted = words().any(|word| word == "ac");
            mapping.flags = words().flat_map(flags).copied().collect();
            mapping.flags.sort_unstable();
            mapping.flags.dedup();
        }
        _ => {}
    }
}

/// The flags that bear on a fork (fs/proc/task_mmu.c, `show_smap_vma_flags`).
fn flags(word: &str) -> &'static [MappingFlag] {
    match word {
        "dc" => &[MappingFlag::DontFork],
        "wf" => &[MappingFlag::WipeOnFork],
        "lo" => &[MappingFlag::Locked],
        "mg" => &[MappingFlag::Mergeable],
        "um" | "ui" => &[MappingFlag::Userfault],
        "uw" => &[MappingFlag::Userfault, MappingFlag::UserfaultWrites],
        "hg" => &[MappingFlag::HugeAdvised],
        "nh" => &[MappingFlag::HugeForbidden],
        // Of a mapping that is mixed (mm), a fork copies the entries as well.
        "pf" | "mm" => &[MappingFlag::PageFrames],
        "nr" => &[MappingFlag::NotReserved],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = include_str!("../../../tests/data/proc/smaps.txt");
    const MAPS: &str = include_str!("../../../tests/data/proc/maps.txt");

    #[test]
    fn a_captured_process_is_read() {
        let all = listed(SMAPS.as_bytes()).unwrap();
        let headers = SMAPS
            .lines()
            .filter(|line| line.contains(" 00:00 0 ") || line.contains("fe:"));
        assert!(all.len() >= headers.count() - 1 && all.len() > 30);
        assert!(all.is_sorted_by(|a, b| a.end <= b.start));
        let heap = all.iter().find(|mapping| mapping.name == "[heap]").unwrap();
        assert_eq!(heap.anonymous, 16 << 10);
        assert!(heap.flags.is_empty() && !heap.has_file() && !heap.is_shared());
        assert!(
            heap.accounted && !all[0].accounted,
            "code is not written to"
        );
        let vvar = all.iter().find(|mapping| mapping.name == "[vvar]").unwrap();
        assert_eq!(vvar.flags, [MappingFlag::PageFrames]);
        assert!(all.iter().any(Listed::is_shared));
        let resident: u64 = all.iter().map(|mapping| mapping.resident).sum();
        assert!(resident > 1 << 20, "{resident}");
        let maps = listed(MAPS.as_bytes()).unwrap();
        assert_eq!(maps.len(), MAPS.lines().count() - 1, "[vsyscall] is none");
    }

    #[test]
    fn names_may_be_anything() {
        let line = b"7f00-7f01 r--s 0000 00:1f 12                 /a b: c\xff (deleted)\n";
        let all = listed(line.as_slice()).unwrap();
        assert_eq!(all[0].name, "/a b: c\u{fffd} (deleted)");
        assert_eq!((all[0].start, all[0].end), (0x7f00, 0x7f01));
        assert!(all[0].has_file() && all[0].is_shared());
        let flags = b"7f00-7f01 rw-p 0 00:00 0 \nVmFlags: rd wr dc wf lo mg uw um ht hg nh \n";
        let all = listed(flags.as_slice()).unwrap();
        assert_eq!(all[0].flags.len(), 8);
        assert!(all[0].hugetlb && all[0].name.is_empty());
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        assert!(listed(b"nonsense\n".as_slice()).is_err());
        assert!(listed(b"12-zz rw-p 0 00:00 0\n".as_slice()).is_err());
        assert!(listed(b"".as_slice()).unwrap().is_empty());
    }
}
