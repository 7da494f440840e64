//! What this program does when it is what is followed.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::rc::Rc;
use std::thread;

use super::*;
use crate::model::Closing;
use crate::sys::image::ExecImage;
use crate::sys::spawn::{self, Action, Clone3Vfork, PosixSpawn, Spawn, Then, VforkLibc};

/// The names of the variables that say which part to play, and where a pipe is.
pub(super) const PART: &str = "FORKTAX_TEST_PART";
pub(super) const PIPE: &str = "FORKTAX_TEST_PIPE";
/// The name of the test that is no test then.
pub(super) const TEST: &str = "sys::trace::follow::tests::fixtures::what_is_followed";

/// How often the loops create a process.
pub(super) const OFTEN: usize = 2_000;
/// Threads that do it at once.
pub(super) const THREADS: usize = 3;

#[test]
fn what_is_followed() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    match part.as_str() {
        "ways" => ways(),
        "parent" => leave(parents_child()),
        "loop" => looping(OFTEN),
        "threads" => threads(),
        "many" => many(),
        "executing-thread" => executing_thread(),
        "leaving-leader" => leaving_leader(),
        "killer" => killer(),
        "watchful" => watchful(),
        "failing" => failing(),
        "held-vfork" => held_vfork(),
        "unprivileged" => started::in_the_shoes_of_nobody(),
        "mortal" => left::mortal(),
        other => panic!("there is no part {other}"),
    }
    leave(0)
}

/// Leaves at once, without the end of a test.
pub(super) fn leave(code: i32) -> ! {
    // SAFETY: _exit(2) takes a number and runs no code of this process.
    unsafe { libc::_exit(code) }
}

/// The call clone(2) without a stack: like fork, with flags. A child has one thread.
fn clone(flags: u64) -> i32 {
    let flags = flags | u64::from(libc::SIGCHLD.cast_unsigned());
    // SAFETY: without CLONE_VM the child has memory of its own; all it does is to leave or to
    // make system calls.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    i32::try_from(pid).unwrap()
}

/// A child that leaves with this status.
fn child(code: i32) -> i32 {
    match clone(0) {
        0 => leave(code),
        pid => pid,
    }
}

fn wait(pid: i32) {
    spawn::wait(pid).unwrap();
}

fn await_line() {
    let path = std::env::var_os(PIPE).unwrap();
    File::open(path).unwrap().read_exact(&mut [0]).unwrap();
}

fn action() -> Action {
    let image = ExecImage::of_path("/bin/true", &["true".to_owned()], &[]).unwrap();
    Action {
        stamp: None,
        redirect: None,
        close: Closing::Nothing,
        then: Then::Exec(Rc::new(image)),
    }
}

/// Each way to spawn once, in this order.
fn ways() {
    let mut ways: [Box<dyn Spawn>; 3] = [
        Box::new(PosixSpawn::new(action()).unwrap()),
        Box::new(VforkLibc::new(action()).unwrap()),
        Box::new(Clone3Vfork::new(action()).unwrap()),
    ];
    wait(child(0));
    for way in &mut ways {
        way.spawn().unwrap().wait().unwrap();
    }
}

/// A child of the parent's own, which the parent reaps.
fn parents_child() -> i32 {
    match clone(CLONE_PARENT) {
        0 => leave(6),
        pid if pid > 0 => 0,
        _ => 1,
    }
}

fn looping(times: usize) {
    for _ in 0..times {
        wait(child(1));
    }
}

/// Threads that create processes at once.
fn threads() {
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| looping(OFTEN / 10));
        }
    });
}

/// Threads and a child that wait, and then create a process each.
fn many() {
    let below = clone(0);
    if below == 0 {
        await_line();
        wait(child(2));
        leave(4);
    }
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                await_line();
                wait(child(3));
            });
        }
    });
    wait(below);
    leave(5)
}

