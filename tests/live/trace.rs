//! Programs that are watched: every spawn is counted, none is made up, and nobody is harmed.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use forktax::model::{
    Document, Ending, Findings, RemedyKind, ShapeReservation, SpawnMethod, SpawnPath, Trace,
};
use forktax::sys::process::kill;

use super::{FORKTAX, assert_no_process, forktax};

#[path = "trace/points.rs"]
mod points;

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What watches a command by ptrace, its options before it.
fn tracing(options: &str, command: &[&str]) -> Command {
    let mut tracing = forktax(&format!("trace -q --by ptrace {options} --"));
    tracing.args(command);
    tracing
}

fn watched(options: &str, command: &[&str]) -> (Output, Document) {
    watched_by(&tracing, options, command)
}

/// What a watching of a command puts out, and its document.
fn watched_by(
    tracing: &dyn Fn(&str, &[&str]) -> Command,
    options: &str,
    command: &[&str],
) -> (Output, Document) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trace.json");
    let export = format!("{options} --export json={}", file.display());
    let output = tracing(&export, command).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let document = fs::read(&file).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output, serde_json::from_slice(&document).unwrap())
}

fn trace(document: &Document) -> &Trace {
    document.findings.trace().unwrap()
}

fn spawns(trace: &Trace, which: impl Fn(&SpawnPath) -> bool) -> u64 {
    let paths = trace.paths.iter().filter(|path| which(path));
    paths.map(|path| path.spawns).sum()
}

/// How often programs of this name were executed.
fn executed(trace: &Trace, name: &str) -> u64 {
    let rows = trace.executed.iter();
    let rows = rows.filter(|row| trace.programs[row.program].name == name);
    rows.map(|row| row.times).sum()
}

/// From where a way comes, in short.
fn names(trace: &Trace, path: &SpawnPath) -> (String, String) {
    let caller = &trace.callers[path.caller.unwrap()];
    let name = |place: &Option<forktax::model::CodePlace>| {
        let function = place.as_ref().and_then(|place| place.function.clone());
        function.unwrap_or_default()
    };
    (name(&caller.library), name(&caller.own))
}

fn has(program: &str) -> bool {
    let tried = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let found = tried.is_ok_and(|status| status.success());
    if !found {
        println!("skipped: there is no {program}");
    }
    found
}

#[test]
fn every_spawn_of_a_script_is_counted_and_its_output_and_status_are_its_own() {
    const LOOP: &str =
        "echo out; n=0; while [ $n -lt 100 ]; do /bin/true; n=$((n+1)); done; exit 7";
    for options in ["", "--call-times"] {
        let (output, document) = watched(options, &["/bin/sh", "-c", LOOP]);
        assert_eq!(output.stdout, b"out\n");
        assert_eq!(output.status.code(), Some(7));
        let trace = trace(&document);
        assert_eq!(spawns(trace, |_| true), 100);
        assert_eq!(executed(trace, "true"), 100);
        assert_eq!(trace.spawns.len(), 100);
        assert_eq!(
            (trace.processes, trace.left_running, trace.incomplete),
            (101, 0, 0)
        );
        assert_eq!(trace.ended.measured(), Some(&Ending::Exit(7)));
        for spawn in &trace.spawns {
            assert_eq!(spawn.ending, Some(Ending::Exit(0)));
            assert!(spawn.to_exec_ns < spawn.life_ns, "{spawn:?}");
            assert_eq!(spawn.call_ns.is_some(), !options.is_empty());
        }
    }
}

#[test]
fn a_command_s_signal_is_told_as_a_shell_does() {
    let (output, document) = watched("", &["/bin/sh", "-c", "kill -USR1 $$"]);
    assert_eq!(output.status.code(), Some(128 + libc::SIGUSR1));
    let ended = trace(&document).ended.measured();
    assert_eq!(ended, Some(&Ending::Signal(libc::SIGUSR1)));
}

