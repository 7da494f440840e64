//! What every command stands on: rights that are its caller's own, and a `/proc` that
//! shows the processes by the numbers that they have here.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use procfs::FromRead;
use procfs::process::Status;

use crate::sys::{filter, process};
use crate::units::bytes;

/// Capabilities by which nothing is read or written but the kernel's records and other
/// processes' memory maps: `CAP_SYS_PTRACE`, `CAP_SYSLOG` and `CAP_PERFMON`.
const OBSERVING: u64 = 1 << 19 | 1 << 34 | 1 << 38;
/// Of the stack, what the deepest command takes, several times.
const STACK_BYTES: u64 = 1 << 20;

/// Why no command can be trusted, or none that looks at processes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroundError {
    /// A set-user-ID or set-group-ID program.
    #[error(
        "the program runs as another user or group than its caller, and would read and write \
         files as that one: take the setuid and setgid bits off it (chmod ug-s), and run it as \
         root or grant it capabilities with \"setcap cap_perfmon,cap_sys_ptrace,cap_syslog+ep\""
    )]
    OthersIds,
    /// Capabilities of the file.
    #[error(
        "the program's file gives its caller more capabilities than to look on: grant no others \
         than \"setcap cap_perfmon,cap_sys_ptrace,cap_syslog+ep\" does"
    )]
    TooCapable,
    /// No room to call functions in.
    #[error(
        "RLIMIT_STACK = {} is less than the {} that forktax needs: raise it with \"ulimit -s {}\"",
        bytes(*.0), bytes(STACK_BYTES), STACK_BYTES >> 10
    )]
    Stack(u64),
    /// A seccomp filter that ends what it should refuse.
    #[error(
        "a seccomp filter kills whoever calls {0}, and nothing can be started without: allow it \
         in the container's seccomp profile, or have it answered with ENOSYS"
    )]
    DeadlyCall(&'static str),
    /// The program's own file cannot be read.
    #[error(
        "this user may execute forktax and not read it, and from a program like that the kernel \
         hides even what is its own: make its file readable (chmod a+r)"
    )]
    Unreadable,
    /// No `/dev/null`.
    #[error(
        "{0}, which stands for what programs read and write: make it with \
         \"mknod -m 666 /dev/null c 1 3\", or start the container with a /dev"
    )]
    NoNull(String),
    /// There is no `/proc`.
    #[error(
        "/proc is not mounted, and all that is known of processes comes from there: mount it \
         with \"mount -t proc proc /proc\""
    )]
    NoProc,
    /// A PID namespace that this process itself is not in.
    #[error(
        "the children of this process would be in another PID namespace than itself: give \
         unshare or nsenter --fork"
    )]
    ChildrenElsewhere,
    /// A `/proc` of other processes.
    #[error(
        "/proc is of another PID namespace, where the numbers of processes are others than here: \
         mount this one's with \"mount -t proc proc /proc\", as \"unshare --mount-proc\" does"
    )]
    OthersProc,
}

/// Whether the command does to files what its caller may do, and has room to begin.
///
/// # Errors
/// [`GroundError`].
pub fn check_rights() -> Result<(), GroundError> {
    let stack = process::raise_stack(STACK_BYTES).unwrap_or(STACK_BYTES);
    if stack < STACK_BYTES {
        return Err(GroundError::Stack(stack));
    }
    if !process::has_gained_rights() {
        return Ok(());
    }
    let status = Status::from_file("/proc/self/status");
    judge_rights(&status.map_err(|_| GroundError::NoProc)?)
}

/// What the ids and capabilities of a program mean that has gained rights. Root has lost
/// none to anybody.
fn judge_rights(status: &Status) -> Result<(), GroundError> {
    let ids = [(status.ruid, status.euid), (status.rgid, status.egid)];
    if ids.iter().any(|(real, effective)| real != effective) {
        return Err(GroundError::OthersIds);
    }
    match status.ruid != 0 && status.capprm & !OBSERVING != 0 {
        true => Err(GroundError::TooCapable),
        false => Ok(()),
    }
}

