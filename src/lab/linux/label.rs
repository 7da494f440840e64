//! What a process is called by what it runs: its program's file, and of an interpreter the
//! script too, as `/proc` tells them.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use procfs::process::Status;

use crate::lab::census::CensusError;
use crate::lab::census::files::ProcessFiles;
use crate::lab::path::shown;
use crate::model::TracedProgram;
use crate::profile::kin::Program;

/// Programs that others are written for: of each process of theirs the script tells what it
/// does.
const INTERPRETERS: [&str; 12] = [
    "bash", "busybox", "dash", "ksh", "lua", "node", "perl", "php", "python", "ruby", "sh", "zsh",
];
const SHELLS: [&str; 5] = ["bash", "dash", "ksh", "sh", "zsh"];

/// The program of the process whose directory in `/proc` this is.
pub(super) fn program(directory: &Path) -> TracedProgram {
    let file = fs::read_link(directory.join("exe")).unwrap_or_default();
    let path = shown(&String::from_utf8_lossy(file.as_os_str().as_bytes()));
    of(path, &words(directory))
}

fn words(directory: &Path) -> Vec<String> {
    let command_line = fs::read(directory.join("cmdline")).unwrap_or_default();
    command_line
        .split(|byte| *byte == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// The program that a process was recorded to execute, whether it is still there or not.
pub(super) fn executed(pid: u32, program: &Program) -> TracedProgram {
    let path = match &program.file {
        Some(file) => file.name.clone(),
        None => program.path.to_string_lossy().into_owned(),
    };
    let mut words: Vec<String> = program
        .arguments
        .iter()
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    if words.is_empty() {
        words = words_now(pid, &path).unwrap_or_default();
    }
    if words.is_empty() && is_script(program) {
        let script = program.path.to_string_lossy().into_owned();
        words = vec![path.clone(), script];
    }
    of(shown(&path), &words)
}

/// The words of a process by `/proc`, if it is still this program.
fn words_now(pid: u32, path: &str) -> Option<Vec<String>> {
    let directory = Path::new("/proc").join(pid.to_string());
    let now = fs::read_link(directory.join("exe")).ok()?;
    (now.as_os_str().as_bytes() == path.as_bytes()).then(|| words(&directory))
}

/// Whether what was executed is no program itself: then its interpreter was mapped.
fn is_script(program: &Program) -> bool {
    let path = Path::new(&program.path);
    let given = path.is_absolute().then(|| fs::metadata(path));
    match (given, &program.file) {
        (Some(Ok(given)), Some(mapped)) => given.ino() != mapped.file.inode,
        _ => false,
    }
}

/// What a process calls itself.
///
/// # Errors
/// [`CensusError`] if there is no such process.
pub fn process_name(pid: u32) -> Result<String, CensusError> {
    let status: Status = ProcessFiles::of(pid.cast_signed()).read("status")?;
    Ok(shown(status.name.trim()))
}

fn of(path: String, words: &[String]) -> TracedProgram {
    let file = match (base(&path), words.first().map(|word| base(word))) {
        ("", None | Some("")) => "unknown",
        ("", Some(word)) => word,
        (file, _) => file,
    };
    let file = words
        .first()
        .and_then(|word| called(&path, file, word))
        .unwrap_or(file);
    // Many programs in one, each by the name that it is called by.
    let applets = match file {
        "busybox" => words.iter().position(|word| base(word) != "busybox"),
        _ => Some(0),
    };
    let words = words.get(applets.unwrap_or(0)..).unwrap_or_default();
    let kind = kind(match file {
        "busybox" => words.first().map_or("busybox", |word| base(word)),
        file => file,
    });
    let given = words.get(1..).unwrap_or_default();
    let given = match INTERPRETERS.contains(&kind) {
        true => given_to(kind, given),
        false => Given::Nothing,
    };
    let what = match &given {
        Given::Nothing if file == "busybox" && kind != file => format!(" {kind}"),
        Given::Nothing => String::new(),
        Given::Code(option) => format!(" {option}"),
        Given::Script(script) => format!(" {}", base(script)),
    };
    TracedProgram {
        name: shown(&format!("{file}{what}")),
        is_shell_command: SHELLS.contains(&kind) && matches!(given, Given::Code(_)),
        path,
    }
}

/// The name by which a file was called, if that is another than its own and a link to it beside
/// it: a process may call itself anything. Of those that read scripts the file says more.
fn called<'a>(path: &str, file: &str, word: &'a str) -> Option<&'a str> {
    let title = base(word).trim_start_matches('-');
    let name = title.split_whitespace().next()?;
    if path.is_empty() || name == file || INTERPRETERS.contains(&kind(file)) {
        return None;
    }
    let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    let linked = fs::metadata(Path::new(path).with_file_name(name)).ok()?;
    same(linked, fs::metadata(path).ok()?).then_some(name)
}

