//! The surroundings: sandboxes, limits, and what nobody named. What must be root's or needs
//! a tool to be set up is skipped aloud.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use forktax::model::{Document, Stopped};
use forktax::sys::process::is_root;

use super::jobs::has_two_cpus;
use super::{FORKTAX, assert_no_process, below, children_of, forktax, kill_by};

/// What a command is preceded by.
fn within(around: &[&str], words: &str) -> Output {
    let (name, arguments) = around.split_first().unwrap();
    let mut command = Command::new(name);
    command.args(arguments).arg(FORKTAX);
    command.args(words.split_whitespace()).output().unwrap()
}

/// Whether something runs with this around it; says so if not.
fn can(around: &[&str]) -> bool {
    let (name, arguments) = around.split_first().unwrap();
    let tried = Command::new(name).args(arguments).arg("true").output();
    let is_able = tried.is_ok_and(|output| output.status.success());
    if !is_able {
        println!("skipped: cannot run anything with {around:?}");
    }
    is_able
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Refused before anything is measured, with these words.
fn refused(output: &Output, named: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(output.stdout.is_empty(), "{said}");
    for words in named {
        assert!(said.contains(words), "{words}: {said}");
    }
    // Nobody is told how long it takes what is not done.
    assert!(!said.contains("Ctrl-C"), "{said}");
}

#[test]
fn the_proc_of_another_namespace_or_none_is_named() {
    let elsewhere = ["unshare", "-pf"];
    if can(&elsewhere) {
        for words in [
            "sweep --spawns 2",
            "shape --pid 1",
            "explain --pid 1",
            "card",
        ] {
            let output = within(&elsewhere, words);
            refused(
                &output,
                &["another PID namespace", "mount -t proc proc /proc"],
            );
        }
        let schema = within(&elsewhere, "schema");
        assert!(schema.status.success(), "what reads no process goes on");
    }
    let nowhere = [
        "unshare",
        "-m",
        "sh",
        "-c",
        "umount -l /proc && exec \"$0\" \"$@\"",
    ];
    if can(&nowhere) {
        let output = within(&nowhere, "sweep --spawns 2");
        refused(
            &output,
            &["/proc is not mounted", "mount -t proc proc /proc"],
        );
    }
}

#[test]
fn a_program_that_is_setuid_too_capable_or_unreadable_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("forktax");
    fs::copy(FORKTAX, &copy).unwrap();
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    open(dir.path(), 0o755).unwrap();
    if !is_root() || chown(&copy, Some(65_534), Some(65_534)).is_err() {
        return println!("skipped: only root gives files away");
    }
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mounted = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let below = fields.next().is_some_and(|at| dir.path().starts_with(at));
        below && line.contains("nosuid")
    };
    if own.contains("NoNewPrivs:\t1") || mounts.lines().any(mounted) {
        return println!("skipped: setuid has no effect here");
    }
    for mode in [0o4755, 0o2755] {
        open(&copy, mode).unwrap();
        let output = Command::new(&copy).arg("schema").output().unwrap();
        refused(&output, &["as another user or group", "chmod ug-s"]);
    }
    let user = [
        "setpriv",
        "--reuid=12345",
        "--regid=12345",
        "--clear-groups",
    ];
    if !can(&user) {
        return;
    }
    let by_user = |words: &str| {
        let mut command = Command::new(user[0]);
        command.args(&user[1..]).arg(&copy).args(words.split(' '));
        command.current_dir("/").output().unwrap()
    };
    open(&copy, 0o711).unwrap();
    let named = ["execute forktax and not read it", "chmod a+r"];
    refused(&by_user("sweep --spawns 2"), &named);
    open(&copy, 0o755).unwrap();
    for (granted, is_refused) in [("cap_dac_override+ep", true), ("cap_perfmon+ep", false)] {
        let set = Command::new("setcap").arg(granted).arg(&copy).status();
        if !set.is_ok_and(|status| status.success()) {
            return println!("skipped: no setcap");
        }
        let output = by_user("schema");
        match is_refused {
            true => refused(&output, &["more capabilities than to look on", "setcap"]),
            false => assert!(output.status.success(), "{}", said(&output)),
        }
    }
}

#[test]
fn nothing_that_nobody_named_is_looked_up_in_path() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    for name in [
        "python3", "true", "env", "ldconfig", "busybox", "sh", "gzip",
    ] {
        let file = dir.path().join(name);
        fs::write(
            &file,
            format!("#!/bin/sh\necho $0 >> {}\n", trace.display()),
        )
        .unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}::.:/usr/bin:/bin", dir.path().display());
    for words in [
        "reproduce python-2014 --iterations 3 --repeats 2",
        "card --quick --no-store --time 1s",
    ] {
        let mut command = forktax(words);
        let output = command.env("PATH", &path).current_dir(dir.path()).output();
        let output = output.unwrap();
        let listed = fs::read_to_string(&trace).unwrap_or_default();
        assert!(output.status.success(), "{words}: {}", said(&output));
        assert_eq!(listed, "", "{words}");
    }
    // What is named by a name is where execvp(3) finds it.
    let mut named = forktax("sweep --mappings 0 --spawns 2 -- true");
    let output = named.env("PATH", &path).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(fs::read_to_string(&trace).unwrap().contains("/true"));
}

