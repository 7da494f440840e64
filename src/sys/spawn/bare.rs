//! Children that run no compiled code between the call and what they do last: those of
//! clone3(2) in the manner of vfork, and of libc's own vfork(2).

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use super::{Action, Spawn, Spawned, Then};
use crate::sys::clone3::{self, LastCall};
use crate::sys::{cgroup, vfork};

/// clone3(2) with CLONE_VM, CLONE_VFORK and CLONE_CLEAR_SIGHAND.
#[derive(Debug)]
pub struct Clone3Vfork {
    then: Then,
    /// The control group of its children.
    group: Option<File>,
}

impl Clone3Vfork {
    /// Prepares nothing but the action.
    ///
    /// # Errors
    /// `InvalidInput` for what its child, which runs no compiled code, cannot do.
    pub fn new(action: Action) -> io::Result<Self> {
        Ok(Self {
            then: action.last()?,
            group: None,
        })
    }

    /// With CLONE_INTO_CGROUP: its children are put into the group that this process is in,
    /// and would be anyway.
    ///
    /// # Errors
    /// As for [`Clone3Vfork::new`], and where there is no such group.
    pub fn into_own_group(action: Action) -> io::Result<Self> {
        Ok(Self {
            group: Some(cgroup::own_group()?),
            ..Self::new(action)?
        })
    }
}

impl Then {
    /// The system call that comes to this. What it points to lives as long as the image.
    fn last_call(&self) -> LastCall {
        match self {
            Self::Exec(image) => LastCall {
                number: libc::SYS_execve,
                arguments: [
                    image.path().as_ptr() as usize,
                    image.argv() as usize,
                    image.envp() as usize,
                ],
            },
            Self::Exit => LastCall {
                number: libc::SYS_exit,
                arguments: [0; 3],
            },
        }
    }
}

impl Spawn for Clone3Vfork {
    #[inline]
    fn spawn(&mut self) -> io::Result<Spawned> {
        let call = self.then.last_call();
        let group = self.group.as_ref().map(AsFd::as_fd);
        // SAFETY: the call is execve with strings that live in the image, or
        // exit; neither returns nor writes to our memory.
        unsafe { clone3::vfork(call, group) }.map(Spawned::Running)
    }
}

/// libc's vfork(2).
#[derive(Debug)]
pub struct VforkLibc {
    then: Then,
}

impl VforkLibc {
    /// Prepares nothing but the action.
    ///
    /// # Errors
    /// `InvalidInput` for what its child, which runs no compiled code, cannot do.
    pub fn new(action: Action) -> io::Result<Self> {
        Ok(Self {
            then: action.last()?,
        })
    }
}

impl Spawn for VforkLibc {
    #[inline]
    fn spawn(&mut self) -> io::Result<Spawned> {
        let call = self.then.last_call();
        // SAFETY: the call is execve with strings that live in the image, or
        // exit; neither returns nor writes to our memory.
        unsafe { vfork::vfork_then(call) }.map(Spawned::Running)
    }
}
