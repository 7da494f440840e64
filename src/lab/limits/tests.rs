//! Each limit, met and not met.

use super::*;
use crate::model::{Backing, CpuQuota, SpaceRequest};
use std::path::PathBuf;

fn need(mappings: u64, pages: u64, spacing: u64) -> Need {
    let request = SpaceRequest::Mappings {
        mappings,
        pages,
        spacing,
        backing: Backing::Anon,
        huge: false,
    };
    Need::of(&request, 4096)
}

fn refusal(need: &Need, limits: Limits) -> String {
    check(need, &limits).unwrap_err().to_string()
}

fn room(limit: u64, used: u64) -> Option<Room> {
    Some(Room { limit, used })
}

fn group(limit: u64, used: u64, file: &str) -> Option<CgroupRoom> {
    Some(CgroupRoom {
        room: Room { limit, used },
        file: PathBuf::from(file),
    })
}

#[test]
fn limits_that_are_not_known_do_not_limit() {
    assert_eq!(check(&need(1 << 20, 1, 1), &Limits::default()), Ok(()));
}

#[test]
fn mappings_are_checked_with_the_workers_own() {
    let limits = Limits {
        max_map_count: Some(65_530),
        ..Limits::default()
    };
    assert_eq!(check(&need(65_482, 1, 1), &limits), Ok(()));
    assert!(check(&need(65_483, 1, 1), &limits).is_err());
    assert_eq!(
        refusal(&need(65_530, 1, 1), limits),
        "65,530 mappings and 48 of the worker's own exceed vm.max_map_count = 65,530: \
         ask for at most 65,482, or raise it with \"sysctl vm.max_map_count=65578\""
    );
}

#[test]
fn memory_is_checked_with_headroom() {
    let available = |mem_available| Limits {
        mem_available: Some(mem_available),
        ..Limits::default()
    };
    let need = need(1_000, 1_000, 1);
    let asked = with_headroom(need.memory_bytes());
    assert_eq!(check(&need, &available(asked)), Ok(()));
    assert_eq!(
        refusal(&need, available(2 << 30)),
        "the address space takes up to 4.1 GiB of memory (3.8 GiB resident, 15.3 MiB of page \
         tables, 1 MiB of VMAs, and headroom), but MemAvailable = 2 GiB: ask for fewer \
         mappings or pages, or free memory"
    );
}

#[test]
fn copies_are_checked_with_the_rest_and_named() {
    let need = Need {
        copied_bytes: 3 << 30,
        ..need(1_000, 1_000, 1)
    };
    let limits = Limits {
        mem_available: Some(6 << 30),
        ..Limits::default()
    };
    assert_eq!(
        refusal(&need, limits),
        "the address space takes up to 7.2 GiB of memory (3.8 GiB resident, 3 GiB of copies as \
         pages are written to again, 15.3 MiB of page tables, 1 MiB of VMAs, and headroom), but \
         MemAvailable = 6 GiB: give --rewrite fewer pages, or free memory"
    );
}

#[test]
fn a_refusal_of_parents_at_once_names_them() {
    let request = SpaceRequest::Mappings {
        mappings: 1_000,
        pages: 1_000,
        spacing: 1,
        backing: Backing::Anon,
        huge: false,
    };
    let parts = vec![request, SpaceRequest::Jobs { count: 4 }];
    let need = Need::of(&SpaceRequest::Together { parts }, 4096);
    let memory = Limits {
        mem_available: Some(2 << 30),
        ..Limits::default()
    };
    let commit = Limits {
        commit: room(2 << 30, 0),
        ..Limits::default()
    };
    let processes = Limits {
        processes: room(20, 10),
        ..Limits::default()
    };
    let open_files = Limits {
        open_files: room(24, 4),
        ..Limits::default()
    };
    for (limits, whose, remedy) in [
        (
            open_files,
            "26 descriptors and the 4",
            "24: ask for fewer --jobs, or raise",
        ),
        (
            memory,
            "the address space of 4 parents takes",
            "or pages, or fewer --jobs, or free",
        ),
        (
            commit,
            "of private memory of 4 parents, counted twice",
            "mappings, or fewer --jobs, or",
        ),
        (
            processes,
            "17 processes of 4 parents and the 10",
            "ask for fewer --jobs, end some, or",
        ),
    ] {
        let said = refusal(&need, limits);
        assert!(said.contains(whose) && said.contains(remedy), "{said}");
    }
}

#[test]
fn two_busy_threads_take_a_quota_of_two_cpus() {
    let quota = |quota_us| {
        let quota = CpuQuota {
            quota_us,
            period_us: 100_000,
            file: Some("/sys/fs/cgroup/a/cpu.max".to_owned()),
            periods: 0,
            throttled_periods: 0,
        };
        [(quota, PathBuf::new())]
    };
    assert_eq!(room_for_two(&[]), Ok(()));
    assert_eq!(room_for_two(&quota(200_000)), Ok(()));
    let refused = room_for_two(&quota(199_000)).unwrap_err();
    assert!(refused.reason.contains("less than two"), "{refused:?}");
    let remedy = Some("raise /sys/fs/cgroup/a/cpu.max");
    assert_eq!(refused.remedy.as_deref(), remedy);
}

