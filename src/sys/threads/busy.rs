//! One thread that is busy with memory of its own: it touches a fresh page, or maps one and
//! unmaps it, again and again, and notes the longest that this took.
//!
//! What it takes long for is the lock of the address space (`mmap_lock`), or that of its
//! mapping, which another thread's fork holds while it copies (mm/mmap.c, `dup_mmap`). It
//! allocates nothing, takes no lock of libc's and reads the clock without one, so that
//! nobody is disturbed who relies on being alone. A fork leaves its pages out.

use std::ffi::c_void;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, Ordering};

use super::{Alone, Attributes, block_all, restore, start};
use crate::sys::check;
use crate::sys::clock::{clock_ns, now_ns};
use crate::sys::gauge::Untouched;
use crate::sys::memory::page_size;
use crate::sys::process::{allowed_cpus, run_on};

/// What the thread does again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Deed {
    /// It writes to a page that it has not had yet.
    Faults = 0,
    /// It maps a page, which nobody touches, and unmaps it.
    Maps = 1,
}

/// Neither: it sleeps for good.
const REST: u8 = 2;

/// Pages that it touches one after the other, and then lets go all together: those of a page
/// table, which last longer than most calls take.
const PAGES: usize = 512;

/// How long a deed may take: longer than a quota that is spent has the thread wait.
const PATIENCE_NS: u64 = 5_000_000_000;

static BEGUN: AtomicBool = AtomicBool::new(false);
static DEED: AtomicU8 = AtomicU8::new(REST);
/// Deeds done.
static LAPS: AtomicU64 = AtomicU64::new(0);
/// The nanoseconds of the longest since somebody asked for another deed.
static LONGEST: AtomicU64 = AtomicU64::new(0);
/// The number of the first error.
static ERROR: AtomicI32 = AtomicI32::new(0);

/// The thread. A process has one at the most.
#[derive(Debug)]
pub struct Busy(());

impl Busy {
    /// Starts it on this CPU, or wherever this thread may run, with such a stack. It blocks all
    /// signals.
    ///
    /// # Errors
    /// Those of the CPU and of a thread; `AlreadyExists` for a second one, and after an error.
    pub fn start(cpu: Option<usize>, stack_bytes: usize, _: Alone) -> io::Result<Self> {
        if BEGUN.swap(true, Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        DEED.store(Deed::Faults as u8, Ordering::Relaxed);
        // Dropped by an error, it rests.
        let busy = Self(());
        start_on(cpu, stack_bytes)?;
        Ok(busy)
    }

    /// Has it do this from now on, and returns once it does. What it took before is forgotten.
    ///
    /// # Errors
    /// `TimedOut` if it does nothing.
    pub fn turn_to(&self, deed: Deed) -> io::Result<()> {
        DEED.store(deed as u8, Ordering::Release);
        // The one under way is still another.
        await_laps(2)?;
        LONGEST.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// The nanoseconds of the longest since then, the one under way included.
    ///
    /// # Errors
    /// Those of its deeds; `TimedOut` if it does nothing.
    pub fn longest(&self) -> io::Result<u64> {
        await_laps(1)?;
        match ERROR.load(Ordering::Relaxed) {
            0 => Ok(LONGEST.load(Ordering::Relaxed)),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Has it rest for good, and tells the nanoseconds of CPU time that threads besides this
    /// one had: the others sleep.
    pub fn rest(self) -> u64 {
        drop(self);
        clock_ns(libc::CLOCK_PROCESS_CPUTIME_ID)
            .saturating_sub(clock_ns(libc::CLOCK_THREAD_CPUTIME_ID))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        DEED.store(REST, Ordering::Release);
    }
}

/// Starts the thread, which inherits the CPU and the signals, and goes back to its own.
fn start_on(cpu: Option<usize>, stack_bytes: usize) -> io::Result<()> {
    let attributes = Attributes::new(stack_bytes)?;
    let own = allowed_cpus()?;
    let before = block_all()?;
    let moved = cpu.map_or(Ok(()), |cpu| run_on(&[cpu]));
    let started = moved.and_then(|()| start(&attributes, work));
    let moved_back = run_on(&own);
    let restored = restore(&before);
    started.and(moved_back).and(restored)
}

fn await_laps(count: u64) -> io::Result<()> {
    let (from, begin) = (LAPS.load(Ordering::Acquire), now_ns());
    while LAPS.load(Ordering::Acquire).wrapping_sub(from) < count {
        if now_ns() - begin > PATIENCE_NS {
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        std::hint::spin_loop();
    }
    Ok(())
}

/// What the thread does, until it shall rest.
extern "C" fn work(_: *mut c_void) -> *mut c_void {
    let memory = noted(Untouched::map(PAGES));
    let mut before = REST;
    let mut touched = 0;
    loop {
        let deed = DEED.load(Ordering::Acquire);
        if deed == REST {
            // SAFETY: pause(2) takes nothing and touches no memory.
            unsafe { libc::pause() };
            continue;
        }
        if deed != before || touched == PAGES {
            // It takes another lock than a fault does, and is not timed.
            noted(memory.as_ref().map_or(Ok(()), Untouched::let_go));
            (before, touched) = (deed, 0);
        }
        let begin = now_ns();
        if deed == Deed::Maps as u8 {
            noted(map().and_then(unmap));
        } else if let Some(memory) = &memory {
            memory.touch_one(touched);
            touched += 1;
        }
        LONGEST.fetch_max(now_ns() - begin, Ordering::Relaxed);
        LAPS.fetch_add(1, Ordering::Release);
    }
}

/// What came of something; an error is kept for whoever asks.
fn noted<T>(done: io::Result<T>) -> Option<T> {
    done.inspect_err(|error| {
        ERROR.store(error.raw_os_error().unwrap_or(libc::EIO), Ordering::Relaxed);
    })
    .ok()
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
