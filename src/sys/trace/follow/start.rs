//! Starting a command that is followed from its first instruction.
//!
//! A child waits for a byte, which it gets once it is followed, and then executes the
//! command. It dies with nobody.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::wait::{self, News};
use super::{filter, options};
use crate::sys::check;
use crate::sys::descriptors::SoftLimit;
use crate::sys::image::ExecImage;
use crate::sys::process::restore_sigpipe;
use crate::sys::seccomp;
use crate::sys::trace::error::TraceError;
use crate::sys::trace::tracee::{Pace, Stop, Tracee};

/// What is to be started.
#[derive(Debug, Clone, Copy)]
pub struct Start<'a> {
    /// The program: looked for in PATH if there is no slash in it.
    pub program: &'a OsStr,
    /// Its arguments, beginning with its name.
    pub arguments: &'a [OsString],
    /// Whether the calls themselves are to be seen beside what comes of them.
    pub call_times: bool,
    /// The soft limit of descriptors that it begins with, where this process has raised its
    /// own.
    pub descriptors: Option<SoftLimit>,
}

/// Why a command could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot be executed, for the reason that execve(2) gives.
    #[error("the command cannot be executed: {0}")]
    Exec(io::Error),
    /// There is no process for it.
    #[error("the command cannot be started: {0}")]
    Process(io::Error),
    /// The filter that tells of its calls is refused.
    #[error("the times of calls cannot be seen, as no seccomp filter can be set: {0}")]
    Filter(io::Error),
    /// It was ended before it executed anything.
    #[error("the command was killed before it was executed")]
    Killed,
    /// It cannot be followed.
    #[error("the command cannot be followed: {0}")]
    Trace(#[from] TraceError),
}

impl StartError {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Exec(error) => match error.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR) => "name a program that is there, or in PATH",
                Some(libc::EACCES | libc::EPERM) => "name a file that this user may execute",
                Some(libc::ENOEXEC) => "begin the script with `#!` and its interpreter",
                _ => "look the error up in execve(2), section ERRORS",
            },
            Self::Process(_) => "look the error up in fork(2) and pipe(2), section ERRORS",
            Self::Filter(_) => "follow it without the times of calls",
            Self::Killed => "start it again",
            Self::Trace(cause) => cause.remedy(),
        }
    }
}

/// A command that waits until it may be executed. Dropped, it never is, and nothing is left.
#[derive(Debug)]
pub struct Held {
    pid: libc::pid_t,
    /// Absent once it was opened.
    opener: Option<PipeWriter>,
    said: PipeReader,
}

impl Held {
    /// Has a child wait for it: with this process's terminal, process group, standard
    /// streams, environment and blocked signals, and with SIGPIPE at its default action.
    ///
    /// # Errors
    /// Why there is no such program or no child.
    pub fn new(start: &Start<'_>) -> Result<Self, StartError> {
        let path = found(start.program).map_err(StartError::Exec)?;
        let image = ExecImage::of_command(&path, start.arguments).map_err(StartError::Exec)?;
        let filter = start.call_times.then(filter::program);
        let (gate, opener) = io::pipe().map_err(StartError::Process)?;
        let (said, saying) = io::pipe().map_err(StartError::Process)?;
        let child = Child {
            image: &image,
            filter: filter.as_deref(),
            ends: [&gate.as_raw_fd(), &opener.as_raw_fd(), &saying.as_raw_fd()].map(|end| *end),
            descriptors: start.descriptors,
        };
        // SAFETY: the child makes system calls, of which the last executes or leaves; it takes
        // no lock that another thread could hold, and neither allocates nor unwinds.
        let pid = match check(unsafe { libc::fork() }).map_err(StartError::Process)? {
            0 => child.run(),
            pid => pid,
        };
        Ok(Self {
            pid,
            opener: Some(opener),
            said,
        })
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.pid.cast_unsigned()
    }

    /// Has it execute the program, and returns once it has. From then on it is this process's
    /// child as any other.
    ///
    /// # Errors
    /// Why it could not; nothing is left of it then.
    pub fn execute(mut self) -> Result<(), StartError> {
        self.open();
        let mut words = Words::default();
        // Its end of the pipe is closed by the execution.
        match self.said.read(&mut words) {
            Ok(0) => Ok(()),
            Ok(read) => {
                // Nobody else waits for it.
                let _ = crate::sys::spawn::wait(self.pid);
                Err(why(words, read))
            }
            Err(error) => Err(StartError::Process(error)),
        }
    }

    /// Lets the child go on. One that was killed does not hear of it.
    fn open(&mut self) {
        if let Some(mut opener) = self.opener.take() {
            let _ = opener.write_all(&[0]);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The child leaves as nobody opens; it may be killed already.
        if let Some(opener) = self.opener.take() {
            drop(opener);
            let _ = crate::sys::spawn::wait(self.pid);
        }
    }
}

/// Starts it, and returns its process, which stands still and has just executed the program.
///
/// # Errors
/// Nothing is left of the command then.
pub(super) fn start(start: &Start<'_>) -> Result<Tracee, StartError> {
    let mut held = Held::new(start)?;
    let tracee = Tracee(held.pid);
    let seized = tracee.seize_with(options(start.call_times));
    seized.map_err(|error| TraceError::of(&error, held.pid()))?;
    held.open();
    loop {
        match wait::one(tracee.0).map_err(StartError::Process)? {
            Some(News::Stopped(Stop::Execution)) => return Ok(tracee),
            // It fails if the child is killed, which is told next.
            Some(News::Stopped(stop)) => drop(tracee.go_on(stop, Pace::Free)),
            Some(News::Ended(_)) => {
                let mut words = Words::default();
                let read = held.said.read(&mut words).unwrap_or(0);
                return Err(why(words, read));
            }
            None => {}
        }
    }
}

/// What kept the child from executing, in its own words: the step and the errno.
type Words = [u8; 2 * size_of::<i32>()];

fn why(words: Words, read: usize) -> StartError {
    if read < words.len() {
        return StartError::Killed;
    }
    let [a, b, c, d, errno @ ..] = words;
    let error = io::Error::from_raw_os_error(i32::from_ne_bytes(errno));
    match i32::from_ne_bytes([a, b, c, d]) {
        Child::FILTER => StartError::Filter(error),
        _ => StartError::Exec(error),
    }
}

/// What the child needs, laid out before it is there.
struct Child<'a> {
    image: &'a ExecImage,
    filter: Option<&'a [libc::sock_filter]>,
    /// The gate, its other end, and where to say what failed.
    ends: [i32; 3],
    descriptors: Option<SoftLimit>,
}

