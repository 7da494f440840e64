//! Threads that sleep: they are there, and never run again.
//!
//! They are made by libc and not by Rust, whose threads allocate, install a stack
//! for signals and take locks when they end. These end with the process.

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{check, check_errno};

/// The threads that have come as far as their last system call.
static ARRIVED: AtomicU64 = AtomicU64::new(0);

/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_micros(100);
/// From there to sleep it is a few instructions and one system call.
const TO_SLEEP: Duration = Duration::from_millis(1);

/// Starts `count` threads with a stack of `stack_bytes` and libc's guard below it,
/// and returns when all of them sleep in the kernel. They block all signals that
/// can be blocked, so that those of the process are its first thread's.
///
/// # Errors
/// EAGAIN where a limit of processes, of mappings or of memory is met, EINVAL for
/// a stack that is too small. Threads that were started by then stay.
pub fn start_sleeping(count: u64, stack_bytes: usize) -> io::Result<()> {
    if count == 0 {
        return Ok(());
    }
    let mut attributes = Attributes::new()?;
    attributes.set_stack_size(stack_bytes)?;
    start_all(count, |_| start(&attributes))
}

/// Stacks side by side in one mapping that no fork copies.
#[derive(Debug)]
pub struct Stacks {
    first: NonNull<c_void>,
    count: u64,
    bytes: usize,
}

impl Stacks {
    /// Maps `count` stacks of `bytes`, whole pages, for the rest of the process's life.
    /// They have no guards: their threads sleep and never come near the end.
    ///
    /// # Errors
    /// ENOMEM; EINVAL for none at all.
    pub fn map(count: u64, bytes: usize) -> io::Result<Self> {
        let len = usize::try_from(count).ok();
        let len = len.and_then(|count| count.checked_mul(bytes));
        let len = len.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: the kernel chooses a free address, so nothing is replaced; a bad
        // length is an error.
        let first = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, -1, 0) };
        if first == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the range was mapped just above, and a child of fork does not have
        // the threads that use it.
        check(unsafe { libc::madvise(first, len, libc::MADV_DONTFORK) })?;
        // SAFETY: as above; the advice changes no contents. A kernel without huge pages
        // refuses, and has none to keep away.
        unsafe { libc::madvise(first, len, libc::MADV_NOHUGEPAGE) };
        Ok(Self {
            first: NonNull::new(first).expect("the kernel never maps address 0 by itself"),
            count,
            bytes,
        })
    }

    /// The addresses that they cover.
    pub fn range(&self) -> [usize; 2] {
        let start = self.first.as_ptr() as usize;
        [start, start + self.bytes * self.len()]
    }

    fn len(&self) -> usize {
        usize::try_from(self.count).expect("`map` has computed with it")
    }

    /// Starts a thread on each, as [`start_sleeping`] does, but by clone(2). Libc must not
    /// know of them: in a forked child it looks through the stacks of all threads that it
    /// knows (glibc, nptl/nptl_fork.h, reclaim_stacks), and these are not there. So it
    /// allocates nothing for them either, which a fork would copy.
    ///
    /// # Errors
    /// EAGAIN as there.
    pub fn start_sleeping(self) -> io::Result<()> {
        let flags = libc::CLONE_VM
            | libc::CLONE_FS
            | libc::CLONE_FILES
            | libc::CLONE_SIGHAND
            | libc::CLONE_THREAD
            | libc::CLONE_SYSVSEM;
        let mut top = self.first.as_ptr();
        start_all(self.count, |_| {
            top = top.wrapping_byte_add(self.bytes);
            // SAFETY: below `top` there are whole pages of the mapping, which stays for
            // ever, and no other thread's: each stack is given away once, since `self`
            // is used up. `sleep_unknown` never returns and uses no argument. It shares
            // the first thread's thread-local storage, and does not write to it.
            check(unsafe { libc::clone(sleep_unknown, top, flags, std::ptr::null_mut()) }).map(drop)
        })
    }
}

