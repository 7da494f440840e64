//! What the standard library does not tell of files: whether a folder may be written to,
//! and a descriptor by its number.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::check;

/// Refuses a folder in which this process may create nothing.
///
/// # Errors
/// Those of faccessat(2): EACCES, EROFS, ENOENT, ENOTDIR.
pub fn check_folder(folder: &Path) -> io::Result<()> {
    let path = CString::new(folder.as_os_str().as_bytes())?;
    let mode = libc::W_OK | libc::X_OK;
    // SAFETY: the path is a C string that lives beyond the call, which only reads it.
    check(unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS) })
        .map(drop)
}

/// Whether a file has an access control list, which says more than its mode (acl(5)).
pub fn has_acl(file: &Path) -> bool {
    let Ok(path) = CString::new(file.as_os_str().as_bytes()) else {
        return false;
    };
    let (name, nowhere) = (c"system.posix_acl_access", std::ptr::null_mut());
    // SAFETY: both strings live beyond the call, which only reads them; with a size of 0 it
    // writes nothing and tells how much there is.
    unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), nowhere, 0) > 0 }
}

/// Makes sure of the room for so many bytes, where the file system can; the file stays as
/// it is.
///
/// # Errors
/// ENOSPC, EDQUOT, EFBIG.
pub fn reserve(file: &File, bytes: usize) -> io::Result<()> {
    let Ok(bytes @ 1..) = libc::off_t::try_from(bytes) else {
        return Ok(());
    };
    // SAFETY: fallocate(2) takes numbers; the descriptor is open while `file` lives.
    let reserved =
        check(unsafe { libc::fallocate(file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, 0, bytes) });
    match reserved {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(()),
        reserved => reserved.map(drop),
    }
}

/// Another descriptor of what is open under a number: both write at one offset.
///
/// # Errors
/// EBADF if nothing is open there, or not for writing.
pub fn duplicate_for_writing(number: i32) -> io::Result<File> {
    // SAFETY: F_GETFL takes no argument, and any number may be asked about.
    let flags = check(unsafe { libc::fcntl(number, libc::F_GETFL) })?;
    if flags & libc::O_ACCMODE == libc::O_RDONLY {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: F_DUPFD_CLOEXEC takes a number and no pointer, and any number may be asked for.
    let fd = check(unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 0) })?;
    // SAFETY: the descriptor was made just now, is open, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) }.into())
}

/// Has writes wait from now on, of a file that was opened without waiting.
///
/// # Errors
/// None for an open file, but fcntl(2) reserves the right.
pub fn wait_to_write(file: &File) -> io::Result<()> {
    // SAFETY: F_GETFL takes no argument, and the descriptor is open while `file` lives.
    let flags = check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) })?;
    let waiting = flags & !libc::O_NONBLOCK;
    // SAFETY: F_SETFL takes flags and no pointer; the descriptor is open while `file` lives.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, waiting) }).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;

    #[test]
    fn room_is_made_sure_of_and_nothing_changes() {
        let file = tempfile::tempfile().unwrap();
        reserve(&file, 0).unwrap();
        reserve(&file, 100_000).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 0);
        let too_much = reserve(&file, usize::MAX >> 1);
        assert!(too_much.is_err(), "more than any file has");
    }

    #[test]
    fn a_plain_file_has_no_list() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(!has_acl(file.path()) && !has_acl(Path::new("nul\0")));
    }

    #[test]
    fn a_folder_is_told_from_none() {
        let root = tempfile::tempdir().unwrap();
        check_folder(root.path()).unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(check_folder(&file.join("below")).is_err());
        assert!(check_folder(&root.path().join("none")).is_err());
        assert!(check_folder(Path::new("nul\0")).is_err());
    }

    #[test]
    fn a_duplicate_writes_where_the_other_stopped() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one").unwrap();
        let mut other = duplicate_for_writing(file.as_raw_fd()).unwrap();
        other.write_all(b"two").unwrap();
        file.write_all(b"three").unwrap();
        assert_eq!(file.metadata().unwrap().len(), 11);
        let reader = File::open("/dev/null").unwrap();
        assert!(duplicate_for_writing(reader.as_raw_fd()).is_err());
        assert!(duplicate_for_writing(-1).is_err());
    }

    #[test]
    fn writes_wait_once_they_are_told_to() {
        let mut options = OpenOptions::new();
        let options = options.write(true).custom_flags(libc::O_NONBLOCK);
        let file = options.open("/dev/null").unwrap();
        wait_to_write(&file).unwrap();
        let info = format!("/proc/self/fdinfo/{}", file.as_raw_fd());
        let info = std::fs::read_to_string(info).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = i32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
        assert_eq!(flags & libc::O_NONBLOCK, 0, "{info}");
    }
}
