//! What is added to a likeness so that a fork from it costs what a fork from the process
//! does, in workers that are asked directly.

use forktax::lab::census;
use forktax::lab::shape::{self, Options};
use forktax::model::{
    Closing, LikeRegion, Likeness, Parent, Program, RegionKind, ShapeMapping, SpaceRequest,
    SpawnMethod, Watched,
};
use forktax::sys::{usage, userfault};
use forktax::vm::PlacedLikeness;
use forktax::worker::protocol::{Assignment, Failure, Pass, Reply, Request};

use super::likeness::{Asked, assignment};

/// Pages of a huge one.
const HUGE: u64 = 512;
const HIGH: u64 = 0x7f00_0000_0000 >> 12;

fn anon(first_page: u64, pages: u64) -> LikeRegion {
    LikeRegion::untouched(first_page, pages, RegionKind::Anon)
}

/// Runs a worker through its life: before and after its inflation, and what it said
/// last.
fn lived(assignment: &Assignment) -> ([Parent; 2], Reply) {
    let mut worker = Asked::start(assignment);
    let prepared = worker.prepare(assignment);
    let pid = worker.process.pid();
    let take = || census::take(pid, &prepared.instrument).unwrap();
    let before = take();
    let reply = worker.ask(&Request::Inflate(None));
    assert!(matches!(reply, Reply::Inflated { .. }), "{reply:?}");
    let after = take();
    ([before, after], worker.ask(&Request::Run))
}

/// What a worker says in the end, or when it cannot go on.
fn last_said(assignment: &Assignment) -> Reply {
    let mut worker = Asked::start(assignment);
    let prepare = Request::Prepare(Box::new(assignment.clone()));
    for order in [prepare, Request::Inflate(None)] {
        let reply = worker.ask(&order);
        if matches!(reply, Reply::Failed(_)) {
            return reply;
        }
    }
    worker.ask(&Request::Run)
}

/// Threads beside the likeness.
const THREADS: u64 = 20;

#[test]
fn a_heap_with_huge_pages_zeros_and_threads_is_rebuilt() {
    if procfs::page_size() != 4096 {
        println!("skipped: the likeness has pages of 4 KiB");
        return;
    }
    let heap = LikeRegion {
        huge: vec![[HUGE, 2 * HUGE]],
        written: vec![[0, 100], [3 * HUGE + 5, 3]],
        read: vec![[200, 50]],
        stretch: 1,
        ..anon(HIGH, 4 * HUGE)
    };
    // It touches the heap, and differs from it in nothing but that.
    let left_out = LikeRegion {
        written: vec![[1, 2]],
        dontfork: true,
        ..anon(HIGH + 4 * HUGE, 8)
    };
    let zeros = LikeRegion {
        read: vec![[0, 9]],
        ..anon(HIGH + 4 * HUGE + 8, 9)
    };
    let likeness = Likeness {
        generations: 0,
        of: "a process".to_owned(),
        regions: vec![heap, left_out, zeros],
    };
    let placed = PlacedLikeness::of(&likeness, 4096).unwrap();
    let parts = vec![
        SpaceRequest::Likeness(likeness),
        SpaceRequest::Threads { count: THREADS },
    ];
    let assignment = assignment(SpaceRequest::Together { parts });
    let ([before, after], reply) = lived(&assignment);
    assert!(
        matches!(&reply, Reply::Done(done) if done.spawns == 4),
        "{reply:?}"
    );
    assert_eq!(after.threads, before.threads + THREADS);
    // A stack and its guard each, unless libc needs no guards and stacks merge.
    let vmas = after.mappings.vmas - before.mappings.vmas;
    assert!((3..=3 + 2 * THREADS).contains(&vmas), "{vmas}");
    let huge = (after.huge_bytes - before.huge_bytes) / 4096;
    println!("{huge} of {} pages are huge ones'", 2 * HUGE);
    // The worker's own code, run for the first time, is mapped by the dozen of pages.
    let code = after.file_ptes - before.file_ptes;
    let gained = after.mappings.present_ptes + huge - before.mappings.present_ptes - code;
    let wanted = placed.present_pages();
    assert!(
        (wanted + THREADS..wanted + 8 * THREADS + 128).contains(&gained),
        "{gained} of {wanted}"
    );
    // Two with pages of their own, and one that looks like it; and the stacks.
    let anon_vmas = after.mappings.anon_vmas - before.mappings.anon_vmas;
    assert!((3..=3 + THREADS).contains(&anon_vmas), "{anon_vmas}");
    let tables = after.mappings.tables - before.mappings.tables;
    // The upper one may be there already, for what else lies in its reach.
    let (least, most) = (
        placed.tables - 1,
        placed.tables + placed.huge_pages() + 2 + THREADS,
    );
    assert!((least..=most).contains(&tables), "{tables}");
}

