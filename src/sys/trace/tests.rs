use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use super::error::field;
use super::*;
use crate::sys::events::CallName;
use crate::sys::process;

const CLONE_VM: u64 = 0x100;
const CLONE_VFORK: u64 = 0x4000;
/// Nothing here takes this long, however slow the machine.
const LONG: Duration = Duration::from_secs(60);

/// A process that says that it is ready, and then awaits a line.
struct Waiting {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Waiting {
    fn shell(script: &str) -> Self {
        let script = format!("echo ready; read line; {script}");
        Self::start(Command::new("/bin/sh").args(["-c", &script])).unwrap()
    }

    fn python(script: &str) -> Option<Self> {
        let script = format!("import os\nprint('ready', flush=True)\ninput()\n{script}");
        let started = Self::start(Command::new("python3").args(["-c", &script]));
        if started.is_none() {
            println!("skipped: there is no python3 here");
        }
        started
    }

    fn start(command: &mut Command) -> Option<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let stdin = child.stdin.take();
        let waiting = Self {
            child,
            stdin,
            stdout,
        };
        (line == "ready\n").then_some(waiting)
    }

    fn traced(&self) -> CallTracer {
        let mut tracer = CallTracer::new(self.child.id());
        tracer.start().unwrap();
        assert!(!self.is_free());
        tracer
    }

    fn go_on(&mut self) {
        drop(self.stdin.as_mut().unwrap().write_all(b"\n"));
    }

    fn status(&self, name: &str) -> String {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        field(&status, name).unwrap().to_owned()
    }

    fn is_free(&self) -> bool {
        self.status("TracerPid:") == "0"
    }

    fn kill(&self, signal: i32) {
        process::kill(self.child.id().cast_signed(), signal).unwrap();
    }

    fn await_state(&self, state: char) {
        await_that(|| self.status("State:").starts_with(state));
    }

    /// Its end, which the tracer saw first.
    fn end(&mut self, tracer: &CallTracer) -> ExitStatus {
        await_that(|| is_over(tracer));
        self.child.wait().unwrap()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn await_that(holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < LONG);
        thread::sleep(PAUSE);
    }
}

fn is_over(tracer: &CallTracer) -> bool {
    let running = tracer.running.as_ref();
    running.is_none_or(|running| running.thread.is_finished())
}

fn calls(tracer: &mut CallTracer, pid: u32) -> Vec<(CallName, u64)> {
    let call = |event| match event {
        SampleEvent::Called {
            time_ns,
            pid: caller,
            call,
            flags,
        } => {
            assert!(caller == pid && time_ns > 0 && time_ns < clock::now_ns());
            (call, flags)
        }
        other => panic!("{other:?}"),
    };
    tracer.drain().into_iter().map(call).collect()
}

#[test]
fn the_forks_of_a_shell_are_seen_and_its_status_is_left_to_its_owner() {
    let mut shell = Waiting::shell("(exit 1); (exit 2); exit 7");
    let pid = shell.child.id();
    let mut tracer = shell.traced();
    shell.go_on();
    assert_eq!(shell.end(&tracer).code(), Some(7));
    let calls = calls(&mut tracer, pid);
    assert_eq!(calls.len(), 2, "{calls:?}");
    for (_, flags) in calls {
        assert_eq!(flags & (CLONE_VM | CLONE_VFORK | 0xff), 0);
    }
    assert_eq!(tracer.drain(), []);
}

#[test]
fn python_forks_and_spawns_in_the_ways_that_it_names() {
    let script = "
import ctypes, subprocess, threading
if child := os.fork(): os.waitpid(child, 0)
else: os._exit(0)
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)
call = ctypes.CDLL(None).syscall
NUMBER, SIGCHLD = 435, 17
arguments = (ctypes.c_uint64 * 8)(0x01000000, 0, ctypes.addressof(ctypes.c_uint64()), 0, SIGCHLD)
if child := call(NUMBER, arguments, 64): os.waitpid(child, 0) if child > 0 else os._exit(38)
else: os._exit(0)
arguments[0] = 0x10000
assert call(NUMBER, arguments, 64) == -1
os._exit(5)
";
    let Some(mut python) = Waiting::python(script) else {
        return;
    };
    let pid = python.child.id();
    let mut tracer = python.traced();
    python.go_on();
    let code = python.end(&tracer).code();
    let calls = calls(&mut tracer, pid);
    if code == Some(38) {
        println!("skipped: clone3 is filtered here");
        return;
    }
    assert_eq!(code, Some(5));
    let [fork, spawn, clone3] = calls[..] else {
        panic!("the thread and the call that failed are none: {calls:?}");
    };
    assert_eq!(fork.1 & (CLONE_VM | CLONE_VFORK), 0, "{calls:?}");
    assert_ne!(fork.0, CallName::Vfork);
    let shares = CLONE_VM | CLONE_VFORK;
    assert!(spawn.0 == CallName::Vfork || spawn.1 & shares == shares);
    assert_eq!(clone3, (CallName::Clone3, 0x0100_0000));
}