#[test]
fn an_absurd_order_is_refused_and_does_not_wrap() {
    let limits = Limits {
        mem_available: Some(24 << 30),
        ..Limits::default()
    };
    let text = refusal(&need(60_000, 1_000_000_000, 1), limits);
    assert!(text.contains("218.3 PiB of address space"), "{text}");
    let sparse = refusal(&need(1, 2, 1 << 40), Limits::default());
    assert!(sparse.contains("a process has only 128 TiB"), "{sparse}");
}

#[test]
fn address_space_is_checked_with_what_is_mapped_already() {
    let limits = Limits {
        address_space: room(1 << 30, 10 << 20),
        ..Limits::default()
    };
    assert_eq!(check(&need(1, 1_000, 200), &limits), Ok(()));
    assert_eq!(
        refusal(&need(1, 1_000, 400), limits),
        "1.6 GiB of address space and the 10 MiB in use exceed RLIMIT_AS = 1 GiB: ask for \
         fewer or smaller mappings, or raise it with \"ulimit -v 1677824\""
    );
}

#[test]
fn what_is_recorded_needs_room_beside_an_empty_worker_too() {
    let limits = Limits {
        address_space: room(64 << 20, 20 << 20),
        private: room(16 << 20, 1 << 20),
        ..Limits::default()
    };
    let text = refusal(&need(0, 0, 1), limits.clone());
    assert!(
        text.contains("exceed RLIMIT_DATA = 16 MiB: raise it"),
        "{text}"
    );
    let private = None;
    let limits = Limits { private, ..limits };
    assert_eq!(check(&need(0, 0, 1), &limits), Ok(()));
    let address_space = room(48 << 20, 20 << 20);
    let text = refusal(
        &need(0, 0, 1),
        Limits {
            address_space,
            ..limits
        },
    );
    assert!(text.contains("exceed RLIMIT_AS = 48 MiB"), "{text}");
}

#[test]
fn private_memory_is_checked_and_shared_memory_is_not() {
    let limits = Limits {
        private: room(64 << 20, 1 << 20),
        ..Limits::default()
    };
    let text = refusal(&need(1, 1, 1), limits.clone());
    assert!(text.contains("exceed RLIMIT_DATA = 64 MiB"), "{text}");
    assert!(text.contains("\"ulimit -d "), "{text}");
}

#[test]
fn a_kernel_that_never_overcommits_charges_the_copy_too() {
    let limits = |limit| Limits {
        commit: room(limit, 0),
        ..Limits::default()
    };
    let need = need(1, 1 << 18, 1);
    assert_eq!(check(&need, &limits(3 << 30)), Ok(()));
    let text = refusal(&need, limits(2 << 30));
    assert!(text.contains("CommitLimit = 2 GiB"), "{text}");
    assert!(text.contains("\"sysctl vm.overcommit_memory=0\""), "{text}");
}

#[test]
fn one_mapping_may_not_be_larger_than_memory_and_swap() {
    let limits = Limits {
        one_mapping: Some(1 << 30),
        ..Limits::default()
    };
    assert_eq!(check(&need(1_000, 1, 1), &limits), Ok(()));
    assert_eq!(check(&need(4, 500, 512), &limits), Ok(()));
    assert_eq!(
        refusal(&need(1, 1_000, 512), limits),
        "a mapping of 2 GiB is larger than all memory and swap (1 GiB), and \
         vm.overcommit_memory = 0 refuses it: ask for smaller mappings, or let the kernel \
         overcommit with \"sysctl vm.overcommit_memory=1\""
    );
}

#[test]
fn processes_are_checked() {
    let limits = |used| Limits {
        processes: room(400, used),
        ..Limits::default()
    };
    assert_eq!(check(&need(1, 1, 1), &limits(395)), Ok(()));
    assert_eq!(
        refusal(&need(1, 1, 1), limits(397)),
        "5 processes and the 397 that this user has exceed RLIMIT_NPROC = 400: end some, or \
         raise it with \"ulimit -u 402\""
    );
}

fn files(count: u64) -> Need {
    let cloexec = false;
    Need::of(&SpaceRequest::Descriptors { count, cloexec }, 4096)
}

#[test]
fn descriptors_are_checked_with_the_workers_own() {
    let limits = Limits {
        descriptors: room(20_000, 6),
        ..Limits::default()
    };
    assert_eq!(check(&files(19_930), &limits), Ok(()));
    assert_eq!(
        refusal(&files(20_000), limits),
        "20,000 descriptors, 64 for the worker's own and the 6 in use exceed the hard \
         RLIMIT_NOFILE = 20,000: ask for at most 19,930, or raise it as root with \
         \"ulimit -Hn 20070\""
    );
    // A worker that opens none needs no more than this process has.
    let tight = Limits {
        descriptors: room(20, 6),
        ..Limits::default()
    };
    assert_eq!(check(&need(10, 1, 1), &tight), Ok(()));
    let text = refusal(&files(u64::MAX), tight);
    assert!(text.contains("ask for at most 0,"), "{text}");
}

