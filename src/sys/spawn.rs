//! The spawn methods, one type each: everything that can be prepared is
//! prepared in `new`, and `spawn` does nothing but spawn.
//!
//! The children run between fork and exec in a copy, or in the very memory, of their
//! parent: so whoever makes them is [`Alone`]. A child of fork has no other thread, so
//! that a lock which one of them held would never be given back; and a child that shares
//! its parent's memory would find them at work in it. One thread alone may run meanwhile,
//! [`Busy`](super::threads::Busy), which neither takes a lock nor touches what anybody else
//! has.

mod bare;
mod held;
mod library;
mod server;

use std::ffi::{c_int, c_void};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr::NonNull;
use std::rc::Rc;

pub use bare::{Clone3Vfork, VforkLibc};
pub use held::{Held, child_writes};
pub use library::{PidfdSpawn, PosixSpawn, StdCommand, System};
pub use server::{ForkServer, Served};

use super::check;
use super::image::ExecImage;
pub use super::stamp::StampTo;
use super::stamp::raw_now_ns;
use super::threads::Alone;
use crate::model::Closing;

/// What a child does once it runs, in this order.
#[derive(Debug, Clone)]
pub struct Action {
    /// Stamps its first moment and the one before it goes on.
    pub stamp: Option<StampTo>,
    /// Puts this descriptor in the place of its standard output.
    pub redirect: Option<Rc<OwnedFd>>,
    /// Closes these descriptors.
    pub close: Closing,
    /// What it does last.
    pub then: Then,
}

/// How a child ends being a copy of its parent.
#[derive(Debug, Clone)]
pub enum Then {
    /// Executes this image.
    Exec(Rc<ExecImage>),
    /// Leaves with `_exit(0)`.
    Exit,
}

impl Action {
    /// What is left for a child that runs no code of forktax's own. It does not stamp
    /// either: whoever reads the stamps sees that there are none.
    ///
    /// # Errors
    /// `InvalidInput` if more is asked of it.
    fn last(self) -> io::Result<Then> {
        if self.redirect.is_some() {
            Err(cannot("redirect its output"))
        } else if self.close != Closing::Nothing {
            Err(cannot("close its descriptors"))
        } else {
            Ok(self.then)
        }
    }

    /// What such a child executes, where it cannot do without.
    ///
    /// # Errors
    /// `InvalidInput` if something else is asked of it.
    fn program(self) -> io::Result<Rc<ExecImage>> {
        match self.last()? {
            Then::Exec(image) => Ok(image),
            Then::Exit => Err(cannot("leave without an exec")),
        }
    }
}

