//! A fork server: a small process that forks for a large one. It was forked itself while
//! that was small, and has stayed so.
//!
//! Parent and server talk over a pair of sockets: a byte is an order, and the answers are
//! numbers of four bytes, first the child's process or an error below 0, then its wait
//! status.

use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::rc::Rc;

use super::{Action, Spawn, Spawned, run_child, wait};
use crate::sys::check;
use crate::sys::process::{die_with_parent, kill};
use crate::sys::threads::Alone;

/// A server, and the way to it. It ends with this, and with the process that started it.
#[derive(Debug)]
pub struct ForkServer {
    pid: i32,
    socket: Rc<UnixStream>,
    /// Keeps the descriptor open that the path of the program may name: this process's.
    _action: Action,
}

/// A child of the server's, to be waited for before the next is ordered.
#[derive(Debug)]
pub struct Served(Rc<UnixStream>);

impl ForkServer {
    /// Forks the server, whose children will do this. It stays as large as this process
    /// is now.
    ///
    /// # Errors
    /// Those of socketpair(2) and fork(2).
    pub fn start(action: Action, _: Alone) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let parent = std::process::id().cast_signed();
        // SAFETY: the caller is alone: no other thread holds a lock that the server, which
        // has only this thread, would wait for; and the server never comes back.
        match check(unsafe { libc::fork() })? {
            0 => serve(parent, ours.as_raw_fd(), theirs.as_raw_fd(), &action),
            pid => Ok(Self {
                pid,
                socket: Rc::new(ours),
                _action: action,
            }),
        }
    }
}

impl Spawn for ForkServer {
    #[inline]
    fn spawn(&mut self) -> io::Result<Spawned> {
        say(self.socket.as_raw_fd(), &[0]).map_err(gone)?;
        match answer(&self.socket).map_err(gone)? {
            error if error < 0 => Err(io::Error::from_raw_os_error(error.wrapping_neg())),
            _ => Ok(Spawned::Served(Served(Rc::clone(&self.socket)))),
        }
    }

    fn helper(&self) -> Option<i32> {
        Some(self.pid)
    }
}

impl Drop for ForkServer {
    fn drop(&mut self) {
        let _ = kill(self.pid, libc::SIGKILL);
        let _ = wait(self.pid);
    }
}

impl Served {
    /// Awaits that the server has waited for the child.
    ///
    /// # Errors
    /// `UnexpectedEof` if the server is gone.
    #[inline]
    pub(super) fn wait(self) -> io::Result<ExitStatus> {
        answer(&self.0).map(ExitStatus::from_raw).map_err(gone)
    }
}

/// What a broken talk means.
#[cold]
fn gone(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionReset => io::Error::new(
            error.kind(),
            "the fork server has ended; did somebody kill it?",
        ),
        _ => error,
    }
}

/// Reads an answer.
#[inline]
fn answer(mut socket: &UnixStream) -> io::Result<i32> {
    let mut number = [0; size_of::<i32>()];
    socket.read_exact(&mut number)?;
    Ok(i32::from_ne_bytes(number))
}

/// Writes a message, which fits into the socket's buffer as there is never another one.
#[inline]
fn say(socket: i32, message: &[u8]) -> io::Result<()> {
    // SAFETY: the message is live and as long as said; a bad descriptor is an error, and
    // so is a peer that is gone, without a signal.
    let sent = unsafe {
        libc::send(
            socket,
            message.as_ptr().cast(),
            message.len(),
            libc::MSG_NOSIGNAL,
        )
    };
    match usize::try_from(sent) {
        Ok(sent) if sent == message.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// What the server does. It never comes back, and ends when its parent does or hangs up.
fn serve(parent: i32, theirs: i32, own: i32, action: &Action) -> ! {
    // SAFETY: the parent's end, which would keep the pair open, is used by nobody in
    // this process.
    unsafe { libc::close(theirs) };
    // SAFETY: getppid(2) takes nothing and cannot fail.
    let has_parent = || unsafe { libc::getppid() } == parent;
    // A parent that died before the first line sends no signal any more.
    if die_with_parent().is_ok() && has_parent() {
        while is_ordered(own) && serve_one(own, action).is_ok() {}
    }
    // SAFETY: _exit(2) runs no handler of the parent's and does not return.
    unsafe { libc::_exit(0) }
}

/// Awaits an order.
fn is_ordered(own: i32) -> bool {
    let mut byte = 0_u8;
    loop {
        // SAFETY: `byte` is a live, writable byte.
        let read = unsafe { libc::read(own, (&raw mut byte).cast(), 1) };
        if read >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return read == 1;
        }
    }
}

/// Forks a child, says so, waits for it, and says what came of it.
fn serve_one(own: i32, action: &Action) -> io::Result<()> {
    // SAFETY: the server has one thread, and the child only does what its action says.
    match check(unsafe { libc::fork() }) {
        Ok(0) => run_child(action),
        Ok(pid) => {
            say(own, &pid.to_ne_bytes())?;
            let status = wait(pid)?;
            say(own, &status.into_raw().to_ne_bytes())
        }
        Err(error) => {
            let number = error.raw_os_error().unwrap_or(libc::EAGAIN);
            say(own, &(-number).to_ne_bytes())
        }
    }
}
