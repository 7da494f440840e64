//! A file replaced at one stroke: it is whole, or it is what it was.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Refuses early what cannot be written to.
pub(super) fn check(path: &Path) -> io::Result<()> {
    let Ok(metadata) = path.metadata() else {
        return match fs::metadata(directory(path)) {
            Ok(parent) if parent.is_dir() => Ok(()),
            Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
            Err(error) => Err(error),
        };
    };
    if metadata.file_type().is_fifo() {
        let why = "a FIFO would block until somebody reads it: print to stdout and pipe that";
        return Err(io::Error::other(why));
    }
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(())
}

/// Puts the bytes at the path. A link is followed, a device is written to, and a file
/// that is there keeps its permissions; a new one is for its owner alone.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let there = path.metadata().ok();
    if there.as_ref().is_some_and(|metadata| !metadata.is_file()) {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let target = if there.is_some() {
        path.canonicalize()?
    } else {
        path.to_owned()
    };
    let beside = beside(&target);
    let permissions = there.map(|metadata| metadata.permissions());
    let placed = write_new(&beside, bytes, permissions).and_then(|()| fs::rename(&beside, &target));
    if placed.is_err() {
        // The error that led here is the one to report.
        let _ = fs::remove_file(&beside);
    }
    placed
}

fn write_new(path: &Path, bytes: &[u8], permissions: Option<fs::Permissions>) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.sync_all()
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A name in the same directory that nothing else has.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The number of another process in another namespace may be the same.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = since.unwrap_or_default().as_nanos();
    let name: String = name.chars().take(40).collect();
    directory(path).join(format!(".{name}.{}-{nanos:x}.part", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_and_nothing_stays_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("shape.json");
        check(&path).unwrap();
        replace(&path, b"one").unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        replace(&link, b"other").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"other");
        assert_eq!(mode(&path), 0o644);
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
        replace(Path::new("/dev/null"), b"x").unwrap();
    }

    #[test]
    fn what_cannot_be_written_to_is_refused_early() {
        let root = tempfile::tempdir().unwrap();
        assert!(check(root.path()).is_err());
        assert!(check(&root.path().join("no/file")).is_err());
        let file = root.path().join("file");
        replace(&file, b"").unwrap();
        assert!(check(&file.join("below")).is_err());
        assert!(check(Path::new("in-this-directory")).is_ok());
    }
}
