//! The binary on the real kernel of this machine. What is asserted holds on
//! any machine and under any load: orderings with wide margins, counts of the
//! census, exit statuses, and that nothing is left behind. Never a time.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "in a test an unwrap is an assertion, and one that skips says so"
)]

#[path = "live/around.rs"]
mod around;
#[path = "live/card.rs"]
mod card;
#[path = "live/compare.rs"]
mod compare;
#[path = "live/explain.rs"]
mod explain;
#[path = "live/exported.rs"]
mod exported;
#[path = "live/jobs.rs"]
mod jobs;
#[path = "live/likeness.rs"]
mod likeness;
#[path = "live/noise.rs"]
mod noise;
#[path = "live/parents.rs"]
mod parents;
#[path = "live/process.rs"]
mod process;
#[path = "live/replica.rs"]
mod replica;
#[path = "live/reproduce.rs"]
mod reproduce;
#[path = "live/served.rs"]
mod served;
#[path = "live/setups.rs"]
mod setups;
#[path = "live/shape.rs"]
mod shape;
#[path = "live/shown.rs"]
mod shown;
#[path = "live/surroundings.rs"]
mod surroundings;
#[path = "live/trace.rs"]
mod trace;
#[path = "live/variants.rs"]
mod variants;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use forktax::model::{Cell, CountSource, Document, Parent, SpawnMethod, Stopped, Temperature};

const FORKTAX: &str = env!("CARGO_BIN_EXE_forktax");

fn forktax(words: &str) -> Command {
    let mut command = Command::new(FORKTAX);
    command.args(words.split_whitespace());
    command
}

fn output(words: &str) -> Output {
    forktax(words).output().unwrap()
}

