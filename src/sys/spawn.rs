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

use std::ffi::{CString, OsStr, c_int, c_void};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::ptr::NonNull;
use std::rc::Rc;

pub use held::{Held, child_writes};

use super::clone3::{self, LastCall};
use super::image::ExecImage;
use super::stamp::{raw_now_ns, raw_write_words};
use super::{check, check_errno};

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
}

/// A prepared way to create children.
pub trait Spawn {
    /// Creates one child.
    ///
    /// # Errors
    /// Those of the system call behind it.
    fn spawn(&mut self) -> io::Result<Spawned>;
}

/// The exit status of a child that could not execute its program.
const NOT_EXECUTED: c_int = 127;

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
    if let Action::Exec(image) = action {
        // SAFETY: path, argv and envp are null-terminated and live in `image`,
        // which the child has as a copy or shares with its suspended parent.
        unsafe { libc::execve(image.path().as_ptr(), image.argv(), image.envp()) };
    }
    let status = match action {
        Action::Exit => 0,
        Action::Exec(_) | Action::Stamped(..) | Action::Redirected(..) => NOT_EXECUTED,
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

/// posix_spawn(3), without attributes or with the flag
/// POSIX_SPAWN_USEVFORK.
#[derive(Debug)]
pub struct PosixSpawn {
    image: Rc<ExecImage>,
    attributes: Option<Box<libc::posix_spawnattr_t>>,
    redirect: Option<Box<libc::posix_spawn_file_actions_t>>,
}

impl PosixSpawn {
    /// No attributes, no file actions.
    pub fn new(image: Rc<ExecImage>) -> Self {
        Self {
            image,
            attributes: None,
            redirect: None,
        }
    }

    /// With POSIX_SPAWN_USEVFORK, which glibc has ignored since 2.24.
    ///
    /// # Errors
    /// EINVAL where libc does not know the flag.
    pub fn with_usevfork(image: Rc<ExecImage>) -> io::Result<Self> {
        const POSIX_SPAWN_USEVFORK: libc::c_short = 0x40;
        // SAFETY: the type is plain numbers, for which all zeros is a value;
        // the next call initialises it.
        let mut attributes: Box<libc::posix_spawnattr_t> = Box::new(unsafe { std::mem::zeroed() });
        // SAFETY: `attributes` is live and writable.
        check_errno(unsafe { libc::posix_spawnattr_init(attributes.as_mut()) })?;
        // SAFETY: `attributes` was initialised just above.
        check_errno(unsafe {
            libc::posix_spawnattr_setflags(attributes.as_mut(), POSIX_SPAWN_USEVFORK)
        })?;
        Ok(Self {
            attributes: Some(attributes),
            ..Self::new(image)
        })
    }

    /// Has each child put `fd` in the place of its standard output.
    ///
    /// # Errors
    /// EBADF for a descriptor that cannot be.
    pub fn redirecting(mut self, fd: i32) -> io::Result<Self> {
        // SAFETY: the type is plain numbers and pointers, for which all zeros is
        // a value; the next call initialises it.
        let mut actions: Box<libc::posix_spawn_file_actions_t> =
            Box::new(unsafe { std::mem::zeroed() });
        // SAFETY: `actions` is live and writable.
        check_errno(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut()) })?;
        // SAFETY: `actions` was initialised just above. What libc allocates for
        // it lives as long as this process, as this spawner does.
        check_errno(unsafe {
            libc::posix_spawn_file_actions_adddup2(actions.as_mut(), fd, libc::STDOUT_FILENO)
        })?;
        self.redirect = Some(actions);
        Ok(self)
    }
}

impl Spawn for PosixSpawn {
    #[inline]
    fn spawn(&mut self) -> io::Result<Spawned> {
        let attributes = self
            .attributes
            .as_deref()
            .map_or(std::ptr::null(), std::ptr::from_ref);
        let actions = self
            .redirect
            .as_deref()
            .map_or(std::ptr::null(), std::ptr::from_ref);
        let mut pid = 0;
        // SAFETY: path, argv and envp are null-terminated and live in `image`,
        // attributes and file actions are null, which means none, or initialised.
        // execve does not write to what argv points to.
        check_errno(unsafe {
            libc::posix_spawn(
                &raw mut pid,
                self.image.path().as_ptr(),
                actions,
                attributes,
                self.image.argv().cast(),
                self.image.envp().cast(),
            )
        })?;
        Ok(Spawned::Running(pid))
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
            Action::Stamped(_, then) | Action::Redirected(_, then) => then,
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
            Action::Exit | Action::Stamped(..) | Action::Redirected(..) => LastCall {
                number: libc::SYS_exit,
                arguments: [0; 3],
            },
        };
        // SAFETY: the call is execve with strings that live in the image, or
        // exit; neither returns nor writes to our memory.
        unsafe { clone3::vfork(call) }.map(Spawned::Running)
    }
}

/// Rust's `std::process::Command`.
#[derive(Debug)]
pub struct StdCommand {
    command: Command,
    /// Keeps the descriptor open that the path may name.
    _image: Rc<ExecImage>,
}

impl StdCommand {
    /// The same path, arguments and environment as the other methods.
    pub fn new(image: Rc<ExecImage>) -> Self {
        let os = |string: &CString| OsStr::from_bytes(string.to_bytes()).to_owned();
        let mut command = Command::new(OsStr::from_bytes(image.path().to_bytes()));
        if let Some((name, rest)) = image.arguments().split_first() {
            command.arg0(os(name)).args(rest.iter().map(os));
        }
        let pairs = image.environment().iter().filter_map(|variable| {
            let (name, value) = variable.to_str().ok()?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        command.env_clear().envs(pairs);
        Self {
            command,
            _image: image,
        }
    }
}

impl Spawn for StdCommand {
    #[inline]
    fn spawn(&mut self) -> io::Result<Spawned> {
        let child = self.command.spawn()?;
        Ok(Spawned::Running(child.id().cast_signed()))
    }
}

/// system(3): a shell that runs the program, waited for by libc itself.
#[derive(Debug)]
pub struct System {
    line: CString,
    /// Keeps the descriptor open that the path may name.
    _image: Rc<ExecImage>,
}

impl System {
    /// Quotes path and arguments for the shell.
    ///
    /// # Errors
    /// None in practice: the parts have no zero byte.
    pub fn new(image: Rc<ExecImage>) -> io::Result<Self> {
        let mut line = quote(image.path().to_bytes());
        for argument in image.arguments().iter().skip(1) {
            line.push(b' ');
            line.extend(quote(argument.to_bytes()));
        }
        Ok(Self {
            line: CString::new(line)?,
            _image: image,
        })
    }
}

impl Spawn for System {
    #[inline]
    fn spawn(&mut self) -> io::Result<Spawned> {
        // SAFETY: the line is a live C string that libc only reads.
        let status = check(unsafe { libc::system(self.line.as_ptr()) })?;
        Ok(Spawned::Ended(ExitStatus::from_raw(status)))
    }
}

/// Where libc's execve begins: what its spawn functions call in the child.
pub fn execve_address() -> u64 {
    libc::execve as *const () as u64
}

/// A word in single quotes, in which a shell changes nothing.
fn quote(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_gives_quoted_words_back() {
        for word in ["plain", "two words", "it's", "$HOME `x` \"y\" \\", ""] {
            let line = [b"printf %s ".to_vec(), quote(word.as_bytes())].concat();
            let output = Command::new("sh")
                .arg("-c")
                .arg(OsStr::from_bytes(&line))
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}
