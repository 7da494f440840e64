//! The same by tracepoints: as root, in a mount namespace of its own, where tracefs is
//! mounted for it.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use forktax::model::{Document, Ending, SpawnPath, TraceBackend};
use forktax::sys::process::kill;

use super::{
    FORKTAX, Loop, assert_truth, executed, goes_on_unwatched, has, spawns, trace, truth, watched_by,
};

/// Has tracefs where it is looked for, and nobody else sees it.
const MOUNTED: &str = "test -d /sys/kernel/tracing/events || \
                       mount -t tracefs none /sys/kernel/tracing || exit 99; exec \"$@\"";
/// Has none anywhere.
const UNMOUNTED: &str = "grep -q ' tracefs ' /proc/self/mounts && \
                         awk '$3 == \"tracefs\" {print $2}' /proc/self/mounts | xargs umount; \
                         exec \"$@\"";

/// forktax in a mount namespace that is made ready so.
fn within(ready: &str, words: &str) -> Command {
    let mut command = Command::new("unshare");
    let around = ["-m", "sh", "-c", ready, "sh", FORKTAX];
    command.args(around).args(words.split_whitespace());
    command.stdin(Stdio::null());
    command
}

/// What watches a command, its options before it.
fn tracing(options: &str, command: &[&str]) -> Command {
    let words = format!("trace -q --by tracepoints {options} --");
    let mut tracing = within(MOUNTED, &words);
    tracing.args(command);
    tracing
}

/// Whether tracepoints can be had here; says so if not.
fn can() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let tried = tracing("--format json", &["true"]).output();
        let why = match tried {
            Ok(output) if output.status.success() => return true,
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        println!("skipped: there are no tracepoints: {}", why.trim());
        false
    })
}

/// What a command did, of which nothing was lost; nothing where there are no tracepoints.
fn watched(options: &str, command: &[&str]) -> Option<(Output, Document)> {
    can().then(|| {
        let (output, document) = watched_by(&tracing, options, command);
        assert!(document.caveats.is_empty(), "{:?}", document.caveats);
        assert_eq!(trace(&document).watched, TraceBackend::Tracepoints);
        (output, document)
    })
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
        let Some((output, document)) = watched("", &[&program, &TIMES.to_string()]) else {
            return;
        };
        assert!(output.status.success(), "{options:?}: {output:?}");
        let trace = trace(&document);
        assert_truth(trace, TIMES, options);
        assert_eq!((trace.incomplete, trace.left_running), (0, 0));
        // Calls that were under way while the process was looked at have no time.
        let timed = trace.spawns.iter().filter(|spawn| spawn.call_ns.is_some());
        assert!(timed.count() * 10 >= trace.spawns.len() * 8, "{options:?}");
        for spawn in &trace.spawns {
            let life_ns = spawn.life_ns.unwrap();
            assert!(
                spawn
                    .to_exec_ns
                    .is_none_or(|to_exec_ns| to_exec_ns < life_ns)
            );
            assert_ne!(spawn.call_ns, Some(0), "{spawn:?}");
        }
    }
}

#[test]
fn every_spawn_of_a_script_is_counted_and_its_output_and_status_are_its_own() {
    const LOOP: &str =
        "echo out; n=0; while [ $n -lt 100 ]; do /bin/true; n=$((n+1)); done; exit 7";
    let Some((output, document)) = watched("", &["/bin/sh", "-c", LOOP]) else {
        return;
    };
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.status.code(), Some(7));
    let trace = trace(&document);
    assert_eq!(spawns(trace, |_| true), 100);
    assert_eq!(executed(trace, "true"), 100);
    assert_eq!(trace.processes, 101);
    assert_eq!(trace.ended.measured(), Some(&Ending::Exit(7)));
    for spawn in &trace.spawns {
        assert_eq!(spawn.ending, Some(Ending::Exit(0)));
        assert!(spawn.to_exec_ns < spawn.life_ns, "{spawn:?}");
    }
}

