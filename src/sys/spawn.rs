//! The spawn methods, one type each: everything that can be prepared is
//! prepared in `new`, and `spawn` does nothing but spawn.
//!
//! No other thread of the process may run code: the children run between fork and
//! exec in a copy, or in the very memory, of their parent. What there may be is
//! threads that sleep in the kernel from beginning to end and hold no lock
//! ([`super::threads`]). A child of fork does not have them, so a lock that one of
//! them held would never be given back; and a child that shares its parent's memory
//! would find them at work in it.

mod held;
mod library;
mod server;

use std::ffi::{c_int, c_void};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr::NonNull;
use std::rc::Rc;

pub use held::{Held, child_writes};
pub use library::{PosixSpawn, StdCommand, System};
pub use server::{ForkServer, Served};

use super::check;
use super::clone3::{self, LastCall};
use super::image::ExecImage;
use super::stamp::{raw_now_ns, raw_write_words};

/// What a child does once it runs.
#[derive(Debug, Clone)]
pub enum Action {
    /// Executes this image.
    Exec(Rc<ExecImage>),
    /// Leaves with `_exit(0)`.
    Exit,
    /// Stamps its first moment and the one before it goes on with the other.
    Stamped(StampTo, Box<Action>),
    /// Puts this descriptor in the place of its standard output, then goes on
    /// with the other.
    Redirected(i32, Box<Action>),
    /// Closes all descriptors above the standard ones (close_range(2), Linux 5.9), then
    /// goes on with the other.
    Closing(Box<Action>),
}

/// Where a child writes its stamps: a descriptor and an offset. A write needs no
/// mapping, which would be one more to copy and to fault in.
#[derive(Debug, Clone, Copy)]
pub struct StampTo {
    /// The file.
    pub fd: i32,
    /// The first byte.
    pub offset: u64,
}

/// What a spawn leaves behind.
#[derive(Debug)]
pub enum Spawned {
    /// A child that must be waited for.
    Running(i32),
    /// A child that the method itself has waited for.
    Ended(ExitStatus),
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

/// What a child of fork or of a vfork-like clone does; it never comes back.
fn run_child(action: &Action) -> ! {
    let action = match action {
        Action::Stamped(to, then) => {
            let first = raw_now_ns();
            raw_write_words(to.fd, [first, raw_now_ns()], to.offset);
            then
        }
        plain => plain,
    };
    let action = match action {
        Action::Redirected(fd, then) => {
            // SAFETY: dup2(2) takes two numbers; in this child nobody owns its
            // standard output.
            unsafe { libc::dup2(*fd, libc::STDOUT_FILENO) };
            then
        }
        plain => plain,
    };
    let action = match action {
        Action::Closing(then) => {
            // SAFETY: in this child nobody owns a descriptor, or uses one before it
            // executes or leaves: what is executed has a path. Where its memory is its
            // parent's, its table of descriptors is still a copy.
            unsafe { libc::syscall(libc::SYS_close_range, FIRST_CLOSED, libc::c_uint::MAX, 0) };
            then
        }
        plain => plain,
    };
    if let Action::Exec(image) = action {
        // SAFETY: path, argv and envp are null-terminated and live in `image`,
        // which the child has as a copy or shares with its suspended parent.
        unsafe { libc::execve(image.path().as_ptr(), image.argv(), image.envp()) };
    }
    let status = match action {
        Action::Exit => 0,
        _ => NOT_EXECUTED,
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
    pub fn new(action: Action) -> Self {
        Self { action }
    }
}

impl Spawn for Fork {
    #[inline]
    fn spawn(&mut self) -> io::Result<Spawned> {
        // SAFETY: by this module's contract no other thread runs code or holds a
        // lock. So those that libc's fork takes where there are several threads
        // (malloc's and stdio's) are free, and no lock is held in the child, which
        // has only this thread and only execs or exits.
        match check(unsafe { libc::fork() })? {
            0 => run_child(&self.action),
            pid => Ok(Spawned::Running(pid)),
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
    pub fn new(action: Action) -> io::Result<Self> {
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
        // run before the child has exec'd or left (CLONE_VFORK), and by this
        // module's contract no other one runs at all.
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

/// clone3(2) with CLONE_VM, CLONE_VFORK and CLONE_CLEAR_SIGHAND.
#[derive(Debug)]
pub struct Clone3Vfork {
    action: Action,
}

impl Clone3Vfork {
    /// Prepares nothing but the action.
    pub fn new(action: Action) -> Self {
        Self { action }
    }
}

impl Spawn for Clone3Vfork {
    #[inline]
    fn spawn(&mut self) -> io::Result<Spawned> {
        // Its child runs no compiled code, so it cannot stamp.
        let action = match &self.action {
            Action::Stamped(_, then) | Action::Redirected(_, then) | Action::Closing(then) => then,
            plain => plain,
        };
        let call = match action {
            Action::Exec(image) => LastCall {
                number: libc::SYS_execve,
                arguments: [
                    image.path().as_ptr() as usize,
                    image.argv() as usize,
                    image.envp() as usize,
                ],
            },
            _ => LastCall {
                number: libc::SYS_exit,
                arguments: [0; 3],
            },
        };
        // SAFETY: the call is execve with strings that live in the image, or
        // exit; neither returns nor writes to our memory.
        unsafe { clone3::vfork(call) }.map(Spawned::Running)
    }
}

/// Where libc's execve begins: what its spawn functions call in the child.
pub fn execve_address() -> u64 {
    libc::execve as *const () as u64
}
