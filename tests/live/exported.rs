//! What leaves the program: files that are whole or what they were, and messages that steer
//! no terminal.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::{FORKTAX, begin_endless, failure, forktax, output};

const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sweep.json");

/// Runs a script of a shell in a new folder. `$F` shows a stored result.
fn shell(shell: &str, script: &str) -> (TempDir, Output) {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(shell)
        .args(["-c", script])
        .current_dir(dir.path())
        .env("F", format!("{FORKTAX} show {STORED}"))
        .output()
        .unwrap();
    (dir, output)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Neither a full disk nor a limit cuts off what was there.
#[test]
fn a_result_stays_where_there_is_no_room_for_the_next() {
    let script = "echo precious >a.json; trap '' XFSZ; ulimit -f 32; \
                  $F --export a.json --export b.csv --export c.md >/dev/null";
    let (dir, output) = shell("sh", script);
    assert_eq!(output.status.code(), Some(4));
    let said = said(&output);
    assert!(said.contains("a.json: File too large"), "{said}");
    let a = fs::read_to_string(dir.path().join("a.json")).unwrap();
    assert_eq!(a, "precious\n");
    // What has room is written all the same.
    assert!(fs::metadata(dir.path().join("c.md")).unwrap().len() > 1_000);
    let left = names(dir.path());
    assert!(left.iter().all(|name| !name.contains(".part")), "{left:?}");
}

#[test]
fn a_file_beside_which_nothing_can_be_put_is_written_over() {
    let script = "echo old >a.json; echo below >b.json; \
                  unshare -m sh -c 'mount --bind b.json a.json && $F --export a.json' || exit 77";
    let (dir, output) = shell("sh", script);
    if output.status.code() == Some(77) {
        println!("skipped: no mount may be made here: {}", said(&output));
        return;
    }
    let read = |name| fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(read("a.json"), "old\n");
    assert_eq!(read("b.json"), fs::read_to_string(STORED).unwrap());
    assert_eq!(names(dir.path()), ["a.json", "b.json"]);
}

#[test]
fn what_goes_to_stdout_too_loses_nothing() {
    let script = "$F >plain.txt; $F --export json=/dev/stdout >both.txt; \
                  echo first >log.txt; $F --export json=/dev/fd/3 3>>log.txt";
    let (dir, output) = shell("sh", script);
    assert!(output.status.success(), "{}", said(&output));
    let read = |name| fs::read_to_string(dir.path().join(name)).unwrap();
    let json = fs::read_to_string(STORED).unwrap();
    assert_eq!(read("both.txt"), json.clone() + &read("plain.txt"));
    assert_eq!(read("log.txt"), format!("first\n{json}"));
    let (_dir, output) = shell("sh", "$F --format json >a.json --export a.json");
    assert_eq!(output.status.code(), Some(4));
    assert!(said(&output).contains("stdout goes there already"));
}

#[test]
fn a_result_that_goes_nowhere_is_no_success() {
    for lost in [
        "$F >&-",
        "$F 1</dev/null",
        "$F --help >/dev/full",
        "$F >/dev/full",
    ] {
        let (_dir, output) = shell("sh", lost);
        assert_eq!(output.status.code(), Some(4), "{lost}");
        assert!(said(&output).starts_with("forktax: stdout: "), "{lost}");
    }
    for wanted in ["$F >/dev/null", "$F <&- 2>&-"] {
        let (_dir, output) = shell("sh", wanted);
        assert!(output.status.success(), "{wanted}: {}", said(&output));
    }
}

#[test]
fn a_file_may_have_a_name_that_is_no_text() {
    let script = "a=$(printf 'a\\377.json'); $F -o \"$a\" >/dev/null && cat a*.json";
    let (_dir, output) = shell("sh", script);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(output.stdout, fs::read(STORED).unwrap());
}

#[test]
fn an_export_goes_to_whoever_reads() {
    let (_dir, output) = shell("sh", "mkfifo x.json; $F --export x.json");
    assert_eq!(output.status.code(), Some(4));
    let said_of_fifo = said(&output);
    assert!(
        said_of_fifo.contains("x.json: nobody reads this FIFO: start its reader"),
        "{said_of_fifo}"
    );
    let (dir, output) = shell(
        "sh",
        "mkfifo x.json; cat x.json >y & $F --export x.json || { kill $!; false; } && wait",
    );
    // The reader may come too late, and then would be waited for in vain.
    if output.status.success() {
        let got = fs::read_to_string(dir.path().join("y")).unwrap();
        assert_eq!(got, fs::read_to_string(STORED).unwrap());
    }
    if Command::new("bash").args(["-c", ":"]).status().is_err() {
        println!("skipped: there is no bash");
        return;
    }
    let script = "set -o pipefail; $F --export json=>(cat >y; echo done >z) >/dev/null; \
                  while [ ! -s z ]; do sleep .01; done";
    let (dir, output) = shell("bash", script);
    assert!(output.status.success(), "{}", said(&output));
    let got = fs::read_to_string(dir.path().join("y")).unwrap();
    assert_eq!(got, fs::read_to_string(STORED).unwrap());
}

#[test]
fn a_run_that_fails_or_is_killed_creates_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (link, new) = (dir.path().join("link.json"), dir.path().join("new.csv"));
    symlink("target.json", &link).unwrap();
    let export = format!("--export {} --export {}", link.display(), new.display());
    failure(&format!("sweep {export} -- /no/such/program"), 3);
    assert_eq!(names(dir.path()), ["link.json"]);
    assert!(output(&format!("show {STORED} {export}")).status.success());
    assert_eq!(names(dir.path()), ["link.json", "new.csv", "target.json"]);

    let dir = tempfile::tempdir().unwrap();
    let mut child = begin_endless(dir.path(), &dir.path().join("none.json"));
    super::await_spawns(dir.path(), 50);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(dir.path()), ["trace"]);
}