/// Whether this host maps its huge page of zeros for whoever asks for huge pages.
fn has_huge_zeros() -> bool {
    let setting = |name: &str| {
        let path = format!("/sys/kernel/mm/transparent_hugepage/{name}");
        std::fs::read_to_string(path).unwrap_or_default()
    };
    setting("use_zero_page").starts_with('1') && !setting("enabled").contains("[never]")
}

#[test]
fn guards_and_huge_zeros_are_rebuilt_as_entries_without_memory() {
    if procfs::page_size() != 4096 {
        println!("skipped: the likeness has pages of 4 KiB");
        return;
    }
    let guarded = LikeRegion {
        guards: vec![[0, 2 * HUGE]],
        ..anon(HIGH, 4 * HUGE)
    };
    // A quarter of a gigabyte.
    let zeros = LikeRegion {
        huge_zero: vec![[0, 128 * HUGE]],
        ..anon(HIGH + 8 * HUGE, 128 * HUGE)
    };
    let likeness = Likeness {
        generations: 0,
        of: "a process".to_owned(),
        regions: vec![guarded, zeros],
    };
    let assignment = assignment(SpaceRequest::Likeness(likeness));
    if let Reply::Failed(failure) = last_said(&assignment) {
        assert!(format!("{failure:?}").contains("Linux 6.13"), "{failure:?}");
        println!("skipped: no guards before Linux 6.13");
        return;
    }
    let ([before, after], reply) = lived(&assignment);
    assert!(matches!(&reply, Reply::Done(done) if done.spawns == 4));
    let gained = |of: fn(&Parent) -> u64| of(&after).saturating_sub(of(&before));
    assert_eq!(gained(|parent| parent.mappings.vmas), 2);
    assert_eq!(gained(|parent| parent.mappings.anon_vmas), 2);
    let ptes = gained(|parent| parent.mappings.ptes);
    assert!((2 * HUGE..2 * HUGE + 256).contains(&ptes), "{ptes}");
    let wanted = if has_huge_zeros() { 128 } else { 0 };
    assert_eq!(gained(|parent| parent.mappings.huge_entries), wanted);
    let resident = gained(|parent| parent.resident_bytes);
    assert!(resident < 4 << 20, "{resident}");
}

#[test]
fn huge_pages_that_are_mapped_page_by_page_are_folios_again() {
    if !forktax::sys::process::is_root() || !forktax::sys::memory::gives_folios(HUGE) {
        println!("skipped: not root, or no huge pages are given here");
        return;
    }
    let heap = LikeRegion {
        written: vec![[100, 5 * HUGE]],
        batch: HUGE,
        ..anon(HIGH, 6 * HUGE)
    };
    let likeness = Likeness {
        generations: 0,
        of: "a process".to_owned(),
        regions: vec![heap],
    };
    let assignment = assignment(SpaceRequest::Likeness(likeness));
    let mut worker = Asked::start(&assignment);
    worker.prepare(&assignment);
    let reply = worker.ask(&Request::Inflate(None));
    assert!(matches!(reply, Reply::Inflated { .. }), "{reply:?}");
    let shape = shape::take(worker.process.pid(), Options::default()).unwrap();
    let own = |mapping: &&ShapeMapping| mapping.own.iter().map(|run| run[1]).sum::<u64>();
    let largest = shape.mappings.iter().max_by_key(own).unwrap();
    assert_eq!(
        (&largest.own[..], largest.huge.len()),
        (&[[100, 5 * HUGE]][..], 0)
    );
    let batch = largest.batch.unwrap_or(1.0);
    // Memory in pieces has no huge pages to give.
    println!("of {HUGE} pages wanted {batch:.0} are of one folio, on average");
    let small = HUGE as f64 / 4.0;
    assert!(batch > small || free_huge_pages() < 4, "{batch}");
    assert!(matches!(worker.ask(&Request::Run), Reply::Done(done) if done.spawns == 4));
}