#[test]
fn ten_thousand_forks_at_full_speed_are_counted_exactly() {
    const FORKS: &str = "#include <stdlib.h>\n#include <sys/wait.h>\n#include <unistd.h>\n\
        int main(void) { for (int i = 0; i < 10000; i++) {\n\
        pid_t pid = fork(); if (!pid) _exit(i % 7); if (pid < 0) exit(9); waitpid(pid, 0, 0); } }\n";
    let dir = tempfile::tempdir().unwrap();
    let [source, program] = ["forks.c", "forks"].map(|name| dir.path().join(name));
    fs::write(&source, FORKS).unwrap();
    let compiled = Command::new("cc")
        .arg("-o")
        .args([&program, &source])
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        println!("skipped: there is no C compiler");
        return;
    }
    let Some((output, document)) = watched("", &[program.to_str().unwrap()]) else {
        return;
    };
    assert!(output.status.success());
    let trace = trace(&document);
    assert_eq!(spawns(trace, |path| path.copies), 10_000);
    assert_eq!((trace.processes, trace.left_running), (10_001, 0));
    let ended = |status| {
        let ended = trace.spawns.iter().map(|spawn| spawn.ending);
        ended
            .filter(|end| *end == Some(Ending::Exit(status)))
            .count()
    };
    let counts: Vec<usize> = (0..7).map(ended).collect();
    assert_eq!(counts, [1429, 1429, 1429, 1429, 1428, 1428, 1428]);
}

#[test]
fn python_s_silent_way_back_to_fork_is_caught() {
    const SCRIPT: &str = "import subprocess\n\
        for _ in range(5): subprocess.run(['/bin/true'])\n\
        for _ in range(3): subprocess.run(['/bin/true'], preexec_fn=lambda: None)\n";
    if !has("python3") {
        return;
    }
    let Some((output, document)) = watched("--fail-on copies", &["python3", "-c", SCRIPT]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(1));
    let trace = trace(&document);
    let is_python = |path: &SpawnPath| trace.programs[path.program].name.starts_with("python3");
    assert_eq!(spawns(trace, is_python), 8);
    assert_eq!(spawns(trace, |path| is_python(path) && path.copies) % 5, 3);
    assert!(!trace.offences.is_empty());
}

#[test]
fn signals_threads_and_namespaces_are_told_as_they_are() {
    let script = "sh -c 'kill -SEGV $$'; unshare -pf sh -c '/bin/true; /bin/true; exit 5'; exit 0";
    let Some((output, document)) = watched("", &["/bin/sh", "-c", script]) else {
        return;
    };
    assert!(output.status.success());
    let trace = trace(&document);
    let ended = |ending| {
        let spawns = trace.spawns.iter();
        spawns.filter(|spawn| spawn.ending == Some(ending)).count()
    };
    assert_eq!(ended(Ending::Signal(libc::SIGSEGV)), 1);
    assert_eq!(ended(Ending::Exit(5)), 2, "the shell, and unshare by it");
    assert_eq!(executed(trace, "true"), 2);
    assert_eq!((trace.incomplete, trace.left_running), (0, 0));
}

#[test]
fn executions_that_fail_are_seen_with_their_paths() {
    let command = ["env", "PATH=/usr/bin:/bin", "no-such-program-here"];
    let Some((output, document)) = watched("--fail-on exec-failed", &command) else {
        return;
    };
    assert_eq!(output.status.code(), Some(1));
    let failed = trace(&document).failed_execs.measured().unwrap();
    assert!(!failed.is_empty());
    for failed in failed {
        assert_eq!(failed.errno, libc::ENOENT);
        assert!(failed.path.ends_with("no-such-program-here"), "{failed:?}");
    }
    let long = watched("--fail-on call>1h", &["sh", "-c", "/bin/true; /bin/true"]);
    assert_eq!(long.unwrap().0.status.code(), Some(0));
    let short = watched("--fail-on call>1us", &["sh", "-c", "/bin/true; /bin/true"]);
    assert_eq!(short.unwrap().0.status.code(), Some(1));
}

