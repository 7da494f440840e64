//! Shapes of processes that hold known things, and of those that cannot be looked at.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use forktax::analysis::shape::{check, parse_shape};
use forktax::model::{
    MappingContent, MappingFlag, ProcessShape, SHAPE_VERSION, ShapeMapping, ShapeReservation,
};
use forktax::sys::gauge::Untouched;
use forktax::sys::memory::{
    Arena, Exact, Pages, Source, Stuff, Touches, disable_huge_pages, page_size,
};
use forktax::sys::shared::SharedWords;
use forktax::sys::{descriptors, handlers, process, threads};

use super::{FORKTAX, failure, forktax};

/// Where a known process has what.
const KNOWN: [&str; 7] = [
    "exact",
    "huge",
    "shared",
    "left out",
    "zeros",
    "guards",
    "huge zeros",
];

const EXACT_PAGES: usize = 600;
const THREADS: u64 = 3;

/// The process that the other tests look at: it maps known things, says where, and waits
/// until its input ends.
#[test]
#[ignore = "is started by the other tests"]
fn a_process_that_holds_known_things() {
    let page = page_size();
    let huge_page = page / 8 * page;
    let none = &mut Pages::none();
    let exact = Arena::find(EXACT_PAGES * 4 * page, page).unwrap();
    let touches = |count, distance| Touches { count, distance };
    let len = EXACT_PAGES * 3 * page;
    exact
        .place(
            page,
            len,
            Source::Anonymous,
            touches(EXACT_PAGES, 3 * page),
            none,
        )
        .unwrap();
    exact.forbid_huge_pages().unwrap();
    let huge = Arena::find(4 * huge_page, huge_page).unwrap();
    let two = touches(2, huge_page);
    huge.place(0, 2 * huge_page, Source::AnonymousHuge, two, none)
        .unwrap();
    let shared = SharedWords::anonymous(10 * page / 8).unwrap();
    for word in shared.words() {
        word.store(1, std::sync::atomic::Ordering::Relaxed);
    }
    let left_out = Untouched::map(7).unwrap();
    // Of its own mapping, and none of its pages is written to.
    let zeros = vec![0_u8; 100 * page];
    let read: u64 = (0..100).map(|at| u64::from(zeros[at * page])).sum();
    assert_eq!(read, 0);
    threads::start_sleeping(THREADS, 256 << 10).unwrap();
    descriptors::open_many(11, true).unwrap();
    descriptors::open_many(5, false).unwrap();
    descriptors::open_at(700, false).unwrap();
    handlers::install(2).unwrap();
    let zeros_at = zeros.as_ptr() as usize;
    disable_huge_pages(true).unwrap();
    let none_of = |pages: usize| Exact {
        offset: 0,
        len: pages * page,
        stuff: Stuff::Anonymous,
        readable: true,
        writable: true,
        marked: false,
        dontfork: false,
        noreserve: true,
        written: &[],
        stretch: 0,
        batch: 0,
        read: &[],
        huge: &[],
        huge_zero: &[],
        guards: &[],
    };
    let guards = Arena::find(20 * page, page).unwrap();
    let exact_guards = Exact {
        guards: &[[3, 9]],
        ..none_of(20)
    };
    let guarded = guards.place_exact(&exact_guards, &mut Pages::none());
    let huge_zeros = Arena::find(3 * huge_page, huge_page).unwrap();
    let of_zeros = [[0, 2 * (page / 8) as u64]];
    let exact_zeros = Exact {
        huge_zero: &of_zeros,
        ..none_of(3 * page / 8)
    };
    huge_zeros
        .place_exact(&exact_zeros, &mut Pages::none())
        .unwrap();
    let starts = [
        exact.start() + page,
        huge.start(),
        shared.range()[0],
        left_out.range()[0],
        zeros_at,
        // Without guards it is nowhere.
        guarded.map_or(0, |()| guards.start()),
        huge_zeros.start(),
    ];
    println!("\nknown {starts:?}");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// A running process of the kind above.
struct Known {
    child: Child,
    starts: Vec<usize>,
}

impl Drop for Known {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Known {
    fn start() -> Self {
        let name = "shape::a_process_that_holds_known_things";
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "--nocapture", name]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok);
        let said = lines.find_map(|line| line.strip_prefix("known ").map(str::to_owned));
        let starts = serde_json::from_str(&said.expect("it says where")).unwrap();
        Self { child, starts }
    }

    fn shape(&self, more: &str) -> ProcessShape {
        let pid = self.child.id();
        let words = format!("shape --pid {pid} --format json {more}");
        let output = forktax(&words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        parse_shape(output.stdout.as_slice()).unwrap()
    }

    /// The page of a known thing.
    fn page(&self, name: &str) -> u64 {
        let index = KNOWN.iter().position(|known| *known == name).unwrap();
        (self.starts[index] / page_size()) as u64
    }

    fn mapping<'a>(&self, shape: &'a ProcessShape, name: &str) -> &'a ShapeMapping {
        let page = self.page(name);
        let mut mappings = shape.mappings.iter();
        let holds = |m: &&ShapeMapping| (m.first_page..m.end_page()).contains(&page);
        mappings.find(holds).unwrap()
    }

    /// The runs that begin within so many pages of it, counted from its start.
    fn runs(&self, name: &str, of: &ShapeMapping, runs: &[[u64; 2]], pages: u64) -> Vec<[u64; 2]> {
        let first = self.page(name) - of.first_page;
        let inside = runs
            .iter()
            .filter(|run| (first..first + pages).contains(&run[0]));
        inside.map(|[at, count]| [at - first, *count]).collect()
    }
}

