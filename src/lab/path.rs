//! Where a program is: one that somebody named, where `PATH` says; one that forktax takes
//! by itself, where only the administrator puts programs.

use std::path::{Path, PathBuf};

use crate::units::harmless;

/// Where programs are that nobody named. `PATH` may hold folders that others write to, and
/// the one that a command is given in. What the distribution installed comes first; a
/// language's interpreter is in `/usr/local/bin` alone in many images of containers.
pub const SYSTEM_PATH: &str = "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin";

/// The path of a program: as typed if it has a slash, else from `PATH`. What is
/// found nowhere keeps its name, and fails with it when it is tried.
pub fn resolve(name: &str, path: &str) -> String {
    let absolute = |file: &Path| std::path::absolute(file).ok()?.to_str().map(str::to_owned);
    if name.contains('/') {
        return absolute(Path::new(name)).unwrap_or_else(|| name.to_owned());
    }
    let candidates: Vec<PathBuf> = path
        .split(':')
        .map(|dir| Path::new(dir).join(name))
        .collect();
    let executable = candidates.iter().find(|file| is_executable(file));
    let found = executable.or_else(|| candidates.iter().find(|file| file.is_file()));
    found
        .and_then(|file| absolute(file))
        .unwrap_or_else(|| name.to_owned())
}

/// A name or path of others, as a document keeps it.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 256;
    harmless(text, LONGEST)
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_can_be_executed_is_found() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("sh"), "no program").unwrap();
        let own = dir.path().to_str().unwrap();
        let both = resolve("sh", &format!("{own}:/usr/bin:/bin"));
        assert!(both.ends_with("/bin/sh"), "{both}");
        assert_eq!(resolve("sh", own), format!("{own}/sh"));
        assert_eq!(resolve("./sh", own).rsplit_once('/').unwrap().1, "sh");
        assert_eq!(resolve("nowhere", own), "nowhere");
    }
}