#[test]
fn a_path_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::OsStr::from_bytes(b"/usr/bin:/\xff:/bin");
    let output = forktax("sweep --spawns 2").env("PATH", path).output();
    refused(&output.unwrap(), &["PATH is not UTF-8", "\\xFF"]);
}

#[test]
fn small_limits_are_named_before_anything_is_measured() {
    for (limit, words, named) in [
        (
            "--fsize=0",
            "sweep --mappings 0 --spawns 2",
            "RLIMIT_FSIZE = 0 B",
        ),
        (
            "--fsize=16384",
            "explain --time 2s",
            "RLIMIT_FSIZE = 16 KiB",
        ),
        (
            "--fsize=2097152",
            "sweep --mappings 10 --pages 1k --backing file --spawns 2",
            "RLIMIT_FSIZE = 2 MiB",
        ),
        ("--nofile=5", "sweep --spawns 2", "RLIMIT_NOFILE leaves"),
        ("--nofile=6", "sweep --spawns 2", "RLIMIT_NOFILE = 6"),
        ("--nofile=8", "sweep --spawns 2", "\"ulimit -n "),
        (
            "--stack=65536:65536",
            "show tests/data/card.json",
            "RLIMIT_STACK = 64 KiB",
        ),
        (
            "--as=100000000",
            "sweep --mappings 10 --pages 100k --spawns 2",
            "RLIMIT_AS",
        ),
    ] {
        let around = ["prlimit", limit];
        if can(&["prlimit", "--core=0"]) {
            let output = within(&around, words);
            refused(&output, &[named]);
        }
    }
    let lower = ["prlimit", "--stack=65536:8388608"];
    if can(&lower) {
        let output = within(&lower, "show tests/data/card.json --format csv");
        assert!(output.status.success(), "{}", said(&output));
    }
}

#[test]
fn a_result_that_may_not_be_so_large_costs_no_other() {
    let limited = ["prlimit", "--fsize=65536"];
    if !can(&limited) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("large.json").display().to_string();
    let words = format!("show tests/data/card.json --format csv --export {file}");
    let output = within(&limited, &words);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("large.json: File too large"), "{said}");
}

#[test]
fn processes_that_a_limit_forbids_are_counted_with_those_of_the_tool() {
    let user = ["setpriv", "--reuid", "54321", "--clear-groups"];
    let words = "sweep --mappings 0 --method all --spawns 2";
    let around = [user.as_slice(), &["prlimit", "--nproc=4"]].concat();
    // The limit counts threads of the user, of which there are none yet.
    let is_ours = Command::new(user[0])
        .args(&user[1..])
        .arg(FORKTAX)
        .arg("--version")
        .status();
    if !is_ours.is_ok_and(|status| status.success()) {
        return println!("skipped: no other user can run forktax here");
    }
    refused(
        &within(&around, words),
        &["RLIMIT_NPROC = 4", "\"ulimit -u "],
    );
}

/// The system call of this name by its number on this machine.
fn number(call: &str) -> Option<&'static str> {
    let calls = match std::env::consts::ARCH {
        "x86_64" => [
            ("perf_event_open", "298"),
            ("clone3", "435"),
            ("memfd_create", "319"),
            ("kill", "62"),
        ],
        "aarch64" => [
            ("perf_event_open", "241"),
            ("clone3", "435"),
            ("memfd_create", "279"),
            ("kill", "129"),
        ],
        _ => return None,
    };
    let found = calls.iter().find(|(name, _)| *name == call);
    found.map(|(_, number)| *number)
}

/// A filter that answers a system call so, if one can be set up here.
fn filter(answer: &'static str, call: &str) -> Option<[&'static str; 5]> {
    const SCRIPT: &str = include_str!("filter.py");
    let around = ["/usr/bin/python3", "-c", SCRIPT, answer, number(call)?];
    // env(1) makes none of these calls.
    can(&[around.as_slice(), &["/usr/bin/env"]].concat()).then_some(around)
}

#[test]
fn a_filter_that_kills_whoever_opens_perf_events_costs_only_these() {
    let words = "sweep --mappings 0 --method fork --spawns 20 --format json";
    for answer in ["kill", "1"] {
        let Some(around) = filter(answer, "perf_event_open") else {
            return;
        };
        let output = within(&around, words);
        assert!(output.status.success(), "{answer}: {}", said(&output));
        let document = String::from_utf8(output.stdout).unwrap();
        let why = match answer {
            "kill" => "a seccomp filter kills whoever calls perf_event_open",
            _ => "a seccomp filter blocks perf_event_open",
        };
        assert!(document.contains(why), "{document}");
    }
}