/// Runs a sweep that must succeed and gives its document.
fn sweep(words: &str) -> Document {
    let output = output(&format!("sweep --format json --seed 1 {words}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs what must fail with this status, and gives what it said.
fn failure(words: &str, status: i32) -> String {
    let output = output(words);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{words}: {said}");
    assert!(output.stdout.is_empty(), "{words}: stdout has something");
    said
}

fn cell(document: &Document, mappings: u64, method: SpawnMethod) -> &Cell {
    let mut cells = document.findings.cells().iter();
    cells
        .find(|c| c.space.mappings_requested == mappings && c.method == method)
        .unwrap()
}

fn total(cell: &Cell) -> f64 {
    cell.total_ns.measured().unwrap().median.value
}

#[test]
fn fork_grows_with_the_mappings_and_posix_spawn_does_not() {
    let document = sweep("--mappings 0,4k --spawns 25");
    let fork = [0, 4_000].map(|size| total(cell(&document, size, SpawnMethod::Fork)));
    let spawn = [0, 4_000].map(|size| total(cell(&document, size, SpawnMethod::PosixSpawn)));
    assert!(fork[1] > 5.0 * fork[0], "fork {fork:?}");
    assert!(spawn[1] < 3.0 * spawn[0], "posix_spawn {spawn:?}");
    let ratio = &cell(&document, 4_000, SpawnMethod::Fork).ratio;
    assert!(ratio.measured().unwrap().value > 5.0);
}

#[test]
fn every_method_is_a_row_that_works() {
    let document = sweep("--mappings 10 --spawns 10 --method all");
    assert_eq!(document.findings.cells().len(), SpawnMethod::ALL.len());
    for cell in document.findings.cells() {
        if cell.method.is_optional() && cell.total_ns.missing().is_some() {
            println!("{}: {:?}", cell.method.name(), cell.total_ns.missing());
            continue; // An older kernel or libc, or a filter.
        }
        assert_eq!(cell.spawns, 10, "{:?}", cell.method);
        assert!(total(cell) > 0.0);
        let has_call = cell.call_ns.measured().is_some();
        assert_eq!(has_call, cell.method != SpawnMethod::System);
    }
    // A shell costs more than the bare spawn that it starts with.
    let system = total(cell(&document, 10, SpawnMethod::System));
    assert!(system > 1.5 * total(cell(&document, 10, SpawnMethod::Vfork)));
}

#[test]
fn every_method_works_alone() {
    for method in SpawnMethod::ALL {
        let words = format!("--mappings 0 --spawns 3 --method {}", method.name());
        if method.is_optional() {
            let tried = output(&format!("sweep {words} --brief"));
            if tried.status.code() == Some(2) {
                let said = String::from_utf8_lossy(&tried.stderr);
                println!("skipped: {said}");
                assert!(said.contains("there is nothing to spawn by"), "{said}");
                continue;
            }
        }
        let document = sweep(&words);
        assert_eq!(document.findings.cells()[0].spawns, 3, "{method:?}");
    }
}

#[test]
fn who_waits_for_the_exec_stands_still_for_nearly_all_of_it() {
    let document = sweep("--method fork,fork+pipe --mappings 4k --spawns 40");
    let call = |method| {
        let cell = cell(&document, 4_000, method);
        cell.call_ns.measured().unwrap().median.value / total(cell)
    };
    let [fork, pipe] = [SpawnMethod::Fork, SpawnMethod::ForkPipe].map(call);
    println!("of the total: fork {fork:.2}, fork+pipe {pipe:.2}");
    assert!(pipe > 0.7 && fork < 0.8 * pipe, "{fork} {pipe}");
}

#[test]
fn a_helper_costs_an_exec_more_whatever_the_parent_has() {
    let document = sweep("--method posix_spawn,posix_spawn+helper --mappings 0,4k --spawns 40");
    let of = |size, method| cell(&document, size, method);
    let [plain, helped] = [SpawnMethod::PosixSpawn, SpawnMethod::PosixSpawnHelper];
    if of(0, helped).total_ns.missing().is_some() {
        println!("skipped: {:?}", of(0, helped).total_ns.missing());
        return;
    }
    let apart = |cell: &Cell| total(cell) - cell.call_ns.measured().unwrap().median.value;
    for size in [0, 4_000] {
        let (plain, helped) = (of(size, plain), of(size, helped));
        println!("{size}: {} and {} ns", total(plain), total(helped));
        assert!(total(helped) > 1.1 * total(plain));
        // The program's exec comes after the call.
        assert!(apart(helped) > 1.2 * apart(plain));
    }
    assert!(total(of(4_000, helped)) < 3.0 * total(of(0, helped)));
}

#[test]
fn a_helper_executes_programs_and_nothing_else() {
    let mut command = forktax("sweep --mappings 0 --spawns 3 --method posix_spawn+helper --brief");
    command.args(["--", "sh", "-c", "test \"$1$#\" = a2", "sh", "a", "b"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() || said.contains("memfd_noexec"),
        "{said}"
    );
    let said = failure("sweep --method posix_spawn+helper --child exit", 2);
    assert!(said.contains("always executes a program"), "{said}");
}

#[test]
fn an_exit_is_cheaper_than_an_exec() {
    let exit = sweep("--mappings 0 --spawns 50 --child exit --method all");
    let methods: Vec<SpawnMethod> = exit.findings.cells().iter().map(|c| c.method).collect();
    assert_eq!(
        methods,
        [
            SpawnMethod::Fork,
            SpawnMethod::Vfork,
            SpawnMethod::VforkLibc,
            SpawnMethod::Clone3Vfork,
            SpawnMethod::Clone3IntoCgroup,
            SpawnMethod::ForkServer
        ]
    );
    let exec = sweep("--mappings 0 --spawns 50 --method vfork");
    // These are two runs, and between two runs on a loaded machine only the
    // best of each can be compared.
    let best = |d: &Document| {
        cell(d, 0, SpawnMethod::Vfork)
            .total_ns
            .measured()
            .unwrap()
            .min
    };
    let [exit, exec] = [&exit, &exec].map(best);
    assert!(exit < exec, "{exit} {exec}");
}

#[test]
fn the_census_is_what_was_ordered() {
    let document = sweep("--mappings 0,500 --pages 3 --spawns 5 --method fork");
    let [small, large] =
        [0, 500].map(|size| cell(&document, size, SpawnMethod::Fork).space.clone());
    assert_eq!(large.parent.mappings.vmas - large.before.mappings.vmas, 500);
    // A page or two are of neither kind, or change it.
    let pages = own_pages(&large.parent) - own_pages(&large.before);
    assert!((1_490..1_600).contains(&pages), "{pages}");
    let anonymous = large.parent.mappings.anon_vmas - small.parent.mappings.anon_vmas;
    assert!((490..=510).contains(&anonymous), "{anonymous}");
}

/// Present pages but for those of files: code that runs for the first time is mapped
/// by the dozen, as the page cache has it.
fn own_pages(parent: &Parent) -> u64 {
    parent.mappings.present_ptes - parent.file_ptes
}

#[test]
fn neighbours_that_touch_are_mappings_of_their_own() {
    let document = sweep("--mappings 501 --pages 2 --neighbours shared --spawns 5 --method fork");
    let space = &cell(&document, 501, SpawnMethod::Fork).space;
    assert_eq!(space.parent.mappings.vmas - space.before.mappings.vmas, 501);
    let pages = own_pages(&space.parent) - own_pages(&space.before);
    assert!((995..1_100).contains(&pages), "{pages}");
}

#[test]
fn untouched_mappings_have_no_pages() {
    let document = sweep("--mappings 500 --pages 0 --spawns 5 --method fork");
    let space = &cell(&document, 500, SpawnMethod::Fork).space;
    assert_eq!(space.parent.mappings.vmas - space.before.mappings.vmas, 500);
    assert!(own_pages(&space.parent).abs_diff(own_pages(&space.before)) < 64);
    assert!(space.parent.mappings.anon_vmas < 100);
}

#[test]
fn a_spacing_of_512_gives_each_page_a_table() {
    let page_size = 4096;
    let document = sweep("--mappings 0,300 --spacing 512 --spawns 5 --method fork");
    let [small, large] = [0, 300].map(|size| {
        cell(&document, size, SpawnMethod::Fork)
            .space
            .parent
            .page_table_bytes
    });
    let tables = (large - small) / page_size;
    assert!((290..340).contains(&tables), "{tables}");
}

#[test]
fn shared_pages_are_not_copied() {
    let words = "--mappings 20 --pages 3000 --spawns 10 --method fork";
    let private = sweep(words);
    let shared = sweep(&format!("{words} --backing shared"));
    let [private, shared] = [&private, &shared].map(|d| cell(d, 20, SpawnMethod::Fork));
    assert!(shared.space.parent.mappings.present_ptes > 60_000);
    assert!(
        total(private) > 2.0 * total(shared),
        "{} {}",
        total(private),
        total(shared)
    );
}

#[test]
fn a_private_file_mapping_that_is_written_to_is_copied() {
    let document = sweep("--mappings 0,20 --pages 3000 --backing file --spawns 10 --method fork");
    let [small, large] = [0, 20].map(|size| cell(&document, size, SpawnMethod::Fork));
    assert!(large.space.parent.mappings.anon_vmas >= small.space.parent.mappings.anon_vmas + 20);
    assert!(total(large) > 2.0 * total(small));
}

#[test]
fn malloc_adds_pages_and_tables_but_no_mappings() {
    let document = sweep("--malloc 1000x100000 --spawns 10 --method fork");
    let [small, large] = [0, 1].map(|index| document.findings.cells()[index].space.clone());
    assert!(
        large.parent.mappings.vmas <= small.parent.mappings.vmas + 2,
        "{} {}",
        small.parent.mappings.vmas,
        large.parent.mappings.vmas
    );
    // A page for each block, less what the kernel maps of files around a fault or not.
    assert!(large.parent.mappings.present_ptes >= small.parent.mappings.present_ptes + 500);
    assert!(large.parent.page_table_bytes >= small.parent.page_table_bytes + 40 * 4096);
}

#[test]
fn huge_pages_are_asked_for_where_the_kernel_has_them() {
    let document = sweep("--mappings 16 --huge --spawns 5 --method fork");
    let space = &cell(&document, 16, SpawnMethod::Fork).space;
    let thp = document.host.thp.measured().map(String::as_str);
    if matches!(thp, Some("always" | "madvise")) {
        assert!(space.parent.huge_bytes > 0);
        assert!(space.parent.huge_bytes <= 16 * (2 << 20));
    }
}

#[test]
fn counters_tell_parent_and_child_apart_whoever_counts() {
    let document = sweep("--mappings 0 --spawns 20 --method fork,posix_spawn");
    let faults = &cell(&document, 0, SpawnMethod::Fork).minor_faults;
    assert!(matches!(
        faults.source,
        CountSource::Perf | CountSource::Rusage
    ));
    let child = faults.child.measured().unwrap().value;
    let parent = faults.parent.measured().unwrap().value;
    // A forked child has its stack and its data copied before it execs.
    assert!((2.0..200.0).contains(&child), "{child}");
    assert!((0.0..100.0).contains(&parent), "{parent}");
}

#[test]
fn a_cold_spawn_waits_and_is_not_much_cheaper_than_a_hot_one() {
    let hot = sweep("--mappings 300 --spawns 10 --method fork");
    let cold = sweep("--mappings 300 --spawns 10 --method fork --cold");
    let Temperature::Cold { idle_us, .. } = cold.plan.temperature else {
        panic!("{:?}", cold.plan.temperature)
    };
    let [hot_cell, cold_cell] = [&hot, &cold].map(|d| cell(d, 300, SpawnMethod::Fork));
    let idle_s = idle_us as f64 / 1e6 * cold_cell.spawns as f64;
    assert!(cold.run.duration_s > idle_s, "{}", cold.run.duration_s);
    // Two runs are compared by the best of each, and with a margin: where others
    // empty the caches, a hot spawn is not hot, and the two cost the same.
    let best = [hot_cell, cold_cell].map(|c| c.total_ns.measured().unwrap().min);
    assert!(best[1] > 0.6 * best[0], "{best:?}");
    // The eviction buffer is not part of the address space that is measured.
    assert!(
        cold_cell.space.parent.mappings.present_ptes
            < hot_cell.space.parent.mappings.present_ptes + 200
    );
}

#[test]
fn a_free_worker_works_too() {
    let document = sweep("--mappings 0 --spawns 10 --cpu any");
    assert!(total(cell(&document, 0, SpawnMethod::Fork)) > 0.0);
}

#[test]
fn a_program_of_the_user_s_is_spawned_with_its_arguments() {
    let document = sweep("--mappings 0 --spawns 5 -- sh -c true");
    assert!(total(cell(&document, 0, SpawnMethod::Fork)) > 0.0);
    let failed = forktax("sweep --mappings 0 --spawns 5 -- sh -c")
        .arg("exit 7")
        .output()
        .unwrap();
    assert_eq!(failed.status.code(), Some(3));
    let said = String::from_utf8_lossy(&failed.stderr);
    assert!(said.contains("status 7"), "{said}");
}

#[test]
fn programs_that_cannot_be_measured_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode: u32| -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let cases = [
        (dir.path().join("nowhere"), "not found"),
        (write("plain", "#!/bin/sh\n", 0o644), "not executable"),
        (write("noformat", "\u{1}\u{2}", 0o755), "format"),
        (
            write("orphan", "#!/no/such/interpreter\n", 0o755),
            "interpreter",
        ),
        (
            write("crash", "#!/bin/sh\nkill -SEGV $$\n", 0o755),
            "SIGSEGV (11)",
        ),
        (
            write("fails", "#!/bin/sh\necho oh dear >&2; exit 3\n", 0o755),
            "status 3",
        ),
        (
            write("hangs", "#!/bin/sh\nsleep 1000\n", 0o755),
            "still running",
        ),
        (
            write("daemon", "#!/bin/sh\nsetsid sleep 1000 &\nexit 4\n", 0o755),
            "status 4",
        ),
        (
            write(
                "chatty",
                "#!/bin/sh\nyes >&2 & sleep .2; kill $!; exit 5\n",
                0o755,
            ),
            "status 5",
        ),
    ];
    for (path, named) in cases {
        let words = format!("sweep --timeout 700ms --spawns 5 -- {}", path.display());
        let said = failure(&words, 3);
        assert!(said.contains(named), "{path:?}: {said}");
        assert!(said.contains(path.to_str().unwrap()), "{path:?}: {said}");
    }
    let said = failure(
        &format!("sweep --spawns 5 -- {}/fails", dir.path().display()),
        3,
    );
    assert!(said.contains("oh dear"), "{said}");
    assert_no_process(&dir.path().display().to_string());
}

#[test]
fn a_program_that_hangs_later_is_ended_too() {
    // It succeeds when it is tried and hangs once a file is there.
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("later");
    let flag = dir.path().join("flag");
    let text = format!(
        "#!/bin/sh\n[ -e {0} ] && exec sleep 1000\n: > {0}\n",
        flag.display()
    );
    fs::write(&script, text).unwrap();
    let output = forktax("sweep --timeout 700ms --spawns 5 --mappings 0 --")
        .args(["sh", script.to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("ended within"), "{said}");
    assert_no_process(&dir.path().display().to_string());
}

#[test]
fn bad_arguments_and_limits_have_a_status_of_their_own() {
    for (words, named) in [
        ("sweep --method spoon", "spoon"),
        ("sweep --mappings ten", "ten"),
        ("sweep --cpu 100000", "100000"),
        ("sweep --mappings 100M", "vm.max_map_count"),
        ("sweep --mappings 10 --pages 100M", "MemAvailable"),
        ("sweep --malloc 10x100 --backing shared", "--malloc"),
        ("frobnicate", "frobnicate"),
        ("sweep --method froK", "a similar value exists: 'fork'"),
        ("reproduce hotos", "'hotos-2019'"),
        ("sweep --threads 1M", "1,000,000 threads"),
        ("sweep --mappings -5", "\"-5\" is negative"),
        ("card --time -1s", "\"-1s\" is negative"),
        ("--seed -3", "\"-3\" is negative"),
        ("--fds 3 --pid 1", "--pid"),
        ("sweep --vs '--pages=-1'", "\"-1\" is negative"),
        ("sweep --export -", "--format json"),
    ] {
        let said = failure(words, 2);
        assert!(said.contains(named), "{words}: {said}");
        assert!(said.starts_with("forktax: "), "{words}: {said}");
    }
}

#[test]
fn options_alone_are_those_of_a_sweep() {
    let document = output("--spawns 3 --mappings 7 --format json");
    let document: Document = serde_json::from_slice(&document.stdout).unwrap();
    assert_eq!(cell(&document, 7, SpawnMethod::Fork).spawns, 3);
}

#[test]
fn a_result_is_shown_again_by_the_same_road() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let (json, csv) = (file("a.json"), file("a.csv"));
    let words = format!("sweep --mappings 0,50 --spawns 10 --export {json} --export {csv}");
    let live = output(&words);
    assert!(live.status.success());
    let shown = output(&format!("show {json}"));
    assert_eq!(
        String::from_utf8(live.stdout),
        String::from_utf8(shown.stdout)
    );
    let shown = output(&format!("show {json} --format csv"));
    assert_eq!(fs::read(csv).unwrap(), shown.stdout);
    let again = output(&format!("show {json} --format json"));
    assert_eq!(fs::read(json).unwrap(), again.stdout);
}

#[test]
fn files_that_cannot_be_read_or_written_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken.json");
    fs::write(&broken, "{\"schema_version\": 1,").unwrap();
    failure(&format!("show {}", broken.display()), 4);
    failure("show /no/such/file.json", 4);
    let begin = Instant::now();
    let said = failure("sweep --export /no/such/place.json", 4);
    assert!(said.contains("/no/such/place.json"), "{said}");
    let said = failure("sweep --export table.xlsx", 2);
    assert!(
        said.contains("table.xlsx") && said.contains(".csv"),
        "{said}"
    );
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "it measured before it looked"
    );
    assert!(!Path::new("table.xlsx").exists());
}

#[test]
fn a_failed_run_leaves_old_results_and_no_new_files() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("old.json"), dir.path().join("new.csv"));
    fs::write(&old, "precious").unwrap();
    let (old_name, new_name) = (old.display(), new.display());
    let words = format!("sweep --export {old_name} --export {new_name} -- /no/such/program");
    failure(&words, 3);
    assert_eq!(fs::read_to_string(&old).unwrap(), "precious");
    assert!(!new.exists());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = forktax("sweep --mappings 0 --spawns 10 --format json")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_signal_ends_all_and_exports_what_there_is() {
    for (signal, status) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let dir = tempfile::tempdir().unwrap();
        let export = dir.path().join("partial.json");
        let mut child = begin_endless(dir.path(), &export);
        await_spawns(dir.path(), FOUR_WORKERS);
        kill(signal, &child);
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), Some(status), "SIG{signal}");
        assert_no_process(&dir.path().display().to_string());
        let text = fs::read(&export).unwrap();
        let document: Document = serde_json::from_slice(&text).unwrap();
        assert_eq!(document.run.stopped, Stopped::Interrupted);
        assert!(document.findings.cells()[0].spawns > 0);
    }
}

