//! The likeness of a living process: its mappings and where their pages lie,
//! without any of their contents, for a worker to build.
//!
//! Limits of what is seen from outside: the zero page, which a read of untouched
//! memory maps, looks like a page of the process's own; `pagemap` repeats the
//! entry of a huge page for every base page of it, and that is what they become;
//! a mapping whose pages were all given back may keep an `anon_vma` that nothing
//! shows.

use std::path::Path;

use super::CensusError;
use super::files::ProcessFiles;
use super::mappings::{Mapping, mappings};
use super::pages::{Page, Vma, visit_pages};
use crate::analysis::mappings::{Listed, region_kind};
use crate::model::{LikeRegion, Likeness, MappingContent, MappingFlag, RegionKind};

/// Takes the likeness of a process, under this name.
///
/// Left out are libc, the loader, the stack and the kernel's own mappings, which
/// every process of the C library has, and what no fork copies or a worker can
/// build: mappings with MADV_DONTFORK and the pages of hugetlbfs.
///
/// # Errors
/// Those of reading the process's files.
pub fn likeness(pid: i32, name: &str) -> Result<Likeness, CensusError> {
    let directory = Path::new("/proc").join(pid.to_string());
    likeness_below(&directory, pid, name)
}

/// The same, from the files of a directory such as `/proc/PID`.
fn likeness_below(directory: &Path, pid: i32, name: &str) -> Result<Likeness, CensusError> {
    let files = ProcessFiles { directory, pid };
    let maps = files.listed("smaps")?;
    let mut regions = regions(&maps, procfs::page_size());
    let pagemap = files.pagemap()?;
    let vmas: Vec<Vma> = regions.iter().map(vma).collect();
    visit_pages(&vmas, &pagemap, |index, first_page, entries| {
        let region = &mut regions[index];
        let first = first_page - region.first_page;
        for (page, entry) in (first..).zip(entries) {
            note(region, page, Page::of(entry));
        }
    })
    .map_err(|error| pagemap.refuse(error))?;
    Ok(Likeness {
        of: name.to_owned(),
        regions,
    })
}

/// The mappings that are to be built, without their pages.
fn regions(maps: &[Listed], page_size: u64) -> Vec<LikeRegion> {
    let mut regions = Vec::new();
    // Where the C library's last mapping ended: what begins there is its bss.
    let mut of_libc = None;
    for mapping in mappings(maps, None, page_size) {
        let is_bss = mapping.content == MappingContent::Anonymous
            && mapping.listed.name.is_empty()
            && of_libc == Some(mapping.vma.first_page);
        if is_c_library(mapping.listed) {
            of_libc = Some(mapping.vma.end_page);
        } else if !is_bss && !is_left_out(&mapping) {
            regions.push(region(&mapping));
        }
    }
    regions
}

/// Whether this is a mapping of libc or of the loader.
fn is_c_library(listed: &Listed) -> bool {
    let path = listed.name.strip_prefix('/');
    let Some(name) = path.and_then(|path| path.rsplit('/').next()) else {
        return false;
    };
    let is_versioned = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    name.starts_with("libc.so")
        || name.strip_prefix("libc-").is_some_and(is_versioned)
        || name.starts_with("ld.so")
        || (name.starts_with("ld") && name.contains(".so") && is_loader(name))
}

/// ld-linux-x86-64.so.2, ld-2.31.so, ld-musl-x86_64.so.1, ld64.so.2.
fn is_loader(name: &str) -> bool {
    let rest = name.trim_start_matches("ld");
    rest.starts_with('-') || rest.starts_with("64.")
}

fn is_left_out(mapping: &Mapping<'_>) -> bool {
    use MappingContent::{Hugetlb, Kernel, Stack};
    [Stack, Kernel, Hugetlb].contains(&mapping.content) || mapping.has(MappingFlag::DontFork)
}

fn region(mapping: &Mapping<'_>) -> LikeRegion {
    let Mapping { listed, vma, .. } = mapping;
    LikeRegion {
        first_page: vma.first_page,
        pages: vma.end_page - vma.first_page,
        backing: region_kind(mapping.content, listed.is_shared()),
        writable: listed.is_writable(),
        readable: listed.is_readable(),
        written: Vec::new(),
        read: Vec::new(),
        huge: Vec::new(),
        dontfork: false,
        stretch: 0,
    }
}

fn vma(region: &LikeRegion) -> Vma {
    Vma {
        first_page: region.first_page,
        end_page: region.first_page + region.pages,
        holds_anon: region.backing != RegionKind::Shared,
    }
}

