//! Words of memory that several processes see and that no fork copies.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use super::check;

/// A shared mapping, populated, and left out of every fork (MADV_DONTFORK), so
/// that recording adds nothing to what is copied.
#[derive(Debug)]
pub struct SharedWords {
    start: NonNull<AtomicU64>,
    len: usize,
}

impl SharedWords {
    /// Maps the whole of `file`, which must hold at least `words` words, and seals it
    /// against being cut off: what is mapped beyond a file's end kills who reads it.
    ///
    /// # Errors
    /// Those of mmap(2) and madvise(2); EINVAL if the file is too short, or is none of
    /// [`memory_file`].
    pub fn of_file(file: &File, words: usize) -> io::Result<Self> {
        // SAFETY: F_ADD_SEALS takes a number, and changes nothing but what may be done to
        // the file from now on.
        check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_SHRINK) })?;
        if file.metadata()?.len() / (size_of::<u64>() as u64) < words as u64 {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        Self::map(words, libc::MAP_SHARED, file.as_raw_fd())
    }

    /// Maps fresh memory.
    ///
    /// # Errors
    /// Those of mmap(2) and madvise(2).
    pub fn anonymous(words: usize) -> io::Result<Self> {
        Self::map(words, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1)
    }

    fn map(words: usize, flags: libc::c_int, fd: libc::c_int) -> io::Result<Self> {
        let bytes = words.checked_mul(size_of::<u64>());
        let bytes = bytes.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = flags | libc::MAP_POPULATE;
        // SAFETY: the kernel chooses a free address, so nothing is replaced;
        // a bad length or descriptor is an error.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, fd, 0) };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start =
            NonNull::new(address.cast()).expect("the kernel never maps address 0 by itself");
        let words = Self { start, len: words };
        // SAFETY: the range is the mapping made above; the advice changes no
        // contents, only what a fork takes over.
        check(unsafe { libc::madvise(address, bytes, libc::MADV_DONTFORK) })?;
        Ok(words)
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping holds `len` words, is page-aligned, lives as long
        // as `self`, and atomics allow that another process changes them.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The addresses that the mapping covers, to whole pages.
    pub fn range(&self) -> [usize; 2] {
        let start = self.start.as_ptr() as usize;
        let bytes = (self.len * size_of::<u64>()).next_multiple_of(super::memory::page_size());
        [start, start + bytes]
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        let bytes = self.len * size_of::<u64>();
        // SAFETY: the range was mapped by `map` and no reference outlives self.
        unsafe { libc::munmap(self.start.as_ptr().cast(), bytes) };
    }
}

/// A file without a name in memory (memfd_create(2)), closed on exec.
///
/// # Errors
/// Those of memfd_create(2): EACCES where `vm.memfd_noexec` forbids it.
pub fn memory_file(name: &std::ffi::CStr, executable: bool) -> io::Result<File> {
    const MFD_NOEXEC_SEAL: libc::c_uint = 0x8;
    const MFD_EXEC: libc::c_uint = 0x10;
    let kind = if executable {
        MFD_EXEC
    } else {
        MFD_NOEXEC_SEAL
    };
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    create(name, kind | flags).or_else(|error| match error.raw_os_error() {
        // Linux before 6.3 does not know the two kinds.
        Some(libc::EINVAL) => create(name, flags),
        _ => Err(error),
    })
}

/// Another descriptor of the same file, which stays open over exec.
///
/// # Errors
/// EMFILE.
pub fn inheritable(file: &File) -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD takes the least number that the new descriptor may have.
    let fd = check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD, 3) })?;
    // SAFETY: the kernel gave this descriptor to us just now, and nobody else
    // knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn create(name: &std::ffi::CStr, flags: libc::c_uint) -> io::Result<File> {
    // SAFETY: `name` is a live C string, which the kernel only reads.
    let fd = check(unsafe { libc::memfd_create(name.as_ptr(), flags) })?;
    // SAFETY: the kernel gave this descriptor to us just now, and nobody else
    // knows of it.
    Ok(unsafe { File::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn words_are_seen_through_the_file() {
        let file = memory_file(c"forktax-test", false).unwrap();
        file.set_len(4096).unwrap();
        let shared = SharedWords::of_file(&file, 512).unwrap();
        shared.words()[7].store(42, Ordering::Relaxed);
        let mut word = [0; 8];
        file.read_exact_at(&mut word, 56).unwrap();
        assert_eq!(u64::from_ne_bytes(word), 42);
        assert!(file.set_len(4095).is_err(), "it is mapped");
        assert!(SharedWords::of_file(&file, 513).is_err());
        let other = tempfile::tempfile().unwrap();
        other.set_len(4096).unwrap();
        assert!(SharedWords::of_file(&other, 512).is_err());
        assert!(SharedWords::anonymous(usize::MAX / 8 + 2).is_err());
    }
}