fn has(shape: &ProcessShape, reservation: ShapeReservation) -> bool {
    shape.process.reservations.contains(&reservation)
}

#[test]
fn known_things_are_found_to_the_page() {
    let known = Known::start();
    let shape = known.shape("");
    check(&shape).unwrap();
    let exact = known.mapping(&shape, "exact");
    let runs = known.runs("exact", exact, &exact.own, EXACT_PAGES as u64 * 3);
    let expected: Vec<_> = (0..EXACT_PAGES as u64).map(|at| [at * 3, 1]).collect();
    assert_eq!(runs, expected);
    assert!(exact.anon_vma && exact.has(MappingFlag::HugeForbidden));
    assert_eq!(
        (exact.content, exact.permissions.as_str()),
        (MappingContent::Anonymous, "rw-p")
    );

    let huge = known.mapping(&shape, "huge");
    let per_huge = (page_size() / 8) as u64;
    let whole = known.runs("huge", huge, &huge.huge, 2 * per_huge);
    let small = known.runs("huge", huge, &huge.own, 2 * per_huge);
    match whole.is_empty() {
        true => println!("skipped: no huge pages were granted"),
        false => assert_eq!((whole, small.len()), (vec![[0, 2 * per_huge]], 0)),
    }
    assert!(huge.anon_vma);

    let shared = known.mapping(&shape, "shared");
    assert_eq!(shared.content, MappingContent::SharedMemory);
    assert_eq!((&shared.file[..], shared.anon_vma), (&[[0, 10]][..], false));
    let left_out = known.mapping(&shape, "left out");
    assert!(left_out.has(MappingFlag::DontFork) && !left_out.anon_vma);
    assert!(left_out.own.is_empty() && left_out.zero.is_empty());
}

#[test]
fn a_page_of_zeros_is_nobody_s_own() {
    let known = Known::start();
    let shape = known.shape("");
    if has(&shape, ShapeReservation::NoZeroPages) {
        println!("skipped: no PAGEMAP_SCAN before Linux 6.7");
        return;
    }
    let zeros = known.mapping(&shape, "zeros");
    let huge = known.runs("zeros", zeros, &zeros.huge, 100);
    let read = known.runs("zeros", zeros, &zeros.zero, 100);
    let read: u64 = read.iter().map(|run| run[1]).sum();
    // The allocator writes to the page that its block begins in.
    assert!(read >= 98 || !huge.is_empty(), "{zeros:?}");
}