#[test]
fn a_check_has_a_command_stopped_for_it() {
    if !can() {
        return;
    }
    let check = |words: &str, command: &[&str]| {
        let mut tracing = within(MOUNTED, words);
        let output = tracing.args(command).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let script = ["sh", "-c", "sh -c 'exit 0'; exit 0"];
    let said = check("trace -q --fail-on system --", &script);
    assert!(
        said.contains("by ptrace(2)") && said.contains("--fail-on 'system'"),
        "{said}"
    );
    let said = check(
        "trace -q --by tracepoints --fail-on fork --",
        &["sh", "-c", "(exit 0); exit 0"],
    );
    assert!(said.contains("by the kernel's tracepoints"), "{said}");
}

#[test]
fn what_runs_already_and_the_whole_host_are_watched_for_a_time() {
    if !can() {
        return;
    }
    let looping = Loop::start();
    let pid = looping.0.id();
    for whom in [format!("--pid {pid}"), "--all".to_owned()] {
        let words = format!("trace -q --format json --time 1s {whom}");
        let output = within(MOUNTED, &words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let document: Document = serde_json::from_slice(&output.stdout).unwrap();
        let trace = trace(&document);
        let its = trace.spawns.iter().filter(|spawn| spawn.by == pid);
        assert!(its.count() > 10, "{whom}: {:?}", trace.paths);
        assert!(trace.left_running >= 1);
        assert!(trace.wall_ns >= 1_000_000_000, "{}", trace.wall_ns);
    }
    let status = looping.status();
    assert!(status.contains("TracerPid:\t0"), "{status}");
}

#[test]
fn inside_a_pid_namespace_numbers_are_those_of_the_namespace() {
    if !can() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trace.json");
    let ready = "mount -t proc proc /proc; test -d /sys/kernel/tracing/events || \
                 mount -t tracefs none /sys/kernel/tracing; exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-mpf", "sh", "-c", ready, "sh", FORKTAX]);
    let words = "trace -q --by tracepoints --export";
    command.args(words.split(' ')).arg(&file);
    command.args(["--", "sh", "-c", "/bin/true; /bin/true; exit 3"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let document: Document = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let trace = trace(&document);
    assert_eq!(spawns(trace, |_| true), 2);
    assert!(
        trace.spawns.iter().all(|spawn| spawn.child < 100),
        "{:?}",
        trace.spawns
    );
    assert_eq!(trace.incomplete, 0);
}

#[test]
fn who_is_watched_goes_on_when_the_watcher_is_killed() {
    if !can() {
        return;
    }
    goes_on_unwatched(tracing);
}

#[test]
fn a_signal_ends_the_watching_with_what_was_seen() {
    if !can() {
        return;
    }
    let looping = Loop::start();
    let words = format!("trace -q --format json --pid {}", looping.0.id());
    let watcher = within(MOUNTED, &words)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(1));
    kill(watcher.id().cast_signed(), libc::SIGTERM).unwrap();
    let output = watcher.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(128 + libc::SIGTERM));
    let document: Document = serde_json::from_slice(&output.stdout).unwrap();
    assert!(spawns(trace(&document), |_| true) > 10);
}

#[test]
fn without_tracefs_what_cannot_be_watched_is_refused_and_the_rest_is_told_why() {
    if !can() {
        return;
    }
    for words in ["trace --all", "trace --by tracepoints -- true"] {
        let output = within(UNMOUNTED, words).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words}: {said}");
        assert!(said.contains("mount -t tracefs"), "{words}: {said}");
    }
    let output = within(UNMOUNTED, "trace -q -- true").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("tracefs"), "{said}");
}