impl Child<'_> {
    /// The steps that may fail.
    const FILTER: i32 = 1;
    const EXEC: i32 = 2;
    /// Its exit status then, as in a shell.
    const FAILED: i32 = 127;

    /// What it does; it never comes back.
    fn run(&self) -> ! {
        let [gate, opener, _] = self.ends;
        // Rust's start has changed it, and it is the default for nearly everybody.
        restore_sigpipe();
        // SAFETY: the child's copy of the other end, which would keep the gate from ending
        // with its parent, is used by nobody else in this process.
        unsafe { libc::close(opener) };
        let mut byte = 0_u8;
        // SAFETY: `byte` is a live, writable byte.
        let opened = unsafe { libc::read(gate, (&raw mut byte).cast(), 1) };
        if opened == 1 {
            self.execute();
        }
        // SAFETY: _exit(2) runs no handler of the parent's and does not return.
        unsafe { libc::_exit(Self::FAILED) }
    }

    fn execute(&self) {
        if let Some(limit) = self.descriptors {
            // To lower a soft limit is permitted to everybody.
            let _ = limit.restore();
        }
        if let Some(Err(error)) = self.filter.map(impose) {
            self.say(Self::FILTER, error.raw_os_error().unwrap_or(0));
            return;
        }
        let (path, argv, envp) = (self.image.path(), self.image.argv(), self.image.envp());
        // SAFETY: the path is a C string and the arrays are null-terminated, all of them alive
        // with the image.
        unsafe { libc::execve(path.as_ptr(), argv, envp) };
        let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        self.say(Self::EXEC, errno);
    }

    fn say(&self, step: i32, errno: i32) {
        let words = [step, errno];
        let [_, _, saying] = self.ends;
        // SAFETY: `words` is a live array of so many bytes.
        unsafe { libc::write(saying, words.as_ptr().cast(), size_of_val(&words)) };
    }
}

/// The filter is not to change how fast the command runs: for its sake alone the processor
/// need not forget what it has guessed (SECCOMP_FILTER_FLAG_SPEC_ALLOW, since Linux 4.17).
fn impose(filter: &[libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: filter.len().try_into().unwrap_or(u16::MAX),
        filter: filter.as_ptr().cast_mut(),
    };
    seccomp::impose(&program, libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW)
}

/// The file of a program, looked for as execvp(3) does.
fn found(program: &OsStr) -> io::Result<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Ok(program.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    found_in(&path, program)
}

fn found_in(path: &OsStr, program: &OsStr) -> io::Result<PathBuf> {
    let mut why = libc::ENOENT;
    for folder in std::env::split_paths(path) {
        // A name alone is not looked for by execve(2), but is a file of this folder.
        let file = Path::new(".").join(folder).join(program);
        match fs::metadata(&file) {
            Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => {
                return Ok(file);
            }
            Ok(_) => why = libc::EACCES,
            Err(_) => {}
        }
    }
    Err(io::Error::from_raw_os_error(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_looked_for_in_the_folders_of_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let folders: Vec<PathBuf> = ["none", "plain", "good", "later"]
            .iter()
            .map(|name| dir.path().join(name))
            .collect();
        let name = OsStr::new("program");
        for (folder, mode) in folders.iter().zip([0, 0o644, 0o755, 0o755]).skip(1) {
            fs::create_dir(folder).unwrap();
            let file = folder.join(name);
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        let search = |folders: &[PathBuf]| {
            let path = std::env::join_paths(folders).unwrap();
            found_in(&path, name)
        };
        assert_eq!(search(&folders).unwrap(), folders[2].join(name));
        let errno = |folders| search(folders).unwrap_err().raw_os_error();
        assert_eq!(errno(&folders[..2]), Some(libc::EACCES));
        assert_eq!(errno(&folders[..1]), Some(libc::ENOENT));
        assert_eq!(found(OsStr::new("./x")).unwrap(), Path::new("./x"));
    }

    #[test]
    fn every_refusal_is_a_fragment_and_has_a_remedy() {
        let errno = io::Error::from_raw_os_error;
        for error in [
            StartError::Exec(errno(libc::ENOENT)),
            StartError::Exec(errno(libc::EACCES)),
            StartError::Exec(errno(libc::ENOEXEC)),
            StartError::Exec(errno(libc::E2BIG)),
            StartError::Process(errno(libc::EAGAIN)),
            StartError::Filter(errno(libc::EINVAL)),
            StartError::Killed,
            StartError::Trace(TraceError::Yama(3)),
        ] {
            for text in [error.to_string(), error.remedy().to_owned()] {
                assert!(text.starts_with(|c: char| c.is_lowercase()), "{text}");
                assert!(!text.ends_with('.'), "{text}");
            }
        }
    }
}