#[test]
fn guards_and_huge_zeros_are_told_from_pages() {
    let known = Known::start();
    let shape = known.shape("");
    if has(&shape, ShapeReservation::NoZeroPages) {
        println!("skipped: no PAGEMAP_SCAN before Linux 6.7");
        return;
    }
    let zeros = known.mapping(&shape, "huge zeros");
    let per_huge = (page_size() / 8) as u64;
    let whole = known.runs("huge zeros", zeros, &zeros.huge_zero, 3 * per_huge);
    match whole.is_empty() {
        true => println!("skipped: this host maps no huge page of zeros"),
        false => assert_eq!(whole, [[0, 2 * per_huge]]),
    }
    assert!(
        known
            .runs("huge zeros", zeros, &zeros.huge, 3 * per_huge)
            .is_empty()
    );
    if known.page("guards") == 0 {
        println!("skipped: no guards before Linux 6.13");
        return;
    }
    let guards = known.mapping(&shape, "guards");
    if guards.guards.is_empty() {
        println!("skipped: guards are not told from other markers before Linux 6.15");
        return;
    }
    assert_eq!(known.runs("guards", guards, &guards.guards, 20), [[3, 9]]);
    assert!(guards.anon_vma && guards.swapped.is_empty());
}

#[test]
fn what_is_beside_the_memory_is_counted() {
    let known = Known::start();
    let shape = known.shape("");
    let facts = &shape.process;
    assert_eq!(facts.pid, Some(known.child.id()));
    // The harness of the tests has a thread for the test itself.
    assert!(
        (THREADS + 1..=THREADS + 3).contains(&facts.threads),
        "{}",
        facts.threads
    );
    let listed = format!("/proc/{}/fdinfo", known.child.id());
    let all = fs::read_dir(listed).unwrap().count() as u64;
    assert_eq!(facts.descriptors + facts.cloexec_descriptors, all);
    assert!(facts.cloexec_descriptors >= 11 && facts.descriptors >= 6 + 3);
    assert!(
        facts
            .highest_descriptor
            .is_some_and(|highest| highest >= 700)
    );
    assert!(facts.descriptor_slots > 700);
    assert!(facts.handlers >= 2 && facts.page_table_bytes > 4096);
    assert!(facts.resident_bytes > 600 * 4096 && facts.took_s > 0.0);
    assert!(!facts.allowed_cpus.is_empty());
    let stacks = shape.mappings.iter();
    let stacks = stacks.filter(|m| m.content == MappingContent::ThreadStack);
    let guards = shape.mappings.iter().filter(|m| m.permissions == "---p");
    assert!(guards.count() as u64 >= THREADS);
    if has(&shape, ShapeReservation::NoThreadStacks) {
        println!("skipped: stacks are not to be seen here");
    } else {
        assert!(stacks.count() as u64 >= THREADS);
    }
    let of = |content| {
        shape
            .mappings
            .iter()
            .filter(|m| m.content == content)
            .count()
    };
    assert!(of(MappingContent::Program) > 1 && of(MappingContent::Kernel) > 0);
    let frames = shape
        .mappings
        .iter()
        .any(|mapping| mapping.stretch.is_some());
    assert_ne!(frames, has(&shape, ShapeReservation::NoPhysicalAddresses));
    assert!(!has(&shape, ShapeReservation::ChangedWhileRead));
}

#[test]
fn names_and_flags_are_left_out_if_asked() {
    let known = Known::start();
    let shape = known.shape("--anonymous --no-flags");
    assert_eq!(shape.process.name, "process");
    assert!(
        shape
            .mappings
            .iter()
            .all(|m| m.name.is_none() && m.flags.is_empty())
    );
    assert!(has(&shape, ShapeReservation::NoFlags));
    assert!(shape.process.resident_bytes > 0);
}

#[test]
fn a_shape_is_written_and_shown_again() {
    let known = Known::start();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.json");
    let path = file.display();
    let taken = forktax(&format!("shape --pid {} -o {path}", known.child.id()));
    let taken = { taken }.output().unwrap();
    assert!(taken.status.success());
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it tells addresses");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let shown = forktax(&format!("shape --shape {path}")).output().unwrap();
    assert_eq!(taken.stdout, shown.stdout);
    let json = forktax(&format!("shape --shape {path} --format json"))
        .output()
        .unwrap();
    assert_eq!(json.stdout, fs::read(&file).unwrap());
    let markdown = forktax(&format!("shape --shape {path} --format markdown"));
    let markdown = { markdown }.output().unwrap();
    assert!(
        String::from_utf8(markdown.stdout)
            .unwrap()
            .contains("| anonymous | ")
    );
}

