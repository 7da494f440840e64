//! Memory whose faults are another program's business, and who is told of forks: each fork
//! waits until its message was read (fs/userfaultfd.c, `dup_userfaultfd_complete`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use super::check;
use super::memory::page_size;
use super::shared::memory_file;

/// include/uapi/linux/userfaultfd.h: the number of its interface, which its calls have too.
const API: u64 = 0xaa;
/// UFFDIO_API and UFFDIO_REGISTER, which both read and write 24 and 32 bytes.
const UFFDIO_API: libc::c_ulong = 0xc018_aa3f;
const UFFDIO_REGISTER: libc::c_ulong = 0xc020_aa00;
/// UFFD_FEATURE_EVENT_FORK.
const EVENT_FORK: u64 = 1 << 1;
/// UFFDIO_REGISTER_MODE_MISSING and _WP.
const MODE_MISSING: u64 = 1;
const MODE_WRITES: u64 = 2;

/// A userfaultfd of this process that is told of its forks.
#[derive(Debug)]
pub struct Userfault(OwnedFd);

impl Userfault {
    /// Opens one; closed on exec.
    ///
    /// # Errors
    /// EPERM without CAP_SYS_PTRACE, ENOSYS and EINVAL for what the kernel lacks.
    pub fn open() -> io::Result<Self> {
        let flags = libc::c_long::from(libc::O_CLOEXEC);
        // SAFETY: userfaultfd(2) takes flags, and touches no memory.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, flags) };
        let fd = check(libc::c_int::try_from(fd).unwrap_or(-1))?;
        // SAFETY: the kernel has just made the descriptor, and nobody else knows its number.
        let opened = Self(unsafe { OwnedFd::from_raw_fd(fd) });
        opened.negotiate(&mut [API, EVENT_FORK, 0])?;
        Ok(opened)
    }

    /// Who reads of it reads by another descriptor of the same file.
    ///
    /// # Errors
    /// EMFILE.
    pub fn reading_end(&self) -> io::Result<OwnedFd> {
        self.0.try_clone()
    }

    /// Has it watch a mapping: first faults of it, and with `writes` those that write to what
    /// is write-protected by it, which nothing is. Memory that is there is untouched by that.
    ///
    /// # Errors
    /// EINVAL for memory that it cannot watch.
    pub fn watch(&self, start: usize, len: usize, writes: bool) -> io::Result<()> {
        let mode = MODE_MISSING | if writes { MODE_WRITES } else { 0 };
        self.register(&mut [start as u64, len as u64, mode, 0])
    }

    /// By a `struct uffdio_api`.
    fn negotiate(&self, api: &mut [u64; 3]) -> io::Result<()> {
        // SAFETY: the descriptor is open for as long as it is owned here. The words are live,
        // borrowed exclusively, aligned as a `struct uffdio_api` and its 24 bytes, which are all
        // that the request reads and writes; any bits are a u64. It keeps no address of theirs.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), UFFDIO_API, api.as_mut_ptr()) }).map(drop)
    }

    /// By a `struct uffdio_register`.
    fn register(&self, range: &mut [u64; 4]) -> io::Result<()> {
        // SAFETY: the descriptor is open for as long as it is owned here. The words are live,
        // borrowed exclusively, aligned as a `struct uffdio_register` and its 32 bytes, which
        // are all that the request reads and writes; any bits are a u64. It keeps no address of
        // theirs. The range that they name keeps its contents: who touches what is missing in
        // it waits.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), UFFDIO_REGISTER, range.as_mut_ptr()) })
            .map(drop)
    }
}

/// Reads of the forks that a descriptor is told of and lets each go on at once, until that
/// fails. The child's own descriptor, which comes with the message, is closed with the next
/// one: closed at once it would make its memory wait (`userfaultfd_release`).
///
/// # Errors
/// Those of reading, and `InvalidData` for what is no such message, or no such descriptor.
pub fn answer(forks: BorrowedFd<'_>) -> io::Result<()> {
    let forks = Forks::of(forks)?;
    let mut last: Option<OwnedFd> = None;
    loop {
        let child = forks.next()?;
        drop(last.replace(child));
    }
}

/// A descriptor that was seen to be a userfaultfd, whose messages are the kernel's.
struct Forks<'a>(BorrowedFd<'a>);

impl<'a> Forks<'a> {
    /// No other file has that name: those that are in a file system have a path.
    fn of(fd: BorrowedFd<'a>) -> io::Result<Self> {
        let file = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?;
        if file != Path::new("anon_inode:[userfaultfd]") {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self(fd))
    }

    /// The descriptor that comes with the next fork's message (`struct uffd_msg`: its kind is
    /// the first byte, and behind eight bytes follows the number).
    fn next(&self) -> io::Result<OwnedFd> {
        const LEN: usize = 32;
        const OF_FORK: u8 = 0x13;
        let mut message = [0_u8; LEN];
        // SAFETY: the descriptor is open for as long as it is borrowed. The message is live,
        // borrowed exclusively and as long as said; any bits are bytes.
        let read = unsafe { libc::read(self.0.as_raw_fd(), message.as_mut_ptr().cast(), LEN) };
        match usize::try_from(read) {
            Err(_) => return Err(io::Error::last_os_error()),
            Ok(LEN) if message[0] == OF_FORK => {}
            Ok(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
        let number = [message[8], message[9], message[10], message[11]];
        let number = RawFd::from_ne_bytes(number);
        // SAFETY: the message is the kernel's, as `of` has seen. With one of this kind comes a
        // descriptor that it has just opened in the process that reads (fs/userfaultfd.c,
        // `resolve_userfault_fork`), so that nobody else here knows its number or closes it.
        Ok(unsafe { OwnedFd::from_raw_fd(number) })
    }
}

/// Whether memory such as workers have can be watched here, and forks be told.
///
/// # Errors
/// Why not.
pub fn try_out() -> io::Result<()> {
    let page = page_size();
    let file = memory_file(c"forktax-watched", false)?;
    file.set_len(page as u64)?;
    let userfault = Userfault::open()?;
    let kinds = [
        (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1),
        (libc::MAP_PRIVATE, file.as_raw_fd()),
        (libc::MAP_SHARED, file.as_raw_fd()),
    ];
    kinds.into_iter().try_for_each(|(flags, fd)| {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel chooses a free address, so nothing is replaced.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), page, access, flags, fd, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let watched = userfault.watch(start as usize, page, true);
        // SAFETY: the range is what was mapped just above, which nobody knows of.
        unsafe { libc::munmap(start, page) };
        watched
    })
}
