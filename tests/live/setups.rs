//! Two sides between which the host is set to something else: the host is set back once,
//! however the run ends. What is set here is a line in a file.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use forktax::model::Comparison;

use crate::{assert_no_process, below, children_of, forktax, kill_by, output};

/// A run of these words that notes down its setups, and its restoring.
fn noting(dir: &Path, words: &str) -> Command {
    let note = |name: &str| format!("echo {name} >> {}", dir.join("log").display());
    let mut command = forktax(words);
    command.args(["--a-setup", &note("A"), "--b-setup", &note("B")]);
    command.args(["--restore", &note("restored")]);
    command
}

fn log(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join("log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn restored(dir: &Path) -> usize {
    log(dir).iter().filter(|line| *line == "restored").count()
}

/// Waits until it is so.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Starts a run that would go on for ever, in a group of its own.
fn begin_endless(dir: &Path) -> Child {
    let mark = format!("MARK={}", dir.display());
    let mut command = noting(dir, "sweep -q --mappings 0 --method vfork --spawns 10M");
    let command = command.args(["--env", &mark]).process_group(0);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

#[test]
fn slices_take_turns_between_setups_and_the_host_is_set_back_last() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("both.json").display().to_string();
    let mut command = noting(
        dir.path(),
        "sweep -q --mappings 0 --method vfork --spawns 320 --fail-above 1000",
    );
    let run = command.args(["--export", &file]).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let mut log = log(dir.path());
    assert_eq!(log.pop().unwrap(), "restored");
    assert!(log.len() >= 16, "{log:?}");
    for pair in log.chunks(2) {
        assert!(pair == ["A", "B"] || pair == ["B", "A"], "{log:?}");
    }
    let comparison: Comparison = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let by_turns = comparison.by_turns.unwrap();
    let [a, b] = by_turns.setups().unwrap();
    assert!(a.command.contains("echo A") && b.command.contains("echo B"));
    for words in [format!("compare {file}"), format!("show {file}")] {
        let printed = output(&words);
        let printed = String::from_utf8_lossy(&printed.stdout).replace("\n  ", " ");
        assert!(printed.contains("restored by"), "{printed}");
    }
}

#[test]
fn a_signal_to_the_tool_has_the_host_set_back() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = begin_endless(dir.path());
        until("no setup", || log(dir.path()).len() > 2);
        // As Ctrl-C does: the whole group gets it.
        kill_by(signal, &format!("-{}", child.id()));
        assert_eq!(child.wait().unwrap().code(), Some(status));
        assert_eq!(restored(dir.path()), 1);
        assert_eq!(log(dir.path()).last().unwrap(), "restored");
        assert_no_process(&dir.path().display().to_string());
    }
}

/// As `pkill -f forktax` does.
#[test]
fn a_signal_to_all_of_the_tool_has_the_host_set_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = begin_endless(dir.path());
    until("no setup", || log(dir.path()).len() > 2);
    let tool = child.id().to_string();
    for pid in children_of(&tool).iter().chain([&tool]) {
        kill_by("TERM", pid);
    }
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(restored(dir.path()), 1);
    assert_eq!(log(dir.path()).last().unwrap(), "restored");
    assert_no_process(&dir.path().display().to_string());
}

/// Whichever of the tool's processes is killed, and all of its group.
#[test]
fn the_host_is_set_back_once_after_a_kill() {
    for victim in [Some(0), Some(1), Some(2), None] {
        let dir = tempfile::tempdir().unwrap();
        let mut child = begin_endless(dir.path());
        until("no setup", || log(dir.path()).len() > 2);
        let pid = match victim {
            Some(steps) => below(child.id(), steps).unwrap(),
            None => format!("-{}", child.id()),
        };
        kill_by("KILL", &pid);
        assert!(!child.wait().unwrap().success(), "{victim:?}");
        until("not restored", || restored(dir.path()) > 0);
        assert_no_process(&dir.path().display().to_string());
        let log = log(dir.path());
        assert_eq!(
            (restored(dir.path()), log.last().unwrap().as_str()),
            (1, "restored")
        );
    }
}

#[test]
fn who_was_to_set_the_host_back_and_is_killed_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = noting(
        dir.path(),
        "sweep -q --mappings 0 --method vfork --spawns 10M",
    );
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    until("no setup", || log(dir.path()).len() > 2);
    let attendant = children_of(&child.id().to_string()).swap_remove(0);
    kill_by("KILL", &attendant);
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(5), "{said}");
    assert!(
        said.contains("NOT restored") && said.contains("echo restored"),
        "{said}"
    );
}

#[test]
fn a_failed_setup_ends_the_run_and_a_failed_restoring_is_told_by_the_status() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log").display().to_string();
    let restore = format!("echo restored >> {log}");
    let failing = format!("{restore}; echo never mind >&2; exit 7");
    let bad = "echo first >&2; echo no luck >&2; exit 3";
    for (setup, restore, status, words) in [
        (
            bad,
            &restore,
            1,
            vec!["exit 3\"", "status 3", "it said: no luck"],
        ),
        ("kill -TERM $$", &restore, 1, vec!["SIGTERM"]),
        (
            "true",
            &failing,
            5,
            vec!["NOT restored", "status 7", "never mind"],
        ),
        (bad, &failing, 5, vec!["no luck", "never mind"]),
    ] {
        let run = forktax("sweep -q --mappings 0 --method vfork --spawns 32 --a-setup")
            .args([setup, "--b-setup", setup, "--restore", restore])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(status), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
        assert_eq!(restored(dir.path()), 1, "{said}");
        fs::remove_file(&log).unwrap();
    }
}

#[test]
fn a_setup_that_hangs_does_not_keep_the_host_from_being_set_back() {
    for signal in ["INT", "KILL"] {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join("log").display().to_string();
        let hangs = format!("echo hangs >> {mark}; sleep 50");
        let mut child = forktax("sweep -q --mappings 0 --method vfork --spawns 32 --a-setup")
            .args([&hangs, "--b-setup", &hangs])
            .args(["--restore", &format!("echo restored >> {mark}")])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("no setup", || log(dir.path()).len() == 1);
        kill_by(signal, &child.id().to_string());
        assert!(!child.wait().unwrap().success());
        until("not restored", || restored(dir.path()) == 1);
        assert_no_process(&dir.path().display().to_string());
    }
}

#[test]
fn what_a_setup_leaves_running_is_the_user_s() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let name = file.display();
    let setup = format!("test -e {name} || {{ (sleep 600 & echo $! > {name}) & wait; }}");
    let run = forktax("sweep -q --mappings 0 --method vfork --spawns 32 --a-setup")
        .args([&setup, "--b-setup", "true", "--restore", "true"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    let pid = fs::read_to_string(&file).unwrap();
    let lives = Path::new("/proc").join(pid.trim()).exists();
    kill_by("KILL", pid.trim());
    assert!(run.status.success() && lives, "{said}");
}

#[test]
fn setups_that_cannot_be_undone_are_refused_before_anything_is_set() {
    for (words, why) in [
        ("--a-setup true", "--b-setup"),
        ("--b-setup true --restore true", "--a-setup"),
        ("--restore true", "nothing to restore"),
        ("--a-setup true --b-setup true", "--restore true if"),
        ("--vs= --fail-above 3 --restore true", "nothing to restore"),
    ] {
        let run = output(&format!("sweep -q --mappings 0 {words}"));
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{said}");
    }
}