#[test]
fn python_s_silent_way_back_to_fork_is_caught() {
    const SCRIPT: &str = "import subprocess\n\
        for _ in range(5): subprocess.run(['/bin/true'])\n\
        for _ in range(3): subprocess.run(['/bin/true'], preexec_fn=lambda: None)\n";
    if !has("python3") {
        return;
    }
    let python = |options: &str, script: &str| watched(options, &["python3", "-c", script]);
    let (output, document) = python("", SCRIPT);
    assert!(output.status.success());
    let trace = trace(&document);
    let is_python = |path: &SpawnPath| trace.programs[path.program].name.starts_with("python3");
    assert_eq!(spawns(trace, is_python), 8);
    assert_eq!(
        spawns(trace, |path| is_python(path) && path.copies) % 5,
        3,
        "or all, by an old one"
    );
    let (output, document) = python("--fail-on copies", SCRIPT);
    assert_eq!(output.status.code(), Some(1));
    let offences = &document.findings.trace().unwrap().offences;
    assert!(!offences.is_empty());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--fail-on 'copies': python3"), "{said}");
    let (output, document) = python("--format csv --fail-on copies", SCRIPT);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    let lines = said
        .lines()
        .filter(|line| line.starts_with("forktax: --fail-on"));
    assert_eq!(
        lines.count(),
        document.findings.trace().unwrap().offences.len()
    );
}

/// Spawns from functions of known names.
const TRUTH: &str = r#"
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
static char *words[] = {"true", 0};
static void reap(pid_t pid) { waitpid(pid, 0, __WALL); }
__attribute__((noinline)) void by_fork(void) {
  pid_t pid = fork();
  if (!pid) { execv("/bin/true", words); _exit(9); }
  reap(pid);
}
__attribute__((noinline)) void by_vfork(void) {
  pid_t pid = vfork();
  if (!pid) { execv("/bin/true", words); _exit(9); }
  reap(pid);
}
__attribute__((noinline)) void by_posix_spawn(void) {
  pid_t pid;
  if (posix_spawn(&pid, "/bin/true", 0, 0, words, environ)) exit(8);
  reap(pid);
}
__attribute__((noinline)) void by_system(void) { if (system("exec /bin/true")) exit(7); }
__attribute__((noinline)) void by_popen(void) { FILE *f = popen("exec /bin/true", "r"); if (!f) exit(6); pclose(f); }
static int leave(void *nothing) { (void)nothing; _exit(0); }
static char stack[65536];
__attribute__((noinline)) void by_clone(void) { reap(clone(leave, stack + 60000, SIGCHLD, 0)); }
int main(int count, char **names) {
  (void)count;
  int times = atoi(names[1]);
  for (int i = 0; i < times; i++) {
    by_fork(); by_vfork(); by_posix_spawn(); by_system(); by_popen(); by_clone();
  }
  return 0;
}
"#;

/// Compiles it, or says why not.
fn truth(directory: &Path, options: &[&str]) -> Option<String> {
    compiled(directory, TRUTH, options)
}

fn compiled(directory: &Path, source: &str, options: &[&str]) -> Option<String> {
    let [file, program] = ["truth.c", "truth"].map(|name| directory.join(name));
    fs::write(&file, source).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-w", "-o"])
        .args([&program, &file])
        .args(options);
    let compiled = cc.stderr(Stdio::null()).status();
    if !compiled.is_ok_and(|status| status.success()) {
        println!("skipped: cc {options:?} is not to be had");
        return None;
    }
    Some(program.to_str().unwrap().to_owned())
}

#[test]
fn every_way_of_a_c_program_is_told_with_its_caller() {
    const TIMES: u64 = 50;
    let dir = tempfile::tempdir().unwrap();
    for options in [
        &[][..],
        &["-no-pie"],
        &["-fno-omit-frame-pointer"],
        &["-static"],
        &["-static-pie"],
    ] {
        let Some(program) = truth(dir.path(), options) else {
            continue;
        };
        let (output, document) = watched("", &[&program, &TIMES.to_string()]);
        assert!(output.status.success(), "{options:?}: {output:?}");
        assert_truth(trace(&document), TIMES, options);
    }
}

/// Whether all that the program did so often was told, and nothing else.
fn assert_truth(trace: &Trace, times: u64, options: &[&str]) {
    let own = |path: &SpawnPath| trace.programs[path.program].name == "truth";
    assert_eq!(spawns(trace, own), 6 * times, "{options:?}");
    for (function, copies) in [
        ("by_fork", Some(true)),
        ("by_vfork", Some(false)),
        ("by_posix_spawn", Some(false)),
        // By posix_spawn or fork, as libc is.
        ("by_system", None),
        ("by_popen", None),
        ("by_clone", Some(true)),
    ] {
        let is_its = |path: &SpawnPath| own(path) && names(trace, path).1 == function;
        let callers: Vec<_> = trace
            .paths
            .iter()
            .filter(|it| own(it))
            .map(|it| names(trace, it))
            .collect();
        assert_eq!(
            spawns(trace, is_its),
            times,
            "{options:?} {function}: {callers:?}"
        );
        let path = trace.paths.iter().find(|path| is_its(path)).unwrap();
        assert!(
            copies.is_none_or(|copies| path.copies == copies),
            "{function}"
        );
        let executes = if function == "by_clone" { 0 } else { times };
        assert_eq!(path.executed, executes, "{function}");
    }
}

