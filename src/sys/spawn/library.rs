//! What libraries offer: libc's posix_spawn(3) and system(3), Rust's `Command`.

use std::ffi::{CString, OsStr, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::rc::Rc;

use super::{Action, Spawn, Spawned};
use crate::sys::image::ExecImage;
use crate::sys::{check, check_errno};

/// posix_spawn(3), without attributes or with the flag
/// POSIX_SPAWN_USEVFORK; of the program, or of a helper that executes it.
#[derive(Debug)]
pub struct PosixSpawn {
    image: Rc<ExecImage>,
    attributes: Option<Box<libc::posix_spawnattr_t>>,
    /// The action, and the file that it names.
    redirect: Option<(Box<libc::posix_spawn_file_actions_t>, Rc<OwnedFd>)>,
    /// Keeps the descriptor open that the path of what a helper executes may name.
    _helped: Option<Rc<ExecImage>>,
}

impl PosixSpawn {
    /// Without attributes; a file action if the output is redirected.
    ///
    /// # Errors
    /// `InvalidInput` for what its child cannot do.
    pub fn new(mut action: Action) -> io::Result<Self> {
        let redirect = action.redirect.take().map(|file| {
            let actions = redirecting(file.as_raw_fd())?;
            io::Result::Ok((actions, file))
        });
        let redirect = redirect.transpose()?;
        Ok(Self {
            image: action.program()?,
            attributes: None,
            redirect,
            _helped: None,
        })
    }

    /// Of a helper that executes the program, as the JDK's jspawnhelper does.
    ///
    /// # Errors
    /// As for [`PosixSpawn::new`], and those of memfd_create(2).
    pub fn of_helper(action: Action) -> io::Result<Self> {
        let plain = Self::new(action)?;
        Ok(Self {
            image: Rc::new(ExecImage::helping(&plain.image)?),
            _helped: Some(plain.image),
            ..plain
        })
    }

    /// With POSIX_SPAWN_USEVFORK, which glibc has ignored since 2.24.
    ///
    /// # Errors
    /// As for [`PosixSpawn::new`], and EINVAL where libc does not know the flag.
    pub fn with_usevfork(action: Action) -> io::Result<Self> {
        const POSIX_SPAWN_USEVFORK: libc::c_short = 0x40;
        let plain = Self::new(action)?;
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
            ..plain
        })
    }
}

impl PosixSpawn {
    /// The attributes; null, which means none, where there are none.
    fn attributes(&self) -> *const libc::posix_spawnattr_t {
        let attributes = self.attributes.as_deref();
        attributes.map_or(std::ptr::null(), std::ptr::from_ref)
    }

    /// The file actions, or null.
    fn actions(&self) -> *const libc::posix_spawn_file_actions_t {
        let redirect = self.redirect.as_ref();
        redirect.map_or(std::ptr::null(), |(actions, _)| &raw const **actions)
    }
}

/// glibc's pidfd_spawn(3), since 2.39, without attributes.
#[derive(Debug)]
pub struct PidfdSpawn {
    plain: PosixSpawn,
    function: PidfdSpawnFunction,
}

/// As posix_spawn(3), with a descriptor in the place of the number.
type PidfdSpawnFunction = unsafe extern "C" fn(
    *mut c_int,
    *const c_char,
    *const libc::posix_spawn_file_actions_t,
    *const libc::posix_spawnattr_t,
    *const *mut c_char,
    *const *mut c_char,
) -> c_int;

impl PidfdSpawn {
    /// Looks the function up.
    ///
    /// # Errors
    /// As for [`PosixSpawn::new`], and `Unsupported` where libc has no such function.
    pub fn new(action: Action) -> io::Result<Self> {
        let plain = PosixSpawn::new(action)?;
        // SAFETY: the name is a C string, and every library may be asked for it.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"pidfd_spawn".as_ptr()) };
        if found.is_null() {
            let why = "this libc has no such function";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        // SAFETY: it is the address of a function of this type, says pidfd_spawn(3), in a
        // libc, which is never unloaded.
        let function = unsafe { std::mem::transmute::<*mut c_void, PidfdSpawnFunction>(found) };
        Ok(Self { plain, function })
    }
}

impl Spawn for PidfdSpawn {
    #[inline]
    fn spawn(&mut self) -> io::Result<Spawned> {
        let PosixSpawn { image, .. } = &self.plain;
        let (attributes, actions) = (self.plain.attributes(), self.plain.actions());
        let mut pidfd = -1;
        // SAFETY: as for `PosixSpawn`; `pidfd` is live and writable.
        check_errno(unsafe {
            (self.function)(
                &raw mut pidfd,
                image.path().as_ptr(),
                actions,
                attributes,
                image.argv().cast(),
                image.envp().cast(),
            )
        })?;
        // SAFETY: the call has opened it, and nobody else knows of it.
        Ok(Spawned::Held(unsafe { OwnedFd::from_raw_fd(pidfd) }))
    }
}

/// Has each child put `fd` in the place of its standard output.
fn redirecting(fd: RawFd) -> io::Result<Box<libc::posix_spawn_file_actions_t>> {
    // SAFETY: the type is plain numbers and pointers, for which all zeros is
    // a value; the next call initialises it.
    let mut actions: Box<libc::posix_spawn_file_actions_t> =
        Box::new(unsafe { std::mem::zeroed() });
    // SAFETY: `actions` is live and writable.
    check_errno(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut()) })?;
    // SAFETY: `actions` was initialised just above. What libc allocates for
    // it lives as long as this process, as its spawner does.
    check_errno(unsafe {
        libc::posix_spawn_file_actions_adddup2(actions.as_mut(), fd, libc::STDOUT_FILENO)
    })?;
    Ok(actions)
}

impl Spawn for PosixSpawn {
    #[inline]
    fn spawn(&mut self) -> io::Result<Spawned> {
        let (attributes, actions) = (self.attributes(), self.actions());
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

/// Rust's `std::process::Command`.
#[derive(Debug)]
pub struct StdCommand {
    command: Command,
    /// Keeps the descriptor open that the path may name.
    _image: Rc<ExecImage>,
}

impl StdCommand {
    /// The same path, arguments and environment as the other methods.
    ///
    /// # Errors
    /// `InvalidInput` for what its child cannot do.
    pub fn new(action: Action) -> io::Result<Self> {
        let image = action.program()?;
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
        Ok(Self {
            command,
            _image: image,
        })
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
    /// `InvalidInput` for what its child cannot do.
    pub fn new(action: Action) -> io::Result<Self> {
        let image = action.program()?;
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
    use super::super::Then;
    use super::*;
    use crate::model::Closing;

    #[test]
    fn a_helper_executes_the_program_with_its_arguments_and_environment() {
        let status = |path: &str, arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            let image = ExecImage::of_path(path, &arguments, &["FOR=7".to_owned()]).unwrap();
            let mut spawner = PosixSpawn::of_helper(Action {
                stamp: None,
                redirect: None,
                close: Closing::Nothing,
                then: Then::Exec(Rc::new(image)),
            })
            .unwrap();
            spawner.spawn().unwrap().wait().unwrap().code()
        };
        let script = "exit $((FOR + $#))";
        let arguments = ["sh", "-c", script, "sh", "a", "b"];
        assert_eq!(status("/bin/sh", &arguments), Some(9));
        assert_eq!(status("/no/program", &["no"]), Some(127));
    }

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
