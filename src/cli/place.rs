//! A place that a result will be written to: looked at before anything is measured, and
//! filled at one stroke, so that a file is whole or what it was.
//!
//! Nothing is created before there is something to write. Where it cannot be done so, in
//! a folder in which nothing can be created, a file is written over.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Component, Path, PathBuf};

use crate::sys::files;
use crate::sys::supervision::Held;

/// The mode of a new file that everybody may read, as far as the umask allows.
pub(super) const FOR_ALL: u32 = 0o666;
/// The mode of a new file that is for its owner alone.
pub(super) const FOR_OWNER: u32 = 0o600;

/// Where bytes will go.
#[derive(Debug)]
pub(super) struct Place {
    way: Way,
    identity: Option<Identity>,
}

#[derive(Debug)]
enum Way {
    /// To the name of a regular file, which has this mode if it is new.
    Named { target: PathBuf, mode: u32 },
    /// To what is open already: a FIFO, a device, what a descriptor leads to.
    Open(File),
}

/// What tells a regular file from all others: its device and inode, or those of its
/// folder and the name that it will have there.
pub(super) type Identity = (u64, u64, Option<OsString>);

impl Place {
    /// Looks at a path, and refuses what could not be written to. A link is followed, be
    /// there something at its end or not; a descriptor is written to where it stands.
    pub(super) fn open(path: &Path, mode: u32) -> io::Result<Self> {
        if !path.exists() && path.as_os_str().as_bytes().ends_with(b"/") {
            return Err(io::Error::other(
                "there is no such folder, and a file has no slash",
            ));
        }
        match follow(path)? {
            Target::Own(number) => Self::at(files::duplicate_for_writing(number)?),
            Target::Descriptor => Self::at(open(path, true)?),
            Target::Name(target) => match open(path, false) {
                Ok(file) if file.metadata()?.is_file() => Ok(Self {
                    way: Way::Named { target, mode },
                    identity: identity(&file)?,
                }),
                Ok(file) => Self::at(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Self::new(target, mode),
                Err(error) => Err(error),
            },
        }
    }

    fn at(file: File) -> io::Result<Self> {
        Ok(Self {
            identity: identity(&file)?,
            way: Way::Open(file),
        })
    }

    fn new(target: PathBuf, mode: u32) -> io::Result<Self> {
        let folder = folder(&target);
        check_creation(folder)?;
        let of = fs::metadata(folder)?;
        let name = target.file_name();
        let name = name.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))?;
        Ok(Self {
            identity: Some((of.dev(), of.ino(), Some(name.to_owned()))),
            way: Way::Named { target, mode },
        })
    }

    /// The regular file that will be written to.
    pub(super) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Whether another file takes the place of the one that is there.
    pub(super) fn is_replaced(&self) -> bool {
        matches!(self.way, Way::Named { .. })
    }

    /// Puts the bytes there.
    pub(super) fn fill(self, bytes: &[u8]) -> io::Result<()> {
        match self.way {
            Way::Named { target, mode } => undisturbed(|| replace(&target, bytes, mode)),
            // A reader that has seen enough is no error.
            Way::Open(mut file) => match file.write_all(bytes) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
                written => written,
            },
        }
    }
}

/// The identity of what is open, if it is a regular file.
pub(super) fn identity(file: &File) -> io::Result<Option<Identity>> {
    let of = file.metadata()?;
    Ok(of.is_file().then(|| (of.dev(), of.ino(), None)))
}

/// What a path leads to.
enum Target {
    /// A descriptor of this process.
    Own(i32),
    /// One of another process.
    Descriptor,
    /// A name, which is no link.
    Name(PathBuf),
}

