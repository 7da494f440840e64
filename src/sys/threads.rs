//! Threads that sleep: they are there, and never run again.
//!
//! They are made by libc and not by Rust, whose threads allocate, install a stack
//! for signals and take locks when they end. These end with the process.

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
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
    let attributes = Attributes::new(stack_bytes)?;
    start_all(count, |_| start(&attributes))
}

/// Starts as many threads as there are stacks, and returns when all of them sleep, as
/// [`start_sleeping`] does.
///
/// # Errors
/// EAGAIN where a limit of processes or of memory is met. Threads that were started by
/// then stay.
pub fn start_sleeping_on(stacks: &Stacks) -> io::Result<()> {
    start_all(stacks.count, |index| {
        start(&Attributes::on(stacks.at(index), stacks.bytes)?)
    })
}

/// Stacks side by side in one mapping, which no fork copies (MADV_DONTFORK). It stays
/// until the process ends, as the threads do.
#[derive(Debug)]
pub struct Stacks {
    start: usize,
    bytes: usize,
    count: u64,
}

impl Stacks {
    /// Maps `count` stacks of so many bytes each, a multiple of the page size.
    ///
    /// # Errors
    /// Those of mmap(2) and madvise(2).
    pub fn map(count: u64, bytes: usize) -> io::Result<Self> {
        let no_memory = || io::Error::from_raw_os_error(libc::ENOMEM);
        let len = usize::try_from(count).ok();
        let len = len
            .and_then(|count| count.checked_mul(bytes))
            .ok_or_else(no_memory)?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK | libc::MAP_NORESERVE;
        // SAFETY: the kernel chooses a free address, so nothing is replaced.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the range was mapped just above, and a forked child, which does not
        // get it, runs on the stack of the thread that forks, which is another one.
        check(unsafe { libc::madvise(start, len, libc::MADV_DONTFORK) })?;
        Ok(Self {
            start: start as usize,
            bytes,
            count,
        })
    }

    /// The addresses that they cover.
    pub fn range(&self) -> [usize; 2] {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        [self.start, self.start + count * self.bytes]
    }

    fn at(&self, index: u64) -> usize {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        self.start + index * self.bytes
    }
}

/// Starts threads, and waits until all of them sleep.
fn start_all(count: u64, start: impl Fn(u64) -> io::Result<()>) -> io::Result<()> {
    if count == 0 {
        return Ok(());
    }
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
    fn new(stack_bytes: usize) -> io::Result<Self> {
        let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
        // SAFETY: `attributes` is live and writable, and as large as its type.
        check_errno(unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: the call above has initialised it, or there was an error.
        let mut attributes = Self(unsafe { attributes.assume_init() });
        // SAFETY: the attributes are initialised and writable; a size that is too
        // small is an error.
        check_errno(unsafe {
            libc::pthread_attr_setstacksize(&raw mut attributes.0, stack_bytes)
        })?;
        Ok(attributes)
    }
}

impl Attributes {
    /// A stack that is there already, without a guard.
    fn on(start: usize, bytes: usize) -> io::Result<Self> {
        let mut attributes = Self::new(bytes)?;
        // SAFETY: the attributes are initialised and writable; the range is a slice of
        // `Stacks`, mapped readable and writable for good, that one thread alone gets.
        check_errno(unsafe {
            libc::pthread_attr_setstack(&raw mut attributes.0, start as *mut _, bytes)
        })?;
        Ok(attributes)
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
    }
}