#[test]
fn what_cannot_be_looked_at_is_refused_with_a_remedy() {
    let said = failure("shape --pid 2147483647", 2);
    assert!(said.contains("does not exist or has ended"), "{said}");
    for bad in [
        "shape",
        "shape --pid 0",
        "shape --pid 1 --shape x",
        "shape --pid x",
    ] {
        failure(bad, 2);
    }
    let mut zombie = Command::new("true").spawn().unwrap();
    let status = format!("/proc/{}/status", zombie.id());
    while !fs::read_to_string(&status).unwrap().contains("State:\tZ") {
        std::thread::yield_now();
    }
    let said = failure(&format!("shape --pid {}", zombie.id()), 2);
    zombie.wait().unwrap();
    assert!(
        said.contains("neither a zombie nor a kernel thread"),
        "{said}"
    );
    if fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        let said = failure("shape --pid 2", 2);
        assert!(said.contains("kernel thread"), "{said}");
    } else {
        println!("skipped: no kernel thread is to be seen here");
    }
    failure("shape --shape /nonexistent", 4);
    let pid = std::process::id();
    for file in ["/nonexistent/x.json", "x.csv"] {
        let said = failure(&format!("shape --pid {pid} --export {file}"), 4);
        assert!(said.contains(file), "{said}");
    }
}

#[test]
fn a_file_that_is_no_shape_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.json");
    let text = format!("{{\"shape_version\": {SHAPE_VERSION}, \"tool\": \"\\u001b[31m\"}}");
    fs::write(&file, text).unwrap();
    let said = failure(&format!("shape --shape {}", file.display()), 4);
    assert!(
        said.contains("no shape of a process") && !said.contains('\u{1b}'),
        "{said}"
    );
    failure("shape --shape /dev/zero", 4);
}

/// As another user, if this one may become one.
#[test]
fn another_user_s_process_is_refused() {
    const NOBODY: u32 = 65534;
    if !process::is_root() {
        // The first process is root's, or its own in a namespace.
        let output = forktax("shape --pid 1").output().unwrap();
        let code = output.status.code().unwrap();
        assert!(code == 2 || code == 0, "{code}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("forktax");
    fs::copy(FORKTAX, &program).unwrap();
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755));
    open(dir.path()).unwrap();
    open(&program).unwrap();
    let pid = std::process::id().to_string();
    let mut command = Command::new(&program);
    let command = command.args(["shape", "--pid", &pid]).current_dir("/");
    let output = command.uid(NOBODY).gid(NOBODY).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("run as the owner") && said.contains("as root"),
        "{said}"
    );
}

#[test]
fn a_dump_of_smaps_is_a_shape_and_can_be_explained() {
    let known = Known::start();
    let dir = tempfile::tempdir().unwrap();
    let (dump, json) = (dir.path().join("smaps.txt"), dir.path().join("x.json"));
    let text = fs::read(format!("/proc/{}/smaps", known.child.id())).unwrap();
    fs::write(&dump, text).unwrap();
    let words = format!("shape --smaps {} -o {}", dump.display(), json.display());
    let taken = forktax(&words).output().unwrap();
    let said = String::from_utf8_lossy(&taken.stdout);
    assert!(
        taken.status.success() && said.contains("a dump of smaps"),
        "{said}"
    );
    let words = format!("explain --smaps {} --time 300ms --brief", dump.display());
    let explained = forktax(&words).output().unwrap();
    let said = String::from_utf8_lossy(&explained.stdout);
    assert!(explained.status.success(), "{explained:?}");
    assert!(said.contains("A fork of its shape"), "{said}");
    let again = forktax(&format!("shape --shape {}", json.display()));
    assert_eq!({ again }.output().unwrap().stdout, taken.stdout);
}