/// Free pieces of memory that hold a huge page.
fn free_huge_pages() -> u64 {
    let text = std::fs::read_to_string("/proc/buddyinfo").unwrap_or_default();
    let of_zone = |line: &str| -> u64 {
        let counts = line.split_whitespace().skip(4 + 9);
        counts.filter_map(|count| count.parse::<u64>().ok()).sum()
    };
    text.lines().map(of_zone).sum()
}

#[test]
fn pinned_pages_are_pinned_again() {
    const PINNED: u64 = 256;
    if let Err(error) = forktax::sys::pins::room(1 << 20) {
        println!("skipped: no io_uring here: {error}");
        return;
    }
    let with = |pinned: u64| {
        let buffers = LikeRegion {
            written: vec![[0, PINNED + 10]],
            pinned: (pinned > 0).then_some([3, pinned]).into_iter().collect(),
            ..anon(HIGH, PINNED + 20)
        };
        let likeness = Likeness {
            generations: 0,
            of: "a process".to_owned(),
            regions: vec![buffers],
        };
        lived(&assignment(SpaceRequest::Likeness(likeness)))
    };
    let room = forktax::sys::pins::room(1 << 20).unwrap() as u64 / 4096;
    let pinned = PINNED.min(room);
    let ([before, after], reply) = with(pinned);
    assert!(
        matches!(&reply, Reply::Done(done) if done.spawns == 4),
        "{reply:?}"
    );
    assert_eq!(before.mappings.pinned_ptes, 0);
    assert_eq!(after.mappings.pinned_ptes, pinned);
    // The ring.
    assert_eq!(after.descriptors, before.descriptors + 1);
    let ([before, after], _) = with(0);
    assert_eq!(after.mappings.pinned_ptes, 0);
    assert_eq!(after.descriptors, before.descriptors);
}

#[test]
fn a_file_at_a_high_number_is_rebuilt_there() {
    const HIGHEST: u64 = 900;
    let parts = vec![
        SpaceRequest::Descriptors {
            count: 3,
            cloexec: false,
        },
        SpaceRequest::DescriptorTable {
            highest: HIGHEST,
            slots: 1_024,
        },
    ];
    let assignment = assignment(SpaceRequest::Together { parts });
    let mut worker = Asked::start(&assignment);
    worker.prepare(&assignment);
    let pid = worker.process.pid();
    let numbers = || {
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let number = |name: std::ffi::OsString| name.to_str().unwrap().parse::<u64>().unwrap();
        files
            .map(|file| number(file.unwrap().file_name()))
            .collect::<Vec<_>>()
    };
    let before = numbers();
    let reply = worker.ask(&Request::Inflate(None));
    assert!(matches!(reply, Reply::Inflated { .. }), "{reply:?}");
    let after = numbers();
    assert_eq!(after.len(), before.len() + 3);
    assert_eq!(after.iter().max(), Some(&HIGHEST));
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let slots = status.lines().find_map(|line| line.strip_prefix("FDSize:"));
    assert!(slots.unwrap().trim().parse::<u64>().unwrap() >= 1_024);
    assert!(matches!(worker.ask(&Request::Run), Reply::Done(done) if done.spawns == 4));
}

#[test]
fn children_close_their_descriptors_where_they_can() {
    // The shell has the three standard ones, and the one of the directory.
    let check = "set -- /proc/self/fd/*; [ $# -le 5 ]";
    let with = |method: SpawnMethod, closing: Closing| {
        let space = SpaceRequest::Descriptors {
            count: 50,
            cloexec: false,
        };
        Assignment {
            methods: vec![method],
            program: Program::Path {
                path: "/bin/sh".to_owned(),
                argv: ["sh", "-c", check].map(str::to_owned).to_vec(),
            },
            closing,
            ..assignment(space)
        }
    };
    for method in [
        SpawnMethod::Fork,
        SpawnMethod::Vfork,
        SpawnMethod::ForkServer,
    ] {
        for closing in [Closing::AtOnce, Closing::EachBelow(100)] {
            let reply = last_said(&with(method, closing));
            assert!(matches!(reply, Reply::Done(_)), "{method:?}: {reply:?}");
        }
    }
    let reply = last_said(&with(SpawnMethod::Fork, Closing::Nothing));
    let kept = Failure::Child {
        method: SpawnMethod::Fork,
        status: 1 << 8,
    };
    assert_eq!(reply, Reply::Failed(kept));
    let reply = last_said(&with(SpawnMethod::PosixSpawn, Closing::AtOnce));
    let refused = matches!(&reply, Reply::Failed(Failure::Setup { what, why })
        if what == "posix_spawn" && why.ends_with("could close its descriptors"));
    assert!(refused, "{reply:?}");
}

