//! What a process has beside its memory: open files, threads' stacks, its control group.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use crate::lab::census::CensusError;
use crate::lab::census::files::{NO_SUCH_PROCESS, ProcessFiles, refuse};

/// Open files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OpenFiles {
    /// Those that an exec keeps.
    pub(super) plain: u64,
    /// Those that it closes.
    pub(super) cloexec: u64,
    /// The highest of their numbers.
    pub(super) highest: Option<u64>,
    /// The buffers of its io_urings: the address of each, and how many bytes.
    pub(super) buffers: Vec<[u64; 2]>,
    /// Whether a userfaultfd is among them, and if so, whether one is told of forks.
    pub(super) userfault_forks: Option<bool>,
}

/// The open files of a process.
pub(super) fn open_files(files: &ProcessFiles) -> Result<OpenFiles, CensusError> {
    let path = files.directory.join("fdinfo");
    let entries = fs::read_dir(&path).map_err(|error| refuse(files.pid, path, error.into()))?;
    let mut open = OpenFiles::default();
    for entry in entries.flatten() {
        // It may have been closed since it was listed.
        if let Ok(text) = fs::read_to_string(entry.path()) {
            let count = if closes(&text) {
                &mut open.cloexec
            } else {
                &mut open.plain
            };
            *count += 1;
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            open.highest = open.highest.max(number);
            open.buffers.extend(buffers(&text));
            open.userfault_forks = open.userfault_forks.max(is_told_of_forks(&text));
        }
    }
    Ok(open)
}

/// Whether the flags of a descriptor, which are octal, hold `O_CLOEXEC`.
fn closes(fdinfo: &str) -> bool {
    let flags = fdinfo
        .lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok());
    let cloexec = u64::from(libc::O_CLOEXEC.unsigned_abs());
    flags.is_some_and(|flags| flags & cloexec != 0)
}

/// Whether it is a fork server of AFL's, as far as may be seen: it reads and writes by these
/// two descriptors (AFL++, `include/config.h`, FORKSRV_FD), and finds its map by a variable
/// whose name every instrumented program has. Another program may have pipes there as well.
pub(super) fn is_afl_fork_server(files: &ProcessFiles) -> bool {
    const TALKS_BY: [&str; 2] = ["fd/198", "fd/199"];
    let is_pipe = |name: &str| {
        let target = fs::read_link(files.directory.join(name));
        target.is_ok_and(|target| target.as_os_str().as_encoded_bytes().starts_with(b"pipe:"))
    };
    let program = || File::open(files.directory.join("exe"));
    TALKS_BY.into_iter().all(is_pipe)
        && program().is_ok_and(|program| holds(program, b"__AFL_SHM_ID").unwrap_or(false))
}

/// Whether a file holds these bytes.
fn holds(mut file: impl Read, wanted: &[u8]) -> io::Result<bool> {
    const PIECE: usize = 1 << 16;
    let mut seen: Vec<u8> = Vec::with_capacity(PIECE + wanted.len());
    loop {
        // What was read last may end within them.
        seen.drain(..seen.len().saturating_sub(wanted.len()));
        if file.by_ref().take(PIECE as u64).read_to_end(&mut seen)? == 0 {
            return Ok(false);
        }
        if seen.windows(wanted.len()).any(|found| found == wanted) {
            return Ok(true);
        }
    }
}

/// Whether a userfaultfd is told of forks; nothing for another file. Below its counts
/// "API:" has its number, its features and its calls (fs/userfaultfd.c,
/// `userfaultfd_show_fdinfo`).
fn is_told_of_forks(fdinfo: &str) -> Option<bool> {
    const EVENT_FORK: u64 = 1 << 1;
    let line = fdinfo.lines().find_map(|line| line.strip_prefix("API:"))?;
    let mut fields = line.trim().split(':');
    let features = fields.nth(1).filter(|_| fields.next().is_some())?;
    let features = u64::from_str_radix(features, 16).ok()?;
    Some(features & EVENT_FORK != 0)
}

/// The buffers that an io_uring lists (io_uring/fdinfo.c, `io_uring_show_fdinfo`), those
/// that are memory of the process: below "UserBufs: 2" lines such as "    0: 0x7f00/4096".
fn buffers(fdinfo: &str) -> impl Iterator<Item = [u64; 2]> {
    let lines = fdinfo.lines();
    let below = lines
        .skip_while(|line| !line.starts_with("UserBufs:"))
        .skip(1);
    let listed = below.map_while(|line| {
        let (number, rest) = line.split_once(':')?;
        number.trim().parse::<u64>().ok()?;
        Some(rest.trim())
    });
    listed.filter_map(|buffer| {
        let (start, len) = buffer.strip_prefix("0x")?.split_once('/')?;
        let start = u64::from_str_radix(start, 16).ok()?;
        Some([start, len.parse().ok()?]).filter(|[start, len]| *start > 0 && *len > 0)
    })
}