#[test]
fn a_killed_worker_is_reported_and_what_was_measured_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let export = dir.path().join("partial.json");
    let mut child = begin_endless(dir.path(), &export);
    await_spawns(dir.path(), FOUR_WORKERS);
    let killed = (0..1_000).any(|_| {
        let worker = worker_of(child.id());
        worker.is_some_and(|pid| {
            let mut command = Command::new("kill");
            command.args(["-KILL", &pid]).status().unwrap().success()
        })
    });
    assert!(killed, "no worker was found");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let document: Document = serde_json::from_slice(&fs::read(&export).unwrap()).unwrap();
    assert!(matches!(&document.run.stopped, Stopped::Failed(why) if why.contains("SIGKILL")));
    assert_no_process(&dir.path().display().to_string());
}

/// Whichever of the tool's processes is killed, the others end what is below them; and
/// the supervisor does where all of the user's group are.
#[test]
fn nothing_outlives_a_tool_that_is_killed() {
    for victim in [Some(0), Some(1), Some(2), Some(3), None] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = begin_hanging(dir.path());
        await_spawns(dir.path(), 2);
        let pid = match victim {
            Some(steps) => below(child.id(), steps).unwrap(),
            None => format!("-{}", child.id()),
        };
        kill_by("KILL", &pid);
        assert!(!child.wait().unwrap().success(), "{victim:?}");
        assert_no_process(&dir.path().display().to_string());
    }
}

