//! The likeness of a living process, built by a worker of the binary.

use std::fs::File;
use std::io::BufReader;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use forktax::analysis::mappings::listed;
use forktax::analysis::replica::request_of;
use forktax::lab::census;
use forktax::lab::shape::{self, Options};
use forktax::model::{
    ChildAction, Closing, Filters, Likeness, PageKind, Parent, Placement, Program, RegionKind,
    SpaceRequest, SpawnMethod, Temperature,
};
use forktax::sys::shared::memory_file;
use forktax::vm::PlacedLikeness;
use forktax::worker::NAME;
use forktax::worker::protocol::{Assignment, Pass, Prepared, Reply, Request, receive, send};

use super::FORKTAX;

/// A process that is ended with the test.
pub(super) struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Ended {
    pub(super) fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }
}

/// Starts a process and awaits that it sleeps with all its mappings; `None` if
/// there is no such program.
fn sleeping(words: &[&str]) -> Option<(Ended, Parent)> {
    let mut command = Command::new(words[0]);
    let command = command.args(&words[1..]).stdin(Stdio::null());
    let child = Ended(command.stderr(Stdio::null()).spawn().ok()?);
    let begin = Instant::now();
    let mut last = None;
    while begin.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(300));
        let now = census::take(child.pid(), &[]).ok()?;
        if last == Some(now) {
            return Some((child, now));
        }
        last = Some(now);
    }
    None
}

/// A worker that is asked directly.
pub(super) struct Asked {
    pub(super) process: Ended,
    orders: UnixStream,
    replies: BufReader<UnixStream>,
}

impl Asked {
    pub(super) fn start(assignment: &Assignment) -> Self {
        let records = memory_file(c"records", false).unwrap();
        let bytes = assignment.shared_words() as u64 * 8;
        records.set_len(bytes).unwrap();
        let (orders, theirs) = UnixStream::pair().unwrap();
        let mut command = Command::new(FORKTAX);
        let command = command.arg0(NAME).stdin(OwnedFd::from(theirs));
        let process = Ended(command.stdout(records).spawn().unwrap());
        let replies = BufReader::new(orders.try_clone().unwrap());
        Self {
            process,
            orders,
            replies,
        }
    }

    /// Has nothing more to ask; the process that it was, to be waited for.
    pub(super) fn hang_up(self) -> Ended {
        self.process
    }

    pub(super) fn ask(&mut self, order: &Request) -> Reply {
        send(&self.orders, order).unwrap();
        receive(&mut self.replies).unwrap().unwrap()
    }

    pub(super) fn prepare(&mut self, assignment: &Assignment) -> Prepared {
        match self.ask(&Request::Prepare(Box::new(assignment.clone()))) {
            Reply::Prepared(prepared) => prepared,
            other => panic!("{other:?}"),
        }
    }
}

pub(super) fn assignment(space: SpaceRequest) -> Assignment {
    Assignment {
        space,
        methods: vec![SpawnMethod::Fork],
        child: ChildAction::Exec,
        program: Program::Embedded,
        environment: Vec::new(),
        placement: Placement::Free,
        temperature: Temperature::Hot,
        pass: Pass::Timing,
        extras: vec![0],
        turns: 4,
        least_turns: 1,
        slice_ns: u64::MAX,
        seed: 1,
        rewrite_pages: 100,
        rewritten: PageKind::Small,
        rewritable_likeness: 0,
        beside: None,
        fixed_addresses: false,
        redirects: false,
        closing: Closing::Nothing,
        filters: Filters::default(),
    }
}

/// Where the worker's own files are mapped before it builds anything: of its code more
/// pages are there whenever some of it runs for the first time.
fn image(pid: i32) -> Vec<[usize; 2]> {
    let maps = File::open(format!("/proc/{pid}/maps")).unwrap();
    let mappings = listed(BufReader::new(maps)).unwrap();
    let of_files = mappings.iter().filter(|mapping| mapping.has_file());
    let address = |address: u64| usize::try_from(address).unwrap();
    of_files
        .map(|mapping| [mapping.start, mapping.end].map(address))
        .collect()
}