/// Whether it is in another control group for memory than this process, as far as
/// that can be seen.
pub(super) fn is_in_other_group(files: &ProcessFiles) -> bool {
    let theirs = fs::read_to_string(files.directory.join("cgroup"));
    let ours = fs::read_to_string("/proc/self/cgroup");
    match (theirs, ours) {
        (Ok(theirs), Ok(ours)) => memory_group(&theirs) != memory_group(&ours),
        _ => false,
    }
}

/// The path of the group that memory is charged to: that of the controller in version
/// 1, else that of version 2.
fn memory_group(cgroup: &str) -> Option<&str> {
    let fields = || cgroup.lines().map(|line| line.splitn(3, ':'));
    let mut unified = None;
    for mut line in fields() {
        let (_, controllers, path) = (line.next()?, line.next()?, line.next()?);
        if controllers.split(',').any(|name| name == "memory") {
            return Some(path);
        }
        if controllers.is_empty() {
            unified = Some(path);
        }
    }
    unified
}

/// The stack pointers of the threads but the first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StackPointers {
    pub(super) seen: Vec<u64>,
    /// Whether that of one was not to be seen.
    pub(super) incomplete: bool,
}

/// Looks where the threads' stacks are. A thread that runs does not show it, and is
/// looked at again a few times.
pub(super) fn stack_pointers(files: &ProcessFiles) -> StackPointers {
    const TURNS: u32 = 4;
    let mut pointers = StackPointers::default();
    let Ok(tasks) = fs::read_dir(files.directory.join("task")) else {
        pointers.incomplete = true;
        return pointers;
    };
    let first = files.pid.to_string();
    let mut left: Vec<_> = tasks
        .flatten()
        .filter(|task| task.file_name().to_str() != Some(first.as_str()))
        .map(|task| task.path())
        .collect();
    for turn in 0..TURNS {
        if turn > 0 && !left.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        left.retain(|task| match stack_pointer(task) {
            Looked::At(pointer) => {
                pointers.seen.push(pointer);
                false
            }
            Looked::Ended => false,
            Looked::Running => true,
            Looked::Refused => {
                pointers.incomplete = true;
                false
            }
        });
    }
    pointers.incomplete |= !left.is_empty();
    pointers
}

enum Looked {
    At(u64),
    Running,
    Ended,
    Refused,
}

/// What `syscall` of a thread says of its stack pointer (fs/proc/base.c,
/// `proc_pid_syscall`): "0 0x0 … 0x7ffd1000 0x7f2a0000", "-1 0x7ffd1000 0x7f2a0000" or
/// "running". Asking stops nobody, but needs the right to trace the thread.
fn stack_pointer(task: &Path) -> Looked {
    match fs::read_to_string(task.join("syscall")) {
        Ok(text) if text.starts_with("running") => Looked::Running,
        Ok(text) => pointer(&text).map_or(Looked::Refused, Looked::At),
        Err(error) if error.raw_os_error() == Some(NO_SUCH_PROCESS) => Looked::Ended,
        // The file may be missing for the kernel's lack of it as well.
        Err(_) if !task.exists() => Looked::Ended,
        Err(_) => Looked::Refused,
    }
}