/// A shell's background job that leaves a daemon behind, after the shell has become the
/// tool: that adopts nobody who is not below it.
#[test]
fn another_s_orphan_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = dir.path().join("daemon");
    let mark = dir.path().display();
    let script = format!(
        "(sleep .3; MARK={mark} sleep 600 > /dev/null 2>&1 & echo $! > {}) & exec {FORKTAX} sweep -q --mappings 0 \
         --spawns 2000 --format json",
        daemon.display()
    );
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", &script]).output().unwrap();
    let pid = fs::read_to_string(&daemon).unwrap();
    let lives = Path::new("/proc").join(pid.trim()).exists();
    kill_by("KILL", pid.trim());
    assert!(output.status.success() && lives, "{output:?}");
}

/// Spawns after which at least four workers are through, and one of any four
/// in a row is for timing.
const FOUR_WORKERS: u64 = 900;

/// Starts a run that would go on for an hour, with a program whose path is in
/// `dir` and which leaves a trace of each spawn there.
fn begin_endless(dir: &Path, export: &Path) -> Child {
    begin_endless_by("vfork", dir, export)
}

/// The same by this method.
fn begin_endless_by(method: &str, dir: &Path, export: &Path) -> Child {
    let trace = dir.join("trace");
    let text = format!("echo >> {}", trace.display());
    forktax("sweep -q --mappings 0 --spawns 1M --export")
        .arg(export)
        .args(["--method", method])
        .args([
            "--env",
            &format!("MARK={}", dir.display()),
            "--",
            "sh",
            "-c",
            &text,
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The same with a program that works when it is tried, and hangs from then on; in a
/// group of its own.
fn begin_hanging(dir: &Path) -> Child {
    let trace = dir.join("trace").display().to_string();
    let text = format!("test -e {trace} && echo >> {trace} && sleep 600; echo >> {trace}");
    let mut command = forktax("sweep -q --mappings 0 --spawns 1M --method vfork");
    let command = command.args(["--env", &format!("MARK={}", dir.display())]);
    let command = command.args(["--", "sh", "-c", &text]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.process_group(0).spawn().unwrap()
}

/// Waits until the program ran so often: several workers are through then.
fn await_spawns(dir: &Path, spawns: u64) {
    let begin = Instant::now();
    while fs::metadata(dir.join("trace")).map_or(0, |trace| trace.len()) < spawns {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "nothing was spawned"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill(signal: &str, child: &Child) {
    kill_by(signal, &child.id().to_string());
}

/// A process, or a group if it has a minus before it.
fn kill_by(signal: &str, pid: &str) {
    let status = Command::new("kill")
        .args([&format!("-{signal}"), "--", pid])
        .status();
    assert!(status.unwrap().success());
}

/// The process below the tool that is this many steps away: its supervisor, the run
/// itself, the newest of its workers.
fn below(tool: u32, steps: u32) -> Option<String> {
    (0..steps).try_fold(tool.to_string(), |pid, _| children_of(&pid).pop())
}

/// The worker that is measured: the first is the reference, which stays.
fn worker_of(tool: u32) -> Option<String> {
    let mut workers = children_of(&below(tool, 2)?);
    (workers.len() > 1).then(|| workers.pop())?
}

fn children_of(pid: &str) -> Vec<String> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    children.split_whitespace().map(str::to_owned).collect()
}

/// Asserts that no process has `mark` in its arguments or environment, except
/// for those of this test itself.
fn assert_no_process(mark: &str) {
    let begin = Instant::now();
    loop {
        let left: Vec<String> = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            .filter(|pid| *pid != std::process::id().to_string())
            .filter(|pid| {
                ["cmdline", "environ"].iter().any(|file| {
                    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                    String::from_utf8_lossy(&bytes).contains(mark)
                })
            })
            .collect();
        if left.is_empty() {
            return;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "left behind: {left:?}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
