//! Files of the store: read without following anything, and replaced at one stroke.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::units::LARGEST_FILE;

/// The permissions of group and others to write.
const WRITTEN_BY_OTHERS: u32 = 0o022;

/// The bytes of a regular file; nothing where there is no file.
///
/// A symbolic link is refused and a FIFO does not block: the kind is asked of what was
/// opened, so that nobody can exchange it in between. What others than `user` and root may
/// have written is not read.
pub(super) fn read(path: &Path, user: u32) -> io::Result<Option<Vec<u8>>> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return Err(io::Error::other(
                "it is a symbolic link, and none is followed",
            ));
        }
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if metadata.len() > LARGEST_FILE {
        return Err(io::Error::other("it is larger than any card"));
    }
    check_owner("it", &metadata, user)?;
    if metadata.mode() & WRITTEN_BY_OTHERS != 0 {
        return Err(io::Error::other("others may write to it"));
    }
    if let Some(directory) = path.parent() {
        check_directory(directory, user)?;
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Refuses what belongs to a stranger.
fn check_owner(what: &str, metadata: &Metadata, user: u32) -> io::Result<()> {
    match metadata.uid() {
        0 => Ok(()),
        owner if owner == user => Ok(()),
        owner => Err(io::Error::other(format!(
            "{what} belongs to user {owner}, who is neither this one nor root"
        ))),
    }
}

/// Refuses a directory in which others may put files, or exchange them.
fn check_directory(directory: &Path, user: u32) -> io::Result<()> {
    let metadata = directory.metadata()?;
    check_owner("its directory", &metadata, user)?;
    if metadata.uid() != user && metadata.mode() & WRITTEN_BY_OTHERS != 0 {
        return Err(io::Error::other("others may write to its directory"));
    }
    Ok(())
}

/// Puts the bytes at the path, for this user alone.
pub(super) fn replace(directory: &Path, path: &Path, bytes: &[u8], user: u32) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    check_directory(directory, user)?;
    let beside = beside(directory);
    let placed = write_new(&beside, bytes).and_then(|()| fs::rename(&beside, path));
    if placed.is_err() {
        // The error that led here is the one to report.
        let _ = fs::remove_file(&beside);
        return placed;
    }
    // The name, too, shall outlive a crash.
    File::open(directory)?.sync_all()
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A name that no other process and no other thread of this one uses.
fn beside(directory: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // A namespace may give another process the same number, and time tells them apart.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = since.unwrap_or_default().as_nanos();
    directory.join(format!(
        ".card-{}-{nanos:x}-{count}.part",
        std::process::id()
    ))
}
