//! Mappings are placed and looked at in pagemap and maps.

use std::fs;
use std::os::fd::AsFd;

use super::*;
use crate::sys::shared::memory_file;

fn anonymous(offset: usize, pages: usize) -> Exact<'static> {
    Exact {
        offset: offset * page_size(),
        len: pages * page_size(),
        stuff: Stuff::Anonymous,
        readable: true,
        writable: true,
        marked: false,
        dontfork: false,
        noreserve: false,
        written: &[],
        stretch: 0,
        batch: 0,
        read: &[],
        huge: &[],
        huge_zero: &[],
        guards: &[],
    }
}

/// The lines of maps from this arena: start and permissions.
fn lines(arena: &Arena) -> Vec<(usize, String)> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let parse = |line: &str| {
        let (start, rest) = line.split_once('-').unwrap();
        let start = usize::from_str_radix(start, 16).unwrap();
        (start, rest.split(' ').nth(1).unwrap().to_owned())
    };
    let inside =
        |(start, _): &(usize, String)| (arena.start()..arena.start() + arena.len).contains(start);
    maps.lines().map(parse).filter(inside).collect()
}

/// A free arena whose first and last page stay empty.
fn arena(pages: usize) -> Arena {
    Arena::apart(pages * page_size(), page_size())
}

/// Which pages of the arena are present: 'w' the process's own, 'r' others.
fn present(arena: &Arena) -> String {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; arena.len / page_size() * 8];
    let pagemap = fs::File::open("/proc/self/pagemap").unwrap();
    let first = arena.start() / page_size() * 8;
    pagemap.read_exact_at(&mut bytes, first as u64).unwrap();
    let (entries, _) = bytes.as_chunks::<8>();
    let letter = |entry: &[u8; 8]| match u64::from_ne_bytes(*entry) >> 61 {
        0 | 1 => '-',
        entry if entry & 1 == 0 => 'w',
        _ => 'r',
    };
    entries.iter().map(letter).collect()
}

#[test]
fn just_these_pages_are_there() {
    let arena = arena(40);
    let file = memory_file(c"forktax-test", false).unwrap();
    file.set_len(24 * page_size() as u64).unwrap();
    let own = Exact {
        stuff: Stuff::File(file.as_fd(), 0),
        readable: false,
        writable: false,
        written: &[[3, 2]],
        read: &[[0, 1], [5, 1], [12, 2]],
        ..anonymous(1, 16)
    };
    arena.place_exact(&own, &mut Pages::none()).unwrap();
    let shared = Exact {
        stuff: Stuff::Shared(file.as_fd(), 17 * page_size() as u64),
        read: &[[4, 1]],
        ..anonymous(17, 6)
    };
    arena.place_exact(&shared, &mut Pages::none()).unwrap();
    let heap = Exact {
        written: &[[0, 3]],
        ..anonymous(30, 9)
    };
    arena.place_exact(&heap, &mut Pages::none()).unwrap();
    assert_eq!(present(&arena), "-r--wwr------rr------r--------www-------");
    let permissions: Vec<String> = lines(&arena).into_iter().map(|line| line.1).collect();
    assert_eq!(permissions, ["---p", "rw-s", "rw-p"]);
}

#[test]
fn guards_stand_in_the_place_of_pages() {
    let arena = arena(10);
    let mapping = Exact {
        written: &[[0, 1]],
        guards: &[[2, 3]],
        ..anonymous(1, 8)
    };
    match arena.place_exact(&mapping, &mut Pages::none()) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            println!("skipped: no guards before Linux 6.13");
        }
        placed => {
            placed.unwrap();
            // Their entries look like those of pages that are swapped out.
            assert_eq!(present(&arena), "-w-www----");
        }
    }
    let beyond = Exact {
        guards: &[[7, 2]],
        ..anonymous(1, 8)
    };
    let refused = arena.place_exact(&beyond, &mut Pages::none()).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn a_mark_keeps_neighbours_apart() {
    let arena = arena(12);
    let mut starts = Vec::new();
    for (index, page) in (1..9).step_by(2).enumerate() {
        let mapping = Exact {
            marked: index % 2 == 1,
            written: &[[0, 1]],
            ..anonymous(page, 2)
        };
        arena.place_exact(&mapping, &mut Pages::none()).unwrap();
        starts.push(arena.start() + page * page_size());
    }
    let found: Vec<usize> = lines(&arena).into_iter().map(|line| line.0).collect();
    assert_eq!(found, starts);
}