/// Follows links one by one: those to descriptors lead to no name, though they show one.
fn follow(path: &Path) -> io::Result<Target> {
    /// As the kernel does (MAXSYMLINKS, include/linux/namei.h).
    const MOST_LINKS: usize = 40;
    // Without a slash at its end.
    let mut target: PathBuf = path.components().collect();
    for _ in 0..MOST_LINKS {
        if let Some(descriptor) = descriptor(&target) {
            return Ok(descriptor);
        }
        match fs::read_link(&target) {
            Ok(link) => target = folder(&target).join(link),
            Err(_) => return Ok(Target::Name(target)),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

/// What lies in a process's folder of descriptors, be it reached by /dev/fd or otherwise.
fn descriptor(path: &Path) -> Option<Target> {
    let number = path.file_name()?.to_str()?.parse().ok()?;
    let folder = folder(path).canonicalize().ok()?;
    let mut parts = folder.components();
    let ends = parts.next_back() == Some(Component::Normal("fd".as_ref()));
    if !ends || !folder.starts_with("/proc") {
        return None;
    }
    let own = ["/proc/self/fd", "/proc/thread-self/fd"].map(fs::canonicalize);
    let is_own = own.iter().flatten().any(|own| *own == folder);
    Some(match is_own {
        true => Target::Own(number),
        false => Target::Descriptor,
    })
}

/// Opens what is there for writing. The kernel follows the links here, so that one it does
/// not follow for this user (fs.protected_symlinks) is refused.
fn open(path: &Path, append: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).append(append);
    // Without waiting for the reader of a FIFO, or for a line.
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path).map_err(|error| {
        let nobody = error.raw_os_error() == Some(libc::ENXIO);
        match nobody && path.metadata().is_ok_and(|of| is_fifo(&of)) {
            true => io::Error::other("nobody reads this FIFO: start its reader first"),
            false => error,
        }
    })?;
    files::wait_to_write(&file)?;
    Ok(file)
}

fn is_fifo(of: &Metadata) -> bool {
    of.mode() & libc::S_IFMT == libc::S_IFIFO
}

/// Refuses a folder in which no file can be created: by one that never has a name, or where
/// the file system has no such by the permissions.
fn check_creation(folder: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.write(true).custom_flags(libc::O_TMPFILE);
    match options.open(folder) {
        Ok(_) => Ok(()),
        Err(error) => match error.raw_os_error() {
            Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL) => files::check_folder(folder),
            _ => Err(error),
        },
    }
}

/// Does what must not be left half done: what asks this process to end waits until then.
fn undisturbed<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let held = Held::back(&[libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM])?;
    let done = work();
    held.release()?;
    done
}

/// Puts a file of these bytes in the place of the one that is there, or over it where
/// nothing can be put beside it, or where that would not be the same in all else.
fn replace(target: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let there = target.metadata().ok().filter(Metadata::is_file);
    if there.as_ref().is_some_and(|of| of.nlink() > 1) || files::has_acl(target) {
        return overwrite(target, bytes);
    }
    match put_beside(target, bytes, there.as_ref(), mode) {
        Err(error) if there.is_some() && is_barred(&error) => overwrite(target, bytes),
        placed => placed,
    }
}

/// Whether it is the folder that bars a new name: it may not be written to, is on a medium
/// that is read only, is sticky and the file another's, or the file is a mount.
fn is_barred(error: &io::Error) -> bool {
    let barred = [libc::EACCES, libc::EPERM, libc::EROFS, libc::EBUSY];
    error.raw_os_error().is_some_and(|it| barred.contains(&it))
}

fn put_beside(target: &Path, bytes: &[u8], there: Option<&Metadata>, mode: u32) -> io::Result<()> {
    let beside = beside(target);
    let mut options = OpenOptions::new();
    let mode = if there.is_some() { FOR_OWNER } else { mode };
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    let written = file.write_all(bytes);
    let placed = written
        .and_then(|()| there.map_or(Ok(()), |there| inherit(&file, there)))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, target));
    if placed.is_err() {
        // The error that led here is the one to report.
        let _ = fs::remove_file(&beside);
    }
    placed
}

/// Gives a file the mode of the one that it replaces, and its owner and group as far as
/// this user may. Another group is let do nothing.
fn inherit(file: &File, there: &Metadata) -> io::Result<()> {
    let group = Some(there.gid());
    let given = fchown(file, Some(there.uid()), group).or_else(|_| fchown(file, None, group));
    let kept = if given.is_ok() { 0o777 } else { 0o707 };
    file.set_permissions(Permissions::from_mode(there.mode() & kept))
}

/// Writes over what a file held, if there is room, and cuts off the rest only then.
fn overwrite(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(target)?;
    files::reserve(&file, bytes.len())?;
    file.write_all(bytes)?;
    file.set_len(bytes.len() as u64)
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// A name in the same folder that nothing else has.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The number of another process in another namespace may be the same.
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = since.unwrap_or_default().as_nanos();
    let name: String = name.chars().take(40).collect();
    folder(path).join(format!(".{name}.{}-{nanos:x}.part", std::process::id()))
}

#[cfg(test)]
mod tests;