/// What a worker gains by building a likeness: mappings, those with pages of
/// their own, entries and page tables.
fn gained(likeness: Likeness) -> ([u64; 4], Likeness) {
    let assignment = assignment(SpaceRequest::Likeness(likeness));
    let mut worker = Asked::start(&assignment);
    let prepared = worker.prepare(&assignment);
    let figures = |census: Parent| {
        let tables = census.page_table_bytes / 4096;
        [
            census.mappings.vmas,
            census.mappings.anon_vmas,
            census.mappings.present_ptes,
            tables,
        ]
    };
    let pid = worker.process.pid();
    let beside = [prepared.instrument, image(pid)].concat();
    let before = figures(census::take(pid, &beside).unwrap());
    let reply = worker.ask(&Request::Inflate(None));
    assert!(matches!(reply, Reply::Inflated { .. }), "{reply:?}");
    let inflated = figures(census::take(pid, &beside).unwrap());
    println!("the worker before {before:?}, inflated {inflated:?}");
    let copy = seen(pid);
    let reply = worker.ask(&Request::Run);
    assert!(
        matches!(&reply, Reply::Done(done) if done.spawns == 4),
        "{reply:?}"
    );
    let gained = [0, 1, 2, 3].map(|i| inflated[i].saturating_sub(before[i]));
    (gained, copy)
}

/// All mappings of a process, for a worker that has none of its own.
fn seen(pid: i32) -> Likeness {
    let shape = shape::take(pid, Options::default()).unwrap();
    request_of(&shape).take_likeness().unwrap()
}

fn written(likeness: &Likeness) -> u64 {
    let regions = likeness.regions.iter();
    let runs = regions.flat_map(|region| &region.written);
    runs.map(|[_, count]| count).sum()
}

/// Whether a figure is right, but for a share and what a worker gains beside.
fn is_near(figure: u64, wanted: u64, percent: u64, beside: u64) -> bool {
    figure.abs_diff(wanted) <= wanted * percent / 100 + beside
}

fn builds_alike(words: &[&str]) {
    let Some((child, original)) = sleeping(words) else {
        println!("skipped: no {}", words[0]);
        return;
    };
    let likeness = seen(child.pid());
    let placed = PlacedLikeness::of(&likeness, 4096).unwrap();
    let wanted = [
        placed.mappings.len() as u64,
        placed.anon_mappings(),
        placed.present_pages(),
        placed.tables,
    ];
    println!("{}: {original:?}", words[0]);
    // The kernel's own mappings are left out, and pages that are swapped out are built.
    let left_out = original.mappings.vmas - wanted[0];
    assert!((1..10).contains(&left_out), "{wanted:?}");
    assert!(wanted[1] <= original.mappings.anon_vmas && wanted[1] > 0);
    let pages = original.mappings.present_ptes + original.mappings.swapped_ptes;
    assert!(wanted[2] <= pages && wanted[2] > 0);
    let (gained, copy) = gained(likeness.clone());
    println!("wanted {wanted:?}, gained {gained:?}");
    assert!(is_near(gained[0], wanted[0], 2, 2), "{gained:?} {wanted:?}");
    assert!(is_near(gained[1], wanted[1], 2, 2), "{gained:?} {wanted:?}");
    assert!(
        is_near(gained[2], wanted[2], 2, 64),
        "{gained:?} {wanted:?}"
    );
    assert!(
        is_near(gained[3], wanted[3], 10, 3),
        "{gained:?} {wanted:?}"
    );
    // Each mapping is found again, with its pages at their places.
    let mut found = copy.regions.iter();
    for region in &likeness.regions {
        let alike = found.any(|copied| {
            let place = copied.first_page % 512 == region.first_page % 512;
            let kind = match copied.backing == RegionKind::Anon {
                true => region.backing == RegionKind::Anon,
                false => region.backing != RegionKind::Anon,
            };
            place
                && kind
                && (copied.pages, copied.readable, copied.writable)
                    == (region.pages, region.readable, region.writable)
                && (&copied.written, &copied.read) == (&region.written, &region.read)
        });
        assert!(alike, "{region:?} is not in {copy:?}");
    }
    assert!(written(&copy) >= written(&likeness));
}

#[test]
fn a_worker_becomes_like_an_interpreter() {
    builds_alike(&["python3", "-c", "import time; time.sleep(600)"]);
}

#[test]
fn a_worker_becomes_like_a_small_program() {
    builds_alike(&["sleep", "600"]);
}
