//! Threads that sleep: they are there, and never run again.
//!
//! They are made by libc and not by Rust, whose threads allocate, install a stack
//! for signals and take locks when they end. These end with the process. One may be busy
//! before it sleeps: [`Busy`].

mod busy;

use std::ffi::c_void;
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use self::busy::{Busy, Deed};
use super::check_errno;

/// The right to make a copy of this process, or to lend its memory to a child: no other
/// thread holds a lock that the child would wait for, or works in memory that the child
/// uses. Threads that sleep do no harm, nor does [`Busy`], which takes no lock and keeps to
/// memory of its own; that no others are started by whoever has this right is one of the
/// walls that `tests/layers` guards.
#[derive(Debug, Clone, Copy)]
pub struct Alone(PhantomData<*const ()>);

impl Alone {
    /// Makes sure that there is no other thread.
    ///
    /// # Errors
    /// `InvalidInput` if there is one; those of reading /proc/self/task.
    pub fn make_sure() -> io::Result<Self> {
        if std::fs::read_dir("/proc/self/task")?.count() == 1 {
            return Ok(Self(PhantomData));
        }
        let why = "a process of several threads is not to be doubled";
        Err(io::Error::new(io::ErrorKind::InvalidInput, why))
    }
}

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
    let arrived = ARRIVED.load(Ordering::Acquire);
    let before = block_all()?;
    let started = (0..count).try_for_each(|_| start(&attributes, sleep));
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

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: `new` has initialised them, nobody else destroys them, and a
        // thread keeps no reference to what it was started with.
        unsafe { libc::pthread_attr_destroy(&raw mut self.0) };
    }
}

/// What a thread does; it ends with the process.
type Routine = extern "C" fn(*mut c_void) -> *mut c_void;

fn start(attributes: &Attributes, routine: Routine) -> io::Result<()> {
    let mut thread = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: `thread` is live and writable, the attributes are initialised, and
    // a routine of this module uses neither its argument, which may be null therefore,
    // nor any memory but statics and what its thread alone has.
    check_errno(unsafe {
        libc::pthread_create(
            thread.as_mut_ptr(),
            &raw const attributes.0,
            routine,
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

    #[test]
    fn a_process_of_several_threads_is_not_alone() {
        // The test harness is one.
        let refused = Alone::make_sure().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    }

    // That threads sleep is tested where what they map disturbs no other test:
    // src/lab/census.rs.
    #[test]
    fn a_stack_that_is_too_small_is_refused_and_none_is_no_error() {
        start_sleeping(0, 1 << 20).unwrap();
        let refused = start_sleeping(1, 1).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
    }
}