/// `python3.11` is a python.
fn kind(file: &str) -> &str {
    file.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
}

/// What an interpreter is to do.
enum Given<'a> {
    /// It reads that, or it is not seen.
    Nothing,
    /// What its arguments hold, after this option.
    Code(&'static str),
    /// What stands in this file, or module.
    Script(&'a str),
}

fn given_to<'a>(kind: &str, words: &'a [String]) -> Given<'a> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let word = word.as_str();
        let cluster = word.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
        match (SHELLS.contains(&kind), cluster) {
            (true, Some(cluster)) if cluster.contains('c') => return Given::Code("-c"),
            (false, Some("c")) => return Given::Code("-c"),
            (false, Some("e" | "E" | "p" | "pe" | "ne" | "r")) => return Given::Code("-e"),
            (false, Some("m")) => continue,
            // What follows belongs to the option.
            (true, Some("o" | "O")) | (false, Some("W" | "X" | "I")) => drop(words.next()),
            _ if word == "+o" || word == "+O" => drop(words.next()),
            _ if word.is_empty() || word.starts_with(['-', '+']) => {}
            _ => return Given::Script(word),
        }
    }
    Given::Nothing
}

fn base(path: &str) -> &str {
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(path: &str, words: &str) -> (String, bool) {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let program = of(path.to_owned(), &words);
        (program.name, program.is_shell_command)
    }

    #[test]
    fn a_program_of_several_names_is_told_by_the_one_that_it_was_called_by() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(path("check-dump"), "").unwrap();
        fs::write(path("other"), "").unwrap();
        std::os::unix::fs::symlink("check-dump", path("server")).unwrap();
        let of = |words: &str| called(&path("check-dump"), words).0;
        assert_eq!(of("/opt/bin/server *:6379"), "server");
        for words in ["check-dump", "other", "missing", "worker process", ""] {
            assert_eq!(of(words), "check-dump", "{words}");
        }
    }

    #[test]
    fn an_interpreter_is_called_by_its_script_too() {
        for (path, words, name, is_command) in [
            ("/usr/bin/make", "make -j2", "make", false),
            ("/usr/bin/cc1", "cc1 a.c", "cc1", false),
            (
                "/usr/bin/python3.11",
                "python3 fuzz/run.py 3",
                "python3.11 run.py",
                false,
            ),
            (
                "/usr/bin/python3.11",
                "python3 -c pass",
                "python3.11 -c",
                false,
            ),
            ("/usr/bin/python3.11", "python3", "python3.11", false),
            ("/usr/bin/dash", "sh -c ls|wc", "dash -c", true),
            (
                "/usr/bin/dash",
                "sh -e ./configure",
                "dash configure",
                false,
            ),
            ("/usr/bin/bash", "-bash", "bash", false),
            ("/tmp/a (deleted)", "a", "a", false),
            ("", "gone x", "gone", false),
            ("", "", "unknown", false),
            ("/usr/bin/dash", "sh -ec ls", "dash -c", true),
            ("/usr/bin/bash", "bash -o pipefail -c ls", "bash -c", true),
            (
                "/usr/bin/bash",
                "bash +o posix run.sh -c",
                "bash run.sh",
                false,
            ),
            ("/bin/busybox", "grep -c x", "busybox grep", false),
            ("/bin/busybox", "sh -c ls", "busybox -c", true),
            ("/bin/busybox", "/bin/busybox sh -c ls", "busybox -c", true),
            ("/usr/bin/perl", "perl -e 1", "perl -e", false),
            (
                "/usr/bin/python3.11",
                "python3 -W ignore a.py",
                "python3.11 a.py",
                false,
            ),
            (
                "/usr/bin/python3.11",
                "python3 -m pytest -c x",
                "python3.11 pytest",
                false,
            ),
        ] {
            assert_eq!(
                called(path, words),
                (name.to_owned(), is_command),
                "{words}"
            );
        }
    }

    #[test]
    fn this_process_has_a_program() {
        let own = program(Path::new("/proc/self"));
        assert!(!own.name.is_empty() && own.path.starts_with('/'), "{own:?}");
        assert_eq!(program(Path::new("/proc/no-such")).name, "unknown");
    }
}
