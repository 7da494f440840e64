//! What a child executes: paths, arguments and environment laid out before the
//! loop, and the tiny programs that are built in.

mod program;

use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;

use super::shared::memory_file;

/// A program, its `argv` and its `envp` in the form that execve(2) takes, so
/// that nothing is allocated between the call and the exec.
#[derive(Debug)]
pub struct ExecImage {
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
    /// The descriptor behind a path under /proc/self/fd.
    _file: Option<File>,
}

impl ExecImage {
    /// Lays out a program of the user's.
    ///
    /// # Errors
    /// `InvalidInput` when a string has a zero byte inside.
    pub fn of_path(path: &str, arguments: &[String], environment: &[String]) -> io::Result<Self> {
        let [arguments, environment] = [c_strings(arguments)?, c_strings(environment)?];
        Ok(Self::lay_out(
            CString::new(path)?,
            arguments,
            environment,
            None,
        ))
    }

    /// Lays out a program with arguments of any bytes, and the environment of this process.
    ///
    /// # Errors
    /// `InvalidInput` when a string has a zero byte inside.
    pub fn of_command(path: &Path, arguments: &[OsString]) -> io::Result<Self> {
        let bytes = |text: &OsString| Ok(CString::new(text.as_bytes())?);
        let arguments: io::Result<_> = arguments.iter().map(bytes).collect();
        let variable = |(mut name, value): (OsString, OsString)| {
            name.push("=");
            name.push(value);
            Ok(CString::new(name.into_vec())?)
        };
        let environment: io::Result<_> = std::env::vars_os().map(variable).collect();
        let path = CString::new(path.as_os_str().as_bytes())?;
        Ok(Self::lay_out(path, arguments?, environment?, None))
    }

    /// Lays out the embedded program, which lives in a file in memory.
    ///
    /// # Errors
    /// Those of memfd_create(2): EACCES where `vm.memfd_noexec` is 2.
    pub fn embedded(environment: &[String]) -> io::Result<Self> {
        Self::of_bytes(&program::leaving(), own_name(), c_strings(environment)?)
    }

    /// Lays out a helper that executes `image`, which must live as long, with its arguments
    /// and its environment.
    ///
    /// # Errors
    /// Those of memfd_create(2).
    pub fn helping(image: &Self) -> io::Result<Self> {
        let mut arguments = vec![c"forktax-helper".to_owned(), image.path.clone()];
        arguments.extend_from_slice(&image.arguments);
        Self::of_bytes(&program::helping(), arguments, image.environment.clone())
    }

    /// Lays out a program that stamps itself: into the file behind `fd`, which
    /// must stay open when it is executed, it writes at `offset` when its first
    /// instruction ran, and 16 bytes further on when its last one did, each as
    /// the two words of a CLOCK_MONOTONIC `struct timespec`.
    ///
    /// # Errors
    /// EBADF for a negative descriptor, EINVAL for an offset that no file has,
    /// and those of memfd_create(2).
    pub fn stamping(environment: &[String], fd: i32, offset: u64) -> io::Result<Self> {
        let errno = io::Error::from_raw_os_error;
        let fd = u32::try_from(fd).map_err(|_| errno(libc::EBADF))?;
        if i64::try_from(offset).is_ok_and(|offset| offset <= i64::MAX - 32) {
            let program = program::stamping(fd, offset);
            Self::of_bytes(&program, own_name(), c_strings(environment)?)
        } else {
            Err(errno(libc::EINVAL))
        }
    }

    fn of_bytes(
        program: &[u8],
        arguments: Vec<CString>,
        environment: Vec<CString>,
    ) -> io::Result<Self> {
        let mut writable = memory_file(c"forktax-program", true)?;
        writable.write_all(program)?;
        let in_proc = |file: &File| format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        // A file that is open for writing cannot be executed (ETXTBSY), so it
        // is opened again for reading and the writable descriptor is closed.
        let file = File::open(in_proc(&writable))?;
        drop(writable);
        let path = CString::new(in_proc(&file))?;
        Ok(Self::lay_out(path, arguments, environment, Some(file)))
    }

    fn lay_out(
        path: CString,
        arguments: Vec<CString>,
        environment: Vec<CString>,
        file: Option<File>,
    ) -> Self {
        let pointers = |strings: &[CString]| {
            strings
                .iter()
                .map(|string| string.as_ptr())
                .chain([ptr::null()])
                .collect()
        };
        Self {
            path,
            argv: pointers(&arguments),
            envp: pointers(&environment),
            arguments,
            environment,
            _file: file,
        }
    }

    /// The path that is executed.
    #[inline]
    pub fn path(&self) -> &CStr {
        &self.path
    }

    /// The arguments, `argv[0]` first.
    pub fn arguments(&self) -> &[CString] {
        &self.arguments
    }

    /// The environment, as `NAME=VALUE`.
    pub fn environment(&self) -> &[CString] {
        &self.environment
    }

    /// `argv`: null-terminated, alive as long as `self`.
    #[inline]
    pub(super) fn argv(&self) -> *const *const libc::c_char {
        self.argv.as_ptr()
    }

    /// `envp`: null-terminated, alive as long as `self`.
    #[inline]
    pub(super) fn envp(&self) -> *const *const libc::c_char {
        self.envp.as_ptr()
    }
}

/// The arguments of a program that is built in: its name.
fn own_name() -> Vec<CString> {
    vec![c"forktax-program".to_owned()]
}

fn c_strings(strings: &[String]) -> io::Result<Vec<CString>> {
    let strings = strings.iter();
    strings
        .map(|string| Ok(CString::new(string.as_str())?))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_embedded_program_runs_and_exits_with_0() {
        let image = ExecImage::embedded(&[]).unwrap();
        let status = Command::new(image.path().to_str().unwrap())
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(0));
    }

    #[test]
    fn stamps_need_a_descriptor_and_a_place_in_a_file() {
        let errno = |fd, offset| {
            let refusal = ExecImage::stamping(&[], fd, offset).unwrap_err();
            refusal.raw_os_error().unwrap()
        };
        assert_eq!(errno(-1, 0), libc::EBADF);
        assert_eq!(errno(0, i64::MAX.unsigned_abs()), libc::EINVAL);
    }

    #[test]
    fn a_zero_byte_is_refused() {
        assert!(ExecImage::of_path("/bin/a\0b", &[], &[]).is_err());
    }
}
