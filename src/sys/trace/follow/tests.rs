//! Followers of real programs: shells, and this very program in the parts of `fixtures`.

mod attached;
mod fixtures;
mod left;
mod started;
mod stormy;
mod timed;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::sys::process;
use crate::sys::trace::error::field;
use crate::sys::trace::event::CallName;

/// Nothing here takes this long, however slow the machine.
const LONG: Duration = Duration::from_secs(120);

const CLONE_VM: u64 = 0x100;
const CLONE_VFORK: u64 = 0x4000;
const CLONE_PARENT: u64 = 0x8000;

/// The command line of a shell's script.
fn shell(script: &str) -> Vec<OsString> {
    ["/bin/sh", "-c", script].map(OsString::from).to_vec()
}

/// The command line of a part of this program, which knows of a pipe; its output is nowhere.
fn fixture(part: &str, pipe: Option<&Pipe>) -> Vec<OsString> {
    let pipe = pipe.map_or(Path::new(""), |pipe| &pipe.path);
    let script = format!(
        "export {}={part} {}={}; exec \"$0\" --exact {} --nocapture --test-threads=1 >/dev/null",
        fixtures::PART,
        fixtures::PIPE,
        pipe.display(),
        fixtures::TEST,
    );
    let mut line = shell(&script);
    line.push(std::env::current_exe().unwrap().into());
    line
}

fn try_start(line: &[OsString], call_times: bool) -> Result<Follower, StartError> {
    Follower::start(&Start {
        program: &line[0],
        arguments: line,
        call_times,
        descriptors: None,
    })
}

fn start(line: &[OsString]) -> Follower {
    try_start(line, false).unwrap()
}

/// What is told until nobody is left.
fn all(follower: &mut Follower) -> Vec<Followed> {
    let (told, last) = told(follower, &|| false);
    assert_eq!(last, Next::Over);
    assert!(!follower.must_stay() && follower.threads.is_empty());
    assert_eq!(
        follower.next(None, &|| panic!("nobody waits")).unwrap(),
        last
    );
    check(&told);
    told
}

/// What is told until something holds.
fn until(follower: &mut Follower, holds: &dyn Fn() -> bool) -> Vec<Followed> {
    let (told, last) = told(follower, holds);
    assert_eq!(last, Next::Quiet, "{told:?}");
    told
}

fn told(follower: &mut Follower, holds: &dyn Fn() -> bool) -> (Vec<Followed>, Next) {
    let end = Instant::now() + LONG;
    let mut told = Vec::new();
    loop {
        match follower.next(Some(end), holds).unwrap() {
            Next::Happened(followed) => told.push(followed),
            last => {
                assert!(Instant::now() < end, "it takes too long: {told:?}");
                return (told, last);
            }
        }
    }
}

/// The next thing that is told.
fn one(follower: &mut Follower) -> Followed {
    match follower.next(Some(Instant::now() + LONG), &|| false) {
        Ok(Next::Happened(followed)) => followed,
        other => panic!("{other:?}"),
    }
}

/// What must hold of everything that is told from a beginning to an end: who does something
/// was there or was created before, ends once, and does nothing after it; times go forward.
fn check(told: &[Followed]) {
    let mut alive = HashSet::new();
    let mut last_ns = 0;
    for followed in told {
        let Followed { pid, tid, what, .. } = followed;
        assert!(followed.time_ns >= last_ns, "{followed:?}: {told:?}");
        last_ns = followed.time_ns;
        if matches!(what, What::Present | What::Adopted) {
            assert!(alive.insert(*pid), "twice present: {told:?}");
        }
        assert!(alive.contains(pid), "unknown: {followed:?}: {told:?}");
        match what {
            What::Created { child, .. } => {
                assert!(alive.insert(*child), "twice created: {child}: {told:?}");
            }
            What::Ended(_) => assert!(alive.remove(pid) && pid == tid),
            What::Executed | What::Present | What::Adopted => assert_eq!(pid, tid),
            _ => {}
        }
    }
    assert!(alive.is_empty(), "endless: {alive:?}: {told:?}");
}

/// The creations: by whom, how, with which flags and whom.
fn creations(told: &[Followed]) -> Vec<(u32, CallName, u64, u32)> {
    let creation = |followed: &Followed| match followed.what {
        What::Created {
            call, flags, child, ..
        } => Some((followed.pid, call, flags, child)),
        _ => None,
    };
    told.iter().filter_map(creation).collect()
}

fn ends(told: &[Followed]) -> HashMap<u32, End> {
    let end = |followed: &Followed| match followed.what {
        What::Ended(end) => Some((followed.pid, end)),
        _ => None,
    };
    told.iter().filter_map(end).collect()
}

/// How the command ended.
fn end(follower: &Follower, told: &[Followed]) -> End {
    ends(told)[&follower.command().unwrap()]
}

fn count(told: &[Followed], is: impl Fn(&What) -> bool) -> usize {
    told.iter().filter(|followed| is(&followed.what)).count()
}

fn status(pid: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    field(&status, name).unwrap_or_default().to_owned()
}

fn is_stopped(pid: u32) -> bool {
    status(pid, "State:").starts_with(['t', 'T'])
}

fn is_free(pid: u32) -> bool {
    status(pid, "TracerPid:") == "0"
}

fn kill(pid: u32, signal: i32) {
    process::kill(pid.cast_signed(), signal).unwrap();
}

fn await_that(holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < LONG, "it takes too long");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A named pipe.
struct Pipe {
    path: PathBuf,
    file: Option<File>,
    _dir: tempfile::TempDir,
}

impl Pipe {
    /// One that is never without a reader and a writer: whoever opens it goes on, and reads
    /// what is written here only.
    fn new() -> Self {
        let mut pipe = Self::shut();
        pipe.open();
        pipe
    }

    /// One whose opening others wait for.
    fn shut() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let name = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: the name is a C string, and the mode a number.
        crate::sys::check(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }).unwrap();
        Self {
            path,
            file: None,
            _dir: dir,
        }
    }

    fn open(&mut self) {
        let file = File::options().read(true).write(true).open(&self.path);
        self.file = Some(file.unwrap());
    }

    /// Lets as many readers of a line go on.
    fn let_go(&mut self, readers: usize) {
        let lines = vec![b'\n'; readers];
        self.file.as_mut().unwrap().write_all(&lines).unwrap();
    }

    /// A shell's command that waits for that.
    fn wait(&self) -> String {
        format!("read line <{}", self.path.display())
    }
}