/// Starts threads by `start` with all signals blocked, and waits until they sleep.
fn start_all(count: u64, start: impl FnMut(u64) -> io::Result<()>) -> io::Result<()> {
    let arrived = ARRIVED.load(Ordering::Acquire);
    let before = block_all()?;
    let started = (0..count).try_for_each(start);
    restore(&before)?;
    started?;
    // A thread that was started runs sooner or later, so that this ends.
    while ARRIVED.load(Ordering::Acquire) - arrived < count {
        std::thread::sleep(LOOK);
    }
    std::thread::sleep(TO_SLEEP);
    Ok(())
}

/// What the threads are started with.
struct Attributes(libc::pthread_attr_t);

impl Attributes {
    fn new() -> io::Result<Self> {
        let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
        // SAFETY: `attributes` is live and writable, and as large as its type.
        check_errno(unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: the call above has initialised it, or there was an error.
        Ok(Self(unsafe { attributes.assume_init() }))
    }

    fn set_stack_size(&mut self, bytes: usize) -> io::Result<()> {
        // SAFETY: the attributes are initialised and writable; a size that is too
        // small is an error.
        check_errno(unsafe { libc::pthread_attr_setstacksize(&raw mut self.0, bytes) })
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: `new` has initialised them, nobody else destroys them, and a
        // thread keeps no reference to what it was started with.
        unsafe { libc::pthread_attr_destroy(&raw mut self.0) };
    }
}

fn start(attributes: &Attributes) -> io::Result<()> {
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: `thread` is live and writable, the attributes are initialised, and
    // `sleep` uses neither its argument, which may be null therefore, nor any
    // memory but a number that lives as long as the program.
    check_errno(unsafe {
        libc::pthread_create(
            thread.as_mut_ptr(),
            &raw const attributes.0,
            sleep,
            std::ptr::null_mut(),
        )
    })
}

/// What each thread does. It takes no lock and allocates nothing.
extern "C" fn sleep(_: *mut c_void) -> *mut c_void {
    ARRIVED.fetch_add(1, Ordering::Release);
    loop {
        // SAFETY: pause(2) takes nothing and touches no memory.
        unsafe { libc::pause() };
    }
}

/// What a thread does that libc does not know of.
extern "C" fn sleep_unknown(_: *mut c_void) -> libc::c_int {
    ARRIVED.fetch_add(1, Ordering::Release);
    loop {
        // SAFETY: ppoll(2) of no descriptors, without a time-out and a mask, touches no
        // memory. It ends with the process: the signals are blocked, and after a stop
        // the kernel takes it up again. So no error is ever written to errno, which is
        // the first thread's.
        unsafe { libc::syscall(libc::SYS_ppoll, 0, 0, 0, 0) };
    }
}

/// Blocks all signals of this thread, and with it of those that it starts, and
/// returns what was blocked before.
fn block_all() -> io::Result<libc::sigset_t> {
    // SAFETY: a sigset_t is numbers, for which all zeros is a value; the next
    // call makes it a full set.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: as above; the call below overwrites it.
    let mut before: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: `all` is live and writable.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: `all` is initialised and only read, `before` is live and writable.
    check_errno(unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before)
    })?;
    Ok(before)
}

fn restore(before: &libc::sigset_t) -> io::Result<()> {
    // SAFETY: the set was filled by the kernel and is only read, and no old mask
    // is wanted.
    check_errno(unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    // That threads sleep is tested where what they map disturbs no other test:
    // src/lab/census.rs.
    #[test]
    fn a_stack_that_is_too_small_is_refused_and_none_is_no_error() {
        start_sleeping(0, 1 << 20).unwrap();
        let refused = start_sleeping(1, 1).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
        let refused = Stacks::map(0, 1 << 16).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
        assert!(Stacks::map(u64::MAX, 1 << 16).is_err());
    }
}
