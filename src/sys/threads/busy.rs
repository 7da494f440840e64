//! One thread that is busy with memory of its own: it lets a page go and touches it again, or
//! maps one and unmaps it, and notes the longest that this took.
//!
//! What it takes long for is the lock of the address space (`mmap_lock`), or that of its
//! mapping, which another thread's fork holds while it copies (mm/mmap.c, `dup_mmap`). It
//! allocates nothing, takes no lock of libc's and reads the clock without one, so that
//! nobody is disturbed who relies on being alone.

use std::ffi::c_void;
use std::io;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU8, AtomicU64, Ordering};

use super::{Attributes, block_all, restore, start};
use crate::sys::check;
use crate::sys::clock::now_ns;
use crate::sys::memory::page_size;
use crate::sys::process::{allowed_cpus, run_on};

/// What the thread does again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Deed {
    /// It lets its page go, by `MADV_DONTNEED`, and writes to it.
    Faults = 0,
    /// It maps a page, which nobody touches, and unmaps it.
    Maps = 1,
}

/// Neither: it sleeps for good.
const REST: u8 = 2;

static DEED: AtomicU8 = AtomicU8::new(REST);
/// Deeds done.
static LAPS: AtomicU64 = AtomicU64::new(0);
/// The nanoseconds of the longest since somebody asked for another deed.
static LONGEST: AtomicU64 = AtomicU64::new(0);
/// The number of the first error.
static ERROR: AtomicI32 = AtomicI32::new(0);
/// The page of the one that is there.
static PAGE: AtomicPtr<c_void> = AtomicPtr::new(std::ptr::null_mut());

/// The thread. A process has one at the most.
#[derive(Debug)]
pub struct Busy(());

impl Busy {
    /// Starts it on this CPU, or wherever this thread may run, with such a stack. It blocks all
    /// signals.
    ///
    /// # Errors
    /// Those of the CPU, of a mapping and of a thread; `AlreadyExists` for a second one.
    pub fn start(cpu: Option<usize>, stack_bytes: usize) -> io::Result<Self> {
        if !PAGE.load(Ordering::Relaxed).is_null() {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        PAGE.store(map()?, Ordering::Relaxed);
        DEED.store(Deed::Faults as u8, Ordering::Relaxed);
        let attributes = Attributes::new(stack_bytes)?;
        let own = allowed_cpus()?;
        // It inherits the CPU and the signals.
        let before = block_all()?;
        let started = cpu
            .map_or(Ok(()), |cpu| run_on(&[cpu]))
            .and_then(|()| start(&attributes, work));
        run_on(&own)?;
        restore(&before)?;
        started.map(|()| Self(()))
    }

    /// Has it do this from now on, and returns once it does. What it took before is forgotten.
    pub fn turn_to(&self, deed: Deed) {
        DEED.store(deed as u8, Ordering::Release);
        // The one under way is still another.
        await_laps(2);
        LONGEST.store(0, Ordering::Relaxed);
    }

    /// The nanoseconds of the longest since then, the one under way included.
    ///
    /// # Errors
    /// Those of its deeds.
    pub fn longest(&self) -> io::Result<u64> {
        await_laps(1);
        match ERROR.load(Ordering::Relaxed) {
            0 => Ok(LONGEST.load(Ordering::Relaxed)),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        DEED.store(REST, Ordering::Release);
    }
}

fn await_laps(count: u64) {
    let from = LAPS.load(Ordering::Acquire);
    while LAPS.load(Ordering::Acquire).wrapping_sub(from) < count {
        std::hint::spin_loop();
    }
}

/// What the thread does, until it shall rest.
extern "C" fn work(_: *mut c_void) -> *mut c_void {
    loop {
        let begin = now_ns();
        let done = match DEED.load(Ordering::Acquire) {
            REST => {
                // SAFETY: pause(2) takes nothing and touches no memory.
                unsafe { libc::pause() };
                continue;
            }
            deed if deed == Deed::Maps as u8 => map().and_then(unmap),
            _ => fault(PAGE.load(Ordering::Relaxed)),
        };
        LONGEST.fetch_max(now_ns() - begin, Ordering::Relaxed);
        if let Err(error) = done {
            ERROR.store(error.raw_os_error().unwrap_or(libc::EIO), Ordering::Relaxed);
        }
        LAPS.fetch_add(1, Ordering::Release);
    }
}

/// Maps a page that nobody else knows of.
fn map() -> io::Result<*mut c_void> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: the kernel chooses a free address, so nothing is replaced.
    let page = unsafe { libc::mmap(std::ptr::null_mut(), page_size(), protection, flags, -1, 0) };
    match page == libc::MAP_FAILED {
        true => Err(io::Error::last_os_error()),
        false => Ok(page),
    }
}

/// Unmaps a page of `map`'s.
fn unmap(page: *mut c_void) -> io::Result<()> {
    // SAFETY: the caller has just mapped this page, and given it to nobody.
    check(unsafe { libc::munmap(page, page_size()) }).map(drop)
}

/// Lets the page go and writes to it.
fn fault(page: *mut c_void) -> io::Result<()> {
    // SAFETY: the page is the thread's own, mapped for good by `start`, and what it holds
    // matters to nobody.
    check(unsafe { libc::madvise(page, page_size(), libc::MADV_DONTNEED) })?;
    // SAFETY: as above; it may be written to.
    unsafe { page.cast::<u8>().write_volatile(1) };
    Ok(())
}