#[test]
fn executions_that_fail_are_seen_where_calls_are_timed() {
    let (output, document) = watched(
        "--fail-on exec-failed",
        &["env", "PATH=/usr/bin:/bin", "no-such-program-here"],
    );
    assert_eq!(output.status.code(), Some(1));
    let failed = trace(&document).failed_execs.measured().unwrap();
    assert!(!failed.is_empty());
    for failed in failed {
        assert_eq!(failed.errno, libc::ENOENT);
        assert!(failed.path.ends_with("no-such-program-here"), "{failed:?}");
    }
    let (output, document) = watched("", &["env", "PATH=/usr/bin:/bin", "no-such-program-here"]);
    assert_eq!(output.status.code(), Some(127));
    assert!(trace(&document).failed_execs.missing().is_some());
}

/// A shell that spawns for ever, and is ended when this goes.
struct Loop(Child);

impl Loop {
    fn start() -> Self {
        let script = "while :; do /bin/true; done";
        let child = Command::new("/bin/sh")
            .args(["-c", script])
            .spawn()
            .unwrap();
        Self(child)
    }

    fn status(&self) -> String {
        fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_runs_already_is_watched_for_a_time_and_goes_on_unharmed() {
    let looping = Loop::start();
    let words = "trace -q --by ptrace --format json --time 1s --pid";
    let words = format!("{words} {}", looping.0.id());
    let output = forktax(&words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let document: Document = serde_json::from_slice(&output.stdout).unwrap();
    let trace = trace(&document);
    assert!(spawns(trace, |_| true) > 10, "{:?}", trace.paths);
    // One may be between its creation and its exec at either end.
    let children: u64 = trace.paths.iter().map(|path| path.executed).sum();
    assert!(
        executed(trace, "true").abs_diff(children) <= 1,
        "{:?}",
        trace.executed
    );
    assert!(trace.left_running >= 1);
    let status = looping.status();
    assert!(status.contains("TracerPid:\t0"), "{status}");
}

fn await_that(mut holds: impl FnMut() -> bool, what: &str) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn who_is_watched_goes_on_when_the_watcher_is_killed() {
    goes_on_unwatched(tracing);
}

/// A command, whose watcher is killed, ends by itself.
fn goes_on_unwatched(tracing: impl Fn(&str, &[&str]) -> Command) {
    let dir = tempfile::tempdir().unwrap();
    let [begun, done] = ["begun", "done"].map(|name| dir.path().join(name));
    let script = format!(
        "echo >{}; n=0; while [ $n -lt 100 ]; do /bin/true; n=$((n+1)); done; sleep 1; echo >{}",
        begun.display(),
        done.display()
    );
    let mut watcher = tracing("", &["/bin/sh", "-c", &script]).spawn().unwrap();
    await_that(|| begun.exists(), "the command begins");
    watcher.kill().unwrap();
    watcher.wait().unwrap();
    await_that(|| done.exists(), "the command ends by itself");
}

#[test]
fn the_second_of_a_terminal_s_signals_ends_the_watching_with_what_was_seen() {
    let dir = tempfile::tempdir().unwrap();
    let [begun, done] = ["begun", "done"].map(|name| dir.path().join(name));
    let script = format!(
        "trap '' INT; /bin/true; echo >{}; n=0; while [ $n -lt 40 ]; do sleep 0.1; n=$((n+1)); done; \
         echo >{}",
        begun.display(),
        done.display()
    );
    let watcher = tracing("--format json", &["/bin/sh", "-c", &script])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = watcher.id().cast_signed();
    await_that(|| begun.exists(), "the command begins");
    kill(pid, libc::SIGINT).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    kill(pid, libc::SIGINT).unwrap();
    let output = watcher.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("\"findings\""), "{said}");
    await_that(|| done.exists(), "the command goes on");
}

#[test]
fn a_signal_that_ends_goes_to_the_command_where_nobody_may_be_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let begun = dir.path().join("begun");
    let script = format!("/bin/true; echo >{}; exec sleep 100", begun.display());
    let watcher = tracing("--call-times --format json", &["/bin/sh", "-c", &script])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    await_that(|| begun.exists(), "the command begins");
    kill(watcher.id().cast_signed(), libc::SIGTERM).unwrap();
    let output = watcher.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(128 + libc::SIGTERM));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("\"failed_execs\""), "{said}");
}

