//! Live processes rebuilt on the real kernel: orderings with wide margins, and refusals.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use forktax::model::{
    ChildAction, Document, Findings, MappingContent, PageKind, Process, ProcessRole, ProcessShape,
    RemedyKind, RemedyVerdict, Replica, Rewriting, ShapeReservation, ShapeUnit, SpawnMethod,
};
use serde_json::{Value, json};

use super::{assert_no_process, failure, forktax, kill, worker_of};

/// A shell that sleeps in the process itself, until it is dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        let mut command = Command::new("sh");
        // The shell grows by a variable of two megabytes, and waits for its input.
        command.args([
            "-c",
            "x=$(head -c 2000000 /dev/zero | tr '\\0' x); echo ready; read y",
        ]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut ready = [0; 6];
        let out = child.stdout.as_mut().unwrap();
        out.read_exact(&mut ready).unwrap();
        Self(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn maps(&self) -> String {
        fs::read_to_string(format!("/proc/{}/maps", self.pid())).unwrap()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measured(words: &str) -> Document {
    let output = forktax(words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn replica(document: &Document) -> &Replica {
    document.findings.replica().unwrap()
}

fn process(document: &Document) -> &Process {
    match &document.findings {
        Findings::Process(process) => process,
        other => panic!("{other:?} explains no process"),
    }
}

fn total(replica: &Replica, method: SpawnMethod) -> f64 {
    let mut trials = replica.trials.iter();
    let whole = trials
        .find(|trial| trial.role == ProcessRole::Whole)
        .unwrap();
    let mut cells = whole.cells.iter();
    let cell = cells.find(|cell| cell.method == method).unwrap();
    cell.total_ns.measured().unwrap().median.value
}

/// What was built is what was there, and the parts add up to the fork.
fn is_sound(process: &Process) {
    for unit in &process.replica.likeness.units {
        if [ShapeUnit::Vmas, ShapeUnit::Ptes].contains(&unit.unit) {
            let off = unit.built.abs_diff(unit.process);
            // A worker of a debug build has pages of its own files beside those of a small one.
            assert!(off <= 384 + unit.process / 20, "{unit:?}");
        }
    }
    let blame = process.blame.measured().unwrap();
    let rungs: f64 = blame
        .rungs
        .iter()
        .map(|rung| rung.cost.total_ns.value)
        .sum();
    let fork = blame.fork.total_ns.value;
    assert!((rungs / fork - 1.0).abs() < 1e-6, "{rungs} of {fork}");
    assert!((fork / total(&process.replica, SpawnMethod::Fork) - 1.0).abs() < 1e-6);
}

#[test]
fn a_process_is_explained_and_stays_as_it_was() {
    let sleeper = Sleeper::start();
    let before = sleeper.maps();
    let pid = sleeper.pid();
    let document = measured(&format!("explain --pid {pid} --time 3s --format json -q"));
    is_sound(process(&document));
    let order = document.plan.order.replica().unwrap();
    assert_eq!(order.shape.process.pid, Some(pid));
    assert!(
        total(replica(&document), SpawnMethod::Fork)
            > total(replica(&document), SpawnMethod::Vfork)
    );
    assert_eq!(sleeper.maps(), before);
}

/// The fork's row of a kind of pages.
fn rewritten(document: &Document, of: PageKind, method: SpawnMethod) -> &Rewriting {
    let mut rows = process(document).rewritten.iter();
    let row = rows.find(|row| (row.of, row.method) == (of, method));
    row.unwrap().rewriting.measured().unwrap()
}

#[test]
fn a_process_pays_for_each_page_that_it_writes_to_again() {
    let sleeper = Sleeper::start();
    let before = sleeper.maps();
    let words = format!("explain --pid {} --rewrite --time 5s", sleeper.pid());
    let document = measured(&format!("{words} --format json -q"));
    is_sound(process(&document));
    assert!(process(&document).ledger.is_none());
    let row = &process(&document).rewritten[0];
    let fork = rewritten(&document, PageKind::Small, SpawnMethod::Fork);
    let spawn = rewritten(&document, PageKind::Small, SpawnMethod::PosixSpawn);
    println!("{row:?}");
    // The variable's pages, of which 2,000,000 bytes are there at the least.
    let all = 2_000_000 / procfs::page_size();
    assert!(row.process >= all && (all..=1_000).contains(&fork.pages));
    let tax = fork.tax_ns.value;
    assert!(tax > 2.0 * spawn.tax_ns.value.abs(), "{fork:?} {spawn:?}");
    let held = fork.held_ns.measured().unwrap().value;
    assert!(held > tax, "{fork:?}");
    assert!(spawn.held_ns.missing().is_some());
    assert_eq!(sleeper.maps(), before);
    // Turns tell of no pages.
    let mut turns = forktax(&words);
    let refused = turns.args(["--vs", "--method fork"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("--rewrite"), "{said}");
}

#[test]
fn huge_pages_are_written_to_again_as_whole_ones() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shape.json");
    let mut shape = good_shape();
    let huge = procfs::page_size() / 8;
    let mapping = json!({
        "first_page": 64 * huge,
        "pages": 16 * huge,
        "content": "anonymous",
        "permissions": "rw-p",
        "anon_vma": true,
        "own": [[0, 64]],
        "huge": [[huge, 12 * huge]],
    });
    shape["mappings"].as_array_mut().unwrap().insert(0, mapping);
    fs::write(&file, shape.to_string()).unwrap();
    let words = format!("explain --shape {} --rewrite 2k --time 6s", file.display());
    let document = measured(&format!("{words} --format json -q"));
    let rows = &process(&document).rewritten;
    assert_eq!(rows.last().unwrap().process, 12);
    if let Some(why) = rows.last().unwrap().rewriting.missing() {
        // Small pages in their place are none.
        return assert!(why.reason.contains("did not grant"), "{why:?}");
    }
    let of = |kind| rewritten(&document, kind, SpawnMethod::Fork);
    let [small, large] = [PageKind::Small, PageKind::Huge].map(of);
    println!("{small:?} {large:?}");
    assert_eq!(large.pages, 8);
    // Held, each of its pages is copied.
    let held = |found: &Rewriting| found.held_ns.measured().unwrap().value;
    assert!(held(large) > 20.0 * held(small));
    // One fault, and nothing is copied.
    assert!(held(large) > 10.0 * large.tax_ns.value);
}

#[test]
fn a_stored_shape_outlives_its_process() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shape.json");
    let file = file.to_str().unwrap();
    let sleeper = Sleeper::start();
    let words = format!("shape --pid {} --anonymous -o {file}", sleeper.pid());
    assert!(forktax(&words).output().unwrap().status.success());
    drop(sleeper);
    let document = measured(&format!(
        "explain --shape {file} --ledger --time 6s --format json -q"
    ));
    is_sound(process(&document));
    assert!(process(&document).ledger.is_some());
    let shape = &document.plan.order.replica().unwrap().shape;
    assert_eq!(shape.process.name, "process");
    assert!(shape.mappings.iter().all(|mapping| mapping.name.is_none()));
}

#[test]
fn other_ways_to_spawn_help_a_large_parent() {
    let words = "advise --mappings 2k --time 8s --format json -q";
    let document = measured(words);
    let Findings::Advice(advice) = &document.findings else {
        panic!("{:?} is no advice", document.findings);
    };
    let remedies = &advice.remedies;
    let of = |kind| {
        let found = remedies.iter().find(|remedy| remedy.kind == kind).unwrap();
        &found.outcome
    };
    let ways = [
        RemedyKind::Vfork,
        RemedyKind::PosixSpawn,
        RemedyKind::ForkServer,
    ];
    let outcomes = ways.map(|kind| of(kind).measured().unwrap());
    for outcome in outcomes {
        assert!(outcome.ratio.value < 0.8, "{outcome:?}");
    }
    // On a host that does much else the interval of one may be too wide to say so.
    let helps = outcomes.map(|outcome| outcome.verdict == RemedyVerdict::Helps);
    assert!(helps.contains(&true), "{outcomes:?}");
    for kind in [
        RemedyKind::Prelink,
        RemedyKind::Cloexec,
        RemedyKind::FewerThreads,
    ] {
        assert!(!of(kind).missing().unwrap().reason.is_empty(), "{kind:?}");
    }
}

#[test]
fn what_is_no_process_or_not_its_own_to_say_is_refused() {
    let said = failure("explain --pid 2147483646 -q", 2);
    assert!(said.contains("2147483646"), "{said}");
    let me = std::process::id();
    for more in ["--pages 3", "--huge", "--malloc 3x100"] {
        let said = failure(&format!("explain --pid {me} {more}"), 2);
        assert!(
            said.contains("leave it out") || said.contains("cannot be used"),
            "{said}"
        );
    }
    failure(&format!("explain --pid {me} --mappings 3"), 2);
    failure(&format!("explain --pid {me} --shape x"), 2);
    failure("explain --ledger", 2);
    failure(&format!("advise --pid {me} --threads 3"), 2);
    failure("advise --mappings 10G", 2);
}

#[test]
fn a_shape_that_lists_more_memory_than_its_process_has_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shape.json");
    let mut shape = good_shape();
    let pages = 1_u64 << 20;
    let last = shape["mappings"].as_array().unwrap().len() - 1;
    let mapping = &mut shape["mappings"][last];
    let first = mapping["first_page"].as_u64().unwrap() + mapping["pages"].as_u64().unwrap();
    let mut large = mapping.clone();
    for (field, value) in [
        ("first_page", json!(first)),
        ("pages", json!(pages)),
        ("content", json!("anonymous")),
        ("permissions", json!("rw-p")),
        ("anon_vma", json!(true)),
        ("own", json!([[0, pages]])),
        ("file", json!([])),
        ("flags", json!([])),
    ] {
        large[field] = value;
    }
    shape["mappings"].as_array_mut().unwrap().push(large);
    fs::write(&file, shape.to_string()).unwrap();
    let said = failure(&format!("explain --shape {} -q", file.display()), 2);
    assert!(said.contains("memory that the process has not"), "{said}");
}

/// What spoils a shape.
type Spoil<'a> = &'a dyn Fn(&mut Value);

/// A shape that is accepted, to be spoilt.
fn good_shape() -> Value {
    let output = forktax(&format!("shape --pid {} --format json", std::process::id()))
        .output()
        .unwrap();
    let shape: ProcessShape = serde_json::from_slice(&output.stdout).unwrap();
    serde_json::to_value(shape).unwrap()
}

#[test]
fn a_fork_server_is_given_what_its_children_can_live_with() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("server.json");
    let mut shape = good_shape();
    shape["process"]["reservations"] = json!(["afl_fork_server"]);
    fs::write(&file, shape.to_string()).unwrap();
    let words = format!("advise --shape {} --time 1s --format json", file.display());
    let document = measured(&words);
    assert_eq!(document.plan.child, ChildAction::Exit);
    assert_eq!(document.plan.methods, [SpawnMethod::Fork]);
    let Findings::Advice(advice) = &document.findings else {
        panic!("it is no advice");
    };
    let missing = |kind| {
        let remedy = advice.remedies.iter().find(|r| r.kind == kind).unwrap();
        remedy.outcome.missing().unwrap().reason.clone()
    };
    assert!(missing(RemedyKind::Vfork).contains("execute nothing"));
    assert!(missing(RemedyKind::DontFork).contains("would not have it"));
    assert!(missing(RemedyKind::PersistentMode).contains("__AFL_LOOP"));
    // Who knows better says so.
    let document = measured(&format!("{words} --child exec"));
    assert_eq!(document.plan.child, ChildAction::Exec);
    failure(
        &format!("advise --shape {} -- /bin/true", file.display()),
        2,
    );
}

#[test]
fn hostile_shapes_are_refused_and_nothing_is_built_of_them() {
    let dir = tempfile::tempdir().unwrap();
    // Workers have it in their environment.
    let mark = format!("MARK={}", dir.path().display());
    let good = good_shape();
    let page = |n: u64| json!(n);
    let spoils: [(&str, Spoil<'_>); 6] = [
        ("overlap", &|s| {
            s["mappings"][1]["first_page"] = s["mappings"][0]["first_page"].clone()
        }),
        ("kernel", &|s| {
            s["mappings"][0]["first_page"] = page(0xffff_8000_0000_0000 >> 12)
        }),
        ("endless", &|s| s["mappings"][0]["pages"] = page(u64::MAX)),
        ("outside", &|s| {
            s["mappings"][0]["own"] = json!([[0, u64::MAX]])
        }),
        ("threads", &|s| {
            s["process"]["threads"] = page(1_000_000_000_000_000_000)
        }),
        ("pages", &|s| s["process"]["page_size"] = page(0)),
    ];
    for (name, spoil) in spoils {
        let mut shape = good.clone();
        spoil(&mut shape);
        let file = dir.path().join(name);
        fs::write(&file, shape.to_string()).unwrap();
        for command in ["explain", "advise"] {
            let begin = Instant::now();
            let words = format!("{command} --shape {} --env {mark}", file.display());
            let said = failure(&words, 4);
            assert!(said.contains(name), "{said}");
            // It would measure for longer.
            assert!(begin.elapsed() < Duration::from_secs(15), "{name}");
        }
    }
    let text = good.to_string();
    let file = dir.path().join("cut");
    fs::write(&file, &text[..text.len() / 2]).unwrap();
    let words = format!("explain --shape {} --env {mark}", file.display());
    failure(&words, 4);
    // What is well formed and larger than any host: refused by its limits, or scaled.
    let mut large = good;
    large["process"]["descriptors"] = page(1 << 31);
    let file = dir.path().join("large");
    fs::write(&file, large.to_string()).unwrap();
    let words = format!("explain --shape {} -q --env {mark}", file.display());
    failure(&words, 2);
    assert_no_process(&dir.path().display().to_string());
}

/// The shell's own pages, eight thousand of them, and what a fork of it costs.
#[test]
fn a_larger_process_is_explained_and_sleeps_on() {
    let script = "x=$(head -c 32000000 /dev/zero | tr '\\0' x); echo ready; read y";
    let mut command = Command::new("sh");
    let command = command.args(["-c", script]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut sleeper = Sleeper(command.spawn().unwrap());
    let mut ready = [0; 6];
    let out = sleeper.0.stdout.as_mut().unwrap();
    out.read_exact(&mut ready).unwrap();
    let state = || {
        let status = fs::read_to_string(format!("/proc/{}/status", sleeper.pid())).unwrap();
        let kept = ["State:", "VmPTE:", "Threads:", "TracerPid:"];
        let lines = status.lines();
        let lines = lines.filter(|line| kept.iter().any(|name| line.starts_with(name)));
        lines.collect::<Vec<_>>().join("\n")
    };
    // It is asleep only once it waits for its input.
    let begin = Instant::now();
    while !state().contains("State:\tS") {
        assert!(begin.elapsed() < Duration::from_secs(60), "{}", state());
        std::thread::sleep(Duration::from_millis(5));
    }
    let (before, maps) = (state(), sleeper.maps());
    let pid = sleeper.pid();
    let document = measured(&format!("explain --pid {pid} --time 2s --format json -q"));
    assert_eq!((state(), sleeper.maps()), (before, maps));
    is_sound(process(&document));
    let replica = replica(&document);
    let of = |unit| {
        replica
            .likeness
            .units
            .iter()
            .find(|u| u.unit == unit)
            .unwrap()
    };
    let pages = of(ShapeUnit::Ptes).process;
    assert!(pages > 7_500, "{pages}");
    for unit in [ShapeUnit::Vmas, ShapeUnit::Ptes] {
        let likeness = of(unit);
        let off = likeness.built.abs_diff(likeness.process);
        assert!(off <= 40 + likeness.process / 20, "{likeness:?}");
    }
    assert!(total(replica, SpawnMethod::Fork) > total(replica, SpawnMethod::Vfork));
}

#[test]
fn a_signal_ends_an_explanation_and_leaves_no_worker() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shape.json");
    fs::write(&file, good_shape().to_string()).unwrap();
    let mark = dir.path().display().to_string();
    let mut child = forktax(&format!(
        "explain --shape {} --time 600s -q",
        file.display()
    ))
    .args(["--env", &format!("MARK={mark}")])
    .stdout(Stdio::null())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    // The third worker at least, so that the run is under way.
    let begin = Instant::now();
    let mut seen: Vec<String> = Vec::new();
    while seen.len() < 3 {
        let new = worker_of(child.id()).filter(|worker| !seen.contains(worker));
        seen.extend(new);
        assert!(begin.elapsed() < Duration::from_secs(60), "{seen:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
    kill("INT", &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_no_process(&mark);
}

/// A shell that has forked itself three times, and waits in the last of the four, whose
/// number it says first.
fn forked_shell() -> (Sleeper, u32) {
    let mut command = Command::new("sh");
    // What follows a pair of brackets keeps the shell from going on in its own place.
    let script = "( ( ( read me rest </proc/self/stat; echo $me; read y; : ) ; : ) ; : ) ; :";
    let command = command.args(["-c", script]).stdin(Stdio::piped());
    let mut shell = Sleeper(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    let out = shell.0.stdout.as_mut().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    let last = line.trim().parse().unwrap();
    (shell, last)
}

#[test]
fn a_process_that_was_forked_is_rebuilt_with_its_ancestors() {
    let (shell, last) = forked_shell();
    let document = measured(&format!("explain --pid {last} --time 3s --format json -q"));
    is_sound(process(&document));
    let order = document.plan.order.replica().unwrap();
    assert_eq!(order.shape.generations(), 3);
    let reservations = &order.shape.process.reservations;
    assert!(!reservations.contains(&ShapeReservation::NeverExecuted));
    let heap = |shape: &ProcessShape| {
        let mut mappings = shape.mappings.iter();
        let heap = mappings.find(|mapping| mapping.content == MappingContent::Heap);
        heap.map(|heap| heap.generations)
    };
    assert_eq!(heap(&order.shape), Some(3));
    drop(shell);
}