/// Whether processes can be looked at and started: `/proc` is of this process's PID
/// namespace, and no filter kills whoever tries.
///
/// # Errors
/// [`GroundError`].
pub fn check_processes() -> Result<(), GroundError> {
    judge_proc(Path::new("/proc"), std::process::id())?;
    let namespace = |name: &str| std::fs::read_link(Path::new("/proc/self/ns").join(name)).ok();
    if namespace("pid") != namespace("pid_for_children") {
        return Err(GroundError::ChildrenElsewhere);
    }
    let own = File::open("/proc/self/exe");
    if own.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        return Err(GroundError::Unreadable);
    }
    check_null(Path::new("/dev/null")).map_err(GroundError::NoNull)?;
    filter::deadly_call().map_or(Ok(()), |call| Err(GroundError::DeadlyCall(call)))
}

fn check_null(path: &Path) -> Result<(), String> {
    let device = File::options().read(true).write(true).open(path);
    let device = device.and_then(|file| file.metadata());
    match device {
        Ok(known) if known.file_type().is_char_device() => Ok(()),
        Ok(_) => Err(format!("{} is no device", path.display())),
        Err(error) => Err(format!("cannot open {}: {error}", path.display())),
    }
}

fn judge_proc(proc: &Path, own: u32) -> Result<(), GroundError> {
    match std::fs::read_link(proc.join("self")) {
        Ok(number) if number == Path::new(&own.to_string()) => Ok(()),
        Ok(_) => Err(GroundError::OthersProc),
        // A process that a namespace does not hold has no number there.
        Err(error) if error.kind() == io::ErrorKind::NotFound && proc.join("version").exists() => {
            Err(GroundError::OthersProc)
        }
        Err(_) => Err(GroundError::NoProc),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn status(changes: &[(&str, &str)]) -> Status {
        let mut text = include_str!("../../tests/data/proc/status-user.txt").to_owned();
        for (from, to) in changes {
            let changed = text.replace(from, to);
            assert_ne!(changed, text, "{from}");
            text = changed;
        }
        Status::from_read(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_program_that_is_its_callers_own_may_run_whatever_else_was_gained() {
        assert_eq!(judge_rights(&status(&[])), Ok(()));
        for granted in ["0000004000000000", "0000004400080000"] {
            let granted = format!("CapPrm:\t{granted}");
            let status = status(&[("CapPrm:\t0000000000000000", &granted)]);
            assert_eq!(judge_rights(&status), Ok(()), "{granted}");
        }
    }

    #[test]
    fn rights_over_files_that_the_caller_lacks_are_refused() {
        let reads_all = status(&[("CapPrm:\t0000000000000000", "CapPrm:\t0000004000000004")]);
        assert_eq!(judge_rights(&reads_all), Err(GroundError::TooCapable));
        for (kind, text) in [("Uid", "65534\t0\t0\t0"), ("Gid", "65534\t4\t4\t4")] {
            let own = format!("{kind}:\t65534\t65534\t65534\t65534");
            let status = status(&[(&own, &format!("{kind}:\t{text}"))]);
            let refused = judge_rights(&status).unwrap_err();
            assert_eq!(refused, GroundError::OthersIds, "{kind}");
        }
    }

    #[test]
    fn the_proc_of_another_namespace_is_told_from_none_at_all() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(judge_proc(root.path(), 7), Err(GroundError::NoProc));
        std::fs::write(root.path().join("version"), "Linux").unwrap();
        assert_eq!(judge_proc(root.path(), 7), Err(GroundError::OthersProc));
        symlink("4711", root.path().join("self")).unwrap();
        assert_eq!(judge_proc(root.path(), 7), Err(GroundError::OthersProc));
        assert_eq!(judge_proc(root.path(), 4711), Ok(()));
        assert_eq!(check_processes(), Ok(()));
    }

    #[test]
    fn a_file_in_the_place_of_dev_null_is_not_taken_for_it() {
        let root = tempfile::tempdir().unwrap();
        let null = root.path().join("null");
        let absent = check_null(&null).unwrap_err();
        assert!(absent.contains("No such file"), "{absent}");
        std::fs::write(&null, "written by somebody").unwrap();
        assert!(check_null(&null).unwrap_err().ends_with("is no device"));
    }

    #[test]
    fn what_cargo_runs_has_gained_nothing_and_has_a_stack() {
        assert_eq!(check_rights(), Ok(()));
    }
}