#[test]
fn what_was_found_is_the_status_also_where_a_signal_ended_the_watching() {
    let looping = Loop::start();
    let words = format!(
        "trace -q --format json --fail-on count>0 --time 60s --pid {}",
        looping.0.id()
    );
    let watcher = forktax(&words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    kill(watcher.id().cast_signed(), libc::SIGINT).unwrap();
    let output = watcher.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--fail-on 'count>0': there were"), "{said}");
}

#[test]
fn a_timeline_has_slices_that_nest() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.trace.json");
    let options = format!("--call-times --export {}", file.display());
    let script = ["/bin/sh", "-c", "/bin/true; (/bin/true); exit 0"];
    let output = tracing(&options, &script).output().unwrap();
    assert!(output.status.success());
    let text = fs::read_to_string(&file).unwrap();
    let events: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut open: std::collections::BTreeMap<u64, Vec<String>> = Default::default();
    let mut slices = 0;
    for event in events["traceEvents"].as_array().unwrap() {
        let (pid, name) = (
            event["pid"].as_u64().unwrap(),
            event["name"].as_str().unwrap(),
        );
        match event["ph"].as_str().unwrap() {
            "B" => open.entry(pid).or_default().push(name.to_owned()),
            "E" => {
                let begun = open.get_mut(&pid).and_then(Vec::pop);
                assert_eq!(begun.as_deref(), Some(name));
                slices += 1;
            }
            "X" | "M" | "i" => {}
            other => panic!("{other}"),
        }
    }
    assert!(slices >= 2, "{text}");
    assert!(open.values().all(Vec::is_empty), "{open:?}");
}

#[test]
fn what_cannot_be_watched_is_refused_with_the_remedy() {
    for (words, status, said) in [
        ("trace", 2, "--pid"),
        ("trace --pid 4194304", 2, "does not exist"),
        ("trace --time 0 -- true", 2, "--time 0"),
        ("trace --fail-on forks -- true", 2, "exec-failed"),
        ("trace --by ptrace --fail-on call>1ms --pid 1", 2, "--pid 1"),
        (
            "trace --by ptrace --fail-on call>1ms --time 1s -- true",
            2,
            "--time",
        ),
        ("trace --by ptrace --all", 2, "--by tracepoints"),
        ("trace --all -- true", 2, "--all"),
        ("trace -- no-such-program-here", 3, "not found"),
        ("trace --call-times --time 1s -- true", 2, "--time"),
    ] {
        let output = Command::new(FORKTAX)
            .args(words.split(' '))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{words}: {told}");
        assert!(told.contains(said), "{words}: {told}");
    }
    assert_no_process("no-such-program-here");
}

/// Touches so many pages, then spawns so often: by a copy whose child executes a program (1), by
/// one that works as a copy (2), or without a copy (0).
const LARGE: &str = r#"
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
static char *words[] = {"true", 0};
int main(int count, char **given) {
  (void)count;
  long pages = atol(given[1]), times = atol(given[2]), how = atol(given[3]);
  char *memory = mmap(0, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 9;
  madvise(memory, pages * 4096, MADV_NOHUGEPAGE);
  for (long i = 0; i < pages; i++) memory[i * 4096] = 1;
  for (long i = 0; i < times; i++) {
    pid_t pid;
    if (how == 0) {
      if (posix_spawn(&pid, "/bin/true", 0, 0, words, environ)) return 8;
    } else if (!(pid = fork())) {
      if (how == 2) _exit(0);
      execv("/bin/true", words);
      _exit(7);
    }
    waitpid(pid, 0, 0);
  }
  return 0;
}
"#;

const LARGE_PAGES: u64 = 60_000;
const LARGE_SPAWNS: u64 = 200;

/// A run of the large program with what a cache of its own has in store.
fn large(options: &str, program: &str, how: &str, cache: &Path) -> Document {
    let words = [LARGE_PAGES.to_string(), LARGE_SPAWNS.to_string()];
    let file = cache.join("trace.json");
    let options = format!("{options} --export json={}", file.display());
    let output = tracing(&options, &[program, &words[0], &words[1], how])
        .env("XDG_CACHE_HOME", cache)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&fs::read(&file).unwrap()).unwrap()
}