/// A thread that executes takes the place of its process.
fn executing_thread() {
    let idle = || {
        thread::spawn(|| {
            loop {
                thread::park();
            }
        })
    };
    drop((idle(), idle()));
    let execute = || Command::new("/bin/sh").args(["-c", "exit 5"]).exec();
    drop(thread::spawn(execute).join());
}

/// The first thread of a process ends before the last one does.
fn leaving_leader() {
    // SAFETY: no other thread of this program holds a lock now: that of the test harness waits
    // for this one.
    let pid = unsafe { libc::fork() };
    if pid > 0 {
        return wait(pid);
    }
    thread::spawn(|| {
        let is_over = || status(std::process::id(), "State:").starts_with('Z');
        await_that(is_over);
        wait(child(2));
        leave(3);
    });
    // SAFETY: the thread ends at once: nobody joins it, and it holds no lock.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}

/// Children that are killed at once, some while they create processes themselves.
fn killer() {
    for turn in 0..OFTEN / 4 {
        let pid = match clone(0) {
            0 if turn % 2 == 0 => loop {
                let _ = child(0);
            },
            0 => loop {
                std::hint::spin_loop();
            },
            pid => pid,
        };
        for _ in 0..turn % 7 * 1000 {
            std::hint::spin_loop();
        }
        kill(pid.cast_unsigned(), libc::SIGKILL);
        wait(pid);
    }
}

/// Is told of a stop and a continuation of its child, as without a tracer.
fn watchful() {
    let child = match clone(0) {
        0 => {
            kill(std::process::id(), libc::SIGSTOP);
            // Its end would be told before its continuation.
            loop {
                thread::park();
            }
        }
        pid => pid,
    };
    let wait = |flags| {
        let mut status = 0;
        // SAFETY: `status` is a live, writable number.
        let pid = unsafe { libc::waitpid(child, &raw mut status, flags) };
        assert_eq!(pid, child);
        status
    };
    assert!(libc::WIFSTOPPED(wait(libc::WUNTRACED)));
    kill(child.cast_unsigned(), libc::SIGCONT);
    assert!(libc::WIFCONTINUED(wait(libc::WCONTINUED)));
    kill(child.cast_unsigned(), libc::SIGTERM);
    assert_eq!(libc::WTERMSIG(wait(0)), libc::SIGTERM);
    leave(9)
}

/// Calls that fail, and threads, which are none.
fn failing() {
    const CLONE_SIGHAND: u64 = 0x800;
    assert_eq!(clone(CLONE_SIGHAND), -1);
    let error = Command::new("/nowhere/at-all").exec();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    thread::spawn(|| ()).join().unwrap();
    wait(child(0));
}

/// Waits for a child that shares its memory, and which waits itself before it executes.
fn held_vfork() {
    let path = std::env::var(PIPE).unwrap();
    let path = std::ffi::CString::new(path).unwrap();
    // SAFETY: file actions are numbers and pointers, for which all zeros is a value that the
    // next call overwrites.
    let mut actions: libc::posix_spawn_file_actions_t = unsafe { std::mem::zeroed() };
    // SAFETY: `actions` is live and writable.
    unsafe { libc::posix_spawn_file_actions_init(&raw mut actions) };
    // SAFETY: `actions` is initialised, and the path a C string. Opening a pipe without a
    // writer waits.
    unsafe { libc::posix_spawn_file_actions_addopen(&raw mut actions, 0, path.as_ptr(), 0, 0) };
    let image = ExecImage::of_path("/bin/true", &["true".to_owned()], &[]).unwrap();
    let mut pid = 0;
    // SAFETY: the path is a C string, both arrays end with a null pointer, all of them and the
    // actions are alive, and no attributes are wanted.
    let errno = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            image.path().as_ptr(),
            &raw const actions,
            std::ptr::null(),
            image.argv().cast(),
            image.envp().cast(),
        )
    };
    assert_eq!(errno, 0);
    wait(pid);
    leave(5)
}
