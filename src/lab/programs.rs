//! Programs of this host whose start tells something: one with libc in it, and one
//! that a loader completes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::path::{SYSTEM_PATH, resolve};
use crate::model::{Availability, Missing, Program};
use crate::sys::program::elf::{Header, segments};

/// Statically linked programs that many hosts have, with arguments that make them
/// leave at once.
const STATIC: [&str; 4] = [
    "ldconfig --version",
    "ldconfig.real --version",
    "busybox true",
    "busybox.static true",
];
const DYNAMIC: [&str; 2] = ["true", "env true"];
/// Where programs for the administrator are, which may not be in PATH.
const ADMINISTRATORS: &str = "/usr/sbin:/sbin";

/// How a program begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Linkage {
    Static,
    Dynamic,
}

impl Linkage {
    fn adverb(self) -> &'static str {
        match self {
            Self::Static => "statically",
            Self::Dynamic => "dynamically",
        }
    }
}

/// A statically linked program: the one that was asked for, by `path` if it is a name; or
/// one that the system has.
///
/// # Errors
/// Why the one that was asked for is none.
pub fn static_program(asked: Option<&str>, path: &str) -> Result<Availability<Program>, String> {
    find(Linkage::Static, asked, &STATIC, "--static-program", path)
}

/// A dynamically linked program, in the same way.
///
/// # Errors
/// Why the one that was asked for is none.
pub fn dynamic_program(asked: Option<&str>, path: &str) -> Result<Availability<Program>, String> {
    find(Linkage::Dynamic, asked, &DYNAMIC, "--dynamic-program", path)
}

fn find(
    wanted: Linkage,
    asked: Option<&str>,
    usual: &[&str],
    argument: &str,
    path: &str,
) -> Result<Availability<Program>, String> {
    if let Some(command) = asked {
        let path = format!("{path}:{ADMINISTRATORS}");
        let program = linked(command, wanted, &path).map_err(|why| format!("{argument}: {why}"))?;
        return Ok(Availability::Measured(program));
    }
    let mut usual_ones = usual.iter();
    let found = usual_ones.find_map(|command| linked(command, wanted, SYSTEM_PATH).ok());
    Ok(Availability::of(found, || {
        let how = wanted.adverb();
        let names: Vec<&str> = usual.iter().filter_map(|c| c.split(' ').next()).collect();
        let reason = format!("no {how} linked program was found ({})", names.join(", "));
        let remedy = format!("name one with {argument}");
        Missing::unavailable(reason, Some(&remedy))
    }))
}

/// The program of a command, if it is linked so.
fn linked(command: &str, wanted: Linkage, path: &str) -> Result<Program, String> {
    let argv: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
    let name = argv.first().ok_or("a command is needed")?;
    let file = resolve(name, path);
    let found = linkage(Path::new(&file)).map_err(|why| format!("{file}: {why}"))?;
    if found == wanted {
        Ok(Program::Path { path: file, argv })
    } else {
        Err(format!(
            "{file} is {} linked, but a {} linked program is needed",
            found.adverb(),
            wanted.adverb()
        ))
    }
}

fn linkage(file: &Path) -> Result<Linkage, String> {
    const MOST_BYTES: usize = 1 << 16;
    let opened = File::open(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            format!("{error}: it must be readable, to see how it is linked")
        }
        _ => format!("{error}: name a program by its path, or one that is in PATH"),
    })?;
    let mut header = [0; crate::sys::program::elf::HEADER_BYTES];
    let read = opened.read_exact_at(&mut header, 0);
    // A script may be shorter than the header of a program.
    let header = read
        .map_err(|_| crate::sys::program::elf::ElfError::NotElf)
        .and_then(|()| Header::read(&header))
        .map_err(|error| error.to_string())?;
    let mut table = vec![0; header.segments_len.min(MOST_BYTES)];
    opened
        .read_exact_at(&mut table, header.segments_at)
        .map_err(|error| error.to_string())?;
    let segments = segments(&table);
    if segments.iter().any(|segment| segment.names_interpreter()) {
        Ok(Linkage::Dynamic)
    } else {
        Ok(Linkage::Static)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/usr/bin:/bin";

    #[test]
    fn a_program_with_an_interpreter_is_dynamic() {
        let program = linked("sh -c true", Linkage::Dynamic, PATH).unwrap();
        let Program::Path { path, argv } = program else {
            panic!("{program:?}")
        };
        assert!(path.ends_with("/sh"));
        assert_eq!(argv, ["sh", "-c", "true"]);
        let refused = static_program(Some("sh"), PATH).unwrap_err();
        assert!(refused.starts_with("--static-program: "), "{refused}");
        assert!(refused.contains("is dynamically linked"), "{refused}");
    }

    #[test]
    fn what_is_no_program_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script");
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        let asked = script.to_str().unwrap();
        let refused = dynamic_program(Some(asked), PATH).unwrap_err();
        assert!(refused.contains("no ELF file"), "{refused}");
        let refused = dynamic_program(Some("nowhere-at-all"), PATH).unwrap_err();
        assert!(refused.contains("nowhere-at-all"), "{refused}");
        assert!(dynamic_program(Some(" "), PATH).is_err());
    }

    #[test]
    fn without_any_the_remedy_is_named() {
        let found = find(
            Linkage::Static,
            None,
            &["nowhere-at-all"],
            "--static-program",
            "",
        );
        let missing = found.unwrap();
        let words = missing.missing().unwrap().in_words();
        assert!(
            words.contains("nowhere-at-all") && words.contains("--static-program"),
            "{words}"
        );
    }
}