#[test]
fn only_pages_that_a_child_can_write_to_are_noted() {
    let arena = arena(12);
    let mut pages = Pages::sample(10, 10).unwrap();
    for (offset, writable, dontfork) in [(1, false, false), (4, true, true), (8, true, false)] {
        let mapping = Exact {
            writable,
            dontfork,
            written: &[[0, 2]],
            ..anonymous(offset, 3)
        };
        arena.place_exact(&mapping, &mut pages).unwrap();
    }
    assert_eq!(pages.len(), 2);
    pages.write();
}

#[test]
fn a_page_outside_is_refused_with_nothing_mapped() {
    let arena = arena(8);
    let refused = |mapping: &Exact<'_>| {
        let error = arena.place_exact(mapping, &mut Pages::none()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{mapping:?}");
    };
    refused(&anonymous(7, 2));
    refused(&anonymous(usize::MAX / page_size(), 1));
    for run in [[2, 1], [0, 3], [1, u64::MAX]] {
        refused(&Exact {
            written: &[run],
            ..anonymous(1, 2)
        });
    }
    assert_eq!(lines(&arena), []);
}

/// The lines of smaps from this arena: a mapping's address and its flags.
fn flags(arena: &Arena) -> Vec<(usize, String)> {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut at = 0;
    let mut found = Vec::new();
    for line in smaps.lines() {
        if let Some(flags) = line.strip_prefix("VmFlags: ") {
            found.push((at, flags.to_owned()));
        } else if let Some((start, _)) = line.split_once('-')
            && let Ok(start) = usize::from_str_radix(start, 16)
        {
            at = start;
        }
    }
    found.retain(|(start, _)| (arena.start()..arena.start() + arena.len).contains(start));
    found
}

#[test]
fn zeros_are_present_and_nobodys() {
    let arena = arena(12);
    let mapping = Exact {
        written: &[[1, 1]],
        read: &[[0, 1], [3, 2]],
        ..anonymous(1, 8)
    };
    arena.place_exact(&mapping, &mut Pages::none()).unwrap();
    // From outside they look like pages of its own.
    assert_eq!(present(&arena), "-ww-ww------");
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let address = format!("{:x}-", arena.start() + page_size());
    let mut lines = smaps.lines().skip_while(|line| !line.starts_with(&address));
    let rss = lines.find(|line| line.starts_with("Rss:")).unwrap();
    let kib = page_size() / 1024;
    assert_eq!(rss.split_whitespace().nth(1), Some(&*kib.to_string()));
}

#[test]
fn what_is_left_out_of_forks_is_so_from_the_start() {
    let arena = arena(12);
    for (offset, dontfork) in [(1, false), (3, true), (5, false)] {
        let mapping = Exact {
            dontfork,
            written: &[[0, 2]],
            ..anonymous(offset, 2)
        };
        arena.place_exact(&mapping, &mut Pages::none()).unwrap();
    }
    let left_out: Vec<bool> = flags(&arena)
        .iter()
        .map(|(_, flags)| flags.contains(" dc"))
        .collect();
    assert_eq!(left_out, [false, true, false]);
}

#[test]
fn huge_pages_stand_beside_small_ones() {
    let huge = page_size() / 8;
    let arena = Arena::apart(5 * huge * page_size(), huge * page_size());
    let mapping = Exact {
        huge: &[[2 * huge as u64, huge as u64]],
        written: &[[3, 2], [huge as u64 + 1, 1]],
        read: &[[7, 1]],
        ..anonymous(0, 4 * huge)
    };
    let mut pages = Pages::sample(9, 9).unwrap();
    arena.place_exact(&mapping, &mut pages).unwrap();
    // Other tests map memory as usual.
    disable_huge_pages(false).unwrap();
    arena.forbid_huge_pages().unwrap();
    let present = present(&arena);
    assert_eq!(
        present.matches('w').count(),
        huge + 4,
        "whether huge or not"
    );
    assert_eq!(&present[2 * huge..3 * huge], "w".repeat(huge));
    assert_eq!(pages.len(), 3, "of the small ones");
    let flags = flags(&arena);
    assert_eq!(flags.len(), 1);
    assert!(flags[0].1.contains(" nh"), "{flags:?}");
}

/// The mean length of runs of virtual neighbours that are physical ones too; `None`
/// without permission to see that.
fn contiguity(arena: &Arena) -> Option<f64> {
    use std::os::unix::fs::FileExt;
    const FRAME: u64 = (1 << 55) - 1;
    let mut bytes = vec![0; arena.len / page_size() * 8];
    let pagemap = fs::File::open("/proc/self/pagemap").unwrap();
    let first = arena.start() / page_size() * 8;
    pagemap.read_exact_at(&mut bytes, first as u64).unwrap();
    let (entries, _) = bytes.as_chunks::<8>();
    let frames: Vec<u64> = entries
        .iter()
        .map(|entry| u64::from_ne_bytes(*entry) & FRAME)
        .collect();
    let breaks = frames.windows(2).filter(|two| two[0] + 1 != two[1]).count();
    (frames[0] != 0).then(|| frames.len() as f64 / (breaks + 1) as f64)
}