#[test]
fn children_stamp_and_redirect_in_one_spawn() {
    let with = |method: SpawnMethod| Assignment {
        methods: vec![method],
        pass: Pass::Stamping,
        redirects: true,
        ..assignment(SpaceRequest::NOTHING)
    };
    for method in [
        SpawnMethod::Fork,
        SpawnMethod::Vfork,
        SpawnMethod::PosixSpawn,
        SpawnMethod::ForkServer,
    ] {
        let reply = last_said(&with(method));
        assert!(matches!(reply, Reply::Done(_)), "{method:?}: {reply:?}");
    }
    let reply = last_said(&with(SpawnMethod::Std));
    let refused = matches!(&reply, Reply::Failed(Failure::Setup { what, why })
        if what == "std" && why.ends_with("could redirect its output"));
    assert!(refused, "{reply:?}");
}

/// Whether a process is one that its parent has not waited for, or none any more.
fn has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, fields)| fields.starts_with('Z'))
}

#[test]
fn ancestors_live_beside_a_worker_and_end_with_it() {
    const GENERATIONS: u64 = 5;
    if procfs::page_size() != 4096 {
        println!("skipped: the likeness has pages of 4 KiB");
        return;
    }
    let of = |generations, region: LikeRegion| LikeRegion {
        generations,
        ..region
    };
    let written = |pages| LikeRegion {
        written: vec![[0, pages]],
        ..anon(HIGH, 4 * HUGE)
    };
    let file = |first_page| LikeRegion {
        written: vec![[2, 3]],
        read: vec![[0, 2], [5, 2]],
        ..LikeRegion::untouched(first_page, 8, RegionKind::File)
    };
    let mut regions = vec![
        of(GENERATIONS, written(300)),
        // It touches the last and differs from it in protection alone.
        of(
            GENERATIONS,
            LikeRegion {
                written: vec![[3, 2]],
                writable: false,
                ..anon(HIGH + 4 * HUGE, 8)
            },
        ),
        of(2, file(HIGH + 5 * HUGE)),
        of(
            1,
            LikeRegion {
                huge: vec![[0, HUGE]],
                ..anon(HIGH + 6 * HUGE, 2 * HUGE)
            },
        ),
        of(GENERATIONS, anon(HIGH + 9 * HUGE, 8)),
        file(HIGH + 10 * HUGE),
    ];
    // Many alike, that touch each other.
    regions.extend((0..20).map(|at| {
        of(
            GENERATIONS - at % 2,
            LikeRegion {
                written: vec![[0, 4]],
                writable: at % 2 == 0,
                ..anon(HIGH + 11 * HUGE + 4 * at, 4)
            },
        )
    }));
    let likeness = Likeness {
        generations: GENERATIONS,
        of: "a process".to_owned(),
        regions,
    };
    let placed = PlacedLikeness::of(&likeness, 4096).unwrap();
    let assignment = assignment(SpaceRequest::Likeness(likeness));
    let mut worker = Asked::start(&assignment);
    let prepared = worker.prepare(&assignment);
    let first = worker.process.pid();
    let before = census::take(first, &prepared.instrument).unwrap();
    let reply = worker.ask(&Request::Inflate(None));
    let Reply::Inflated { generations, .. } = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(generations.len() as u64, GENERATIONS);
    let last = *generations.last().unwrap();
    let after = census::take(last.cast_signed(), &prepared.instrument).unwrap();
    let gained = |of: fn(&Parent) -> u64| of(&after) - of(&before);
    assert_eq!(gained(|parent| parent.descriptors), placed.files());
    let vmas = gained(|parent| parent.mappings.vmas);
    let wanted = placed.mappings.len() as u64;
    assert!((wanted..=wanted + 4).contains(&vmas), "{vmas} of {wanted}");
    let anon_vmas = gained(|parent| parent.mappings.anon_vmas);
    let wanted = placed.anon_mappings();
    assert!(
        (wanted..=wanted + 4).contains(&anon_vmas),
        "{anon_vmas} of {wanted}"
    );
    // All of them are this process's children, and have next to no memory of the likeness.
    let earlier = [
        &[first.cast_unsigned()],
        &generations[..generations.len() - 1],
    ]
    .concat();
    for pid in &earlier {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let parent = format!("PPid:\t{}", std::process::id());
        assert!(status.contains(&parent), "{status}");
        let census = census::take(pid.cast_signed(), &prepared.instrument).unwrap();
        let pages = census.mappings.present_ptes;
        assert!(pages < before.mappings.present_ptes + 100, "{pages}");
    }
    let reply = worker.ask(&Request::Run);
    assert!(
        matches!(&reply, Reply::Done(done) if done.spawns == 4),
        "{reply:?}"
    );
    assert!(!earlier.iter().any(|pid| has_ended(*pid)));
    // Without a signal of anybody's.
    let _first = worker.hang_up();
    let begin = std::time::Instant::now();
    let all = || generations.iter().chain(&earlier);
    while !all().all(|pid| has_ended(*pid)) {
        assert!(begin.elapsed().as_secs() < 10, "they go on");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    for pid in generations {
        usage::reap(pid.cast_signed()).unwrap();
    }
}

#[test]
fn forks_of_watched_memory_copy_its_entries_and_are_answered() {
    const PAGES: u64 = 200;
    if procfs::page_size() != 4096 {
        println!("skipped: the likeness has pages of 4 KiB");
        return;
    }
    let with = |watched| {
        let shared = LikeRegion {
            read: vec![[0, PAGES]],
            watched,
            ..LikeRegion::untouched(HIGH, PAGES, RegionKind::Shared)
        };
        let own = LikeRegion {
            written: vec![[0, 10]],
            watched: watched.map(|_| Watched::Faults),
            ..anon(HIGH + HUGE, 10)
        };
        assignment(SpaceRequest::Likeness(Likeness {
            of: "a process".to_owned(),
            generations: 2,
            regions: vec![shared, own],
        }))
    };
    if let Err(error) = userfault::try_out() {
        println!("skipped: no userfaultfd is told of forks here: {error}");
        let refused = last_said(&with(Some(Watched::Writes)));
        assert!(matches!(refused, Reply::Failed(_)), "{refused:?}");
        return;
    }
    let copied = |watched: Option<Watched>| {
        let assignment = with(watched);
        let mut worker = Asked::start(&assignment);
        worker.prepare(&assignment);
        let reply = worker.ask(&Request::Inflate(None));
        let Reply::Inflated {
            generations,
            helpers,
            ..
        } = reply
        else {
            panic!("{reply:?}");
        };
        assert_eq!(helpers.len(), usize::from(watched.is_some()));
        let last = generations.last().unwrap().cast_signed();
        let taken = match watched {
            Some(_) => census::take_watched(last, &[]),
            None => census::take(last, &[]),
        };
        // With no reader its first fork would wait for ever.
        let reply = worker.ask(&Request::Run);
        assert!(
            matches!(&reply, Reply::Done(done) if done.spawns == 4),
            "{reply:?}"
        );
        let _first = worker.hang_up();
        for pid in generations {
            usage::reap(pid.cast_signed()).unwrap();
        }
        let begin = std::time::Instant::now();
        while !helpers.iter().all(|pid| has_ended(pid.cast_unsigned())) {
            assert!(begin.elapsed().as_secs() < 10, "its reader goes on");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        taken.unwrap().mappings.ptes
    };
    let (none, faults) = (copied(None), copied(Some(Watched::Faults)));
    let writes = copied(Some(Watched::Writes));
    assert!(faults < none + PAGES / 2, "{faults} {none}");
    assert!(writes > none + PAGES / 2, "{writes} {none}");
}