#[test]
fn what_copies_of_a_large_process_cost_and_another_way_would_save_is_told() {
    let cache = tempfile::tempdir().unwrap();
    let Some(program) = compiled(cache.path(), LARGE, &[]) else {
        return;
    };
    let unpriced = large("", &program, "1", cache.path());
    let why = trace(&unpriced).savings[0].by_card.missing().unwrap();
    assert!(why.reason.contains("no card is stored"), "{why:?}");
    let card = forktax("card --quick --time 15s -q")
        .env("XDG_CACHE_HOME", cache.path())
        .stdout(Stdio::null())
        .status();
    assert!(card.unwrap().success());

    for options in ["", "--call-times"] {
        let document = large(options, &program, "1", cache.path());
        let [saving] = trace(&document).savings.as_slice() else {
            panic!("{:?}", trace(&document).savings)
        };
        assert_eq!(
            (saving.copies, saving.replaceable),
            (LARGE_SPAWNS, LARGE_SPAWNS)
        );
        let [seen] = saving.parents.as_slice() else {
            panic!("{:?}", saving.parents)
        };
        let entries = seen.parent.measured().unwrap().mappings.ptes;
        assert!(
            entries.abs_diff(LARGE_PAGES) < LARGE_PAGES / 30,
            "{entries}"
        );
        assert_eq!(saving.call_ns.measured().is_some(), !options.is_empty());
        if let Some(calls) = saving.call_ns.measured() {
            assert!(calls.count >= LARGE_SPAWNS - 1, "{calls:?}");
        }
        let Some(card) = saving.by_card.measured() else {
            println!("skipped: {:?}", saving.by_card);
            continue;
        };
        let total = |method| card.by(method).unwrap().total_ns;
        let [fork, other] = [SpawnMethod::Fork, SpawnMethod::PosixSpawn].map(total);
        assert!(other > 0.0 && other < fork / 2.0, "{card:?}");
        if let Some(calls) = saving.call_ns.measured() {
            let foretold = card.by(SpawnMethod::Fork).unwrap().call_ns;
            let times = calls.total / foretold;
            assert!((0.2..5.0).contains(&times), "{times}: {calls:?} {card:?}");
        }
    }
    for how in ["0", "2"] {
        let document = large("--call-times", &program, how, cache.path());
        assert!(trace(&document).savings.is_empty(), "{how}");
    }
}

#[test]
fn remedies_are_tried_on_the_dearest_spawner_and_shown_again() {
    let cache = tempfile::tempdir().unwrap();
    let Some(program) = compiled(cache.path(), LARGE, &[]) else {
        return;
    };
    let document = large("--advise", &program, "1", cache.path());
    let advised = trace(&document).advised.as_ref().unwrap();
    let advice = advised.measured().unwrap_or_else(|| panic!("{advised:?}"));
    let facts = &advice.plan.order.replica().unwrap().shape.process;
    assert_eq!(facts.name, "truth");
    assert!(!facts.reservations.contains(&ShapeReservation::Traced));
    let Findings::Advice(found) = &advice.findings else {
        panic!("{:?}", advice.findings)
    };
    let mut remedies = found.remedies.iter();
    let other = remedies.find(|remedy| remedy.kind == RemedyKind::PosixSpawn);
    assert!(other.unwrap().outcome.measured().unwrap().ratio.value < 0.5);
    let words = format!("show {}", cache.path().join("trace.json").display());
    let shown = forktax(&words).output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for words in [
        "Remedies, tried one at a time",
        "Instead of a fork:",
        "What each was applied to",
    ] {
        assert!(shown.contains(words), "{shown}");
    }
    let document = large("--advise", &program, "0", cache.path());
    let why = trace(&document)
        .advised
        .as_ref()
        .unwrap()
        .missing()
        .unwrap();
    assert!(why.reason.contains("nothing to try remedies on"), "{why:?}");
}
