//! README's examples are run as they stand there, but for a short time.

use std::process::Command;

const README: &str = include_str!("../README.md");

/// The commands of README's console blocks that call the tool.
fn examples() -> Vec<Vec<String>> {
    let commands = README
        .lines()
        .filter_map(|line| line.strip_prefix("$ forktax "));
    commands
        .map(|line| shlex::split(line).expect("quotations are closed"))
        .collect()
}

/// What measures gets little time; everything else runs as it is.
fn shortened(mut words: Vec<String>) -> Vec<String> {
    let typed: Vec<&str> = words.iter().map(String::as_str).collect();
    let short: &[&str] = match typed[..] {
        ["reproduce", "--list", ..] => &[],
        // Even the short design tries each parent twice, however long that takes.
        ["card", ..] => &["--quick", "--time", "300ms", "--no-store"],
        // Its programs run so often as they are asked to, however long that takes.
        ["reproduce", "python-2014", ..] => &["--iterations", "20", "--repeats", "2"],
        ["sweep" | "explain" | "reproduce", ..] => &["--time", "300ms"],
        _ => &[],
    };
    words.splice(1..1, short.iter().map(|word| (*word).to_owned()));
    words
}

#[test]
fn every_example_works() {
    let dir = tempfile::tempdir().unwrap();
    let examples = examples();
    assert!(examples.len() > 5);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    for words in examples {
        if cpus == 1 && words.iter().any(|word| word == "--jobs") {
            continue; // Each parent has a CPU of its own.
        }
        let output = Command::new(env!("CARGO_BIN_EXE_forktax"))
            .args(shortened(words.clone()))
            .current_dir(dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "forktax {words:?}: {said}");
        assert!(
            !output.stdout.is_empty(),
            "forktax {words:?} printed nothing"
        );
    }
}

#[test]
fn the_exit_statuses_are_those_of_the_help() {
    let help = Command::new(env!("CARGO_BIN_EXE_forktax"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let statuses = README.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        cells
            .next()
            .filter(|cell| *cell == "128+N" || cell.len() == 1)
    });
    let statuses: Vec<&str> = statuses.collect();
    assert_eq!(statuses, ["0", "1", "2", "3", "4", "5", "128+N"]);
    for status in statuses {
        let listed = help
            .lines()
            .any(|line| line.trim_start().starts_with(status));
        assert!(listed, "{status} is not in the help:\n{help}");
    }
}