fn pointer(text: &str) -> Option<u64> {
    let word = text.split_whitespace().rev().nth(1)?;
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a ring with a buffer.
    const RING: &str = include_str!("../../../tests/data/proc/fdinfo-io-uring.txt");

    #[test]
    fn descriptors_that_an_exec_closes_have_the_flag() {
        assert!(closes("pos:\t0\nflags:\t02100002\nmnt_id:\t15\n"));
        assert!(!closes("pos:\t0\nflags:\t0100002\nmnt_id:\t15\n"));
        assert!(!closes("flags: x\n") && !closes(""));
    }

    #[test]
    fn bytes_are_found_across_pieces() {
        let mut bytes = vec![b'_'; (1 << 16) - 5];
        bytes.extend(b"_AFL_SHM_ID");
        assert!(holds(bytes.as_slice(), b"__AFL_SHM_ID").unwrap());
        assert!(!holds(bytes.as_slice(), b"__AFL_SHM_IDS").unwrap());
        assert!(!holds(&b""[..], b"x").unwrap());
    }

    #[test]
    fn a_fork_server_has_two_pipes_and_the_name_of_a_variable() {
        let root = tempfile::tempdir().unwrap();
        let files = ProcessFiles::below(root.path());
        let link = |target: &str, name: &str| {
            std::os::unix::fs::symlink(target, root.path().join(name)).unwrap();
        };
        fs::create_dir(root.path().join("fd")).unwrap();
        fs::write(root.path().join("exe"), "x__AFL_SHM_ID\0").unwrap();
        link("pipe:[1]", "fd/198");
        assert!(!is_afl_fork_server(&files));
        link("pipe:[2]", "fd/199");
        assert!(is_afl_fork_server(&files));
        fs::write(root.path().join("exe"), "x").unwrap();
        assert!(!is_afl_fork_server(&files));
    }

    #[test]
    fn a_userfaultfd_says_whether_forks_are_told() {
        let with = |features: &str| {
            format!(
                "pos:\t0\nflags:\t02000002\npending:\t0\ntotal:\t0\nAPI:\taa:{features}:800000000000017f\n"
            )
        };
        assert_eq!(is_told_of_forks(&with("2")), Some(true));
        assert_eq!(is_told_of_forks(&with("1fffd")), Some(false));
        assert_eq!(is_told_of_forks(&with("x")), None);
        assert_eq!(is_told_of_forks("flags:\t02\nAPI:\taa\n"), None);
        assert_eq!(is_told_of_forks(RING), None);
    }

    #[test]
    fn the_buffers_of_a_ring_are_read() {
        assert_eq!(
            buffers(RING).collect::<Vec<_>>(),
            [[0x7f84_8ee0_0000, 8_388_608]]
        );
        assert_eq!(buffers("pos:\t0\nflags:\t02100002\n").count(), 0);
        let odd =
            "UserBufs:\t4\n    0: <none>\n    1: 0xzz/1\n    2: 0x10/0\n    3: 0x20\nPollList:\n";
        assert_eq!(buffers(odd).count(), 0);
    }

    #[test]
    fn the_group_is_that_of_memory() {
        assert_eq!(memory_group("0::/a/b\n"), Some("/a/b"));
        let hybrid = "12:pids:/p\n4:cpu,memory:/m\n0::/u\n";
        assert_eq!(memory_group(hybrid), Some("/m"));
        assert_eq!(memory_group("3:name=systemd:/s\n0::/u:v\n"), Some("/u:v"));
        assert_eq!(memory_group(""), None);
    }

    /// What is found where these threads, besides the first, show this of their calls.
    fn found(threads: &[(&str, Option<&str>)]) -> StackPointers {
        let root = tempfile::tempdir().unwrap();
        let files = ProcessFiles::below(root.path());
        for (thread, syscall) in threads {
            let task = root.path().join("task").join(thread);
            fs::create_dir_all(&task).unwrap();
            if let Some(text) = syscall {
                fs::write(task.join("syscall"), text).unwrap();
            }
        }
        stack_pointers(&files)
    }

    #[test]
    fn threads_that_run_or_refuse_leave_the_list_incomplete() {
        let sleeps = ("77", Some("34 0x0 0x7ff0 0x7f2a0000\n"));
        let all = found(&[sleeps, ("78", Some("-1 0x8000 0x7f2a0000\n"))]);
        let (mut seen, incomplete) = (all.seen, all.incomplete);
        seen.sort_unstable();
        assert_eq!((&seen[..], incomplete), (&[0x7ff0, 0x8000][..], false));
        for other in [Some("running\n"), None] {
            let some = found(&[sleeps, ("78", other)]);
            assert_eq!((&some.seen[..], some.incomplete), (&[0x7ff0][..], true));
        }
        assert_eq!(found(&[]).seen, [0; 0]);
    }

    #[test]
    fn a_thread_that_runs_is_looked_at_again_and_one_that_is_gone_is_not_missed() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(
            stack_pointer(&root.path().join("1")),
            Looked::Ended
        ));
        fs::write(root.path().join("syscall"), "running\n").unwrap();
        assert!(matches!(stack_pointer(root.path()), Looked::Running));
        fs::remove_file(root.path().join("syscall")).unwrap();
        assert!(matches!(stack_pointer(root.path()), Looked::Refused));
    }

    #[test]
    fn stack_pointers_are_the_last_word_but_one() {
        let blocked = "202 0x7f00 0x189 0x0 0x0 0x0 0x0 0x7ffd12340 0x7f56780\n";
        assert_eq!(pointer(blocked), Some(0x7_ffd1_2340));
        assert_eq!(pointer("-1 0x7ffd0 0x7f20\n"), Some(0x7ffd0));
        assert_eq!(pointer("running\n"), None);
        assert_eq!(pointer(""), None);
    }
}
