//! What surrounds a process, and what its forks take of that.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use procfs::process::Status;

use crate::analysis::mappings::{Fate, Listed, MappingSum, fate};
use crate::lab::census::files::ProcessFiles;
use crate::lab::limits::{self, CopyNeed, copy_bytes};
use crate::model::{MappingFlag, ShapeMapping, SkipReason, Surroundings};
use crate::sys::seccomp;

/// The surroundings of the process with these files.
pub(super) fn surroundings(
    files: &ProcessFiles,
    status: &Status,
    mappings: &[ShapeMapping],
    accounted: Option<[u64; 2]>,
) -> Surroundings {
    let need = CopyNeed {
        accounted,
        kernel_bytes: kernel_bytes(mappings),
    };
    Surroundings {
        seccomp_filters: files.text("status").and_then(|text| seccomp::count(&text)),
        ..limits::surroundings(Path::new("/"), &files.directory, status, &need)
    }
}

/// Whether a security module has the process under another label than this one.
pub(super) fn has_other_label(files: &ProcessFiles) -> bool {
    // Without a module there is nothing to read.
    let theirs = files.text("attr/current");
    let ours = ProcessFiles::own().text("attr/current");
    theirs.is_some_and(|theirs| ours.is_some_and(|ours| ours != theirs))
}

/// Whether it is in another PID, mount or user namespace than this process.
pub(super) fn is_in_other_namespace(files: &ProcessFiles) -> bool {
    let own = ProcessFiles::own();
    ["ns/pid", "ns/mnt", "ns/user"].into_iter().any(|name| {
        let of = |files: &ProcessFiles| fs::read_link(files.directory.join(name)).ok();
        of(files).is_some_and(|theirs| of(&own).is_some_and(|ours| ours != theirs))
    })
}

/// Whether its program is a 32-bit one: `EI_CLASS` of its ELF file.
pub(super) fn is_of_32_bits(files: &ProcessFiles) -> bool {
    const CLASS_32: [u8; 5] = *b"\x7fELF\x01";
    let mut head = [0; 5];
    let read =
        File::open(files.directory.join("exe")).and_then(|mut exe| exe.read_exact(&mut head));
    read.is_ok() && head == CLASS_32
}

/// Of what a fork copies and the kernel accounts for the largest mapping, and all, in
/// bytes; not known without flags.
pub(super) fn accounted(all: &[Listed]) -> Option<[u64; 2]> {
    if !all.iter().all(|mapping| mapping.has_figures) {
        return None;
    }
    let charged = all
        .iter()
        .filter(|mapping| mapping.accounted && !mapping.has(MappingFlag::DontFork));
    let sizes = charged.map(|mapping| mapping.end - mapping.start);
    Some(sizes.fold([0, 0], |[largest, sum], size| {
        [largest.max(size), sum.saturating_add(size)]
    }))
}

/// What the kernel takes for the child's memory, from above: a huge page has a page table
/// in reserve.
fn kernel_bytes(mappings: &[ShapeMapping]) -> u64 {
    let left_out = Fate::Skipped(SkipReason::DontFork);
    let stay: Vec<&ShapeMapping> = mappings
        .iter()
        .filter(|mapping| fate(mapping) != left_out)
        .collect();
    let page_size = procfs::page_size();
    let sum = MappingSum::of(&stay, page_size);
    let tables = sum.tables.saturating_add(sum.huge);
    copy_bytes(sum.count, sum.anon_vmas, tables, page_size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::mappings::listed;

    const SMAPS: &str = include_str!("../../../tests/data/proc/smaps.txt");

    #[test]
    fn what_is_as_here_is_not_said_to_be_another() {
        let own = ProcessFiles::own();
        assert!(!has_other_label(&own) && !is_in_other_namespace(&own));
        let root = tempfile::tempdir().unwrap();
        let files = ProcessFiles::below(root.path());
        assert!(!is_in_other_namespace(&files) && !is_of_32_bits(&files));
        fs::create_dir(root.path().join("ns")).unwrap();
        std::os::unix::fs::symlink("mnt:[1]", root.path().join("ns/mnt")).unwrap();
        assert!(is_in_other_namespace(&files));
        for (head, is_32) in [
            ("\x7fELF\x01\x01", true),
            ("\x7fELF\x02\x01", false),
            ("", false),
        ] {
            fs::write(root.path().join("exe"), head).unwrap();
            assert_eq!(is_of_32_bits(&files), is_32, "{head:?}");
        }
    }

    #[test]
    fn a_fork_is_charged_what_it_copies_of_what_is_accounted_for() {
        let all = listed(SMAPS.as_bytes()).unwrap();
        let [largest, sum] = accounted(&all).unwrap();
        let charged: Vec<&Listed> = all.iter().filter(|mapping| mapping.accounted).collect();
        let writable = |mapping: &&Listed| mapping.is_writable() && !mapping.is_shared();
        assert!(charged.len() >= all.iter().filter(writable).count());
        assert!(0 < largest && largest < sum, "{largest} of {sum}");
        let mut fewer = all.clone();
        for mapping in &mut fewer {
            if mapping.end - mapping.start == largest {
                mapping.flags.push(MappingFlag::DontFork);
            }
        }
        let [less, rest] = accounted(&fewer).unwrap();
        assert!(less < largest && rest <= sum - largest, "{less} {rest}");
        let maps = SMAPS.lines().find(|line| line.contains('-'));
        let unknown = listed(format!("{}\n", maps.unwrap()).as_bytes()).unwrap();
        assert_eq!(accounted(&unknown), None, "maps tells no flags");
    }
}