#[test]
fn pages_are_as_scattered_as_was_asked_for() {
    const PAGES: usize = 4_096;
    let [alone, eight, all] = [1, 8, 0].map(|stretch| {
        let arena = arena(PAGES);
        let mapping = Exact {
            written: &[[0, PAGES as u64]],
            stretch,
            ..anonymous(0, PAGES)
        };
        arena.place_exact(&mapping, &mut Pages::none()).unwrap();
        contiguity(&arena)
    });
    let (Some(alone), Some(eight), Some(all)) = (alone, eight, all) else {
        println!("skipped: only root may see where pages lie");
        return;
    };
    println!("asked for 1, 8 and all: {alone:.2}, {eight:.2}, {all:.2}");
    // Memory that is in pieces itself has no long stretches to give, and then none are
    // lost either.
    assert!(alone < 1.5, "{alone}");
    assert!(eight < 9.0, "{eight}");
    assert!(all < 9.0 || eight > 4.0, "{eight}, {all}");
}

/// The flags of the mapping that begins at this page of the arena (`VmFlags` of smaps).
fn vm_flags(arena: &Arena, page: usize) -> Vec<String> {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let head = format!("{:x}-", arena.start() + page * page_size());
    let own = smaps.lines().skip_while(|line| !line.starts_with(&head));
    let flags = own.map(|line| line.strip_prefix("VmFlags:"));
    let flags = flags.flatten().next().unwrap();
    flags.split_whitespace().map(ToOwned::to_owned).collect()
}

#[test]
fn a_mapping_is_charged_unless_it_is_not_to_be() {
    let arena = arena(16);
    let charged = Exact {
        written: &[[0, 1]],
        ..anonymous(1, 2)
    };
    let uncharged = Exact {
        offset: 4 * page_size(),
        noreserve: true,
        ..charged
    };
    let read_only = Exact {
        writable: false,
        ..anonymous(8, 2)
    };
    for mapping in [charged, uncharged, read_only] {
        arena.place_exact(&mapping, &mut Pages::none()).unwrap();
    }
    let is_charged = |page| vm_flags(&arena, page).contains(&"ac".to_owned());
    // Where nothing is overcommitted, all that can be written to is charged.
    let never = fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap();
    let never = never.trim() == "2";
    assert_eq!([1, 4, 8].map(is_charged), [true, never, false]);
}

#[test]
fn what_is_too_large_to_be_charged_is_mapped_without() {
    // More than any host has, of which one page is written.
    let pages = (1_usize << 46) / page_size();
    let arena = arena(pages + 2);
    let large = Exact {
        written: &[[0, 1]],
        ..anonymous(1, pages)
    };
    match fs::read_to_string("/proc/sys/vm/overcommit_memory")
        .unwrap()
        .trim()
    {
        "0" => arena.place_exact(&large, &mut Pages::none()).unwrap(),
        other => return println!("skipped: vm.overcommit_memory is {other}"),
    }
    assert!(vm_flags(&arena, 1).contains(&"nr".to_owned()));
    // SAFETY: the arena is this test's own, and nothing in it is used any more.
    unsafe { libc::munmap((arena.start() + page_size()) as *mut _, large.len) };
}

#[test]
fn huge_pages_are_sampled_whole_and_apart_from_small_ones() {
    let huge = page_size() / size_of::<u64>();
    let fresh = || Arena::apart(8 * huge * page_size(), huge * page_size());
    let count = huge as u64;
    let mapping = Exact {
        huge: &[[count, 3 * count], [5 * count, count]],
        written: &[[0, 4]],
        ..anonymous(0, 8 * huge)
    };
    let arena = fresh();
    let mut pages = Pages::sample_huge(2, 4).unwrap();
    arena.place_exact(&mapping, &mut pages).unwrap();
    let page = |address: u64| address / page_size() as u64 - (arena.start() / page_size()) as u64;
    let kept: Vec<u64> = pages.addresses().map(page).collect();
    assert_eq!(kept, [count, 3 * count]);
    pages.write();
    let mut small = Pages::sample(100, 4).unwrap();
    fresh().place_exact(&mapping, &mut small).unwrap();
    assert_eq!(small.len(), 4);
    // What is left out of forks is in no child.
    let left_out = Exact {
        dontfork: true,
        ..mapping
    };
    let mut none = Pages::sample_huge(2, 4).unwrap();
    fresh().place_exact(&left_out, &mut none).unwrap();
    // Other tests map memory as usual.
    disable_huge_pages(false).unwrap();
    assert!(none.is_empty());
}