/// The refusal of what a method's child is not able to do.
fn cannot(what: &str) -> io::Error {
    let why = format!("its child runs no code of forktax's own that could {what}");
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

/// What a spawn leaves behind.
#[derive(Debug)]
pub enum Spawned {
    /// A child that must be waited for.
    Running(i32),
    /// A child that the method itself has waited for.
    Ended(ExitStatus),
    /// A child that must be waited for by its descriptor.
    Held(OwnedFd),
    /// A child of another process, which waits for it.
    Served(Served),
}

impl Spawned {
    /// Waits for the child.
    ///
    /// # Errors
    /// ECHILD if it is none of ours, or whatever became of the process that waits.
    #[inline]
    pub fn wait(self) -> io::Result<ExitStatus> {
        match self {
            Self::Running(pid) => wait(pid),
            Self::Held(pidfd) => wait_by(&pidfd),
            Self::Ended(status) => Ok(status),
            Self::Served(served) => served.wait(),
        }
    }
}

/// A prepared way to create children.
pub trait Spawn {
    /// Creates one child.
    ///
    /// # Errors
    /// Those of the system call behind it.
    fn spawn(&mut self) -> io::Result<Spawned>;

    /// The process that it keeps for that, beside its children.
    fn helper(&self) -> Option<i32> {
        None
    }
}

/// The exit status of a child that could not execute its program.
const NOT_EXECUTED: c_int = 127;

/// That of one that could not be given the descriptors it was to have.
const NOT_READY: c_int = 126;

/// The first descriptor after the standard ones.
const FIRST_CLOSED: libc::c_uint = 3;

/// Waits for one child.
///
/// # Errors
/// ECHILD if it is none of ours.
#[inline]
pub fn wait(pid: i32) -> io::Result<ExitStatus> {
    let mut status = 0;
    loop {
        // SAFETY: `status` is a live, writable number.
        match check(unsafe { libc::waitpid(pid, &raw mut status, 0) }) {
            Ok(_) => return Ok(ExitStatus::from_raw(status)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The status of a child that has ended; nothing of one that runs.
///
/// # Errors
/// ECHILD if it is none of ours.
pub fn try_wait(pid: i32) -> io::Result<Option<ExitStatus>> {
    let mut status = 0;
    // SAFETY: `status` is a live, writable number.
    let found = check(unsafe { libc::waitpid(pid, &raw mut status, libc::WNOHANG) })?;
    Ok((found == pid).then(|| ExitStatus::from_raw(status)))
}

/// Waits for one child by its descriptor (pidfd_open(2)).
#[inline]
fn wait_by(pidfd: &OwnedFd) -> io::Result<ExitStatus> {
    // SAFETY: the type is plain numbers, for which all zeros is a value.
    let mut found: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let fd = pidfd.as_raw_fd().unsigned_abs();
    loop {
        // SAFETY: `found` is live and writable; the descriptor is open while `pidfd` lives.
        match check(unsafe { libc::waitid(libc::P_PIDFD, fd, &raw mut found, libc::WEXITED) }) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // SAFETY: the call has filled it in for a child that ended, which has a status.
    let status = unsafe { found.si_status() };
    Ok(ExitStatus::from_raw(match found.si_code {
        libc::CLD_EXITED => status << 8,
        libc::CLD_DUMPED => status | 0x80,
        _ => status,
    }))
}

/// Whether close_range(2) is to be had, asked of a number that no descriptor has.
///
/// # Errors
/// ENOSYS before Linux 5.9; those of a filter that forbids it.
pub fn try_close_range() -> io::Result<()> {
    let none = libc::c_uint::MAX;
    // SAFETY: the call takes numbers, and closes nothing: the table of descriptors does not
    // reach this far.
    match unsafe { libc::syscall(libc::SYS_close_range, none, none, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What a child of fork or of a vfork-like clone does; it never comes back.
///
/// A fork copies no entries of code (mm/memory.c, vma_needs_copy), so that each
/// stretch of it which the child runs costs a fault. It is a part of the function that
/// forks, as is what it calls, for there to be one.
#[inline(always)]
fn run_child(action: &Action) -> ! {
    if let Some(to) = &action.stamp {
        let first = raw_now_ns();
        to.write([first, raw_now_ns()]);
    }
    let mut is_ready = true;
    if let Some(file) = &action.redirect {
        // SAFETY: dup2(2) takes two numbers; in this child nobody owns its
        // standard output.
        is_ready &= unsafe { libc::dup2(file.as_raw_fd(), libc::STDOUT_FILENO) } >= 0;
    }
    match action.close {
        Closing::Nothing => {}
        Closing::AtOnce => {
            // SAFETY: in this child nobody owns a descriptor, or uses one before it
            // executes or leaves: what is executed has a path. Where its memory is its
            // parent's, its table of descriptors is still a copy.
            let closed =
                unsafe { libc::syscall(libc::SYS_close_range, FIRST_CLOSED, libc::c_uint::MAX, 0) };
            is_ready &= closed == 0;
        }
        Closing::EachBelow(end) => {
            for number in FIRST_CLOSED..end {
                // SAFETY: as above; most of the numbers are not open, which is an error
                // and nothing else.
                unsafe { libc::syscall(libc::SYS_close, number) };
            }
        }
    }
    let status = match &action.then {
        _ if !is_ready => NOT_READY,
        Then::Exec(image) => {
            // SAFETY: path, argv and envp are null-terminated and live in `image`,
            // which the child has as a copy or shares with its suspended parent.
            unsafe { libc::execve(image.path().as_ptr(), image.argv(), image.envp()) };
            NOT_EXECUTED
        }
        Then::Exit => 0,
    };
    // SAFETY: _exit(2) runs no handler of the parent's and does not return.
    unsafe { libc::_exit(status) }
}

/// fork(2).
#[derive(Debug)]
pub struct Fork {
    action: Action,
}

impl Fork {
    /// Prepares nothing: fork needs nothing.
    pub fn new(action: Action, _: Alone) -> Self {
        Self { action }
    }
}

impl Spawn for Fork {
    #[inline]
    fn spawn(&mut self) -> io::Result<Spawned> {
        // SAFETY: no other thread runs code but `Busy`, which takes no lock, or there
        // would be no `Fork` (see `Alone`). So those that libc's fork takes where there are
        // several threads (malloc's and stdio's) are free, and no lock is held in the
        // child, which has only this thread and only execs or exits.
        match check(unsafe { libc::fork() })? {
            0 => run_child(&self.action),
            pid => Ok(Spawned::Running(pid)),
        }
    }
}

/// fork(2) by a parent that waits for the child's exec: both ends of a pipe are closed by it,
/// and the parent reads until there is nothing that could be written any more. Programs do so
/// to learn of an exec that failed; here such a child leaves, which ends the reading too.
#[derive(Debug)]
pub struct ForkPipe {
    action: Action,
}

impl ForkPipe {
    /// Prepares nothing: each spawn has a pipe of its own.
    ///
    /// # Errors
    /// `InvalidInput` for a child that would close the pipe before it executes anything, or
    /// that never does.
    pub fn new(action: Action, _: Alone) -> io::Result<Self> {
        let why = match (&action.then, action.close) {
            (Then::Exec(_), Closing::Nothing) => return Ok(Self { action }),
            (Then::Exec(_), _) => "its child would close the pipe by which the exec is told",
            (Then::Exit, _) => "its parent waits for an exec",
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, why))
    }
}

impl Spawn for ForkPipe {
    #[inline]
    fn spawn(&mut self) -> io::Result<Spawned> {
        let (mut report, end) = io::pipe()?;
        // SAFETY: as for `Fork`: no other thread holds a lock, or there would be no
        // `ForkPipe`, and the child only execs or exits.
        let pid = match check(unsafe { libc::fork() })? {
            0 => run_child(&self.action),
            pid => pid,
        };
        drop(end);
        loop {
            match report.read(&mut [0; size_of::<c_int>()]) {
                Ok(_) => return Ok(Spawned::Running(pid)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// clone(2) with CLONE_VM and CLONE_VFORK, the child on a stack of its own.
///
/// vfork(2) itself returns twice on one stack, which no Rust function may.
#[derive(Debug)]
pub struct Vfork {
    action: Box<Action>,
    stack: Stack,
}

impl Vfork {
    /// Maps the child's stack.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(action: Action, _: Alone) -> io::Result<Self> {
        Ok(Self {
            action: Box::new(action),
            stack: Stack::new()?,
        })
    }
}

impl Spawn for Vfork {
    #[inline]
    fn spawn(&mut self) -> io::Result<Spawned> {
        extern "C" fn child(action: *mut c_void) -> c_int {
            // SAFETY: the pointer is the box below, which outlives the child's
            // use of it, since its parent is suspended until exec or exit.
            run_child(unsafe { &*action.cast::<Action>() })
        }
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let argument = std::ptr::from_mut(self.action.as_mut()).cast();
        // SAFETY: the stack's top is the end of a mapping that nobody else
        // uses, aligned to a page; `child` never returns; this thread does not
        // run before the child has exec'd or left (CLONE_VFORK), and no
        // other one runs but `Busy`, which has memory of its own and leaves
        // all other alone, or there would be no `Vfork` (see `Alone`).
        let pid = check(unsafe { libc::clone(child, self.stack.top(), flags, argument) })?;
        Ok(Spawned::Running(pid))
    }
}

/// Memory for a child's stack. It is left out of forks: a fork would write-protect
/// it, and the next child on it would pay for a copy that is not its own cost.
#[derive(Debug)]
struct Stack(NonNull<c_void>);

impl Stack {
    const BYTES: usize = 64 << 10;

    fn new() -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        // SAFETY: the kernel chooses a free address, so nothing is replaced.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), Self::BYTES, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let stack = Self(NonNull::new(start).expect("the kernel never maps address 0 by itself"));
        // SAFETY: the range was mapped just above, and a child of fork, which
        // does not get it, does not use it.
        check(unsafe { libc::madvise(start, Self::BYTES, libc::MADV_DONTFORK) })?;
        Ok(stack)
    }

    fn top(&self) -> *mut c_void {
        self.0.as_ptr().wrapping_byte_add(Self::BYTES)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new`, and no child runs on it, since
        // each one has exec'd or left before its parent went on.
        unsafe { libc::munmap(self.0.as_ptr(), Self::BYTES) };
    }
}

/// Where libc's execve begins: what its spawn functions call in the child.
pub fn execve_address() -> u64 {
    libc::execve as *const () as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executes() -> Action {
        Action {
            stamp: None,
            redirect: None,
            close: Closing::Nothing,
            then: Then::Exec(Rc::new(ExecImage::of_path("/bin/true", &[], &[]).unwrap())),
        }
    }

    /// What each method whose child runs no code of ours says to an action.
    fn refusals(action: &Action) -> [String; 6] {
        let said = |refusal: Option<io::Error>| match refusal {
            Some(error) => error.to_string(),
            None => String::new(),
        };
        [
            said(PosixSpawn::new(action.clone()).err()),
            said(PosixSpawn::with_usevfork(action.clone()).err()),
            said(StdCommand::new(action.clone()).err()),
            said(System::new(action.clone()).err()),
            said(Clone3Vfork::new(action.clone()).err()),
            said(VforkLibc::new(action.clone()).err()),
        ]
    }

    #[test]
    fn methods_refuse_what_their_children_cannot_do() {
        let mut action = executes();
        let file = Rc::new(std::fs::File::open("/dev/null").unwrap().into());
        action.stamp = Some(StampTo::new(Rc::clone(&file), 8));
        assert_eq!(refusals(&action), [""; 6]);

        action.redirect = Some(file);
        let [posix_spawn, usevfork, others @ ..] = refusals(&action);
        assert_eq!([posix_spawn, usevfork], [""; 2]);
        let why = cannot("redirect its output").to_string();
        assert_eq!(others, [why.as_str(); 4]);

        action.redirect = None;
        let why = cannot("close its descriptors").to_string();
        for close in [Closing::AtOnce, Closing::EachBelow(100)] {
            action.close = close;
            if let Ok(alone) = Alone::make_sure() {
                assert!(ForkPipe::new(action.clone(), alone).is_err());
            }
            assert_eq!(refusals(&action), [why.as_str(); 6]);
        }

        action.close = Closing::Nothing;
        action.then = Then::Exit;
        let [libraries @ .., clone3, vfork] = refusals(&action);
        let why = cannot("leave without an exec").to_string();
        assert_eq!(libraries, [why.as_str(); 4]);
        assert_eq!([clone3, vfork], [""; 2]);
    }
}