/// Adds a page of a region to its runs.
fn note(region: &mut LikeRegion, page: u64, entry: Page) {
    if !entry.is_used() {
        return;
    }
    let own = match region.backing {
        RegionKind::Anon => true,
        RegionKind::File => entry.is_anon(),
        RegionKind::Shared => false,
    };
    let runs = if own {
        &mut region.written
    } else {
        &mut region.read
    };
    match runs.last_mut() {
        Some([first, count]) if *first + *count == page => *count += 1,
        _ => runs.push([page, 1]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::mappings::listed;
    use crate::lab::census::tables::tests::captured;
    use crate::vm::PlacedLikeness;

    fn parsed(text: &str) -> Vec<LikeRegion> {
        regions(&listed(text.as_bytes()).unwrap(), 4096)
    }

    #[test]
    fn a_captured_process_without_what_every_process_has() {
        if procfs::page_size() != 4096 {
            println!("skipped: the capture has pages of 4 KiB");
            return;
        }
        let likeness = likeness_below(captured().path(), 7, "cat").unwrap();
        assert_eq!(likeness.of, "cat");
        // Of 38 lines: 5 of libc and its bss, 5 of the loader, the stack, and
        // three mappings and [vsyscall] of the kernel's.
        assert_eq!(likeness.regions.len(), 38 - 6 - 5 - 1 - 4);
        let [text, .., data, heap] = &likeness.regions[..6] else {
            panic!()
        };
        assert_eq!((text.first_page, text.pages), (0x55e3_ff38d, 2));
        assert_eq!((text.backing, text.writable), (RegionKind::File, false));
        assert_eq!((text.written.len(), &text.read[..]), (0, &[[0, 2]][..]));
        assert_eq!((data.backing, data.writable), (RegionKind::File, true));
        assert_eq!((&data.written[..], data.read.len()), (&[[0, 1]][..], 0));
        assert_eq!(heap.backing, RegionKind::Anon);
        // "Anonymous" of the captured smaps: 16 KiB of heap.
        assert_eq!(heap.written.iter().map(|run| run[1]).sum::<u64>(), 4);
        let shared = |region: &&LikeRegion| region.backing == RegionKind::Shared;
        let shared: Vec<_> = likeness.regions.iter().filter(shared).collect();
        assert_eq!((shared.len(), shared[0].pages), (1, 7));
        let placed = PlacedLikeness::of(&likeness, 4096).unwrap();
        assert!(placed.mappings.iter().all(|mapping| !mapping.marked));
    }

    #[test]
    fn the_c_library_is_known_by_its_names() {
        let kept = |name: &str| {
            let line = format!("7f0000000000-7f0000001000 r-xp 00000000 fe:00 7      {name}\n");
            parsed(&line).len()
        };
        for name in [
            "/lib/libc.so.6",
            "/lib/libc-2.31.so",
            "/lib/ld-2.31.so (deleted)",
            "/lib/ld-musl-x86_64.so.1",
            "/lib64/ld64.so.2",
            "/lib/ld-linux-aarch64.so.1",
            "[stack]",
            "[vvar_vclock]",
        ] {
            assert_eq!(kept(name), 0, "{name}");
        }
        for name in [
            "/lib/libc++.so.1",
            "/lib/libc-client.so.2007e",
            "/lib/libcrypt.so.1",
            "/usr/bin/ld",
            "/lib/ldap.so",
            "[heap]",
        ] {
            assert_eq!(kept(name), 1, "{name}");
        }
    }

    #[test]
    fn the_bss_of_libc_is_its_own_and_other_memory_is_not() {
        let lines = "\
7f0000000000-7f0000001000 rw-p 00000000 fe:00 7      /lib/libc.so.6
7f0000001000-7f0000003000 rw-p 00000000 00:00 0 
7f0000003000-7f0000004000 ---p 00000000 00:00 0 
7f0000005000-7f0000006000 rw-p 00000000 00:00 0 
";
        let kept: Vec<_> = parsed(lines)
            .iter()
            .map(|region| (region.first_page & 0xf, region.readable, region.writable))
            .collect();
        assert_eq!(kept, [(3, false, false), (5, true, true)]);
    }

    #[test]
    fn what_no_fork_copies_is_left_out() {
        let entry = |flags: &str| {
            parsed(&format!(
                "7f0000000000-7f0000400000 rw-p 00000000 00:00 0 \nVmFlags: {flags} \n"
            ))
            .len()
        };
        assert_eq!(
            [entry("rd wr"), entry("rd wr dc"), entry("rd wr ht")],
            [1, 0, 0]
        );
    }

    #[test]
    fn pages_are_sorted_by_whose_they_are() {
        const PRESENT: u64 = 1 << 63;
        const SWAPPED: u64 = 1 << 62;
        const FILE: u64 = 1 << 61;
        let runs = |backing| {
            let lines = "7f0000000000-7f0000400000 rw-p 00000000 00:00 0 \n";
            let mut region = parsed(lines).remove(0);
            region.backing = backing;
            let entries = [
                PRESENT,
                SWAPPED | 99,
                PRESENT | FILE,
                0,
                SWAPPED | FILE,
                FILE,
            ];
            for (page, bits) in (0..).zip(entries) {
                note(&mut region, page, Page::of(&bits.to_ne_bytes()));
            }
            (region.written, region.read)
        };
        assert_eq!(runs(RegionKind::File), (vec![[0, 2]], vec![[2, 1], [4, 1]]));
        assert_eq!(runs(RegionKind::Anon), (vec![[0, 3], [4, 1]], vec![]));
        assert_eq!(runs(RegionKind::Shared), (vec![], vec![[0, 3], [4, 1]]));
    }

    #[test]
    fn a_process_that_is_not_is_gone() {
        let error = likeness(i32::MAX, "nobody").unwrap_err();
        assert!(matches!(error, CensusError::Gone { .. }), "{error:?}");
    }
}