#[test]
fn the_descriptors_of_this_process_are_checked_for_every_order() {
    let limits = |limit| Limits {
        open_files: room(limit, 4),
        ..Limits::default()
    };
    assert_eq!(check(&need(0, 0, 1), &limits(24)), Ok(()));
    assert_eq!(
        refusal(&need(0, 0, 1), limits(8)),
        "20 descriptors and the 4 in use exceed RLIMIT_NOFILE = 8: raise it with \
         \"ulimit -n 24\""
    );
}

#[test]
fn files_in_memory_are_checked_against_the_limit_of_files() {
    let limits = Limits {
        file_size: Some(2 << 20),
        ..Limits::default()
    };
    let of = |backing, pages| SpaceRequest::Mappings {
        mappings: 10,
        pages,
        spacing: 1,
        backing,
        huge: false,
    };
    let check = |backing, pages| check(&Need::of(&of(backing, pages), 4096), &limits);
    assert_eq!(check(Backing::File, 512), Ok(()));
    assert_eq!(check(Backing::Anon, 513), Ok(()));
    assert_eq!(
        check(Backing::File, 513).unwrap_err().to_string(),
        "a file in memory takes 2 MiB (2,101,248 bytes), but RLIMIT_FSIZE = 2 MiB \
         (2,097,152 bytes): ask for less, or raise it with \"ulimit -f unlimited\""
    );
}

#[test]
fn handlers_are_checked() {
    let handlers = |count| Need::of(&SpaceRequest::Handlers { count }, 4096);
    assert_eq!(check(&handlers(52), &Limits::default()), Ok(()));
    assert_eq!(
        refusal(&handlers(1_000), Limits::default()),
        "1,000 signal handlers are too many, for only 52 signals can have one: ask for at \
         most 52"
    );
}

#[test]
fn threads_are_checked_against_every_limit_that_they_meet() {
    let threads = Need::of(&SpaceRequest::Threads { count: 1_000 }, 4096);
    let limits = Limits {
        processes: room(400, 2),
        ..Limits::default()
    };
    assert_eq!(
        refusal(&threads, limits),
        "1,005 processes and threads and the 2 that this user has exceed RLIMIT_NPROC = 400: \
         ask for fewer threads, end some, or raise it with \"ulimit -u 1007\""
    );
    let limits = Limits {
        cgroup_pids: group(400, 2, "/sys/fs/cgroup/a/pids.max"),
        ..Limits::default()
    };
    let text = refusal(&threads, limits);
    assert!(text.contains("exceed /sys/fs/cgroup/a/pids.max = 400: ask for fewer threads"));
    let limits = Limits {
        address_space: room(1 << 30, 0),
        ..Limits::default()
    };
    let text = refusal(&threads, limits);
    assert!(text.contains("whose stacks take 8 MiB each"), "{text}");
    let limits = Limits {
        max_map_count: Some(1_000),
        ..Limits::default()
    };
    assert_eq!(
        refusal(&threads, limits),
        "1,000 threads, each with a stack and the guard below it, and 48 other mappings exceed \
         vm.max_map_count = 1,000: ask for at most 476 threads, or raise it with \
         \"sysctl vm.max_map_count=2048\""
    );
    let limits = Limits {
        mem_available: Some(1 << 20),
        ..Limits::default()
    };
    let text = refusal(&threads, limits);
    assert!(text.contains("of VMAs and threads, and headroom"), "{text}");
    assert!(
        text.contains("ask for fewer mappings, pages or threads,"),
        "{text}"
    );
}

#[test]
fn control_groups_are_named_with_their_file() {
    let limits = Limits {
        cgroup_memory: group(256 << 20, 200 << 20, "/sys/fs/cgroup/a/memory.max"),
        ..Limits::default()
    };
    let text = refusal(&need(1, 1, 1), limits.clone());
    assert!(
        text.contains("/sys/fs/cgroup/a/memory.max = 256 MiB leaves 56 MiB"),
        "{text}"
    );
    assert!(text.ends_with(" > /sys/fs/cgroup/a/memory.max\""), "{text}");
    // A worker that stays as it is takes no more than this process does.
    assert_eq!(check(&need(0, 0, 1), &limits), Ok(()));
    let limits = Limits {
        cgroup_pids: group(20, 18, "/sys/fs/cgroup/a/pids.max"),
        ..Limits::default()
    };
    assert_eq!(
        refusal(&need(0, 0, 1), limits),
        "5 processes and the 18 in the control group exceed /sys/fs/cgroup/a/pids.max = 20: \
         end some, or raise it with \"echo 23 > /sys/fs/cgroup/a/pids.max\""
    );
}
