//! Who is let go goes on as if nothing had been.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use super::*;

/// A process whose parent this thread is, beside whoever follows it in another.
struct Running(Child);

impl Running {
    fn start(line: &[OsString]) -> Self {
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).stdout(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Has another thread follow it until something holds, and leave.
    fn is_followed_until(&self, holds: impl Fn() -> bool + Send) -> Vec<Followed> {
        let pid = self.pid();
        let follow = move || {
            let mut follower = Follower::attach(pid).unwrap();
            let told = until(&mut follower, &holds);
            let begin = Instant::now();
            follower.leave();
            assert!(begin.elapsed() < LONG / 2);
            told
        };
        std::thread::scope(|scope| scope.spawn(follow).join().unwrap())
    }

    fn end(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a fixed number of looks was taken.
fn some_looks() -> impl Fn() -> bool + Send {
    let looks = std::sync::atomic::AtomicU32::new(0);
    move || looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 3
}

#[test]
fn who_computes_or_waits_goes_on() {
    let mut pipe = Pipe::new();
    let mut waits = Running::start(&shell(&format!("{}; exit 4", pipe.wait())));
    waits.is_followed_until(some_looks());
    assert!(is_free(waits.pid()));
    pipe.let_go(1);
    assert_eq!(waits.end(), Some(4));

    let computes = Running::start(&shell("while :; do :; done"));
    computes.is_followed_until(some_looks());
    assert!(is_free(computes.pid()));
    await_that(|| status(computes.pid(), "State:").starts_with('R'));
}

#[test]
fn who_spawns_all_the_time_goes_on_with_its_children() {
    let script =
        "i=0; while [ $i -lt 400 ]; do (exit 1); /bin/true & i=$((i+1)); done; wait; exit 3";
    for _ in 0..5 {
        let mut spawns = Running::start(&shell(script));
        let pid = spawns.pid();
        spawns.is_followed_until(some_looks());
        assert!(is_free(pid));
        assert_eq!(spawns.end(), Some(3));
    }
}

#[test]
fn who_waits_for_a_vforked_child_is_free_at_the_latest_with_the_thread() {
    let mut pipe = Pipe::shut();
    let mut running = Running::start(&fixture("held-vfork", Some(&pipe)));
    let pid = running.pid();
    // One of its threads waits as nothing else does.
    let vforks = || {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"));
        let tasks = tasks.into_iter().flatten().flatten();
        let mut tids = tasks.filter_map(|task| task.file_name().to_str()?.parse().ok());
        tids.any(|tid| status(tid, "State:").starts_with('D'))
    };
    await_that(vforks);
    let told = running.is_followed_until(some_looks());
    assert_eq!(count(&told, |what| *what == What::Present), 2);
    await_that(|| is_free(pid));
    pipe.open();
    assert_eq!(running.end(), Some(5));
}

#[test]
fn who_vforks_while_it_is_followed_is_let_go_too() {
    let script = "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done; exit 3";
    for looks in 1..6 {
        let mut spawns = Running::start(&shell(script));
        let created = std::sync::atomic::AtomicU32::new(0);
        let told = spawns.is_followed_until(move || {
            created.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > looks * 20
        });
        drop(told);
        assert!(is_free(spawns.pid()));
        assert_eq!(spawns.end(), Some(3));
    }
}

#[test]
fn a_command_survives_its_followers_death() {
    let mut pipe = Pipe::new();
    let mut line = fixture("mortal", Some(&pipe));
    line[2] = OsString::from(line[2].to_str().unwrap().replace(" >/dev/null", " >&2"));
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).stderr(Stdio::piped());
    let mut mortal = command.spawn().unwrap();
    let status_of_it = mortal.wait().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status_of_it),
        Some(libc::SIGKILL)
    );
    // The command has the other end of the pipe, and says so when it goes on.
    pipe.let_go(1);
    let mut said = String::new();
    let mut stderr = mortal.stderr.take().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert!(said.contains("it lives and has a child 3"), "{said}");
}

/// What the fixture of the test above does: it is killed while its command waits.
pub(super) fn mortal() {
    let pipe = std::env::var(fixtures::PIPE).unwrap();
    let script = format!("read line <{pipe}; (exit 3); echo it lives and has a child $?");
    let mut follower = start(&shell(&script));
    let pid = follower.command().unwrap();
    until(&mut follower, &|| status(pid, "State:").starts_with('S'));
    kill(std::process::id(), libc::SIGKILL);
}