#[test]
fn a_long_loop_runs_free_after_enough_calls() {
    let mut shell =
        Waiting::shell("i=0; while [ $i -lt 150 ]; do (:); i=$((i+1)); done; echo done; read line");
    let pid = shell.child.id();
    let mut tracer = shell.traced();
    shell.go_on();
    let mut line = String::new();
    shell.stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "done\n");
    assert!(shell.is_free() && is_over(&tracer));
    assert_eq!(calls(&mut tracer, pid).len(), MOST_CALLS);
}

#[test]
fn whoever_is_stopped_or_dropped_lets_go_at_once_and_may_begin_again() {
    let mut shell = Waiting::shell("(exit 1); exit 3");
    let pid = shell.child.id();
    drop(shell.traced());
    assert!(shell.is_free());
    let mut tracer = shell.traced();
    stop(&mut tracer);
    assert!(shell.is_free());
    tracer.start().unwrap();
    shell.go_on();
    assert_eq!(shell.end(&tracer).code(), Some(3));
    assert_eq!(calls(&mut tracer, pid).len(), 1);
}

fn stop(tracer: &mut CallTracer) {
    let begin = Instant::now();
    tracer.stop();
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[test]
fn stopping_does_not_hang_whatever_the_process_does() {
    let mut computing = Waiting::shell("while :; do :; done");
    let mut tracer = computing.traced();
    computing.go_on();
    stop(&mut tracer);
    assert!(computing.is_free());

    let mut forking = Waiting::shell("while :; do (:); done");
    let mut tracer = forking.traced();
    forking.go_on();
    await_that(|| tracer.found.1.try_recv().is_ok());
    stop(&mut tracer);
    assert!(forking.is_free());

    let mut ended = Waiting::shell("exit 4");
    let mut tracer = ended.traced();
    ended.go_on();
    ended.await_state('Z');
    stop(&mut tracer);
    assert_eq!(ended.child.wait().unwrap().code(), Some(4));

    // As a worker is ended: killed and reaped under the tracer.
    let mut killed = Waiting::shell("while :; do (:); done");
    let mut tracer = killed.traced();
    killed.go_on();
    killed.kill(libc::SIGKILL);
    let status = killed.child.wait().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(libc::SIGKILL)
    );
    stop(&mut tracer);
}

#[test]
fn a_process_in_a_vfork_is_let_go_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    // The child of the spawn waits for the pipe's other end before it executes.
    let script = format!(
        "
pipe = {pipe:?}
os.mkfifo(pipe)
act = (os.POSIX_SPAWN_OPEN, 0, pipe, os.O_RDONLY, 0)
_, status = os.waitpid(os.posix_spawn('/bin/true', ['true'], {{}}, file_actions=[act]), 0)
os._exit(status)
"
    );
    let Some(mut python) = Waiting::python(&script) else {
        return;
    };
    let mut tracer = python.traced();
    python.go_on();
    let children = format!("/proc/{0}/task/{0}/children", python.child.id());
    let has_child = || std::fs::read_to_string(&children).is_ok_and(|list| !list.is_empty());
    await_that(has_child);
    stop(&mut tracer);
    assert!(python.is_free());
    assert_eq!(tracer.start(), Err(TraceError::Busy));
    assert!(python.is_free());
    drop(std::fs::File::options().write(true).open(&pipe).unwrap());
    assert_eq!(python.child.wait().unwrap().code(), Some(0));
}

#[test]
fn signals_reach_the_process_and_its_stops_last() {
    let mut shell = Waiting::shell("trap 'exit 9' USR1; echo set; while :; do :; done");
    let mut tracer = shell.traced();
    shell.go_on();
    let mut set = [0; 4];
    shell.stdout.read_exact(&mut set).unwrap();
    let quiet = || shell.status("State:").starts_with(['t', 'T']);
    shell.kill(libc::SIGSTOP);
    await_that(quiet);
    thread::sleep(20 * PAUSE);
    assert!(quiet(), "what was stopped was resumed");
    shell.kill(libc::SIGCONT);
    shell.await_state('R');
    shell.kill(libc::SIGSTOP);
    await_that(quiet);
    stop(&mut tracer);
    assert!(shell.is_free());
    shell.await_state('T');
    tracer.start().unwrap();
    shell.kill(libc::SIGCONT);
    shell.kill(libc::SIGUSR1);
    assert_eq!(shell.end(&tracer).code(), Some(9));
}

#[test]
fn who_cannot_be_traced_is_named_with_the_reason() {
    let mut shell = Waiting::shell("exit 0");
    let mut first = shell.traced();
    let mut second = CallTracer::new(shell.child.id());
    assert!(matches!(second.start(), Err(TraceError::Traced(1..))));
    stop(&mut first);
    shell.go_on();
    shell.await_state('Z');
    assert_eq!(second.start(), Err(TraceError::Gone));
    shell.child.wait().unwrap();
    assert_eq!(second.start(), Err(TraceError::Gone));
}