#[test]
fn a_file_that_is_named_twice_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    symlink("new.json", dir.path().join("link.json")).unwrap();
    for second in ["new.json", "./new.json", "link.json"] {
        let words = format!("--export {} --export {}", path("new.json"), path(second));
        for command in ["sweep", &format!("show {STORED}")] {
            let said = failure(&format!("{command} {words}"), 4);
            assert!(said.contains("named twice"), "{said}");
        }
    }
    assert_eq!(names(dir.path()), ["link.json"]);
}

#[test]
fn what_has_no_end_is_not_read_to_its_end() {
    for words in [
        "show /dev/zero",
        "compare /dev/zero /dev/zero",
        "shape --shape /dev/zero",
    ] {
        let said = failure(words, 4);
        assert!(
            said.contains("/dev/zero: the file is larger than 256 MiB"),
            "{said}"
        );
    }
}

/// Moves the cursor, sets the colours, and writes from right to left.
const HOSTILE: &str = "\u{1b}[2J\u{9b}31m\u{202e}\r\nforktax: all is well\u{7f}";

#[test]
fn no_message_steers_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let document = dir.path().join("document.json");
    let text = fs::read_to_string(STORED).unwrap();
    let hostile = serde_json::to_string(HOSTILE).unwrap();
    let text = text.replace("\"posix_spawn\"", &hostile.replace("\\u001b", "\\u001B"));
    fs::write(&document, text).unwrap();
    let show = format!("show {}", document.display());
    for (words, argument) in [
        ("sweep --quiet --spawns 3 --mappings 0 --", HOSTILE),
        ("sweep --quiet --mappings", HOSTILE),
        ("show", HOSTILE),
        ("show --section", HOSTILE),
        ("sweep --export", &format!("/no/such/{HOSTILE}.json")),
        ("shape --shape", HOSTILE),
        ("", HOSTILE),
        (&show, "--brief"),
    ] {
        let output = forktax(words).arg(argument).output().unwrap();
        assert!(!output.status.success(), "{words}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.is_empty() && output.stdout.is_empty(), "{words}");
        let steers = |c| c != '\n' && forktax::units::steers(c);
        assert!(!said.contains(steers), "{words}: {said:?}");
        if !said.contains("Usage") && !said.contains("--help") {
            assert_eq!(said.lines().count(), 1, "{words}: {said:?}");
        }
    }
}