#[test]
fn a_filter_that_nothing_goes_with_is_named() {
    for call in ["clone3", "memfd_create"] {
        if let Some(around) = filter("kill", call) {
            let output = within(&around, "sweep --spawns 2");
            refused(
                &output,
                &[&format!("kills whoever calls {call}"), "seccomp profile"],
            );
        }
    }
    if let Some(around) = filter("1", "memfd_create") {
        let output = within(&around, "sweep --spawns 2");
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("memfd_create") && said.contains("seccomp"),
            "{said}"
        );
    }
}

#[test]
fn a_filter_that_refuses_kill_is_no_reason_to_wait_for_ever() {
    if let Some(around) = filter("1", "kill") {
        let output = within(&around, "sweep --mappings 0 --method vfork --spawns 2");
        assert!(output.status.success(), "{}", said(&output));
    }
}

#[test]
fn nor_are_parents_that_spawn_beside_another_where_a_run_is_broken_off() {
    let Some(around) = filter("1", "kill").filter(|_| has_two_cpus()) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (name, arguments) = around.split_first().unwrap();
    let mut command = Command::new(name);
    let words = "sweep -q --jobs 2 --mappings 0 --spawns 1M --method vfork --env";
    command.args(arguments).arg(FORKTAX);
    command.args(words.split_whitespace());
    command.arg(format!("MARK={}", dir.path().display()));
    command.args(["--", "sleep", "0.05"]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.process_group(0).spawn().unwrap();
    // Both, and the reference.
    let begin = Instant::now();
    let run = loop {
        assert!(begin.elapsed() < Duration::from_secs(60), "no two parents");
        match below(child.id(), 2) {
            Some(run) if children_of(&run).len() == 3 => break run,
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    std::thread::sleep(Duration::from_millis(300));
    kill_by("INT", &run);
    let begin = Instant::now();
    let ended = loop {
        match child.try_wait().unwrap() {
            None if begin.elapsed() < Duration::from_secs(30) => {
                std::thread::sleep(Duration::from_millis(20));
            }
            ended => break ended,
        }
    };
    if ended.is_none() {
        kill_by("KILL", &format!("-{}", child.id()));
        child.wait().unwrap();
    }
    assert_eq!(ended.and_then(|ended| ended.code()), Some(130));
    assert_no_process(&dir.path().display().to_string());
}

#[test]
fn how_long_it_takes_is_said_first_unless_nobody_wants_to_know() {
    for (words, line) in [
        (
            "sweep --mappings 0 --time 300ms",
            "forktax: at most about 0.3 s; Ctrl-C",
        ),
        (
            "explain --mappings 10 --time 300ms",
            "forktax: about 0.3 s; Ctrl-C",
        ),
        (
            "sweep --mappings 0 --spawns 2",
            "forktax: as long as 2 spawns of each",
        ),
    ] {
        let output = forktax(words).output().unwrap();
        assert!(
            said(&output).starts_with(line),
            "{words}: {}",
            said(&output)
        );
        let quiet = forktax(&format!("{words} -q")).output().unwrap();
        assert_eq!(said(&quiet), "", "{words}");
    }
}

#[test]
fn a_round_that_is_longer_than_the_time_is_said_while_it_goes_on() {
    let output = forktax("sweep --mappings 0,100,1k --time 1ms")
        .output()
        .unwrap();
    let said = said(&output);
    assert!(said.contains("forktax: a round takes about "), "{said}");
    assert!(said.contains("more than --time"), "{said}");
}

#[test]
fn a_precision_is_foretold_and_alone_it_is_waited_for() {
    let words = "sweep --mappings 0 --method vfork --precision 60% --format json";
    let output = forktax(words).output().unwrap();
    let said = said(&output);
    assert!(
        said.starts_with("forktax: as long as the precision takes, but"),
        "{said}"
    );
    let document: Document = serde_json::from_slice(&output.stdout).unwrap();
    // A host may be too busy for even this.
    let ended = &document.run.stopped;
    assert!(
        [Stopped::Precision, Stopped::OutOfReach].contains(ended),
        "{ended:?}"
    );
    assert!(document.run.rounds >= 8, "{}", document.run.rounds);
    assert!(said.contains("forktax: after 4 rounds: "), "{said}");
}

#[test]
fn a_process_that_proc_hides_is_not_said_to_be_gone() {
    let hiding = "mount -t proc -o hidepid=2 proc /proc && \
                  exec setpriv --reuid=12345 --regid=12345 --clear-groups \"$0\" \"$@\"";
    let around = ["unshare", "-m", "sh", "-c", hiding];
    if can(&around) {
        let output = within(&around, "shape --pid 1");
        refused(
            &output,
            &["hidepid", "as the owner of process 1, or as root"],
        );
    }
}

#[test]
fn what_root_lacks_is_told_to_root() {
    let lesser = [
        "setpriv",
        "--bounding-set",
        "-sys_ptrace",
        "--inh-caps",
        "-sys_ptrace",
    ];
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return println!("skipped: this is not root");
    }
    if !can(&lesser) {
        return;
    }
    let output = within(&lesser, "shape --pid 1");
    if output.status.success() {
        return println!("skipped: process 1 has no more rights than this test");
    }
    refused(&output, &["SYS_PTRACE"]);
    assert!(!said(&output).contains("or as root"), "{}", said(&output));
}
