//! A child that is stopped by ptrace(2) right after its exec, and that is
//! killed and reaped when the value is dropped. It must never run the code of
//! what it has executed, not even if this process dies.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;

use super::super::image::ExecImage;
use super::super::{check, process};

/// The stopped child.
#[derive(Debug)]
pub(super) struct Trial {
    pid: i32,
}

/// What the child does, in this order, before it stops.
#[derive(Debug, Clone, Copy)]
enum Step {
    Prepare,
    FixAddresses,
    AskForTracing,
    Execute,
}

impl Step {
    const ALL: [Self; 4] = [
        Self::Prepare,
        Self::FixAddresses,
        Self::AskForTracing,
        Self::Execute,
    ];
}

impl Trial {
    /// Starts the image and waits until it stands before its first instruction.
    pub(super) fn start(image: &ExecImage) -> io::Result<Self> {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        let (failures, to_parent) = io::pipe()?;
        // SAFETY: the child, in which other threads may have left locks held,
        // calls nothing but system calls and _exit: no allocation, no lock.
        let trial = match check(unsafe { libc::fork() })? {
            0 => run_child(image, &null, &to_parent),
            pid => Self { pid },
        };
        drop(to_parent);
        if trial.wait_for_exec()? {
            trial.die_with_tracer()?;
            return Ok(trial);
        }
        // It was reaped, so its number is no longer ours to kill.
        std::mem::forget(trial);
        Err(failure(failures, image))
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits until the child stands before its first instruction, or has ended;
    /// then the answer is no.
    ///
    /// A traced process gets SIGTRAP after a successful exec, and stops at any
    /// signal (include/linux/ptrace.h, ptrace_event).
    fn wait_for_exec(&self) -> io::Result<bool> {
        loop {
            let mut status = 0;
            // SAFETY: `status` is a live, writable number.
            match check(unsafe { libc::waitpid(self.pid, &raw mut status, 0) }) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if !libc::WIFSTOPPED(status) {
                return Ok(false);
            }
            if libc::WSTOPSIG(status) == libc::SIGTRAP {
                return Ok(true);
            }
            // A signal from the terminal, say; our own copy of it decides.
            self.go_on()?;
        }
    }

    /// Has the child go on without the signal that has stopped it.
    fn go_on(&self) -> io::Result<()> {
        let none = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: PTRACE_CONT takes no address, and a null one for no signal.
        check_long(unsafe { libc::ptrace(libc::PTRACE_CONT, self.pid, none, none) })
    }

    /// A tracer's death sets its children free before they get the signal that
    /// they have asked for (kernel/exit.c, forget_original_parent); this option
    /// has them killed instead.
    fn die_with_tracer(&self) -> io::Result<()> {
        let none = std::ptr::null_mut::<libc::c_void>();
        let kill = i64::from(libc::PTRACE_O_EXITKILL);
        // SAFETY: PTRACE_SETOPTIONS takes no address, and flags as a number.
        check_long(unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, self.pid, none, kill) })
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // The child is not reaped yet, so the number still means it.
        if process::kill(self.pid, libc::SIGKILL).is_ok() {
            let _ = super::super::spawn::wait(self.pid);
        }
    }
}

/// The child's part; it does not come back.
fn run_child(image: &ExecImage, null: &File, to_parent: &PipeWriter) -> ! {
    let (step, error) = execute(image, null);
    let errno = error.raw_os_error().unwrap_or(libc::EIO).to_ne_bytes();
    let mut report = *b"    \0";
    report[..4].copy_from_slice(&errno);
    report[4] = step as u8;
    let mut to_parent = to_parent;
    let _ = to_parent.write_all(&report);
    // SAFETY: _exit(2) runs no handler of the parent's and does not return.
    unsafe { libc::_exit(127) }
}

/// Executes the image, or tells what has failed.
fn execute(image: &ExecImage, null: &File) -> (Step, io::Error) {
    let prepare = || {
        process::die_with_parent()?;
        process::unblock(libc::SIGTRAP)?;
        for standard in 0..=2 {
            // SAFETY: this is the child's own table of descriptors, in which
            // nobody owns the standard ones; `null` is open.
            check(unsafe { libc::dup2(null.as_raw_fd(), standard) })?;
        }
        Ok(())
    };
    if let Err(error) = prepare() {
        return (Step::Prepare, error);
    }
    if let Err(error) = super::fix_addresses() {
        return (Step::FixAddresses, error);
    }
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: PTRACE_TRACEME looks at no other argument.
    let traced = check_long(unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, none, none) });
    if let Err(error) = traced {
        return (Step::AskForTracing, error);
    }
    // SAFETY: path, argv and envp are null-terminated and live in `image`, of
    // which this process has a copy.
    unsafe { libc::execve(image.path().as_ptr(), image.argv(), image.envp()) };
    (Step::Execute, io::Error::last_os_error())
}

/// What the child has reported before it left, in words.
fn failure(mut failures: PipeReader, image: &ExecImage) -> io::Error {
    let path = image.path().to_string_lossy();
    let mut report = [0; 5];
    if failures.read_exact(&mut report).is_err() {
        // Killed while it executed: the old image was gone already, as when the
        // new one does not fit into memory.
        return io::Error::other(format!("{path}: killed by its own exec"));
    }
    let [a, b, c, d, step] = report;
    let error = io::Error::from_raw_os_error(i32::from_ne_bytes([a, b, c, d]));
    let step = Step::ALL.get(usize::from(step)).copied();
    let message = match step.unwrap_or(Step::Prepare) {
        Step::Prepare => format!("preparing a trial start of {path}: {error}"),
        Step::FixAddresses => format!(
            "personality(2) with ADDR_NO_RANDOMIZE: {error}; a seccomp filter forbids it, as \
             Docker's default one does: allow it there"
        ),
        Step::AskForTracing => format!(
            "ptrace(2) with PTRACE_TRACEME: {error}; a seccomp filter or a security module \
             forbids it: allow it there"
        ),
        Step::Execute => return error,
    };
    io::Error::new(error.kind(), message)
}

/// Turns the -1 of ptrace(2) into the error that errno names.
fn check_long(result: libc::c_long) -> io::Result<()> {
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
